/* Each seeded bug of consumers/flaws.h breaks a promise here that holds without it. */
#include "consumers/flaws.h"
#include "tests/unit/consumers/fake.h"

static struct fake *flawed(uint64_t flaws)
{
    struct fake *fake = fake_create();

    fake->stream.flaws = flaws;
    return fake;
}

/* What is said although nothing is applied yet. */
static bool leaves_early(uint64_t flaws)
{
    struct fake *fake = flawed(flaws);
    bool early;

    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_pull(fake, "in.1", "1");
    fake_work(fake);
    early = strcmp(fake_asked(fake), "1>in.1 d1 c1 p1\n") == 0;
    fake_apply(fake);
    ck_assert_str_eq(fake_asked(fake), early ? "" : "1>in.1 d1 c1 p0\n");
    fake_destroy(fake);
    return early;
}

START_TEST(a_delivery_before_its_record_is_seen)
{
    ck_assert(!leaves_early(0));
    ck_assert(leaves_early(CONSUMER_FLAW_DELIVER_AT_PROPOSAL));
}
END_TEST

static bool logs_position(uint64_t flaws)
{
    struct fake *fake = flawed(flaws);
    bool logged;

    fake->config.ack_policy = ACK_NONE;
    fake->config.deliver_subject = BYTES("to.me");
    fake_store(fake, "a.x");
    fake_lead(fake);
    consumer_bound(fake->consumer, fake->now_ns, true);
    fake_turn(fake);
    fake_pass(fake, 2 * FAKE_SECOND);
    logged = fake->logged == 1;
    fake_destroy(fake);
    return logged;
}

START_TEST(a_position_that_is_not_logged_is_missed)
{
    ck_assert(logs_position(0));
    ck_assert(!logs_position(CONSUMER_FLAW_POSITION_UNLOGGED));
}
END_TEST

/* The consumer is made between the first message and the second, and led again after both. */
static bool keeps_its_start(uint64_t flaws)
{
    struct fake *fake = flawed(flaws);
    bool kept;

    fake->config.deliver_policy = DELIVER_NEW;
    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_store(fake, "a.x");
    consumer_follow(fake->consumer);
    consumer_lead(fake->consumer, fake->now_ns, fake->log_now_ns);
    kept = fake_info(fake).delivered_stream == 1;
    fake_destroy(fake);
    return kept;
}

START_TEST(a_start_that_is_resolved_late_passes_messages_over)
{
    ck_assert(keeps_its_start(0));
    ck_assert(!keeps_its_start(CONSUMER_FLAW_START_AT_LEAD));
}
END_TEST

/* Its only delivery was asked for and has not left; is it given up? */
static bool waits_for_what_has_not_left(uint64_t flaws)
{
    struct fake *fake = flawed(flaws);
    bool waits;

    fake->config.max_deliver = 1;
    fake_store(fake, "a.x");
    fake_lead(fake);
    fake_pull(fake, "in.1", "1");
    fake_turn(fake);
    fake->unsent_since_ns = fake->log_now_ns;
    fake_pass(fake, 31 * FAKE_SECOND);
    waits = fake_info(fake).num_ack_pending == 1;
    fake_destroy(fake);
    return waits;
}

START_TEST(a_message_is_given_up_before_it_has_left)
{
    ck_assert(waits_for_what_has_not_left(0));
    ck_assert(!waits_for_what_has_not_left(CONSUMER_FLAW_UNSENT_WAITED));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_delivery_before_its_record_is_seen,
        a_position_that_is_not_logged_is_missed,
        a_start_that_is_resolved_late_passes_messages_over,
        a_message_is_given_up_before_it_has_left,
    };

    return UNIT_RUN_PLAIN("flaws", tests);
}
