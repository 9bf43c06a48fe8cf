#include "tests/unit/consumers/fake.h"

static void ask_pinned(struct fake *fake, const char *reply, unsigned batch, const char *pin)
{
    char more[64];

    snprintf(more, sizeof more, ",\"id\":\"%s\"", pin);
    fake_pull_in_group(fake, reply, batch, more);
}

static void unpin(struct fake *fake)
{
    consumer_unpin(fake->consumer, fake->now_ns, fake->log_now_ns, BYTES("g"));
}

/* ---- refusals -------------------------------------------------------------------------------- */

START_TEST(a_request_must_name_a_group_of_the_consumer)
{
    struct fake *fake = fake_grouped(PRIORITY_OVERFLOW);

    fake_pull(fake, "in.1", "{\"batch\":1}");
    fake_pull(fake, "in.2", "{\"batch\":1,\"group\":\"h\"}");
    fake_turn(fake);
    EXPECT(fake, "in.1 400 Bad Request - Priority Group missing\n"
                 "in.2 400 Bad Request - Invalid Priority Group\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_request_that_is_no_json_needs_no_group)
{
    struct fake *fake = fake_grouped(PRIORITY_OVERFLOW);

    fake_pull(fake, "in.1", "1");
    fake_pull(fake, "in.2", "");
    fake_store_many(fake, "a.x", 2);
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p1\n2>in.2 d1 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(what_belongs_to_one_policy_is_refused_by_the_others)
{
    struct fake *fake = fake_grouped(PRIORITY_PRIORITIZED);

    fake_pull_in_group(fake, "in.1", 1, ",\"min_pending\":1");
    fake_pull_in_group(fake, "in.2", 1, ",\"min_ack_pending\":-1");
    fake_pull_in_group(fake, "in.3", 1, ",\"id\":\"x\"");
    fake_pull_in_group(fake, "in.4", 1, ",\"priority\":10");
    EXPECT(fake, "in.1 400 Bad Request - Not a Overflow Priority consumer\n"
                 "in.2 400 Bad Request - Not a Overflow Priority consumer\n"
                 "in.3 400 Bad Request - Not a Pinned Client Priority consumer\n"
                 "in.4 400 Bad Request - Priority must be between 0 and 9\n");
    fake_destroy(fake);
}
END_TEST

/* ---- overflow -------------------------------------------------------------------------------- */

START_TEST(overflow_waits_until_enough_is_left)
{
    struct fake *fake = fake_grouped(PRIORITY_OVERFLOW);

    fake_pull_in_group(fake, "in.1", 5, ",\"min_pending\":3");
    fake_store_many(fake, "a.x", 2);
    fake_turn(fake);
    EXPECT(fake, "");
    fake_store_many(fake, "a.x", 2);
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p3\n2>in.1 d1 c2 p2\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(overflow_waits_until_enough_is_owed)
{
    struct fake *fake = fake_grouped(PRIORITY_OVERFLOW);

    fake_store_many(fake, "a.x", 4);
    fake_pull_in_group(fake, "over", 5, ",\"min_ack_pending\":2");
    fake_pull_in_group(fake, "in.1", 1, "");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p3\n");
    fake_pull_in_group(fake, "in.2", 1, "");
    fake_turn(fake);
    EXPECT(fake, "2>in.2 d1 c2 p2\n3>over d1 c3 p1\n4>over d1 c4 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(either_condition_of_overflow_is_enough)
{
    struct fake *fake = fake_grouped(PRIORITY_OVERFLOW);

    fake_store_many(fake, "a.x", 3);
    fake_pull_in_group(fake, "over", 5, ",\"min_ack_pending\":100,\"min_pending\":3");
    fake_turn(fake);
    EXPECT(fake, "1>over d1 c1 p2\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(an_overflow_request_that_does_not_wait_is_told_that_there_is_nothing_for_it)
{
    struct fake *fake = fake_grouped(PRIORITY_OVERFLOW);

    fake_store_many(fake, "a.x", 2);
    fake_pull_in_group(fake, "over", 5, ",\"min_pending\":2,\"no_wait\":true");
    fake_turn(fake);
    EXPECT(fake, "1>over d1 c1 p1\nover 404 No Messages\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(overflow_without_acks_is_served_when_messages_come)
{
    static struct bytes group = BYTES("g");
    struct fake *fake = fake_create();

    fake->config.ack_policy = ACK_NONE;
    fake->config.ack_wait_ns = 0;
    fake->config.max_ack_pending = 0;
    fake->config.priority_policy = PRIORITY_OVERFLOW;
    fake->config.priority_groups = (struct schema_strings){&group, 1};
    fake_lead(fake);
    fake_pull_in_group(fake, "over", 5, ",\"min_pending\":2");
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "");
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "1>over d1 c1 p1\n");
    fake_destroy(fake);
}
END_TEST

/* ---- pinned ---------------------------------------------------------------------------------- */

START_TEST(the_first_that_is_served_is_pinned_and_the_others_stand_by)
{
    struct fake *fake = fake_grouped(PRIORITY_PINNED);

    fake_pull_in_group(fake, "in.1", 2, "");
    fake_pull_in_group(fake, "in.2", 5, "");
    fake_store_many(fake, "a.x", 3);
    fake_turn(fake);
    EXPECT(fake, "advise pinned g\n1>in.1 d1 c1 p2 pin\n2>in.1 d1 c2 p1 pin\n");
    ck_assert_uint_eq(fake_info(fake).pin.size, 22);
    ck_assert_int_eq(fake_info(fake).pinned_ns, fake->log_now_ns);
    ask_pinned(fake, "in.3", 5, fake->pin);
    fake_turn(fake);
    EXPECT(fake, "3>in.3 d1 c3 p0 pin\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(another_pin_is_refused_while_one_is_set)
{
    struct fake *fake = fake_grouped(PRIORITY_PINNED);

    fake_pull_in_group(fake, "in.1", 1, "");
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "advise pinned g\n1>in.1 d1 c1 p0 pin\n");
    ask_pinned(fake, "in.2", 1, "x");
    ask_pinned(fake, "in.3", 1, "0123456789012345678901");
    EXPECT(fake, "in.2 423 Nats-Pin-Id mismatch\nin.3 423 Nats-Pin-Id mismatch\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_pin_that_is_not_used_expires_and_the_next_is_pinned)
{
    struct fake *fake = fake_grouped(PRIORITY_PINNED);

    fake_pull_in_group(fake, "in.1", 1, "");
    fake_pull_in_group(fake, "in.2", 5, "");
    fake_store_many(fake, "a.x", 2);
    fake_turn(fake);
    EXPECT(fake, "advise pinned g\n1>in.1 d1 c1 p1 pin\n");
    fake_pass(fake, 10 * FAKE_SECOND - 1);
    EXPECT(fake, "");
    fake_pass(fake, 1);
    EXPECT(fake, "advise unpinned g timeout\nadvise pinned g\n2>in.2 d1 c2 p0 pin\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(every_request_of_the_pinned_client_keeps_its_pin)
{
    struct fake *fake = fake_grouped(PRIORITY_PINNED);

    fake_pull_in_group(fake, "in.1", 1, "");
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "advise pinned g\n1>in.1 d1 c1 p0 pin\n");
    fake_pass(fake, 9 * FAKE_SECOND);
    ask_pinned(fake, "in.1", 1, fake->pin);
    fake_pass(fake, 9 * FAKE_SECOND);
    EXPECT(fake, "");
    fake_pass(fake, FAKE_SECOND);
    EXPECT(fake, "advise unpinned g timeout\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(who_was_unpinned_is_told_so_when_it_is_its_turn)
{
    struct fake *fake = fake_grouped(PRIORITY_PINNED);

    fake_pull_in_group(fake, "in.1", 5, "");
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "advise pinned g\n1>in.1 d1 c1 p0 pin\n");
    fake_pull_in_group(fake, "in.2", 5, "");
    unpin(fake);
    ck_assert_uint_eq(fake_info(fake).pin.size, 0);
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "advise unpinned g admin\n"
                 "in.1 423 Nats-Wrong-Pin-Id|Nats-Pending-Messages: 4|Nats-Pending-Bytes: 0\n"
                 "advise pinned g\n2>in.2 d1 c2 p0 pin\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_message_too_large_for_whom_it_pins_pins_nobody)
{
    struct fake *fake = fake_grouped(PRIORITY_PINNED);

    fake_store(fake, "a.x");
    fake_pull_in_group(fake, "in.1", 1, ",\"max_bytes\":3");
    fake_turn(fake);
    EXPECT(fake, "advise pinned g\n"
                 "in.1 409 Message Size Exceeds MaxBytes|Nats-Pending-Messages: 1|"
                 "Nats-Pending-Bytes: 3\n");
    ck_assert_uint_eq(fake_info(fake).pin.size, 0);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_new_leader_has_pinned_nobody)
{
    struct fake *fake = fake_grouped(PRIORITY_PINNED);

    fake_pull_in_group(fake, "in.1", 1, "");
    fake_store_many(fake, "a.x", 2);
    fake_turn(fake);
    EXPECT(fake, "advise pinned g\n1>in.1 d1 c1 p1 pin\n");
    consumer_follow(fake->consumer);
    consumer_lead(fake->consumer, fake->now_ns, fake->log_now_ns);
    ck_assert_uint_eq(fake_info(fake).pin.size, 0);
    ask_pinned(fake, "in.2", 1, fake->pin);
    fake_turn(fake);
    EXPECT(fake, "in.2 423 Nats-Wrong-Pin-Id|Nats-Pending-Messages: 1|Nats-Pending-Bytes: 0\n");
    fake_destroy(fake);
}
END_TEST

/* ---- prioritized ----------------------------------------------------------------------------- */

START_TEST(lower_priorities_are_served_first_and_equals_take_turns)
{
    struct fake *fake = fake_grouped(PRIORITY_PRIORITIZED);

    fake_pull(fake, "plain", "1");
    fake_pull_in_group(fake, "in.9", 1, ",\"priority\":9");
    fake_pull_in_group(fake, "in.1", 2, ",\"priority\":1");
    fake_pull_in_group(fake, "in.2", 2, ",\"priority\":1");
    fake_pull_in_group(fake, "in.0", 1, "");
    fake_store_many(fake, "a.x", 7);
    fake_turn(fake);
    EXPECT(fake, "1>in.0 d1 c1 p6\n2>in.1 d1 c2 p5\n3>in.2 d1 c3 p4\n4>in.1 d1 c4 p3\n"
                 "5>in.2 d1 c5 p2\n6>in.9 d1 c6 p1\n7>plain d1 c7 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(what_a_request_did_not_get_after_all_puts_it_back_in_front_of_its_equals)
{
    struct fake *fake = fake_grouped(PRIORITY_PRIORITIZED);

    fake_pull_in_group(fake, "in.1", 1, ",\"priority\":1");
    fake_pull_in_group(fake, "in.2", 1, ",\"priority\":1");
    fake_store(fake, "a.x");
    fake_work(fake);
    fake_pull_in_group(fake, "in.0", 1, "");
    fake_refuse(fake);
    fake_store_many(fake, "a.x", 2);
    fake_turn(fake);
    EXPECT(fake, "1>in.0 d1 c1 p2\n2>in.1 d1 c2 p1\n3>in.2 d1 c3 p0\n");
    fake_destroy(fake);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_request_must_name_a_group_of_the_consumer,
        a_request_that_is_no_json_needs_no_group,
        what_belongs_to_one_policy_is_refused_by_the_others,
        overflow_waits_until_enough_is_left,
        overflow_waits_until_enough_is_owed,
        either_condition_of_overflow_is_enough,
        an_overflow_request_that_does_not_wait_is_told_that_there_is_nothing_for_it,
        overflow_without_acks_is_served_when_messages_come,
        the_first_that_is_served_is_pinned_and_the_others_stand_by,
        another_pin_is_refused_while_one_is_set,
        a_pin_that_is_not_used_expires_and_the_next_is_pinned,
        every_request_of_the_pinned_client_keeps_its_pin,
        who_was_unpinned_is_told_so_when_it_is_its_turn,
        a_message_too_large_for_whom_it_pins_pins_nobody,
        a_new_leader_has_pinned_nobody,
        lower_priorities_are_served_first_and_equals_take_turns,
        what_a_request_did_not_get_after_all_puts_it_back_in_front_of_its_equals,
    };

    return UNIT_RUN_PLAIN("groups", tests);
}
