/*
 * Any bytes to the monitoring port: a head is found where it ends, whatever is behind it, and what
 * is read of it points into it and is what a strict reader may be given.
 */
#include "base/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool lies_in(struct bytes b, struct bytes text)
{
    return b.size == 0 || (b.at >= text.at && b.at + b.size <= text.at + text.size);
}

static bool is_plain(struct bytes b)
{
    for (size_t i = 0; i < b.size; i++) {
        if ((b.at[i] < ' ' && b.at[i] != '\t') || b.at[i] == 0x7f)
            return false;
    }
    return true;
}

static void look(struct bytes text, const struct http_head *head)
{
    struct bytes rest = head->headers, line, name, value;

    assert(lies_in(head->method, text) && head->method.size > 0);
    assert(lies_in(head->path, text) && head->path.at[0] == '/' && is_plain(head->path));
    assert(lies_in(head->query, text) && is_plain(head->query));
    assert(bytes_find(head->path, '?') == head->path.size);
    while (http_line_next(&rest, &line) && line.size > 0) {
        struct bytes from = head->headers, found;

        assert(http_header_read(line, &name, &value));
        assert(lies_in(value, line) && is_plain(value));
        assert(http_head_next(&from, name, &found));
        (void)http_query(head->query, name, &found);
    }
    assert(rest.size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes all = bytes_of(data, size), text;
    size_t head_size = http_head_size(all);
    struct http_head head;

    assert(head_size <= size);
    if (head_size == 0)
        return 0;
    text = bytes_take(all, head_size);
    assert(http_head_size(text) == head_size);
    assert(http_head_size(bytes_take(all, head_size - 1)) == 0);
    if (http_head_read(text, &head))
        look(text, &head);
    return 0;
}
