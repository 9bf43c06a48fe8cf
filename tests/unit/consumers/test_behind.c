/* Requests whose client does not keep up. */
#include "tests/unit/consumers/fake.h"

#define SOON INT64_C(16000000) /* whoever has caught up is seen within it */

static void catch_up(struct fake *fake)
{
    fake->behind = NULL;
    fake->caught_up++;
}

static struct fake *led(void)
{
    struct fake *fake = fake_create();

    fake_lead(fake);
    return fake;
}

START_TEST(one_that_is_behind_is_passed_over_and_has_its_place_when_it_is_back)
{
    struct fake *fake = led();

    fake_pull(fake, "in.1", "9");
    fake_pull(fake, "slow.1", "2");
    fake_pull(fake, "slow.2", "1");
    fake_pull(fake, "in.2", "9");
    fake->behind = "slow";
    fake_store_many(fake, "a.x", 3);
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p2\n2>in.2 d1 c2 p1\n3>in.1 d1 c3 p0\n");
    ck_assert_uint_eq(fake_info(fake).num_waiting, 4);
    catch_up(fake);
    fake_store_many(fake, "a.x", 4);
    fake_turn(fake);
    EXPECT(fake, "4>slow.1 d1 c4 p3\n5>slow.2 d1 c5 p2\n6>in.2 d1 c6 p1\n7>in.1 d1 c7 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(without_acks_it_is_the_same)
{
    struct fake *fake = fake_create();

    fake->config.ack_policy = ACK_NONE;
    fake_lead(fake);
    fake_pull(fake, "slow.1", "9");
    fake_pull(fake, "in.1", "9");
    fake->behind = "slow";
    fake_store_many(fake, "a.x", 2);
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p1\n2>in.1 d1 c2 p0\n");
    catch_up(fake);
    fake_store_many(fake, "a.x", 2);
    fake_turn(fake);
    EXPECT(fake, "3>slow.1 d1 c3 p1\n4>in.1 d1 c4 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(where_all_are_behind_the_messages_wait_until_one_has_caught_up)
{
    struct fake *fake = led();

    fake->behind = "slow";
    fake_pull(fake, "slow.1", "2");
    fake_store_many(fake, "a.x", 2);
    fake_turn(fake);
    fake_pass(fake, 60 * FAKE_SECOND);
    EXPECT(fake, "");
    ck_assert_int_eq(fake_info(fake).hold, HOLD_TIME);
    catch_up(fake);
    fake_pass(fake, SOON);
    EXPECT(fake, "1>slow.1 d1 c1 p1\n2>slow.1 d1 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(where_there_is_nothing_for_it_nobody_looks_after_it)
{
    struct fake *fake = led();

    fake->behind = "slow";
    fake_pull(fake, "slow.1", "2");
    fake_pull(fake, "in.1", "1");
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p0\n");
    fake_ack(fake, 1, "", "");
    fake_turn(fake);
    fake->interest_asked = 0;
    fake_pass(fake, FAKE_SECOND);
    ck_assert_uint_eq(fake->interest_asked, 0);
    fake_destroy(fake);
}
END_TEST

START_TEST(however_many_are_behind_cost_a_message_nothing)
{
    struct fake *fake = led();
    char reply[32];

    fake->behind = "slow";
    for (unsigned i = 0; i < 500; i++) {
        snprintf(reply, sizeof reply, "slow.%u", i);
        fake_pull(fake, reply, "1");
    }
    fake_pull(fake, "in.1", "1000");
    fake_store(fake, "a.x");
    fake_turn(fake);
    fake->interest_asked = 0;
    for (unsigned i = 0; i < 100; i++) {
        fake_store(fake, "a.x");
        fake_turn(fake);
    }
    ck_assert_uint_le(fake->interest_asked, 400);
    ck_assert_uint_eq(fake_info(fake).delivered_stream, 101);
    fake_destroy(fake);
}
END_TEST

START_TEST(it_expires_and_has_heartbeats_like_any_other)
{
    struct fake *fake = led();

    fake->behind = "slow";
    fake_pull(fake, "slow.1", "{\"batch\":2,\"expires\":3000000000,\"idle_heartbeat\":1000000000}");
    fake_store(fake, "a.x");
    fake_turn(fake);
    fake_pass(fake, 1500000000);
    EXPECT(fake, "slow.1 100 Idle Heartbeat|Nats-Last-Consumer: 0|Nats-Last-Stream: 0\n");
    fake_pass(fake, FAKE_SECOND);
    EXPECT(fake, "slow.1 100 Idle Heartbeat|Nats-Last-Consumer: 0|Nats-Last-Stream: 0\n");
    fake_pass(fake, FAKE_SECOND);
    EXPECT(fake, "slow.1 408 Request Timeout|Nats-Pending-Messages: 2|Nats-Pending-Bytes: 0\n");
    ck_assert_uint_eq(fake_info(fake).num_waiting, 0);
    fake_destroy(fake);
}
END_TEST

START_TEST(one_that_does_not_wait_is_told_the_end)
{
    struct fake *fake = led();

    fake_store_many(fake, "a.x", 3);
    fake->behind = "slow";
    fake_pull(fake, "slow.1", "{\"batch\":3,\"no_wait\":true}");
    fake_pull(fake, "in.1", "9");
    fake_turn(fake);
    EXPECT(fake, "slow.1 404 No Messages\n"
                 "1>in.1 d1 c1 p2\n2>in.1 d1 c2 p1\n3>in.1 d1 c3 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(what_it_wants_keeps_nothing_from_one_that_does_not_wait)
{
    struct fake *fake = led();

    fake_store_many(fake, "a.x", 2);
    fake->behind = "slow";
    fake_pull(fake, "slow.1", "100");
    fake_pull(fake, "in.1", "{\"batch\":2,\"no_wait\":true}");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p1\n2>in.1 d1 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_budget_is_kept)
{
    struct fake *fake = led();

    fake->behind = "slow";
    fake_pull(fake, "slow.1", "{\"batch\":9,\"max_bytes\":250}");
    fake_store_sized(fake, "a.x", 100);
    fake_turn(fake);
    EXPECT(fake, "");
    catch_up(fake);
    fake_store_sized(fake, "a.x", 100);
    fake_turn(fake);
    fake_store_sized(fake, "a.x", 100);
    fake_turn(fake);
    EXPECT(fake,
           "1>slow.1 d1 c1 p1\n"
           "slow.1 409 Message Size Exceeds MaxBytes|Nats-Pending-Messages: 8|Nats-Pending-Bytes: "
           "111\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(one_that_nobody_listens_for_any_more_goes)
{
    struct fake *fake = led();

    fake->behind = "slow";
    fake_pull(fake, "slow.1", "9");
    fake_store(fake, "a.x");
    fake_turn(fake);
    fake->deaf = "slow";
    catch_up(fake);
    fake_pass(fake, SOON);
    ck_assert_uint_eq(fake_info(fake).num_waiting, 0);
    EXPECT(fake, "");
    fake_destroy(fake);
}
END_TEST

START_TEST(who_is_told_nothing_looks_all_the_same_now_and_then)
{
    struct fake *fake = led();

    fake->behind = "slow";
    fake_pull(fake, "slow.1", "9");
    fake_store(fake, "a.x");
    fake_turn(fake);
    fake->behind = NULL;
    fake_pass(fake, FAKE_SECOND);
    EXPECT(fake, "1>slow.1 d1 c1 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(when_it_leads_no_more_those_are_told_too)
{
    struct fake *fake = led();

    fake->behind = "slow";
    fake_pull(fake, "slow.1", "9");
    fake_pull(fake, "in.1", "1");
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p0\n");
    fake_pull(fake, "in.2", "1");
    consumer_say_follow(fake->consumer);
    EXPECT(fake, "slow.1 409 Leadership Change\n"
                 "in.2 409 Leadership Change\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(what_it_did_not_get_after_all_it_waits_for)
{
    struct fake *fake = led();

    fake_pull(fake, "slow.1", "2");
    fake_pull(fake, "in.1", "9");
    fake_gather(fake, "a.x");
    fake_work(fake); /* planned for slow.1 */
    fake->behind = "slow";
    fake_refuse(fake);
    fake_store_many(fake, "a.x", 2);
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p1\n2>in.1 d1 c2 p0\n");
    catch_up(fake);
    fake_store_many(fake, "a.x", 3);
    fake_turn(fake);
    EXPECT(fake, "3>slow.1 d1 c3 p2\n4>in.1 d1 c4 p1\n5>slow.1 d1 c5 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(it_counts_among_those_that_may_wait)
{
    struct fake *fake = fake_create();

    fake->config.max_waiting = 2;
    fake_lead(fake);
    fake->behind = "slow";
    fake_pull(fake, "slow.1", "9");
    fake_pull(fake, "slow.2", "9");
    fake_store(fake, "a.x");
    fake_turn(fake);
    fake_pull(fake, "in.1", "1");
    EXPECT(fake, "in.1 409 Exceeded MaxWaiting\n");
    fake_destroy(fake);
}
END_TEST

/* ---- groups ---------------------------------------------------------------------------------- */

START_TEST(one_of_a_lower_priority_is_served_meanwhile)
{
    struct fake *fake = fake_grouped(PRIORITY_PRIORITIZED);

    fake_pull_in_group(fake, "in.5", 9, ",\"priority\":5");
    fake_pull_in_group(fake, "slow.1", 9, ",\"priority\":1");
    fake_pull_in_group(fake, "slow.2", 9, ",\"priority\":1");
    fake_pull_in_group(fake, "in.2", 1, ",\"priority\":2");
    fake->behind = "slow";
    fake_store_many(fake, "a.x", 2);
    fake_turn(fake);
    EXPECT(fake, "1>in.2 d1 c1 p1\n2>in.5 d1 c2 p0\n");
    catch_up(fake);
    fake_store_many(fake, "a.x", 3);
    fake_turn(fake);
    EXPECT(fake, "3>slow.1 d1 c3 p2\n4>slow.2 d1 c4 p1\n5>slow.1 d1 c5 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(who_is_behind_is_not_pinned)
{
    struct fake *fake = fake_grouped(PRIORITY_PINNED);

    fake_pull_in_group(fake, "slow.1", 9, "");
    fake_pull_in_group(fake, "in.1", 9, "");
    fake->behind = "slow";
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "advise pinned g\n1>in.1 d1 c1 p0 pin\n");
    catch_up(fake);
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "2>in.1 d1 c2 p0 pin\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(the_others_stand_by_while_who_is_pinned_is_behind_until_its_pin_expires)
{
    struct fake *fake = fake_grouped(PRIORITY_PINNED);

    fake_pull_in_group(fake, "slow.1", 9, "");
    fake_pull_in_group(fake, "in.1", 9, "");
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "advise pinned g\n1>slow.1 d1 c1 p0 pin\n");
    fake->behind = "slow";
    fake_store(fake, "a.x");
    fake_turn(fake);
    fake_pass(fake, 9 * FAKE_SECOND);
    EXPECT(fake, "");
    fake_pass(fake, 2 * FAKE_SECOND);
    EXPECT(fake, "advise unpinned g timeout\nadvise pinned g\n2>in.1 d1 c2 p0 pin\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(who_was_pinned_goes_on_when_it_has_caught_up)
{
    struct fake *fake = fake_grouped(PRIORITY_PINNED);

    fake_pull_in_group(fake, "slow.1", 9, "");
    fake_pull_in_group(fake, "in.1", 9, "");
    fake_store(fake, "a.x");
    fake_turn(fake);
    fake->behind = "slow";
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "advise pinned g\n1>slow.1 d1 c1 p0 pin\n");
    catch_up(fake);
    fake_pass(fake, SOON);
    EXPECT(fake, "2>slow.1 d1 c2 p0 pin\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(overflow_is_for_those_who_keep_up)
{
    struct fake *fake = fake_grouped(PRIORITY_OVERFLOW);

    fake_pull_in_group(fake, "slow.1", 9, "");
    fake_pull_in_group(fake, "in.1", 9, ",\"min_pending\":2");
    fake->behind = "slow";
    fake_store_many(fake, "a.x", 2);
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p1\n");
    catch_up(fake);
    fake_pass(fake, SOON);
    EXPECT(fake, "2>slow.1 d1 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

/* ---- what has not left ----------------------------------------------------------------------- */

START_TEST(nothing_is_planned_while_much_has_not_left)
{
    struct fake *fake = led();

    fake_pull(fake, "in.1", "9");
    fake->unsent = 4u << 20;
    fake_store(fake, "a.x");
    fake_turn(fake);
    fake_pass(fake, FAKE_SECOND);
    EXPECT(fake, "");
    fake->unsent--;
    fake_pass(fake, SOON);
    EXPECT(fake, "1>in.1 d1 c1 p0\n");
    fake_destroy(fake);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        one_that_is_behind_is_passed_over_and_has_its_place_when_it_is_back,
        without_acks_it_is_the_same,
        where_all_are_behind_the_messages_wait_until_one_has_caught_up,
        where_there_is_nothing_for_it_nobody_looks_after_it,
        however_many_are_behind_cost_a_message_nothing,
        it_expires_and_has_heartbeats_like_any_other,
        one_that_does_not_wait_is_told_the_end,
        what_it_wants_keeps_nothing_from_one_that_does_not_wait,
        a_budget_is_kept,
        one_that_nobody_listens_for_any_more_goes,
        who_is_told_nothing_looks_all_the_same_now_and_then,
        when_it_leads_no_more_those_are_told_too,
        what_it_did_not_get_after_all_it_waits_for,
        it_counts_among_those_that_may_wait,
        one_of_a_lower_priority_is_served_meanwhile,
        who_is_behind_is_not_pinned,
        the_others_stand_by_while_who_is_pinned_is_behind_until_its_pin_expires,
        who_was_pinned_goes_on_when_it_has_caught_up,
        overflow_is_for_those_who_keep_up,
        nothing_is_planned_while_much_has_not_left,
    };

    return UNIT_RUN_PLAIN("behind", tests);
}
