#include "tests/unit/server/stream_rig.h"
#include "tests/unit/unit.h"

static struct rig *rig;
static struct decision decision;

static void begin(void)
{
    struct effect effect = {
        .type = EFFECT_CONFIG,
        .config = {.created_ns = 1,
                   .json = BYTES("{\"name\":\"S\",\"subjects\":[\"s.>\"],\"allow_atomic\":true,"
                                 "\"allow_batched\":true,\"allow_msg_schedules\":true,"
                                 "\"allow_rollup_hdrs\":true}")}};

    rig = rig_create(1, 0);
    rig_operation(rig, &effect);
    rig_settle(rig);
}

static void publish_to(const char *subject, const char *reply, const char *lines)
{
    char block[700];
    struct publish publish = {.subject = bytes_of_text(subject), .reply = bytes_of_text(reply)};

    snprintf(block, sizeof block, "NATS/1.0\r\n%s\r\n", lines);
    if (lines[0] != 0)
        publish.headers = bytes_of_text(block);
    rig_publish(rig, &publish, &decision);
}

#define SCHEDULE "Nats-Schedule: @every 1h\r\nNats-Schedule-Target: s.t\r\n"
#define HOUR     INT64_C(3600000000000)

static void check_scheduled(uint64_t sequence, int64_t about_ns)
{
    int64_t end = expiries_end(&rig->state.schedules, sequence);

    ck_assert_int_ge(end, about_ns - 1000000000);
    ck_assert_int_le(end, about_ns + 1000000000);
}

static void check_count(size_t count)
{
    ck_assert_uint_eq(rig->state.schedules.lives.count, count);
}

START_TEST(a_schedule_and_its_time_are_one_entry_of_the_log)
{
    for (unsigned kept = 0; kept < 2; kept++) {
        begin();
        publish_to("s.1", "", SCHEDULE);
        ck_assert_int_eq(decision.outcome, DECIDE_STORE);
        ck_assert_uint_eq(decision.records, 2);
        rig_propose(rig);
        rig_crash(rig, kept);
        check_count(kept);
        ck_assert_uint_eq(rig->state.last_seq, kept);
        if (kept == 1)
            check_scheduled(1, rig->now_ns + HOUR);
        rig_destroy(rig);
    }
}
END_TEST

START_TEST(a_subject_has_one_schedule)
{
    begin();
    publish_to("s.1", "", SCHEDULE);
    publish_to("s.1", "", SCHEDULE);
    rig_settle(rig);
    check_count(1);
    ck_assert(expiries_has(&rig->state.schedules, 2));
    ck_assert_uint_eq(stream_state_messages(&rig->state), 1);
    publish_to("s.1", "", "");
    rig_settle(rig);
    check_count(0); /* it is not the newest any more */
    ck_assert_uint_eq(stream_state_messages(&rig->state), 2);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_schedule_goes_with_its_message)
{
    struct effect remove = {.type = EFFECT_DELETE, .remove = {.sequence = 1}};
    struct effect purge = {.type = EFFECT_PURGE, .purge = {.last = 2}};

    begin();
    publish_to("s.1", "", SCHEDULE);
    publish_to("s.2", "", SCHEDULE);
    rig_settle(rig);
    check_count(2);
    rig_operation(rig, &remove);
    rig_settle(rig);
    check_count(1);
    rig_operation(rig, &purge);
    rig_settle(rig);
    check_count(0);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_message_may_end_a_schedule)
{
    begin();
    publish_to("s.1", "", SCHEDULE);
    publish_to("s.9", "", "Nats-Schedule-Next: purge\r\nNats-Scheduler: s.1\r\n");
    ck_assert_int_eq(decision.outcome, DECIDE_WAIT); /* it is not known yet */
    rig_settle(rig);
    publish_to("s.9", "", "Nats-Schedule-Next: purge\r\nNats-Scheduler: s.1\r\n");
    ck_assert_int_eq(decision.outcome, DECIDE_STORE);
    ck_assert(rig->decider.barrier);
    rig_settle(rig);
    check_count(0);
    ck_assert_uint_eq(stream_state_messages(&rig->state), 1);
    publish_to("s.8", "", "Nats-Schedule-Next: purge\r\nNats-Scheduler: s.9\r\n");
    ck_assert_uint_eq(decision.error, 10212);
    rig_destroy(rig);
}
END_TEST

static void fired(uint64_t sequence, int64_t next_ns)
{
    uint8_t entry[SCHEDULE_ENTRY_SIZE];
    struct effect effect = {.type = EFFECT_SCHEDULE};

    (void)effect_schedule_entry(entry, sequence, next_ns);
    effect.schedule.entries = bytes_of(entry, sizeof entry);
    rig_operation(rig, &effect);
    rig_settle(rig);
}

START_TEST(a_schedule_that_has_fired_goes_on_or_goes)
{
    struct expiry first;

    begin();
    publish_to("s.1", "", SCHEDULE);
    rig_settle(rig);
    fired(1, rig->now_ns + 5);
    ck_assert(expiries_first(&rig->state.schedules, &first));
    ck_assert_int_eq(first.expires_ns, rig->now_ns + 5);
    rig_crash(rig, 0);
    check_scheduled(1, rig->now_ns + 5);
    fired(1, SCHEDULE_PURGED);
    check_count(0);
    ck_assert_uint_eq(stream_state_messages(&rig->state), 0);
    fired(1, 7); /* what is gone does not come back */
    check_count(0);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_forgotten_schedule_stays_as_a_message)
{
    begin();
    publish_to("s.1", "", SCHEDULE);
    rig_settle(rig);
    fired(1, SCHEDULE_FORGOTTEN);
    check_count(0);
    ck_assert_uint_eq(stream_state_messages(&rig->state), 1);
    rig_destroy(rig);
}
END_TEST

START_TEST(schedules_come_in_batches_too)
{
    begin();
    publish_to("s.1", "", "Nats-Batch-Id: b\r\nNats-Batch-Sequence: 1\r\n" SCHEDULE);
    publish_to("s.2", "",
               "Nats-Batch-Id: b\r\nNats-Batch-Sequence: 2\r\nNats-Batch-Commit: 1\r\n" SCHEDULE);
    ck_assert_int_eq(decision.outcome, DECIDE_STORE);
    ck_assert_uint_eq(decision.records, 4);
    ck_assert_uint_eq(decision.count, 2);
    publish_to("s.3", "p.f.9.ok.1.0.$FI", SCHEDULE);
    ck_assert_uint_eq(decision.records, 2);
    rig_settle(rig);
    check_count(3);
    rig_destroy(rig);
}
END_TEST

/* Two that are due go together, and what the first produces may replace the second. */
START_TEST(what_is_no_schedule_any_more_neither_comes_back_nor_purges)
{
    begin();
    publish_to("s.1", "", SCHEDULE);
    publish_to("s.1", "", ""); /* as another has produced it */
    rig_settle(rig);
    check_count(0);
    fired(1, rig->now_ns + HOUR);
    check_count(0);
    fired(1, SCHEDULE_PURGED);
    ck_assert_uint_eq(stream_state_messages(&rig->state), 2);
    rig_destroy(rig);
}
END_TEST

/* Without the entry the next leader would find it due again. */
START_TEST(a_schedule_that_is_kept_would_be_seen)
{
    begin();
    rig->state.flaws = STREAM_FLAW_SCHEDULE_KEPT;
    publish_to("s.1", "", SCHEDULE);
    rig_settle(rig);
    fired(1, SCHEDULE_PURGED);
    check_count(1);
    rig_destroy(rig);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_schedule_and_its_time_are_one_entry_of_the_log,
        a_subject_has_one_schedule,
        a_schedule_goes_with_its_message,
        a_message_may_end_a_schedule,
        a_schedule_that_has_fired_goes_on_or_goes,
        a_forgotten_schedule_stays_as_a_message,
        what_is_no_schedule_any_more_neither_comes_back_nor_purges,
        schedules_come_in_batches_too,
        a_schedule_that_is_kept_would_be_seen,
    };

    return UNIT_RUN_PLAIN("decide_schedule", tests);
}
