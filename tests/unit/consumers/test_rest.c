#include <string.h>

#include "tests/unit/consumers/fake.h"

#define REST (31 * FAKE_SECOND)

static struct fake *led(void)
{
    struct fake *fake = fake_create();

    fake_lead(fake);
    fake_turn(fake);
    return fake;
}

START_TEST(one_that_nobody_has_asked_for_anything_rests)
{
    struct fake *fake = led();

    ck_assert(consumer_resting(fake->consumer));
    fake_store_many(fake, "s.a", 3);
    fake_turn(fake);
    ck_assert(consumer_resting(fake->consumer));
    ck_assert_uint_eq(fake_info(fake).num_pending, 3);
    ck_assert(consumer_resting(fake->consumer));
    ck_assert_int_eq(fake->wake_ns, INT64_MAX);
    fake_destroy(fake);
}
END_TEST

START_TEST(one_that_is_quiet_rests_after_a_while_and_goes_on_where_it_was)
{
    struct fake *fake = led();

    fake_store_many(fake, "s.a", 2);
    fake_pull(fake, "in.1", "2");
    fake_turn(fake);
    fake_acks(fake, 1, 2);
    fake_turn(fake);
    ck_assert(!consumer_resting(fake->consumer));
    fake_pass(fake, REST);
    ck_assert(consumer_resting(fake->consumer));
    ck_assert_uint_eq(fake_info(fake).delivered_stream, 2);
    (void)fake_asked(fake);

    fake_store(fake, "s.a");
    fake_pull(fake, "in.2", "1");
    fake_turn(fake);
    ck_assert_ptr_nonnull(strstr(fake_asked(fake), "in.2"));
    ck_assert_uint_eq(fake_info(fake).delivered_stream, 3);
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 1);
    fake_destroy(fake);
}
END_TEST

START_TEST(one_that_is_owed_an_ack_does_not_rest)
{
    struct fake *fake = fake_create();

    fake->config.ack_wait_ns = 3600 * FAKE_SECOND;
    fake_lead(fake);
    fake_store(fake, "s.a");
    fake_pull(fake, "in.1", "1");
    fake_turn(fake);
    fake_pass(fake, REST);
    ck_assert(!consumer_resting(fake->consumer));
    fake_destroy(fake);
}
END_TEST

START_TEST(one_with_a_waiting_request_does_not_rest)
{
    struct fake *fake = led();

    fake_pull(fake, "in.1", "1");
    fake_turn(fake);
    fake_pass(fake, REST);
    ck_assert(!consumer_resting(fake->consumer));
    fake_destroy(fake);
}
END_TEST

START_TEST(an_ack_of_what_is_settled_is_confirmed_by_one_that_rests)
{
    struct fake *fake = led();

    fake_store(fake, "s.a");
    fake_pull(fake, "in.1", "1");
    fake_turn(fake);
    fake_acks(fake, 1, 1);
    fake_turn(fake);
    fake_pass(fake, REST);
    ck_assert(consumer_resting(fake->consumer));
    (void)fake_asked(fake);
    fake_ack(fake, 1, "", "answer");
    fake_turn(fake);
    ck_assert_ptr_nonnull(strstr(fake_asked(fake), "answer"));
    fake_destroy(fake);
}
END_TEST

START_TEST(a_follower_rests_when_nothing_is_owed)
{
    struct fake *fake = led();

    fake_store(fake, "s.a");
    fake_pull(fake, "in.1", "1");
    fake_turn(fake);
    fake_acks(fake, 1, 1);
    fake_turn(fake);
    consumer_follow(fake->consumer);
    ck_assert(consumer_resting(fake->consumer));
    ck_assert_uint_eq(fake_info(fake).floor_stream, 1);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_purge_and_a_removal_leave_it_at_rest)
{
    struct fake *fake = led();

    fake_store_many(fake, "s.a", 4);
    fake_remove(fake, 2);
    consumer_purged(fake->consumer, 4);
    ck_assert(consumer_resting(fake->consumer));
    ck_assert_uint_eq(fake_info(fake).delivered_stream, 3);
    fake_destroy(fake);
}
END_TEST

START_TEST(what_listens_is_timed_or_replayed_does_not_rest)
{
    struct fake *push = fake_create(), *passing = fake_create(), *original = fake_create();

    push->config.deliver_subject = BYTES("to.me");
    passing->config.inactive_threshold_ns = 3600 * FAKE_SECOND;
    original->config.replay_policy = REPLAY_ORIGINAL;
    fake_lead(push);
    fake_lead(passing);
    fake_lead(original);
    ck_assert(!consumer_resting(push->consumer));
    ck_assert(!consumer_resting(passing->consumer));
    ck_assert(!consumer_resting(original->consumer));
    fake_destroy(push);
    fake_destroy(passing);
    fake_destroy(original);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        one_that_nobody_has_asked_for_anything_rests,
        one_that_is_quiet_rests_after_a_while_and_goes_on_where_it_was,
        one_that_is_owed_an_ack_does_not_rest,
        one_with_a_waiting_request_does_not_rest,
        an_ack_of_what_is_settled_is_confirmed_by_one_that_rests,
        a_follower_rests_when_nothing_is_owed,
        a_purge_and_a_removal_leave_it_at_rest,
        what_listens_is_timed_or_replayed_does_not_rest,
    };

    return UNIT_RUN_PLAIN("rest", tests);
}
