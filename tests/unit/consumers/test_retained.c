/* A consumer whose stream begins to keep messages until they are acknowledged, or ceases to. */
#include "tests/unit/consumers/fake.h"
#include "tests/unit/unit.h"

static struct fake *without_acks(uint64_t messages)
{
    struct fake *fake = fake_create();

    fake->config.ack_policy = ACK_NONE;
    fake_store_many(fake, "a.x", messages);
    fake_lead(fake);
    return fake;
}

static void retained(struct fake *fake, bool until_acked)
{
    fake->stream.until_acked = until_acked;
    consumer_retained(fake->consumer, fake->now_ns, fake->log_now_ns, until_acked);
}

START_TEST(what_was_delivered_and_not_logged_is_delivered_again)
{
    struct fake *fake = without_acks(3);
    struct consumer_message message;

    fake_pull(fake, "in.1", "2");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p2\n"
                 "2>in.1 d1 c2 p1\n");
    retained(fake, true);
    fake->say_settled = true;
    ck_assert(fake_message_at(fake, 1, &message));
    ck_assert(consumer_needs(fake->consumer, &message));
    fake_pull(fake, "in.2", "3");
    fake_work(fake);
    EXPECT(fake, "");
    fake_apply(fake);
    EXPECT(fake, "1>in.2 d1 c1 p2\n"
                 "settled 1\n"
                 "2>in.2 d1 c2 p1\n"
                 "settled 2\n"
                 "3>in.2 d1 c3 p0\n"
                 "settled 3\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(what_was_logged_is_not_delivered_again)
{
    struct fake *fake = without_acks(3);
    struct consumer_message message;

    fake_pull(fake, "in.1", "2");
    fake_turn(fake);
    fake_pass(fake, 2 * FAKE_SECOND); /* its position is logged */
    retained(fake, true);
    ck_assert(fake_message_at(fake, 2, &message));
    ck_assert(!consumer_needs(fake->consumer, &message));
    ck_assert(fake_message_at(fake, 3, &message));
    ck_assert(consumer_needs(fake->consumer, &message));
    fake_destroy(fake);
}
END_TEST

START_TEST(it_goes_on_where_it_was_when_messages_are_kept_no_more)
{
    struct fake *fake = fake_create();

    fake->config.ack_policy = ACK_NONE;
    fake->stream.until_acked = true;
    fake_store_many(fake, "a.x", 2);
    fake_lead(fake);
    fake_pull(fake, "in.1", "1");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p1\n");
    retained(fake, false);
    fake_pull(fake, "in.2", "1");
    fake_work(fake);
    EXPECT(fake, "2>in.2 d1 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

/* Below its snapshot a consumer of the newest of each subject needs only those. */
START_TEST(of_a_snapshot_only_the_newest_is_needed)
{
    struct fake *fake = fake_create();
    struct consumer_message message;

    fake->stream.until_acked = true;
    fake->config.deliver_policy = DELIVER_LAST_PER_SUBJECT;
    fake->config.filter_subject = BYTES("a.*");
    fake_store(fake, "a.x");
    fake_store(fake, "a.y");
    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_store(fake, "a.x");
    for (uint64_t sequence = 1; sequence <= 4; sequence++) {
        ck_assert(fake_message_at(fake, sequence, &message));
        ck_assert_int_eq(consumer_needs(fake->consumer, &message), sequence != 1);
    }
    fake_destroy(fake);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_was_delivered_and_not_logged_is_delivered_again,
        what_was_logged_is_not_delivered_again,
        it_goes_on_where_it_was_when_messages_are_kept_no_more,
        of_a_snapshot_only_the_newest_is_needed,
    };

    return UNIT_RUN_PLAIN("retained", tests);
}
