#include "tests/unit/server/stream_rig.h"
#include "tests/unit/unit.h"

static struct rig *rig;
static struct decision decision;

static void begin(const char *config)
{
    struct effect effect = {.type = EFFECT_CONFIG, .config = {.created_ns = 1}};
    char json[512];

    rig = rig_create(1, 0);
    snprintf(json, sizeof json, "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"allow_atomic\":true%s%s}",
             config[0] != 0 ? "," : "", config);
    effect.config.json = bytes_of_text(json);
    rig_operation(rig, &effect);
    rig_settle(rig);
}

static void publish(const char *subject, const char *lines, size_t payload)
{
    static char memory[2u << 20], block[1024];
    struct publish publish = {.subject = bytes_of_text(subject),
                              .payload = bytes_of(memory, payload)};

    if (lines[0] != 0) {
        snprintf(block, sizeof block, "NATS/1.0\r\n%s\r\n", lines);
        publish.headers = bytes_of_text(block);
    }
    rig_publish(rig, &publish, &decision);
}

/* commit: the header's value, or NULL; lines: more headers, each with its CRLF. */
static void part(const char *id, unsigned seq, const char *commit, const char *lines)
{
    char all[900];

    snprintf(all, sizeof all, "Nats-Batch-Id: %s\r\nNats-Batch-Sequence: %u\r\n%s%s%s%s", id, seq,
             commit != NULL ? "Nats-Batch-Commit: " : "", commit != NULL ? commit : "",
             commit != NULL ? "\r\n" : "", lines);
    publish("s.1", all, 1);
}

static void check_staged(void)
{
    ck_assert_msg(decision.outcome == DECIDE_STAGED, "outcome %d, %u %s", decision.outcome,
                  decision.error, decision.error_text);
}

static void check_committed(uint64_t sequence, uint64_t count, const char *id)
{
    ck_assert_msg(decision.outcome == DECIDE_STORE, "outcome %d, %u %s", decision.outcome,
                  decision.error, decision.error_text);
    ck_assert_uint_eq(decision.sequence, sequence);
    ck_assert_uint_eq(decision.count, count);
    ck_assert_uint_eq(decision.records, count);
    ck_assert(bytes_equal(decision.batch, bytes_of_text(id)));
}

static void check_refused(uint16_t error, const char *abandoned)
{
    ck_assert_int_eq(decision.outcome, DECIDE_REFUSE);
    ck_assert_uint_eq(decision.error, error);
    ck_assert_uint_eq(decision.records, 0);
    if (abandoned == NULL)
        ck_assert_ptr_null(decision.abandoned);
    else
        ck_assert_str_eq(decision.abandoned, abandoned);
}

static void check_nothing_left(void)
{
    ck_assert_uint_eq(rig->gather.size, 0);
    ck_assert_uint_eq(rig->decider.overlay.count, 0);
    ck_assert_uint_eq(rig->decider.staging.batches.count, 0);
    ck_assert(!rig->decider.barrier);
}

/* ---- all of it ------------------------------------------------------------------------------- */

START_TEST(nothing_is_stored_before_the_last_message)
{
    begin("");
    part("b", 1, NULL, "");
    check_staged();
    part("b", 2, NULL, "");
    check_staged();
    ck_assert_uint_eq(rig->gather.size, 0);
    rig_settle(rig);
    ck_assert_uint_eq(rig->state.last_seq, 0);
    part("b", 3, "1", "");
    check_committed(3, 3, "b");
    rig_settle(rig);
    ck_assert_uint_eq(rig->state.last_seq, 3);
    ck_assert_uint_eq(rig->decider.staging.batches.count, 0);
    rig_destroy(rig);
}
END_TEST

/* Of what is lost in a crash all is lost, and of what is kept nothing is. */
START_TEST(a_batch_is_one_entry_of_the_log)
{
    for (unsigned kept = 0; kept < 2; kept++) {
        begin("");
        part("b", 1, NULL, "");
        part("b", 2, "1", "");
        check_committed(2, 2, "b");
        rig_propose(rig);
        ck_assert_uint_eq(rig->proposed, rig->applied + 1);
        rig_crash(rig, kept);
        ck_assert_uint_eq(rig->state.last_seq, kept * 2);
        rig_destroy(rig);
    }
}
END_TEST

START_TEST(a_mark_of_its_own_ends_a_batch_and_the_last_message_tells)
{
    struct record record;
    struct effect effect;

    begin("");
    part("b", 1, NULL, "");
    part("b", 2, "eob", "");
    check_committed(1, 1, "b");
    ck_assert_int_eq(record_read(buf_bytes(&rig->gather), &record), OK);
    ck_assert_int_eq(effect_read(&record, &effect), OK);
    ck_assert(bytes_equal(effect.message.headers,
                          BYTES("NATS/1.0\r\nNats-Batch-Id: b\r\nNats-Batch-Sequence: 1\r\n"
                                "Nats-Batch-Commit: 1\r\n\r\n")));
    rig_destroy(rig);
}
END_TEST

START_TEST(batches_and_messages_alone_go_on_side_by_side)
{
    begin("");
    part("a", 1, NULL, "");
    part("b", 1, NULL, "");
    publish("s.2", "", 1);
    ck_assert_uint_eq(decision.sequence, 1);
    part("b", 2, "1", "");
    check_committed(3, 2, "b");
    part("a", 2, "1", "");
    check_committed(5, 2, "a");
    rig_destroy(rig);
}
END_TEST

/* ---- nothing of it --------------------------------------------------------------------------- */

START_TEST(a_failed_check_takes_back_the_messages_before_it)
{
    static const struct {
        const char *first, *second;
        unsigned error;
    } rows[] = {
        {"", "Nats-Expected-Stream: T\r\n", 10060},
        {"", "Nats-Expected-Last-Msg-Id: x\r\n", 10177},
        {"", "Nats-Expected-Last-Sequence: 9\r\n", 10071},
        {"", "Nats-Expected-Last-Sequence: 1\r\n", 10164},
        {"", "Nats-Expected-Last-Subject-Sequence: 0\r\n", 10164},
        {"Nats-Msg-Id: i\r\n", "Nats-Msg-Id: i\r\n", 10201},
        {"Nats-Rollup: all\r\n", "Nats-Rollup: sub\r\n", 10111},
        {"Nats-Rollup: all\r\n", "Nats-Rollup: all\r\n", 10111},
        {"", "Nats-TTL: 5\r\n", 10166},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin("\"allow_rollup_hdrs\":true,\"duplicate_window\":120000000000");
        part("b", 1, NULL, rows[i].first);
        check_staged();
        part("b", 2, "1", rows[i].second);
        ck_assert_msg(decision.outcome == DECIDE_REFUSE, "row %zu", i);
        check_refused((uint16_t)rows[i].error, NULL);
        check_nothing_left();
        part("b", 1, "1", "Nats-Expected-Last-Sequence: 0\r\nNats-Msg-Id: i\r\n");
        check_committed(1, 1, "b");
        rig_destroy(rig);
    }
}
END_TEST

START_TEST(a_batch_that_breaks_off_is_abandoned_with_a_reason)
{
    begin("");
    part("b", 1, NULL, "");
    part("b", 3, NULL, "");
    check_refused(10176, "incomplete");
    part("b", 1, "eob", "");
    check_refused(10176, "incomplete");
    part("b", 1, NULL, "");
    part("b", 2, NULL, "Nats-Required-Api-Level: 99\r\n");
    check_refused(10185, "unsupported");
    part("b", 1, NULL, "");
    part("b", 2, "no", "");
    check_refused(10200, NULL);
    check_nothing_left();
    rig_destroy(rig);
}
END_TEST

/* ---- waiting --------------------------------------------------------------------------------- */

START_TEST(a_batch_that_has_to_wait_stays_staged)
{
    begin("");
    publish("s.2", "", 1); /* in flight: a check with wildcards waits for it */
    part("b", 1, NULL, "");
    part("b", 2, "1",
         "Nats-Expected-Last-Subject-Sequence: 1\r\n"
         "Nats-Expected-Last-Subject-Sequence-Subject: s.*\r\n");
    ck_assert_int_eq(decision.outcome, DECIDE_WAIT);
    ck_assert_uint_eq(rig->decider.overlay.count, 1);
    rig_settle(rig);
    part("b", 2, "1",
         "Nats-Expected-Last-Subject-Sequence: 1\r\n"
         "Nats-Expected-Last-Subject-Sequence-Subject: s.*\r\n");
    check_committed(3, 2, "b");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_batch_without_room_in_the_log_batch_waits_whole)
{
    begin("");
    rig->gather.limit = 300;
    part("b", 1, NULL, "");
    part("b", 2, NULL, "");
    part("b", 3, NULL, "");
    part("b", 4, "1", "");
    ck_assert_int_eq(decision.outcome, DECIDE_FULL);
    ck_assert_uint_eq(rig->gather.size, 0);
    ck_assert_uint_eq(rig->decider.overlay.count, 0);
    rig->gather.limit = 1 << 20;
    part("b", 4, "1", "");
    check_committed(4, 4, "b");
    rig_destroy(rig);
}
END_TEST

/* ---- bounds ---------------------------------------------------------------------------------- */

START_TEST(batches_of_a_stream_and_of_a_server_are_counted)
{
    struct staging_share share = {0};

    begin("");
    rig->decider.staging.share = &share;
    rig->decider.staging.limits.batches = 2;
    part("a", 1, NULL, "");
    part("b", 1, NULL, "");
    part("c", 1, NULL, "");
    check_refused(10210, NULL);
    part("a", 2, "1", "");
    check_committed(2, 2, "a");
    share.batches = rig->decider.staging.limits.batches_total;
    part("c", 1, NULL, "");
    check_refused(10210, NULL);
    share.batches = 1;
    part("c", 1, NULL, "");
    check_staged();
    staging_clear(&rig->decider.staging);
    ck_assert_uint_eq(share.batches, 0);
    ck_assert_uint_eq(share.bytes, 0);
    rig_destroy(rig);
}
END_TEST

START_TEST(messages_and_bytes_of_a_batch_are_bounded)
{
    unsigned seq = 1;

    begin("");
    rig->decider.staging.limits.messages = 2;
    part("b", 1, NULL, "");
    part("b", 2, NULL, "");
    part("b", 3, NULL, "");
    check_refused(10199, "large");
    ck_assert_str_eq(decision.error_text, "atomic publish batch is too large: 2");
    part("b", 1, NULL, "");
    part("b", 2, NULL, "");
    part("b", 3, "eob", "");
    check_committed(2, 2, "b");
    rig_settle(rig);

    rig->decider.staging.limits.messages = 1000;
    do {
        char lines[100];

        snprintf(lines, sizeof lines, "Nats-Batch-Id: b\r\nNats-Batch-Sequence: %u\r\n", seq++);
        publish("s.1", lines, 2u << 20);
    } while (decision.outcome == DECIDE_STAGED);
    check_refused(10199, "large");
    ck_assert_uint_eq(seq, 64 / 2 + 1);
    check_nothing_left();
    rig_destroy(rig);
}
END_TEST

START_TEST(the_server_holds_so_many_staged_bytes)
{
    struct staging_share share = {.bytes = STAGED_BYTES_MAX - 50};

    begin("");
    rig->decider.staging.share = &share;
    part("b", 1, NULL, "");
    check_refused(10176, "incomplete");
    ck_assert_uint_eq(share.bytes, STAGED_BYTES_MAX - 50);
    rig_destroy(rig);
}
END_TEST

START_TEST(the_batch_that_waited_longest_is_overdue_first)
{
    struct staging *staging;

    begin("");
    staging = &rig->decider.staging;
    ck_assert_ptr_null(staging_oldest(staging));
    part("a", 1, NULL, "");
    rig->now_ns += 5;
    part("b", 1, NULL, "");
    rig->now_ns += 5;
    part("a", 2, NULL, "");
    ck_assert(bytes_equal(staged_id(staging_oldest(staging)), BYTES("b")));
    ck_assert_int_eq(staging_deadline(staging, staging_oldest(staging)),
                     rig->now_ns - 5 + staging->limits.timeout_ns);
    rig_destroy(rig);
}
END_TEST

/* ---- the seeded bug -------------------------------------------------------------------------- */

START_TEST(a_half_of_a_refused_batch_would_be_seen)
{
    begin("");
    rig->decider.flaws = STREAM_FLAW_BATCH_HALF;
    part("b", 1, NULL, "");
    part("b", 2, "1", "Nats-Expected-Stream: T\r\n");
    ck_assert_uint_ne(decision.records, 0);
    rig_destroy(rig);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        nothing_is_stored_before_the_last_message,
        a_batch_is_one_entry_of_the_log,
        a_mark_of_its_own_ends_a_batch_and_the_last_message_tells,
        batches_and_messages_alone_go_on_side_by_side,
        a_failed_check_takes_back_the_messages_before_it,
        a_batch_that_breaks_off_is_abandoned_with_a_reason,
        a_batch_that_has_to_wait_stays_staged,
        a_batch_without_room_in_the_log_batch_waits_whole,
        batches_of_a_stream_and_of_a_server_are_counted,
        messages_and_bytes_of_a_batch_are_bounded,
        the_server_holds_so_many_staged_bytes,
        the_batch_that_waited_longest_is_overdue_first,
        a_half_of_a_refused_batch_would_be_seen,
    };

    return UNIT_RUN_PLAIN("decide_atomic", tests);
}
