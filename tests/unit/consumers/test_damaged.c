/* Messages that cannot be read: who waits before them, and what it says. */
#include "consumers/hold.h"
#include "tests/unit/consumers/fake.h"

static struct fake *pushed(enum ack_policy policy)
{
    struct fake *fake = fake_create();

    fake->config.deliver_subject = BYTES("d");
    fake->config.ack_policy = policy;
    fake->config.idle_heartbeat_ns = 5 * FAKE_SECOND;
    fake->damaged = 2;
    fake_store_many(fake, "a.x", 3);
    fake_lead(fake);
    consumer_bound(fake->consumer, fake->now_ns, true);
    fake_turn(fake);
    return fake;
}

START_TEST(who_gets_no_acks_waits_before_what_is_damaged_and_says_so)
{
    struct fake *fake = pushed(ACK_NONE);

    EXPECT(fake, "1>d d1 c1 p2\n");
    ck_assert_int_eq(consumer_hold(fake->consumer), HOLD_DAMAGED);
    ck_assert_uint_eq(fake_info(fake).damaged, 2);
    ck_assert_uint_eq(fake_info(fake).num_pending, 2);
    fake_pass(fake, 5 * FAKE_SECOND);
    EXPECT(fake, "d 100 Idle Heartbeat|Nats-Last-Consumer: 1|Nats-Last-Stream: 1|"
                 "Nats-Message-Damaged: 2\n");
    fake->damaged = 0;
    fake_pass(fake, FAKE_SECOND);
    EXPECT(fake, "2>d d1 c2 p1\n3>d d1 c3 p0\n");
    ck_assert_int_eq(consumer_hold(fake->consumer), HOLD_CAUGHT_UP);
    fake_destroy(fake);
}
END_TEST

START_TEST(it_goes_on_when_what_is_damaged_has_left_the_stream)
{
    struct fake *fake = pushed(ACK_NONE);

    EXPECT(fake, "1>d d1 c1 p2\n");
    fake_remove(fake, 2);
    fake_turn(fake);
    EXPECT(fake, "3>d d1 c2 p0\n");
    fake_pass(fake, 5 * FAKE_SECOND);
    EXPECT(fake, "d 100 Idle Heartbeat|Nats-Last-Consumer: 2|Nats-Last-Stream: 3\n");
    fake_destroy(fake);
}
END_TEST

/* An ack of a later one would be one of this, too. */
START_TEST(who_acks_all_at_once_waits_likewise)
{
    struct fake *fake = pushed(ACK_ALL);

    EXPECT(fake, "1>d d1 c1 p2\n");
    fake->damaged = 0;
    fake_pass(fake, FAKE_SECOND);
    EXPECT(fake, "2>d d1 c2 p1\n3>d d1 c3 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(who_acks_each_gets_what_is_behind)
{
    struct fake *fake = pushed(ACK_EXPLICIT);

    EXPECT(fake, "1>d d1 c1 p2\n2>d d1 c2 p1\n3>d d1 c3 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_request_that_does_not_wait_is_told)
{
    struct fake *fake = fake_create();

    fake->config.ack_policy = ACK_NONE;
    fake->damaged = 1;
    fake_store_many(fake, "a.x", 2);
    fake_lead(fake);
    fake_pull(fake, "in.1", "{\"batch\":5,\"no_wait\":true}");
    fake_turn(fake);
    EXPECT(fake, "in.1 500 Message Damaged\n");
    fake_pull(fake, "in.2", "5");
    fake_turn(fake);
    EXPECT(fake, "");
    fake->damaged = 0;
    fake_pass(fake, FAKE_SECOND);
    EXPECT(fake, "1>in.2 d1 c1 p1\n2>in.2 d1 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

/* ---- what is handed out and cannot be read --------------------------------------------------- */

/* The only delivery of message 2 that there may be: it cannot be read. */
static struct fake *unread(void)
{
    struct fake *fake = fake_create();

    fake->config.max_deliver = 1;
    fake->config.ack_wait_ns = FAKE_SECOND / 10;
    fake_store_many(fake, "a.x", 2);
    fake_lead(fake);
    fake_pull(fake, "in.1", "2");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p1\n2>in.1 d1 c2 p0\n");
    fake->damaged = 2;
    consumer_unread(fake->consumer, fake->now_ns, 2);
    fake_ack(fake, 1, "+ACK", "");
    fake_turn(fake);
    return fake;
}

START_TEST(what_could_not_be_read_was_not_delivered)
{
    struct fake *fake = unread();

    fake_pull(fake, "in.2", "5");
    fake_pass(fake, 100 * FAKE_SECOND);
    EXPECT(fake, "");
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 1);
    fake->damaged = 0;
    fake_pass(fake, 2 * FAKE_SECOND);
    EXPECT(fake, "2>in.2 d1 c3 p0\n"
                 "advise exhausted 2 d1\n");
    fake_destroy(fake);
}
END_TEST

/* The record is on its way for longer than the ack is waited for. */
START_TEST(nothing_is_exhausted_before_it_is_known_what_was_delivered)
{
    struct fake *fake = fake_create();

    fake->config.max_deliver = 1;
    fake->config.ack_wait_ns = FAKE_SECOND / 10;
    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_pull(fake, "in.1", "1");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p0\n");
    fake->damaged = 1;
    consumer_unread(fake->consumer, fake->now_ns, 1);
    fake_work(fake);
    fake->now_ns += 5 * FAKE_SECOND;
    fake_work(fake);
    ck_assert_uint_eq(fake->proposed, 1);
    fake_turn(fake);
    EXPECT(fake, "");
    fake->damaged = 0;
    fake_pull(fake, "in.2", "1");
    fake_pass(fake, 2 * FAKE_SECOND);
    EXPECT(fake, "1>in.2 d1 c2 p0\n"
                 "advise exhausted 1 d1\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_state_tells_what_has_never_been_delivered)
{
    struct fake *fake = unread();
    struct consumer *twin;
    struct buf state, again;

    buf_init(&state, 1u << 20);
    buf_init(&again, 1u << 20);
    ck_assert(consumer_state_encode(fake->consumer, &state));
    twin = consumer_create(7, &fake->config, fake->log_now_ns, &fake->stream, &fake->out, fake, 1);
    ck_assert_int_eq(consumer_state_decode(twin, buf_bytes(&state)), OK);
    ck_assert(consumer_state_encode(twin, &again));
    ck_assert(bytes_equal(buf_bytes(&state), buf_bytes(&again)));
    consumer_destroy(fake->consumer);
    fake->consumer = twin;
    fake->damaged = 0;
    consumer_lead(twin, fake->now_ns, fake->log_now_ns);
    fake_pull(fake, "in.2", "5");
    fake_pass(fake, 2 * FAKE_SECOND);
    EXPECT(fake, "2>in.2 d1 c3 p0\n"
                 "advise exhausted 2 d1\n");
    buf_deinit(&state);
    buf_deinit(&again);
    fake_destroy(fake);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        who_gets_no_acks_waits_before_what_is_damaged_and_says_so,
        it_goes_on_when_what_is_damaged_has_left_the_stream,
        who_acks_all_at_once_waits_likewise,
        who_acks_each_gets_what_is_behind,
        a_request_that_does_not_wait_is_told,
        what_could_not_be_read_was_not_delivered,
        nothing_is_exhausted_before_it_is_known_what_was_delivered,
        a_state_tells_what_has_never_been_delivered,
    };

    return UNIT_RUN_PLAIN("damaged", tests);
}
