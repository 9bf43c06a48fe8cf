#include "tests/unit/consumers/fake.h"

/* A pull consumer is given up to a second beyond its threshold, at least a tenth. */
#define JITTER_MIN (FAKE_SECOND / 10)
#define JITTER_MAX FAKE_SECOND

static struct fake *passing(int64_t threshold_ns)
{
    struct fake *fake = fake_create();

    fake->config.inactive_threshold_ns = threshold_ns;
    fake_lead(fake);
    fake_turn(fake);
    return fake;
}

START_TEST(an_unused_consumer_is_reported_after_its_threshold)
{
    struct fake *fake = passing(5 * FAKE_SECOND);

    fake_pass(fake, 5 * FAKE_SECOND + JITTER_MIN - 1);
    EXPECT(fake, "");
    fake_pass(fake, JITTER_MAX - JITTER_MIN + 1);
    EXPECT(fake, "inactive\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(it_is_reported_again_when_it_is_still_there)
{
    struct fake *fake = passing(5 * FAKE_SECOND);

    fake_pass(fake, 5 * FAKE_SECOND + JITTER_MAX);
    (void)fake_asked(fake);
    fake_pass(fake, 5 * FAKE_SECOND);
    EXPECT(fake, "inactive\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(without_a_threshold_it_stays_for_ever)
{
    struct fake *fake = passing(0);

    fake_pass(fake, 1000000 * FAKE_SECOND);
    EXPECT(fake, "");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_request_keeps_it_even_one_that_is_refused)
{
    struct fake *fake = passing(5 * FAKE_SECOND);

    fake_pass(fake, 4 * FAKE_SECOND);
    fake_pull(fake, "in.1", "{\"no_wait\":true}");
    EXPECT(fake, "in.1 404 No Messages\n");
    fake_pass(fake, 5 * FAKE_SECOND);
    EXPECT(fake, "");
    fake_pass(fake, JITTER_MAX);
    EXPECT(fake, "inactive\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_waiting_request_keeps_it_while_someone_listens)
{
    struct fake *fake = passing(5 * FAKE_SECOND);

    fake_pull(fake, "in.1", "1");
    fake_turn(fake);
    fake_pass(fake, 100 * FAKE_SECOND);
    EXPECT(fake, "");
    fake->deaf = "in";
    fake_pass(fake, 5 * FAKE_SECOND);
    EXPECT(fake, "inactive\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_message_that_may_still_be_acked_keeps_it)
{
    struct fake *fake = passing(5 * FAKE_SECOND);

    fake_store(fake, "a.x");
    fake_pull(fake, "in.1", "1");
    fake_turn(fake);
    (void)fake_asked(fake);
    fake_pass(fake, 30 * FAKE_SECOND + 5 * FAKE_SECOND - 1);
    EXPECT(fake, "");
    fake_pass(fake, JITTER_MAX + 1);
    EXPECT(fake, "inactive\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(an_ack_keeps_it)
{
    struct fake *fake = passing(5 * FAKE_SECOND);

    fake_store(fake, "a.x");
    fake_pull(fake, "in.1", "1");
    fake_turn(fake);
    (void)fake_asked(fake);
    fake_pass(fake, 4 * FAKE_SECOND);
    fake_ack(fake, 1, "", "");
    fake_turn(fake);
    fake_pass(fake, 5 * FAKE_SECOND);
    EXPECT(fake, "");
    fake_pass(fake, JITTER_MAX);
    EXPECT(fake, "inactive\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_restart_gives_a_fresh_window)
{
    struct fake *fake = passing(5 * FAKE_SECOND);

    fake_pass(fake, 4 * FAKE_SECOND);
    fake_restart(fake);
    fake_turn(fake);
    fake_pass(fake, 5 * FAKE_SECOND);
    EXPECT(fake, "");
    fake_pass(fake, JITTER_MAX);
    EXPECT(fake, "inactive\n");
    fake_destroy(fake);
}
END_TEST

static struct fake *passing_push(void)
{
    struct fake *fake = fake_create();

    fake->config.deliver_subject = BYTES("to.me");
    fake->config.inactive_threshold_ns = 5 * FAKE_SECOND;
    fake_lead(fake);
    fake_turn(fake);
    return fake;
}

START_TEST(a_push_consumer_is_inactive_exactly_a_threshold_after_its_listener_left)
{
    struct fake *fake = passing_push();

    consumer_bound(fake->consumer, fake->now_ns, true);
    fake_turn(fake);
    fake_pass(fake, 100 * FAKE_SECOND);
    EXPECT(fake, "");
    consumer_bound(fake->consumer, fake->now_ns, false);
    fake_turn(fake);
    fake_pass(fake, 5 * FAKE_SECOND - 1);
    EXPECT(fake, "");
    fake_pass(fake, 1);
    EXPECT(fake, "inactive\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_push_consumer_nobody_ever_listened_to_is_inactive)
{
    struct fake *fake = passing_push();

    fake_pass(fake, 5 * FAKE_SECOND);
    EXPECT(fake, "inactive\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(an_ack_restarts_the_window_of_an_unbound_push_consumer)
{
    struct fake *fake = passing_push();

    fake_store(fake, "a.x");
    consumer_bound(fake->consumer, fake->now_ns, true);
    fake_turn(fake);
    (void)fake_asked(fake);
    consumer_bound(fake->consumer, fake->now_ns, false);
    fake_turn(fake);
    fake_pass(fake, 4 * FAKE_SECOND);
    fake_ack(fake, 1, "", "");
    fake_turn(fake);
    fake_pass(fake, 5 * FAKE_SECOND - 1);
    EXPECT(fake, "");
    fake_pass(fake, 1);
    EXPECT(fake, "inactive\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_listener_that_returns_in_time_keeps_a_push_consumer)
{
    struct fake *fake = passing_push();

    fake_pass(fake, 4 * FAKE_SECOND);
    consumer_bound(fake->consumer, fake->now_ns, true);
    fake_turn(fake);
    fake_pass(fake, 100 * FAKE_SECOND);
    EXPECT(fake, "");
    fake_destroy(fake);
}
END_TEST

/* ---- updates --------------------------------------------------------------------------------- */

static void update(struct fake *fake, const struct consumer_config *config)
{
    fake->config = *config;
    consumer_update(fake->consumer, fake->now_ns, fake->log_now_ns, config);
    fake_turn(fake);
}

START_TEST(a_new_ack_wait_counts_from_the_delivery)
{
    struct fake *fake = fake_create();
    struct consumer_config config = fake->config;

    fake_store_many(fake, "a.x", 2);
    fake_lead(fake);
    fake_pull(fake, "in.1", "9");
    fake_turn(fake);
    (void)fake_asked(fake);
    fake_pass(fake, 10 * FAKE_SECOND);
    config.ack_wait_ns = 15 * FAKE_SECOND;
    update(fake, &config);
    fake_pass(fake, 5 * FAKE_SECOND - 1);
    EXPECT(fake, "");
    fake_pass(fake, 1);
    EXPECT(fake, "1>in.1 d2 c3 p0\n"
                 "2>in.1 d2 c4 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_raised_ack_window_resumes_delivery)
{
    struct fake *fake = fake_create();
    struct consumer_config config = fake->config;

    fake->config.max_ack_pending = 1;
    fake_store_many(fake, "a.x", 2);
    fake_lead(fake);
    fake_pull(fake, "in.1", "9");
    fake_turn(fake);
    EXPECT(fake, "1>in.1 d1 c1 p1\n");
    config.max_ack_pending = 2;
    update(fake, &config);
    EXPECT(fake, "2>in.1 d1 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_lowered_max_deliver_ends_what_had_as_many)
{
    struct fake *fake = fake_create();
    struct consumer_config config = fake->config;

    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_pull(fake, "in.1", "9");
    fake_turn(fake);
    fake_pass(fake, 30 * FAKE_SECOND);
    (void)fake_asked(fake);
    config.max_deliver = 1;
    update(fake, &config);
    fake_pass(fake, 30 * FAKE_SECOND);
    EXPECT(fake, "advise exhausted 1 d2\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(pausing_and_resuming_are_updates)
{
    struct fake *fake = fake_create();
    struct consumer_config config = fake->config;

    fake_lead(fake);
    fake_pull(fake, "in.1", "9");
    fake_turn(fake);
    config.pause_until_ns = fake->log_now_ns + 100 * FAKE_SECOND;
    update(fake, &config);
    fake_store(fake, "a.x");
    fake_turn(fake);
    EXPECT(fake, "");
    config.pause_until_ns = TIME_UNSET;
    update(fake, &config);
    EXPECT(fake, "1>in.1 d1 c1 p0\n");
    fake_pass(fake, 29 * FAKE_SECOND);
    EXPECT(fake, ""); /* the end of the pause is forgotten */
    fake_destroy(fake);
}
END_TEST

START_TEST(what_expires_during_a_pause_is_delivered_after_it)
{
    struct fake *fake = fake_create();
    struct consumer_config config = fake->config;

    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_pull(fake, "in.1", "9");
    fake_turn(fake);
    (void)fake_asked(fake);
    config.pause_until_ns = fake->log_now_ns + 50 * FAKE_SECOND;
    update(fake, &config);
    fake_pass(fake, 50 * FAKE_SECOND - 1);
    EXPECT(fake, "");
    fake_pass(fake, 1);
    EXPECT(fake, "advise resumed\n"
                 "1>in.1 d2 c2 p0\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(a_pause_of_a_consumer_that_was_idle_for_long_ends_in_time)
{
    struct fake *fake = fake_create();
    struct consumer_config config = fake->config;

    fake_lead(fake);
    fake_turn(fake);
    fake->now_ns += 3600 * FAKE_SECOND;
    fake->log_now_ns += 3600 * FAKE_SECOND;
    config.pause_until_ns = fake->log_now_ns + 10 * FAKE_SECOND;
    update(fake, &config);
    fake_pass(fake, 10 * FAKE_SECOND);
    EXPECT(fake, "advise resumed\n");
    fake_destroy(fake);
}
END_TEST

START_TEST(the_config_is_the_machines_own)
{
    struct fake *fake = fake_create();
    char name[] = "a.x";

    fake->config.filter_subject = bytes_of_text(name);
    fake_lead(fake);
    memcpy(name, "zzz", 3);
    fake_store(fake, "a.x");
    ck_assert_uint_eq(fake_info(fake).num_pending, 1);
    ck_assert(bytes_equal(consumer_config(fake->consumer)->filter_subject, BYTES("a.x")));
    ck_assert(bytes_equal(consumer_name(fake->consumer), BYTES("C")));
    ck_assert_uint_eq(consumer_number(fake->consumer), 7);
    fake_destroy(fake);
}
END_TEST

/* ---- leadership ------------------------------------------------------------------------------ */

START_TEST(losing_leadership_forgets_what_was_promised_to_nobody)
{
    struct fake *fake = fake_create();

    fake_store_many(fake, "a.x", 3);
    fake_lead(fake);
    fake_pull(fake, "in.1", "2");
    fake_pull(fake, "in.2", "9");
    fake_work(fake);
    consumer_follow(fake->consumer);
    fake_apply(fake); /* the log goes on: others decide now */
    fake_work(fake);
    EXPECT(fake, "");
    ck_assert(!consumer_hungry(fake->consumer));
    ck_assert_uint_eq(fake_info(fake).num_waiting, 0);
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 3);
    consumer_lead(fake->consumer, fake->now_ns, fake->log_now_ns);
    fake_pull(fake, "in.3", "9");
    fake_turn(fake);
    fake_pass(fake, 30 * FAKE_SECOND);
    EXPECT(fake, "1>in.3 d2 c4 p0\n"
                 "2>in.3 d2 c5 p0\n"
                 "3>in.3 d2 c6 p0\n");
    fake_destroy(fake);
}
END_TEST

/* ---- records and state ----------------------------------------------------------------------- */

static void expect_corrupt(struct fake *fake, uint8_t type, struct bytes body)
{
    struct buf before, after;

    buf_init(&before, 1 << 20);
    buf_init(&after, 1 << 20);
    ck_assert(consumer_state_encode(fake->consumer, &before));
    ck_assert_int_eq(consumer_apply(fake->consumer, fake->now_ns, type, body), ERR_CORRUPT);
    ck_assert(consumer_state_encode(fake->consumer, &after));
    ck_assert(bytes_equal(buf_bytes(&before), buf_bytes(&after)));
    buf_deinit(&before);
    buf_deinit(&after);
}

START_TEST(a_record_that_makes_no_sense_changes_nothing)
{
    struct fake *fake = fake_create();
    uint8_t other[64];
    struct fake_record *handout;

    fake_store_many(fake, "a.x", 3);
    fake_consumer(fake);
    expect_corrupt(fake, CONSUMER_RECORD_ACK, bytes_of(NULL, 0));
    expect_corrupt(fake, CONSUMER_RECORD_LAST + 1, BYTES("\7\0\0\0\0\0\0\0"));
    consumer_lead(fake->consumer, fake->now_ns, fake->log_now_ns);
    fake_pull(fake, "in.1", "2");
    fake_turn(fake);
    handout = &fake->log[0];
    expect_corrupt(fake, CONSUMER_RECORD_HANDOUT, handout->body); /* handed out before */
    for (size_t size = 0; size < handout->body.size; size++)
        expect_corrupt(fake, CONSUMER_RECORD_HANDOUT, bytes_take(handout->body, size));
    expect_corrupt(fake, CONSUMER_RECORD_POSITION,
                   BYTES("\7\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0"));
    memcpy(other, handout->body.at, handout->body.size);
    other[0] = 8; /* another consumer's */
    expect_corrupt(fake, CONSUMER_RECORD_HANDOUT, bytes_of(other, handout->body.size));
    /* an ack of what was never delivered */
    expect_corrupt(fake, CONSUMER_RECORD_ACK, BYTES("\7\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\3\0"));
    fake_destroy(fake);
}
END_TEST

START_TEST(records_may_be_padded_with_zeros_up_to_seven)
{
    struct fake *fake = fake_create();

    fake_store_many(fake, "a.x", 3);
    fake_lead(fake);
    fake_pull(fake, "in.1", "2");
    fake_turn(fake);
    ck_assert_int_eq(consumer_apply(fake->consumer, 0, CONSUMER_RECORD_ACK,
                                    BYTES("\7\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0")),
                     OK);
    ck_assert_uint_eq(fake_info(fake).num_ack_pending, 1);
    expect_corrupt(fake, CONSUMER_RECORD_ACK,
                   BYTES("\7\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\0\0"));
    expect_corrupt(fake, CONSUMER_RECORD_ACK, BYTES("\7\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\2\0\1"));
    fake_destroy(fake);
}
END_TEST

/* A consumer with something of everything in its state. */
static struct fake *eventful(void)
{
    struct fake *fake = fake_create();

    fake->config.max_deliver = 2;
    fake->config.deliver_policy = DELIVER_LAST_PER_SUBJECT;
    for (size_t i = 0; i < 10; i++) {
        char subject[16];
        snprintf(subject, sizeof(subject), "a.%zu", i);
        fake_store(fake, subject);
    }
    fake_lead(fake);
    fake_pull(fake, "in.1", "8");
    fake_turn(fake);
    fake_acks(fake, 1, 2);
    fake_ack(fake, 5, "", "");
    fake_ack(fake, 4, "-NAK 1000s", "");
    fake_pull(fake, "in.1", "4");
    fake_turn(fake);
    fake_pass(fake, 30 * FAKE_SECOND);
    fake_pass(fake, 29 * FAKE_SECOND);
    fake_ack(fake, 3, "-NAK", "");
    fake_turn(fake);
    (void)fake_asked(fake);
    ck_assert_uint_gt(fake_info(fake).num_redelivered, 1);
    ck_assert_uint_gt(fake_info(fake).num_ack_pending, 1);
    return fake;
}

START_TEST(the_state_comes_back_as_it_was)
{
    struct fake *fake = eventful();
    struct buf before, after;

    buf_init(&before, 1 << 20);
    buf_init(&after, 1 << 20);
    ck_assert(consumer_state_encode(fake->consumer, &before));
    fake_restart(fake);
    ck_assert(consumer_state_encode(fake->consumer, &after));
    ck_assert(bytes_equal(buf_bytes(&before), buf_bytes(&after)));
    buf_deinit(&before);
    buf_deinit(&after);
    fake_destroy(fake);
}
END_TEST

START_TEST(damaged_state_is_refused_or_at_least_holds_together)
{
    struct fake *fake = eventful();
    struct buf state;

    buf_init(&state, 1 << 20);
    ck_assert(consumer_state_encode(fake->consumer, &state));
    consumer_destroy(fake->consumer);
    fake_consumer(fake);
    for (size_t size = 0; size < state.size; size++)
        ck_assert_int_eq(consumer_state_decode(fake->consumer, bytes_take(buf_bytes(&state), size)),
                         ERR_CORRUPT);
    for (size_t i = 0; i < state.size * 8; i++) {
        enum err err;

        state.at[i / 8] ^= (uint8_t)(1u << (i % 8));
        err = consumer_state_decode(fake->consumer, buf_bytes(&state));
        state.at[i / 8] ^= (uint8_t)(1u << (i % 8));
        if (err == OK) {
            consumer_lead(fake->consumer, fake->now_ns, fake->log_now_ns);
            fake_work(fake);
            fake_drop_records(fake);
            consumer_follow(fake->consumer);
        }
    }
    (void)fake_asked(fake);
    ck_assert_int_eq(consumer_state_decode(fake->consumer, buf_bytes(&state)), OK);
    buf_deinit(&state);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_full_buffer_takes_no_part_of_the_state)
{
    struct fake *fake = eventful();
    struct buf state;

    for (size_t limit = 1; limit < 150; limit++) {
        buf_init(&state, limit);
        if (!consumer_state_encode(fake->consumer, &state))
            ck_assert_uint_eq(state.size, 0);
        buf_deinit(&state);
    }
    fake_destroy(fake);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        an_unused_consumer_is_reported_after_its_threshold,
        it_is_reported_again_when_it_is_still_there,
        without_a_threshold_it_stays_for_ever,
        a_request_keeps_it_even_one_that_is_refused,
        a_waiting_request_keeps_it_while_someone_listens,
        a_message_that_may_still_be_acked_keeps_it,
        an_ack_keeps_it,
        a_restart_gives_a_fresh_window,
        a_push_consumer_is_inactive_exactly_a_threshold_after_its_listener_left,
        a_push_consumer_nobody_ever_listened_to_is_inactive,
        an_ack_restarts_the_window_of_an_unbound_push_consumer,
        a_listener_that_returns_in_time_keeps_a_push_consumer,
        a_new_ack_wait_counts_from_the_delivery,
        a_raised_ack_window_resumes_delivery,
        a_lowered_max_deliver_ends_what_had_as_many,
        pausing_and_resuming_are_updates,
        what_expires_during_a_pause_is_delivered_after_it,
        a_pause_of_a_consumer_that_was_idle_for_long_ends_in_time,
        the_config_is_the_machines_own,
        losing_leadership_forgets_what_was_promised_to_nobody,
        a_record_that_makes_no_sense_changes_nothing,
        records_may_be_padded_with_zeros_up_to_seven,
        the_state_comes_back_as_it_was,
        damaged_state_is_refused_or_at_least_holds_together,
        a_full_buffer_takes_no_part_of_the_state,
    };

    return UNIT_RUN_PLAIN("life", tests);
}
