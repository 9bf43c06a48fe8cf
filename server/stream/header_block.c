#include "server/stream/header_block.h"

#define FIRST BYTES("NATS/1.0\r\n")
#define END   BYTES("\r\n")

static void add(struct buf *out, struct bytes bytes)
{
    bool fits = buf_add(out, bytes);

    assert(fits); /* a block's size is bounded where it comes in */
    (void)fits;
}

/* The size of the line at the start, its CRLF included. */
static size_t line_size(struct bytes rest)
{
    size_t end = header_block_crlf(rest);

    return end < rest.size ? end + END.size : rest.size;
}

static bool next_line(struct bytes *rest, struct bytes *line)
{
    if (rest->size <= END.size)
        return false;
    *line = bytes_take(*rest, line_size(*rest));
    *rest = bytes_skip(*rest, line->size);
    return true;
}

static struct bytes name_of(struct bytes line)
{
    return bytes_take(line, bytes_find(line, ':'));
}

struct bytes header_block_value(struct bytes block, struct bytes name)
{
    struct bytes rest = bytes_skip(block, line_size(block)), line;

    while (next_line(&rest, &line)) {
        if (line.size < name.size + 1 + END.size || line.at[name.size] != ':' ||
            !bytes_starts(line, name))
            continue;
        line = bytes_take(bytes_skip(line, name.size + 1), line.size - name.size - 1 - END.size);
        while (line.size > 0 && line.at[0] == ' ')
            line = bytes_skip(line, 1);
        return line;
    }
    return bytes_of(NULL, 0);
}

void header_block_copy(struct bytes block, header_block_drop_fn *drop, struct buf *out)
{
    size_t first = line_size(block), from = out->size;
    struct bytes rest = bytes_skip(block, first), line;
    bool any = false;

    if (block.size == 0)
        return;
    add(out, bytes_take(block, first));
    while (next_line(&rest, &line)) {
        if (drop(name_of(line)))
            continue;
        add(out, line);
        any = true;
    }
    if (any)
        add(out, END);
    else
        out->size = from;
}

static void add_line(struct buf *out, struct bytes name, struct bytes value)
{
    add(out, name);
    add(out, BYTES(": "));
    add(out, value);
    add(out, END);
}

void header_block_add(struct buf *out, struct bytes name, struct bytes value)
{
    if (out->size == 0)
        add(out, FIRST);
    else
        out->size -= END.size;
    add_line(out, name, value);
    add(out, END);
}

void header_block_set(struct bytes block, struct bytes name, struct bytes value, struct buf *out)
{
    size_t first = line_size(block);
    struct bytes rest = bytes_skip(block, first), line;
    bool set = false;

    add(out, block.size > 0 ? bytes_take(block, first) : FIRST);
    while (next_line(&rest, &line)) {
        if (!set && bytes_equal(name_of(line), name)) {
            add_line(out, name, value);
            set = true;
        } else {
            add(out, line);
        }
    }
    if (!set)
        add_line(out, name, value);
    add(out, END);
}
