/*
 * header_block: changes to a header block before it is stored (publish_headers.h reads them). Only
 * blocks that the server's parser let through: "NATS/1.0", lines, an empty line.
 */
#ifndef SERVER_STREAM_HEADER_BLOCK_H
#define SERVER_STREAM_HEADER_BLOCK_H

#include "base/buf.h"

/* The offset of the first CRLF, or the size. */
static inline size_t header_block_crlf(struct bytes block)
{
    size_t from = 0;

    while (from < block.size) {
        size_t at = from + bytes_find(bytes_skip(block, from), '\r');

        if (at + 1 >= block.size)
            return block.size;
        if (block.at[at + 1] == '\n')
            return at;
        from = at + 1;
    }
    return block.size;
}

/* The value of the first line of that name; .at NULL: there is none. */
struct bytes header_block_value(struct bytes block, struct bytes name);

/* Appends the block without the lines whose name `drop` says yes to. A block that has nothing left
 * becomes empty. */
typedef bool header_block_drop_fn(struct bytes name);
void header_block_copy(struct bytes block, header_block_drop_fn *drop, struct buf *out);

/* Adds a line behind the last one of the block in `out` (which may be empty: then it begins one).
 */
void header_block_add(struct buf *out, struct bytes name, struct bytes value);

/* Appends the block (or begins one) with that value in the place of the first line of that name, or
 * in a line behind the last one. */
void header_block_set(struct bytes block, struct bytes name, struct bytes value, struct buf *out);

#endif
