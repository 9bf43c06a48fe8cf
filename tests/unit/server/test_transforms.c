/* What streams make of subjects: of those they take, and of those they send out again. */
#include "tests/unit/server/stream_rig.h"
#include "tests/unit/server/stream_world.h"

static struct decision decision;

static struct rig *begin(const char *members)
{
    struct rig *rig = rig_create(1, 0);
    struct effect effect = {.type = EFFECT_CONFIG, .config = {.created_ns = 1}};
    char json[512];

    snprintf(json, sizeof json, "{\"name\":\"S\",\"subjects\":[\"s.>\"],%s}", members);
    effect.config.json = bytes_of_text(json);
    rig_operation(rig, &effect);
    rig_settle(rig);
    return rig;
}

static void publish(struct rig *rig, const char *subject, const char *headers)
{
    struct publish publish = {.subject = bytes_of_text(subject), .headers = bytes_of_text(headers)};

    rig_publish(rig, &publish, &decision);
}

static uint64_t count_of(struct rig *rig, const char *subject)
{
    struct index_subject counts;

    index_subject(rig->state.index, bytes_of_text(subject), &counts);
    return counts.count;
}

START_TEST(what_is_expected_and_limited_is_the_subject_as_it_becomes)
{
    struct rig *rig = begin("\"subject_transform\":{\"src\":\"s.*.x\",\"dest\":\"t.$1\"},"
                            "\"max_msgs_per_subject\":1");

    publish(rig, "s.a.x", "NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 0\r\n\r\n");
    ck_assert_int_eq(decision.outcome, DECIDE_STORE);
    publish(rig, "s.a.x", "NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 0\r\n\r\n");
    ck_assert_int_eq(decision.outcome, DECIDE_REFUSE);
    ck_assert_str_eq(decision.error_text, "wrong last sequence: 1");
    publish(rig, "s.a.x", "");
    publish(rig, "s.b", "");
    rig_settle(rig);
    ck_assert_uint_eq(count_of(rig, "t.a"), 1);
    ck_assert_uint_eq(count_of(rig, "s.b"), 1);
    ck_assert_uint_eq(index_count(rig->state.index), 2);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_replay_stores_what_was_decided_once)
{
    struct rig *rig = begin("\"subject_transform\":{\"src\":\"s.*\",\"dest\":\"t.{{random(9)}}\"}");
    struct index_entry entry;
    char before[32], after[32];

    publish(rig, "s.a", "");
    rig_settle(rig);
    ck_assert(index_get(rig->state.index, 1, &entry));
    snprintf(before, sizeof before, "%.*s", BYTES_ARG(entry.subject));
    rig_crash(rig, 0);
    ck_assert(index_get(rig->state.index, 1, &entry));
    snprintf(after, sizeof after, "%.*s", BYTES_ARG(entry.subject));
    ck_assert_str_eq(before, after);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_subject_that_grows_too_long_is_refused)
{
    char destination[2048] = "\"subject_transform\":{\"src\":\"s.*\",\"dest\":\"";
    char subject[2000] = "s.";
    struct rig *rig;

    for (unsigned i = 0; i < 40; i++)
        strcat(destination, "$1.");
    strcat(destination, "$1\"}");
    for (unsigned i = 0; i < 1900; i++)
        strcat(subject, "a");
    rig = begin(destination);
    publish(rig, subject, "");
    ck_assert_int_eq(decision.outcome, DECIDE_REFUSE);
    ck_assert_uint_eq(decision.error, 10077);
    ck_assert_str_eq(decision.error_text, "message too large");
    rig_destroy(rig);
}
END_TEST

START_TEST(what_is_stored_goes_out_again_before_its_ack)
{
    struct world world;
    struct peer *peer =
        start_with_stream(&world, 1, ",\"republish\":{\"src\":\"s.*\",\"dest\":\"in.$1\"}");
    const char *copy = "in.a";
    const uint8_t *first, *ack;

    say_publish(&world, peer, "s.a", "in.ack", "one");
    ck_assert_uint_eq(told(peer, "Nats-Subject: s.a\r\nNats-Sequence: 1\r\n"), 1);
    ck_assert_uint_eq(told(peer, "Nats-Last-Sequence: 0\r\n\r\none\r\n"), 1);
    first = memmem(peer->in.at, peer->in.size, copy, strlen(copy));
    ack = memmem(peer->in.at, peer->in.size, "in.ack", 6);
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(ack);
    say_publish(&world, peer, "s.a", "in.ack", "two");
    ck_assert_uint_eq(told(peer, "Nats-Last-Sequence: 1\r\n\r\ntwo\r\n"), 1);
    say_publish(&world, peer, "s.a.b", "in.ack", "not of the source");
    ck_assert_uint_eq(told(peer, "not of the source"), 0);
    world_deinit(&world);
}
END_TEST

START_TEST(a_restart_sends_nothing_out_a_second_time)
{
    struct world world;
    struct peer *peer =
        start_with_stream(&world, 2, ",\"republish\":{\"src\":\"s.*\",\"dest\":\"in.$1\"}");

    say_publish(&world, peer, "s.a", "in.ack", "one");
    ck_assert_uint_eq(told(peer, "\r\none\r\n"), 1);
    world_kill(&world);
    peer = peer_connect(&world, 1, 4222);
    settle(&world);
    peer_say(&world, peer, "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB in.* 1\r\n");
    say_publish(&world, peer, "s.a", "in.ack", "two");
    ck_assert_uint_eq(told(peer, "\r\none\r\n"), 0);
    ck_assert_uint_eq(told(peer, "Nats-Sequence: 2\r\n"), 1);
    world_deinit(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_is_expected_and_limited_is_the_subject_as_it_becomes,
        a_replay_stores_what_was_decided_once,
        a_subject_that_grows_too_long_is_refused,
        what_is_stored_goes_out_again_before_its_ack,
        a_restart_sends_nothing_out_a_second_time,
    };

    return UNIT_RUN_PLAIN("transforms", tests);
}
