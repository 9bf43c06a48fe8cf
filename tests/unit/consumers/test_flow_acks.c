#include "tests/unit/consumers/fake.h"

/* Ack policy flow_control: confirmations of flow control are the acks. */

static struct fake *confirmed_by_flow(int64_t max_ack_pending)
{
    struct fake *fake = fake_create();

    fake->config.ack_policy = ACK_FLOW_CONTROL;
    fake->config.ack_wait_ns = 0;
    fake->config.max_ack_pending = max_ack_pending;
    fake->config.max_waiting = 0;
    fake->config.deliver_subject = BYTES("to.me");
    fake->config.flow_control = true;
    fake->config.idle_heartbeat_ns = FAKE_SECOND;
    fake_lead(fake);
    consumer_bound(fake->consumer, fake->now_ns, true);
    return fake;
}

/* What was asked since the last look has this in it; the subject of its confirmation to `subject`.
 */
static void expect_asked(struct fake *fake, char subject[static 64])
{
    const char *asked = strstr(fake_asked(fake), "to.me<$JS.FC.S.C.");

    ck_assert_ptr_nonnull(asked);
    ck_assert_int_eq(sscanf(asked, "to.me<%63[^>]>", subject), 1);
}

static void confirm(struct fake *fake, const char *subject, const char *headers)
{
    consumer_flow(fake->consumer, fake->now_ns, fake->log_now_ns, bytes_of_text(subject),
                  bytes_of_text(headers));
    fake_turn(fake);
}

START_TEST(as_many_as_may_be_owed_ask_for_a_confirmation_that_acks_them)
{
    struct fake *fake = confirmed_by_flow(2);
    char subject[64];

    fake_store_many(fake, "a.x", 3);
    fake_turn(fake);
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 2);
    expect_asked(fake, subject);
    confirm(fake, subject, "NATS/1.0\r\nNats-Last-Consumer: 2\r\nNats-Last-Stream: 2\r\n\r\n");
    EXPECT(fake, "3>to.me d1 c3 p0\n");
    ck_assert_uint_eq(fake_info(fake).floor_stream, 2);
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 1);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_confirmation_without_both_headers_acks_nothing)
{
    struct fake *fake = confirmed_by_flow(2);
    char subject[64];

    fake_store_many(fake, "a.x", 2);
    fake_turn(fake);
    expect_asked(fake, subject);
    confirm(fake, subject, "NATS/1.0\r\nNats-Last-Stream: 2\r\n\r\n");
    ck_assert_uint_eq(fake_info(fake).floor_stream, 0);
    fake_destroy(fake);
}
END_TEST

START_TEST(what_is_owed_is_asked_for_with_the_heartbeats)
{
    struct fake *fake = confirmed_by_flow(10);
    char subject[64];

    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "1>to.me d1 c1 p0\n");
    fake_pass(fake, FAKE_SECOND);
    expect_asked(fake, subject);
    confirm(fake, subject,
            "NATS/1.0\r\nNats-Last-Consumer: 9\r\nNats-Last-Stream: 9\r\n\r\n"); /* not sent yet */
    ck_assert_uint_eq(fake_info(fake).floor_stream, 0);
    fake_destroy(fake);
}
END_TEST

START_TEST(nothing_is_delivered_again_however_long_it_is_owed)
{
    struct fake *fake = confirmed_by_flow(10);

    fake_store(fake, "a.x");
    fake_turn(fake);
    (void)fake_asked(fake);
    fake_pass(fake, 3600 * FAKE_SECOND);
    ck_assert_ptr_null(strstr(fake_asked(fake), "1>to.me"));
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 1);
    fake_destroy(fake);
}
END_TEST

START_TEST(an_ack_subject_acks_nothing)
{
    struct fake *fake = confirmed_by_flow(10);

    fake_store(fake, "a.x");
    fake_turn(fake);
    fake_ack(fake, 1, "", "r.1");
    fake_turn(fake);
    EXPECT(fake, "1>to.me d1 c1 p0\n");
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 1);
    fake_destroy(fake);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        as_many_as_may_be_owed_ask_for_a_confirmation_that_acks_them,
        a_confirmation_without_both_headers_acks_nothing,
        what_is_owed_is_asked_for_with_the_heartbeats,
        nothing_is_delivered_again_however_long_it_is_owed,
        an_ack_subject_acks_nothing,
    };

    return UNIT_RUN_PLAIN("flow_acks", tests);
}
