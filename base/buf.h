/*
 * buf: bytes that grow at the end, up to a limit. The owner embeds it, calls buf_deinit, and
 * decides what the limit is: a full buffer is back-pressure, not a failure. Memory doubles from 256
 * bytes; buf_clear keeps it, buf_release gives it back.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/bytes.h"

struct buf {
    uint8_t *at;
    size_t size;
    size_t capacity;
    size_t limit; /* never grows beyond */
};

void buf_init(struct buf *buf, size_t limit);
void buf_deinit(struct buf *buf);
void buf_clear(struct buf *buf);   /* size 0, memory kept */
void buf_release(struct buf *buf); /* size 0, memory returned */

/* Room for `size` more bytes at the end, not yet counted; NULL when the limit forbids it. */
uint8_t *buf_reserve(struct buf *buf, size_t size);
/* Counts `size` bytes that were written into reserved room. */
void buf_commit(struct buf *buf, size_t size);

/* Each appends whole or, at the limit, not at all and returns false. `b` lies outside the buf. */
bool buf_add(struct buf *buf, struct bytes b);
bool buf_add_byte(struct buf *buf, uint8_t byte);
bool buf_add_u64(struct buf *buf, uint64_t value); /* decimal */
bool buf_add_i64(struct buf *buf, int64_t value);  /* decimal */
[[gnu::format(printf, 2, 3)]] bool buf_print(struct buf *buf, const char *format, ...);

/* Drops the first `count` bytes by moving the rest down. */
void buf_consume(struct buf *buf, size_t count);

static inline struct bytes buf_bytes(const struct buf *buf)
{
    return bytes_of(buf->at, buf->size);
}

#define BUF_ADD(buf, literal) buf_add((buf), BYTES(literal))

#endif
