#include "server/api/request.h"

#include "tests/unit/unit.h"

START_TEST(subjects_fit_their_endpoint_token_by_token)
{
    static const struct {
        const char *pattern, *subject;
        bool fits;
    } rows[] = {
        {"INFO", "INFO", true},
        {"INFO", "INFO.x", false},
        {"INFO", "INF", false},
        {"STREAM.INFO.*", "STREAM.INFO.S", true},
        {"STREAM.INFO.*", "STREAM.INFO", false},
        {"STREAM.INFO.*", "STREAM.INFO.S.x", false},
        {"STREAM.INFO.*", "STREAM.INFO.", false},
        {"CONSUMER.CREATE.*.>", "CONSUMER.CREATE.S", false},
        {"CONSUMER.CREATE.*.>", "CONSUMER.CREATE.S.C", true},
        {"CONSUMER.CREATE.*.>", "CONSUMER.CREATE.S.C.f.*.>", true},
        {"CONSUMER.CREATE.*", "", false},
    };

    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        ck_assert_msg(api_subject_matches(rows[i].pattern, bytes_of_text(rows[i].subject)) ==
                          rows[i].fits,
                      "%s %s", rows[i].pattern, rows[i].subject);
}
END_TEST

START_TEST(tokens_are_counted_behind_the_prefix)
{
    struct api_request request = {.subject = BYTES("$JS.API.CONSUMER.CREATE.S.C.a.b")};

    ck_assert(bytes_equal(api_token(&request, 0), BYTES("CONSUMER")));
    ck_assert(bytes_equal(api_token(&request, 3), BYTES("C")));
    ck_assert(bytes_equal(api_token(&request, 5), BYTES("b")));
    ck_assert_uint_eq(api_token(&request, 6).size, 0);
    ck_assert_uint_eq(api_token(&request, 100).size, 0);
}
END_TEST

START_TEST(a_required_level_is_met_up_to_ours)
{
    static const struct {
        const char *headers;
        bool met;
    } rows[] = {
        {"", true},
        {"NATS/1.0\r\n\r\n", true},
        {"NATS/1.0\r\nNats-Required-Api-Level: 0\r\n\r\n", true},
        {"NATS/1.0\r\nNats-Required-Api-Level: 4\r\n\r\n", true},
        {"NATS/1.0\r\nNats-Required-Api-Level:4\r\n\r\n", true},
        {"NATS/1.0\r\nNats-Required-Api-Level: 5\r\n\r\n", false},
        {"NATS/1.0\r\nNats-Required-Api-Level: -1\r\n\r\n", true},
        {"NATS/1.0\r\nNats-Required-Api-Level: -\r\n\r\n", false},
        {"NATS/1.0\r\nNats-Required-Api-Level: 4x\r\n\r\n", false},
        {"NATS/1.0\r\nNats-Required-Api-Level: 99999999999999999999\r\n\r\n", false},
        {"NATS/1.0\r\nnats-required-api-level: 5\r\n\r\n", true},
        {"NATS/1.0\r\nX: Nats-Required-Api-Level: 5\r\n\r\n", true},
        {"NATS/1.0\r\nNats-Required-Api-Level-Not: 5\r\n\r\n", true},
        {"NATS/1.0\r\nNats-Required-Api-Level", true},
    };

    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        ck_assert_msg(api_level_is_met(bytes_of_text(rows[i].headers)) == rows[i].met, "%s",
                      rows[i].headers);
}
END_TEST

START_TEST(pages_begin_within_what_there_is)
{
    ck_assert_uint_eq(api_page_from(&(struct api_paged){INT64_MIN}, 5), 0);
    ck_assert_uint_eq(api_page_from(&(struct api_paged){-1}, 5), 0);
    ck_assert_uint_eq(api_page_from(&(struct api_paged){3}, 5), 3);
    ck_assert_uint_eq(api_page_from(&(struct api_paged){5}, 5), 5);
    ck_assert_uint_eq(api_page_from(&(struct api_paged){INT64_MAX}, 5), 5);
}
END_TEST

#define API_ERROR(err_code, code, description) {err_code, code, description},
static const struct api_error table[] = {
#include "server/api/errors.inc"
};

START_TEST(every_error_of_the_table_is_found)
{
    for (size_t i = 0; i < UNIT_COUNT(table); i++) {
        const struct api_error *error = api_error(table[i].err_code);

        ck_assert_uint_eq(error->err_code, table[i].err_code);
        ck_assert_uint_eq(error->code, table[i].code);
        ck_assert_str_eq(error->description, table[i].description);
    }
    ck_assert_uint_eq(api_error(1)->code, 500);
    ck_assert_uint_eq(api_error(65535)->code, 500);
}
END_TEST

START_TEST(a_refused_publish_names_stream_and_reason)
{
    struct buf out;

    buf_init(&out, 4096);
    api_publish_error(&out, BYTES("S"), 10071, "wrong last sequence: 7");
    ck_assert(bytes_equal(buf_bytes(&out),
                          BYTES("{\"error\":{\"code\":400,\"err_code\":10071,\"description\":"
                                "\"wrong last sequence: 7\"},\"stream\":\"S\",\"seq\":0}")));
    buf_clear(&out);
    api_publish_error(&out, BYTES("S"), 10109, "");
    ck_assert(
        bytes_equal(buf_bytes(&out),
                    BYTES("{\"error\":{\"code\":400,\"err_code\":10109,\"description\":"
                          "\"invalid operation on sealed stream\"},\"stream\":\"S\",\"seq\":0}")));
    buf_deinit(&out);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        subjects_fit_their_endpoint_token_by_token, tokens_are_counted_behind_the_prefix,
        a_required_level_is_met_up_to_ours,         pages_begin_within_what_there_is,
        every_error_of_the_table_is_found,          a_refused_publish_names_stream_and_reason,
    };

    return UNIT_RUN_PLAIN("api_request", tests);
}
