#include <stddef.h>

#include "base/schema.h"
#include "base/text.h"
#include "tests/unit/unit.h"

#define ARENA_MAX (16u << 20)

struct limits {
    int64_t wait_ns, pending;
};
static const struct schema_field limit_fields[] = {
    {"wait", SCHEMA_INT64, SCHEMA_NS, offsetof(struct limits, wait_ns)},
    {"pending", SCHEMA_INT64, SCHEMA_GO_INT, offsetof(struct limits, pending)},
};
static const struct schema limits_schema = {"Limits", sizeof(struct limits), limit_fields, 2};

struct origin {
    struct bytes name;
    int64_t since_ns;
    struct schema_objects parts;
};
static const struct schema_field origin_fields[] = {
    {"name", SCHEMA_STRING, SCHEMA_ALWAYS, offsetof(struct origin, name)},
    {"since", SCHEMA_TIME, SCHEMA_GIVEN, offsetof(struct origin, since_ns)},
    {"parts", SCHEMA_OBJECTS, 0, offsetof(struct origin, parts), NULL, &limits_schema},
};
static const struct schema origin_schema = {"Origin", sizeof(struct origin), origin_fields, 3};

struct config {
    struct bytes name;
    bool on;
    int32_t small;
    int64_t count;
    uint64_t sequence;
    int64_t age_ns;
    int64_t at_ns;
    int32_t color, shape, mode, word;
    struct schema_strings subjects;
    struct schema_ints waits;
    struct schema_map metadata;
    struct limits limits;
    void *origin;
    struct schema_objects origins;
    int64_t later;
};
#define AT(field) offsetof(struct config, field)
static const char *const colors[] = {"red", "green", NULL};
static const char *const shapes[] = {"", "round", NULL};
static const struct schema_field config_fields[] = {
    {"name", SCHEMA_STRING, SCHEMA_ALWAYS, AT(name)},
    {"on", SCHEMA_BOOL, 0, AT(on)},
    {"small", SCHEMA_INT32, 0, AT(small)},
    {"count", SCHEMA_INT64, SCHEMA_ALWAYS, AT(count)},
    {"sequence", SCHEMA_UINT64, 0, AT(sequence)},
    {"age", SCHEMA_INT64, SCHEMA_NS, AT(age_ns)},
    {"at", SCHEMA_TIME, 0, AT(at_ns)},
    {"color", SCHEMA_ENUM, SCHEMA_NOCASE, AT(color), colors},
    {"shape", SCHEMA_ENUM, 0, AT(shape), shapes, NULL, "unknown shape: %s"},
    {"mode", SCHEMA_ENUM, SCHEMA_EMPTY_OK | SCHEMA_REFUSED, AT(mode), colors},
    {"word", SCHEMA_ENUM, 0, AT(word), colors, NULL, "unknown word"},
    {"subjects", SCHEMA_STRINGS, 0, AT(subjects)},
    {"waits", SCHEMA_INTS, 0, AT(waits)},
    {"metadata", SCHEMA_MAP, 0, AT(metadata)},
    {"limits", SCHEMA_EMBEDDED, SCHEMA_ALWAYS, AT(limits), NULL, &limits_schema},
    {"origin", SCHEMA_OBJECT, SCHEMA_REFUSED, AT(origin), NULL, &origin_schema},
    {"origins", SCHEMA_OBJECTS, SCHEMA_POINTERS, AT(origins), NULL, &origin_schema},
    {"later", SCHEMA_INT64, SCHEMA_REFUSED, AT(later)},
};
static const struct schema config_schema = {"Request.Config", sizeof(struct config), config_fields,
                                            sizeof config_fields / sizeof config_fields[0]};

struct request {
    struct config config;
    bool pedantic;
};
static const struct schema_field request_fields[] = {
    {"pedantic", SCHEMA_BOOL, 0, offsetof(struct request, pedantic)},
};
static const struct schema request_schema = {"Request", sizeof(struct request), request_fields, 1,
                                             &config_schema};

struct wrapper {
    void *config;
};
static const struct schema_field wrapper_fields[] = {
    {"config", SCHEMA_OBJECT, 0, offsetof(struct wrapper, config), NULL, &limits_schema},
};
static const struct schema wrapper_schema = {"Wrapper", sizeof(struct wrapper), wrapper_fields, 1};

static bool parse(struct arena *arena, const struct schema *schema, const char *text, bool strict,
                  void *out, struct json_error *error)
{
    struct json *json = json_parse(arena, bytes_of_text(text), error);

    ck_assert_msg(json != NULL, "%s: %s", text, error->text);
    schema_clear(schema, out);
    return schema_parse(schema, json, strict, arena, out, error);
}

static void check_encoded(const struct schema *schema, const void *in, const char *expected)
{
    struct json_writer writer;
    struct buf out;

    buf_init(&out, 1u << 20);
    json_writer_init(&writer, &out);
    schema_encode(schema, in, &writer);
    ck_assert(buf_add_byte(&out, 0));
    ck_assert_str_eq((const char *)out.at, expected);
    buf_deinit(&out);
}

/* What is read, printed again. */
static const struct {
    const char *json, *encoded;
} round_trips[] = {
    {"{}", "{\"name\":\"\",\"count\":0,\"limits\":{}}"},
    {"null", "{\"name\":\"\",\"count\":0,\"limits\":{}}"},
    {"{\"name\":\"a\\u0041\",\"on\":true,\"small\":-5,\"count\":-1,\"sequence\":"
     "18446744073709551615,\"age\":5}",
     "{\"name\":\"aA\",\"on\":true,\"small\":-5,\"count\":-1,\"sequence\":18446744073709551615,"
     "\"age\":5,"
     "\"limits\":{}}"},
    {"{\"NAME\":\"x\",\"On\":true}", "{\"name\":\"x\",\"on\":true,\"count\":0,\"limits\":{}}"},
    {"{\"name\":\"x\",\"name\":\"y\",\"count\":1,\"count\":2}",
     "{\"name\":\"y\",\"count\":2,\"limits\":{}}"},
    {"{\"name\":null,\"on\":null,\"small\":null,\"sequence\":null,\"at\":null,\"subjects\":null,"
     "\"waits\":null,"
     "\"metadata\":null,\"limits\":null,\"origin\":null,\"origins\":null}",
     "{\"name\":\"\",\"count\":0,\"limits\":{}}"},
    {"{\"at\":\"2026-01-02T03:04:05.5Z\"}",
     "{\"name\":\"\",\"count\":0,\"at\":\"2026-01-02T03:04:05.5Z\",\"limits\":{}}"},
    {"{\"at\":\"0001-01-01T00:00:00Z\"}", "{\"name\":\"\",\"count\":0,\"limits\":{}}"},
    {"{\"color\":\"GREEN\",\"shape\":\"round\",\"mode\":\"\"}",
     "{\"name\":\"\",\"count\":0,\"color\":\"green\",\"shape\":\"round\",\"limits\":{}}"},
    {"{\"subjects\":[\"a\",null,\"b\"],\"waits\":[1,null,-2]}",
     "{\"name\":\"\",\"count\":0,\"subjects\":[\"a\",\"\",\"b\"],\"waits\":[1,0,-2],\"limits\":{}"
     "}"},
    {"{\"subjects\":[],\"metadata\":{}}", "{\"name\":\"\",\"count\":0,\"limits\":{}}"},
    {"{\"metadata\":{\"b\":\"1\",\"a\":\"2\",\"c\":null,\"b\":\"3\"}}",
     "{\"name\":\"\",\"count\":0,\"metadata\":{\"a\":\"2\",\"b\":\"3\",\"c\":\"\"},\"limits\":{}}"},
    {"{\"origin\":{\"since\":\"0001-01-01T00:00:00Z\"}}",
     "{\"name\":\"\",\"count\":0,\"limits\":{},\"origin\":{\"name\":\"\",\"since\":\"0001-01-01T00:"
     "00:00Z\"}}"},
    {"{\"limits\":{\"wait\":7}}", "{\"name\":\"\",\"count\":0,\"limits\":{\"wait\":7}}"},
    {"{\"origin\":{},\"origins\":[{\"name\":\"o\",\"parts\":[{\"wait\":1},{}]},null]}",
     "{\"name\":\"\",\"count\":0,\"limits\":{},\"origin\":{\"name\":\"\"},"
     "\"origins\":[{\"name\":\"o\",\"parts\":[{\"wait\":1},{}]},{\"name\":\"\"}]}"},
};

START_TEST(what_is_read_is_written_again_normalised)
{
    for (size_t i = 0; i < UNIT_COUNT(round_trips); i++) {
        struct arena arena;
        struct json_error error;
        struct config config;

        arena_init(&arena, ARENA_MAX);
        ck_assert_msg(parse(&arena, &config_schema, round_trips[i].json, true, &config, &error),
                      "%s: %s", round_trips[i].json, error.text);
        check_encoded(&config_schema, &config, round_trips[i].encoded);
        arena_deinit(&arena);
    }
}
END_TEST

static const struct {
    const char *json, *text;
} refusals[] = {
    {"[]", "json: cannot unmarshal array into Go value of type server.Request"},
    {"5", "json: cannot unmarshal number into Go value of type server.Request"},
    {"\"x\"", "json: cannot unmarshal string into Go value of type server.Request"},
    {"{\"nam\":1}", "json: unknown field \"nam\""},
    {"{\"limits\":{\"x\":1}}", "json: unknown field \"x\""},
    {"{\"pedantic\":1}",
     "json: cannot unmarshal number into Go struct field Request.pedantic of type bool"},
    {"{\"name\":1}",
     "json: cannot unmarshal number into Go struct field Request.Config.name of type string"},
    {"{\"on\":\"x\"}",
     "json: cannot unmarshal string into Go struct field Request.Config.on of type bool"},
    {"{\"small\":2147483648}", "json: cannot unmarshal number 2147483648 into Go struct field "
                               "Request.Config.small of type int32"},
    {"{\"count\":1.5}",
     "json: cannot unmarshal number 1.5 into Go struct field Request.Config.count of type int64"},
    {"{\"count\":1e3}",
     "json: cannot unmarshal number 1e3 into Go struct field Request.Config.count of type int64"},
    {"{\"count\":9223372036854775808}", "json: cannot unmarshal number 9223372036854775808 into Go "
                                        "struct field Request.Config.count of type int64"},
    {"{\"sequence\":-1}", "json: cannot unmarshal number -1 into Go struct field "
                          "Request.Config.sequence of type uint64"},
    {"{\"age\":\"1s\"}",
     "json: cannot unmarshal string into Go struct field Request.Config.age of type time.Duration"},
    {"{\"at\":1}", "Time.UnmarshalJSON: input is not a JSON string"},
    {"{\"at\":\"x\"}",
     "parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as \"2006\""},
    {"{\"at\":\"2026-13-01T00:00:00Z\"}",
     "parsing time \"2026-13-01T00:00:00Z\": month out of range"},
    {"{\"at\":\"2026-02-30T00:00:00Z\"}",
     "parsing time \"2026-02-30T00:00:00Z\": day out of range"},
    {"{\"at\":\"2026-12-01T00:00:00\"}",
     "parsing time \"2026-12-01T00:00:00\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"\" as "
     "\"Z07:00\""},
    {"{\"at\":\"2026-12-01T00:00:00Zx\"}",
     "parsing time \"2026-12-01T00:00:00Zx\": extra text: \"x\""},
    {"{\"color\":\"blue\"}", "can not unmarshal \"\\\"blue\\\"\""},
    {"{\"color\":5}", "can not unmarshal \"5\""},
    {"{\"color\":null}", "can not unmarshal \"null\""},
    {"{\"color\":\"\"}", "can not unmarshal \"\\\"\\\"\""},
    {"{\"shape\":\"square\"}", "unknown shape: \"square\""},
    {"{\"shape\":null}", "unknown shape: null"},
    {"{\"shape\":true}", "unknown shape: true"},
    {"{\"word\":\"x\"}", "unknown word"},
    {"{\"word\":null}", "unknown word"},
    {"{\"word\":5}",
     "json: cannot unmarshal number into Go struct field Request.Config.word of type string"},
    {"{\"subjects\":\"x\"}",
     "json: cannot unmarshal string into Go struct field Request.Config.subjects of type []string"},
    {"{\"subjects\":[1]}",
     "json: cannot unmarshal number into Go struct field Request.Config.subjects of type string"},
    {"{\"waits\":1}", "json: cannot unmarshal number into Go struct field Request.Config.waits of "
                      "type []time.Duration"},
    {"{\"waits\":[\"1s\"]}", "json: cannot unmarshal string into Go struct field "
                             "Request.Config.waits of type time.Duration"},
    {"{\"metadata\":[]}", "json: cannot unmarshal array into Go struct field "
                          "Request.Config.metadata of type map[string]string"},
    {"{\"metadata\":{\"a\":1}}",
     "json: cannot unmarshal number into Go struct field Request.Config.metadata of type string"},
    {"{\"limits\":5}", "json: cannot unmarshal number into Go struct field Request.Config.limits "
                       "of type server.Limits"},
    {"{\"limits\":{\"wait\":\"x\"}}", "json: cannot unmarshal string into Go struct field "
                                      "Limits.Config.limits.wait of type time.Duration"},
    {"{\"limits\":{\"pending\":0.5}}", "json: cannot unmarshal number 0.5 into Go struct field "
                                       "Limits.Config.limits.pending of type int"},
    {"{\"origin\":\"x\"}", "json: cannot unmarshal string into Go struct field "
                           "Request.Config.origin of type server.Origin"},
    {"{\"origins\":{}}", "json: cannot unmarshal object into Go struct field "
                         "Request.Config.origins of type []*server.Origin"},
    {"{\"origins\":[1]}", "json: cannot unmarshal number into Go struct field "
                          "Request.Config.origins of type server.Origin"},
    {"{\"origins\":[{\"name\":1}]}", "json: cannot unmarshal number into Go struct field "
                                     "Origin.Config.origins.name of type string"},
    {"{\"origins\":[{\"parts\":1}]}", "json: cannot unmarshal number into Go struct field "
                                      "Origin.Config.origins.parts of type []server.Limits"},
    {"{\"origins\":[{\"parts\":[{\"wait\":\"x\"}]}]}",
     "json: cannot unmarshal string into Go struct field Limits.Config.origins.parts.wait of type "
     "time.Duration"},
};

START_TEST(what_does_not_fit_is_refused_in_the_reference_s_words)
{
    for (size_t i = 0; i < UNIT_COUNT(refusals); i++) {
        struct arena arena;
        struct json_error error = {0};
        struct request request;

        arena_init(&arena, ARENA_MAX);
        ck_assert_msg(!parse(&arena, &request_schema, refusals[i].json, true, &request, &error),
                      "%s", refusals[i].json);
        ck_assert_str_eq(error.text, refusals[i].text);
        arena_deinit(&arena);
    }
}
END_TEST

START_TEST(paths_in_errors_begin_at_the_document)
{
    struct arena arena;
    struct json_error error;
    struct wrapper wrapper;

    arena_init(&arena, ARENA_MAX);
    ck_assert(
        !parse(&arena, &wrapper_schema, "{\"config\":{\"wait\":\"x\"}}", true, &wrapper, &error));
    ck_assert_str_eq(error.text, "json: cannot unmarshal string into Go struct field "
                                 "Limits.config.wait of type time.Duration");
    ck_assert(!parse(&arena, &wrapper_schema, "{\"config\":7}", true, &wrapper, &error));
    ck_assert_str_eq(
        error.text,
        "json: cannot unmarshal number into Go struct field Wrapper.config of type server.Limits");
    arena_deinit(&arena);
}
END_TEST

START_TEST(unknown_keys_are_ignored_when_not_strict)
{
    struct arena arena;
    struct json_error error;
    struct config config;

    arena_init(&arena, ARENA_MAX);
    ck_assert(parse(&arena, &config_schema,
                    "{\"new\":{\"x\":[1]},\"count\":4,\"limits\":{\"y\":1}}", false, &config,
                    &error));
    ck_assert_int_eq(config.count, 4);
    arena_deinit(&arena);
}
END_TEST

START_TEST(a_cleared_struct_has_no_times)
{
    struct request request;

    memset(&request, 0xff, sizeof request);
    schema_clear(&request_schema, &request);
    ck_assert_int_eq(request.config.at_ns, TIME_UNSET);
    ck_assert_int_eq(request.config.count, 0);
    ck_assert(!request.pedantic);
}
END_TEST

START_TEST(refused_fields_are_named_only_when_set)
{
    struct arena arena;
    struct json_error error;
    struct config config;

    arena_init(&arena, ARENA_MAX);
    ck_assert(parse(&arena, &config_schema, "{\"later\":0,\"mode\":\"red\",\"origin\":null}", true,
                    &config, &error));
    ck_assert_ptr_null(schema_refused(&config_schema, &config));
    ck_assert(
        parse(&arena, &config_schema, "{\"later\":1,\"mode\":\"green\"}", true, &config, &error));
    ck_assert_str_eq(schema_refused(&config_schema, &config), "mode");
    ck_assert(parse(&arena, &config_schema, "{\"origin\":{}}", true, &config, &error));
    ck_assert_str_eq(schema_refused(&config_schema, &config), "origin");
    arena_deinit(&arena);
}
END_TEST

START_TEST(what_was_read_twice_is_equal_until_it_changes)
{
    struct arena arena;
    struct json_error error;
    struct config one, other;

    arena_init(&arena, ARENA_MAX);
    for (size_t i = 0; i < UNIT_COUNT(round_trips); i++) {
        ck_assert(parse(&arena, &config_schema, round_trips[i].json, true, &one, &error));
        ck_assert(parse(&arena, &config_schema, round_trips[i].json, true, &other, &error));
        ck_assert(schema_equal(&config_schema, &one, &other));
    }
    other.count++;
    ck_assert(!schema_equal(&config_schema, &one, &other));
    arena_deinit(&arena);
}
END_TEST

START_TEST(keys_of_a_map_are_set_replaced_and_removed_in_order)
{
    struct schema_map map = {0};
    struct arena arena;
    struct bytes none = {0};

    arena_init(&arena, ARENA_MAX);
    ck_assert(schema_map_set(&map, &arena, BYTES("m"), BYTES("1")));
    ck_assert(schema_map_set(&map, &arena, BYTES("a"), BYTES("2")));
    ck_assert(schema_map_set(&map, &arena, BYTES("z"), BYTES("")));
    ck_assert(schema_map_set(&map, &arena, BYTES("m"), BYTES("3")));
    ck_assert_uint_eq(map.count, 3);
    ck_assert(bytes_equal(map.keys[0], BYTES("a")) && bytes_equal(map.keys[2], BYTES("z")));
    ck_assert(bytes_equal(map.keys[1], BYTES("m")) && bytes_equal(map.values[1], BYTES("3")));
    ck_assert_ptr_nonnull(map.values[2].at);
    ck_assert(schema_map_set(&map, &arena, BYTES("m"), none));
    ck_assert(schema_map_set(&map, &arena, BYTES("nothing"), none));
    ck_assert_uint_eq(map.count, 2);
    ck_assert(bytes_equal(map.keys[0], BYTES("a")) && bytes_equal(map.keys[1], BYTES("z")));
    arena_deinit(&arena);
}
END_TEST

/* The quadratic way takes minutes. */
START_TEST(a_map_with_fifty_thousand_keys_is_read_at_once)
{
    struct arena arena;
    struct json_error error;
    struct config config;
    struct buf text;

    arena_init(&arena, 256u << 20);
    buf_init(&text, 16u << 20);
    ck_assert(BUF_ADD(&text, "{\"metadata\":{"));
    for (unsigned i = 0; i < 50000; i++)
        ck_assert(buf_print(&text, "%s\"k%u\":\"v\"", i > 0 ? "," : "", 50000 - i));
    ck_assert(BUF_ADD(&text, "}}") && buf_add_byte(&text, 0));
    ck_assert(parse(&arena, &config_schema, (const char *)text.at, true, &config, &error));
    ck_assert_uint_eq(config.metadata.count, 50000);
    buf_deinit(&text);
    arena_deinit(&arena);
}
END_TEST

START_TEST(a_full_arena_is_an_error_and_no_crash)
{
    struct arena arena, small;
    struct json_error error;
    struct config config;
    const char *text =
        "{\"subjects\":[\"a\",\"b\",\"c\"],\"metadata\":{\"a\":\"b\"},\"origins\":[{},{},{}]}";
    struct json *json;
    bool parsed = false;

    arena_init(&arena, ARENA_MAX);
    json = json_parse(&arena, bytes_of_text(text), &error);
    for (size_t limit = 0; !parsed; limit += 8) {
        arena_init(&small, limit);
        schema_clear(&config_schema, &config);
        parsed = schema_parse(&config_schema, json, true, &small, &config, &error);
        ck_assert(parsed || strcmp(error.text, "json: value is too large") == 0);
        ck_assert_uint_lt(limit, 1u << 20);
        arena_deinit(&small);
    }
    arena_deinit(&arena);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_is_read_is_written_again_normalised,
        what_does_not_fit_is_refused_in_the_reference_s_words,
        paths_in_errors_begin_at_the_document,
        unknown_keys_are_ignored_when_not_strict,
        a_cleared_struct_has_no_times,
        refused_fields_are_named_only_when_set,
        what_was_read_twice_is_equal_until_it_changes,
        keys_of_a_map_are_set_replaced_and_removed_in_order,
        a_map_with_fifty_thousand_keys_is_read_at_once,
        a_full_arena_is_an_error_and_no_crash,
    };

    return UNIT_RUN_PLAIN("schema", tests);
}
