#include "server/api/stream_check.h"

#include <stdio.h>

#include "server/api/api.h"
#include "tests/unit/unit.h"

struct row {
    const char *json;
    uint16_t error;
    const char *expected;
};

static const struct row rows[] = {
#include "tests/unit/server/stream_check_rows.inc"
};

static void parse(struct arena *arena, const char *text, struct stream_config *config)
{
    struct json_error error;
    struct json *json = json_parse(arena, bytes_of_text(text), &error);

    ck_assert_msg(json != NULL, "%s: %s", text, error.text);
    schema_clear(&stream_config_schema, config);
    ck_assert_msg(schema_parse(&stream_config_schema, json, false, arena, config, &error), "%s: %s",
                  text, error.text);
}

static bool is_pedantic(const char *json)
{
    return strstr(json, "\"pedantic\":true") != NULL;
}

static const char *description(const struct verdict *verdict)
{
    return verdict->text[0] != 0 ? verdict->text : api_error(verdict->error)->description;
}

static void check_encoded(const struct stream_config *config, const char *expected)
{
    struct json_writer writer;
    struct buf out;

    buf_init(&out, 1u << 20);
    json_writer_init(&writer, &out);
    schema_encode(&stream_config_schema, config, &writer);
    ck_assert(buf_add_byte(&out, 0));
    ck_assert_str_eq((const char *)out.at, expected);
    buf_deinit(&out);
}

START_TEST(configs_are_normalised_and_refused_as_the_reference_does)
{
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct verdict verdict;
        struct stream_config config;
        struct arena arena;

        arena_init(&arena, 4u << 20);
        parse(&arena, rows[i].json, &config);
        stream_check(&config, is_pedantic(rows[i].json), &arena, &verdict);
        if (rows[i].error == 10074)
            stream_check_built(&config, false, &verdict);
        ck_assert_msg(verdict.error == rows[i].error, "%s: %u %s", rows[i].json, verdict.error,
                      description(&verdict));
        if (verdict.error != 0)
            ck_assert_str_eq(description(&verdict), rows[i].expected);
        else
            check_encoded(&config, rows[i].expected);
        arena_deinit(&arena);
    }
}
END_TEST

/* What the server shows is what clients send back. */
START_TEST(a_normalised_config_stays_as_it_is)
{
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct verdict verdict;
        struct stream_config config;
        struct arena arena;

        if (rows[i].error != 0)
            continue;
        arena_init(&arena, 4u << 20);
        parse(&arena, rows[i].expected, &config);
        stream_check(&config, true, &arena, &verdict);
        ck_assert_msg(verdict.error == 0, "%s: %s", rows[i].expected, description(&verdict));
        check_encoded(&config, rows[i].expected);
        arena_deinit(&arena);
    }
}
END_TEST

static const struct {
    const char *json, *refused;
} built[] = {
    {"{}", NULL},
    {"{\"storage\":\"memory\"}", NULL},
    {"{\"retention\":\"workqueue\"}", NULL},
    {"{\"compression\":\"s2\"}", NULL},
    {"{\"allow_msg_counter\":true,\"sources\":[{\"name\":\"X\"}]}", NULL},
    {"{\"placement\":{\"cluster\":\"x\"}}", NULL},
    {"{\"placement\":{}}", NULL},
    {"{\"allow_msg_ttl\":true}", NULL},
    {"{\"subject_delete_marker_ttl\":1000000000}", NULL},
    {"{\"persist_mode\":\"async\"}", NULL},
    {"{\"persist_mode\":\"default\"}", NULL},
};

START_TEST(what_is_not_built_is_refused_by_name)
{
    for (size_t i = 0; i < UNIT_COUNT(built); i++) {
        struct verdict verdict;
        struct stream_config config;
        struct arena arena;
        char expected[128] = "";

        arena_init(&arena, 4u << 20);
        parse(&arena, built[i].json, &config);
        config.name = BYTES("S");
        stream_check(&config, false, &arena, &verdict);
        ck_assert_msg(verdict.error == 0, "%s: %s", built[i].json, description(&verdict));
        stream_check_built(&config, false, &verdict);
        if (built[i].refused != NULL)
            snprintf(expected, sizeof expected, "%s is not supported by this version of Millrace",
                     built[i].refused);
        ck_assert_uint_eq(verdict.error, built[i].refused != NULL ? 10052 : 0);
        ck_assert_str_eq(verdict.text, expected);
        arena_deinit(&arena);
    }
}
END_TEST

#define UPDATE "stream configuration update can not "
static const struct {
    const char *from, *to;
    uint16_t error;
    const char *text;
} updates[] = {
    {"{}", "{\"max_msgs\":5,\"subjects\":[\"x\"],\"deny_delete\":true,\"first_seq\":7}", 0, ""},
    {"{}", "{\"storage\":\"memory\",\"retention\":\"workqueue\"}", 10052,
     UPDATE "change storage type"},
    {"{}", "{\"retention\":\"workqueue\"}", 10052,
     UPDATE "change retention policy to/from workqueue"},
    {"{\"retention\":\"workqueue\"}", "{}", 10052,
     UPDATE "change retention policy to/from workqueue"},
    {"{\"retention\":\"interest\"}", "{}", 0, ""},
    {"{\"sealed\":true}", "{}", 10052, UPDATE "unseal a sealed stream"},
    {"{\"deny_delete\":true}", "{}", 10052, UPDATE "cancel deny message deletes"},
    {"{\"deny_purge\":true}", "{}", 10052, UPDATE "cancel deny purge"},
    {"{}", "{\"mirror\":{\"name\":\"X\"}}", 10055, ""},
    {"{\"mirror\":{\"name\":\"X\"}}", "{}", 0, ""},
    {"{\"mirror\":{\"name\":\"X\"}}", "{\"mirror\":{\"name\":\"Y\"}}", 10055, ""},
    {"{\"allow_msg_ttl\":true}", "{}", 10052, "message TTL status can not be disabled"},
    {"{}", "{\"allow_msg_counter\":true}", 10052, UPDATE "change message counter setting"},
    {"{\"allow_msg_schedules\":true}", "{}", 10052, "message schedules can not be disabled"},
    {"{}", "{\"persist_mode\":\"async\"}", 10052, UPDATE "change persist mode"},
};

START_TEST(updates_change_only_what_may_change)
{
    for (size_t i = 0; i < UNIT_COUNT(updates); i++) {
        struct stream_config from, to;
        struct verdict verdict;
        struct arena arena;

        arena_init(&arena, 4u << 20);
        parse(&arena, updates[i].from, &from);
        parse(&arena, updates[i].to, &to);
        stream_check_update(&from, &to, &verdict);
        ck_assert_msg(verdict.error == updates[i].error, "%s -> %s: %u", updates[i].from,
                      updates[i].to, verdict.error);
        ck_assert_str_eq(verdict.text, updates[i].text);
        arena_deinit(&arena);
    }
}
END_TEST

START_TEST(sealing_takes_what_could_change_a_sealed_stream)
{
    struct stream_config from, to;
    struct verdict verdict;
    struct arena arena;

    arena_init(&arena, 4u << 20);
    parse(&arena, "{\"allow_rollup_hdrs\":true,\"max_age\":1000000000}", &from);
    parse(&arena, "{\"sealed\":true,\"allow_rollup_hdrs\":true,\"max_age\":1000000000}", &to);
    stream_check_update(&from, &to, &verdict);
    ck_assert_uint_eq(verdict.error, 0);
    ck_assert(to.sealed && to.deny_delete && to.deny_purge && !to.allow_rollup_hdrs);
    ck_assert_int_eq(to.max_age_ns, 0);
    ck_assert_int_eq(to.discard, DISCARD_NEW);
    arena_deinit(&arena);
}
END_TEST

START_TEST(streams_overlap_when_one_message_fits_both)
{
    static const struct {
        const char *a, *b;
        bool overlap;
    } pairs[] = {
        {"{\"subjects\":[\"a\",\"b\"]}", "{\"subjects\":[\"c\",\"b\"]}", true},
        {"{\"subjects\":[\"a.*\"]}", "{\"subjects\":[\"*.b\"]}", true},
        {"{\"subjects\":[\"a.*\"]}", "{\"subjects\":[\"a.b.c\",\"a\"]}", false},
        {"{\"subjects\":[\">\"]}", "{}", false},
    };

    for (size_t i = 0; i < UNIT_COUNT(pairs); i++) {
        struct stream_config a, b;
        struct arena arena;

        arena_init(&arena, 4u << 20);
        parse(&arena, pairs[i].a, &a);
        parse(&arena, pairs[i].b, &b);
        ck_assert(stream_check_overlap(&a, &b) == pairs[i].overlap);
        ck_assert(stream_check_overlap(&b, &a) == pairs[i].overlap);
        arena_deinit(&arena);
    }
}
END_TEST

START_TEST(the_number_of_subjects_is_bounded)
{
    struct stream_config config;
    struct verdict verdict;
    struct arena arena;

    arena_init(&arena, 4u << 20);
    parse(&arena, "{\"name\":\"S\"}", &config);
    config.subjects.count = STREAM_SUBJECTS_MAX + 1;
    config.subjects.at = ARENA_ARRAY(&arena, struct bytes, config.subjects.count);
    stream_check(&config, false, &arena, &verdict);
    ck_assert_uint_eq(verdict.error, 10052);
    arena_deinit(&arena);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        configs_are_normalised_and_refused_as_the_reference_does,
        a_normalised_config_stays_as_it_is,
        what_is_not_built_is_refused_by_name,
        updates_change_only_what_may_change,
        sealing_takes_what_could_change_a_sealed_stream,
        streams_overlap_when_one_message_fits_both,
        the_number_of_subjects_is_bounded,
    };

    return UNIT_RUN_PLAIN("stream_check", tests);
}
