#include "base/json.h"

#include <stdio.h>

#include "tests/unit/unit.h"

static struct buf out;
static struct json_writer writer;

static void begin(void)
{
    buf_deinit(&out);
    buf_init(&out, 4096);
    json_writer_init(&writer, &out);
    json_object_begin(&writer);
}

/* What stands in the object. */
static void check(const char *members)
{
    char text[256];

    json_object_end(&writer);
    (void)snprintf(text, sizeof text, "{%s}", members);
    ck_assert(!writer.failed);
    ck_assert_msg(bytes_equal(buf_bytes(&out), bytes_of_text(text)), "%.*s",
                  BYTES_ARG(buf_bytes(&out)));
}

START_TEST(a_member_is_a_key_and_a_value_of_its_type)
{
    begin();
    json_put_string(&writer, BYTES("s"), BYTES("a\"b"));
    json_put_text(&writer, BYTES("t"), "c");
    json_put_i64(&writer, BYTES("i"), INT64_MIN);
    json_put_u64(&writer, BYTES("u"), UINT64_MAX);
    json_put_bool(&writer, BYTES("no"), false);
    json_put_bool(&writer, BYTES("yes"), true);
    check("\"s\":\"a\\\"b\",\"t\":\"c\",\"i\":-9223372036854775808,\"u\":18446744073709551615,"
          "\"no\":false,\"yes\":true");
}
END_TEST

START_TEST(what_is_not_given_or_not_so_is_left_out)
{
    begin();
    json_put_given(&writer, BYTES("a"), BYTES(""));
    json_put_true(&writer, BYTES("b"), false);
    check("");
    begin();
    json_put_string(&writer, BYTES("empty"), BYTES(""));
    json_put_given(&writer, BYTES("a"), BYTES("x"));
    json_put_true(&writer, BYTES("b"), true);
    check("\"empty\":\"\",\"a\":\"x\",\"b\":true");
}
END_TEST

START_TEST(times_are_rfc_3339_in_utc)
{
    begin();
    json_put_time(&writer, BYTES("begin"), 0);
    json_put_time(&writer, BYTES("half"), INT64_C(1700000000500000000));
    check("\"begin\":\"1970-01-01T00:00:00Z\",\"half\":\"2023-11-14T22:13:20.5Z\"");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_member_is_a_key_and_a_value_of_its_type,
        what_is_not_given_or_not_so_is_left_out,
        times_are_rfc_3339_in_utc,
    };

    return UNIT_RUN_PLAIN("json_members", tests);
}
