#include "base/json.h"

#include <math.h>
#include <stdio.h>

#include "base/prng.h"
#include "tests/unit/unit.h"

static struct buf out;
static struct json_writer writer;

static void setup(size_t limit)
{
    buf_deinit(&out);
    buf_init(&out, limit);
    json_writer_init(&writer, &out);
}

#define ASSERT_OUT(literal) ck_assert(bytes_equal(buf_bytes(&out), BYTES(literal)))

START_TEST(commas_and_colons_stand_where_they_belong)
{
    setup(1000);
    json_object_begin(&writer);
    JSON_KEY(&writer, "empty");
    json_object_begin(&writer);
    json_object_end(&writer);
    JSON_KEY(&writer, "list");
    json_array_begin(&writer);
    json_number_u64(&writer, UINT64_MAX);
    json_number_i64(&writer, INT64_MIN);
    json_array_begin(&writer);
    json_array_end(&writer);
    json_bool(&writer, true);
    json_bool(&writer, false);
    json_null(&writer);
    json_array_end(&writer);
    JSON_KEY(&writer, "raw");
    json_raw(&writer, BYTES("{\"a\":1}"));
    JSON_KEY(&writer, "text");
    json_string(&writer, BYTES("x"));
    json_object_end(&writer);
    ck_assert(!writer.failed);
    ck_assert_uint_eq(writer.depth, 0);
    ASSERT_OUT(
        "{\"empty\":{},\"list\":[18446744073709551615,-9223372036854775808,[],true,false,null],"
        "\"raw\":{\"a\":1},\"text\":\"x\"}");
}
END_TEST

START_TEST(strings_are_escaped_as_go_s_encoder_does_it)
{
    setup(1000);
    json_string(&writer, BYTES("\"\\/<>&\b\f\n\r\t\x01\x0b\x1f\x7f\0z"));
    ASSERT_OUT(
        "\"\\\"\\\\/\\u003c\\u003e\\u0026\\b\\f\\n\\r\\t\\u0001\\u000b\\u001f\x7f\\u0000z\"");

    setup(1000);
    json_string(&writer,
                BYTES("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa"));
    ASSERT_OUT("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\\u2028\\u2029\xe2\x80\xaa\"");
}
END_TEST

/* Each wrong byte by itself, as Go has it. */
START_TEST(invalid_utf8_is_replaced)
{
    static const struct {
        struct bytes value;
        int replaced;
    } rows[] = {
        {BYTES("\xff"), 1},
        {BYTES("\x80"), 1},
        {BYTES("\xc3"), 1}, /* cut off */
        {BYTES("\xe2\x82"), 2},
        {BYTES("\xf0\x9f\x98"), 3},
        {BYTES("\xc0\x80"), 2}, /* overlong */
        {BYTES("\xc1\xbf"), 2},
        {BYTES("\xe0\x9f\xbf"), 3},
        {BYTES("\xf0\x8f\xbf\xbf"), 4},
        {BYTES("\xed\xa0\x80"), 3},     /* a surrogate */
        {BYTES("\xf4\x90\x80\x80"), 4}, /* past U+10FFFF */
        {BYTES("\xf5\x80\x80\x80"), 4},
        {BYTES("\xc3\xa9"), 0},
        {BYTES("\xed\x9f\xbf"), 0},
        {BYTES("\xf4\x8f\xbf\xbf"), 0},
        {BYTES("\xf0\x90\x80\x80"), 0},
        {BYTES("\xe0\xa0\x80"), 0},
        {BYTES("\xc2\x80"), 0},
    };

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        setup(1000);
        json_string(&writer, rows[i].value);
        if (rows[i].replaced == 0) {
            ck_assert_uint_eq(out.size, rows[i].value.size + 2);
            ck_assert_int_eq(memcmp(out.at + 1, rows[i].value.at, rows[i].value.size), 0);
        } else {
            ck_assert_uint_eq(out.size, (size_t)rows[i].replaced * 6 + 2);
            for (int k = 0; k < rows[i].replaced; k++)
                ck_assert_int_eq(memcmp(out.at + 1 + k * 6, "\\ufffd", 6), 0);
        }
    }
}
END_TEST

START_TEST(base64_is_padded)
{
    static const char *const rows[][2] = {
        {"", "\"\""},
        {"f", "\"Zg==\""},
        {"fo", "\"Zm8=\""},
        {"foo", "\"Zm9v\""},
        {"foob", "\"Zm9vYg==\""},
        {"fooba", "\"Zm9vYmE=\""},
        {"\xfb\xff\xbe", "\"+/++\""},
    };

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        setup(1000);
        json_base64(&writer, bytes_of_text(rows[i][0]));
        ck_assert(bytes_equal(buf_bytes(&out), bytes_of_text(rows[i][1])));
    }
}
END_TEST

START_TEST(doubles_are_written_as_go_writes_them)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {100, "100"},
        {1e6, "1000000"},
        {1e20, "100000000000000000000"},
        {1e21, "1e+21"},
        {1e-6, "0.000001"},
        {9.99e-7, "9.99e-7"},
        {1e-10, "1e-10"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {5e-324, "5e-324"},
        {-97738777523039617024.0, "-97738777523039620000"},
        {0.30000000000000004, "0.30000000000000004"},
    };

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        setup(1000);
        json_number_double(&writer, rows[i].value);
        ck_assert_msg(bytes_equal(buf_bytes(&out), bytes_of_text(rows[i].text)), "%.*s, want %s",
                      BYTES_ARG(buf_bytes(&out)), rows[i].text);
    }
}
END_TEST

START_TEST(every_finite_double_reads_back_equal)
{
    struct prng prng;

    prng_seed(&prng, 6);
    for (int i = 0; i < 30000; i++) {
        uint64_t bits = prng_next(&prng);
        double value;

        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        setup(1000);
        json_number_double(&writer, value);
        ck_assert(buf_add_byte(&out, 0));
        ck_assert(strtod((const char *)out.at, NULL) == value);
    }
}
END_TEST

/* Tried with every limit: nothing is written beyond it, and the failure is told. */
START_TEST(a_full_buffer_is_told_at_the_end)
{
    static const char whole[] = "{\"a\\u003cb\":[12345,-12345,0.5,\"YWJj\",\"x\\ny\"]}";

    for (size_t limit = 0; limit < sizeof(whole) + 3; limit++) {
        setup(limit);
        json_object_begin(&writer);
        JSON_KEY(&writer, "a<b");
        json_array_begin(&writer);
        json_number_u64(&writer, 12345);
        json_number_i64(&writer, -12345);
        json_number_double(&writer, 0.5);
        json_base64(&writer, BYTES("abc"));
        json_string(&writer, BYTES("x\ny"));
        json_array_end(&writer);
        json_object_end(&writer);
        ck_assert_uint_le(out.size, limit);
        ck_assert(writer.failed == (limit < strlen(whole)));
    }
    ASSERT_OUT("{\"a\\u003cb\":[12345,-12345,0.5,\"YWJj\",\"x\\ny\"]}");
}
END_TEST

START_TEST(indenting_is_go_s_with_two_blanks)
{
    setup(1000);
    ck_assert(json_indent(&out, BYTES("{\"a\":[1,{}, [ ] ,{\"b\":\"{,:\\\"}\"}],\"c\":null}")));
    ASSERT_OUT("{\n"
               "  \"a\": [\n"
               "    1,\n"
               "    {},\n"
               "    [],\n"
               "    {\n"
               "      \"b\": \"{,:\\\"}\"\n"
               "    }\n"
               "  ],\n"
               "  \"c\": null\n"
               "}");
    setup(20);
    ck_assert(!json_indent(&out, BYTES("[[1,2,3],[4,5,6]]")));
}
END_TEST

START_TEST(a_value_without_a_key_in_an_object_is_a_bug)
{
    setup(1000);
    json_object_begin(&writer);
    json_null(&writer);
}
END_TEST

START_TEST(a_key_in_an_array_is_a_bug)
{
    setup(1000);
    json_array_begin(&writer);
    JSON_KEY(&writer, "a");
}
END_TEST

START_TEST(ending_an_array_as_an_object_is_a_bug)
{
    setup(1000);
    json_array_begin(&writer);
    json_object_end(&writer);
}
END_TEST

START_TEST(a_key_without_its_value_is_a_bug)
{
    setup(1000);
    json_object_begin(&writer);
    JSON_KEY(&writer, "a");
    json_object_end(&writer);
}
END_TEST

START_TEST(a_second_document_is_a_bug)
{
    setup(1000);
    json_null(&writer);
    json_null(&writer);
}
END_TEST

START_TEST(a_number_that_is_none_is_a_bug)
{
    setup(1000);
    json_number_double(&writer, NAN);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        commas_and_colons_stand_where_they_belong,
        strings_are_escaped_as_go_s_encoder_does_it,
        invalid_utf8_is_replaced,
        base64_is_padded,
        doubles_are_written_as_go_writes_them,
        every_finite_double_reads_back_equal,
        a_full_buffer_is_told_at_the_end,
        indenting_is_go_s_with_two_blanks,
    };
    const TTest *aborting[] = {
        a_value_without_a_key_in_an_object_is_a_bug,
        a_key_in_an_array_is_a_bug,
        ending_an_array_as_an_object_is_a_bug,
        a_key_without_its_value_is_a_bug,
        a_second_document_is_a_bug,
        a_number_that_is_none_is_a_bug,
    };

    return UNIT_RUN("json_writer", tests, aborting);
}
