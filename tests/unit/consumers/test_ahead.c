/* Hand-outs of messages that are gathered and not yet stored: they share the batch, and its fate.
 */
#include "tests/unit/consumers/fake.h"

static struct fake *waiting(const char *pull)
{
    struct fake *fake = fake_create();

    fake_lead(fake);
    if (pull != NULL)
        fake_pull(fake, "in.1", pull);
    fake_turn(fake);
    return fake;
}

START_TEST(a_gathered_message_is_handed_out_in_its_own_batch)
{
    struct fake *fake = waiting("5");

    fake_gather(fake, "a.x");
    fake_gather(fake, "a.x");
    ck_assert(consumer_planning(fake->consumer));
    fake_work(fake);
    ck_assert_uint_eq(fake->proposed, 1);
    EXPECT(fake, "");
    fake_apply(fake);
    EXPECT(fake, "1>in.1 d1 c1 p1\n"
                 "2>in.1 d1 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(stored_messages_go_first)
{
    struct fake *fake = waiting(NULL);

    fake_store_many(fake, "a.x", 2);
    fake_gather(fake, "a.x");
    fake_pull(fake, "in.1", "9");
    fake_work(fake);
    fake_apply(fake);
    EXPECT(fake, "1>in.1 d1 c1 p2\n"
                 "2>in.1 d1 c2 p1\n"
                 "3>in.1 d1 c3 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(what_came_after_the_plan_goes_with_the_next_batch)
{
    struct fake *fake = waiting("9");

    fake_gather(fake, "a.x");
    fake_work(fake);
    fake_gather(fake, "a.x");
    ck_assert(!consumer_planning(fake->consumer)); /* one hand-out at a time */
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p1\n"
                 "2>in.1 d1 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(an_active_push_consumer_is_handed_gathered_messages)
{
    struct fake *fake = fake_create();

    fake->config.deliver_subject = BYTES("to.me");
    fake->config.max_waiting = 0;
    fake_lead(fake);
    fake_gather(fake, "a.x");
    ck_assert(!consumer_planning(fake->consumer)); /* nobody listens */
    consumer_bound(fake->consumer, fake->now_ns, true);
    fake_work(fake);
    ck_assert_uint_eq(fake->proposed, 1);
    fake_apply(fake);
    EXPECT(fake, "1>to.me d1 c1 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_filter_holds_for_gathered_messages)
{
    static struct bytes filters[] = {BYTES("a.y")};
    struct fake *fake = fake_create();

    fake->config.filter_subjects = (struct schema_strings){filters, 1};
    fake_lead(fake);
    fake_pull(fake, "in.1", "9");
    fake_gather(fake, "a.x");
    fake_gather(fake, "a.y");
    fake_gather(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "2>in.1 d1 c1 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_refused_batch_takes_message_and_hand_out_with_it)
{
    struct fake *fake = waiting("1");

    fake_gather(fake, "a.x");
    fake_work(fake);
    fake_refuse(fake);
    fake_turn(fake);
    EXPECT(fake, "");
    ck_assert_uint_eq(fake_info(fake).num_waiting, 1);
    ck_assert_uint_eq(fake_info(fake).delivered_stream, 0);
    fake_gather(fake, "a.z"); /* it gets the sequence that nobody has */
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_crash_before_the_batch_is_durable_forgets_both)
{
    struct fake *fake = waiting("1");

    fake_gather(fake, "a.x");
    fake_work(fake);
    fake_restart(fake);
    ck_assert_uint_eq(fake_info(fake).delivered_consumer, 0);
    fake_gather(fake, "a.z");
    fake_pull(fake, "in.2", "1");
    fake_turn(fake);
    EXPECT(fake, "1>in.2 d1 c1 p0\n");
    fake_destroy(fake);
}
END_TEST

/* As when max_msgs lets go of it at once. */
START_TEST(a_message_that_leaves_with_its_own_batch_is_not_delivered)
{
    struct fake *fake = waiting("1");

    fake_gather(fake, "a.x");
    fake_work(fake);
    fake_store_tail(fake);
    fake_remove(fake, 1);
    fake_turn(fake);
    EXPECT(fake, "");
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 0);
    fake_gather(fake, "a.y");
    fake_turn(fake);
    EXPECT(fake, "2>in.1 d1 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(without_records_a_message_is_delivered_only_when_it_is_stored)
{
    struct fake *fake = fake_create();

    fake->config.ack_policy = ACK_NONE;
    fake->config.ack_wait_ns = 0;
    fake->config.max_ack_pending = 0;
    fake_lead(fake);
    fake_pull(fake, "in.1", "1");
    fake_gather(fake, "a.x");
    fake_work(fake);
    EXPECT(fake, "");
    fake_store_tail(fake);
    fake_work(fake);
    EXPECT(fake, "1>in.1 d1 c1 p0\n");
    fake_destroy(fake);
}
END_TEST

/* The ack subject says how many are left: ten more of them are a digit more. */
START_TEST(a_byte_budget_counts_what_is_gathered)
{
    struct fake *fake = waiting(NULL);
    const size_t subject = sizeof("$JS.ACK.S.C.1.1.1.1700000000000000000.10") - 1;
    char body[64];

    for (size_t i = 0; i < 11; i++)
        fake_gather(fake, "a.x");
    snprintf(body, sizeof(body), "{\"batch\":5,\"max_bytes\":%zu}", 13 + subject);
    fake_pull(fake, "in.1", body);
    snprintf(body, sizeof(body), "{\"batch\":5,\"max_bytes\":%zu}", 13 + subject - 2);
    fake_pull(fake, "in.2", body);
    fake_turn(fake);
    EXPECT(
        fake,
        "in.2 409 Message Size Exceeds MaxBytes|Nats-Pending-Messages: 5|Nats-Pending-Bytes: 51\n"
        "1>in.1 d1 c1 p10\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(an_idle_consumer_does_not_search_for_what_it_was_handed_ahead)
{
    struct fake *fake = waiting("9");
    uint64_t looked_up;

    fake_gather(fake, "a.x");
    fake_turn(fake);
    looked_up = fake->looked_up;
    fake_turn(fake);
    ck_assert_uint_eq(fake->looked_up, looked_up);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_hand_out_of_what_was_not_stored_stops_the_process)
{
    struct fake *fake = waiting("1");

    fake_gather(fake, "a.x");
    fake_work(fake);
    fake_drop_tail(fake);
    fake_apply(fake);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_gathered_message_is_handed_out_in_its_own_batch,
        stored_messages_go_first,
        what_came_after_the_plan_goes_with_the_next_batch,
        an_active_push_consumer_is_handed_gathered_messages,
        a_filter_holds_for_gathered_messages,
        a_refused_batch_takes_message_and_hand_out_with_it,
        a_crash_before_the_batch_is_durable_forgets_both,
        a_message_that_leaves_with_its_own_batch_is_not_delivered,
        without_records_a_message_is_delivered_only_when_it_is_stored,
        a_byte_budget_counts_what_is_gathered,
        an_idle_consumer_does_not_search_for_what_it_was_handed_ahead,
    };
    const TTest *aborting[] = {a_hand_out_of_what_was_not_stored_stops_the_process};

    return UNIT_RUN("ahead", tests, aborting);
}
