#include "base/prng.h"
#include "server/stream/decimal.h"
#include "tests/unit/unit.h"

#include <stdio.h>

static const char *done(void (*what)(struct bytes, struct bytes, struct buf *), const char *a,
                        const char *b)
{
    static char text[1000];
    struct buf out;

    buf_init(&out, strlen(a) + strlen(b) + 4);
    what(bytes_of_text(a), bytes_of_text(b), &out);
    snprintf(text, sizeof text, "%.*s", (int)out.size, (const char *)out.at);
    buf_deinit(&out);
    return text;
}

static const char *sum(const char *a, const char *b)
{
    return done(decimal_add, a, b);
}

static const char *difference(const char *a, const char *b)
{
    return done(decimal_subtract, a, b);
}

START_TEST(numbers_are_digits_with_an_optional_sign)
{
    static const char *const good[] = {"0", "1", "+1", "-1", "007", "-0", "99999999999999999999"};
    static const char *const bad[] = {"", "+", "-", "x", "1.5", "1e3", "--1", "+-1", "5 ", "0x1"};

    for (size_t i = 0; i < UNIT_COUNT(good); i++)
        ck_assert_msg(decimal_valid(bytes_of_text(good[i])), "%s", good[i]);
    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        ck_assert_msg(!decimal_valid(bytes_of_text(bad[i])), "%s", bad[i]);
}
END_TEST

START_TEST(sums_and_differences_of_small_numbers_are_those_of_the_processor)
{
    struct prng prng;

    prng_seed(&prng, 5);
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = 1 + prng_below(&prng, 62);
        int64_t x = (int64_t)prng_below(&prng, UINT64_C(1) << bits);
        int64_t y = (int64_t)prng_below(&prng, UINT64_C(1) << bits);
        char a[40], b[40], expected[40];

        x = prng_below(&prng, 2) == 0 ? -x : x;
        y = prng_below(&prng, 2) == 0 ? -y : y;
        snprintf(a, sizeof a, "%lld", (long long)x);
        snprintf(b, sizeof b, prng_below(&prng, 2) == 0 ? "%+lld" : "%019lld", (long long)y);
        snprintf(expected, sizeof expected, "%lld", (long long)(x + y));
        ck_assert_str_eq(sum(a, b), expected);
        snprintf(expected, sizeof expected, "%lld", (long long)(x - y));
        ck_assert_str_eq(difference(a, b), expected);
    }
}
END_TEST

START_TEST(sums_may_have_any_number_of_digits_and_zero_has_no_sign)
{
    ck_assert_str_eq(sum("99999999999999999999999999999999", "1"),
                     "100000000000000000000000000000000");
    ck_assert_str_eq(sum("-1", "100000000000000000000000000000000"),
                     "99999999999999999999999999999999");
    ck_assert_str_eq(sum("-100000000000000000000000000000000", "1"),
                     "-99999999999999999999999999999999");
    ck_assert_str_eq(sum("-5", "+5"), "0");
    ck_assert_str_eq(sum("-0", "-0"), "0");
    ck_assert_str_eq(sum("+000", "-007"), "-7");
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        numbers_are_digits_with_an_optional_sign,
        sums_and_differences_of_small_numbers_are_those_of_the_processor,
        sums_may_have_any_number_of_digits_and_zero_has_no_sign,
    };

    return UNIT_RUN_PLAIN("decimal", tests);
}
