#include "storage/segment.h"

#include "storage/batch.h"
#include "storage/hash.h"
#include "storage/le.h"

#define VERSION 1u

static const uint8_t magic[8] = {'M', 'R', 's', 'e', 'g', 'm', '0', '1'};

enum {
    AT_CHECKSUM = 0,
    AT_MAGIC = 8,
    AT_VERSION = 16,
    AT_FEATURES = 20,
    AT_LOG_ID = 24,
    AT_INCARNATION = 32,
    AT_FILE_ID = 48,
    AT_PREDECESSOR = 56,
    AT_LAST_INDEX = 64,
    AT_LAST_HASH = 72,
};

static uint64_t header_checksum(const uint8_t at[SEGMENT_HEADER])
{
    return hash_64(bytes_of(at + AT_MAGIC, SEGMENT_HEADER - AT_MAGIC));
}

void segment_header_write(uint8_t at[SEGMENT_HEADER], const struct segment_header *header)
{
    memset(at, 0, SEGMENT_HEADER);
    memcpy(at + AT_MAGIC, magic, sizeof magic);
    le_put_u32(at + AT_VERSION, VERSION);
    le_put_u32(at + AT_FEATURES, 0);
    le_put_u64(at + AT_LOG_ID, header->log_id);
    memcpy(at + AT_INCARNATION, header->incarnation, 16);
    le_put_u64(at + AT_FILE_ID, header->file_id);
    le_put_u64(at + AT_PREDECESSOR, header->predecessor);
    le_put_u64(at + AT_LAST_INDEX, header->last_index);
    memcpy(at + AT_LAST_HASH, header->last_hash.at, 16);
    le_put_u64(at + AT_CHECKSUM, header_checksum(at));
}

static bool all_zeros(struct bytes b)
{
    return b.size == 0 || (b.at[0] == 0 && memcmp(b.at, b.at + 1, b.size - 1) == 0);
}

enum err segment_header_read(const uint8_t at[SEGMENT_HEADER], struct segment_header *header)
{
    if (all_zeros(bytes_of(at, SEGMENT_HEADER)))
        return ERR_NOT_FOUND;
    if (le_u64(at + AT_CHECKSUM) != header_checksum(at))
        return ERR_CORRUPT;
    if (memcmp(at + AT_MAGIC, magic, sizeof magic) != 0)
        return ERR_CORRUPT;
    if (le_u32(at + AT_VERSION) != VERSION || le_u32(at + AT_FEATURES) != 0)
        return ERR_VERSION;

    header->log_id = le_u64(at + AT_LOG_ID);
    memcpy(header->incarnation, at + AT_INCARNATION, 16);
    header->file_id = le_u64(at + AT_FILE_ID);
    header->predecessor = le_u64(at + AT_PREDECESSOR);
    header->last_index = le_u64(at + AT_LAST_INDEX);
    memcpy(header->last_hash.at, at + AT_LAST_HASH, 16);
    return OK;
}

uint64_t segment_space(uint64_t allocated, uint64_t need, uint64_t segment_size)
{
    uint64_t space = allocated > SEGMENT_SPACE_LEAST ? allocated : SEGMENT_SPACE_LEAST;

    while (space < need)
        space *= 2;
    if (space > segment_size)
        space = segment_size;
    if (space < need)
        space = need; /* a single batch may need more than a segment */
    return (space + BATCH_BLOCK - 1) / BATCH_BLOCK * BATCH_BLOCK;
}

/* ---- batches --------------------------------------------------------------------------------- */

static void view_batch(const struct batch_envelope *envelope, const struct batch_content *content,
                       struct segment_batch *batch)
{
    batch->view = (struct log_batch){
        .index = content->index,
        .term = content->term,
        .time_ns = content->time_ns,
        .record_count = content->record_count,
        .records = content->records,
        .hash = envelope->hash,
    };
    batch->previous = content->previous;
    batch->size = envelope->size;
}

enum err segment_batch_read(struct bytes in, const struct segment_place *place,
                            struct segment_batch *batch, uint32_t *size)
{
    struct batch_envelope envelope;
    struct batch_content content;
    enum err err = batch_envelope_read(in, place->file_id, place->position, &envelope);

    if (err != OK)
        return err;
    *size = envelope.size;
    if (envelope.size > in.size)
        return ERR_AGAIN;

    err = batch_content_read(in, &envelope, place->incarnation, &content);
    if (err != OK)
        return err;
    if (content.index != place->index || !hash_equal(&content.previous, &place->previous))
        return ERR_CORRUPT;

    view_batch(&envelope, &content, batch);
    return OK;
}

/* Whether a valid batch of this file, whatever its index, stands at the start of `in`. */
static bool batch_stands(struct bytes in, uint64_t file_id, uint64_t position,
                         const uint8_t incarnation[16], struct segment_batch *batch)
{
    struct batch_envelope envelope;
    struct batch_content content;

    if (batch_envelope_read(in, file_id, position, &envelope) != OK)
        return false;
    if (envelope.size > in.size)
        return false;
    if (batch_content_read(in, &envelope, incarnation, &content) != OK)
        return false;

    view_batch(&envelope, &content, batch);
    return true;
}

/* A later batch of the walk. Its index proves that all before it were durable. */
static bool find_resume(struct bytes rest, const struct segment_place *place,
                        struct segment_gap *gap)
{
    struct segment_batch batch;

    for (size_t offset = 0; offset + BATCH_HEAD <= rest.size; offset += 8) {
        if (!batch_stands(bytes_skip(rest, offset), place->file_id, place->position + offset,
                          place->incarnation, &batch))
            continue;
        if (batch.view.index <= place->index || batch.view.index > place->index_cut)
            continue;
        gap->tail = SEGMENT_RESUMES;
        gap->resume = place->position + offset;
        gap->resume_index = batch.view.index;
        gap->resume_previous = batch.previous;
        return true;
    }
    return false;
}

/*
 * A later batch that is bad, too, but whose envelope is sound: it was placed there, so what stands
 * before it was durable, and its index follows from its durable mark. The incarnation makes it one
 * of ours: it is random and nobody is told it, so no payload can look like a batch.
 */
static bool find_placed(struct bytes rest, const struct segment_place *place,
                        struct segment_gap *gap)
{
    struct batch_envelope envelope;

    for (size_t offset = 8; offset + BATCH_HEAD <= rest.size; offset += 8) {
        struct bytes in = bytes_skip(rest, offset);

        if (batch_envelope_read(in, place->file_id, place->position + offset, &envelope) != OK)
            continue;
        if (memcmp(in.at + BATCH_ENVELOPE, place->incarnation, 16) != 0)
            continue;
        if (envelope.durable < place->index || envelope.durable >= place->index_cut)
            continue;
        gap->tail = SEGMENT_RESUMES;
        gap->resume = place->position + offset;
        gap->resume_index = envelope.durable + 1;
        gap->resume_previous = (struct log_hash){0};
        return true;
    }
    return false;
}

struct segment_gap segment_judge(struct bytes rest, const struct segment_place *place)
{
    struct segment_gap gap = {.tail = SEGMENT_ENDS};
    struct batch_envelope envelope;

    assert(place->position % 8 == 0);

    if (all_zeros(rest))
        return gap;
    if (find_resume(rest, place, &gap) || find_placed(rest, place, &gap))
        return gap;
    if (batch_torn(rest, place->file_id, place->position)) {
        gap.tail = SEGMENT_TORN;
        return gap;
    }

    gap.tail = SEGMENT_DAMAGED;
    if (batch_envelope_read(rest, place->file_id, place->position, &envelope) == OK) {
        gap.hash = envelope.hash;
        gap.resume = place->position + envelope.size;
    }
    return gap;
}

enum err segment_find_batch(struct bytes file, uint64_t file_id, const uint8_t *known,
                            struct segment_batch *batch, uint8_t incarnation[16])
{
    for (size_t offset = SEGMENT_HEADER; offset + BATCH_HEAD <= file.size; offset += 8) {
        const uint8_t *own = file.at + offset + BATCH_ENVELOPE; /* the content begins with it */

        if (!batch_stands(bytes_skip(file, offset), file_id, offset, known != NULL ? known : own,
                          batch))
            continue;
        memcpy(incarnation, own, 16);
        return OK;
    }
    return ERR_NOT_FOUND;
}
