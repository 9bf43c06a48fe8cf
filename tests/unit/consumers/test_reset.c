#include "tests/unit/consumers/fake.h"

static enum err reset_to(struct fake *fake, struct consumer *consumer, uint64_t next)
{
    struct buf body;
    enum err err;

    buf_init(&body, 64);
    ck_assert(consumer_reset_write(consumer, next, &body));
    err = consumer_apply(consumer, fake->now_ns, CONSUMER_RECORD_RESET, buf_bytes(&body));
    buf_deinit(&body);
    return err;
}

static void ask_and_ack_one_of_three(struct fake *fake)
{
    fake_store_many(fake, "a.x", 4);
    fake_lead(fake);
    fake_pull(fake, "in.1", "3");
    fake_turn(fake);
    fake_ack(fake, 1, "", "");
    fake_turn(fake);
    (void)fake_asked(fake);
}

START_TEST(without_a_place_it_begins_behind_its_ack_floor)
{
    struct fake *fake = fake_create();
    uint64_t next;

    ask_and_ack_one_of_three(fake);
    ck_assert_ptr_null(consumer_reset_check(fake->consumer, 0, &next));
    ck_assert_uint_eq(next, 2);
    ck_assert_int_eq(reset_to(fake, fake->consumer, next), OK);
    ck_assert_uint_eq(fake_info(fake).delivered_consumer, 0);
    ck_assert_uint_eq(fake_info(fake).delivered_stream, 1);
    ck_assert_uint_eq(fake_info(fake).floor_stream, 1);
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 0);
    ck_assert_uint_eq(fake_info(fake).num_pending, 3);
    fake_pull(fake, "in.2", "9");
    fake_turn(fake);
    EXPECT(fake, "2>in.2 d1 c1 p2\n3>in.2 d1 c2 p1\n4>in.2 d1 c3 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(requests_that_wait_are_served_anew)
{
    struct fake *fake = fake_create();

    fake_store_many(fake, "a.x", 2);
    fake_lead(fake);
    fake_pull(fake, "in.1", "5");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p1\n2>in.1 d1 c2 p0\n");
    ck_assert_int_eq(reset_to(fake, fake->consumer, 2), OK);
    fake_turn(fake);
    EXPECT(fake, "2>in.1 d1 c1 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(what_was_exhausted_is_delivered_again)
{
    struct fake *fake = fake_create();

    fake->config.max_deliver = 1;
    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_pull(fake, "in.1", "1");
    fake_turn(fake);
    fake_pass(fake, 30 * FAKE_SECOND);
    EXPECT(fake, "1>in.1 d1 c1 p0\nadvise exhausted 1 d1\n");
    ck_assert_int_eq(reset_to(fake, fake->consumer, 1), OK);
    fake_pull(fake, "in.2", "1");
    fake_turn(fake);
    EXPECT(fake, "1>in.2 d1 c1 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(an_ack_of_the_life_before_settles_nothing)
{
    struct fake *fake = fake_create();

    ask_and_ack_one_of_three(fake);
    fake_ack(fake, 3, "", "");
    ck_assert_int_eq(reset_to(fake, fake->consumer, 2), OK);
    fake_turn(fake);
    ck_assert_uint_eq(fake_info(fake).floor_stream, 1);
    ck_assert_uint_eq(fake_info(fake).num_pending, 3);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_place_is_refused_where_the_deliver_policy_forbids_it)
{
    struct fake *fake = fake_create();
    uint64_t next;

    for (size_t i = 0; i < 4; i++) {
        fake_store(fake, "a.x");
        fake->log_now_ns += FAKE_SECOND;
    }
    fake->config.deliver_policy = DELIVER_NEW;
    fake_consumer(fake);
    ck_assert_str_eq(consumer_reset_check(fake->consumer, 2, &next), "not allowed");
    ck_assert_ptr_null(consumer_reset_check(fake->consumer, 0, &next));
    ck_assert_uint_eq(next, 5);
    consumer_destroy(fake->consumer);

    fake->config.deliver_policy = DELIVER_BY_START_SEQUENCE;
    fake->config.opt_start_seq = 3;
    fake_consumer(fake);
    ck_assert_str_eq(consumer_reset_check(fake->consumer, 2, &next), "below start seq");
    ck_assert_ptr_null(consumer_reset_check(fake->consumer, 3, &next));
    consumer_destroy(fake->consumer);

    fake->config.deliver_policy = DELIVER_BY_START_TIME;
    fake->config.opt_start_seq = 0;
    fake->config.opt_start_time_ns = fake->messages[3].time_ns;
    fake_consumer(fake);
    ck_assert_str_eq(consumer_reset_check(fake->consumer, 2, &next), "below start time");
    ck_assert_ptr_null(consumer_reset_check(fake->consumer, 3, &next));
    fake_destroy(fake);
}
END_TEST

START_TEST(a_record_without_a_place_is_damaged)
{
    struct fake *fake = fake_create();

    ask_and_ack_one_of_three(fake);
    ck_assert_int_eq(reset_to(fake, fake->consumer, 0), ERR_CORRUPT);
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 2);
    fake_destroy(fake);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        without_a_place_it_begins_behind_its_ack_floor,
        requests_that_wait_are_served_anew,
        what_was_exhausted_is_delivered_again,
        an_ack_of_the_life_before_settles_nothing,
        a_place_is_refused_where_the_deliver_policy_forbids_it,
        a_record_without_a_place_is_damaged,
    };

    return UNIT_RUN_PLAIN("reset", tests);
}
