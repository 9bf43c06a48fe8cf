#include "tests/unit/consumers/fake.h"

/* An ephemeral push consumer without acks, as ordered readers and watches are. */
static struct fake *watch(void)
{
    struct fake *fake = fake_create();

    fake->config.durable_name = bytes_of(NULL, 0);
    fake->config.deliver_subject = BYTES("to.me");
    fake->config.ack_policy = ACK_NONE;
    fake->config.ack_wait_ns = 0;
    fake->config.max_ack_pending = 0;
    fake->config.max_waiting = 0;
    return fake;
}

static void bound(struct fake *fake, bool is_bound)
{
    consumer_bound(fake->consumer, fake->now_ns, is_bound);
}

START_TEST(nothing_is_delivered_before_anyone_listens)
{
    struct fake *fake = watch();

    fake_store_many(fake, "a.x", 2);
    fake_lead(fake);
    fake_turn(fake);
    EXPECT(fake, "");
    ck_assert(!fake_info(fake).push_bound);
    bound(fake, true);
    fake_turn(fake);
    EXPECT(fake, "1>to.me d1 c1 p1\n"
                 "2>to.me d1 c2 p0\n");
    ck_assert(fake_info(fake).push_bound);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_volatile_consumer_logs_nothing)
{
    struct fake *fake = watch();

    fake->config.mem_storage = true;
    fake_store_many(fake, "a.x", 2000);
    fake_lead(fake);
    ck_assert(consumer_volatile(fake->consumer));
    ck_assert(consumer_config_volatile(&fake->config, false));
    ck_assert(!consumer_config_volatile(&fake->config, true));
    bound(fake, true);
    fake_turn(fake);
    ck_assert_uint_eq(fake->logged, 0);
    ck_assert_uint_eq(fake_info(fake).delivered_stream, 2000);
    ck_assert_uint_eq(fake_info(fake).floor_stream, 2000);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_watch_ends_its_initial_set_with_zero_pending)
{
    struct fake *fake = watch();

    fake->config.deliver_policy = DELIVER_LAST_PER_SUBJECT;
    fake->config.filter_subject = BYTES("k.>");
    fake_store(fake, "k.a");
    fake_store(fake, "k.b");
    fake_store(fake, "k.a");
    fake_lead(fake);
    ck_assert_uint_eq(fake_info(fake).num_pending, 2);
    bound(fake, true);
    fake_turn(fake);
    EXPECT(fake, "2>to.me d1 c1 p1\n"
                 "3>to.me d1 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(losing_the_listener_stops_delivery_and_its_return_goes_on_where_it_was)
{
    struct fake *fake = watch();

    fake_lead(fake);
    bound(fake, true);
    fake_store(fake, "a.x");
    fake_turn(fake);
    bound(fake, false);
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "1>to.me d1 c1 p0\n");
    bound(fake, true);
    fake_turn(fake);
    EXPECT(fake, "2>to.me d1 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_push_consumer_with_acks_is_logged_before_it_delivers)
{
    struct fake *fake = fake_create();

    fake->config.deliver_subject = BYTES("to.me");
    fake_store(fake, "a.x");
    fake_lead(fake);
    bound(fake, true);
    fake_work(fake);
    EXPECT(fake, "");
    fake_apply(fake);
    fake_turn(fake);
    EXPECT(fake, "1>to.me d1 c1 p0\n");
    fake_pass(fake, 30 * FAKE_SECOND);
    EXPECT(fake, "1>to.me d2 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

static void logs_its_position(struct fake *fake)
{
    fake_store_many(fake, "a.x", 3);
    fake_lead(fake);
    ck_assert(!consumer_volatile(fake->consumer));
    bound(fake, true);
    fake_turn(fake);
    EXPECT(fake, "1>to.me d1 c1 p2\n"
                 "2>to.me d1 c2 p1\n"
                 "3>to.me d1 c3 p0\n");
    ck_assert_uint_eq(fake->logged, 0);
    fake_pass(fake, FAKE_SECOND);
    ck_assert_uint_eq(fake->logged, 1);
    ck_assert_uint_eq(fake->log[0].type, CONSUMER_RECORD_POSITION);
    fake_pass(fake, 100 * FAKE_SECOND);
    ck_assert_uint_eq(fake->logged, 1); /* nothing more to tell */
    fake_destroy(fake);
}

START_TEST(a_durable_without_acks_logs_its_position_after_a_second)
{
    struct fake *fake = watch();

    fake->config.durable_name = BYTES("C");
    fake->config.mem_storage = true;
    logs_its_position(fake);
}
END_TEST

/* So that a watch goes on after a restart. */
START_TEST(an_ephemeral_without_acks_that_is_not_kept_in_memory_logs_its_position)
{
    logs_its_position(watch());
}
END_TEST

START_TEST(a_durable_without_acks_logs_its_position_every_thousand)
{
    struct fake *fake = watch();

    fake->config.durable_name = BYTES("C");
    fake_store_many(fake, "a.x", 2500);
    fake_lead(fake);
    bound(fake, true);
    fake_turn(fake);
    ck_assert_uint_eq(fake->logged, 2);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_logged_position_is_where_a_restart_goes_on)
{
    struct fake *fake = watch();
    struct fake_record record;

    fake->config.durable_name = BYTES("C");
    fake_store_many(fake, "a.x", 3);
    fake_lead(fake);
    bound(fake, true);
    fake_turn(fake);
    fake_pass(fake, FAKE_SECOND);
    record = fake->log[0];
    fake_store(fake, "a.x");
    fake_turn(fake);
    (void)fake_asked(fake);
    consumer_destroy(fake->consumer); /* 4 was delivered and not logged: it comes again */
    fake_consumer(fake);
    ck_assert_int_eq(consumer_apply(fake->consumer, 0, record.type, record.body), OK);
    consumer_lead(fake->consumer, fake->now_ns, fake->log_now_ns);
    bound(fake, true);
    fake_turn(fake);
    EXPECT(fake, "4>to.me d1 c4 p0\n");
    fake_destroy(fake);
}
END_TEST

/* The leader is ahead of its log: a block holds what the log says, so all replicas' are equal. */
START_TEST(what_was_not_logged_is_not_in_the_state)
{
    struct fake *fake = watch();

    fake->config.durable_name = BYTES("C");
    fake_store_many(fake, "a.x", 3);
    fake_lead(fake);
    bound(fake, true);
    fake_turn(fake);
    fake_pass(fake, FAKE_SECOND); /* its position is logged */
    fake_store(fake, "a.x");
    fake_turn(fake);
    (void)fake_asked(fake);
    ck_assert_uint_eq(fake_info(fake).delivered_stream, 4);
    fake_restart(fake);
    ck_assert_uint_eq(fake_info(fake).delivered_stream, 3);
    ck_assert_uint_eq(fake_info(fake).floor_stream, 3);
    bound(fake, true);
    fake_turn(fake);
    EXPECT(fake, "4>to.me d1 c4 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(what_a_purge_passed_is_in_the_state)
{
    struct fake *fake = watch();

    fake->config.durable_name = BYTES("C");
    fake_store_many(fake, "a.x", 3);
    fake_lead(fake);
    bound(fake, true);
    fake_turn(fake); /* all are delivered, nothing is logged */
    consumer_purged(fake->consumer, 3);
    fake_restart(fake);
    ck_assert_uint_eq(fake_info(fake).delivered_stream, 2);
    fake_destroy(fake);
}
END_TEST

/* ---- heartbeats ------------------------------------------------------------------------------ */

START_TEST(an_idle_listener_gets_heartbeats)
{
    struct fake *fake = watch();

    fake->config.idle_heartbeat_ns = 5 * FAKE_SECOND;
    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_turn(fake);
    fake_pass(fake, 20 * FAKE_SECOND);
    EXPECT(fake, ""); /* nobody listens */
    bound(fake, true);
    fake_turn(fake);
    EXPECT(fake, "1>to.me d1 c1 p0\n");
    fake_pass(fake, 5 * FAKE_SECOND - 1);
    EXPECT(fake, "");
    fake_pass(fake, 1);
    EXPECT(fake, "to.me 100 Idle Heartbeat|Nats-Last-Consumer: 1|Nats-Last-Stream: 1\n");
    fake_pass(fake, 3 * FAKE_SECOND);
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "2>to.me d1 c2 p0\n");
    fake_pass(fake, 5 * FAKE_SECOND - 1);
    EXPECT(fake, "");
    bound(fake, false);
    fake_turn(fake);
    fake_pass(fake, 20 * FAKE_SECOND);
    EXPECT(fake, "");
    fake_destroy(fake);
}
END_TEST

/* As observed: what is not for the consumer counts as seen once its end was reached. */
START_TEST(a_heartbeat_tells_the_end_of_the_stream_that_was_looked_at)
{
    struct fake *fake = watch();

    fake->config.idle_heartbeat_ns = 5 * FAKE_SECOND;
    fake->config.filter_subject = BYTES("a.x");
    fake_store(fake, "a.x");
    fake_store(fake, "a.y");
    fake_lead(fake);
    bound(fake, true);
    fake_turn(fake);
    EXPECT(fake, "1>to.me d1 c1 p0\n");
    fake_store(fake, "a.y");
    fake_pass(fake, 5 * FAKE_SECOND);
    EXPECT(fake, "to.me 100 Idle Heartbeat|Nats-Last-Consumer: 1|Nats-Last-Stream: 3\n");
    ck_assert_uint_eq(fake_info(fake).delivered_stream, 1);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_paused_consumer_beats_and_does_not_deliver)
{
    struct fake *fake = watch();

    fake->config.idle_heartbeat_ns = 5 * FAKE_SECOND;
    fake->config.pause_until_ns = fake->log_now_ns + 7 * FAKE_SECOND;
    fake_store(fake, "a.x");
    fake_lead(fake);
    bound(fake, true);
    fake_turn(fake);
    fake_pass(fake, 7 * FAKE_SECOND);
    EXPECT(fake, "to.me 100 Idle Heartbeat|Nats-Last-Consumer: 0|Nats-Last-Stream: 0\n"
                 "advise resumed\n"
                 "1>to.me d1 c1 p0\n");
    fake_destroy(fake);
}
END_TEST

/* ---- flow control ---------------------------------------------------------------------------- */

#define BIG (1u << 20)

static struct fake *flowing(void)
{
    struct fake *fake = watch();

    fake->config.flow_control = true;
    fake->config.idle_heartbeat_ns = 5 * FAKE_SECOND;
    fake_lead(fake);
    bound(fake, true);
    return fake;
}

/* The subject between '<' and '>' in what was asked for. */
static struct bytes flow_subject(const char *asked)
{
    static char subject[64];
    const char *from = strstr(asked, "<$JS.FC.S.C.");
    const char *to;

    ck_assert_ptr_nonnull(from);
    to = strchr(from, '>');
    ck_assert_ptr_nonnull(to);
    snprintf(subject, sizeof(subject), "%.*s", (int)(to - from - 1), from + 1);
    ck_assert_uint_eq(strlen(subject), strlen("$JS.FC.S.C.") + 4);
    return bytes_of_text(subject);
}

START_TEST(half_a_window_asks_for_a_confirmation_and_a_whole_one_stops)
{
    struct fake *fake = flowing();
    const char *text;
    struct bytes subject;

    for (size_t i = 0; i < 8; i++)
        fake_store_sized(fake, "a.x", BIG / 2);
    fake_turn(fake);
    text = fake_asked(fake);
    subject = flow_subject(text);
    ck_assert_ptr_nonnull(strstr(text, "> 100 FlowControl Request\n"));
    ck_assert_uint_eq(fake_info(fake).delivered_stream, 4); /* 2 MiB are out */
    fake_turn(fake);
    EXPECT(fake, "");
    consumer_flow(fake->consumer, fake->now_ns, fake->log_now_ns, subject, bytes_of(NULL, 0));
    fake_turn(fake);
    ck_assert_uint_eq(fake_info(fake).delivered_stream, 8);
    fake_destroy(fake);
}
END_TEST

START_TEST(only_the_outstanding_confirmation_counts)
{
    struct fake *fake = flowing();
    struct bytes subject;

    for (size_t i = 0; i < 8; i++)
        fake_store_sized(fake, "a.x", BIG);
    fake_turn(fake);
    subject = flow_subject(fake_asked(fake));
    consumer_flow(fake->consumer, fake->now_ns, fake->log_now_ns, BYTES("$JS.FC.S.C.xxxx"),
                  bytes_of(NULL, 0));
    fake_turn(fake);
    EXPECT(fake, "");
    consumer_flow(fake->consumer, fake->now_ns, fake->log_now_ns, subject, bytes_of(NULL, 0));
    fake_turn(fake);
    (void)fake_asked(fake);
    ck_assert_uint_gt(fake_info(fake).delivered_stream, 3);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_stalled_listener_is_reminded_by_the_heartbeat)
{
    struct fake *fake = flowing();
    char line[256];
    struct bytes subject;

    for (size_t i = 0; i < 8; i++)
        fake_store_sized(fake, "a.x", BIG);
    fake_turn(fake);
    subject = flow_subject(fake_asked(fake));
    fake_pass(fake, 5 * FAKE_SECOND);
    snprintf(line, sizeof(line),
             "to.me 100 Idle Heartbeat|Nats-Last-Consumer: 2|Nats-Last-Stream: 2|"
             "Nats-Consumer-Stalled: %.*s\n",
             BYTES_ARG(subject));
    EXPECT(fake, line);
    fake_destroy(fake);
}
END_TEST

START_TEST(without_flow_control_nobody_is_asked)
{
    struct fake *fake = watch();

    fake_lead(fake);
    bound(fake, true);
    for (size_t i = 0; i < 100; i++)
        fake_store_sized(fake, "a.x", BIG);
    fake_turn(fake);
    ck_assert_uint_eq(fake_info(fake).delivered_stream, 100);
    ck_assert_ptr_null(strstr(fake_asked(fake), "FlowControl"));
    fake_destroy(fake);
}
END_TEST

/* ---- rate limit ------------------------------------------------------------------------------ */

START_TEST(a_rate_limit_spreads_messages_after_the_first_burst)
{
    struct fake *fake = watch();
    uint64_t first;

    fake->config.rate_limit_bps =
        8000; /* 1000 bytes a second, as many at once as one message may have */
    for (size_t i = 0; i < 40; i++)
        fake_store_sized(fake, "a.x", 62); /* about 100 bytes each, with their ack subjects */
    fake_lead(fake);
    bound(fake, true);
    fake_turn(fake);
    first = fake_info(fake).delivered_stream;
    ck_assert_uint_ge(first, 9);
    ck_assert_uint_le(first, 10);
    for (int64_t second = 1; second <= 2; second++) {
        fake_pass(fake, FAKE_SECOND);
        ck_assert_uint_ge(fake_info(fake).delivered_stream, first + (uint64_t)second * 9);
        ck_assert_uint_le(fake_info(fake).delivered_stream, first + (uint64_t)second * 10 + 1);
    }
    fake_destroy(fake);
}
END_TEST

START_TEST(a_message_beyond_the_burst_still_goes)
{
    struct fake *fake = watch();

    fake->config.rate_limit_bps = 8000;
    fake_store_sized(fake, "a.x", 2000);
    fake_store_sized(fake, "a.x", 10);
    fake_lead(fake);
    bound(fake, true);
    fake_turn(fake);
    ck_assert_uint_eq(fake_info(fake).delivered_stream, 1);
    fake_pass(fake, FAKE_SECOND);
    ck_assert_uint_eq(fake_info(fake).delivered_stream, 1); /* it is paid for first */
    fake_pass(fake, FAKE_SECOND);
    ck_assert_uint_eq(fake_info(fake).delivered_stream, 2);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_new_deliver_subject_gets_everything_that_is_owed_again)
{
    struct fake *fake = fake_create();
    struct consumer_config config;

    fake->config.deliver_subject = BYTES("to.me");
    fake_store_many(fake, "a.x", 2);
    fake_lead(fake);
    bound(fake, true);
    fake_turn(fake);
    (void)fake_asked(fake);
    bound(fake, false);
    config = fake->config;
    config.deliver_subject = BYTES("to.you");
    consumer_update(fake->consumer, fake->now_ns, fake->log_now_ns, &config);
    bound(fake, true);
    fake_turn(fake);
    EXPECT(fake, "1>to.you d2 c3 p0\n"
                 "2>to.you d2 c4 p0\n");
    fake_destroy(fake);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        nothing_is_delivered_before_anyone_listens,
        a_volatile_consumer_logs_nothing,
        a_watch_ends_its_initial_set_with_zero_pending,
        losing_the_listener_stops_delivery_and_its_return_goes_on_where_it_was,
        a_push_consumer_with_acks_is_logged_before_it_delivers,
        a_durable_without_acks_logs_its_position_after_a_second,
        an_ephemeral_without_acks_that_is_not_kept_in_memory_logs_its_position,
        a_durable_without_acks_logs_its_position_every_thousand,
        a_logged_position_is_where_a_restart_goes_on,
        what_was_not_logged_is_not_in_the_state,
        what_a_purge_passed_is_in_the_state,
        an_idle_listener_gets_heartbeats,
        a_heartbeat_tells_the_end_of_the_stream_that_was_looked_at,
        a_paused_consumer_beats_and_does_not_deliver,
        half_a_window_asks_for_a_confirmation_and_a_whole_one_stops,
        only_the_outstanding_confirmation_counts,
        a_stalled_listener_is_reminded_by_the_heartbeat,
        without_flow_control_nobody_is_asked,
        a_rate_limit_spreads_messages_after_the_first_burst,
        a_message_beyond_the_burst_still_goes,
        a_new_deliver_subject_gets_everything_that_is_owed_again,
    };

    return UNIT_RUN_PLAIN("push_consumer", tests);
}
