#include "base/json.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/prng.h"
#include "tests/print_json.h"
#include "tests/unit/unit.h"

#define LIMIT ((size_t)64 << 20)

static struct arena arena;
static struct json_error error;

static struct json *parse(const char *text)
{
    return json_parse(&arena, bytes_of_text(text), &error);
}

static void setup(void)
{
    arena_deinit(&arena);
    arena_init(&arena, LIMIT);
}

/* The texts are what Go's json.Unmarshal says, which the reference server passes on. */
START_TEST(errors_are_told_in_go_s_words)
{
    static const char *const rows[][2] = {
        {"", "unexpected end of JSON input"},
        {" \t\r\n", "unexpected end of JSON input"},
        {"{", "unexpected end of JSON input"},
        {"{\"a\"", "unexpected end of JSON input"},
        {"{\"a\":", "unexpected end of JSON input"},
        {"{\"a\":1", "unexpected end of JSON input"},
        {"{\"a\":1,", "unexpected end of JSON input"},
        {"[", "unexpected end of JSON input"},
        {"[1", "unexpected end of JSON input"},
        {"[1,", "unexpected end of JSON input"},
        {"\"a", "unexpected end of JSON input"},
        {"x", "invalid character 'x' looking for beginning of value"},
        {"\v", "invalid character '\\v' looking for beginning of value"},
        {"{x", "invalid character 'x' looking for beginning of object key string"},
        {"{'a':1}", "invalid character '\\'' looking for beginning of object key string"},
        {"{1:1}", "invalid character '1' looking for beginning of object key string"},
        {"{,", "invalid character ',' looking for beginning of object key string"},
        {"{\"a\":1,}", "invalid character '}' looking for beginning of object key string"},
        {"{\"a\"x", "invalid character 'x' after object key"},
        {"{\"a\" \"b\"", "invalid character '\"' after object key"},
        {"{\"a\":1x", "invalid character 'x' after object key:value pair"},
        {"{\"a\":01}", "invalid character '1' after object key:value pair"},
        {"{\"a\":}", "invalid character '}' looking for beginning of value"},
        {"[1x", "invalid character 'x' after array element"},
        {"[1,]", "invalid character ']' looking for beginning of value"},
        {"[,", "invalid character ',' looking for beginning of value"},
        {"tx", "invalid character 'x' in literal true (expecting 'r')"},
        {"trux", "invalid character 'x' in literal true (expecting 'e')"},
        {"fAlse", "invalid character 'A' in literal false (expecting 'a')"},
        {"nil", "invalid character 'i' in literal null (expecting 'u')"},
        {"tr", "invalid character ' ' in literal true (expecting 'u')"},
        {"-", "invalid character ' ' in numeric literal"},
        {"-x", "invalid character 'x' in numeric literal"},
        {"1.", "invalid character ' ' after decimal point in numeric literal"},
        {"[1.]", "invalid character ']' after decimal point in numeric literal"},
        {"[1e]", "invalid character ']' in exponent of numeric literal"},
        {"[1e+]", "invalid character ']' in exponent of numeric literal"},
        {"\"\x01\"", "invalid character '\\x01' in string literal"},
        {"\"\n\"", "invalid character '\\n' in string literal"},
        {"\"\\x\"", "invalid character 'x' in string escape code"},
        {"\"\\", "invalid character ' ' in string escape code"},
        {"\"\\u12x\"", "invalid character 'x' in \\u hexadecimal character escape"},
        {"{}x", "invalid character 'x' after top-level value"},
        {"1 2", "invalid character '2' after top-level value"},
        {"\x7f", "invalid character '\\x7f' looking for beginning of value"},
        {"\\", "invalid character '\\\\' looking for beginning of value"},
        {"\x80", "invalid character '\\u0080' looking for beginning of value"},
        {"\xad", "invalid character '\\u00ad' looking for beginning of value"},
        {"\xff", "invalid character '\xc3\xbf' looking for beginning of value"},
        {"\xef\xbb\xbf{}", "invalid character '\xc3\xaf' looking for beginning of value"},
    };

    setup();
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        ck_assert_ptr_null(parse(rows[i][0]));
        ck_assert_str_eq(error.text, rows[i][1]);
    }
    ck_assert_ptr_null(json_parse(&arena, bytes_of(NULL, 0), &error));
    ck_assert_str_eq(error.text, "unexpected end of JSON input");
    ck_assert_ptr_null(json_parse(&arena, BYTES("\"a\0\""), &error));
    ck_assert_str_eq(error.text, "invalid character '\\x00' in string literal");
    ck_assert_ptr_null(json_parse(&arena, BYTES("\"\\\0\""), &error));
    ck_assert_str_eq(error.text, "invalid character '\\x00' in string escape code");
}
END_TEST

/* As a request to the reference's JetStream API is refused. */
START_TEST(errors_of_a_stream_tell_the_offset_or_the_early_end)
{
    setup();
    ck_assert_ptr_null(parse("{\"a\":tx"));
    json_error_of_stream(&error, 0);
    ck_assert_str_eq(error.text,
                     "invalid character 'x' in literal true (expecting 'r') at offset 7");
    ck_assert_ptr_null(parse("x"));
    json_error_of_stream(&error, 12);
    ck_assert_str_eq(error.text,
                     "invalid character 'x' looking for beginning of value at offset 13");
    ck_assert_ptr_null(parse("{\"name\":"));
    json_error_of_stream(&error, 0);
    ck_assert_str_eq(error.text, "unexpected EOF");
    ck_assert_ptr_null(parse("[tr"));
    json_error_of_stream(&error, 0);
    ck_assert_str_eq(error.text, "unexpected EOF");
}
END_TEST

START_TEST(a_document_becomes_a_tree_of_views)
{
    const char *text =
        " {\"a\" : [1, -2.5e3 ,{}], \"b\":{\"c\":null,\"d\":\"x\"},\"e\":true,\"f\":false} ";
    const struct json *json, *a, *b;

    setup();
    json = parse(text);
    ck_assert_ptr_nonnull(json);
    ck_assert_int_eq(json->type, JSON_OBJECT);
    ck_assert(bytes_equal(json->text, bytes_trim(bytes_of_text(text))));

    a = json_get(json, BYTES("a"));
    ck_assert_int_eq(a->type, JSON_ARRAY);
    ck_assert(bytes_equal(a->text, BYTES("[1, -2.5e3 ,{}]")));
    ck_assert(bytes_equal(a->child->text, BYTES("1")));
    ck_assert(bytes_equal(a->child->next->text, BYTES("-2.5e3")));
    ck_assert_int_eq(a->child->next->next->type, JSON_OBJECT);
    ck_assert_ptr_null(a->child->next->next->child);
    ck_assert_ptr_null(a->child->next->next->next);

    b = json_get(json, BYTES("b"));
    ck_assert_int_eq(json_get(b, BYTES("c"))->type, JSON_NULL);
    ck_assert(bytes_equal(json_get(b, BYTES("d"))->text, BYTES("x")));
    ck_assert_int_eq(json_get(json, BYTES("e"))->type, JSON_TRUE);
    ck_assert_int_eq(json_get(json, BYTES("f"))->type, JSON_FALSE);
    ck_assert_ptr_null(json_get(json, BYTES("g")));
    ck_assert_ptr_null(json_get(NULL, BYTES("g")));
    ck_assert_ptr_null(json_get(a, BYTES("g")));
}
END_TEST

START_TEST(strings_without_escapes_are_views_of_the_input)
{
    const char *text = "{\"key\":\"value\xff\"}";
    const struct json *json;

    setup();
    json = parse(text);
    ck_assert_ptr_eq(json->child->key.at, text + 2);
    ck_assert_ptr_eq(json->child->text.at, text + 8);
    ck_assert(bytes_equal(json->child->text, BYTES("value\xff"))); /* as it is */
}
END_TEST

START_TEST(escapes_are_resolved_as_go_does_it)
{
    static const struct {
        const char *json;
        struct bytes want;
    } rows[] = {
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", BYTES("\"\\/\b\f\n\r\t")},
        {"\"\\u0041\\u00e9\\u20AC\"", BYTES("A\xc3\xa9\xe2\x82\xac")},
        {"\"\\ud83d\\ude00\"", BYTES("\xf0\x9f\x98\x80")},
        {"\"\\u0000\"", BYTES("\0")},
        {"\"\\ud800\"", BYTES("\xef\xbf\xbd")},
        {"\"\\ude00x\"", BYTES("\xef\xbf\xbdx")},
        {"\"\\ud83d\\u0041\"", BYTES("\xef\xbf\xbd"
                                     "A")},
        {"\"\\ud83d\\ud83d\\ude00\"", BYTES("\xef\xbf\xbd\xf0\x9f\x98\x80")},
        {"\"\\ud83d\\ue000\"", BYTES("\xef\xbf\xbd\xee\x80\x80")},
        {"\"\\uffff\"", BYTES("\xef\xbf\xbf")},
    };

    setup();
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const struct json *json = parse(rows[i].json);

        ck_assert_ptr_nonnull(json);
        ck_assert(bytes_equal(json->text, rows[i].want));
    }
    ck_assert_ptr_nonnull(json_get(parse("{\"\\u0061\":1}"), BYTES("a"))); /* keys too */
}
END_TEST

START_TEST(of_equal_names_the_last_wins)
{
    const struct json *json;
    uint64_t value = 0;

    setup();
    json = parse("{\"a\":1,\"A\":2,\"b\":3,\"a\":4,\"B\":5}");
    ck_assert(json_u64(json_get(json, BYTES("a")), &value) && value == 4);
    ck_assert(json_u64(json_get(json, BYTES("b")), &value) && value == 3);
    ck_assert(json_u64(json_get_nocase(json, BYTES("b")), &value) && value == 5);
    ck_assert(json_u64(json_get_nocase(json, BYTES("a")), &value) && value == 4);
}
END_TEST

START_TEST(names_fold_as_go_folds_them)
{
    const struct json *json;

    setup();
    json = parse("{\"MAX_MSG\xc5\xbf\":1,\"\xe2\x84\xaa"
                 "ey\":2,\"a-b\":3,\"\xc3\x89\":4}");
    ck_assert_ptr_eq(json_get_nocase(json, BYTES("max_msgs")), json->child);
    ck_assert_ptr_eq(json_get_nocase(json, BYTES("key")), json->child->next);
    ck_assert_ptr_eq(json_get_nocase(json, BYTES("A-B")), json->child->next->next);
    ck_assert_ptr_null(json_get_nocase(json, BYTES("max_msg")));
    ck_assert_ptr_null(json_get_nocase(json, BYTES("max_msgss")));
    ck_assert_ptr_null(json_get_nocase(json, BYTES("a\rb"))); /* '-' ^ 0x20 */
    ck_assert_ptr_null(json_get_nocase(NULL, BYTES("a")));
}
END_TEST

START_TEST(integers_are_read_whole_or_not_at_all)
{
    uint64_t u = 0;
    int64_t i = 0;

    setup();
    ck_assert(json_u64(parse("18446744073709551615"), &u) && u == UINT64_MAX);
    ck_assert(!json_u64(parse("18446744073709551616"), &u));
    ck_assert(!json_u64(parse("-1"), &u));
    ck_assert(!json_u64(parse("-0"), &u));
    ck_assert(!json_u64(parse("1.0"), &u));
    ck_assert(!json_u64(parse("1e3"), &u));
    ck_assert(!json_u64(parse("\"1\""), &u));
    ck_assert(!json_u64(parse("null"), &u));
    ck_assert(!json_u64(NULL, &u));

    ck_assert(json_i64(parse("-9223372036854775808"), &i) && i == INT64_MIN);
    ck_assert(json_i64(parse("9223372036854775807"), &i) && i == INT64_MAX);
    ck_assert(json_i64(parse("-0"), &i) && i == 0);
    ck_assert(!json_i64(parse("9223372036854775808"), &i));
    ck_assert(!json_i64(parse("-9223372036854775809"), &i));
    ck_assert(!json_i64(parse("1.5"), &i));
    ck_assert(!json_i64(parse("\"-1\""), &i));
    ck_assert(!json_i64(NULL, &i));
    ck_assert_uint_eq(u, UINT64_MAX);
    ck_assert_int_eq(i, 0);
}
END_TEST

START_TEST(depth_is_bounded)
{
    char text[2 * JSON_DEPTH_MAX + 8];

    setup();
    for (size_t depth = 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = 0;
        ck_assert((parse(text) != NULL) == (depth <= JSON_DEPTH_MAX));
    }
    ck_assert_str_eq(error.text, "invalid character '[' exceeded max depth");
}
END_TEST

START_TEST(values_beside_each_other_are_not_depth)
{
    struct buf buf;

    setup();
    buf_init(&buf, 100000);
    ck_assert(BUF_ADD(&buf, "[[]"));
    for (size_t i = 0; i < 4 * JSON_DEPTH_MAX; i++)
        ck_assert(BUF_ADD(&buf, ",[{}]"));
    ck_assert(BUF_ADD(&buf, "]"));
    ck_assert_ptr_nonnull(json_parse(&arena, buf_bytes(&buf), &error));
    buf_deinit(&buf);
}
END_TEST

START_TEST(the_number_of_values_and_the_memory_are_bounded)
{
    struct arena small;
    struct buf buf;

    setup();
    buf_init(&buf, 4 * JSON_NODES_MAX);
    ck_assert(BUF_ADD(&buf, "[1"));
    for (size_t i = 2; i < JSON_NODES_MAX; i++)
        ck_assert(BUF_ADD(&buf, ",1"));
    ck_assert(BUF_ADD(&buf, "]"));
    ck_assert_ptr_nonnull(json_parse(&arena, buf_bytes(&buf), &error));

    arena_init(&small, 4096);
    ck_assert_ptr_null(json_parse(&small, buf_bytes(&buf), &error));
    ck_assert_str_eq(error.text, "JSON has too many values");
    arena_reset(&small);
    ck_assert_ptr_nonnull(json_parse(&small, BYTES("[1]"), &error));
    arena_deinit(&small);

    buf.size--;
    ck_assert(BUF_ADD(&buf, ",1]"));
    ck_assert_ptr_null(json_parse(&arena, buf_bytes(&buf), &error));
    ck_assert_str_eq(error.text, "JSON has too many values");
    ck_assert(!error.truncated);
    buf_deinit(&buf);
}
END_TEST

START_TEST(documents_in_a_row_are_read_one_by_one)
{
    struct bytes rest = BYTES(" {\"a\":1} [2]\n3");
    static const enum json_type types[] = {JSON_OBJECT, JSON_ARRAY, JSON_NUMBER};

    setup();
    for (size_t i = 0; i < 3; i++) {
        size_t used = 0;
        const struct json *json = json_parse_some(&arena, rest, &used, &error);

        ck_assert_ptr_nonnull(json);
        ck_assert_int_eq(json->type, types[i]);
        rest = bytes_skip(rest, used);
    }
    ck_assert_uint_eq(rest.size, 0);
}
END_TEST

/* ---- any bytes ------------------------------------------------------------------------------- */

static void print_document(struct buf *out, const struct json *json)
{
    struct json_writer writer;

    buf_clear(out);
    json_writer_init(&writer, out);
    print_json(&writer, json);
    ck_assert(!writer.failed);
}

/* Pieces that make whole documents likely and broken ones frequent. */
static size_t random_text(struct prng *prng, char *out, size_t size)
{
    static const char *const pieces[] = {
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"\\u00e9\"",
        "\"",
        "\\",
        "1",
        "-0.5e+3",
        "true",
        "false",
        "null",
        " ",
        "\"\\ud83d\\ude00\":",
        "\"k\":",
        "{\"x\":[",
        "]}",
        "\xff",
        "\x01",
        "{\"y\":1}",
        "[1,2]",
    };
    size_t at = 0;

    for (uint64_t count = prng_below(prng, 12); count > 0; count--) {
        const char *piece = pieces[prng_below(prng, UNIT_COUNT(pieces))];

        if (at + strlen(piece) > size)
            break;
        memcpy(out + at, piece, strlen(piece));
        at += strlen(piece);
    }
    return at;
}

/* The copy in memory of exactly its size lets the address sanitizer see any read past the end. */
START_TEST(any_bytes_are_refused_with_a_reason_or_print_back_the_same)
{
    struct buf first, second;
    struct prng prng;
    size_t parsed = 0;
    char text[256];

    setup();
    prng_seed(&prng, 11);
    buf_init(&first, 100000);
    buf_init(&second, 100000);
    for (int i = 0; i < 300000; i++) {
        size_t size = random_text(&prng, text, sizeof(text));
        uint8_t *exact = heap_resize(NULL, size);
        const struct json *json;

        memcpy(exact, text, size);
        arena_reset(&arena);
        json = json_parse(&arena, bytes_of(exact, size), &error);
        if (json == NULL) {
            ck_assert_str_ne(error.text, "");
            ck_assert_uint_le(error.offset, size);
        } else {
            parsed++;
            print_document(&first, json);
            json = json_parse(&arena, buf_bytes(&first), &error);
            ck_assert_ptr_nonnull(json);
            print_document(&second, json);
            if (bytes_find(bytes_of(exact, size), 0xff) == size) /* else it was replaced */
                ck_assert(bytes_equal(buf_bytes(&first), buf_bytes(&second)));
        }
        heap_give(exact);
    }
    ck_assert_uint_gt(parsed, 10000);
    buf_deinit(&first);
    buf_deinit(&second);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        errors_are_told_in_go_s_words,
        errors_of_a_stream_tell_the_offset_or_the_early_end,
        a_document_becomes_a_tree_of_views,
        strings_without_escapes_are_views_of_the_input,
        escapes_are_resolved_as_go_does_it,
        of_equal_names_the_last_wins,
        names_fold_as_go_folds_them,
        integers_are_read_whole_or_not_at_all,
        depth_is_bounded,
        values_beside_each_other_are_not_depth,
        the_number_of_values_and_the_memory_are_bounded,
        documents_in_a_row_are_read_one_by_one,
        any_bytes_are_refused_with_a_reason_or_print_back_the_same,
    };

    return UNIT_RUN_PLAIN("json", tests);
}
