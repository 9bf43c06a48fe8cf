#include "tests/unit/consumers/fake.h"

/* Three messages, delivered to in.1 as consumer sequences 1 to 3. */
static struct fake *delivered(int32_t policy)
{
    struct fake *fake = fake_create();

    fake->config.ack_policy = policy;
    fake_store_many(fake, "a.x", 3);
    fake_lead(fake);
    fake_pull(fake, "in.1", "3");
    fake_turn(fake);
    (void)fake_asked(fake);
    fake_drop_records(fake);
    fake_forget_log(fake);
    return fake;
}

static void expect_floor(struct fake *fake, uint64_t consumer, uint64_t stream, uint64_t pending)
{
    struct consumer_info info = fake_info(fake);

    ck_assert_uint_eq(info.floor_consumer, consumer);
    ck_assert_uint_eq(info.floor_stream, stream);
    ck_assert_uint_eq(info.num_ack_pending, pending);
}

START_TEST(every_form_of_ack_settles)
{
    static const char *const forms[] = {"", "+ACK", "+OK"};

    for (size_t i = 0; i < UNIT_COUNT(forms); i++) {
        struct fake *fake = delivered(ACK_EXPLICIT);

        fake_ack(fake, 1, forms[i], "");
        fake_turn(fake);
        expect_floor(fake, 1, 1, 2);
        fake_destroy(fake);
    }
}
END_TEST

START_TEST(anything_else_is_ignored_but_answered)
{
    static const char *const forms[] = {"ACK", "+ack", " +ACK", "+WPI ", "x", "-nak"};

    for (size_t i = 0; i < UNIT_COUNT(forms); i++) {
        struct fake *fake = delivered(ACK_EXPLICIT);

        fake_ack(fake, 1, forms[i], "r.1");
        fake_turn(fake);
        EXPECT(fake, "answer r.1\n");
        expect_floor(fake, 0, 0, 3);
        fake_destroy(fake);
    }
}
END_TEST

START_TEST(an_ack_takes_effect_when_its_record_is_applied)
{
    struct fake *fake = delivered(ACK_EXPLICIT);

    fake_ack(fake, 1, "+ACK", "r.1");
    EXPECT(fake, "");
    fake_work(fake);
    ck_assert_uint_eq(fake->proposed, 1);
    ck_assert_uint_eq(fake->records[0].type, CONSUMER_RECORD_ACK);
    EXPECT(fake, "answer r.1 committed\n");
    expect_floor(fake, 0, 0, 3);
    fake_apply(fake);
    expect_floor(fake, 1, 1, 2);
    fake_destroy(fake);
}
END_TEST

START_TEST(acks_of_one_turn_are_one_record_of_one_run)
{
    struct fake *fake = delivered(ACK_EXPLICIT);

    fake_ack(fake, 3, "", "");
    fake_ack(fake, 1, "", "");
    fake_ack(fake, 2, "", "");
    fake_work(fake);
    ck_assert_uint_eq(fake->proposed, 1);
    ck_assert_uint_eq(fake->records[0].body.size, 8 + 4 + 4 + 2);
    fake_apply(fake);
    expect_floor(fake, 3, 3, 0);
    fake_destroy(fake);
}
END_TEST

/* The sequences between are not this consumer's, so one run says it all. */
START_TEST(acks_of_a_filtered_consumer_are_as_short)
{
    struct fake *fake = fake_create();

    fake->config.filter_subject = BYTES("a.y");
    for (size_t i = 0; i < 10; i++) {
        fake_store(fake, "a.x");
        fake_store(fake, "a.y");
    }
    fake_lead(fake);
    fake_pull(fake, "in.1", "10");
    fake_turn(fake);
    for (uint64_t sequence = 2; sequence <= 20; sequence += 2)
        fake_ack(fake, sequence == 6 ? 8 : sequence == 8 ? 6 : sequence, "", "");
    fake_work(fake);
    ck_assert_uint_eq(fake->proposed, 1);
    ck_assert_uint_eq(fake->records[0].body.size, 8 + 4 + 4 + 2);
    fake_apply(fake);
    expect_floor(fake, 10, 20, 0);
    fake_destroy(fake);
}
END_TEST

START_TEST(the_floor_moves_to_before_the_lowest_that_is_owed)
{
    struct fake *fake = delivered(ACK_EXPLICIT);

    fake_ack(fake, 2, "", "");
    fake_turn(fake);
    expect_floor(fake, 0, 0, 2);
    fake_ack(fake, 1, "", "");
    fake_turn(fake);
    expect_floor(fake, 2, 2, 1);
    fake_ack(fake, 3, "", "");
    fake_turn(fake);
    expect_floor(fake, 3, 3, 0);
    fake_destroy(fake);
}
END_TEST

/* As observed: a delivery alone moves nothing; the ack of 10 reaches up to before 20. */
START_TEST(the_floor_of_a_filtered_consumer_reaches_to_before_the_next_owed)
{
    struct fake *fake = fake_create();

    fake->config.filter_subject = BYTES("a.x");
    for (uint64_t i = 1; i <= 30; i++)
        fake_store(fake, i % 10 == 0 ? "a.x" : "a.y");
    fake_lead(fake);
    fake_pull(fake, "in.1", "2");
    fake_turn(fake);
    expect_floor(fake, 0, 0, 2);
    fake_ack(fake, 10, "", "");
    fake_turn(fake);
    expect_floor(fake, 1, 19, 1);
    fake_ack(fake, 20, "", "");
    fake_turn(fake);
    expect_floor(fake, 2, 20, 0);
    fake_destroy(fake);
}
END_TEST

START_TEST(an_ack_of_no_message_is_answered_and_settles_nothing)
{
    struct fake *fake = delivered(ACK_EXPLICIT);

    consumer_ack(fake->consumer, fake->now_ns, fake->log_now_ns, BYTES("$JS.ACK.S.C.1.0.4.1.0"),
                 BYTES("r.2"), BYTES("+ACK"));
    fake_turn(fake);
    EXPECT(fake, "answer r.2 committed\n");
    expect_floor(fake, 0, 0, 3);
    fake_destroy(fake);
}
END_TEST

START_TEST(an_ack_of_what_was_not_handed_out_is_ignored_and_not_answered)
{
    struct fake *fake = delivered(ACK_EXPLICIT);

    consumer_ack(fake->consumer, fake->now_ns, fake->log_now_ns, BYTES("$JS.ACK.S.C.1.4.4.1.0"),
                 BYTES("r.1"), BYTES("+ACK"));
    fake_turn(fake);
    EXPECT(fake, "");
    expect_floor(fake, 0, 0, 3);
    fake_destroy(fake);
}
END_TEST

START_TEST(an_unreadable_ack_subject_is_ignored)
{
    static const char *const subjects[] = {
        "",
        "$JS.ACK",
        "$JS.ACK.S.C.1.1.1.1",
        "$JS.ACK.S.C.1.x.1.1.0",
        "$JS.ACK.S.C.1.1.1.1.0.0",
        "$JS.ACK.S.C.1.-1.1.1.0",
        "x.ACK.S.C.1.1.1.1.0",
        "$JS.ACK.S.C.1.99999999999999999999.1.1.0",
    };
    struct fake *fake = delivered(ACK_EXPLICIT);

    for (size_t i = 0; i < UNIT_COUNT(subjects); i++)
        consumer_ack(fake->consumer, fake->now_ns, fake->log_now_ns, bytes_of_text(subjects[i]),
                     BYTES("r.1"), BYTES(""));
    fake_turn(fake);
    EXPECT(fake, "");
    expect_floor(fake, 0, 0, 3);
    fake_destroy(fake);
}
END_TEST

START_TEST(an_ack_subject_of_the_second_form_counts)
{
    struct fake *fake = delivered(ACK_EXPLICIT);

    consumer_ack(fake->consumer, fake->now_ns, fake->log_now_ns,
                 BYTES("$JS.ACK._.abcdefgh.S.C.1.1.1.1.0"), BYTES("r.1"), BYTES("+ACK"));
    fake_turn(fake);
    EXPECT(fake, "answer r.1 committed\n");
    expect_floor(fake, 1, 1, 2);
    fake_destroy(fake);
}
END_TEST

START_TEST(an_ack_of_what_is_acked_already_is_answered)
{
    struct fake *fake = delivered(ACK_EXPLICIT);

    fake_ack(fake, 1, "+ACK", "");
    fake_turn(fake);
    fake_ack(fake, 1, "+ACK", "r.2");
    fake_turn(fake);
    EXPECT(fake, "answer r.2 committed\n");
    ck_assert_uint_eq(fake->logged, 1);
    fake_destroy(fake);
}
END_TEST

START_TEST(answers_are_asked_for_behind_the_records_they_wait_for_in_order)
{
    struct fake *fake = delivered(ACK_EXPLICIT);

    fake_ack(fake, 1, "+ACK", "r.1");
    fake_ack(fake, 2, "+TERM", "r.2");
    fake_ack(fake, 3, "+ACK", "r.3");
    fake_work(fake);
    ck_assert_uint_eq(fake->proposed, 2);
    EXPECT(fake, "advise terminated 2 c2 d1\n"
                 "answer r.1 committed\n"
                 "answer r.2 committed\n"
                 "answer r.3 committed\n");
    fake_apply(fake);
    expect_floor(fake, 3, 3, 0);
    fake_destroy(fake);
}
END_TEST

START_TEST(ack_all_settles_everything_up_to_its_sequence)
{
    struct fake *fake = delivered(ACK_ALL);

    fake_ack(fake, 2, "+ACK", "r.1");
    fake_turn(fake);
    EXPECT(fake, "answer r.1 committed\n");
    expect_floor(fake, 2, 2, 1);
    fake_ack(fake, 1, "+ACK", "r.2"); /* below the floor: nothing to do */
    fake_turn(fake);
    EXPECT(fake, "answer r.2 committed\n");
    ck_assert_uint_eq(fake->logged, 1);
    fake_ack(fake, 3, "+ACK", "");
    fake_turn(fake);
    expect_floor(fake, 3, 3, 0);
    fake_destroy(fake);
}
END_TEST

/* As observed. */
START_TEST(the_floor_of_ack_all_is_the_acked_pair)
{
    struct fake *fake = fake_create();

    fake->config.ack_policy = ACK_ALL;
    fake->config.filter_subject = BYTES("a.x");
    for (uint64_t i = 1; i <= 30; i++)
        fake_store(fake, i % 10 == 0 ? "a.x" : "a.y");
    fake_lead(fake);
    fake_pull(fake, "in.1", "3");
    fake_turn(fake);
    fake_ack(fake, 10, "", "");
    fake_turn(fake);
    expect_floor(fake, 1, 10, 2);
    fake_destroy(fake);
}
END_TEST

START_TEST(several_acks_of_all_in_one_turn_are_one_record)
{
    struct fake *fake = delivered(ACK_ALL);

    fake_acks(fake, 1, 3);
    fake_work(fake);
    ck_assert_uint_eq(fake->proposed, 1);
    fake_apply(fake);
    expect_floor(fake, 3, 3, 0);
    fake_destroy(fake);
}
END_TEST

START_TEST(without_acks_nobody_is_answered_and_delivery_moves_the_floor)
{
    struct fake *fake = delivered(ACK_NONE);

    expect_floor(fake, 3, 3, 0);
    fake_ack(fake, 1, "+ACK", "r.1");
    fake_turn(fake);
    EXPECT(fake, "");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_nak_is_redelivered_at_once_and_answered_at_once)
{
    struct fake *fake = delivered(ACK_EXPLICIT);

    fake_pull(fake, "in.2", "1");
    fake_ack(fake, 2, "-NAK", "r.1");
    EXPECT(fake, "advise naked 2 c2 d1\n"
                 "answer r.1\n");
    fake_turn(fake);
    EXPECT(fake, "2>in.2 d2 c4 p0\n");
    ck_assert_uint_eq(fake_info(fake).num_redelivered, 1);
    fake_destroy(fake);
}
END_TEST

START_TEST(naks_are_redelivered_in_the_order_they_came)
{
    struct fake *fake = delivered(ACK_EXPLICIT);

    fake_ack(fake, 3, "-NAK", "");
    fake_ack(fake, 1, "-NAK", "");
    fake_ack(fake, 2, "-NAK {\"delay\": 0}", "");
    (void)fake_asked(fake);
    fake_pull(fake, "in.2", "3");
    fake_turn(fake);
    EXPECT(fake, "3>in.2 d2 c4 p0\n"
                 "1>in.2 d2 c5 p0\n"
                 "2>in.2 d2 c6 p0\n");
    fake_destroy(fake);
}
END_TEST

static void expect_delay(const char *body, int64_t delay_ns)
{
    struct fake *fake = delivered(ACK_EXPLICIT);

    fake_acks(fake, 2, 3);
    fake_turn(fake);
    fake_forget_log(fake);
    fake_pull(fake, "in.2", "1");
    fake_ack(fake, 1, body, "");
    (void)fake_asked(fake);
    if (delay_ns > 0) {
        fake_turn(fake);
        ck_assert_uint_eq(fake->logged, 1);
        fake_pass(fake, delay_ns - 1);
        EXPECT(fake, "");
        fake_pass(fake, 1000000); /* deadlines are of milliseconds */
    }
    fake_turn(fake);
    EXPECT(fake, "1>in.2 d2 c4 p0\n");
    fake_destroy(fake);
}

START_TEST(a_nak_may_ask_for_a_delay_as_json_or_as_a_duration)
{
    expect_delay("-NAK {\"delay\": 2000000000}", 2 * FAKE_SECOND);
    expect_delay("-NAK 1m30s", 90 * FAKE_SECOND);
    expect_delay("-NAK 1500ms", 3 * FAKE_SECOND / 2);
    expect_delay("-NAK{\"DELAY\": 5}", 5);
}
END_TEST

START_TEST(a_delay_that_makes_no_sense_is_none)
{
    expect_delay("-NAK soon", 0);
    expect_delay("-NAK {\"delay\": \"2s\"}", 0);
    expect_delay("-NAK {", 0);
    expect_delay("-NAK -5s", 0);
    expect_delay("-NAK {\"delay\": -5}", 0);
    expect_delay("-NAKxyz", 0);
}
END_TEST

START_TEST(a_delay_outlives_a_restart_in_log_time)
{
    struct fake *fake = delivered(ACK_EXPLICIT);

    fake_ack(fake, 1, "-NAK 100s", "");
    fake_turn(fake);
    (void)fake_asked(fake);
    fake_pass(fake, 20 * FAKE_SECOND);
    fake_restart(fake);
    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    fake_pass(fake, 30 * FAKE_SECOND); /* the others waited anew for their whole ack wait */
    EXPECT(fake, "2>in.2 d2 c4 p0\n"
                 "3>in.2 d2 c5 p0\n");
    fake_acks(fake, 2, 3);
    fake_turn(fake);
    fake_pass(fake, 50 * FAKE_SECOND - 1);
    EXPECT(fake, "");
    fake_pass(fake, 1);
    EXPECT(fake, "1>in.2 d2 c6 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_nak_of_what_is_not_owed_does_nothing_but_is_answered)
{
    struct fake *fake = delivered(ACK_EXPLICIT);

    fake_ack(fake, 1, "", "");
    fake_turn(fake);
    fake_ack(fake, 1, "-NAK", "r.1");
    /* consumer sequences at the floor and beyond the last delivered */
    consumer_ack(fake->consumer, fake->now_ns, fake->log_now_ns, BYTES("$JS.ACK.S.C.1.2.1.1.0"),
                 BYTES("r.2"), BYTES("-NAK"));
    consumer_ack(fake->consumer, fake->now_ns, fake->log_now_ns, BYTES("$JS.ACK.S.C.1.2.4.1.0"),
                 BYTES("r.3"), BYTES("-NAK"));
    fake_pull(fake, "in.2", "1");
    fake_turn(fake);
    EXPECT(fake, "answer r.1\n"
                 "answer r.2\n"
                 "answer r.3\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(progress_restarts_the_wait)
{
    struct fake *fake = delivered(ACK_EXPLICIT);

    fake_acks(fake, 2, 3);
    fake_turn(fake);
    fake_pull(fake, "in.2", "1");
    fake_turn(fake);
    fake_pass(fake, 20 * FAKE_SECOND);
    fake_ack(fake, 1, "+WPI", "r.1");
    fake_turn(fake);
    EXPECT(fake, "answer r.1\n");
    fake_pass(fake, 30 * FAKE_SECOND - 1);
    EXPECT(fake, "");
    fake_pass(fake, 1);
    EXPECT(fake, "1>in.2 d2 c4 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(term_ends_a_message_with_its_reason)
{
    struct fake *fake = delivered(ACK_EXPLICIT);

    fake_ack(fake, 1, "+TERM  bad luck ", "r.1");
    fake_turn(fake);
    EXPECT(fake, "advise terminated 1 c1 d1 bad luck\n"
                 "answer r.1 committed\n");
    expect_floor(fake, 1, 1, 2);
    fake_ack(fake, 1, "+TERM", "r.2");
    fake_turn(fake);
    EXPECT(fake, "answer r.2 committed\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(next_acks_and_asks_for_more)
{
    struct fake *fake = delivered(ACK_EXPLICIT);

    fake_store_many(fake, "a.x", 3);
    fake_ack(fake, 1, "+NXT", "in.2");
    fake_turn(fake);
    EXPECT(fake, "4>in.2 d1 c4 p2\n");
    fake_ack(fake, 2, "+NXT 2", "in.3");
    fake_turn(fake);
    EXPECT(fake, "5>in.3 d1 c5 p1\n"
                 "6>in.3 d1 c6 p0\n");
    fake_ack(fake, 3, "+NXT {\"batch\":1,\"no_wait\":true}", "in.4");
    fake_turn(fake);
    EXPECT(fake, "in.4 404 No Messages\n");
    expect_floor(fake, 3, 3, 3);
    fake_destroy(fake);
}
END_TEST

START_TEST(acks_are_measured_when_sampled)
{
    struct fake *fake = fake_create();

    fake->config.sample_freq = BYTES("100%");
    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_pull(fake, "in.1", "1");
    fake_turn(fake);
    (void)fake_asked(fake);
    fake_pass(fake, 42);
    fake_ack(fake, 1, "", "");
    EXPECT(fake, "advise acked 1 c1 d1 t42\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(terms_are_not_measured)
{
    struct fake *fake = fake_create();

    fake->config.sample_freq = BYTES("100");
    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_pull(fake, "in.1", "1");
    fake_turn(fake);
    (void)fake_asked(fake);
    fake_ack(fake, 1, "+TERM", "");
    EXPECT(fake, "advise terminated 1 c1 d1\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_full_ack_window_holds_new_messages_back_until_acks_are_proposed)
{
    struct fake *fake = fake_create();

    fake->config.max_ack_pending = 2;
    fake_store_many(fake, "a.x", 5);
    fake_lead(fake);
    fake_pull(fake, "in.1", "5");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p4\n"
                 "2>in.1 d1 c2 p3\n");
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 2);
    fake_ack(fake, 1, "", "");
    fake_work(fake); /* the ack and the hand-out that it makes room for go together */
    ck_assert_uint_eq(fake->proposed, 2);
    ck_assert_uint_eq(fake->records[0].type, CONSUMER_RECORD_ACK);
    ck_assert_uint_eq(fake->records[1].type, CONSUMER_RECORD_HANDOUT);
    fake_apply(fake);
    EXPECT(fake, "3>in.1 d1 c3 p2\n");
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 2);
    fake_destroy(fake);
}
END_TEST

START_TEST(redeliveries_are_not_held_back_by_a_full_ack_window)
{
    struct fake *fake = fake_create();

    fake->config.max_ack_pending = 2;
    fake_store_many(fake, "a.x", 5);
    fake_lead(fake);
    fake_pull(fake, "in.1", "5");
    fake_turn(fake);
    (void)fake_asked(fake);
    fake_ack(fake, 2, "-NAK", "");
    fake_turn(fake);
    EXPECT(fake, "advise naked 2 c2 d1\n"
                 "2>in.1 d2 c3 p3\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(refused_acks_never_happened_and_can_be_said_again)
{
    struct fake *fake = delivered(ACK_EXPLICIT);

    fake_acks(fake, 1, 2);
    fake_work(fake);
    fake_refuse(fake);
    expect_floor(fake, 0, 0, 3);
    fake_turn(fake);
    ck_assert_uint_eq(fake->logged, 0);
    fake_ack(fake, 1, "", "");
    fake_turn(fake);
    expect_floor(fake, 1, 1, 2);
    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    (void)fake_asked(fake);
    fake_pass(fake, 30 * FAKE_SECOND);
    EXPECT(fake, "2>in.2 d2 c4 p0\n"
                 "3>in.2 d2 c5 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(refused_acks_of_all_can_be_said_again)
{
    struct fake *fake = delivered(ACK_ALL);

    fake_ack(fake, 3, "", "");
    fake_work(fake);
    fake_refuse(fake);
    fake_ack(fake, 2, "", "");
    fake_turn(fake);
    expect_floor(fake, 2, 2, 1);
    fake_destroy(fake);
}
END_TEST

START_TEST(the_stream_learns_what_is_settled)
{
    struct fake *fake = delivered(ACK_EXPLICIT);
    struct consumer_message message;

    fake->say_settled = true;
    fake_ack(fake, 3, "", "");
    fake_ack(fake, 1, "+TERM", "");
    fake_turn(fake);
    EXPECT(fake, "advise terminated 1 c1 d1\n"
                 "settled 3\n"
                 "settled 1\n");
    for (uint64_t sequence = 1; sequence <= 3; sequence++) {
        ck_assert(fake_message_at(fake, sequence, &message));
        ck_assert_int_eq(consumer_needs(fake->consumer, &message), sequence == 2);
    }
    fake_destroy(fake);
}
END_TEST

START_TEST(what_is_settled_may_leave_the_stream_at_once)
{
    struct fake *fake = delivered(ACK_EXPLICIT);

    fake->removes_settled = true;
    fake_acks(fake, 1, 3);
    fake_turn(fake);
    EXPECT(fake, "");
    expect_floor(fake, 3, 3, 0);
    ck_assert_uint_eq(fake->first, 4);
    ck_assert_uint_eq(fake_info(fake).num_pending, 0);
    fake_destroy(fake);
}
END_TEST

/* Where delivery is all the ack there is, it is logged like any other, and settles. */
START_TEST(without_acks_a_stream_that_waits_for_them_is_told_on_delivery)
{
    struct fake *fake = fake_create();

    fake->config.ack_policy = ACK_NONE;
    fake->stream.until_acked = true;
    fake->say_settled = true;
    fake->removes_settled = true;
    fake_store_many(fake, "a.x", 2);
    fake_lead(fake);
    ck_assert(!consumer_volatile(fake->consumer));
    fake_pull(fake, "in.1", "2");
    fake_work(fake);
    EXPECT(fake, "");
    fake_apply(fake);
    EXPECT(fake, "1>in.1 d1 c1 p1\n"
                 "settled 1\n"
                 "2>in.1 d1 c2 p0\n"
                 "settled 2\n");
    expect_floor(fake, 2, 2, 0);
    ck_assert_uint_eq(fake_info(fake).num_pending, 0);
    fake_destroy(fake);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        every_form_of_ack_settles,
        anything_else_is_ignored_but_answered,
        an_ack_takes_effect_when_its_record_is_applied,
        acks_of_one_turn_are_one_record_of_one_run,
        acks_of_a_filtered_consumer_are_as_short,
        the_floor_moves_to_before_the_lowest_that_is_owed,
        the_floor_of_a_filtered_consumer_reaches_to_before_the_next_owed,
        an_ack_of_no_message_is_answered_and_settles_nothing,
        an_ack_of_what_was_not_handed_out_is_ignored_and_not_answered,
        an_unreadable_ack_subject_is_ignored,
        an_ack_subject_of_the_second_form_counts,
        an_ack_of_what_is_acked_already_is_answered,
        answers_are_asked_for_behind_the_records_they_wait_for_in_order,
        ack_all_settles_everything_up_to_its_sequence,
        the_floor_of_ack_all_is_the_acked_pair,
        several_acks_of_all_in_one_turn_are_one_record,
        without_acks_nobody_is_answered_and_delivery_moves_the_floor,
        a_nak_is_redelivered_at_once_and_answered_at_once,
        naks_are_redelivered_in_the_order_they_came,
        a_nak_may_ask_for_a_delay_as_json_or_as_a_duration,
        a_delay_that_makes_no_sense_is_none,
        a_delay_outlives_a_restart_in_log_time,
        a_nak_of_what_is_not_owed_does_nothing_but_is_answered,
        progress_restarts_the_wait,
        term_ends_a_message_with_its_reason,
        next_acks_and_asks_for_more,
        acks_are_measured_when_sampled,
        terms_are_not_measured,
        a_full_ack_window_holds_new_messages_back_until_acks_are_proposed,
        redeliveries_are_not_held_back_by_a_full_ack_window,
        refused_acks_never_happened_and_can_be_said_again,
        refused_acks_of_all_can_be_said_again,
        the_stream_learns_what_is_settled,
        what_is_settled_may_leave_the_stream_at_once,
        without_acks_a_stream_that_waits_for_them_is_told_on_delivery,
    };

    return UNIT_RUN_PLAIN("acks", tests);
}
