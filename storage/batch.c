#include "storage/batch.h"

#include "storage/hash.h"
#include "storage/le.h"

#define MAGIC       0x3162524du /* "MRb1" */
#define VERSION     1u
#define FLAG_ERASED 1u
#define SECTOR      512u /* what a disk writes whole or not at all */

/* Envelope. */
enum {
    AT_CHECKSUM = 0,
    AT_MAGIC = 8,
    AT_VERSION = 12,
    AT_FLAGS = 14,
    AT_SIZE = 16,
    AT_CONTENT_SIZE = 20,
    AT_FILE_ID = 24,
    AT_POSITION = 32,
    AT_DURABLE = 40,
    AT_COMMITTED = 48,
    AT_ENVELOPE_INDEX = 56,
    AT_HASH = 64,
    AT_BLOCK_COUNT = 80,
    AT_SUMS_HASH = 84,
};

/* Content. */
enum {
    AT_INCARNATION = 0,
    AT_TERM = 16,
    AT_INDEX = 24,
    AT_PREVIOUS = 32,
    AT_TIME = 48,
    AT_RECORD_COUNT = 56,
    AT_ZERO = 60,
};

static_assert(BATCH_HEAD % 8 == 0, "records begin at a multiple of 8");
static_assert(BATCH_GATHER_MAX + (BATCH_GATHER_MAX / BATCH_BLOCK + 2) * 4 + 16 <= BATCH_SIZE_MAX,
              "the sums of the largest batch have room");

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static uint32_t block_count(uint64_t content_size, uint64_t position)
{
    uint64_t begin = position + BATCH_ENVELOPE;

    return (uint32_t)((begin + content_size - 1) / BATCH_BLOCK - begin / BATCH_BLOCK + 1);
}

/* Where the block sums begin, from the start of the batch. */
static uint64_t sums_offset(uint64_t content_size)
{
    return round_up(BATCH_ENVELOPE + content_size, 4);
}

uint64_t batch_size(uint64_t content_size, uint64_t position)
{
    return round_up(sums_offset(content_size) + 4ull * block_count(content_size, position), 8);
}

uint64_t batch_size_max(uint64_t content_size)
{
    /* At most two blocks are touched in part, and two paddings follow. */
    return BATCH_ENVELOPE + content_size + 4 * (content_size / BATCH_BLOCK + 2) + 16;
}

/* The part of block `number` (from 0) that is content, as offsets in the batch. */
static void block_range(uint64_t content_size, uint64_t position, uint32_t number, uint64_t *begin,
                        uint64_t *end)
{
    uint64_t content = position + BATCH_ENVELOPE;
    uint64_t block = (content / BATCH_BLOCK + number) * BATCH_BLOCK;

    *begin = (block > content ? block : content) - position;
    *end = smaller(block + BATCH_BLOCK, content + content_size) - position;
}

/* ---- writing --------------------------------------------------------------------------------- */

bool batch_begin(struct buf *batch)
{
    assert(batch->size == 0);
    if (buf_reserve(batch, BATCH_HEAD) == NULL)
        return false;
    buf_commit(batch, BATCH_HEAD);
    return true;
}

struct log_hash batch_seal(struct buf *batch, const struct batch_content *content)
{
    uint8_t *at = batch->at + BATCH_ENVELOPE;

    assert(batch->size > BATCH_HEAD);
    assert(batch->size % 8 == 0);

    memcpy(at + AT_INCARNATION, content->incarnation, 16);
    le_put_u64(at + AT_TERM, content->term);
    le_put_u64(at + AT_INDEX, content->index);
    memcpy(at + AT_PREVIOUS, content->previous.at, 16);
    le_put_u64(at + AT_TIME, (uint64_t)content->time_ns);
    le_put_u32(at + AT_RECORD_COUNT, content->record_count);
    le_put_u32(at + AT_ZERO, 0);
    return hash_128(bytes_of(at, batch->size - BATCH_ENVELOPE));
}

/* Adds the sums behind the content and pads; returns their checksum. */
static uint32_t add_sums(uint8_t *at, uint32_t content_size, uint64_t position)
{
    uint32_t count = block_count(content_size, position);
    uint8_t *sums = at + sums_offset(content_size);
    uint64_t content_end = BATCH_ENVELOPE + (uint64_t)content_size;

    memset(at + content_end, 0, batch_size(content_size, position) - content_end);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t begin, end;

        block_range(content_size, position, i, &begin, &end);
        le_put_u32(sums + 4 * i, hash_32(bytes_of(at + begin, end - begin)));
    }
    return hash_32(bytes_of(sums, 4ull * count));
}

void batch_place(uint8_t *at, uint32_t content_size, struct batch_envelope *envelope)
{
    assert(envelope->position % 8 == 0);
    assert(content_size > BATCH_CONTENT_HEAD);

    envelope->sums_hash = add_sums(at, content_size, envelope->position);
    envelope->block_count = block_count(content_size, envelope->position);
    envelope->content_size = content_size;
    envelope->size = (uint32_t)batch_size(content_size, envelope->position);
    envelope->index = le_u64(at + BATCH_ENVELOPE + AT_INDEX);

    le_put_u32(at + AT_MAGIC, MAGIC);
    le_put_u16(at + AT_VERSION, VERSION);
    le_put_u16(at + AT_FLAGS, 0);
    le_put_u32(at + AT_SIZE, envelope->size);
    le_put_u32(at + AT_CONTENT_SIZE, content_size);
    le_put_u64(at + AT_FILE_ID, envelope->file_id);
    le_put_u64(at + AT_POSITION, envelope->position);
    le_put_u64(at + AT_DURABLE, envelope->durable);
    le_put_u64(at + AT_COMMITTED, envelope->committed);
    le_put_u64(at + AT_ENVELOPE_INDEX, envelope->index);
    memcpy(at + AT_HASH, envelope->hash.at, 16);
    le_put_u32(at + AT_BLOCK_COUNT, envelope->block_count);
    le_put_u32(at + AT_SUMS_HASH, envelope->sums_hash);
    le_put_u64(at + AT_CHECKSUM, hash_64(bytes_of(at + 8, BATCH_ENVELOPE - 8)));
}

void batch_erased(uint8_t *at, const struct batch_envelope *envelope)
{
    le_put_u16(at + AT_FLAGS, FLAG_ERASED);
    le_put_u32(at + AT_SUMS_HASH, add_sums(at, envelope->content_size, envelope->position));
    le_put_u64(at + AT_CHECKSUM, hash_64(bytes_of(at + 8, BATCH_ENVELOPE - 8)));
}

/* ---- reading --------------------------------------------------------------------------------- */

enum err batch_envelope_read(struct bytes in, uint64_t file_id, uint64_t position,
                             struct batch_envelope *envelope)
{
    const uint8_t *at = in.at;
    struct batch_envelope e;

    if (in.size < BATCH_ENVELOPE || le_u32(at + AT_MAGIC) != MAGIC)
        return ERR_CORRUPT;
    if (le_u64(at + AT_CHECKSUM) != hash_64(bytes_of(at + 8, BATCH_ENVELOPE - 8)))
        return ERR_CORRUPT;
    if (le_u16(at + AT_VERSION) != VERSION || (le_u16(at + AT_FLAGS) & ~FLAG_ERASED) != 0)
        return ERR_VERSION;

    e.size = le_u32(at + AT_SIZE);
    e.content_size = le_u32(at + AT_CONTENT_SIZE);
    e.file_id = le_u64(at + AT_FILE_ID);
    e.position = le_u64(at + AT_POSITION);
    e.durable = le_u64(at + AT_DURABLE);
    e.committed = le_u64(at + AT_COMMITTED);
    e.index = le_u64(at + AT_ENVELOPE_INDEX);
    memcpy(e.hash.at, at + AT_HASH, 16);
    e.block_count = le_u32(at + AT_BLOCK_COUNT);
    e.sums_hash = le_u32(at + AT_SUMS_HASH);
    e.erased = (le_u16(at + AT_FLAGS) & FLAG_ERASED) != 0;

    if (e.file_id != file_id || e.position != position)
        return ERR_CORRUPT;
    if (e.content_size < BATCH_CONTENT_HEAD || e.content_size > LOG_CONTENT_MAX)
        return ERR_CORRUPT;
    if (e.size > BATCH_SIZE_MAX || e.size != batch_size(e.content_size, position))
        return ERR_CORRUPT;
    if (e.block_count != block_count(e.content_size, position))
        return ERR_CORRUPT;

    *envelope = e;
    return OK;
}

enum err batch_content_peek(struct bytes content, struct batch_content *out)
{
    const uint8_t *at = content.at;

    if (content.size < BATCH_CONTENT_HEAD || content.size > LOG_CONTENT_MAX)
        return ERR_CORRUPT;
    if (le_u32(at + AT_ZERO) != 0)
        return ERR_CORRUPT;

    memcpy(out->incarnation, at + AT_INCARNATION, 16);
    out->term = le_u64(at + AT_TERM);
    out->index = le_u64(at + AT_INDEX);
    memcpy(out->previous.at, at + AT_PREVIOUS, 16);
    out->time_ns = (int64_t)le_u64(at + AT_TIME);
    out->record_count = le_u32(at + AT_RECORD_COUNT);
    out->records = bytes_skip(content, BATCH_CONTENT_HEAD);
    return OK;
}

struct log_hash batch_content_hash(struct bytes content)
{
    return hash_128(content);
}

static bool sums_fit(struct bytes in, const struct batch_envelope *e)
{
    const uint8_t *sums = in.at + sums_offset(e->content_size);

    if (hash_32(bytes_of(sums, 4ull * e->block_count)) != e->sums_hash)
        return false;
    for (uint32_t i = 0; i < e->block_count; i++) {
        uint64_t begin, end;

        block_range(e->content_size, e->position, i, &begin, &end);
        if (le_u32(sums + 4 * i) != hash_32(bytes_of(in.at + begin, end - begin)))
            return false;
    }
    return true;
}

enum err batch_content_read(struct bytes in, const struct batch_envelope *envelope,
                            const uint8_t incarnation[16], struct batch_content *content)
{
    struct bytes b = bytes_of(in.at + BATCH_ENVELOPE, envelope->content_size);
    struct log_hash hash;
    struct batch_content read;
    enum err err;

    assert(in.size >= envelope->size);

    hash = batch_content_hash(b);
    if (envelope->erased ? !sums_fit(in, envelope) : !hash_equal(&hash, &envelope->hash))
        return ERR_CORRUPT;
    err = batch_content_peek(b, &read);
    if (err != OK)
        return err;
    if (memcmp(read.incarnation, incarnation, 16) != 0 || read.index != envelope->index)
        return ERR_CORRUPT;
    *content = read;
    return OK;
}

/* ---- torn or damaged ------------------------------------------------------------------------- */

static bool all_zeros(const uint8_t *at, uint64_t size)
{
    return size == 0 || (at[0] == 0 && memcmp(at, at + 1, size - 1) == 0);
}

/* Whether begin..end of the batch holds a whole sector's part that reads as zeros. */
static bool shows_fresh_sector(struct bytes in, uint64_t position, uint64_t begin, uint64_t end)
{
    while (begin < end) {
        uint64_t part_end = smaller(round_up(position + begin + 1, SECTOR) - position, end);

        if (part_end > in.size || all_zeros(in.at + begin, part_end - begin))
            return true;
        begin = part_end;
    }
    return false;
}

/* Whether every content block whose sum is wrong shows a fresh sector. */
static bool bad_blocks_fresh(struct bytes in, const struct batch_envelope *e)
{
    const uint8_t *sums = in.at + sums_offset(e->content_size);

    for (uint32_t i = 0; i < e->block_count; i++) {
        uint64_t begin, end;

        block_range(e->content_size, e->position, i, &begin, &end);
        if (le_u32(sums + 4 * i) == hash_32(bytes_of(in.at + begin, end - begin)))
            continue;
        if (!shows_fresh_sector(in, e->position, begin, end))
            return false;
    }
    return true;
}

bool batch_torn(struct bytes in, uint64_t file_id, uint64_t position)
{
    struct batch_envelope e;
    struct log_hash hash;
    uint64_t sums;

    if (batch_envelope_read(in, file_id, position, &e) != OK)
        return shows_fresh_sector(in, position, 0, BATCH_ENVELOPE);
    if (in.size < e.size)
        return true; /* the file ends within the batch: the rest was never written */

    hash = hash_128(bytes_of(in.at + BATCH_ENVELOPE, e.content_size));
    if (hash_equal(&hash, &e.hash))
        return false; /* whole, and bad for another reason: not its turn */

    sums = sums_offset(e.content_size);
    if (hash_32(bytes_of(in.at + sums, 4ull * e.block_count)) != e.sums_hash)
        return shows_fresh_sector(in, position, sums, sums + 4ull * e.block_count);
    return bad_blocks_fresh(in, &e);
}
