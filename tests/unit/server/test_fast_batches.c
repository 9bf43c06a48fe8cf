#include "tests/unit/server/stream_rig.h"
#include "tests/unit/unit.h"

static struct rig *rig;
static struct decision decision;

static void begin(void)
{
    struct effect effect = {
        .type = EFFECT_CONFIG,
        .config = {.created_ns = 1,
                   .json = BYTES("{\"name\":\"S\",\"subjects\":[\"s.>\"],\"allow_batched\":true,"
                                 "\"duplicate_window\":120000000000}")}};

    rig = rig_create(1, 0);
    rig_operation(rig, &effect);
    rig_settle(rig);
}

static void publish(const char *reply, const char *lines)
{
    char block[400];
    struct publish publish = {.subject = BYTES("s.1"), .reply = bytes_of_text(reply)};

    snprintf(block, sizeof block, "NATS/1.0\r\n%s\r\n", lines);
    if (lines[0] != 0)
        publish.headers = bytes_of_text(block);
    rig_publish(rig, &publish, &decision);
}

/* A message of batch "b": <number>.<operation> */
static void message(const char *gap, unsigned flow, unsigned number, unsigned operation)
{
    static char reply[64]; /* the decision points into it */

    snprintf(reply, sizeof reply, "p.b.%u.%s.%u.%u.$FI", flow, gap, number, operation);
    publish(reply, "");
}

static void check_note(unsigned i, enum fast_note_kind kind, uint64_t number, uint64_t other)
{
    ck_assert_uint_lt(i, decision.note_count);
    ck_assert_int_eq(decision.notes[i].kind, kind);
    ck_assert_uint_eq(decision.notes[i].number, number);
    ck_assert_uint_eq(decision.notes[i].other, other);
}

static void check_ended(uint64_t sequence, uint64_t count)
{
    ck_assert(decision.fast);
    ck_assert(bytes_equal(decision.batch, BYTES("b")));
    ck_assert_uint_eq(decision.sequence, sequence);
    ck_assert_uint_eq(decision.count, count);
    ck_assert_uint_eq(rig->decider.fast.batches.count, 0);
    ck_assert_uint_eq(rig->decider.fast.alone.batches, 0);
}

/* ---- replies --------------------------------------------------------------------------------- */

START_TEST(a_reply_says_which_message_of_which_batch_it_is)
{
    struct fast_mark mark;

    ck_assert(!fast_mark_is(BYTES("x.$F")));
    ck_assert(!fast_mark_is(BYTES(".$FI")));
    ck_assert(fast_mark_is(BYTES("x.$FI")));
    ck_assert(fast_mark_read(BYTES("_INBOX.x.id.20.fail.7.1.$FI"), &mark));
    ck_assert(bytes_equal(mark.id, BYTES("id")));
    ck_assert_uint_eq(mark.flow, 20);
    ck_assert_uint_eq(mark.number, 7);
    ck_assert(!mark.gap_ok && !mark.ping && !mark.commit && !mark.end);
    ck_assert(fast_mark_read(BYTES("p.id.70000.ok.7.3.$FI"), &mark));
    ck_assert_uint_eq(mark.flow, 65535);
    ck_assert(mark.gap_ok && mark.commit && mark.end);
    ck_assert(fast_mark_read(BYTES("p.id.x.ok.1.4.$FI"), &mark));
    ck_assert_uint_eq(mark.flow, 10);
    ck_assert(mark.ping);
}
END_TEST

START_TEST(a_reply_that_makes_no_sense_is_not_read)
{
    static const char *const bad[] = {
        "x.$FI",
        "id.1.ok.1.0.$FI", /* no prefix */
        "p.id.1.no.1.0.$FI",
        "p.id.1.ok.0.0.$FI",
        "p.id.1.ok.2.0.$FI", /* begins in the middle */
        "p.id.1.ok.1.1.$FI", /* goes on at the beginning */
        "p.id.1.ok.1.3.$FI", /* ends before it began */
        "p.id.1.ok.1.5.$FI",
        "p.id.1.ok.18446744073709551615.1.$FI",
    };
    struct fast_mark mark;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!fast_mark_read(bytes_of_text(bad[i]), &mark), "%s", bad[i]);
}
END_TEST

/* ---- acks ------------------------------------------------------------------------------------ */

START_TEST(every_so_many_messages_are_acknowledged_together)
{
    begin();
    message("ok", 3, 1, 0);
    ck_assert_int_eq(decision.outcome, DECIDE_STORE);
    ck_assert_uint_eq(decision.note_count, 1);
    check_note(0, FAST_NOTE_ACK, 0, 3);
    message("ok", 3, 2, 1);
    ck_assert_uint_eq(decision.note_count, 0);
    message("ok", 3, 3, 1);
    check_note(0, FAST_NOTE_ACK, 3, 3);
    message("ok", 3, 4, 2);
    ck_assert_int_eq(decision.outcome, DECIDE_STORE);
    check_ended(4, 4);
    rig_destroy(rig);
}
END_TEST

/* 500 messages are under way between two acks of all batches together. */
START_TEST(batches_that_share_a_stream_are_acknowledged_more_often)
{
    struct fast_batches *batches;
    struct fast_batch *first;

    begin();
    batches = &rig->decider.fast;
    publish("p.first.1000.ok.1.0.$FI", "");
    check_note(0, FAST_NOTE_ACK, 0, 500);
    publish("p.second.1000.ok.1.0.$FI", "");
    check_note(0, FAST_NOTE_ACK, 0, 1);
    check_note(1, FAST_NOTE_ACK, 1, 2);
    first = fast_batches_find(batches, BYTES("first"));
    first->handled = first->stored = 500;
    ck_assert(fast_batch_ack_due(batches, first));
    ck_assert_uint_eq(first->every, 250);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_ping_is_told_how_far_things_are_and_stores_nothing)
{
    begin();
    message("ok", 2, 1, 0);
    message("ok", 2, 2, 1);
    message("ok", 2, 2, 4);
    ck_assert_int_eq(decision.outcome, DECIDE_HANDLED);
    check_note(0, FAST_NOTE_ACK, 2, 2);
    ck_assert_uint_eq(rig->decider.overlay.count, 2);
    rig_destroy(rig);
}
END_TEST

/* ---- gaps ------------------------------------------------------------------------------------ */

START_TEST(a_gap_ends_a_batch_that_wants_none)
{
    begin();
    message("fail", 9, 1, 0);
    message("fail", 9, 3, 1);
    ck_assert_int_eq(decision.outcome, DECIDE_HANDLED);
    check_note(0, FAST_NOTE_GAP, 3, 2);
    check_ended(1, 1);
    message("fail", 9, 4, 1);
    ck_assert_uint_eq(decision.error, 10208);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_gap_is_told_of_and_the_batch_goes_on_if_it_may)
{
    begin();
    message("ok", 9, 1, 0);
    message("ok", 9, 3, 1);
    ck_assert_int_eq(decision.outcome, DECIDE_STORE);
    check_note(0, FAST_NOTE_GAP, 3, 2);
    message("ok", 9, 4, 3);
    check_ended(2, 3);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_refused_message_is_told_of_or_ends_the_batch)
{
    begin();
    message("ok", 9, 1, 0);
    publish("p.b.9.ok.2.1.$FI", "Nats-Expected-Stream: T\r\n");
    ck_assert_int_eq(decision.outcome, DECIDE_HANDLED);
    check_note(0, FAST_NOTE_ERROR, 2, 0);
    ck_assert_uint_eq(decision.notes[0].error, 10060);
    message("ok", 9, 3, 2);
    check_ended(2, 3);
    message("fail", 9, 1, 0);
    publish("p.b.9.fail.2.1.$FI", "Nats-Expected-Stream: T\r\n");
    check_note(0, FAST_NOTE_ERROR, 2, 0);
    check_ended(3, 1);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_duplicate_is_passed_over)
{
    begin();
    publish("p.b.2.fail.1.0.$FI", "Nats-Msg-Id: i\r\n");
    publish("p.b.2.fail.2.1.$FI", "Nats-Msg-Id: i\r\n");
    ck_assert_int_eq(decision.outcome, DECIDE_HANDLED);
    check_note(0, FAST_NOTE_ACK, 2, 2);
    message("fail", 2, 3, 2);
    check_ended(2, 3);
    rig_destroy(rig);
}
END_TEST

/* ---- waiting, bounds ------------------------------------------------------------------------- */

#define WILDCARD                                                                                   \
    "Nats-Expected-Last-Subject-Sequence: %d\r\n"                                                  \
    "Nats-Expected-Last-Subject-Sequence-Subject: s.*\r\n"

/* What is in flight makes a check with wildcards wait. */
START_TEST(a_message_that_has_to_wait_comes_again_as_if_for_the_first_time)
{
    static const char *const replies[] = {"p.b.9.fail.1.0.$FI", "p.b.9.fail.2.2.$FI"};
    char lines[200];

    begin();
    publish("", "");
    for (int i = 0; i < 2; i++) {
        snprintf(lines, sizeof lines, WILDCARD, i + 1);
        publish(replies[i], lines);
        ck_assert_int_eq(decision.outcome, DECIDE_WAIT);
        rig_settle(rig);
        publish(replies[i], lines);
        ck_assert_int_eq(decision.outcome, DECIDE_STORE);
    }
    check_ended(3, 2);
    rig_destroy(rig);
}
END_TEST

/* A publisher takes an ack for all that came before it. */
START_TEST(what_the_disk_refused_is_never_acknowledged)
{
    begin();
    message("fail", 3, 1, 0);
    rig_settle(rig);
    message("fail", 3, 2, 1);
    rig_propose(rig);
    rig_refuse(rig);
    message("fail", 3, 3, 1);
    ck_assert_int_eq(decision.outcome, DECIDE_REFUSE);
    ck_assert_uint_eq(decision.error, 10208);
    rig_destroy(rig);
}
END_TEST

START_TEST(batches_are_counted_and_dropped_when_they_are_left)
{
    struct fast_batches *batches;

    begin();
    batches = &rig->decider.fast;
    batches->limits.batches = 2;
    publish("p.a.9.ok.1.0.$FI", "");
    rig->now_ns += 5;
    publish("p.b.9.ok.1.0.$FI", "");
    publish("p.c.9.ok.1.0.$FI", "");
    ck_assert_uint_eq(decision.error, 10211);
    ck_assert_int_eq(fast_batches_expire(batches, rig->now_ns - 5 + batches->limits.timeout_ns),
                     rig->now_ns + batches->limits.timeout_ns);
    ck_assert_ptr_null(fast_batches_find(batches, BYTES("a")));
    ck_assert_int_eq(fast_batches_expire(batches, rig->now_ns + batches->limits.timeout_ns), 0);
    ck_assert_uint_eq(batches->alone.batches, 0);
    batches->alone.batches = batches->limits.batches_total;
    publish("p.c.9.ok.1.0.$FI", "");
    ck_assert_uint_eq(decision.error, 10211);
    batches->alone.batches = 0;
    rig_destroy(rig);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_reply_says_which_message_of_which_batch_it_is,
        a_reply_that_makes_no_sense_is_not_read,
        every_so_many_messages_are_acknowledged_together,
        batches_that_share_a_stream_are_acknowledged_more_often,
        a_ping_is_told_how_far_things_are_and_stores_nothing,
        a_gap_ends_a_batch_that_wants_none,
        a_gap_is_told_of_and_the_batch_goes_on_if_it_may,
        a_refused_message_is_told_of_or_ends_the_batch,
        a_duplicate_is_passed_over,
        a_message_that_has_to_wait_comes_again_as_if_for_the_first_time,
        what_the_disk_refused_is_never_acknowledged,
        batches_are_counted_and_dropped_when_they_are_left,
    };

    return UNIT_RUN_PLAIN("fast_batches", tests);
}
