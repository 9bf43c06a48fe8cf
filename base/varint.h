/*
 * varint: 64 bits in as few bytes as they need, seven in each, lowest first; the high bit of a byte
 * says that more follow. Signed values are folded first, so that small ones of either sign are
 * short.
 */
#ifndef BASE_VARINT_H
#define BASE_VARINT_H

#include "base/buf.h"

#define VARINT_MAX 10u

static inline uint64_t varint_fold(int64_t value)
{
    return ((uint64_t)value << 1) ^ (0 - ((uint64_t)value >> 63));
}

static inline int64_t varint_unfold(uint64_t folded)
{
    return (int64_t)((folded >> 1) ^ (0 - (folded & 1)));
}

/* Room for VARINT_MAX bytes is there; returns what is behind it. */
static inline uint8_t *varint_write(uint8_t *at, uint64_t value)
{
    while (value > 0x7f) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

/* False at the buffer's limit. */
bool varint_add(struct buf *out, uint64_t value);
/* Takes it off the front; false: too short, or beyond 64 bits. */
bool varint_take(struct bytes *in, uint64_t *value);

#endif
