#include "server/backup/s2.h"

#include "base/codec.h"
#include "server/backup/crc32c.h"

#define HEAD       4u
#define SUM        4u
#define WRITE_MAX  (64u << 10) /* of content in one chunk: readers of Snappy take no more */
#define COMPRESSED 0x00
#define PLAIN      0x01
#define UNSKIPPED  0x7f /* the last type that must be understood */
#define IDENTIFIER 0xff

static uint32_t masked(struct bytes bytes)
{
    uint32_t crc = crc32c(bytes);

    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* ---- writing --------------------------------------------------------------------------------- */

bool s2_begin(struct buf *out)
{
    static const uint8_t identifier[] = {IDENTIFIER, 6, 0, 0, 'S', '2', 's', 'T', 'w', 'O'};

    return buf_add(out, bytes_of(identifier, sizeof identifier));
}

static bool add_chunk(struct buf *out, struct bytes content)
{
    uint32_t size = (uint32_t)content.size + SUM;
    uint8_t *at = buf_reserve(out, HEAD + size);

    if (at == NULL)
        return false;
    at = encode_u32(at, PLAIN | size << 8);
    at = encode_u32(at, masked(content));
    (void)encode_bytes(at, content);
    buf_commit(out, HEAD + size);
    return true;
}

bool s2_add(struct buf *out, struct bytes bytes)
{
    while (bytes.size > 0) {
        size_t size = bytes.size < WRITE_MAX ? bytes.size : WRITE_MAX;

        if (!add_chunk(out, bytes_take(bytes, size)))
            return false;
        bytes = bytes_skip(bytes, size);
    }
    return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* A block on its way from `in` to `at`. */
struct block {
    struct decoder in;
    uint8_t *at;
    size_t size, length; /* written so far, and in the end */
    size_t offset;       /* of the last copy; 0: there was none */
};

static uint8_t take_byte(struct decoder *in)
{
    struct bytes byte = decode_bytes(in, 1);

    return in->failed ? 0 : byte.at[0];
}

static uint32_t take_little(struct decoder *in, unsigned count)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < count; i++)
        value |= (uint32_t)take_byte(in) << 8 * i;
    return value;
}

static bool put_literal(struct block *block, unsigned code)
{
    size_t size = code < 60 ? code : take_little(&block->in, code - 59);
    struct bytes bytes;

    size++;
    if (block->in.failed || size > block->length - block->size)
        return false;
    bytes = decode_bytes(&block->in, size);
    if (block->in.failed)
        return false;
    memcpy(block->at + block->size, bytes.at, size);
    block->size += size;
    return true;
}

/* Byte by byte: a copy may reach into what it writes. */
static bool put_copy(struct block *block, size_t size)
{
    if (block->in.failed || block->offset == 0 || block->offset > block->size ||
        size > block->length - block->size)
        return false;
    for (size_t i = 0; i < size; i++, block->size++)
        block->at[block->size] = block->at[block->size - block->offset];
    return true;
}

/* A short offset; zero stands for the offset of the copy before, with lengths of its own. */
static bool put_near(struct block *block, uint8_t tag)
{
    size_t offset = (size_t)(tag & 0xe0) << 3 | take_byte(&block->in);
    size_t size = tag >> 2 & 7;

    if (offset != 0)
        block->offset = offset;
    else if (size == 5)
        size = take_little(&block->in, 1) + 4;
    else if (size == 6)
        size = take_little(&block->in, 2) + (1u << 8);
    else if (size == 7)
        size = take_little(&block->in, 3) + (1u << 16);
    return put_copy(block, size + 4);
}

static bool put_far(struct block *block, uint8_t tag, unsigned width)
{
    block->offset = take_little(&block->in, width);
    return put_copy(block, (size_t)(tag >> 2) + 1);
}

static bool put_element(struct block *block)
{
    uint8_t tag = take_byte(&block->in);

    switch (tag & 3) {
    case 0: return put_literal(block, tag >> 2);
    case 1: return put_near(block, tag);
    case 2: return put_far(block, tag, 2);
    default: return put_far(block, tag, 4);
    }
}

static bool take_length(struct decoder *in, size_t *length)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 35; shift += 7) {
        uint8_t byte = take_byte(in);

        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *length = (size_t)value;
            return !in->failed && value <= S2_BLOCK_MAX;
        }
    }
    return false;
}

static bool expand(struct bytes bytes, struct buf *out)
{
    struct block block = {0};

    decoder_init(&block.in, bytes);
    if (!take_length(&block.in, &block.length))
        return false;
    block.at = buf_reserve(out, block.length);
    if (block.at == NULL)
        return false;
    while (block.in.rest.size > 0) {
        if (!put_element(&block))
            return false;
    }
    if (block.size != block.length)
        return false;
    buf_commit(out, block.length);
    return true;
}

static bool read_data(uint8_t type, struct bytes body, struct buf *out)
{
    size_t before = out->size;
    struct decoder in;
    uint32_t sum;

    decoder_init(&in, body);
    sum = decode_u32(&in);
    if (in.failed || in.rest.size > S2_CHUNK_MAX)
        return false;
    if (type == PLAIN ? in.rest.size > S2_BLOCK_MAX || !buf_add(out, in.rest)
                      : !expand(in.rest, out))
        return false;
    return masked(bytes_skip(buf_bytes(out), before)) == sum;
}

static bool read_identifier(struct s2_reader *reader, struct bytes body)
{
    reader->begun = bytes_equal(body, BYTES("S2sTwO")) || bytes_equal(body, BYTES("sNaPpY"));
    return reader->begun;
}

enum s2_result s2_read(struct s2_reader *reader, struct bytes *in, struct buf *out)
{
    struct bytes body;
    uint8_t type;
    size_t size;
    bool good;

    if (in->size < HEAD)
        return S2_MORE;
    type = in->at[0];
    size = (size_t)in->at[1] | (size_t)in->at[2] << 8 | (size_t)in->at[3] << 16;
    if (size > S2_CHUNK_MAX || (!reader->begun && type != IDENTIFIER))
        return S2_BAD;
    if (in->size - HEAD < size)
        return S2_MORE;
    body = bytes_take(bytes_skip(*in, HEAD), size);
    *in = bytes_skip(*in, HEAD + size);
    if (type == IDENTIFIER)
        good = read_identifier(reader, body);
    else if (type == COMPRESSED || type == PLAIN)
        good = read_data(type, body, out);
    else
        good = type > UNSKIPPED;
    return good ? S2_OK : S2_BAD;
}
