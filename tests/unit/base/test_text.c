#include "base/text.h"

#include <time.h>

#include "tests/unit/unit.h"

#define S  INT64_C(1000000000)
#define MS INT64_C(1000000)

/* Times of before 1970 and leap days included; the texts are Go's. */
static const struct {
    int64_t ns;
    const char *text;
} times[] = {
    {0, "1970-01-01T00:00:00Z"},
    {1, "1970-01-01T00:00:00.000000001Z"},
    {-1, "1969-12-31T23:59:59.999999999Z"},
    {1500 * MS, "1970-01-01T00:00:01.5Z"},
    {951782400 * S, "2000-02-29T00:00:00Z"},
    {1709164799 * S + 120 * MS, "2024-02-28T23:59:59.12Z"},
    {1795226312926136529, "2026-11-21T01:58:32.926136529Z"},
    {-2208988800 * S, "1900-01-01T00:00:00Z"},
    {INT64_MAX, "2262-04-11T23:47:16.854775807Z"},
    {INT64_MIN + 1, "1677-09-21T00:12:43.145224193Z"},
    {TIME_UNSET, "0001-01-01T00:00:00Z"},
};

START_TEST(times_are_written_and_read_as_go_does_it)
{
    char text[TEXT_TIME_MAX];
    int64_t ns = 0;

    for (size_t i = 0; i < UNIT_COUNT(times); i++) {
        ck_assert_uint_eq(text_time(text, times[i].ns), strlen(times[i].text));
        ck_assert_str_eq(text, times[i].text);
        ck_assert(text_read_time(bytes_of_text(text), &ns));
        ck_assert_int_eq(ns, times[i].ns);
    }
}
END_TEST

START_TEST(any_time_reads_back_and_agrees_with_the_c_library)
{
    struct prng prng;

    prng_seed(&prng, 1);
    for (int i = 0; i < 100000; i++) {
        int64_t want = (int64_t)prng_next(&prng) >> prng_below(&prng, 60);
        time_t seconds = want / S - (want % S < 0);
        char text[TEXT_TIME_MAX], expected[64];
        int64_t ns = 0;
        struct tm tm;

        text_time(text, want);
        ck_assert(text_read_time(bytes_of_text(text), &ns));
        ck_assert_int_eq(ns, want);
        gmtime_r(&seconds, &tm);
        strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", &tm);
        ck_assert_int_eq(strncmp(text, expected, strlen(expected)), 0);
    }
}
END_TEST

START_TEST(offsets_and_fractions_are_understood)
{
    static const struct {
        const char *text;
        int64_t ns;
    } rows[] = {
        {"1970-01-01T01:00:00+01:00", 0},
        {"1969-12-31T18:30:00-05:30", 0},
        {"1970-01-01T00:00:00.1234567891234Z", 123456789},
        {"1970-01-01T00:00:00.000Z", 0},
        {"1970-01-01T00:00:00-00:00", 0},
        {"1970-01-01T5:00:00,5Z", 18000 * S + 500 * MS}, /* Go reads this too */
        {"0001-01-01T05:00:00+05:00", TIME_UNSET},
    };
    int64_t ns = 1;

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        ck_assert(text_read_time(bytes_of_text(rows[i].text), &ns));
        ck_assert_int_eq(ns, rows[i].ns);
    }
}
END_TEST

START_TEST(times_outside_of_the_range_clamp_and_are_not_unset)
{
    int64_t ns = 0;

    ck_assert(text_read_time(BYTES("9999-12-31T23:59:59Z"), &ns) && ns == INT64_MAX);
    ck_assert(text_read_time(BYTES("2262-04-11T23:47:16.854775808Z"), &ns) && ns == INT64_MAX);
    ck_assert(text_read_time(BYTES("1677-09-21T00:12:43.145224192Z"), &ns) && ns == INT64_MIN + 1);
    ck_assert(text_read_time(BYTES("1677-09-21T00:12:43.1Z"), &ns) && ns == INT64_MIN + 1);
    ck_assert(text_read_time(BYTES("0001-01-01T00:00:00.1Z"), &ns) && ns == INT64_MIN + 1);
    ck_assert(text_read_time(BYTES("0001-01-01T00:00:00+01:00"), &ns) && ns == INT64_MIN + 1);
}
END_TEST

START_TEST(what_is_no_time_is_refused_and_leaves_the_value)
{
    static const char *const wrong[] = {
        "",
        "now",
        "2024",
        "2024-01-01",
        "2024-01-01T00:00:00",
        "2024-01-01 00:00:00Z",
        "2024-01-01t00:00:00Z",
        "2024-01-01T00:00:00z",
        "2024-01-01T00:00:00Z ",
        " 2024-01-01T00:00:00Z",
        "24-01-01T00:00:00Z",
        "02024-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2024-00-01T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-01-00T00:00:00Z",
        "2024-01-32T00:00:00Z",
        "2024-04-31T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",
        "2024-01-01T00:00:60Z",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00.+01:00",
        "2024-01-01T00:00:00+1:00",
        "2024-01-01T00:00:00+0100",
        "2024-01-01T00:00:00+25:00",
        "2024-01-01T00:00:00+01:61",
        "2024-01-01T00:00:00+",
        "2024-01-01T00:0:00Z",
        "2024-1-01T00:00:00Z",
        "+024-01-01T00:00:00Z",
    };
    int64_t ns = 7;

    for (size_t i = 0; i < UNIT_COUNT(wrong); i++)
        ck_assert_msg(!text_read_time(bytes_of_text(wrong[i]), &ns), "%s", wrong[i]);
    ck_assert_int_eq(ns, 7);
}
END_TEST

static const struct {
    int64_t ns;
    const char *text;
} durations[] = {
    {0, "0s"},
    {1, "1ns"},
    {-1, "-1ns"},
    {1100, "1.1\xc2\xb5s"},
    {2200000, "2.2ms"},
    {3300 * MS, "3.3s"},
    {500 * MS, "500ms"},
    {999999999, "999.999999ms"},
    {60 * S, "1m0s"},
    {3600 * S, "1h0m0s"},
    {4 * 60 * S + 5 * S, "4m5s"},
    {4 * 60 * S + 5001 * MS, "4m5.001s"},
    {5 * 3600 * S + 6 * 60 * S + 7001 * MS, "5h6m7.001s"},
    {8 * 60 * S + 1, "8m0.000000001s"},
    {INT64_MAX, "2562047h47m16.854775807s"},
    {INT64_MIN, "-2562047h47m16.854775808s"},
};

START_TEST(durations_are_written_as_go_does_it_and_read_back)
{
    char text[40];
    int64_t ns = 1;

    for (size_t i = 0; i < UNIT_COUNT(durations); i++) {
        ck_assert_uint_eq(text_duration(text, durations[i].ns), strlen(durations[i].text));
        ck_assert_str_eq(text, durations[i].text);
        ck_assert(text_read_duration(bytes_of_text(text), &ns));
        ck_assert_int_eq(ns, durations[i].ns);
    }
}
END_TEST

START_TEST(any_duration_reads_back)
{
    struct prng prng;

    prng_seed(&prng, 2);
    for (int i = 0; i < 100000; i++) {
        int64_t want = (int64_t)prng_next(&prng) >> prng_below(&prng, 64);
        char text[40];
        int64_t ns = 0;

        text_duration(text, want);
        ck_assert(text_read_duration(bytes_of_text(text), &ns));
        ck_assert_int_eq(ns, want);
    }
}
END_TEST

START_TEST(durations_are_read_in_all_of_go_s_spellings)
{
    static const struct {
        const char *text;
        int64_t ns;
    } rows[] = {
        {"0", 0},
        {"-0", 0},
        {"+0", 0},
        {"5s", 5 * S},
        {"+5s", 5 * S},
        {"-5s", -5 * S},
        {"5.0s", 5 * S},
        {"5.s", 5 * S},
        {".5s", 500 * MS},
        {"1.5h", 5400 * S},
        {"2h45m", 9900 * S},
        {"1h1h", 7200 * S},
        {"3s2h", 7203 * S},
        {"10us", 10000},
        {"10\xc2\xb5s", 10000},
        {"10\xce\xbcs", 10000},
        {"0.3333333333333333333h", 1200 * S},
        {"0.9223372036854775807h", 3320413933267},
        {"0.100000000000000000000h", 360 * S},
        {"9223372036854775807ns", INT64_MAX},
        {"-9223372036854775808ns", INT64_MIN},
        {"9223372036854775.807us", INT64_MAX},
        {"-2562047h47m16.854775808s", INT64_MIN},
    };
    int64_t ns = 1;

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        ck_assert_msg(text_read_duration(bytes_of_text(rows[i].text), &ns), "%s", rows[i].text);
        ck_assert_int_eq(ns, rows[i].ns);
    }
}
END_TEST

START_TEST(what_is_no_duration_is_refused_and_leaves_the_value)
{
    static const char *const wrong[] = {
        "",
        "3",
        "-",
        "+",
        "s",
        ".",
        "-.",
        ".s",
        "+.s",
        "1d",
        "1 s",
        " 1s",
        "1s ",
        "1.2.3s",
        "--1s",
        "1s-1s",
        "0s0",
        "1e3s",
        "\xc2\xb5s",
        "9223372036854775808ns",
        "9223372036854775810ns",
        "-9223372036854775809ns",
        "9223372036854775.808us",
        "3000000h",
        "9223372036854775807ns1ns",
        "99999999999999999999999ns",
        "1S",
        "1sm",
    };
    int64_t ns = 7;

    for (size_t i = 0; i < UNIT_COUNT(wrong); i++)
        ck_assert_msg(!text_read_duration(bytes_of_text(wrong[i]), &ns), "%s", wrong[i]);
    ck_assert_int_eq(ns, 7);
}
END_TEST

START_TEST(base62_uses_all_of_its_letters_and_no_other)
{
    bool seen[256] = {false};
    struct prng prng;
    char text[5000];
    int count = 0;

    prng_seed(&prng, 3);
    text_base62(&prng, text, sizeof(text));
    for (size_t i = 0; i < sizeof(text); i++) {
        ck_assert_ptr_nonnull(memchr(TEXT_BASE62, text[i], 62));
        seen[(uint8_t)text[i]] = true;
    }
    for (int i = 0; i < 256; i++)
        count += seen[i];
    ck_assert_int_eq(count, 62);
    ck_assert_uint_eq(strlen(TEXT_BASE62), 62);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        times_are_written_and_read_as_go_does_it,
        any_time_reads_back_and_agrees_with_the_c_library,
        offsets_and_fractions_are_understood,
        times_outside_of_the_range_clamp_and_are_not_unset,
        what_is_no_time_is_refused_and_leaves_the_value,
        durations_are_written_as_go_does_it_and_read_back,
        any_duration_reads_back,
        durations_are_read_in_all_of_go_s_spellings,
        what_is_no_duration_is_refused_and_leaves_the_value,
        base62_uses_all_of_its_letters_and_no_other,
    };

    return UNIT_RUN_PLAIN("text", tests);
}
