#include <stdio.h>

#include "base/prng.h"
#include "server/stream/publish_headers.h"
#include "tests/unit/unit.h"

static struct publish_headers headers;

static void read_block(const char *block)
{
    publish_headers_read(bytes_of_text(block), &headers);
}

static bool is(struct bytes value, const char *text)
{
    return bytes_equal(value, bytes_of_text(text));
}

START_TEST(a_value_starts_behind_blanks_and_ends_before_the_line_does)
{
    read_block("NATS/1.0\r\nA: b\r\nNats-Msg-Id:   x y \r\nNats-Rollup:sub\r\n\r\n");
    ck_assert(is(headers.msg_id, "x y "));
    ck_assert(is(headers.rollup, "sub"));
    read_block("NATS/1.0\r\nNats-Msg-Id:\tx\ny\r\n\r\n");
    ck_assert(is(headers.msg_id, "\tx\ny"));
}
END_TEST

START_TEST(the_last_line_needs_no_end)
{
    read_block("NATS/1.0\r\nNats-Expected-Stream: B");
    ck_assert(is(headers.expected_stream, "B"));
    read_block("NATS/1.0\r\nNats-Expected-Stream:B\r");
    ck_assert(is(headers.expected_stream, "B\r"));
}
END_TEST

START_TEST(names_are_exact_and_lines_begin_behind_a_crlf)
{
    static const char *const others[] = {
        "NATS/1.0\r\nnats-msg-id: x\r\n\r\n",   "NATS/1.0\r\nNats-Msg-Id : x\r\n\r\n",
        "NATS/1.0\r\nX-Nats-Msg-Id: x\r\n\r\n", "NATS/1.0\r\n Nats-Msg-Id: x\r\n\r\n",
        "NATS/1.0\nNats-Msg-Id: x\n\n",         "Nats-Msg-Id: x\r\n\r\n",
        "NATS/1.0\r\nQ: z\nNats-Msg-Id: x\r\n", "NATS/1.0\r\n\rNats-Msg-Id: x\r\n\r\n",
        "NATS/1.0\r\nNats-Msg-Ids: x\r\n\r\n",  "NATS/1.0\r\nNats-Msg-Id\r\n\r\n",
        "NATS/1.0\r\nNats-Msg-I: x\r\n\r\n",    "",
    };

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        read_block(others[i]);
        ck_assert_msg(headers.msg_id.size == 0, "%s", others[i]);
    }
}
END_TEST

START_TEST(the_first_line_of_a_name_counts)
{
    read_block("NATS/1.0\r\nNats-Msg-Id: a\r\nNats-Msg-Id: b\r\n\r\n");
    ck_assert(is(headers.msg_id, "a"));
    read_block("NATS/1.0\r\nNats-Msg-Id: \r\nNats-Msg-Id: b\r\n\r\n");
    ck_assert(is(headers.msg_id, ""));
    read_block("NATS/1.0\r\nNats-Msg-Id\r\nNats-Msg-Id: b\r\n\r\n");
    ck_assert(is(headers.msg_id, "b"));
}
END_TEST

START_TEST(an_empty_line_ends_nothing)
{
    read_block("NATS/1.0\r\nA: b\r\n\r\nNats-Expected-Stream: B\r\n\r\n");
    ck_assert(is(headers.expected_stream, "B"));
}
END_TEST

START_TEST(every_name_has_its_field)
{
    read_block(
        "NATS/1.0\r\nNats-Msg-Id: 1\r\nNats-Expected-Stream: 2\r\nNats-Expected-Last-Sequence: "
        "3\r\n"
        "Nats-Expected-Last-Subject-Sequence: 4\r\nNats-Expected-Last-Subject-Sequence-Subject: "
        "5\r\n"
        "Nats-Expected-Last-Msg-Id: 6\r\nNats-Rollup: 7\r\nNats-TTL: 8\r\nNats-Incr: 9\r\n"
        "Nats-Schedule: 10\r\nNats-Schedule-Next: 11\r\nNats-Scheduler: 12\r\nNats-Batch-Id: 13\r\n"
        "Nats-Request-Info: 14\r\nNats-Trace-Dest: 15\r\nNats-Trace-Only: 16\r\n"
        "Nats-Batch-Sequence: 17\r\nNats-Batch-Commit: 18\r\nNats-Required-Api-Level: 19\r\n"
        "Nats-Schedule-Target: 20\r\nNats-Schedule-Source: 21\r\nNats-Schedule-TTL: 22\r\n"
        "Nats-Schedule-Rollup: 23\r\nNats-Schedule-Time-Zone: 24\r\n\r\n");
    ck_assert(is(headers.msg_id, "1"));
    ck_assert(is(headers.expected_stream, "2"));
    ck_assert(is(headers.expected_last_sequence, "3"));
    ck_assert(is(headers.expected_last_subject_sequence, "4"));
    ck_assert(is(headers.expected_last_subject_sequence_subject, "5"));
    ck_assert(is(headers.expected_last_msg_id, "6"));
    ck_assert(is(headers.rollup, "7"));
    ck_assert(is(headers.ttl, "8"));
    ck_assert(is(headers.incr, "9"));
    ck_assert(is(headers.schedule, "10"));
    ck_assert(is(headers.schedule_next, "11"));
    ck_assert(is(headers.scheduler, "12"));
    ck_assert(is(headers.batch_id, "13"));
    ck_assert(is(headers.request_info, "14"));
    ck_assert(is(headers.trace_dest, "15"));
    ck_assert(is(headers.trace_only, "16"));
    ck_assert(is(headers.batch_sequence, "17"));
    ck_assert(is(headers.batch_commit, "18"));
    ck_assert(is(headers.required_level, "19"));
    ck_assert(is(headers.schedule_target, "20"));
    ck_assert(is(headers.schedule_source, "21"));
    ck_assert(is(headers.schedule_ttl, "22"));
    ck_assert(is(headers.schedule_rollup, "23"));
    ck_assert(is(headers.schedule_zone, "24"));
}
END_TEST

/* As a nats-server 2.14 stores them. */
START_TEST(status_and_request_info_are_not_stored)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"NATS/1.0\r\n\r\n", "NATS/1.0\r\n\r\n"},
        {"NATS/1.0 100 Idle\r\nA: b\r\n\r\n", "NATS/1.0\r\nA: b\r\n\r\n"},
        {"NATS/1.0   \r\nA: c\r\n\r\n", "NATS/1.0\r\nA: c\r\n\r\n"},
        {"NATS/1.0 503\r\n\r\n", ""},
        {"NATS/1.0 503\r\n", "NATS/1.0\r\n"},
        {"NATS/1.0Nats-Expected-Stream: B\r\n\r\n", ""},
        {"NATS/1.0 503", "NATS/1.0 503"},
        {"NATS/2.0 503\r\nA: c\r\n\r\n", "NATS/2.0 503\r\nA: c\r\n\r\n"},
        {"hello", "hello"},
        {"NATS/1.0", "NATS/1.0"},
        {"NATS/1.0\r\nNats-Request-Info: x\r\n\r\n", ""},
        {"NATS/1.0\r\nA: b\r\nNats-Request-Info: x\r\nC: d\r\n\r\n",
         "NATS/1.0\r\nA: b\r\nC: d\r\n\r\n"},
        {"NATS/1.0\r\nNats-Request-Info: x\r\nNats-Request-Info: y\r\nC: d\r\n\r\n",
         "NATS/1.0\r\nC: d\r\n\r\n"},
        {"NATS/1.0\r\nNats-Request-Info:\r\nA: b\r\n\r\n", "NATS/1.0\r\nA: b\r\n\r\n"},
        {"NATS/1.0\r\nNats-Request-Info: x", "NATS/1.0\r\nNats-Request-Info: x"},
        {"NATS/1.0\r\nNats-Request-Infos: x\r\n\r\n", "NATS/1.0\r\nNats-Request-Infos: x\r\n\r\n"},
        {"NATS/1.0\r\nX-Nats-Request-Info: x\r\nNats-Request-Info: c\r\n\r\n",
         "NATS/1.0\r\nX-Nats-Request-Info: x\r\n\r\n"},
        {"NATS/1.0 503 \r\nNats-Request-Info: x\r\n\r\n", ""},
        {"NATS/1.0\r\nA: b\r\nNats-Request-Info: x\r\n\r\ntrail", "NATS/1.0\r\nA: b\r\n\r\ntrail"},
    };
    struct buf scratch;

    buf_init(&scratch, 4096);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes clean = publish_headers_clean(bytes_of_text(rows[i].in), &scratch, &headers);

        ck_assert_msg(is(clean, rows[i].out), "%s", rows[i].in);
    }
    buf_deinit(&scratch);
}
END_TEST

START_TEST(what_is_read_lies_in_what_is_stored)
{
    struct buf scratch;
    struct bytes clean;

    buf_init(&scratch, 4096);
    clean = publish_headers_clean(BYTES("NATS/1.0 408 x\r\nNats-Msg-Id: h1\r\n\r\n"), &scratch,
                                  &headers);
    ck_assert(is(headers.msg_id, "h1"));
    ck_assert(headers.msg_id.at > clean.at && headers.msg_id.at < clean.at + clean.size);
    buf_deinit(&scratch);
}
END_TEST

START_TEST(any_bytes_are_headers_of_some_kind)
{
    static const char *const pieces[] = {"NATS/1.0",
                                         "\r\n",
                                         "\r",
                                         "\n",
                                         "Nats-",
                                         "Request-Info",
                                         ":",
                                         " ",
                                         "Msg-Id",
                                         "x",
                                         "Nats-Request-Info: y"};
    struct prng prng;
    struct buf block, scratch;

    prng_seed(&prng, 5);
    buf_init(&block, 4096);
    buf_init(&scratch, 4096);
    for (int i = 0; i < 200000; i++) {
        struct bytes clean;

        buf_clear(&block);
        for (uint64_t n = 1 + prng_below(&prng, 12); n > 0; n--)
            (void)buf_add(&block, bytes_of_text(pieces[prng_below(&prng, 11)]));
        clean = publish_headers_clean(buf_bytes(&block), &scratch, &headers);
        ck_assert_uint_le(clean.size, block.size);
        if (clean.size > 0 && clean.at != block.at) { /* once is enough */
            struct buf again;

            buf_init(&again, 4096);
            ck_assert(bytes_equal(publish_headers_clean(clean, &again, &headers), clean));
            buf_deinit(&again);
        }
    }
    buf_deinit(&block);
    buf_deinit(&scratch);
}
END_TEST

START_TEST(time_to_live_is_never_or_whole_seconds)
{
    static const struct {
        const char *value;
        int64_t seconds;
    } good[] = {
        {"1", 1},
        {"05", 5},
        {"3600", 3600},
        {"1s", 1},
        {"1.5s", 1},
        {"1h30m", 5400},
        {"never", PUBLISH_TTL_NEVER},
        {"NEVER", PUBLISH_TTL_NEVER},
        {"00", 0},
        {"999999999999999999999", PUBLISH_TTL_MAX},
        {"2562047h", PUBLISH_TTL_MAX},
    };
    static const char *const bad[] = {"0",  "0s", "500ms", "999ms",  "-1", "-5s",
                                      "+5", "5 ", "1.5",   "never ", "x",  ""};

    int64_t seconds;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_msg(publish_headers_ttl(bytes_of_text(good[i].value), &seconds), "%s",
                      good[i].value);
        ck_assert_int_eq(seconds, good[i].seconds);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!publish_headers_ttl(bytes_of_text(bad[i]), &seconds), "%s", bad[i]);
}
END_TEST

/* As asked of a nats-server 2.14. */
START_TEST(a_ttl_that_is_put_into_a_block_stands_once_at_its_end)
{
    static const struct {
        const char *block, *with;
    } rows[] = {
        {"NATS/1.0\r\nNats-TTL: 5\r\n\r\n", "NATS/1.0\r\nNats-TTL: 100\r\n\r\n"},
        {"NATS/1.0\r\nA: 1\r\nNats-TTL:5\r\nB: 2\r\n\r\n",
         "NATS/1.0\r\nA: 1\r\nB: 2\r\nNats-TTL: 100\r\n\r\n"},
        {"NATS/1.0\r\nNats-TTL: 5\r\nNats-TTL: 6\r\nnats-ttl: 7\r\n\r\n",
         "NATS/1.0\r\nnats-ttl: 7\r\nNats-TTL: 100\r\n\r\n"},
    };
    struct buf scratch;

    buf_init(&scratch, 1024);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes with = publish_headers_with_ttl(bytes_of_text(rows[i].block), 100, &scratch);

        ck_assert_msg(bytes_equal(with, bytes_of_text(rows[i].with)), "%.*s", BYTES_ARG(with));
    }
    buf_deinit(&scratch);
}
END_TEST

START_TEST(markers_are_those_with_a_reason_and_purges_of_buckets)
{
    static const struct {
        const char *line;
        bool marker;
    } rows[] = {
        {"Nats-Marker-Reason: MaxAge", true}, {"Nats-Marker-Reason:", false},
        {"KV-Operation: PURGE", true},        {"KV-Operation: DEL", false},
        {"KV-Operation: purge", false},       {"X: PURGE", false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct publish_headers read;
        char block[100];

        snprintf(block, sizeof block, "NATS/1.0\r\n%s\r\n\r\n", rows[i].line);
        publish_headers_read(bytes_of_text(block), &read);
        ck_assert_msg(publish_headers_marker(&read) == rows[i].marker, "%s", rows[i].line);
    }
}
END_TEST

/* As asked of a nats-server 2.14. */
START_TEST(only_traced_is_what_has_a_destination_and_says_so)
{
    static const struct {
        const char *lines;
        bool only;
    } rows[] = {
        {"Nats-Trace-Dest: t\r\nNats-Trace-Only: 1", true},
        {"Nats-Trace-Dest: t\r\nNats-Trace-Only:true", true},
        {"Nats-Trace-Only: TRUE \r\nNats-Trace-Dest: t", true},
        {"Nats-Trace-Dest: t\r\nNats-Trace-Only: On", true},
        {"Nats-Trace-Dest: not a.*\r\nNats-Trace-Only: on", true},
        {"Nats-Trace-Dest: t\r\nNats-Trace-Only: 0", false},
        {"Nats-Trace-Dest: t\r\nNats-Trace-Only: yes", false},
        {"Nats-Trace-Dest: t\r\nNats-Trace-Only: ", false},
        {"Nats-Trace-Dest: t\r\nNats-Trace-Only: false\r\nNats-Trace-Only: true", false},
        {"Nats-Trace-Dest: t", false},
        {"Nats-Trace-Only: true", false},
        {"Nats-Trace-Dest: \r\nNats-Trace-Only: true", false},
        {"Nats-Trace-Dest: trace disabled\r\nNats-Trace-Only: true", false},
        {"nats-trace-dest: t\r\nnats-trace-only: true", false},
    };
    char block[200];

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        snprintf(block, sizeof block, "NATS/1.0\r\n%s\r\n\r\n", rows[i].lines);
        read_block(block);
        ck_assert_msg(publish_headers_trace_only(&headers) == rows[i].only, "%s", rows[i].lines);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_value_starts_behind_blanks_and_ends_before_the_line_does,
        the_last_line_needs_no_end,
        names_are_exact_and_lines_begin_behind_a_crlf,
        the_first_line_of_a_name_counts,
        an_empty_line_ends_nothing,
        every_name_has_its_field,
        status_and_request_info_are_not_stored,
        what_is_read_lies_in_what_is_stored,
        any_bytes_are_headers_of_some_kind,
        time_to_live_is_never_or_whole_seconds,
        a_ttl_that_is_put_into_a_block_stands_once_at_its_end,
        markers_are_those_with_a_reason_and_purges_of_buckets,
        only_traced_is_what_has_a_destination_and_says_so,
    };

    return UNIT_RUN_PLAIN("publish_headers", tests);
}
