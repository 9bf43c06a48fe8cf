/*
 * codec: little-endian fields of the formats on disk and between nodes. The decoder refuses to read
 * past its end: it then gives zeros and stays `failed`, so a body is read straight through and
 * checked once.
 */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include "base/bytes.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "formats are little endian, copied as they are");

struct decoder {
    struct bytes rest;
    bool failed;
};

static inline void decoder_init(struct decoder *in, struct bytes b)
{
    *in = (struct decoder){.rest = b};
}

static inline struct bytes decode_bytes(struct decoder *in, size_t size)
{
    struct bytes taken;

    if (in->failed || size > in->rest.size) {
        in->failed = true;
        return bytes_of(NULL, 0);
    }
    taken = bytes_take(in->rest, size);
    in->rest = bytes_skip(in->rest, size);
    return taken;
}

static inline uint64_t decode_u64(struct decoder *in)
{
    struct bytes b = decode_bytes(in, sizeof(uint64_t));
    uint64_t value = 0;

    if (!in->failed)
        memcpy(&value, b.at, sizeof value);
    return value;
}

static inline uint32_t decode_u32(struct decoder *in)
{
    struct bytes b = decode_bytes(in, sizeof(uint32_t));
    uint32_t value = 0;

    if (!in->failed)
        memcpy(&value, b.at, sizeof value);
    return value;
}

static inline uint16_t decode_u16(struct decoder *in)
{
    struct bytes b = decode_bytes(in, sizeof(uint16_t));
    uint16_t value = 0;

    if (!in->failed)
        memcpy(&value, b.at, sizeof value);
    return value;
}

/* Each writes at `at` and returns what follows; the caller has made room. */
static inline uint8_t *encode_u64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static inline uint8_t *encode_u32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static inline uint8_t *encode_u16(uint8_t *at, uint16_t value)
{
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static inline uint8_t *encode_zeros(uint8_t *at, size_t size)
{
    memset(at, 0, size);
    return at + size;
}

static inline uint8_t *encode_bytes(uint8_t *at, struct bytes b)
{
    if (b.size > 0)
        memcpy(at, b.at, b.size);
    return at + b.size;
}

#endif
