/* What a stream decides and applies when its messages live until they are acknowledged. */
#include "tests/unit/server/stream_rig.h"
#include "tests/unit/unit.h"

static struct rig *rig;
static struct decision decision;
static struct stream_events events;
static bool interest; /* of everybody in everything */
static unsigned removed;

static bool wanted(void *owner, const struct index_entry *entry)
{
    (void)owner;
    (void)entry;
    return interest;
}

static bool interested(void *owner, struct bytes subject)
{
    (void)owner;
    (void)subject;
    return interest;
}

static void note_removed(void *owner, const struct index_entry *entry)
{
    (void)owner;
    (void)entry;
    removed++;
}

static void begin(const char *config, uint64_t flaws)
{
    struct effect effect = {.type = EFFECT_CONFIG, .config = {.created_ns = 1}};
    char json[512];

    events = (struct stream_events){.wanted = wanted, .removed = note_removed};
    interest = true;
    removed = 0;
    rig = rig_create(1, flaws);
    rig->state.events = &events;
    rig->decider.interested = interested;
    snprintf(json, sizeof json, "{\"name\":\"S\",\"subjects\":[\"s.>\"],%s}", config);
    effect.config.json = bytes_of_text(json);
    rig_operation(rig, &effect);
    rig_settle(rig);
}

static void publish(const char *subject, const char *lines)
{
    static char block[1000];
    struct publish publish = {.subject = bytes_of_text(subject), .payload = BYTES("x")};

    block[0] = 0;
    if (lines[0] != 0)
        snprintf(block, sizeof block, "NATS/1.0\r\n%s\r\n\r\n", lines);
    publish.headers = bytes_of_text(block);
    rig_publish(rig, &publish, &decision);
}

static void stored(const char *subject)
{
    publish(subject, "");
    ck_assert_int_eq(decision.outcome, DECIDE_STORE);
}

/* What an ack comes to, in the place of its record. */
static void gather_ack(uint64_t sequence)
{
    struct effect effect = {.type = EFFECT_DELETE, .remove = {.sequence = sequence}};

    ck_assert(effect_write(&rig->gather, &effect));
    rig->gathered++;
    decider_settling(&rig->decider);
}

#define EXPECT_ONE "Nats-Expected-Last-Subject-Sequence: 1"

START_TEST(a_check_of_a_subject_waits_for_acknowledgements_in_flight)
{
    begin("\"retention\":\"workqueue\"", 0);
    stored("s.a");
    rig_settle(rig);
    gather_ack(1);
    publish("s.a", EXPECT_ONE);
    ck_assert_int_eq(decision.outcome, DECIDE_WAIT);
    rig_propose(rig);
    publish("s.a", EXPECT_ONE);
    ck_assert_int_eq(decision.outcome, DECIDE_WAIT);
    rig_commit(rig);
    publish("s.a", EXPECT_ONE);
    ck_assert_int_eq(decision.outcome, DECIDE_REFUSE);
    ck_assert_uint_eq(decision.error, 10071);
    ck_assert_str_eq(decision.error_text, "wrong last sequence: 0");
    rig_destroy(rig);
}
END_TEST

/* The seeded bug: it answers from what the acknowledgement is about to remove. */
START_TEST(a_check_that_does_not_wait_is_wrong)
{
    begin("\"retention\":\"workqueue\"", STREAM_FLAW_SETTLING_UNSEEN);
    stored("s.a");
    rig_settle(rig);
    gather_ack(1);
    publish("s.a", EXPECT_ONE);
    ck_assert_int_eq(decision.outcome, DECIDE_STORE);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_check_of_a_subject_waits_for_messages_that_may_not_stay)
{
    begin("\"retention\":\"interest\"", 0);
    stored("s.a");
    publish("s.a", EXPECT_ONE);
    ck_assert_int_eq(decision.outcome, DECIDE_WAIT);
    interest = false;
    rig_settle(rig);
    publish("s.a", EXPECT_ONE);
    ck_assert_int_eq(decision.outcome, DECIDE_REFUSE);
    publish("s.a", "Nats-Expected-Last-Subject-Sequence: 0");
    ck_assert_int_eq(decision.outcome, DECIDE_STORE);
    rig_destroy(rig);
}
END_TEST

START_TEST(publishes_without_checks_wait_for_nothing)
{
    begin("\"retention\":\"workqueue\"", 0);
    stored("s.a");
    gather_ack(1);
    stored("s.a");
    publish("s.a", "Nats-Expected-Last-Sequence: 2");
    ck_assert_int_eq(decision.outcome, DECIDE_STORE);
    rig_destroy(rig);
}
END_TEST

START_TEST(discard_new_refuses_only_when_acknowledgements_make_no_room)
{
    begin("\"retention\":\"workqueue\",\"discard\":\"new\",\"max_msgs\":1", 0);
    stored("s.a");
    rig_settle(rig);
    gather_ack(99); /* of another one */
    publish("s.a", "");
    ck_assert_int_eq(decision.outcome, DECIDE_WAIT);
    rig_settle(rig);
    publish("s.a", "");
    ck_assert_int_eq(decision.outcome, DECIDE_REFUSE);
    ck_assert_uint_eq(decision.error, 10077);
    stream_state_settle(&rig->state, 1);
    stored("s.a");
    rig_destroy(rig);
}
END_TEST

START_TEST(what_nobody_wants_is_acknowledged_and_not_kept)
{
    begin("\"retention\":\"interest\",\"discard\":\"new\",\"max_msgs\":1", 0);
    stored("s.a");
    rig_settle(rig);
    ck_assert(!rig->result.unwanted);
    interest = false;
    for (uint64_t sequence = 2; sequence <= 4; sequence++) {
        stored("s.a"); /* no limit is asked */
        ck_assert_uint_eq(decision.sequence, sequence);
        rig_settle(rig);
        ck_assert(rig->result.unwanted);
    }
    ck_assert_uint_eq(stream_state_messages(&rig->state), 1);
    ck_assert_uint_eq(rig->state.first_seq, 1);
    ck_assert_uint_eq(rig->state.last_seq, 4);
    ck_assert_uint_eq(removed, 3);
    rig_destroy(rig);
}
END_TEST

/* What leaves as it comes pushes nothing out. */
START_TEST(what_nobody_wants_takes_no_room)
{
    begin("\"retention\":\"interest\",\"max_msgs\":1,\"max_msgs_per_subject\":1", 0);
    stored("s.a");
    rig_settle(rig);
    interest = false;
    stored("s.a");
    rig_settle(rig);
    ck_assert_uint_eq(index_first(rig->state.index), 1);
    ck_assert_uint_eq(stream_state_messages(&rig->state), 1);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_stream_with_limits_asks_nobody)
{
    begin("\"retention\":\"limits\"", 0);
    interest = false;
    stored("s.a");
    rig_settle(rig);
    ck_assert_uint_eq(stream_state_messages(&rig->state), 1);
    publish("s.a", EXPECT_ONE);
    ck_assert_int_eq(decision.outcome, DECIDE_STORE);
    rig_destroy(rig);
}
END_TEST

START_TEST(what_was_refused_settles_nothing)
{
    begin("\"retention\":\"workqueue\"", 0);
    stored("s.a");
    rig_settle(rig);
    gather_ack(1);
    rig_propose(rig);
    rig_refuse(rig);
    publish("s.a", EXPECT_ONE);
    ck_assert_int_eq(decision.outcome, DECIDE_STORE);
    rig_destroy(rig);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_check_of_a_subject_waits_for_acknowledgements_in_flight,
        a_check_that_does_not_wait_is_wrong,
        a_check_of_a_subject_waits_for_messages_that_may_not_stay,
        publishes_without_checks_wait_for_nothing,
        discard_new_refuses_only_when_acknowledgements_make_no_room,
        what_nobody_wants_is_acknowledged_and_not_kept,
        what_nobody_wants_takes_no_room,
        a_stream_with_limits_asks_nobody,
        what_was_refused_settles_nothing,
    };

    return UNIT_RUN_PLAIN("retention", tests);
}
