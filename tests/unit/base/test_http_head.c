#include "base/http_head.h"

#include <stdio.h>

#include "tests/unit/unit.h"

#define LINE "GET /varz?a=1&b=&c HTTP/1.1\r\n"

static bool is(struct bytes b, const char *text)
{
    return bytes_equal(b, bytes_of_text(text));
}

static bool reads(const char *text)
{
    struct http_head head;

    return http_head_read(bytes_of_text(text), &head);
}

START_TEST(a_head_ends_with_its_empty_line)
{
    static const char *const whole[] = {
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\n\n",
        "GET / HTTP/1.1\r\nA: b\n\r\n",
        "\r\n",
    };

    for (size_t i = 0; i < UNIT_COUNT(whole); i++) {
        char text[128];
        size_t size = strlen(whole[i]);

        snprintf(text, sizeof(text), "%sbehind\r\n\r\n", whole[i]);
        ck_assert_uint_eq(http_head_size(bytes_of_text(text)), size);
        for (size_t cut = 0; cut < size; cut++)
            ck_assert_uint_eq(http_head_size(bytes_of(text, cut)), 0);
    }
}
END_TEST

START_TEST(a_request_is_a_method_a_path_a_query_and_headers)
{
    struct bytes headers, value;
    struct http_head head;

    ck_assert(http_head_read(BYTES(LINE "Host: x\r\nA:1\r\na: \t2 \r\nE:\r\n\r\n"), &head));
    ck_assert(is(head.method, "GET"));
    ck_assert(is(head.path, "/varz"));
    ck_assert(is(head.query, "a=1&b=&c"));
    headers = head.headers;
    ck_assert(http_head_next(&headers, BYTES("a"), &value) && is(value, "1"));
    ck_assert(http_head_next(&headers, BYTES("a"), &value) && is(value, "2"));
    ck_assert(!http_head_next(&headers, BYTES("a"), &value));
    headers = head.headers;
    ck_assert(http_head_next(&headers, BYTES("E"), &value) && is(value, ""));
    ck_assert(http_query(head.query, BYTES("a"), &value) && is(value, "1"));
    ck_assert(http_query(head.query, BYTES("b"), &value) && is(value, ""));
    ck_assert(http_query(head.query, BYTES("c"), &value) && is(value, ""));
    ck_assert(!http_query(head.query, BYTES("d"), &value));
}
END_TEST

START_TEST(a_proxy_asks_with_the_whole_address)
{
    struct http_head head;

    ck_assert(http_head_read(BYTES("GET http://a:1/varz?u=b://c HTTP/1.0\n\n"), &head));
    ck_assert(is(head.path, "/varz"));
    ck_assert(is(head.query, "u=b://c"));
    ck_assert(http_head_read(BYTES("GET /a?u=b://c/d HTTP/1.0\n\n"), &head));
    ck_assert(is(head.path, "/a"));
    ck_assert(!reads("GET http://a HTTP/1.1\r\n\r\n"));
}
END_TEST

START_TEST(what_is_no_request_is_refused)
{
    static const char *const lines[] = {
        "",
        "GET",
        "GET /",
        "GET / ",
        " / HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / HTTP/1.",
        "GET / HTTP/1.10",
        "GET / HTTP/1.x",
        "GET / HTTP/2.0",
        "GET / http/1.1",
        "GET varz HTTP/1.1",
        "GET * HTTP/1.1",
        "GET /a\tb HTTP/1.1",
        "GET /a\x7f HTTP/1.1",
        "GET /a\rb HTTP/1.1",
        "G(T / HTTP/1.1",
        "SSH-2.0-x",
        "\x16\x03\x01",
    };

    for (size_t i = 0; i < UNIT_COUNT(lines); i++) {
        char text[64];

        snprintf(text, sizeof(text), "%s\r\nHost: x\r\n\r\n", lines[i]);
        ck_assert_msg(!reads(text), "%s", lines[i]);
    }
    ck_assert(!http_head_read(BYTES("GET /\0 HTTP/1.1\r\n\r\n"), &(struct http_head){0}));
}
END_TEST

START_TEST(one_header_that_is_malformed_spoils_the_request)
{
    static const char *const lines[] = {
        "no colon", ": x",         " folded", " folded: x", "A : b",
        "A B: c",   "A: b\r c: d", "A: \x01", "A(: b",      "\xc3\xa4: b",
    };

    for (size_t i = 0; i < UNIT_COUNT(lines); i++) {
        char text[64];

        snprintf(text, sizeof(text), "%sHost: x\r\n%s\r\n\r\n", LINE, lines[i]);
        ck_assert_msg(!reads(text), "%s", lines[i]);
    }
    ck_assert(!http_head_read(BYTES(LINE "A: b\0c\r\n\r\n"), &(struct http_head){0}));
    ck_assert(reads(LINE "A: \xc3\xa4\tb\r\n\r\n"));
    ck_assert(reads(LINE "\r\nbehind"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_head_ends_with_its_empty_line,
        a_request_is_a_method_a_path_a_query_and_headers,
        a_proxy_asks_with_the_whole_address,
        what_is_no_request_is_refused,
        one_header_that_is_malformed_spoils_the_request,
    };

    return UNIT_RUN_PLAIN("http_head", tests);
}
