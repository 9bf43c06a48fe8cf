#include "server/resolver/http_reply.h"

#include <stdio.h>

#include "base/prng.h"
#include "tests/unit/unit.h"

#define MOST 64u

/* In pieces of that size, then the end. */
static void feed(struct http_reply *reply, const char *text, size_t piece)
{
    struct bytes rest = bytes_of_text(text);

    http_reply_init(reply, MOST);
    while (rest.size > 0) {
        struct bytes b = bytes_take(rest, rest.size < piece ? rest.size : piece);

        http_reply_feed(reply, b);
        rest = bytes_skip(rest, b.size);
    }
}

static void check_done(const char *text, unsigned status, const char *body, bool needs_end)
{
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        struct http_reply reply;

        feed(&reply, text, piece);
        ck_assert_msg((reply.state == HTTP_DONE) == !needs_end, "%s by %zu", text, piece);
        http_reply_end(&reply);
        ck_assert_int_eq(reply.state, HTTP_DONE);
        ck_assert_uint_eq(reply.status, status);
        ck_assert_msg(bytes_equal(buf_bytes(&reply.body), bytes_of_text(body)), "%s", text);
        http_reply_deinit(&reply);
    }
}

static void check_bad(const char *text)
{
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        struct http_reply reply;

        feed(&reply, text, piece);
        http_reply_end(&reply);
        ck_assert_msg(reply.state == HTTP_BAD, "%s", text);
        ck_assert_ptr_nonnull(reply.wrong);
        http_reply_deinit(&reply);
    }
}

START_TEST(a_body_has_a_length_or_chunks_or_lasts_to_the_end)
{
    check_done("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", false);
    check_done("HTTP/1.0 200\r\ncontent-length:5\r\nX: y\r\n\r\nhello and more", 200, "hello",
               false);
    check_done("HTTP/1.1 200 OK\nContent-Length: 0\n\n", 200, "", false);
    check_done("HTTP/1.1 204 No Content\r\n\r\n", 204, "", false);
    check_done("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, "", false);
    check_done("HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello", true);
    check_done("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
               "3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\n\r\n",
               200, "hello", false);
    check_done("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: Chunked\r\nContent-Length: 9\r\n\r\n"
               "A\r\n0123456789\r\n0\r\nT: x\r\n\r\n",
               404, "0123456789", false);
    check_done("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 200,
               "x", false);
}
END_TEST

START_TEST(what_is_no_answer_or_not_whole_is_bad)
{
    check_bad("SSH-2.0-x\r\n\r\n");
    check_bad("HTTP/2 200\r\n\r\n");
    check_bad("HTTP/1.1 2x0 OK\r\n\r\n");
    check_bad("\r\nHTTP/1.1 200 OK\r\n\r\n");
    check_bad("HTTP/1.1 200 OK\r\nno colon\r\n\r\n");
    check_bad("HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello");
    check_bad("HTTP/1.1 200 OK\r\nX: a\r\n Content-Length: 5\r\n\r\nhello");
    check_bad("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!");
    check_bad("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello");
    check_bad("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell");
    check_bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
    check_bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    check_bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n");
    check_bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    check_bad("HTTP/1.1 200 OK\r\n");
}
END_TEST

START_TEST(what_is_too_large_is_bad_before_it_is_there)
{
    static char text[4 * HTTP_HEAD_MAX];
    struct http_reply reply;

    check_bad("HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n");
    check_bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n");
    check_bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n");
    check_bad("HTTP/1.1 200 OK\r\n\r\n"
              "0123456789012345678901234567890123456789012345678901234567890123x");
    memset(text, 'x', sizeof(text) - 1);
    memcpy(text, "HTTP/1.1 200 OK\r\nX: ", 20);
    feed(&reply, text, 1000);
    ck_assert_int_eq(reply.state, HTTP_BAD);
    ck_assert_uint_lt(reply.in.size, HTTP_HEAD_MAX + 2000);
    http_reply_deinit(&reply);
}
END_TEST

/* Of `size` bytes of `text` in pieces of that size. */
static enum http_reply_state state_of(const char *text, size_t size, size_t piece)
{
    struct http_reply reply;
    enum http_reply_state state;

    http_reply_init(&reply, MOST);
    for (size_t at = 0; at < size; at += piece)
        http_reply_feed(&reply, bytes_of(text + at, size - at < piece ? size - at : piece));
    state = reply.state;
    http_reply_deinit(&reply);
    return state;
}

START_TEST(bounds_count_what_they_bound_however_it_was_cut)
{
    static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    static char text[4 * HTTP_HEAD_MAX];
    size_t size;

    for (size_t piece = 7; piece <= 10 * sizeof(text); piece *= 100) {
        /* Bytes behind the end are no part of the trailer. */
        memset(text, 'x', sizeof(text));
        size = (size_t)snprintf(text, sizeof(text), "%s0\r\n\r\n", chunked);
        ck_assert_int_eq(state_of(text, size + HTTP_HEAD_MAX, piece), HTTP_DONE);
        /* A head that is whole at once is as large as one that comes by and by. */
        memset(text, 'x', sizeof(text));
        memcpy(text, "HTTP/1.1 200 OK\r\nX: ", 20);
        memcpy(text + HTTP_HEAD_MAX - 3, "\r\n\r\n", 4);
        ck_assert_int_eq(state_of(text, HTTP_HEAD_MAX + 1, piece), HTTP_BAD);
        memcpy(text + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
        ck_assert_int_eq(state_of(text, HTTP_HEAD_MAX, piece), HTTP_TO_END);
        /* So is the line of a chunk. */
        memset(text, 'x', sizeof(text));
        size = (size_t)snprintf(text, sizeof(text), "%s1;", chunked);
        memcpy(text + size + 1100, "\r\n", 2);
        ck_assert_int_eq(state_of(text, size + 1102, piece), HTTP_BAD);
    }
}
END_TEST

/* Else each read would read the head again, from its beginning. */
START_TEST(a_line_is_taken_when_it_is_whole)
{
    struct http_reply reply;

    feed(&reply, "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\nC", 3);
    ck_assert_uint_eq(reply.in.size, 1);
    ck_assert_int_eq(reply.state, HTTP_HEADERS);
    http_reply_deinit(&reply);
}
END_TEST

START_TEST(whatever_comes_it_stays_within_its_bounds)
{
    static const char *const pieces[] = {"HTTP/1.1 200 OK\r\n",
                                         "Content-Length: ",
                                         "Transfer-Encoding: chunked\r\n",
                                         "\r\n",
                                         "0",
                                         "5\r\n",
                                         "hello",
                                         ":",
                                         "\n",
                                         "\r",
                                         "FF",
                                         "100 ",
                                         ";",
                                         " "};
    struct prng prng;

    prng_seed(&prng, 7);
    for (int i = 0; i < 200000; i++) {
        struct http_reply reply;

        http_reply_init(&reply, MOST);
        for (int n = 0; n < 12; n++)
            http_reply_feed(&reply, bytes_of_text(pieces[prng_below(&prng, UNIT_COUNT(pieces))]));
        http_reply_end(&reply);
        ck_assert_int_ge(reply.state, HTTP_DONE);
        ck_assert_uint_le(reply.body.size, MOST);
        http_reply_deinit(&reply);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_body_has_a_length_or_chunks_or_lasts_to_the_end,
        what_is_no_answer_or_not_whole_is_bad,
        what_is_too_large_is_bad_before_it_is_there,
        bounds_count_what_they_bound_however_it_was_cut,
        a_line_is_taken_when_it_is_whole,
        whatever_comes_it_stays_within_its_bounds,
    };

    return UNIT_RUN_PLAIN("http_reply", tests);
}
