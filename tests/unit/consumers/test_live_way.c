#include <string.h>

#include "tests/unit/consumers/fake.h"

/* The consumer of an ordered reader or a watch. */
static struct fake *watching(void)
{
    struct fake *fake = fake_create();

    fake->config.durable_name = bytes_of(NULL, 0);
    fake->config.deliver_subject = BYTES("to.me");
    fake->config.ack_policy = ACK_NONE;
    fake->config.max_ack_pending = 0;
    fake->config.max_waiting = 0;
    fake->config.mem_storage = true;
    return fake;
}

static void begin(struct fake *fake)
{
    fake_lead(fake);
    consumer_bound(fake->consumer, fake->now_ns, true);
    fake_turn(fake);
    (void)fake_asked(fake);
}

/* Stores one more, and tells the consumer the short way; `ack` is empty when that was refused. */
static bool live_sized(struct fake *fake, uint32_t bytes, char ack[static ACK_SUBJECT_MAX + 1])
{
    struct consumer_message message;
    size_t size = 0;
    bool gone;

    (void)fake_gather_sized(fake, "s.a", bytes);
    fake->last++;
    if (fake->first == 0)
        fake->first = fake->last;
    ck_assert(fake_message_at(fake, fake->last, &message));
    gone = consumer_live(fake->consumer, fake->now_ns, fake->log_now_ns, &message, ack, &size);
    ack[size] = 0;
    return gone;
}

static bool live(struct fake *fake, char ack[static ACK_SUBJECT_MAX + 1])
{
    return live_sized(fake, 30, ack);
}

/* Refused: the consumer is told as always, and finds it then. */
static void refuses(struct fake *fake)
{
    struct consumer_info before = fake_info(fake), after;
    struct consumer_message message;
    char ack[ACK_SUBJECT_MAX + 1];

    ck_assert(!live(fake, ack));
    after = fake_info(fake);
    ck_assert_uint_eq(before.delivered_stream, after.delivered_stream);
    ck_assert_uint_eq(before.delivered_consumer, after.delivered_consumer);
    ck_assert(fake_message_at(fake, fake->last, &message));
    consumer_stored(fake->consumer, &message);
}

START_TEST(what_leaves_at_once_is_what_the_long_way_delivers)
{
    struct fake *shorter = watching(), *longer = watching();

    shorter->config.flow_control = longer->config.flow_control = true;
    shorter->config.idle_heartbeat_ns = longer->config.idle_heartbeat_ns = 5 * FAKE_SECOND;
    begin(shorter);
    begin(longer);
    for (uint64_t i = 1; i <= 200; i++) {
        char ack[ACK_SUBJECT_MAX + 1];
        struct consumer_info a, b;

        ck_assert(live(shorter, ack));
        (void)fake_store_sized(longer, "s.a", 30);
        fake_turn(longer);
        ck_assert_str_eq(ack, longer->messages[i].ack);
        a = fake_info(shorter);
        b = fake_info(longer);
        ck_assert_uint_eq(a.delivered_consumer, b.delivered_consumer);
        ck_assert_uint_eq(a.delivered_stream, b.delivered_stream);
        ck_assert_uint_eq(a.floor_stream, b.floor_stream);
        ck_assert_uint_eq(a.num_pending, 0);
        shorter->now_ns = longer->now_ns += FAKE_SECOND / 10;
        shorter->log_now_ns = longer->log_now_ns += FAKE_SECOND / 10;
    }
    EXPECT(shorter, ""); /* no heartbeat either: messages came all the time */
    fake_destroy(shorter);
    fake_destroy(longer);
}
END_TEST

START_TEST(one_that_is_behind_takes_the_long_way_until_it_has_caught_up)
{
    struct fake *fake = watching();
    char ack[ACK_SUBJECT_MAX + 1];

    begin(fake);
    (void)fake_store(fake, "s.a"); /* told of the long way: what follows waits behind it */
    (void)fake_store(fake, "s.a");
    refuses(fake);
    EXPECT(fake, "");
    fake_turn(fake);
    ck_assert_ptr_nonnull(strstr(fake_asked(fake), "3>to.me"));
    ck_assert(live(fake, ack));
    fake_destroy(fake);
}
END_TEST

START_TEST(who_must_not_be_served_now_is_not)
{
    struct fake *slow = watching(), *paused = watching(), *bare = watching(), *alone = watching();
    struct fake *durable = watching();

    slow->config.rate_limit_bps = 8;
    paused->config.pause_until_ns = paused->log_now_ns + 3600 * FAKE_SECOND;
    bare->config.headers_only = true;
    durable->config.durable_name = BYTES("D");
    durable->config.mem_storage = false;
    begin(slow);
    begin(paused);
    begin(bare);
    begin(durable);
    fake_lead(alone);
    refuses(slow);
    refuses(paused);
    refuses(bare);
    refuses(alone);
    refuses(durable);
    fake_destroy(slow);
    fake_destroy(paused);
    fake_destroy(bare);
    fake_destroy(alone);
    fake_destroy(durable);
}
END_TEST

START_TEST(a_full_window_ends_it_and_its_confirmation_is_asked_for_on_the_way)
{
    struct fake *fake = watching();
    char ack[ACK_SUBJECT_MAX + 1];
    size_t count = 0;

    fake->config.flow_control = true;
    fake->config.idle_heartbeat_ns = 5 * FAKE_SECOND;
    begin(fake);
    while (live_sized(fake, 4000, ack))
        count++;
    ck_assert_ptr_nonnull(strstr(fake_asked(fake), "FlowControl"));
    ck_assert_uint_gt(count, 100);
    fake_destroy(fake);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_leaves_at_once_is_what_the_long_way_delivers,
        one_that_is_behind_takes_the_long_way_until_it_has_caught_up,
        who_must_not_be_served_now_is_not,
        a_full_window_ends_it_and_its_confirmation_is_asked_for_on_the_way,
    };

    return UNIT_RUN_PLAIN("live way", tests);
}
