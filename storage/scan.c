#include "storage/scan.h"

#include <string.h>

#include "base/heap.h"
#include "base/owner.h"
#include "storage/batch.h"
#include "storage/pack.h"

#define PIECE (256u << 10) /* read at least, where there is so much */

bool scan_is_zeros(struct bytes b)
{
    return b.size == 0 || (b.at[0] == 0 && memcmp(b.at, b.at + 1, b.size - 1) == 0);
}

enum err scan_read(struct io *io, struct io_file *file, const struct pack *pack, uint64_t offset,
                   void *at, size_t size)
{
    enum err err;

    if (pack == NULL)
        return io_read_all(io, file, offset, at, size);
    err = pack_read(io, pack, offset, at, size);
    return err == ERR_CORRUPT ? OK : err;
}

void scan_begin(struct scan *scan, struct io *io, struct io_file *file, const struct pack *pack,
                uint64_t size)
{
    scan->io = io;
    scan->file = file;
    scan->pack = pack;
    scan->size = size;
    scan->offset = 0;
    scan->count = 0;
}

void scan_end(struct scan *scan)
{
    heap_give(scan->memory);
    *scan = (struct scan){};
}

/* To the end of a block, so that nothing of the next one is in memory, which scan_only_zeros could
 * not tell from data. */
static size_t piece_at(uint64_t position, size_t need)
{
    uint64_t end = position + (need > PIECE ? need : PIECE);

    return (size_t)((end + BATCH_BLOCK - 1) / BATCH_BLOCK * BATCH_BLOCK - position);
}

bool scan_reads(const struct scan *scan)
{
    return scan->wanted > 0;
}

/* ---- not waiting ---------------------------------------------------------------------------- */

static void read_on(struct scan *scan);

static void was_read(struct io_op *op, int64_t result)
{
    struct scan *scan = owner_of(op, struct scan, op);

    if (result > 0)
        scan->count += (size_t)result;
    scan->failed = result <= 0; /* past its end, too: a waiting read knows what to make of it */
    if (!scan->failed && scan->count < scan->wanted) {
        read_on(scan);
        return;
    }
    scan->wanted = 0;
    if (scan->failed)
        scan->count = 0;
    scan->ready(scan->context);
}

static void read_on(struct scan *scan)
{
    scan->op = (struct io_op){.done = was_read};
    io_read(scan->io, &scan->op, scan->file, scan->offset + scan->count, scan->memory + scan->count,
            scan->wanted - scan->count);
}

/* What is in memory is there at once. */
static enum err read_later(struct scan *scan, size_t size)
{
    int64_t count = io_read_now(scan->io, scan->file, scan->offset, scan->memory, size);

    if (count == (int64_t)size) {
        scan->count = size;
        return OK;
    }
    scan->count = count > 0 ? (size_t)count : 0;
    scan->wanted = size;
    read_on(scan);
    return ERR_AGAIN;
}

/* ---- reading -------------------------------------------------------------------------------- */

static enum err read_piece(struct scan *scan, uint64_t position, size_t size)
{
    bool later = scan->ready != NULL && scan->pack == NULL && !scan->failed;
    enum err err;

    scan->failed = false;

    if (size > scan->capacity) {
        heap_give(scan->memory);
        scan->memory = heap_take(size);
        scan->capacity = size;
    }
    scan->offset = position;
    scan->count = 0;
    if (later)
        return read_later(scan, size);
    err = scan_read(scan->io, scan->file, scan->pack, position, scan->memory, size);
    if (err == OK)
        scan->count = size;
    return err;
}

enum err scan_at(struct scan *scan, uint64_t position, size_t need, struct bytes *b)
{
    uint64_t rest = scan->size > position ? scan->size - position : 0;
    enum err err = OK;

    assert(!scan_reads(scan));
    if (need > rest)
        need = rest;
    if (need == 0) {
        *b = bytes_of(NULL, 0);
        return OK;
    }
    if (position < scan->offset || position + need > scan->offset + scan->count) {
        size_t size = piece_at(position, need);

        err = read_piece(scan, position, size < rest ? size : rest);
    }
    if (err == OK)
        *b = bytes_of(scan->memory + (position - scan->offset),
                      scan->offset + scan->count - position);
    return err;
}

enum err scan_only_zeros(struct scan *scan, uint64_t position, bool *zeros)
{
    enum err err = OK;

    *zeros = true;
    while (err == OK && *zeros && position < scan->size) {
        struct bytes b;

        if (scan->pack == NULL)
            err = io_find_data(scan->io, scan->file, position, &position);
        if (err == OK)
            err = scan_at(scan, position, 1, &b);
        if (err != OK)
            break;
        *zeros = scan_is_zeros(b);
        position += b.size;
    }
    return err;
}
