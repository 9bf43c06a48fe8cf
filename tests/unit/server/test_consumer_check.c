#include "server/api/consumer_check.h"

#include "server/api/api.h"
#include "tests/unit/unit.h"

struct row {
    const char *json;
    bool pedantic;
    uint16_t error;
    const char *expected;
};

static const struct row rows[] = {
#include "tests/unit/server/consumer_check_rows.inc"
};

static void parse(struct arena *arena, const struct schema *schema, const char *text, void *config)
{
    struct json_error error;
    struct json *json = json_parse(arena, bytes_of_text(text), &error);

    ck_assert_msg(json != NULL, "%s: %s", text, error.text);
    schema_clear(schema, config);
    ck_assert_msg(schema_parse(schema, json, true, arena, config, &error), "%s: %s", text,
                  error.text);
}

static const char *description(const struct verdict *verdict)
{
    return verdict->text[0] != 0 ? verdict->text : api_error(verdict->error)->description;
}

static void check(struct arena *arena, const char *stream_json, bool pedantic,
                  struct consumer_config *config, struct verdict *verdict)
{
    struct stream_config stream;

    parse(arena, &stream_config_schema, stream_json, &stream);
    consumer_check(config, &stream, pedantic, arena, verdict);
}

static void check_encoded(const struct consumer_config *config, const char *expected)
{
    struct json_writer writer;
    struct buf out;

    buf_init(&out, 1u << 20);
    json_writer_init(&writer, &out);
    schema_encode(&consumer_config_schema, config, &writer);
    ck_assert(buf_add_byte(&out, 0));
    ck_assert_str_eq((const char *)out.at, expected);
    buf_deinit(&out);
}

#define STREAM "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"num_replicas\":1}"

START_TEST(configs_are_normalised_and_refused_as_the_reference_does)
{
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct verdict verdict;
        struct consumer_config config;
        struct arena arena;

        arena_init(&arena, 4u << 20);
        parse(&arena, &consumer_config_schema, rows[i].json, &config);
        check(&arena, STREAM, rows[i].pedantic, &config, &verdict);
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

START_TEST(a_normalised_config_stays_as_it_is)
{
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct verdict verdict;
        struct consumer_config config;
        struct arena arena;

        if (rows[i].error != 0)
            continue;
        arena_init(&arena, 4u << 20);
        parse(&arena, &consumer_config_schema, rows[i].expected, &config);
        check(&arena, STREAM, true, &config, &verdict);
        ck_assert_msg(verdict.error == 0, "%s: %s", rows[i].expected, description(&verdict));
        check_encoded(&config, rows[i].expected);
        arena_deinit(&arena);
    }
}
END_TEST

static const struct {
    const char *stream, *consumer;
    bool pedantic;
    uint16_t error;
    const char *text;
    int64_t pending, threshold;
} limits[] = {
    {"{\"consumer_limits\":{\"max_ack_pending\":5,\"inactive_threshold\":7}}",
     "{\"ack_policy\":\"explicit\"}", false, 0, "", 5, 7},
    {"{\"consumer_limits\":{\"max_ack_pending\":5}}",
     "{\"ack_policy\":\"explicit\",\"max_ack_pending\":6}", false, 10121,
     "consumer max ack pending exceeds system limit of 5", 0, 0},
    {"{\"consumer_limits\":{\"inactive_threshold\":1000000000}}",
     "{\"inactive_threshold\":2000000000}", false, 10153,
     "consumer inactive threshold exceeds system limit of 1s", 0, 0},
    {"{\"consumer_limits\":{\"max_ack_pending\":5}}", "{\"ack_policy\":\"explicit\"}", true, 10157,
     "pedantic mode: max_ack_pending must be set if it's configured in stream limits", 0, 0},
    {"{\"consumer_limits\":{\"inactive_threshold\":5}}",
     "{\"ack_policy\":\"explicit\",\"max_ack_pending\":5}", true, 10157,
     "pedantic mode: inactive_threshold must be set if it's configured in stream limits", 0, 0},
    {"{}", "{\"durable_name\":\"C\",\"ack_policy\":\"all\"}", false, 0, "", 1000, 0},
    {"{}", "{\"ack_policy\":\"all\"}", false, 0, "", 1000, 5000000000},
};

START_TEST(limits_of_the_stream_are_defaults_and_ceilings)
{
    for (size_t i = 0; i < UNIT_COUNT(limits); i++) {
        struct verdict verdict;
        struct consumer_config config;
        struct arena arena;

        arena_init(&arena, 4u << 20);
        parse(&arena, &consumer_config_schema, limits[i].consumer, &config);
        config.name = BYTES("C");
        check(&arena, limits[i].stream, limits[i].pedantic, &config, &verdict);
        ck_assert_msg(verdict.error == limits[i].error, "%s %s: %u %s", limits[i].stream,
                      limits[i].consumer, verdict.error, description(&verdict));
        if (verdict.error != 0) {
            ck_assert_str_eq(description(&verdict), limits[i].text);
        } else {
            ck_assert_int_eq(config.max_ack_pending, limits[i].pending);
            ck_assert_int_eq(config.inactive_threshold_ns, limits[i].threshold);
        }
        arena_deinit(&arena);
    }
}
END_TEST

static const struct {
    const char *from, *to;
    bool bound;
    uint16_t error;
    const char *text;
} updates[] = {
    {"{}",
     "{\"description\":\"x\",\"ack_wait\":5,\"filter_subject\":\"s\",\"max_ack_pending\":5,"
     "\"metadata\":{}}",
     false, 0, ""},
    {"{}", "{\"deliver_policy\":\"new\"}", false, 10012, "deliver policy can not be updated"},
    {"{}", "{\"mem_storage\":true}", false, 10012, "storage type can not be updated"},
    {"{\"direct\":true}", "{}", false, 10012, "direct can not be updated"},
    {"{\"sourcing\":true}", "{}", false, 0, ""},
    {"{}", "{\"opt_start_seq\":5}", false, 10012, "start sequence can not be updated"},
    {"{}", "{\"opt_start_time\":\"2026-01-01T00:00:00Z\"}", false, 10012,
     "start time can not be updated"},
    {"{}", "{\"ack_policy\":\"all\"}", false, 10012, "ack policy can not be updated"},
    {"{}", "{\"replay_policy\":\"original\"}", false, 10012, "replay policy can not be updated"},
    {"{\"deliver_subject\":\"d\"}", "{\"deliver_subject\":\"d\",\"idle_heartbeat\":5}", false,
     10012, "heart beats can not be updated"},
    {"{\"deliver_subject\":\"d\"}", "{\"deliver_subject\":\"d\",\"flow_control\":true}", false,
     10012, "flow control can not be updated"},
    {"{}", "{\"deliver_subject\":\"d\"}", false, 10012,
     "can not update pull consumer to push based"},
    {"{\"deliver_subject\":\"d\"}", "{}", false, 10012,
     "can not update push consumer to pull based"},
    {"{\"deliver_subject\":\"d\"}", "{\"deliver_subject\":\"e\"}", false, 0, ""},
    {"{\"deliver_subject\":\"d\"}", "{\"deliver_subject\":\"e\"}", true, 10013,
     "consumer name already in use"},
    {"{\"deliver_subject\":\"d\"}", "{\"deliver_subject\":\"d\",\"description\":\"x\"}", true, 0,
     ""},
    {"{\"max_waiting\":512}", "{\"max_waiting\":5}", false, 10012,
     "max waiting can not be updated"},
};

START_TEST(updates_change_only_what_may_change)
{
    for (size_t i = 0; i < UNIT_COUNT(updates); i++) {
        struct consumer_config from, to;
        struct verdict verdict;
        struct arena arena;

        arena_init(&arena, 4u << 20);
        parse(&arena, &consumer_config_schema, updates[i].from, &from);
        parse(&arena, &consumer_config_schema, updates[i].to, &to);
        consumer_check_update(&from, &to, updates[i].bound, &verdict);
        ck_assert_msg(verdict.error == updates[i].error, "%s -> %s: %u %s", updates[i].from,
                      updates[i].to, verdict.error, description(&verdict));
        ck_assert_str_eq(verdict.error != 0 ? description(&verdict) : "", updates[i].text);
        arena_deinit(&arena);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        configs_are_normalised_and_refused_as_the_reference_does,
        a_normalised_config_stays_as_it_is,
        limits_of_the_stream_are_defaults_and_ceilings,
        updates_change_only_what_may_change,
    };

    return UNIT_RUN_PLAIN("consumer_check", tests);
}
