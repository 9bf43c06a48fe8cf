#include <stdio.h>

#include "server/api/consumer_check.h"
#include "tests/unit/unit.h"

#define MANY 8192u

/* The refusal of a consumer with these filters on a stream of anything; 0: it is taken. */
static uint16_t verdict_of(struct bytes *filters, size_t count)
{
    struct stream_config stream;
    struct consumer_config config;
    struct verdict verdict;
    struct arena arena;

    arena_init(&arena, 1u << 20);
    schema_clear(&stream_config_schema, &stream);
    stream.num_replicas = 1;
    schema_clear(&consumer_config_schema, &config);
    config.name = BYTES("C");
    config.ack_policy = ACK_EXPLICIT;
    config.filter_subjects = (struct schema_strings){filters, count};
    consumer_check(&config, &stream, false, &arena, &verdict);
    arena_deinit(&arena);
    return verdict.error;
}

START_TEST(filters_that_cover_one_another_are_refused)
{
    static const char *const pairs[][2] = {
        {"a", "a"},     {"a.*", "a.b"},     {"a.b", "a.*"},       {"a.>", "a.*"},
        {"a.*", "a.>"}, {">", "x"},         {"a.>", "a.b.c"},     {"*.b", "a.b"},
        {"*", "a"},     {"a.*.c", "a.*.c"}, {"a.*.>", "a.b.*.d"},
    };

    for (size_t i = 0; i < UNIT_COUNT(pairs); i++) {
        struct bytes filters[] = {BYTES("z"), bytes_of_text(pairs[i][0]),
                                  bytes_of_text(pairs[i][1])};

        ck_assert_msg(verdict_of(filters, 3) == 10138, "%s %s", pairs[i][0], pairs[i][1]);
    }
}
END_TEST

START_TEST(filters_that_only_meet_are_taken)
{
    static const char *const pairs[][2] = {
        {"a.*.x", "a.b.*"}, {"a", "a.>"},     {"a.*", "a"}, {"a.b", "a.c"},
        {"*.b", "a.*"},     {"a.*", "a.*.c"}, {"a", "b"},
    };

    for (size_t i = 0; i < UNIT_COUNT(pairs); i++) {
        struct bytes filters[] = {bytes_of_text(pairs[i][0]), bytes_of_text(pairs[i][1])};

        ck_assert_msg(verdict_of(filters, 2) == 0, "%s %s", pairs[i][0], pairs[i][1]);
    }
}
END_TEST

START_TEST(thousands_of_filters_are_taken_and_one_more_is_refused)
{
    static char texts[MANY + 1][16];
    static struct bytes filters[MANY + 1];

    for (size_t i = 0; i <= MANY; i++) {
        snprintf(texts[i], sizeof texts[i], "s.%zu", i);
        filters[i] = bytes_of_text(texts[i]);
    }
    ck_assert_uint_eq(verdict_of(filters, MANY), 0);
    ck_assert_uint_eq(verdict_of(filters, MANY + 1), 10012);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        filters_that_cover_one_another_are_refused,
        filters_that_only_meet_are_taken,
        thousands_of_filters_are_taken_and_one_more_is_refused,
    };

    return UNIT_RUN_PLAIN("consumer_filters", tests);
}
