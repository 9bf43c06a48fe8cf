#include "server/router/trace_headers.h"

#include <stdlib.h>
#include <string.h>

#include "base/heap.h"

#define FIRST_LINE BYTES("NATS/1.0\r\n")
#define LINE_END   BYTES("\r\n")

/* "version-id-parent-flags", the flags in two digits. */
#define TRACEPARENT_PARTS 4u

struct header {
    struct bytes name, value;
    size_t order;
};

static bool blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static size_t find(struct bytes b, struct bytes what)
{
    const uint8_t *at = b.size > 0 ? memmem(b.at, b.size, what.at, what.size) : NULL;

    return at != NULL ? (size_t)(at - b.at) : b.size;
}

/* The next header that has a name and a value; *rest is what follows it. */
static bool next(struct bytes *rest, struct header *header)
{
    for (;;) {
        size_t colon = bytes_find(*rest, ':'), end;
        struct bytes value;

        if (colon == rest->size)
            return false;
        header->name = bytes_take(*rest, colon);
        value = bytes_skip(*rest, colon + 1);
        while (value.size > 0 && blank(value.at[0]))
            value = bytes_skip(value, 1);
        end = find(value, LINE_END);
        if (end == value.size)
            return false;
        *rest = bytes_skip(value, end + LINE_END.size);
        while (end > 0 && blank(value.at[end - 1]))
            end--;
        header->value = bytes_take(value, end);
        if (header->name.size > 0 && end > 0)
            return true;
    }
}

static int digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* As the reference reads the flags: a signed byte in hexadecimal. */
static bool sampled(struct bytes value)
{
    struct bytes flags = value;
    int high, low;

    for (unsigned part = 1; part < TRACEPARENT_PARTS; part++) {
        size_t dash = bytes_find(flags, '-');

        if (dash == flags.size)
            return false;
        flags = bytes_skip(flags, dash + 1);
    }
    if (flags.size != 2)
        return false;
    high = flags.at[0] == '+' ? 0 : digit(flags.at[0]);
    low = digit(flags.at[1]);
    return high >= 0 && high < 8 && low >= 0 && (low & 1) != 0;
}

static bool says_yes(struct bytes value)
{
    return bytes_equal(value, BYTES("1")) || bytes_equal_nocase(value, BYTES("true")) ||
           bytes_equal_nocase(value, BYTES("on"));
}

/* Its only capital but for the first and the last: few other headers have one. */
#define DEST_CAPITAL 5u

bool trace_hinted(struct bytes headers)
{
    struct bytes rest;

    if (headers.size < FIRST_LINE.size + TRACE_DEST.size)
        return false;
    rest = bytes_skip(headers, FIRST_LINE.size + DEST_CAPITAL);
    for (;;) {
        const uint8_t *at = memchr(rest.at, 'T', rest.size);

        if (at == NULL)
            return false;
        rest = bytes_skip(rest, (size_t)(at - rest.at));
        if (rest.size < TRACE_DEST.size - DEST_CAPITAL)
            return false;
        if (memcmp(at - DEST_CAPITAL, TRACE_DEST.at, TRACE_DEST.size) == 0)
            return true;
        rest = bytes_skip(rest, 1);
    }
}

static void take_first(struct bytes *value, const struct header *header, struct bytes name)
{
    if (value->size == 0 && bytes_equal(header->name, name))
        *value = header->value;
}

bool trace_asked(struct bytes headers, struct trace_ask *ask)
{
    struct bytes only = {0}, rest;
    struct header header;
    bool parent = false;

    *ask = (struct trace_ask){0};
    if (!bytes_starts(headers, FIRST_LINE))
        return false;
    rest = bytes_skip(headers, FIRST_LINE.size);
    while (next(&rest, &header)) {
        if (bytes_equal_nocase(header.name, BYTES("traceparent"))) {
            parent = parent || sampled(header.value);
            continue;
        }
        take_first(&ask->destination, &header, TRACE_DEST);
        take_first(&only, &header, BYTES("Nats-Trace-Only"));
        take_first(&ask->hop, &header, TRACE_HOP);
        take_first(&ask->origin_account, &header, BYTES("Nats-Trace-Origin-Account"));
        take_first(&ask->encoding, &header, BYTES("Accept-Encoding"));
    }
    if (bytes_equal(ask->destination, TRACE_DISABLED))
        return false;
    ask->external = ask->destination.size == 0;
    ask->only = !ask->external && says_yes(only);
    return !ask->external || parent;
}

/* ---- as JSON -------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const struct header *left = a, *right = b;
    int order = bytes_compare(left->name, right->name);

    if (order != 0)
        return order;
    return left->order < right->order ? -1 : 1;
}

static size_t collect(struct bytes headers, struct header *list)
{
    struct bytes rest = bytes_skip(headers, FIRST_LINE.size);
    size_t count = 0;

    while (count < TRACE_HEADERS_MAX && next(&rest, &list[count])) {
        list[count].order = count;
        count++;
    }
    return count;
}

void trace_write_headers(struct json_writer *w, struct bytes headers)
{
    struct header *list = heap_take(TRACE_HEADERS_MAX * sizeof(*list));
    size_t count = bytes_starts(headers, FIRST_LINE) ? collect(headers, list) : 0;

    qsort(list, count, sizeof(*list), by_name);
    json_object_begin(w);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !bytes_equal(list[i].name, list[i - 1].name)) {
            json_key(w, list[i].name);
            json_array_begin(w);
        }
        json_string(w, list[i].value);
        if (i + 1 == count || !bytes_equal(list[i].name, list[i + 1].name))
            json_array_end(w);
    }
    json_object_end(w);
    heap_give(list);
}

/* ---- changing ------------------------------------------------------------------------------- */

static bool named(struct bytes line, struct bytes name)
{
    return line.size > name.size && line.at[name.size] == ':' && bytes_starts(line, name);
}

static void add_header(struct buf *out, struct bytes name, struct bytes value)
{
    (void)buf_add(out, name); /* it has no limit, as below */
    (void)BUF_ADD(out, ": ");
    (void)buf_add(out, value);
    (void)BUF_ADD(out, "\r\n");
}

struct bytes trace_headers_set(struct bytes headers, struct bytes name, struct bytes value,
                               bool in_place, struct buf *out)
{
    struct bytes rest = headers;
    bool placed = false;

    buf_init(out, SIZE_MAX / 2);
    while (rest.size > 0 && !bytes_equal(rest, LINE_END)) {
        size_t end = find(rest, LINE_END);
        struct bytes line = bytes_take(rest, end);

        rest = bytes_skip(rest, end < rest.size ? end + LINE_END.size : end);
        if (!named(line, name)) {
            (void)buf_add(out, line);
            (void)buf_add(out, LINE_END);
        } else if (in_place && !placed) {
            add_header(out, name, value);
            placed = true;
        }
    }
    if (!placed)
        add_header(out, name, value);
    (void)buf_add(out, LINE_END);
    return buf_bytes(out);
}
