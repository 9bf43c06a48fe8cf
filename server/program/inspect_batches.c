/* The batches of one segment: what is damaged, lost or unreadable among them. */
#include "consumers/consumer.h"
#include "server/jetstream/catalogue.h"
#include "server/program/inspect_priv.h"
#include "server/stream/effect.h"
#include "storage/batch.h"
#include "storage/hash.h"

static bool readable(uint64_t log_id, const struct record *record)
{
    struct effect effect;

    if (replica_record(record->type) || log_id < CATALOGUE_STREAM_FIRST ||
        record->type >= CONSUMER_RECORD_FIRST)
        return true;
    return effect_read(record, &effect) == OK;
}

static void walk_records(const struct inspect_log *log, const char *path,
                         const struct segment_batch *batch)
{
    struct bytes rest = batch->view.records;
    struct record record;

    for (uint32_t i = 0; i < batch->view.record_count; i++) {
        if (record_read(rest, &record) != OK || record.size > rest.size) {
            inspect_problem(log->walk, path, "a record of index %llu is damaged",
                            (unsigned long long)batch->view.index);
            return;
        }
        if (!readable(log->id, &record))
            inspect_problem(log->walk, path, "a record of type %u of index %llu is unreadable",
                            record.type, (unsigned long long)batch->view.index);
        if (log->walk->tell->record != NULL)
            log->walk->tell->record(log->walk->tell->owner, log->id, &record);
        rest = bytes_skip(rest, record.size);
    }
}

static void check_blocks(const struct inspect_log *log, const char *path,
                         const struct segment_batch *batch)
{
    for (size_t i = 0; i < log->block_count; i++) {
        if (log->blocks[i].index == batch->view.index &&
            !hash_equal(&log->blocks[i].hash, &batch->view.hash))
            inspect_problem(log->walk, path,
                            "index %llu is another batch than its state block is of",
                            (unsigned long long)batch->view.index);
    }
}

/* Where a damaged batch hides how the next one is chained, that one says so itself. */
static struct log_hash previous_at(const struct inspect_piece *piece, struct bytes rest,
                                   uint64_t position)
{
    struct batch_envelope envelope;
    struct batch_content content = {0};

    if (batch_envelope_read(rest, piece->id, position, &envelope) == OK &&
        envelope.size <= rest.size)
        (void)batch_content_read(rest, &envelope, piece->header.incarnation, &content);
    return content.previous;
}

static bool is_zero(const struct log_hash *hash)
{
    static const struct log_hash zeros;

    return hash_equal(hash, &zeros);
}

/* No expected batch stands there. False: the file ends. */
static bool walk_gap(struct inspect_log *log, const struct inspect_piece *piece, struct bytes file,
                     struct segment_place *place, bool last)
{
    struct bytes rest = bytes_skip(file, (size_t)place->position);
    struct segment_gap gap = segment_judge(rest, place);

    switch (gap.tail) {
    case SEGMENT_ENDS: return false;
    case SEGMENT_TORN:
        if (last)
            inspect_note(log->walk, piece->path, "ends with a write that was cut short");
        return false;
    case SEGMENT_DAMAGED:
        inspect_problem(log->walk, piece->path, "index %llu is damaged (at %llu)",
                        (unsigned long long)place->index, (unsigned long long)place->position);
        log->index = place->index;
        return false;
    case SEGMENT_RESUMES: break;
    }
    inspect_problem(
        log->walk, piece->path, "indexes %llu to %llu are damaged (at %llu)",
        (unsigned long long)place->index,
        (unsigned long long)(gap.resume_index > place->index ? gap.resume_index - 1 : place->index),
        (unsigned long long)place->position);
    place->position = gap.resume;
    place->index = gap.resume_index;
    place->previous = gap.resume_previous;
    if (is_zero(&place->previous))
        place->previous = previous_at(piece, bytes_skip(file, (size_t)gap.resume), gap.resume);
    return true;
}

void inspect_batches(struct inspect_log *log, const struct inspect_piece *piece, struct bytes file,
                     bool last)
{
    struct segment_place place = {
        .file_id = piece->id,
        .position = SEGMENT_HEADER,
        .incarnation = piece->header.incarnation,
        .index = log->index + 1,
        .previous = log->hash,
        .index_cut = piece->cut,
    };

    while (place.index <= piece->cut && place.position < file.size) {
        struct segment_batch batch;
        uint32_t size;
        enum err err =
            segment_batch_read(bytes_skip(file, (size_t)place.position), &place, &batch, &size);

        if (err == ERR_VERSION) {
            inspect_newer(log->walk, piece->path);
            return;
        }
        if (err != OK) {
            if (!walk_gap(log, piece, file, &place, last))
                break;
            continue;
        }
        if (log->walk->tell->batch != NULL)
            log->walk->tell->batch(log->walk->tell->owner, piece->path, place.position, log->id,
                                   &batch);
        walk_records(log, piece->path, &batch);
        check_blocks(log, piece->path, &batch);
        log->index = place.index;
        log->hash = batch.view.hash;
        place.index++;
        place.previous = batch.view.hash;
        place.position += batch.size;
    }
    if (!last && log->index < piece->cut) {
        inspect_problem(log->walk, piece->path, "indexes %llu to %llu are lost",
                        (unsigned long long)log->index + 1, (unsigned long long)piece->cut);
        log->index = piece->cut;
    }
}
