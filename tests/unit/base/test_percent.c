#include "base/percent.h"
#include "tests/unit/unit.h"

START_TEST(two_digits_behind_a_percent_sign_are_a_byte)
{
    static const struct {
        const char *written, *means;
    } cases[] = {
        {"", ""}, {"plain", "plain"}, {"%41", "A"}, {"p%3aw%2F%40x", "p:w/@x"}, {"%25%25", "%%"},
    };
    char to[32];

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        struct bytes from = bytes_of_text(cases[i].written);

        ck_assert_msg(percent_decode(to, from.size + 1, from), "%s", cases[i].written);
        ck_assert_str_eq(to, cases[i].means);
    }
}
END_TEST

START_TEST(what_means_no_text_is_refused)
{
    static const char *const bad[] = {"%", "a%4", "%4g", "%zz", "%00", "% 1"};
    char to[32];

    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        ck_assert_msg(!percent_decode(to, sizeof(to), bytes_of_text(bad[i])), "%s", bad[i]);
}
END_TEST

START_TEST(what_has_no_room_is_refused)
{
    char to[3] = "..";

    ck_assert(percent_decode(to, 3, BYTES("ab")));
    ck_assert(percent_decode(to, 3, BYTES("%41%42")));
    ck_assert(!percent_decode(to, 2, BYTES("ab")));
    ck_assert(!percent_decode(to, 0, BYTES("")));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        two_digits_behind_a_percent_sign_are_a_byte,
        what_means_no_text_is_refused,
        what_has_no_room_is_refused,
    };

    return UNIT_RUN_PLAIN("percent", tests);
}
