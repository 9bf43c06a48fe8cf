#include "tests/unit/consumers/fake.h"

START_TEST(a_message_leaves_only_after_its_hand_out_is_applied)
{
    struct fake *fake = fake_create();

    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_pull(fake, "in.1", "1");
    fake_work(fake);
    EXPECT(fake, "");
    ck_assert_uint_eq(fake->proposed, 1);
    ck_assert_uint_eq(fake->records[0].type, CONSUMER_RECORD_HANDOUT);
    ck_assert_uint_eq(consumer_record_number(fake->records[0].body), 7);
    fake_apply(fake);
    EXPECT(fake, "1>in.1 d1 c1 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(the_ack_subject_counts_pending_down_to_zero)
{
    struct fake *fake = fake_create();

    fake_store_many(fake, "a.x", 3);
    fake_lead(fake);
    fake_pull(fake, "in.1", "5");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p2\n"
                 "2>in.1 d1 c2 p1\n"
                 "3>in.1 d1 c3 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(waiting_requests_take_turns)
{
    struct fake *fake = fake_create();

    fake_lead(fake);
    fake_pull(fake, "in.1", "2");
    fake_pull(fake, "in.2", "1");
    fake_pull(fake, "in.3", "3");
    fake_store_many(fake, "a.x", 6);
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p5\n"
                 "2>in.2 d1 c2 p4\n"
                 "3>in.3 d1 c3 p3\n"
                 "4>in.1 d1 c4 p2\n"
                 "5>in.3 d1 c5 p1\n"
                 "6>in.3 d1 c6 p0\n");
    ck_assert_uint_eq(fake_info(fake).num_waiting, 0);
    fake_destroy(fake);
}
END_TEST

#define TOLD_LATER INT64_C(1000000)

START_TEST(an_expired_request_is_told_what_it_did_not_get)
{
    struct fake *fake = fake_create();

    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"batch\":3,\"expires\":1000000000}");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p0\n");
    fake_pass(fake, FAKE_SECOND - 1);
    EXPECT(fake, "");
    fake_pass(fake, 1 + TOLD_LATER);
    EXPECT(fake, "in.1 408 Request Timeout|Nats-Pending-Messages: 2|Nats-Pending-Bytes: 0\n");
    fake_destroy(fake);
}
END_TEST

/* A client that waits as long as it said is not to take the status for the message. */
START_TEST(an_expired_request_is_told_a_moment_later_and_gets_nothing_more)
{
    struct fake *fake = fake_create();

    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"batch\":3,\"expires\":1000000000}");
    fake_pull(fake, "in.2", "{\"batch\":3,\"expires\":1000000000}");
    fake_pull(fake, "in.3", "{\"batch\":1,\"expires\":2000000000}");
    fake_turn(fake);
    fake_pass(fake, FAKE_SECOND + TOLD_LATER - 1);
    EXPECT(fake, "");
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "in.1 408 Request Timeout|Nats-Pending-Messages: 3|Nats-Pending-Bytes: 0\n"
                 "in.2 408 Request Timeout|Nats-Pending-Messages: 3|Nats-Pending-Bytes: 0\n"
                 "1>in.3 d1 c1 p0\n");
    fake_destroy(fake);
}
END_TEST

/* The reference shows the batch as it was given, and here none was. */
START_TEST(an_implied_batch_of_one_is_not_counted_by_the_timeout)
{
    struct fake *fake = fake_create();

    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"expires\":1000000000,\"group\":\"g\"}");
    fake_turn(fake);
    fake_pass(fake, FAKE_SECOND + TOLD_LATER);
    EXPECT(fake, "in.1 408 Request Timeout|Nats-Pending-Messages: 0|Nats-Pending-Bytes: 0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_timeout_comes_after_the_messages_in_flight)
{
    struct fake *fake = fake_create();

    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"batch\":3,\"expires\":1000000000}");
    fake_work(fake);
    fake->now_ns += 2 * FAKE_SECOND;
    fake_work(fake);
    EXPECT(fake, "");
    fake_apply(fake);
    EXPECT(fake, "1>in.1 d1 c1 p0\n"
                 "in.1 408 Request Timeout|Nats-Pending-Messages: 2|Nats-Pending-Bytes: 0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_negative_expiry_has_passed_already)
{
    struct fake *fake = fake_create();

    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"batch\":5,\"expires\":-5}");
    fake_turn(fake);
    EXPECT(fake, "in.1 408 Request Timeout|Nats-Pending-Messages: 5|Nats-Pending-Bytes: 0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(no_wait_on_nothing_is_answered_at_once)
{
    struct fake *fake = fake_create();

    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"batch\":5,\"no_wait\":true}");
    EXPECT(fake, "in.1 404 No Messages\n");
    ck_assert_uint_eq(fake_info(fake).num_waiting, 0);
    fake_destroy(fake);
}
END_TEST

START_TEST(no_wait_ends_with_the_stream)
{
    struct fake *fake = fake_create();

    fake_store_many(fake, "a.x", 2);
    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"batch\":5,\"no_wait\":true}");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p1\n"
                 "2>in.1 d1 c2 p0\n"
                 "in.1 404 No Messages\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(no_wait_behind_hungrier_requests_is_refused)
{
    struct fake *fake = fake_create();

    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"batch\":3,\"expires\":9000000000}");
    fake_store_many(fake, "a.x", 2);
    fake_pull(fake, "in.2", "{\"batch\":1,\"no_wait\":true}");
    EXPECT(fake, "in.2 408 Requests Pending\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(no_wait_with_expiry_waits_for_the_first_messages)
{
    struct fake *fake = fake_create();

    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"batch\":5,\"no_wait\":true,\"expires\":1000000000}");
    fake_turn(fake);
    EXPECT(fake, "");
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p0\n"
                 "in.1 404 No Messages\n");
    fake_pull(fake, "in.2", "{\"batch\":5,\"no_wait\":true,\"expires\":1000000000}");
    fake_turn(fake);
    fake_pass(fake, FAKE_SECOND + TOLD_LATER);
    EXPECT(fake, "in.2 408 Request Timeout|Nats-Pending-Messages: 5|Nats-Pending-Bytes: 0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(no_wait_is_not_ended_by_a_full_ack_window)
{
    struct fake *fake = fake_create();

    fake->config.max_ack_pending = 1;
    fake_store_many(fake, "a.x", 2);
    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"batch\":5,\"no_wait\":true}");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p1\n");
    fake_ack(fake, 1, "", "");
    fake_turn(fake);
    EXPECT(fake, "2>in.1 d1 c2 p0\n");
    fake_ack(fake, 2, "", "");
    fake_turn(fake);
    EXPECT(fake, "in.1 404 No Messages\n");
    fake_destroy(fake);
}
END_TEST

/* Each message costs its 13 bytes and its ack subject's 39. */
START_TEST(a_byte_budget_ends_a_request_before_a_message_that_exceeds_it)
{
    struct fake *fake = fake_create();

    fake_store_many(fake, "a.x", 3);
    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"batch\":9,\"max_bytes\":110,\"expires\":1000000000}");
    fake_pull(fake, "in.2", "{\"batch\":1,\"expires\":1000000000}");
    fake_turn(fake);
    ck_assert_uint_eq(strlen(fake->messages[1].ack), 39);
    EXPECT(fake, "1>in.1 d1 c1 p2\n"
                 "2>in.2 d1 c2 p1\n"
                 "3>in.1 d1 c3 p0\n");
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "in.1 409 Message Size Exceeds MaxBytes|Nats-Pending-Messages: 7|"
                 "Nats-Pending-Bytes: 6\n");
    fake_pull(fake, "in.3", "1");
    fake_turn(fake);
    EXPECT(fake, "4>in.3 d1 c4 p0\n"); /* it was offered to nobody else */
    fake_destroy(fake);
}
END_TEST

START_TEST(a_message_too_large_for_one_request_goes_to_the_next)
{
    struct fake *fake = fake_create();

    fake_store_sized(fake, "a.x", 500);
    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"batch\":1,\"max_bytes\":100}");
    fake_pull(fake, "in.2", "1");
    fake_turn(fake);
    EXPECT(fake, "in.1 409 Message Size Exceeds MaxBytes|Nats-Pending-Messages: 1|"
                 "Nats-Pending-Bytes: 100\n"
                 "1>in.2 d1 c1 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_filled_batch_tells_the_bytes_it_did_not_use)
{
    struct fake *fake = fake_create();

    fake_store_many(fake, "a.x", 3);
    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"batch\":2,\"max_bytes\":1000}");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p2\n"
                 "2>in.1 d1 c2 p1\n"
                 "in.1 409 Batch Completed|Nats-Pending-Messages: 0|Nats-Pending-Bytes: 896\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_budget_used_up_exactly_ends_without_a_word)
{
    struct fake *fake = fake_create();

    fake_store_many(fake, "a.x", 3);
    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"batch\":9,\"max_bytes\":104}");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p2\n"
                 "2>in.1 d1 c2 p1\n");
    ck_assert_uint_eq(fake_info(fake).num_waiting, 0);
    fake_destroy(fake);
}
END_TEST

START_TEST(an_idle_request_gets_heartbeats_until_it_ends)
{
    struct fake *fake = fake_create();

    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"batch\":2,\"expires\":5000000000,\"idle_heartbeat\":2000000000}");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p0\n");
    fake_pass(fake, 2 * FAKE_SECOND);
    EXPECT(fake, "in.1 100 Idle Heartbeat|Nats-Last-Consumer: 1|Nats-Last-Stream: 1\n");
    fake_pass(fake, 3 * FAKE_SECOND + TOLD_LATER);
    EXPECT(fake, "in.1 100 Idle Heartbeat|Nats-Last-Consumer: 1|Nats-Last-Stream: 1\n"
                 "in.1 408 Request Timeout|Nats-Pending-Messages: 1|Nats-Pending-Bytes: 0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_delivery_puts_the_heartbeat_off)
{
    struct fake *fake = fake_create();

    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"batch\":2,\"expires\":5000000000,\"idle_heartbeat\":2000000000}");
    fake_turn(fake);
    fake_pass(fake, FAKE_SECOND);
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p0\n");
    fake_pass(fake, 2 * FAKE_SECOND - 1);
    EXPECT(fake, "");
    fake_pass(fake, 1);
    EXPECT(fake, "in.1 100 Idle Heartbeat|Nats-Last-Consumer: 1|Nats-Last-Stream: 1\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_request_nobody_listens_for_is_dropped_and_gets_nothing)
{
    struct fake *fake = fake_create();

    fake->deaf = "gone";
    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_pull(fake, "gone.1", "5");
    fake_pull(fake, "in.2", "5");
    fake_turn(fake);
    EXPECT(fake, "1>in.2 d1 c1 p0\n");
    ck_assert_uint_eq(fake_info(fake).num_waiting, 1);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_listener_lost_in_flight_lets_the_message_go_elsewhere_at_once)
{
    struct fake *fake = fake_create();

    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_pull(fake, "gone.1", "5");
    fake_pull(fake, "in.2", "5");
    fake_work(fake);
    fake->deaf = "gone";
    fake_turn(fake);
    EXPECT(fake, "1>in.2 d2 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_full_queue_refuses_unless_heartbeats_were_asked_for)
{
    struct fake *fake = fake_create();

    fake->config.max_waiting = 2;
    fake_lead(fake);
    fake_pull(fake, "in.1", "1");
    fake_pull(fake, "in.2", "1");
    fake_pull(fake, "in.3", "1");
    EXPECT(fake, "in.3 409 Exceeded MaxWaiting\n");
    fake_pull(fake, "in.4", "{\"batch\":1,\"expires\":9000000000,\"idle_heartbeat\":1000000000}");
    EXPECT(fake, "");
    ck_assert_uint_eq(fake_info(fake).num_waiting, 2);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_full_queue_makes_room_by_dropping_the_deaf)
{
    struct fake *fake = fake_create();

    fake->config.max_waiting = 2;
    fake_lead(fake);
    fake_pull(fake, "gone.1", "1");
    fake_pull(fake, "in.2", "1");
    fake->deaf = "gone";
    fake_pull(fake, "in.3", "1");
    EXPECT(fake, "");
    ck_assert_uint_eq(fake_info(fake).num_waiting, 2);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_push_consumer_refuses_pulls)
{
    struct fake *fake = fake_create();

    fake->config.deliver_subject = BYTES("to.me");
    fake_lead(fake);
    fake_pull(fake, "in.1", "1");
    EXPECT(fake, "in.1 409 Consumer is push based\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(limits_of_the_config_refuse_by_their_text)
{
    struct fake *fake = fake_create();

    fake->config.max_batch = 10;
    fake->config.max_expires_ns = 90 * FAKE_SECOND;
    fake->config.max_bytes = 4096;
    fake_lead(fake);
    fake_pull(fake, "in.1", "11");
    EXPECT(fake, "in.1 409 Exceeded MaxRequestBatch of 10\n");
    fake_pull(fake, "in.1", "{\"expires\":90000000001}");
    EXPECT(fake, "in.1 409 Exceeded MaxRequestExpires of 1m30s\n");
    fake_pull(fake, "in.1", "{\"max_bytes\":4097}");
    EXPECT(fake, "in.1 409 Exceeded MaxRequestMaxBytes of 4096\n");
    fake_pull(fake, "in.1", "{\"batch\":10,\"max_bytes\":4096,\"expires\":90000000000}");
    EXPECT(fake, "");
    fake_destroy(fake);
}
END_TEST

START_TEST(everyone_waiting_hears_of_the_deletion)
{
    struct fake *fake = fake_create();

    fake_lead(fake);
    fake_pull(fake, "in.1", "1");
    fake_pull(fake, "in.2", "1");
    fake_turn(fake);
    consumer_say_deleted(fake->consumer);
    EXPECT(fake, "in.1 409 Consumer Deleted\n"
                 "in.2 409 Consumer Deleted\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(everyone_waiting_hears_of_another_leader)
{
    struct fake *fake = fake_create();

    fake_lead(fake);
    fake_pull(fake, "in.1", "1");
    fake_turn(fake);
    consumer_say_follow(fake->consumer);
    EXPECT(fake, "in.1 409 Leadership Change\n");
    ck_assert_int_eq(consumer_hold(fake->consumer), HOLD_FOLLOWS);
    fake_destroy(fake);
}
END_TEST

START_TEST(everyone_waiting_hears_of_the_shutdown_and_what_they_did_not_get)
{
    struct fake *fake = fake_create();

    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"batch\":3,\"max_bytes\":100}");
    fake_turn(fake);
    consumer_say_shutdown(fake->consumer);
    EXPECT(fake, "in.1 409 Server Shutdown|Nats-Pending-Messages: 3|Nats-Pending-Bytes: 100\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(whoever_waits_for_what_is_in_flight_hears_of_the_deletion)
{
    struct fake *fake = fake_create();

    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_pull(fake, "in.1", "1");
    fake_work(fake);
    consumer_say_deleted(fake->consumer);
    EXPECT(fake, "in.1 409 Consumer Deleted\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_refused_hand_out_never_happened)
{
    struct fake *fake = fake_create();

    fake_store_many(fake, "a.x", 3);
    fake_lead(fake);
    fake_pull(fake, "in.1", "1");
    fake_pull(fake, "in.2", "2");
    fake_work(fake);
    fake_refuse(fake);
    EXPECT(fake, "");
    ck_assert_uint_eq(fake_info(fake).num_pending, 3);
    ck_assert_uint_eq(fake_info(fake).num_waiting, 2);
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p2\n"
                 "2>in.2 d1 c2 p1\n"
                 "3>in.2 d1 c3 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(one_hand_out_is_in_flight_at_a_time_and_nothing_gets_lost_meanwhile)
{
    struct fake *fake = fake_create();

    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_pull(fake, "in.1", "10");
    fake_work(fake);
    fake_store(fake, "a.x");
    fake_work(fake);
    ck_assert_uint_eq(fake->proposed, 1);
    fake_apply(fake);
    EXPECT(fake, "1>in.1 d1 c1 p1\n");
    ck_assert(consumer_hungry(fake->consumer));
    fake_turn(fake);
    EXPECT(fake, "2>in.1 d1 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_large_pull_is_served_in_bounded_hand_outs)
{
    struct fake *fake = fake_create();

    fake->config.max_ack_pending = -1;
    fake_store_many(fake, "a.x", 2500);
    fake_lead(fake);
    fake_pull(fake, "in.1", "2500");
    fake_turn(fake);
    ck_assert_uint_eq(fake->logged, 3);
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 2500);
    ck_assert_uint_eq(fake_info(fake).num_pending, 0);
    fake_destroy(fake);
}
END_TEST

START_TEST(nobody_without_a_reply_waits)
{
    struct fake *fake = fake_create();

    fake_lead(fake);
    fake_pull(fake, "", "1");
    ck_assert_uint_eq(fake_info(fake).num_waiting, 0);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_follower_takes_no_requests)
{
    struct fake *fake = fake_create();

    fake_consumer(fake);
    fake_pull(fake, "in.1", "1");
    fake_work(fake);
    ck_assert_uint_eq(fake_info(fake).num_waiting, 0);
    EXPECT(fake, "");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_paused_consumer_keeps_its_requests_and_their_time)
{
    struct fake *fake = fake_create();

    fake->config.pause_until_ns = fake->log_now_ns + 10 * FAKE_SECOND;
    fake_store_many(fake, "a.x", 2);
    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"expires\":6000000000,\"idle_heartbeat\":3000000000,\"batch\":1}");
    fake_pull(fake, "in.2", "1");
    fake_turn(fake);
    EXPECT(fake, "");
    ck_assert(fake_info(fake).paused);
    ck_assert_int_eq(fake_info(fake).pause_remaining_ns, 10 * FAKE_SECOND);
    fake_pass(fake, 6 * FAKE_SECOND + TOLD_LATER);
    EXPECT(fake, "in.1 100 Idle Heartbeat|Nats-Last-Consumer: 0|Nats-Last-Stream: 0\n"
                 "in.1 408 Request Timeout|Nats-Pending-Messages: 1|Nats-Pending-Bytes: 0\n");
    fake_pass(fake, 4 * FAKE_SECOND);
    EXPECT(fake, "advise resumed\n"
                 "1>in.2 d1 c1 p1\n");
    ck_assert(!fake_info(fake).paused);
    fake_destroy(fake);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_message_leaves_only_after_its_hand_out_is_applied,
        the_ack_subject_counts_pending_down_to_zero,
        waiting_requests_take_turns,
        an_expired_request_is_told_what_it_did_not_get,
        an_expired_request_is_told_a_moment_later_and_gets_nothing_more,
        an_implied_batch_of_one_is_not_counted_by_the_timeout,
        a_timeout_comes_after_the_messages_in_flight,
        a_negative_expiry_has_passed_already,
        no_wait_on_nothing_is_answered_at_once,
        no_wait_ends_with_the_stream,
        no_wait_behind_hungrier_requests_is_refused,
        no_wait_with_expiry_waits_for_the_first_messages,
        no_wait_is_not_ended_by_a_full_ack_window,
        a_byte_budget_ends_a_request_before_a_message_that_exceeds_it,
        a_message_too_large_for_one_request_goes_to_the_next,
        a_filled_batch_tells_the_bytes_it_did_not_use,
        a_budget_used_up_exactly_ends_without_a_word,
        an_idle_request_gets_heartbeats_until_it_ends,
        a_delivery_puts_the_heartbeat_off,
        a_request_nobody_listens_for_is_dropped_and_gets_nothing,
        a_listener_lost_in_flight_lets_the_message_go_elsewhere_at_once,
        a_full_queue_refuses_unless_heartbeats_were_asked_for,
        a_full_queue_makes_room_by_dropping_the_deaf,
        a_push_consumer_refuses_pulls,
        limits_of_the_config_refuse_by_their_text,
        everyone_waiting_hears_of_the_deletion,
        everyone_waiting_hears_of_another_leader,
        everyone_waiting_hears_of_the_shutdown_and_what_they_did_not_get,
        whoever_waits_for_what_is_in_flight_hears_of_the_deletion,
        a_refused_hand_out_never_happened,
        one_hand_out_is_in_flight_at_a_time_and_nothing_gets_lost_meanwhile,
        a_large_pull_is_served_in_bounded_hand_outs,
        nobody_without_a_reply_waits,
        a_follower_takes_no_requests,
        a_paused_consumer_keeps_its_requests_and_their_time,
    };

    return UNIT_RUN_PLAIN("pulls", tests);
}
