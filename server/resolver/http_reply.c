#include "server/resolver/http_reply.h"

#include "base/http_head.h"

#define CHUNK_LINE_MAX 1024u
#define LINE_END_MAX   2u

#define NOT_HTTP       "the answer is not HTTP"
#define TOO_LARGE      "the answer is too large"
#define HEAD_TOO_LARGE "the head of the answer is too large"

void http_reply_init(struct http_reply *reply, size_t size_max)
{
    *reply = (struct http_reply){.state = HTTP_STATUS, .size_max = size_max};
    buf_init(&reply->in, SIZE_MAX / 2);
    buf_init(&reply->body, size_max);
}

void http_reply_deinit(struct http_reply *reply)
{
    buf_deinit(&reply->in);
    buf_deinit(&reply->body);
}

static void spoil(struct http_reply *reply, const char *wrong)
{
    reply->state = HTTP_BAD;
    reply->wrong = wrong;
}

/* ---- lines ---------------------------------------------------------------------------------- */

/* The line at the beginning, and how much it takes with its end; 0: it is not whole, or it is
 * larger than `most`, which is `wrong`. */
static size_t take_line(struct http_reply *reply, struct bytes in, size_t most, const char *wrong,
                        struct bytes *line)
{
    struct bytes rest = in;
    bool whole = http_line_next(&rest, line);

    if ((whole ? in.size - rest.size : in.size) > most) {
        spoil(reply, wrong);
        return 0;
    }
    return whole ? in.size - rest.size : 0;
}

static bool read_number(struct bytes text, unsigned base, size_t *number)
{
    size_t sum = 0;

    if (text.size == 0 || text.size > 15)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        unsigned c = text.at[i] | 0x20u;
        unsigned digit = c >= 'a' && c <= 'f' ? c - 'a' + 10 : text.at[i] - (unsigned)'0';

        if (digit >= base)
            return false;
        sum = sum * base + digit;
    }
    *number = sum;
    return true;
}

/* "HTTP/1.1 200 OK" */
static bool read_status(struct http_reply *reply, struct bytes line)
{
    size_t status;

    if (line.size < 12 || !bytes_starts(line, BYTES("HTTP/1.")) || line.at[8] != ' ' ||
        !read_number(bytes_of(line.at + 9, 3), 10, &status) ||
        (line.size > 12 && line.at[12] != ' ') || status < 100)
        return false;
    reply->status = (unsigned)status;
    return true;
}

/* ---- the head ------------------------------------------------------------------------------- */

/* A line of the head or of the trailer, which are bounded. */
static size_t take_head_line(struct http_reply *reply, struct bytes in, struct bytes *line)
{
    size_t used = take_line(reply, in, HTTP_HEAD_MAX - reply->lines, HEAD_TOO_LARGE, line);

    reply->lines += used;
    return used;
}

static size_t take_status(struct http_reply *reply, struct bytes in)
{
    struct bytes line;
    size_t used = take_head_line(reply, in, &line);

    if (used > 0 && !read_status(reply, line))
        spoil(reply, NOT_HTTP);
    else if (used > 0)
        reply->state = HTTP_HEADERS;
    return used;
}

static bool read_header(struct http_reply *reply, struct bytes line)
{
    struct bytes name, value;
    size_t size;

    if (!http_header_read(line, &name, &value))
        return false;
    if (bytes_equal_nocase(name, BYTES("Content-Length"))) {
        if (!read_number(value, 10, &size) || (reply->counted && reply->left != size))
            return false;
        reply->counted = true;
        reply->left = size;
    } else if (bytes_equal_nocase(name, BYTES("Transfer-Encoding"))) {
        if (reply->chunked || !bytes_equal_nocase(value, BYTES("chunked")))
            return false;
        reply->chunked = true;
    }
    return true;
}

static void begin_body(struct http_reply *reply)
{
    reply->lines = 0;
    if (reply->status < 200) { /* the one that counts follows */
        reply->chunked = reply->counted = false;
        reply->left = 0;
        reply->state = HTTP_STATUS;
    } else if (reply->status == 204 || reply->status == 304) { /* whatever its headers say */
        reply->state = HTTP_DONE;
    } else if (reply->chunked) {
        reply->state = HTTP_CHUNK_SIZE;
    } else if (reply->left > reply->size_max) {
        spoil(reply, TOO_LARGE);
    } else if (reply->counted) {
        reply->state = reply->left > 0 ? HTTP_BODY : HTTP_DONE;
    } else {
        reply->state = HTTP_TO_END;
    }
}

static size_t take_header(struct http_reply *reply, struct bytes in)
{
    struct bytes line;
    size_t used = take_head_line(reply, in, &line);

    if (used > 0 && line.size == 0)
        begin_body(reply);
    else if (used > 0 && !read_header(reply, line))
        spoil(reply, NOT_HTTP);
    return used;
}

/* ---- the body ------------------------------------------------------------------------------- */

static size_t take_some(struct http_reply *reply, struct bytes in, size_t most)
{
    struct bytes piece = bytes_take(in, in.size < most ? in.size : most);

    if (!buf_add(&reply->body, piece))
        spoil(reply, TOO_LARGE);
    return piece.size;
}

static size_t take_counted(struct http_reply *reply, struct bytes in, enum http_reply_state then)
{
    size_t taken = take_some(reply, in, reply->left);

    reply->left -= taken;
    if (reply->left == 0 && reply->state != HTTP_BAD)
        reply->state = then;
    return taken;
}

static size_t take_chunk_size(struct http_reply *reply, struct bytes in)
{
    struct bytes line;
    size_t used = take_line(reply, in, CHUNK_LINE_MAX, NOT_HTTP, &line);

    if (used == 0)
        return 0;
    if (!read_number(bytes_trim(bytes_take(line, bytes_find(line, ';'))), 16, &reply->left))
        spoil(reply, NOT_HTTP);
    else if (reply->left > reply->size_max)
        spoil(reply, TOO_LARGE);
    else
        reply->state = reply->left > 0 ? HTTP_CHUNK : HTTP_TRAILER;
    return used;
}

static size_t take_line_end(struct http_reply *reply, struct bytes in)
{
    struct bytes line;
    size_t used = take_line(reply, in, LINE_END_MAX, NOT_HTTP, &line);

    if (used > 0 && line.size > 0)
        spoil(reply, NOT_HTTP);
    else if (used > 0)
        reply->state = HTTP_CHUNK_SIZE;
    return used;
}

static size_t take_trailer(struct http_reply *reply, struct bytes in)
{
    struct bytes line;
    size_t used = take_head_line(reply, in, &line);

    if (used > 0 && line.size == 0)
        reply->state = HTTP_DONE;
    return used;
}

static size_t take(struct http_reply *reply, struct bytes in)
{
    switch (reply->state) {
    case HTTP_STATUS: return take_status(reply, in);
    case HTTP_HEADERS: return take_header(reply, in);
    case HTTP_BODY: return take_counted(reply, in, HTTP_DONE);
    case HTTP_TO_END: return take_some(reply, in, in.size);
    case HTTP_CHUNK_SIZE: return take_chunk_size(reply, in);
    case HTTP_CHUNK: return take_counted(reply, in, HTTP_CHUNK_END);
    case HTTP_CHUNK_END: return take_line_end(reply, in);
    case HTTP_TRAILER: return take_trailer(reply, in);
    default: return 0;
    }
}

void http_reply_feed(struct http_reply *reply, struct bytes b)
{
    struct bytes rest;
    size_t taken;

    if (reply->state >= HTTP_DONE)
        return;
    (void)buf_add(&reply->in, b);
    rest = buf_bytes(&reply->in);
    do {
        taken = take(reply, rest);
        rest = bytes_skip(rest, taken);
    } while (taken > 0 && rest.size > 0 && reply->state < HTTP_DONE);
    buf_consume(&reply->in, reply->in.size - rest.size);
}

void http_reply_end(struct http_reply *reply)
{
    if (reply->state == HTTP_TO_END)
        reply->state = HTTP_DONE;
    else if (reply->state < HTTP_DONE)
        spoil(reply, "the connection ended amid the answer");
}
