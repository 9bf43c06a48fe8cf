#include "consumers/push.h"
#include "tests/unit/unit.h"

#define MIB (1u << 20)

static struct prng prng;

static struct bytes ask(struct push *push)
{
    return push_ask(push, &prng, BYTES("S"), BYTES("C"));
}

/* A copy: the next request overwrites the subject. */
static struct bytes copy(struct bytes subject)
{
    static char text[64];

    memcpy(text, subject.at, subject.size);
    return bytes_of(text, subject.size);
}

START_TEST(a_request_is_made_when_half_the_window_is_out)
{
    struct push push = {0};

    push_flow_start(&push);
    ck_assert(!push_sent(&push, MIB));
    ck_assert(push_sent(&push, 1));
    ck_assert(bytes_starts(ask(&push), BYTES("$JS.FC.S.C.")));
    ck_assert_uint_eq(push_asked(&push).size, strlen("$JS.FC.S.C.") + PUSH_FLOW_ID);
    ck_assert(!push_sent(&push, 1)); /* one is out already */
    push_deinit(&push);
}
END_TEST

START_TEST(more_than_a_window_stops)
{
    struct push push = {0};

    push_flow_start(&push);
    (void)push_sent(&push, 2 * MIB);
    ck_assert(push_window_open(&push, 0));
    ck_assert(!push_window_open(&push, 1));
    (void)push_sent(&push, 1);
    ck_assert(!push_window_open(&push, 0));
    push_deinit(&push);
}
END_TEST

START_TEST(each_confirmation_doubles_the_window_up_to_its_limit)
{
    struct push push = {0};
    uint64_t window = 2 * MIB;

    push_flow_start(&push);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_uint_eq(push.window, window);
        (void)push_sent(&push, push.window / 2 + 1);
        ck_assert(push_confirmed(&push, copy(ask(&push))));
        ck_assert_uint_eq(push.outstanding, 0);
        window = window * 2 < 32 * MIB ? window * 2 : 32 * MIB;
    }
    ck_assert_uint_eq(push.window, 32 * MIB);
    push_deinit(&push);
}
END_TEST

START_TEST(a_confirmation_covers_what_was_out_when_it_was_asked_for)
{
    struct push push = {0};
    struct bytes subject;

    push_flow_start(&push);
    (void)push_sent(&push, MIB + 1);
    subject = copy(ask(&push));
    (void)push_sent(&push, 500);
    ck_assert(push_confirmed(&push, subject));
    ck_assert_uint_eq(push.outstanding, 500);
    push_deinit(&push);
}
END_TEST

START_TEST(only_the_latest_request_is_confirmed_and_only_once)
{
    struct push push = {0};
    struct bytes first;

    push_flow_start(&push);
    ck_assert(!push_confirmed(&push, BYTES("")));
    (void)push_sent(&push, MIB + 1);
    first = copy(ask(&push));
    ck_assert(!push_confirmed(&push, BYTES("$JS.FC.S.C.0000")));
    ck_assert(push_confirmed(&push, first));
    ck_assert(!push_confirmed(&push, first));
    ck_assert_uint_eq(push_asked(&push).size, 0);
    push_deinit(&push);
}
END_TEST

START_TEST(without_flow_control_everything_is_open)
{
    struct push push = {0};

    ck_assert(!push_sent(&push, UINT64_MAX / 2));
    ck_assert(push_window_open(&push, UINT64_MAX / 2));
    push_deinit(&push);
}
END_TEST

START_TEST(a_rate_lets_a_burst_go_and_then_earns_its_bytes)
{
    struct push push = {0};

    push_rate_start(&push, 8000, 500, 0); /* 1000 bytes a second */
    ck_assert_int_eq(push_rate_at(&push, 500, 0), 0);
    push_rate_take(&push, 500, 0);
    ck_assert_int_eq(push_rate_at(&push, 100, 0), 100000000);
    ck_assert_int_eq(push_rate_at(&push, 100, 60000000), 100000000);
    ck_assert_int_eq(push_rate_at(&push, 100, 100000000), 100000000);
    push_rate_take(&push, 100, 100000000);
    /* what is saved is never more than a burst */
    ck_assert_int_eq(push_rate_at(&push, 500, 3600000000000), 3600000000000);
    push_rate_take(&push, 500, 3600000000000);
    ck_assert_int_gt(push_rate_at(&push, 1, 3600000000000), 3600000000000);
    push_deinit(&push);
}
END_TEST

START_TEST(extreme_rates_do_not_overflow)
{
    struct push push = {0};

    push_rate_start(&push, 1, UINT32_MAX, 0);
    push_rate_take(&push, UINT32_MAX, 0);
    ck_assert_int_gt(push_rate_at(&push, 1, 0), 0);
    push_rate_start(&push, UINT64_MAX, UINT32_MAX, 0);
    push_rate_take(&push, UINT32_MAX, 0);
    ck_assert_int_ge(push_rate_at(&push, 1, 0), 0);
    push_deinit(&push);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_request_is_made_when_half_the_window_is_out,
        more_than_a_window_stops,
        each_confirmation_doubles_the_window_up_to_its_limit,
        a_confirmation_covers_what_was_out_when_it_was_asked_for,
        only_the_latest_request_is_confirmed_and_only_once,
        without_flow_control_everything_is_open,
        a_rate_lets_a_burst_go_and_then_earns_its_bytes,
        extreme_rates_do_not_overflow,
    };

    prng_seed(&prng, 1);
    return UNIT_RUN_PLAIN("push", tests);
}
