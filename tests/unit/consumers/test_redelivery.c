#include "tests/unit/consumers/fake.h"

/* `count` messages of a consumer with what `config` changed, delivered to in.1. */
static struct fake *delivered(struct fake *fake, size_t count)
{
    char batch[24];

    snprintf(batch, sizeof(batch), "%zu", count);
    fake_store_many(fake, "a.x", count);
    fake_lead(fake);
    fake_pull(fake, "in.1", batch);
    fake_turn(fake);
    (void)fake_asked(fake);
    return fake;
}

START_TEST(what_is_not_acked_in_time_is_delivered_again_in_order)
{
    struct fake *fake = delivered(fake_create(), 3);

    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    fake_pass(fake, 30 * FAKE_SECOND - 1);
    EXPECT(fake, "");
    fake_pass(fake, 1);
    EXPECT(fake, "1>in.2 d2 c4 p0\n"
                 "2>in.2 d2 c5 p0\n"
                 "3>in.2 d2 c6 p0\n");
    ck_assert_uint_eq(fake_info(fake).num_redelivered, 3);
    ck_assert_uint_eq(fake_info(fake).delivered_consumer, 6);
    ck_assert_uint_eq(fake_info(fake).delivered_stream, 3);
    fake_destroy(fake);
}
END_TEST

START_TEST(what_expires_together_is_queued_by_rising_sequence)
{
    struct fake *fake = delivered(fake_create(), 3);

    fake_pass(fake, 10 * FAKE_SECOND);
    fake_ack(fake, 3, "+WPI", "");
    fake_ack(fake, 1, "+WPI", "");
    fake_turn(fake);
    fake->now_ns += 60 * FAKE_SECOND; /* nobody woke it in time */
    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    EXPECT(fake, "1>in.2 d2 c4 p0\n"
                 "2>in.2 d2 c5 p0\n"
                 "3>in.2 d2 c6 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(redeliveries_come_before_new_messages)
{
    struct fake *fake = delivered(fake_create(), 2);

    fake_store_many(fake, "a.x", 2);
    fake_pass(fake, 30 * FAKE_SECOND);
    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    EXPECT(fake, "1>in.2 d2 c3 p2\n"
                 "2>in.2 d2 c4 p2\n"
                 "3>in.2 d1 c5 p1\n"
                 "4>in.2 d1 c6 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(each_delivery_restarts_the_wait)
{
    struct fake *fake = delivered(fake_create(), 1);

    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    fake_pass(fake, 30 * FAKE_SECOND);
    fake_pass(fake, 30 * FAKE_SECOND - 1);
    EXPECT(fake, "1>in.2 d2 c2 p0\n");
    fake_pass(fake, 1);
    EXPECT(fake, "1>in.2 d3 c3 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(the_wait_begins_when_the_message_leaves_not_when_it_is_planned)
{
    struct fake *fake = fake_create();

    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_pull(fake, "in.1", "9");
    fake_work(fake);
    fake->now_ns += 20 * FAKE_SECOND; /* a slow disk */
    fake_apply(fake);
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p0\n");
    fake_pass(fake, 30 * FAKE_SECOND - 1);
    EXPECT(fake, "");
    fake_pass(fake, 1);
    EXPECT(fake, "1>in.1 d2 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

/* It was asked for, but the disk has not given its bytes, or those in front of it wait. */
START_TEST(no_wait_ends_while_the_message_may_not_have_left)
{
    struct fake *fake = delivered(fake_create(), 1);

    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    fake->unsent_since_ns = fake->log_now_ns;
    fake_pass(fake, 31 * FAKE_SECOND);
    EXPECT(fake, "");
    fake->unsent_since_ns = 0;
    fake_pass(fake, 30 * FAKE_SECOND);
    EXPECT(fake, "1>in.2 d2 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(what_was_asked_for_before_those_that_wait_to_leave_has_left)
{
    struct fake *fake = delivered(fake_create(), 1);

    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    fake->unsent_since_ns = fake->log_now_ns + FAKE_SECOND;
    fake_pass(fake, 30 * FAKE_SECOND);
    EXPECT(fake, "1>in.2 d2 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

/* However long it lasts until others leave: what is always behind must not keep it. */
START_TEST(what_has_left_waits_no_longer_for_those_that_were_handed_out_behind_it)
{
    struct fake *fake = delivered(fake_create(), 1);
    int64_t handed_ns = fake->log_now_ns;

    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    fake->unsent_since_ns = handed_ns;
    fake_pass(fake, 31 * FAKE_SECOND);
    EXPECT(fake, "");
    fake->unsent_since_ns = handed_ns + 1;
    fake_pass(fake, 30 * FAKE_SECOND);
    EXPECT(fake, "1>in.2 d2 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(what_is_worked_on_has_left)
{
    struct fake *fake = delivered(fake_create(), 1);

    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    fake_pass(fake, 10 * FAKE_SECOND);
    fake->unsent_since_ns = fake->log_now_ns;
    consumer_ack(fake->consumer, fake->now_ns, fake->log_now_ns,
                 bytes_of_text(fake->messages[1].ack), bytes_of(NULL, 0), BYTES("+WPI"));
    fake_pass(fake, 31 * FAKE_SECOND);
    EXPECT(fake, "1>in.2 d2 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_message_is_not_given_up_while_its_last_delivery_has_not_left)
{
    struct fake *fake = fake_create();

    fake->config.max_deliver = 1;
    delivered(fake, 1);
    fake->unsent_since_ns = fake->log_now_ns;
    fake_pass(fake, 31 * FAKE_SECOND);
    EXPECT(fake, "");
    fake->unsent_since_ns = 0;
    fake_pass(fake, 30 * FAKE_SECOND);
    EXPECT(fake, "advise exhausted 1 d1\n");
    fake_destroy(fake);
}
END_TEST

static void nak(struct fake *fake, const char *subject)
{
    consumer_ack(fake->consumer, fake->now_ns, fake->log_now_ns, bytes_of_text(subject),
                 bytes_of(NULL, 0), BYTES("-NAK"));
}

/* As the reference takes it, but for the time in which a delivery is decided and has not left,
 * which there does not exist. */
START_TEST(a_nak_of_an_earlier_delivery_counts_when_the_last_one_has_left)
{
    struct fake *fake = fake_create();
    char first[128];

    fake->config.max_deliver = 2;
    delivered(fake, 1);
    snprintf(first, sizeof first, "%s", fake->messages[1].ack);
    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    fake_pass(fake, 30 * FAKE_SECOND);
    EXPECT(fake, "1>in.2 d2 c2 p0\n");
    fake->unsent_since_ns = fake->log_now_ns;
    nak(fake, first);
    fake_turn(fake);
    EXPECT(fake, "advise naked 1 c1 d2\n");
    fake->unsent_since_ns = 0;
    nak(fake, first);
    fake_turn(fake);
    EXPECT(fake, "advise naked 1 c1 d2\n"
                 "advise exhausted 1 d2\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(backoff_lengthens_the_wait_step_by_step)
{
    int64_t steps[] = {FAKE_SECOND, 5 * FAKE_SECOND, 2 * FAKE_SECOND};
    struct fake *fake = fake_create();

    fake->config.backoff_ns = (struct schema_ints){steps, 3};
    fake->config.ack_wait_ns = steps[0];
    delivered(fake, 1);
    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    for (uint64_t delivery = 2; delivery <= 6; delivery++) {
        char line[64];
        int64_t wait = steps[delivery - 2 < 3 ? delivery - 2 : 2];

        fake_pass(fake, wait - 1);
        EXPECT(fake, "");
        fake_pass(fake, 1);
        snprintf(line, sizeof(line), "1>in.2 d%d c%d p0\n", (int)delivery, (int)delivery);
        EXPECT(fake, line);
    }
    fake_destroy(fake);
}
END_TEST

/* Waits of different length do not hold each other up. */
START_TEST(a_later_delivery_with_a_shorter_wait_comes_first)
{
    int64_t steps[] = {FAKE_SECOND, 50 * FAKE_SECOND};
    struct fake *fake = fake_create();

    fake->config.backoff_ns = (struct schema_ints){steps, 2};
    fake->config.ack_wait_ns = steps[0];
    delivered(fake, 1);
    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    fake_pass(fake, FAKE_SECOND);
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "1>in.2 d2 c2 p0\n"
                 "2>in.2 d1 c3 p0\n");
    fake_pass(fake, FAKE_SECOND);
    EXPECT(fake, "2>in.2 d2 c4 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(nothing_is_redelivered_while_a_redelivery_is_in_flight)
{
    struct fake *fake = delivered(fake_create(), 1);

    fake_pull(fake, "in.2", "9");
    fake_pull(fake, "in.3", "9");
    fake->now_ns += 30 * FAKE_SECOND;
    fake_work(fake);
    fake_ack(fake, 1, "-NAK", "");
    fake->now_ns += 30 * FAKE_SECOND;
    fake_turn(fake);
    EXPECT(fake, "advise naked 1 c1 d1\n"
                 "1>in.2 d2 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(an_ack_in_front_of_a_redelivery_in_the_log_makes_it_void)
{
    struct fake *fake = delivered(fake_create(), 1);

    fake_ack(fake, 1, "", "");
    fake_pull(fake, "in.2", "9");
    fake->now_ns += 30 * FAKE_SECOND;
    fake_turn(fake);
    EXPECT(fake, "");
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 0);
    ck_assert_uint_eq(fake_info(fake).num_waiting, 1);
    fake_destroy(fake);
}
END_TEST

START_TEST(an_ack_that_meets_its_redelivery_in_flight_keeps_it_from_leaving)
{
    struct fake *fake = delivered(fake_create(), 1);

    fake_pull(fake, "in.2", "1");
    fake->now_ns += 30 * FAKE_SECOND;
    fake_work(fake);
    fake_ack(fake, 1, "", "r.1");
    fake_turn(fake);
    EXPECT(fake, "answer r.1 committed\n");
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 0);
    fake_store(fake, "a.x"); /* the request got nothing and waits again */
    fake_turn(fake);
    EXPECT(fake, "2>in.2 d1 c3 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(deliveries_survive_a_restart_and_the_wait_begins_anew)
{
    struct fake *fake = delivered(fake_create(), 2);

    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    fake_pass(fake, 30 * FAKE_SECOND);
    EXPECT(fake, "1>in.2 d2 c3 p0\n"
                 "2>in.2 d2 c4 p0\n");
    fake_pass(fake, 29 * FAKE_SECOND);
    fake_restart(fake);
    fake_pull(fake, "in.3", "9");
    fake_turn(fake);
    fake_pass(fake, 30 * FAKE_SECOND - 1);
    EXPECT(fake, "");
    fake_pass(fake, 1);
    EXPECT(fake, "1>in.3 d3 c5 p0\n"
                 "2>in.3 d3 c6 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(an_ack_of_a_delivery_before_the_restart_counts)
{
    struct fake *fake = delivered(fake_create(), 2);

    fake_restart(fake);
    fake_acks(fake, 1, 2);
    fake_turn(fake);
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 0);
    ck_assert_uint_eq(fake_info(fake).floor_stream, 2);
    fake_destroy(fake);
}
END_TEST

START_TEST(after_the_last_allowed_delivery_one_advisory_ends_a_message)
{
    struct fake *fake = fake_create();
    struct consumer_info info;

    fake->config.max_deliver = 2;
    delivered(fake, 2);
    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    fake_pass(fake, 30 * FAKE_SECOND);
    EXPECT(fake, "1>in.2 d2 c3 p0\n"
                 "2>in.2 d2 c4 p0\n");
    fake_ack(fake, 2, "", "");
    fake_turn(fake);
    fake_pass(fake, 30 * FAKE_SECOND);
    EXPECT(fake, "advise exhausted 1 d2\n");
    info = fake_info(fake);
    ck_assert_uint_eq(info.num_ack_pending, 0);
    ck_assert_uint_eq(info.num_redelivered, 1);
    ck_assert_uint_eq(info.floor_stream, 2);
    ck_assert_uint_eq(info.floor_consumer, 4);
    fake_pass(fake, 90 * FAKE_SECOND);
    fake_restart(fake);
    fake_turn(fake);
    fake_pass(fake, 90 * FAKE_SECOND);
    EXPECT(fake, "");
    ck_assert_uint_eq(fake_info(fake).num_redelivered, 1);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_nak_of_the_last_delivery_ends_the_message_when_its_turn_comes)
{
    struct fake *fake = fake_create();

    fake->config.max_deliver = 1;
    delivered(fake, 1);
    fake_ack(fake, 1, "-NAK", "");
    fake_turn(fake);
    EXPECT(fake, "advise naked 1 c1 d1\n");
    fake_pull(fake, "in.1", "1");
    fake_turn(fake);
    EXPECT(fake, "advise exhausted 1 d1\n");
    ck_assert_uint_eq(fake_info(fake).num_redelivered,
                      0); /* never shown when one delivery is all */
    fake_destroy(fake);
}
END_TEST

START_TEST(exhausted_messages_are_kept_until_a_late_ack)
{
    struct fake *fake = fake_create();
    struct consumer_message message;

    fake->config.max_deliver = 1;
    fake->say_settled = true;
    delivered(fake, 1);
    fake_pass(fake, 30 * FAKE_SECOND);
    EXPECT(fake, "advise exhausted 1 d1\n");
    ck_assert(fake_message_at(fake, 1, &message));
    ck_assert(consumer_needs(fake->consumer, &message));
    fake_ack(fake, 1, "+ACK", "r.1");
    fake_turn(fake);
    EXPECT(fake, "answer r.1 committed\n"
                 "settled 1\n");
    ck_assert(!consumer_needs(fake->consumer, &message));
    fake_destroy(fake);
}
END_TEST

START_TEST(a_late_ack_of_all_settles_the_exhausted_too)
{
    struct fake *fake = fake_create();

    fake->config.ack_policy = ACK_ALL;
    fake->config.max_deliver = 1;
    fake->say_settled = true;
    delivered(fake, 2);
    fake_pass(fake, 30 * FAKE_SECOND);
    EXPECT(fake, "advise exhausted 1 d1\n"
                 "advise exhausted 2 d1\n");
    fake_ack(fake, 2, "", "");
    fake_turn(fake);
    EXPECT(fake, "settled 1\n"
                 "settled 2\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_refused_end_is_said_when_it_comes_true)
{
    struct fake *fake = fake_create();

    fake->config.max_deliver = 1;
    delivered(fake, 1);
    fake->now_ns += 30 * FAKE_SECOND;
    fake_work(fake);
    fake_refuse(fake);
    EXPECT(fake, "");
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 1);
    fake_turn(fake);
    fake_pass(fake, 30 * FAKE_SECOND);
    EXPECT(fake, "advise exhausted 1 d1\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_refused_redelivery_keeps_its_place_in_the_queue)
{
    struct fake *fake = delivered(fake_create(), 3);

    fake_ack(fake, 2, "-NAK", "");
    fake_ack(fake, 1, "-NAK", "");
    fake_pull(fake, "in.2", "2");
    fake_work(fake);
    fake_ack(fake, 3, "-NAK", "");
    (void)fake_asked(fake);
    fake_refuse(fake);
    fake_pull(fake, "in.3", "1");
    fake_turn(fake);
    EXPECT(fake, "2>in.2 d2 c4 p0\n"
                 "1>in.3 d2 c5 p0\n"
                 "3>in.2 d2 c6 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_message_that_leaves_the_stream_is_terminated_and_the_floor_moves)
{
    struct fake *fake = delivered(fake_create(), 3);

    fake_remove(fake, 1);
    EXPECT(fake, "advise terminated 1 c1 d1 Unacknowledged message was deleted\n");
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 2);
    ck_assert_uint_eq(fake_info(fake).floor_stream, 1);
    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    fake_pass(fake, 30 * FAKE_SECOND);
    EXPECT(fake, "2>in.2 d2 c4 p0\n"
                 "3>in.2 d2 c5 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_message_that_leaves_while_queued_is_skipped)
{
    struct fake *fake = delivered(fake_create(), 2);

    fake_ack(fake, 1, "-NAK", "");
    fake_ack(fake, 2, "-NAK", "");
    fake_remove(fake, 1);
    (void)fake_asked(fake);
    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    EXPECT(fake, "2>in.2 d2 c3 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_message_that_leaves_while_its_redelivery_is_in_flight_is_not_sent)
{
    struct fake *fake = delivered(fake_create(), 2);

    fake_ack(fake, 1, "-NAK", "");
    fake_ack(fake, 2, "-NAK", "");
    fake_pull(fake, "in.2", "2");
    fake_work(fake);
    (void)fake_asked(fake);
    fake_remove(fake, 1);
    fake_turn(fake);
    EXPECT(fake, "advise terminated 1 c1 d1 Unacknowledged message was deleted\n"
                 "2>in.2 d2 c3 p0\n");
    ck_assert_uint_eq(fake_info(fake).num_waiting, 1);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_message_that_leaves_while_its_first_delivery_is_in_flight_is_ended_in_silence)
{
    struct fake *fake = fake_create();

    fake_store_many(fake, "a.x", 3);
    fake_lead(fake);
    fake_pull(fake, "in.1", "2");
    fake_work(fake);
    fake_remove(fake, 1);
    ck_assert_uint_eq(fake_info(fake).num_pending, 2);
    fake_turn(fake);
    EXPECT(fake, "2>in.1 d1 c2 p1\n"
                 "3>in.1 d1 c3 p0\n");
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 2);
    ck_assert_uint_eq(fake_info(fake).floor_stream, 1);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_request_waits_again_for_what_it_did_not_get_after_all)
{
    struct fake *fake = fake_create();

    fake_store_many(fake, "a.x", 2);
    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"batch\":2,\"expires\":9000000000}");
    fake_work(fake);
    fake_remove(fake, 1);
    fake_turn(fake);
    (void)fake_asked(fake);
    ck_assert_uint_eq(fake_info(fake).num_waiting, 1);
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "3>in.1 d1 c3 p0\n");
    ck_assert_uint_eq(fake_info(fake).num_waiting, 0);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_message_that_leaves_makes_room_in_the_ack_window_at_once)
{
    struct fake *fake = fake_create();

    fake->config.max_ack_pending = 1;
    fake_store_many(fake, "a.x", 2);
    fake_lead(fake);
    fake_pull(fake, "in.1", "9");
    fake_turn(fake);
    (void)fake_asked(fake);
    ck_assert(!consumer_hungry(fake->consumer));
    fake_remove(fake, 1);
    ck_assert(consumer_hungry(fake->consumer));
    fake_turn(fake);
    EXPECT(fake, "advise terminated 1 c1 d1 Unacknowledged message was deleted\n"
                 "2>in.1 d1 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

/* The leader that knew died before it could say so. */
START_TEST(the_next_leader_finds_what_left_in_flight)
{
    struct fake *fake = fake_create();

    fake_store_many(fake, "a.x", 2);
    fake_lead(fake);
    fake_pull(fake, "in.1", "2");
    fake_work(fake);
    fake_remove(fake, 1);
    fake_apply(fake);
    (void)fake_asked(fake);
    fake_restart(fake);
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 2);
    fake_turn(fake);
    EXPECT(fake, "advise terminated 1 c1 d1 Unacknowledged message was deleted\n");
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 1);
    fake_destroy(fake);
}
END_TEST

START_TEST(removing_an_exhausted_message_forgets_it)
{
    struct fake *fake = fake_create();

    fake->config.max_deliver = 2;
    delivered(fake, 1);
    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    fake_pass(fake, 60 * FAKE_SECOND);
    ck_assert_uint_eq(fake_info(fake).num_redelivered, 1);
    fake_remove(fake, 1);
    ck_assert_uint_eq(fake_info(fake).num_redelivered, 0);
    fake_destroy(fake);
}
END_TEST

START_TEST(many_late_messages_are_looked_at_once_each)
{
    struct fake *fake = fake_create();

    fake->config.max_ack_pending = -1;
    delivered(fake, 4000);
    ck_assert_int_eq(fake->wake_ns, fake->now_ns + 30 * FAKE_SECOND);
    fake_acks(fake, 1, 4000);
    fake_turn(fake);
    fake_pass(fake, 31 * FAKE_SECOND); /* then it rests */
    ck_assert_int_eq(fake->wake_ns, INT64_MAX);
    fake_destroy(fake);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_is_not_acked_in_time_is_delivered_again_in_order,
        what_expires_together_is_queued_by_rising_sequence,
        redeliveries_come_before_new_messages,
        each_delivery_restarts_the_wait,
        the_wait_begins_when_the_message_leaves_not_when_it_is_planned,
        no_wait_ends_while_the_message_may_not_have_left,
        what_was_asked_for_before_those_that_wait_to_leave_has_left,
        what_has_left_waits_no_longer_for_those_that_were_handed_out_behind_it,
        what_is_worked_on_has_left,
        a_message_is_not_given_up_while_its_last_delivery_has_not_left,
        a_nak_of_an_earlier_delivery_counts_when_the_last_one_has_left,
        backoff_lengthens_the_wait_step_by_step,
        a_later_delivery_with_a_shorter_wait_comes_first,
        nothing_is_redelivered_while_a_redelivery_is_in_flight,
        an_ack_in_front_of_a_redelivery_in_the_log_makes_it_void,
        an_ack_that_meets_its_redelivery_in_flight_keeps_it_from_leaving,
        deliveries_survive_a_restart_and_the_wait_begins_anew,
        an_ack_of_a_delivery_before_the_restart_counts,
        after_the_last_allowed_delivery_one_advisory_ends_a_message,
        a_nak_of_the_last_delivery_ends_the_message_when_its_turn_comes,
        exhausted_messages_are_kept_until_a_late_ack,
        a_late_ack_of_all_settles_the_exhausted_too,
        a_refused_end_is_said_when_it_comes_true,
        a_refused_redelivery_keeps_its_place_in_the_queue,
        a_message_that_leaves_the_stream_is_terminated_and_the_floor_moves,
        a_message_that_leaves_while_queued_is_skipped,
        a_message_that_leaves_while_its_redelivery_is_in_flight_is_not_sent,
        a_message_that_leaves_while_its_first_delivery_is_in_flight_is_ended_in_silence,
        a_request_waits_again_for_what_it_did_not_get_after_all,
        a_message_that_leaves_makes_room_in_the_ack_window_at_once,
        the_next_leader_finds_what_left_in_flight,
        removing_an_exhausted_message_forgets_it,
        many_late_messages_are_looked_at_once_each,
    };

    return UNIT_RUN_PLAIN("redelivery", tests);
}
