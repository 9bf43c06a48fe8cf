#include "cli/args.h"
#include "cli/near.h"
#include "tests/unit/unit.h"

static const struct flag own[] = {
    {"count", 'c', FLAG_NUMBER, "N", "", NULL},    {"size", 0, FLAG_SIZE, "SIZE", "", NULL},
    {"age", 0, FLAG_DURATION, "AGE", "", NULL},    {"name", 'n', FLAG_TEXT, "NAME", "", NULL},
    {"header", 'H', FLAG_LIST, "FIELD", "", NULL}, {"raw", 'r', FLAG_SWITCH, NULL, "", NULL},
};
static const struct flag shared[] = {
    {"server", 's', FLAG_TEXT, "URL", "", NULL},
    {"json", 'j', FLAG_SWITCH, NULL, "", NULL},
};

static struct arena arena;

static bool parse(struct args *args, int count, const char *const *words)
{
    return args_parse(args, (struct flag_set){own, 6}, (struct flag_set){shared, 2}, count, words,
                      &arena);
}
#define PARSE(args, ...)                                                                           \
    parse(args, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                            \
          (const char *[]){__VA_ARGS__})

START_TEST(words_and_flags_come_in_any_order_and_form)
{
    struct args args;

    ck_assert(PARSE(&args, "a", "--count", "3", "-rj", "b", "-nme", "--server=u", "-H", "x:1",
                    "--header=y:2", "--", "--count"));
    ck_assert_uint_eq(args.word_count, 3);
    ck_assert_str_eq(args_word(&args, 2), "--count");
    ck_assert_ptr_null(args_word(&args, 3));
    ck_assert_int_eq(args_number(&args, "count", 1), 3);
    ck_assert(args_on(&args, "raw") && args_on(&args, "json"));
    ck_assert_str_eq(args_text(&args, "name"), "me");
    ck_assert_str_eq(args_text(&args, "server"), "u");
    ck_assert_uint_eq(args_flag(&args, "header")->count, 2);
    ck_assert_str_eq(args_flag(&args, "header")->list[1], "y:2");
    ck_assert_int_eq(args_number(&args, "size", -5), -5);
}
END_TEST

START_TEST(negative_numbers_are_values_and_words_and_no_flags)
{
    struct args args;

    ck_assert(PARSE(&args, "--count", "-1", "-2"));
    ck_assert_int_eq(args_number(&args, "count", 0), -1);
    ck_assert_str_eq(args_word(&args, 0), "-2");
}
END_TEST

START_TEST(a_switch_can_be_turned_off_but_not_both_ways)
{
    struct args args;

    ck_assert(PARSE(&args, "--no-raw"));
    ck_assert(args_flag(&args, "raw")->given && !args_on(&args, "raw"));
    ck_assert(!PARSE(&args, "--raw", "--no-raw"));
    ck_assert(!PARSE(&args, "--raw=perhaps"));
}
END_TEST

START_TEST(what_is_wrong_is_named)
{
    static const struct {
        const char *words[2];
        const char *says;
    } rows[] = {
        {{"--cuont", "1"}, "unknown flag --cuont: did you mean --count?"},
        {{"-x", "1"}, "unknown flag -x"},
        {{"--count", "many"}, "--count takes a whole number, not \"many\""},
        {{"--count=", "x"}, "--count takes a whole number, not \"\""},
        {{"--size", "12Q"}, "--size takes a size such as 512, 64KB or 1GiB, not \"12Q\""},
        {{"--age", "1"}, "--age takes a duration such as 500ms, 2h30m or 7d, not \"1\""},
        {{"x", "--name"}, "--name needs a value: --name NAME"},
        {{"-na", "-nb"}, "--name is given twice"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct args args;

        ck_assert(!parse(&args, 2, rows[i].words));
        ck_assert_str_eq(args.error, rows[i].says);
    }
}
END_TEST

START_TEST(sizes_have_units_and_do_not_overflow)
{
    int64_t value;

    ck_assert(args_read_size("512", &value) && value == 512);
    ck_assert(args_read_size("64KB", &value) && value == 65536);
    ck_assert(args_read_size("1MiB", &value) && value == 1048576);
    ck_assert(args_read_size("2g", &value) && value == INT64_C(2) << 30);
    ck_assert(args_read_size("-1", &value) && value == -1);
    ck_assert(!args_read_size("", &value) && !args_read_size("KB", &value));
    ck_assert(!args_read_size("9000000P", &value));
}
END_TEST

START_TEST(durations_know_days_and_longer)
{
    const int64_t hour = INT64_C(3600000000000);
    int64_t value;

    ck_assert(args_read_duration("1h30m", &value) && value == hour * 3 / 2);
    ck_assert(args_read_duration("7d", &value) && value == 168 * hour);
    ck_assert(args_read_duration("1w2d3h", &value) && value == (9 * 24 + 3) * hour);
    ck_assert(args_read_duration("1M", &value) && value == 720 * hour);
    ck_assert(args_read_duration("-1", &value) && value == -1);
    ck_assert(args_read_duration("-5s", &value) && value == -5000000000);
    ck_assert(!args_read_duration("", &value) && !args_read_duration("--5s", &value));
    ck_assert(!args_read_duration("999999y", &value) && !args_read_duration("5", &value));
}
END_TEST

START_TEST(the_nearest_word_is_found_and_a_far_one_is_not)
{
    struct near near;

    ck_assert_uint_eq(near_distance("pbu", "pub"), 1);
    ck_assert_uint_eq(near_distance("", "abc"), 3);
    ck_assert_uint_eq(near_distance("kitten", "sitting"), 3);
    near_init(&near, "inof");
    near_offer(&near, "ls");
    near_offer(&near, "info");
    ck_assert_str_eq(near.best, "info");
    near_init(&near, "zebra");
    near_offer(&near, "info");
    ck_assert_ptr_null(near.best);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        words_and_flags_come_in_any_order_and_form,
        negative_numbers_are_values_and_words_and_no_flags,
        a_switch_can_be_turned_off_but_not_both_ways,
        what_is_wrong_is_named,
        sizes_have_units_and_do_not_overflow,
        durations_know_days_and_longer,
        the_nearest_word_is_found_and_a_far_one_is_not,
    };

    arena_init(&arena, SIZE_MAX / 4);
    return UNIT_RUN_PLAIN("args", tests);
}
