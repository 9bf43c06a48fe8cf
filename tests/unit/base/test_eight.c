#include "base/eight.h"

#include <stdio.h>

#include "base/prng.h"
#include "tests/unit/unit.h"

#define ROUNDS 20000u

static void fill(struct prng *prng, uint8_t at[static 8])
{
    static const uint8_t likely[] = {'.', ' ', '0', '9', '/', ':', 0x80, 0xff, 0, '-', '!'};

    for (unsigned i = 0; i < 8; i++)
        at[i] = prng_below(prng, 2) == 0 ? (uint8_t)prng_next(prng)
                                         : likely[prng_below(prng, UNIT_COUNT(likely))];
}

START_TEST(masks_have_the_bytes_that_are_asked_about_and_no_other)
{
    struct prng prng;
    uint8_t text[8];

    prng_seed(&prng, 1);
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint8_t byte = (uint8_t)prng_next(&prng), least = byte & 0x7f;
        uint64_t word, above, equal, others;

        fill(&prng, text);
        word = eight_load(text);
        above = eight_above(word, least);
        equal = eight_equal(word, byte);
        others = eight_others(word);
        ck_assert_uint_eq((above | equal | others) & ~EIGHT_HIGH, 0);
        ck_assert_uint_eq(eight_count(equal), (unsigned)__builtin_popcountll(equal));
        for (unsigned i = 0; i < 8; i++) {
            ck_assert_int_eq(above >> (8 * i + 7) & 1, text[i] > least);
            ck_assert_int_eq(equal >> (8 * i + 7) & 1, text[i] == byte);
            ck_assert_int_eq(others >> (8 * i + 7) & 1, text[i] < '0' || text[i] > '9');
        }
        if (above != 0)
            for (unsigned i = 0; i <= eight_first(above); i++)
                ck_assert_int_eq(text[i] > least, i == eight_first(above));
    }
}
END_TEST

START_TEST(digits_are_read_and_written_as_printf_writes_them)
{
    struct prng prng;
    char text[16];

    prng_seed(&prng, 2);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned count = 1 + (unsigned)prng_below(&prng, 8);
        uint64_t value = prng_below(&prng, 100000000), digits = eight_digits(value);

        snprintf(text, sizeof text, "%08llu", (unsigned long long)value);
        for (unsigned i = 0; i < 8; i++)
            ck_assert_int_eq(digits >> 8 * i & 0xff, text[i] - '0');
        ck_assert_uint_eq(eight_number(eight_load((const uint8_t *)text), 8), value);
        text[count] = (char)prng_next(&prng); /* what follows does not matter */
        value = eight_number(eight_load((const uint8_t *)text), count);
        text[count] = 0;
        ck_assert_uint_eq(value, strtoull(text, NULL, 10));
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        masks_have_the_bytes_that_are_asked_about_and_no_other,
        digits_are_read_and_written_as_printf_writes_them,
    };

    return UNIT_RUN_PLAIN("eight", tests);
}
