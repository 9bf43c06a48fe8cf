#include "storage/segment.h"

#include "storage/batch.h"
#include "storage/file_head.h"
#include "storage/hash.h"
#include "storage/le.h"

static const char magic[FILE_HEAD_MAGIC] = "MRsegm01";

enum {
    AT_LOG_ID = 24,
    AT_INCARNATION = 32,
    AT_FILE_ID = 48,
    AT_PREDECESSOR = 56,
    AT_LAST_INDEX = 64,
    AT_LAST_HASH = 72,
    AT_BASE = 88,
    AT_BASE_HASH = 96,
};

void segment_header_write(uint8_t at[SEGMENT_HEADER], const struct segment_header *header)
{
    file_head_begin(at, SEGMENT_HEADER, magic, 0);
    le_put_u64(at + AT_LOG_ID, header->log_id);
    memcpy(at + AT_INCARNATION, header->incarnation, 16);
    le_put_u64(at + AT_FILE_ID, header->file_id);
    le_put_u64(at + AT_PREDECESSOR, header->predecessor);
    le_put_u64(at + AT_LAST_INDEX, header->last_index);
    memcpy(at + AT_LAST_HASH, header->last_hash.at, 16);
    le_put_u64(at + AT_BASE, header->base);
    memcpy(at + AT_BASE_HASH, header->base_hash.at, 16);
    file_head_seal(at, SEGMENT_HEADER);
}

static bool all_zeros(struct bytes b)
{
    return b.size == 0 || (b.at[0] == 0 && memcmp(b.at, b.at + 1, b.size - 1) == 0);
}

enum err segment_header_read(const uint8_t at[SEGMENT_HEADER], struct segment_header *header)
{
    uint32_t features;
    enum err err;

    if (all_zeros(bytes_of(at, SEGMENT_HEADER)))
        return ERR_NOT_FOUND;
    err = file_head_check(at, SEGMENT_HEADER, magic, 0, &features);
    if (err != OK)
        return err;

    header->log_id = le_u64(at + AT_LOG_ID);
    memcpy(header->incarnation, at + AT_INCARNATION, 16);
    header->file_id = le_u64(at + AT_FILE_ID);
    header->predecessor = le_u64(at + AT_PREDECESSOR);
    header->last_index = le_u64(at + AT_LAST_INDEX);
    memcpy(header->last_hash.at, at + AT_LAST_HASH, 16);
    header->base = le_u64(at + AT_BASE);
    memcpy(header->base_hash.at, at + AT_BASE_HASH, 16);
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
        .content = bytes_of(content->records.at - BATCH_CONTENT_HEAD, envelope->content_size),
        .records = content->records,
        .hash = envelope->hash,
    };
    batch->previous = content->previous;
    batch->durable = envelope->durable;
    batch->committed = envelope->committed;
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

/*
 * Whether a batch was placed at the start of `in`, whole or not: its envelope is sound. The
 * incarnation makes it one of ours: it is random, so no payload can look like a batch.
 */
static bool batch_placed(struct bytes in, const struct segment_place *place, uint64_t position,
                         struct batch_envelope *envelope)
{
    if (in.size < BATCH_HEAD || batch_envelope_read(in, place->file_id, position, envelope) != OK)
        return false;
    return memcmp(in.at + BATCH_ENVELOPE, place->incarnation, 16) == 0;
}

/*
 * The first later batch of the walk, or false. *proven: the missing one was durable, because a cut
 * says so or a batch that was placed later than that; those placed while it was in the air prove
 * nothing.
 */
static bool find_later(struct bytes rest, const struct segment_place *place,
                       struct segment_gap *gap, bool *proven)
{
    bool found = false;

    *proven = place->index_cut != UINT64_MAX;
    for (size_t offset = 8; offset + BATCH_HEAD <= rest.size && !(found && *proven); offset += 8) {
        struct bytes in = bytes_skip(rest, offset);
        uint64_t position = place->position + offset;
        struct batch_envelope e;
        struct segment_batch batch;

        if (!batch_placed(in, place, position, &e))
            continue;
        if (e.index <= place->index || e.index > place->index_cut)
            continue;
        if (!found) {
            gap->resume = position;
            gap->resume_index = e.index;
            if (batch_stands(in, place->file_id, position, place->incarnation, &batch))
                gap->resume_previous = batch.previous;
            found = true;
        }
        *proven = *proven || e.durable >= place->index;
        offset += e.size - 8;
    }
    return found;
}

struct segment_gap segment_judge(struct bytes rest, const struct segment_place *place)
{
    struct segment_gap gap = {.tail = SEGMENT_ENDS};
    struct batch_envelope own;
    bool later, proven;

    assert(place->position % 8 == 0);

    if (all_zeros(rest))
        return gap;
    later = find_later(rest, place, &gap, &proven);
    if (!(later && proven) && batch_torn(rest, place->file_id, place->position)) {
        gap.tail = SEGMENT_TORN;
        return gap;
    }
    gap.tail = later ? SEGMENT_RESUMES : SEGMENT_DAMAGED;
    /* Its own envelope tells where the next one stands and whom that names. */
    if (batch_envelope_read(rest, place->file_id, place->position, &own) == OK) {
        gap.hash = own.hash;
        gap.resume = place->position + own.size;
        gap.resume_index = place->index + 1;
        gap.resume_previous = own.hash;
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
