#include "storage/record.h"

#include "storage/hash.h"
#include "storage/le.h"

enum { AT_SIZE = 0, AT_CHECKSUM = 4, AT_TYPE = 8, AT_FLAGS = 9 };

uint32_t record_size(size_t body_size)
{
    assert(body_size <= RECORD_SIZE_MAX - RECORD_HEAD);
    return (uint32_t)((RECORD_HEAD + body_size + 7) & ~(size_t)7);
}

uint8_t *record_begin(struct buf *out, uint8_t type, uint8_t flags, size_t body_size)
{
    uint32_t size = record_size(body_size);
    uint8_t *at = buf_reserve(out, size);

    if (at == NULL)
        return NULL;

    le_put_u32(at + AT_SIZE, size);
    at[AT_TYPE] = type;
    at[AT_FLAGS] = flags;
    memset(at + RECORD_HEAD + body_size, 0, size - RECORD_HEAD - body_size);
    return at + RECORD_HEAD;
}

void record_seal(uint8_t *at, uint32_t size)
{
    assert(le_u32(at + AT_SIZE) == size);
    le_put_u32(at + AT_CHECKSUM, hash_32(bytes_of(at + AT_TYPE, size - AT_TYPE)));
}

void record_end(struct buf *out, size_t body_size)
{
    uint8_t *at = out->at + out->size;
    uint32_t size = record_size(body_size);

    assert(out->size + size <= out->capacity);
    record_seal(at, size);
    buf_commit(out, size);
}

void record_erased(uint8_t *at, uint32_t size)
{
    at[AT_FLAGS] |= RECORD_ERASED;
    record_seal(at, size);
}

enum err record_peek(struct bytes in, struct record *record)
{
    uint32_t size;

    if (in.size < RECORD_HEAD)
        return ERR_CORRUPT;
    size = le_u32(in.at + AT_SIZE);
    if (size < RECORD_HEAD || size % 8 != 0)
        return ERR_CORRUPT;
    if (size > in.size || size > RECORD_SIZE_MAX)
        return ERR_CORRUPT;

    *record = (struct record){
        .type = in.at[AT_TYPE],
        .flags = in.at[AT_FLAGS],
        .body = bytes_of(in.at + RECORD_HEAD, size - RECORD_HEAD),
        .size = size,
    };
    return OK;
}

enum err record_read(struct bytes in, struct record *record)
{
    struct record found;
    enum err err = record_peek(in, &found);

    if (err != OK)
        return err;
    if (le_u32(in.at + AT_CHECKSUM) != hash_32(bytes_of(in.at + AT_TYPE, found.size - AT_TYPE)))
        return ERR_CORRUPT;

    *record = found;
    return OK;
}
