#include "base/http_head.h"

/* ---- lines ---------------------------------------------------------------------------------- */

bool http_line_next(struct bytes *rest, struct bytes *line)
{
    size_t end = bytes_find(*rest, '\n');

    if (end == rest->size)
        return false;
    *line = bytes_take(*rest, end > 0 && rest->at[end - 1] == '\r' ? end - 1 : end);
    *rest = bytes_skip(*rest, end + 1);
    return true;
}

size_t http_head_size(struct bytes received)
{
    struct bytes rest = received, line;

    while (http_line_next(&rest, &line)) {
        if (line.size == 0)
            return received.size - rest.size;
    }
    return 0;
}

/* ---- headers -------------------------------------------------------------------------------- */

/* A method or a header's name (RFC 9110 5.6.2). */
static bool is_token(struct bytes b)
{
    for (size_t i = 0; i < b.size; i++) {
        uint8_t c = b.at[i];

        if (!(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') &&
            (c == 0 || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return b.size > 0;
}

static bool is_control(uint8_t c)
{
    return c < ' ' || c == 0x7f;
}

static bool is_value(struct bytes b)
{
    for (size_t i = 0; i < b.size; i++) {
        if (is_control(b.at[i]) && b.at[i] != '\t')
            return false;
    }
    return true;
}

bool http_header_read(struct bytes line, struct bytes *name, struct bytes *value)
{
    size_t colon = bytes_find(line, ':');

    if (colon == line.size)
        return false;
    *name = bytes_take(line, colon);
    *value = bytes_skip(line, colon + 1);
    if (!is_token(*name) || !is_value(*value))
        return false;
    *value = bytes_trim(*value);
    return true;
}

bool http_head_next(struct bytes *headers, struct bytes name, struct bytes *value)
{
    struct bytes line, found;

    while (http_line_next(headers, &line)) {
        if (http_header_read(line, &found, value) && bytes_equal_nocase(found, name))
            return true;
    }
    return false;
}

static bool are_headers(struct bytes rest)
{
    struct bytes line, name, value;

    while (http_line_next(&rest, &line) && line.size > 0) {
        if (!http_header_read(line, &name, &value))
            return false;
    }
    return true;
}

/* ---- the request line ----------------------------------------------------------------------- */

static bool word_next(struct bytes *line, struct bytes *word)
{
    size_t size = bytes_find(*line, ' ');

    if (size == line->size)
        return false;
    *word = bytes_take(*line, size);
    *line = bytes_skip(*line, size + 1);
    return true;
}

/* "/path?query", or what a proxy is asked for: "http://host/path?query" (RFC 9112 3.2.2). */
static bool read_target(struct bytes target, struct http_head *head)
{
    const uint8_t *mark = NULL;
    size_t size;

    for (size_t i = 0; i < target.size; i++) {
        if (is_control(target.at[i]))
            return false;
    }
    if (!bytes_starts(target, BYTES("/")) && target.size > 0)
        mark = memmem(target.at, target.size, "://", 3);
    if (mark != NULL) {
        target = bytes_skip(target, (size_t)(mark - target.at) + 3);
        target = bytes_skip(target, bytes_find(target, '/'));
    }
    if (!bytes_starts(target, BYTES("/")))
        return false;
    size = bytes_find(target, '?');
    head->path = bytes_take(target, size);
    head->query = bytes_skip(target, size == target.size ? size : size + 1);
    return true;
}

static bool is_version(struct bytes b)
{
    return b.size == 8 && bytes_starts(b, BYTES("HTTP/1.")) && b.at[7] >= '0' && b.at[7] <= '9';
}

bool http_head_read(struct bytes text, struct http_head *head)
{
    struct bytes line, target;

    if (!http_line_next(&text, &line) || !word_next(&line, &head->method) ||
        !word_next(&line, &target) || !is_token(head->method) || !read_target(target, head))
        return false;
    head->headers = text;
    return is_version(line) && are_headers(text);
}

bool http_query(struct bytes query, struct bytes name, struct bytes *value)
{
    while (query.size > 0) {
        size_t size = bytes_find(query, '&');
        struct bytes pair = bytes_take(query, size);
        size_t equals = bytes_find(pair, '=');

        if (bytes_equal(bytes_take(pair, equals), name)) {
            *value = bytes_skip(pair, equals == pair.size ? equals : equals + 1);
            return true;
        }
        query = bytes_skip(query, size == query.size ? size : size + 1);
    }
    return false;
}
