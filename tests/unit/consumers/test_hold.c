#include "consumers/hold.h"
#include "tests/unit/consumers/fake.h"

struct reports {
    unsigned count;
    struct consumer_info last;
};

static void report(void *owner, const struct consumer_info *info)
{
    struct fake *fake = owner;
    struct reports *reports = fake->reports;

    reports->count++;
    reports->last = *info;
}

static struct fake *watched(struct reports *reports)
{
    struct fake *fake = fake_create();

    *reports = (struct reports){0};
    fake->reports = reports;
    fake->out.stalled = report;
    return fake;
}

static enum consumer_hold hold(const struct fake *fake)
{
    return consumer_hold(fake->consumer);
}

START_TEST(whoever_hands_out_nothing_has_a_reason)
{
    struct fake *fake = fake_create();

    fake->config.max_ack_pending = 1;
    fake_consumer(fake);
    ck_assert_int_eq(hold(fake), HOLD_FOLLOWS);
    consumer_lead(fake->consumer, fake->now_ns, fake->log_now_ns);
    fake_turn(fake);
    ck_assert_int_eq(hold(fake), HOLD_UNASKED);
    fake_pull(fake, "in.1", "5");
    fake_turn(fake);
    ck_assert_int_eq(hold(fake), HOLD_CAUGHT_UP);
    fake_store_many(fake, "a.x", 2);
    ck_assert_int_eq(hold(fake), HOLD_NOT);
    fake_work(fake);
    ck_assert_int_eq(hold(fake), HOLD_IN_FLIGHT);
    fake_turn(fake);
    ck_assert_int_eq(hold(fake), HOLD_ACK_PENDING);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_deliver_subject_without_a_listener_or_window_holds)
{
    struct fake *fake = fake_create();

    fake->config.deliver_subject = BYTES("d");
    fake_lead(fake);
    fake_store(fake, "a.x");
    fake_turn(fake);
    ck_assert_int_eq(hold(fake), HOLD_UNBOUND);
    consumer_bound(fake->consumer, fake->now_ns, true);
    ck_assert_int_eq(hold(fake), HOLD_NOT);
    fake_turn(fake);
    ck_assert_int_eq(hold(fake), HOLD_CAUGHT_UP);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_paused_one_is_not_stalled)
{
    struct reports reports;
    struct fake *fake = watched(&reports);

    fake->config.pause_until_ns = fake->log_now_ns + 100 * FAKE_SECOND;
    fake_lead(fake);
    fake_store(fake, "a.x");
    fake_pull(fake, "in.1", "5");
    fake_turn(fake);
    ck_assert_int_eq(hold(fake), HOLD_PAUSED);
    fake_pass(fake, 60 * FAKE_SECOND);
    fake_turn(fake);
    ck_assert_uint_eq(reports.count, 0);
    fake_destroy(fake);
}
END_TEST

START_TEST(a_stall_is_reported_once_with_its_reason_and_so_is_its_end)
{
    struct reports reports;
    struct fake *fake = watched(&reports);

    fake->config.max_ack_pending = 1;
    fake->config.ack_wait_ns = 1000 * FAKE_SECOND;
    fake_lead(fake);
    fake_store_many(fake, "a.x", 3);
    fake_pull(fake, "in.1", "5");
    fake_turn(fake);
    fake_pass(fake, 29 * FAKE_SECOND);
    fake_turn(fake);
    ck_assert_uint_eq(reports.count, 0);
    ck_assert_int_le(fake->wake_ns, fake->now_ns + FAKE_SECOND);
    fake_pass(fake, 2 * FAKE_SECOND);
    fake_turn(fake);
    ck_assert_uint_eq(reports.count, 1);
    ck_assert_int_eq(reports.last.hold, HOLD_ACK_PENDING);
    ck_assert_uint_ge(reports.last.stalled_s, 30);
    ck_assert_uint_eq(reports.last.num_pending, 2);
    fake_pass(fake, 60 * FAKE_SECOND);
    fake_turn(fake);
    ck_assert_uint_eq(reports.count, 1);
    fake_ack(fake, 1, "+ACK", "");
    fake_turn(fake);
    fake_turn(fake);
    ck_assert_uint_eq(reports.count, 2);
    ck_assert_uint_eq(reports.last.stalled_s, 0);
    fake_destroy(fake);
}
END_TEST

START_TEST(every_reason_has_words_of_its_own)
{
    for (int a = HOLD_NOT; a <= HOLD_DAMAGED; a++)
        for (int b = HOLD_NOT; b < a; b++)
            ck_assert_str_ne(consumer_hold_text((enum consumer_hold)a),
                             consumer_hold_text((enum consumer_hold)b));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        whoever_hands_out_nothing_has_a_reason,
        a_deliver_subject_without_a_listener_or_window_holds,
        a_paused_one_is_not_stalled,
        a_stall_is_reported_once_with_its_reason_and_so_is_its_end,
        every_reason_has_words_of_its_own,
    };

    return UNIT_RUN_PLAIN("hold", tests);
}
