#include <stdio.h>

#include "base/prng.h"
#include "server/router/trace_headers.h"
#include "tests/unit/unit.h"

static struct trace_ask ask;

static bool asked(const char *block)
{
    return trace_asked(bytes_of_text(block), &ask);
}

static bool is(struct bytes value, const char *text)
{
    return bytes_equal(value, bytes_of_text(text));
}

START_TEST(a_destination_asks_for_it)
{
    ck_assert(asked("NATS/1.0\r\nA: b\r\nNats-Trace-Dest: \t t.x \r\nNats-Trace-Hop:1.2\r\n\r\n"));
    ck_assert(is(ask.destination, "t.x"));
    ck_assert(is(ask.hop, "1.2"));
    ck_assert(!ask.external && !ask.only);
}
END_TEST

START_TEST(names_are_exact_and_a_status_asks_for_nothing)
{
    ck_assert(!asked("NATS/1.0\r\nnats-trace-dest: t\r\n\r\n"));
    ck_assert(!asked("NATS/1.0\r\nNats-Trace-Dest:\r\n\r\n"));
    ck_assert(!asked("NATS/1.0\r\nNats-Trace-Dest : t\r\n\r\n"));
    ck_assert(!asked("NATS/1.0\r\nNats-Trace-Only: 1\r\n\r\n"));
    ck_assert(!asked("NATS/1.0 503\r\nNats-Trace-Dest: t\r\n\r\n"));
    ck_assert(!asked("NATS/1.0\r\nNats-Trace-Dest: t"));
    ck_assert(!asked("NATS/1.0\r\nNats-Trace-Dest: trace disabled\r\n\r\n"));
    ck_assert(!asked(""));
}
END_TEST

START_TEST(only_is_said_in_three_words_and_by_no_traceparent)
{
    static const char *const yes[] = {"1", "true", "TRUE", "on", "On"};
    static const char *const no[] = {"0", "yes", "11", "off"};
    char block[128];

    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        snprintf(block, sizeof block,
                 "NATS/1.0\r\nNats-Trace-Dest: t\r\nNats-Trace-Only: %s\r\n\r\n", yes[i]);
        ck_assert_msg(asked(block) && ask.only, "%s", yes[i]);
    }
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        snprintf(block, sizeof block,
                 "NATS/1.0\r\nNats-Trace-Dest: t\r\nNats-Trace-Only: %s\r\n\r\n", no[i]);
        ck_assert_msg(asked(block) && !ask.only, "%s", no[i]);
    }
    ck_assert(asked("NATS/1.0\r\ntraceparent: 00-a-b-01\r\nNats-Trace-Only: 1\r\n\r\n"));
    ck_assert(ask.external && !ask.only);
}
END_TEST

START_TEST(a_traceparent_asks_for_it_when_it_is_sampled)
{
    ck_assert(asked("NATS/1.0\r\nTraceParent: 00-a-b-01\r\n\r\n") && ask.external);
    ck_assert(asked("NATS/1.0\r\ntraceparent: 00-a-b-00\r\ntraceparent: 00-a-b-7F\r\n\r\n"));
    ck_assert(asked("NATS/1.0\r\ntraceparent: 00-a-b-01\r\nNats-Trace-Dest: t\r\n\r\n"));
    ck_assert(!ask.external);
    ck_assert(!asked("NATS/1.0\r\ntraceparent: 00-a-b-00\r\n\r\n"));
    ck_assert(!asked("NATS/1.0\r\ntraceparent: 00-a-b-81\r\n\r\n")); /* no signed byte */
    ck_assert(!asked("NATS/1.0\r\ntraceparent: 00-a-b-1\r\n\r\n"));
    ck_assert(!asked("NATS/1.0\r\ntraceparent: 00-a-01\r\n\r\n"));
    ck_assert(!asked("NATS/1.0\r\ntraceparent: 00-a-b-c-01\r\n\r\n"));
}
END_TEST

START_TEST(the_hint_misses_no_destination)
{
    ck_assert(trace_hinted(BYTES("NATS/1.0\r\nNats-Trace-Dest: t\r\n\r\n")));
    ck_assert(trace_hinted(BYTES("NATS/1.0\r\nNats-TTL: T\r\nNats-Trace-Dest: t\r\n\r\n")));
    ck_assert(!trace_hinted(BYTES("NATS/1.0\r\nNats-Msg-Id: t\r\nNats-Trace-Des")));
    ck_assert(!trace_hinted(BYTES("NATS/1.0\r\nTTTTTTTTTTTTTTTTTTTTTTTTT\r\n\r\n")));
    ck_assert(!trace_hinted(BYTES("NATS/1.0\r\ntraceparent: 00-a-b-01\r\n\r\n")));
    ck_assert(!trace_hinted(BYTES("")));
}
END_TEST

static void expect_json(const char *block, const char *json)
{
    struct json_writer w;
    struct buf out;

    buf_init(&out, SIZE_MAX / 2);
    json_writer_init(&w, &out);
    trace_write_headers(&w, bytes_of_text(block));
    ck_assert(!w.failed);
    ck_assert_msg(is(buf_bytes(&out), json), "%.*s", BYTES_ARG(buf_bytes(&out)));
    buf_deinit(&out);
}

START_TEST(headers_are_told_sorted_with_all_values_of_a_name)
{
    expect_json("NATS/1.0\r\nB: 1\r\nA: <2>\r\nb: x\r\nB:3\r\nC:\r\n\r\n",
                "{\"A\":[\"\\u003c2\\u003e\"],\"B\":[\"1\",\"3\"],\"b\":[\"x\"]}");
    expect_json("NATS/1.0\r\n\r\n", "{}");
    expect_json("nonsense", "{}");
}
END_TEST

START_TEST(a_header_is_set_at_the_end_or_in_place)
{
    static const char block[] = "NATS/1.0\r\nA:1\r\nB: 2\r\nA: 3\r\n\r\n";
    struct buf out;

    ck_assert(is(trace_headers_set(bytes_of_text(block), BYTES("A"), BYTES("x"), false, &out),
                 "NATS/1.0\r\nB: 2\r\nA: x\r\n\r\n"));
    buf_deinit(&out);
    ck_assert(is(trace_headers_set(bytes_of_text(block), BYTES("A"), BYTES("x"), true, &out),
                 "NATS/1.0\r\nA: x\r\nB: 2\r\n\r\n"));
    buf_deinit(&out);
    ck_assert(is(trace_headers_set(bytes_of_text(block), BYTES("C"), BYTES("x"), true, &out),
                 "NATS/1.0\r\nA:1\r\nB: 2\r\nA: 3\r\nC: x\r\n\r\n"));
    buf_deinit(&out);
    ck_assert(is(trace_headers_set(BYTES("NATS/1.0\r\nA:1"), BYTES("C"), BYTES("x"), true, &out),
                 "NATS/1.0\r\nA:1\r\nC: x\r\n\r\n"));
    buf_deinit(&out);
    ck_assert(is(trace_headers_set(BYTES("NATS/1.0\r\nC:1"), BYTES("C"), BYTES("x"), false, &out),
                 "NATS/1.0\r\nC: x\r\n\r\n"));
    buf_deinit(&out);
    ck_assert(
        is(trace_headers_set(BYTES("NATS/1.0\r\nC:1\r\n"), BYTES("C"), BYTES("x"), true, &out),
           "NATS/1.0\r\nC: x\r\n\r\n"));
    buf_deinit(&out);
}
END_TEST

/* What comes from a client may be anything; who reads past its end is found by the sanitizers. */
START_TEST(any_bytes_are_read_told_and_changed)
{
    static const char *const parts[] = {
        "NATS/1.0\r\n", "Nats-Trace-Dest", ":",         " ", "\r\n", "\r",
        "\n",           "traceparent",     "00-a-b-01", "-", "\xff", "x"};
    struct prng prng;

    prng_seed(&prng, 7);
    for (unsigned round = 0; round < 20000; round++) {
        struct buf block, out, json;
        struct json_writer w;

        buf_init(&block, SIZE_MAX / 2);
        buf_init(&json, SIZE_MAX / 2);
        for (uint64_t n = prng_below(&prng, 12); n > 0; n--)
            (void)buf_add(&block, bytes_of_text(parts[prng_below(&prng, 12)]));
        if (trace_asked(buf_bytes(&block), &ask) && !ask.external) {
            ck_assert(trace_hinted(buf_bytes(&block)));
            ck_assert_uint_gt(ask.destination.size, 0);
        }
        (void)trace_headers_set(buf_bytes(&block), TRACE_DEST, TRACE_DISABLED, round & 1, &out);
        ck_assert(!trace_asked(buf_bytes(&out), &ask) || ask.external);
        ck_assert(bytes_equal(bytes_skip(buf_bytes(&out), out.size - 4), BYTES("\r\n\r\n")));
        if (round % 64 == 0) {
            json_writer_init(&w, &json);
            trace_write_headers(&w, buf_bytes(&block));
            ck_assert(!w.failed);
        }
        buf_deinit(&json);
        buf_deinit(&out);
        buf_deinit(&block);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_destination_asks_for_it,
        names_are_exact_and_a_status_asks_for_nothing,
        only_is_said_in_three_words_and_by_no_traceparent,
        a_traceparent_asks_for_it_when_it_is_sampled,
        the_hint_misses_no_destination,
        headers_are_told_sorted_with_all_values_of_a_name,
        a_header_is_set_at_the_end_or_in_place,
        any_bytes_are_read_told_and_changed,
    };

    return UNIT_RUN_PLAIN("trace_headers", tests);
}
