#include "server/stream/publish_headers.h"

#include <stddef.h>

#include "base/text.h"
#include "server/stream/header_block.h"

#define VERSION BYTES("NATS/1.0")
#define NANOS   INT64_C(1000000000)
#define LITERAL(text)                                                                              \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

/* All names start with this: most lines of other headers are passed by at a glance. */
static const struct bytes prefix = LITERAL("Nats-");

static const struct name {
    struct bytes name; /* behind the prefix */
    size_t at;
} names[] = {
#define NAME(text, field)                                                                          \
    {                                                                                              \
        LITERAL(text), offsetof(struct publish_headers, field)                                     \
    }
    NAME("Msg-Id", msg_id),
    NAME("Expected-Stream", expected_stream),
    NAME("Expected-Last-Sequence", expected_last_sequence),
    NAME("Expected-Last-Subject-Sequence", expected_last_subject_sequence),
    NAME("Expected-Last-Subject-Sequence-Subject", expected_last_subject_sequence_subject),
    NAME("Expected-Last-Msg-Id", expected_last_msg_id),
    NAME("Rollup", rollup),
    NAME("TTL", ttl),
    NAME("Marker-Reason", marker_reason),
    NAME("Incr", incr),
    NAME("Schedule", schedule),
    NAME("Schedule-Next", schedule_next),
    NAME("Schedule-Target", schedule_target),
    NAME("Schedule-Source", schedule_source),
    NAME("Schedule-TTL", schedule_ttl),
    NAME("Schedule-Rollup", schedule_rollup),
    NAME("Schedule-Time-Zone", schedule_zone),
    NAME("Scheduler", scheduler),
    NAME("Batch-Id", batch_id),
    NAME("Batch-Sequence", batch_sequence),
    NAME("Batch-Commit", batch_commit),
    NAME("Required-Api-Level", required_level),
    NAME("Trace-Dest", trace_dest),
    NAME("Trace-Only", trace_only),
    NAME("Request-Info", request_info),
#undef NAME
};

/* The next line behind a CRLF; *rest is what follows it, from its own CRLF on. */
static bool next_line(struct bytes *rest, struct bytes *line)
{
    size_t at = header_block_crlf(*rest);

    if (at == rest->size)
        return false;
    *rest = bytes_skip(*rest, at + 2);
    *line = bytes_take(*rest, header_block_crlf(*rest));
    *rest = bytes_skip(*rest, line->size);
    return true;
}

static struct bytes value_of(struct bytes line, size_t name_size)
{
    struct bytes value = bytes_skip(line, name_size + 1);

    while (value.size > 0 && value.at[0] == ' ')
        value = bytes_skip(value, 1);
    return value;
}

static void read_line(struct bytes line, struct publish_headers *headers)
{
    struct bytes after = bytes_skip(line, prefix.size);
    size_t name_size = bytes_find(after, ':');

    if (name_size == after.size)
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct bytes *field = (struct bytes *)((uint8_t *)headers + names[i].at);

        if (!bytes_equal(bytes_take(after, name_size), names[i].name))
            continue;
        if (field->at == NULL)
            *field = value_of(after, name_size);
        return;
    }
}

void publish_headers_read(struct bytes block, struct publish_headers *headers)
{
    struct bytes rest = block, line;

    *headers = (struct publish_headers){0};
    while (next_line(&rest, &line)) {
        if (bytes_starts(line, prefix))
            read_line(line, headers);
        else if (headers->kv_operation.at == NULL && bytes_starts(line, BYTES("KV-Operation:")))
            headers->kv_operation = value_of(line, sizeof("KV-Operation") - 1);
    }
}

/* ---- what is not stored ---------------------------------------------------------------------- */

/* Where what follows an inline status starts (a CRLF), 0: there is no status. */
static size_t status_end(struct bytes block)
{
    size_t end;

    if (!bytes_starts(block, VERSION))
        return 0;
    end = header_block_crlf(block);
    return end == block.size || end == VERSION.size ? 0 : end;
}

/* Copies lines with their CRLF in front, but for those that start with `without`; one that does not
 * end in a CRLF stays, whatever it says. */
static void copy_lines(struct bytes rest, struct bytes without, struct buf *scratch)
{
    while (rest.size > 0) {
        struct bytes line = rest;
        size_t size = rest.size;

        assert(bytes_starts(rest, BYTES("\r\n")));
        line = bytes_skip(line, 2);
        size = 2 + header_block_crlf(line);
        line = bytes_take(line, size - 2);
        if (size == rest.size || !bytes_starts(line, without)) {
            bool fits = buf_add(scratch, bytes_take(rest, size));

            assert(fits); /* it is never longer than the block was */
            (void)fits;
        }
        rest = bytes_skip(rest, size);
    }
}

static struct bytes copy_clean(struct bytes block, size_t status, struct buf *scratch)
{
    size_t start = status > 0 ? status : header_block_crlf(block);
    struct bytes first = status > 0 ? VERSION : bytes_take(block, start);
    bool fits;

    buf_clear(scratch);
    fits = buf_add(scratch, first);
    assert(fits);
    (void)fits;
    copy_lines(bytes_skip(block, start), BYTES("Nats-Request-Info:"), scratch);
    if (bytes_equal(buf_bytes(scratch), BYTES("NATS/1.0\r\n\r\n")))
        return bytes_of(NULL, 0);
    return buf_bytes(scratch);
}

struct bytes publish_headers_clean(struct bytes block, struct buf *scratch,
                                   struct publish_headers *headers)
{
    size_t status = status_end(block);

    publish_headers_read(block, headers);
    if (status == 0 && headers->request_info.at == NULL)
        return block;
    block = copy_clean(block, status, scratch);
    publish_headers_read(block, headers);
    return block;
}

struct bytes publish_headers_with_ttl(struct bytes block, int64_t seconds, struct buf *scratch)
{
    size_t start = header_block_crlf(block);

    buf_clear(scratch);
    (void)buf_add(scratch, bytes_take(block, start)); /* it has no limit */
    copy_lines(bytes_skip(block, start), BYTES("Nats-TTL:"), scratch);
    if (bytes_equal(bytes_skip(buf_bytes(scratch), scratch->size - 2), BYTES("\r\n")))
        scratch->size -= 2; /* of the empty line that ends it */
    (void)buf_print(scratch, "Nats-TTL: %lld\r\n\r\n", (long long)seconds);
    return buf_bytes(scratch);
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool digits(struct bytes value)
{
    for (size_t i = 0; i < value.size; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return false;
    }
    return value.size > 0;
}

bool publish_headers_trace_only(const struct publish_headers *headers)
{
    struct bytes only = bytes_trim(headers->trace_only);

    if (headers->trace_dest.size == 0 || bytes_equal(headers->trace_dest, BYTES("trace disabled")))
        return false;
    return bytes_equal(only, BYTES("1")) || bytes_equal_nocase(only, BYTES("true")) ||
           bytes_equal_nocase(only, BYTES("on"));
}

/* However many: the reference lets large ones pass. */
static int64_t at_most(int64_t seconds)
{
    return seconds < PUBLISH_TTL_MAX ? seconds : PUBLISH_TTL_MAX;
}

static bool read_seconds(struct bytes value, int64_t *seconds)
{
    if (bytes_equal(value, BYTES("0")))
        return false; /* a duration, and too short; more zeros are a number */
    *seconds = 0;
    for (size_t i = 0; i < value.size; i++)
        *seconds = at_most(*seconds * 10 + (value.at[i] - '0'));
    return true;
}

bool publish_headers_ttl(struct bytes value, int64_t *seconds)
{
    int64_t ns;

    *seconds = PUBLISH_TTL_NEVER;
    if (bytes_equal_nocase(value, BYTES("never")))
        return true;
    if (digits(value))
        return read_seconds(value, seconds);
    if (!text_read_duration(value, &ns) || ns < NANOS)
        return false;
    *seconds = at_most(ns / NANOS);
    return true;
}

bool publish_headers_marker(const struct publish_headers *headers)
{
    return headers->marker_reason.size > 0 || bytes_equal(headers->kv_operation, BYTES("PURGE"));
}
