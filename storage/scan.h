/*
 * scan: one segment, as it was written or packed, read from its beginning to its end while its log
 * is opened: a piece of it is in memory at a time. Most of a segment that has room left was never
 * written; that is passed over without being read. Blocking.
 */
#ifndef STORAGE_SCAN_H
#define STORAGE_SCAN_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/io.h"

struct pack;

/* Embed it in its owner, zeroed; its memory serves one file after the other. */
struct scan {
    struct io *io;
    struct io_file *file;
    const struct pack *pack; /* NULL: as it was written */
    uint64_t size;           /* of the original */

    uint8_t *memory; /* `count` bytes of it, from `offset` on */
    size_t capacity;
    uint64_t offset;
    size_t count;

    /* Called from the loop when what was not in memory is there; NULL: it is waited for. */
    void (*ready)(void *context);
    void *context;
    struct io_op op;
    size_t wanted; /* of the piece that is being read; 0: none is */
    bool failed;   /* it could not be: whoever waits for it hears why */
};

/* Another file; both are lent until the next, or scan_end. Nothing is read. */
void scan_begin(struct scan *scan, struct io *io, struct io_file *file, const struct pack *pack,
                uint64_t size);
void scan_end(struct scan *scan);
/* Its bytes from `position` on, at least `need` of them unless it ends before; good until the next
 * call. On failure nothing is in memory. ERR_AGAIN: it is being read; to be asked for again, and
 * nothing else before, when it is ready. */
enum err scan_at(struct scan *scan, uint64_t position, size_t need, struct bytes *b);
bool scan_reads(const struct scan *scan);
/* Does it hold nothing but zeros from `position` on? */
enum err scan_only_zeros(struct scan *scan, uint64_t position, bool *zeros);

bool scan_is_zeros(struct bytes b);
/* Exactly `size` bytes of such a file, zeros past its end and for what is damaged in a packed one:
 * what stood there is judged as in an original. */
enum err scan_read(struct io *io, struct io_file *file, const struct pack *pack, uint64_t offset,
                   void *at, size_t size);

#endif
