/*
 * erase: a message that was deleted for its bytes to go is erased from the log's files and the
 * journal, and the deletion is answered then. What is to go follows from the log, so a start does
 * it again; a state block, behind which a start does not look, waits for it.
 *
 * In a cluster another replica may still need the entry as it was: there it is erased when its file
 * is below the floor, and the answer does not wait. Nor does a state block, which says therefore
 * what is still to go. What a cut has left of entries in files and journal goes with whatever is
 * erased next; and at once when another replica's block was taken, as nobody says what was deleted
 * meanwhile.
 */
#include <stdio.h>

#include "base/codec.h"
#include "base/heap.h"
#include "base/owner.h"
#include "server/stream/stream_priv.h"

#define PENDING_MAX 100000u

static bool answers_at_once(const struct stream *stream)
{
    return jetstream_clustered(stream->jetstream) || log_in_memory(replica_log(stream->replica));
}

/* ---- what is to go -------------------------------------------------------------------------- */

static void add(struct stream *stream, log_place place, uint32_t size)
{
    struct stream_erasing *erasing = &stream->erasing;

    if (erasing->count == PENDING_MAX || place >> 32 == LOG_FILE_NONE)
        return;
    if (erasing->count == erasing->capacity) {
        erasing->capacity = erasing->capacity == 0 ? 8 : 2 * erasing->capacity;
        erasing->at = heap_resize(erasing->at, erasing->capacity * sizeof erasing->at[0]);
    }
    erasing->at[erasing->count++] = (struct log_erased){.place = place, .size = size};
    if (erasing->count == PENDING_MAX)
        logger_warn(
            server_logger(jetstream_server(stream->jetstream)),
            "Stream '%.*s': too many deleted messages wait to be erased: more are not erased "
            "before the next start",
            BYTES_ARG(stream->name));
}

void stream_erased(void *owner, const struct index_entry *entry)
{
    struct stream *stream = owner;

    add(stream, entry->place, entry->record_size);
    stream_moved_erase(stream, entry->sequence);
    if (stream->replica != NULL) /* else it is being opened */
        stream_mark(stream);
}

void stream_erase_moved(struct stream *stream, log_place from, log_place to, uint32_t size)
{
    for (size_t i = 0; i < stream->erasing.count; i++) {
        if (stream->erasing.at[i].place == from) {
            add(stream, to, size);
            return;
        }
    }
}

void stream_erase_also(struct stream *stream, log_place place, uint32_t size)
{
    add(stream, place, size);
    stream_mark(stream);
}

bool stream_erase_takes(struct stream *stream, struct stream_op *op)
{
    if (op->kind != STREAM_OP_DELETE_MESSAGE || !op->erase || answers_at_once(stream))
        return false;
    op->next = stream->erasing.waiting;
    stream->erasing.waiting = op;
    stream_mark(stream);
    return true;
}

bool stream_erase_first(const struct stream *stream)
{
    return stream->erasing.count > 0 && !answers_at_once(stream);
}

void stream_erase_remains(struct stream *stream)
{
    stream->erasing.remains =
        jetstream_clustered(stream->jetstream) && log_remains(replica_log(stream->replica));
    if (stream->erasing.remains)
        stream_mark(stream);
}

/* ---- in state blocks ------------------------------------------------------------------------ */

void stream_erase_encode_more(const struct stream *stream, const struct log_erased *at,
                              size_t count, struct buf *out)
{
    const struct log *log = replica_log(stream->replica);

    if (!jetstream_clustered(stream->jetstream))
        return; /* the block waits until nothing is */
    for (size_t i = 0; i < count; i++) {
        uint32_t ordinal = (uint32_t)(at[i].place >> 32);
        uint8_t *to;

        if (!stream_block_file_there(log, ordinal))
            continue;
        to = encode_u64(buf_reserve(out, STREAM_ERASE_SIZE), log_file_id(log, ordinal));
        to = encode_u32(to, (uint32_t)(at[i].place & UINT32_MAX));
        (void)encode_u32(to, at[i].size);
        buf_commit(out, STREAM_ERASE_SIZE);
    }
}

void stream_erase_encode(const struct stream *stream, struct buf *out)
{
    stream_erase_encode_more(stream, stream->erasing.at, stream->erasing.count, out);
    stream_erase_encode_more(stream, stream->blocks.stale, stream->blocks.stale_count, out);
}

void stream_erase_restore(struct stream *stream, struct bytes list, const struct log_block *block)
{
    struct decoder in;

    if (stream->replica != NULL)
        return; /* it took the block while it ran, and knows all of its own */
    decoder_init(&in, list);
    while (in.rest.size > 0) {
        uint64_t id = decode_u64(&in);
        uint32_t offset = decode_u32(&in), size = decode_u32(&in);

        add(stream, (uint64_t)log_block_ordinal(block, id) << 32 | offset, size);
    }
}

/* ---- doing it ------------------------------------------------------------------------------- */

static bool may_go(struct stream *stream, const struct log_erased *erased)
{
    struct log *log = replica_log(stream->replica);
    uint32_t ordinal = (uint32_t)(erased->place >> 32);
    struct log_file_info info;

    if (stream_snapshot_holds(stream, ordinal)) {
        stream->erasing.held = true;
        return false;
    }
    if (!jetstream_clustered(stream->jetstream) || ordinal >= LOG_KEEP_FIRST)
        return true;
    return !log_file_next(log, ordinal, &info) || info.ordinal != ordinal || info.droppable;
}

/* In a cluster only the floor, the blocks and the end of a backup let those go that were looked at
 * before. False: there are no others. */
static bool looks_again(struct stream *stream)
{
    struct stream_erasing *erasing = &stream->erasing;
    const struct log *log = replica_log(stream->replica);

    if (!jetstream_clustered(stream->jetstream) || erasing->floor != log_floor(log) ||
        erasing->block != log_block_newest(log) || (erasing->held && stream->snapshot == NULL)) {
        erasing->looked = 0;
        erasing->held = false;
    }
    erasing->floor = log_floor(log);
    erasing->block = log_block_newest(log);
    return erasing->looked < erasing->count || erasing->waiting != NULL || erasing->remains;
}

/* Those that may go come first; returns how many. */
static size_t select_those(struct stream *stream)
{
    struct stream_erasing *erasing = &stream->erasing;
    size_t count = 0;

    for (size_t i = erasing->looked; i < erasing->count; i++) {
        struct log_erased erased = erasing->at[i];

        if (!may_go(stream, &erased))
            continue;
        erasing->at[i] = erasing->at[count];
        erasing->at[count++] = erased;
    }
    erasing->looked = erasing->count;
    return count;
}

static void answer(struct stream *stream, struct stream_op *op, enum err err)
{
    while (op != NULL) {
        struct stream_op *next = op->next;

        op->next = NULL;
        if (err != OK) {
            op->failed = true;
            op->error = 10057;
            snprintf(op->error_text, sizeof op->error_text,
                     "deleted, but not yet erased from disk: %s", err_text(err));
        }
        stream_op_end(stream, op);
        op = next;
    }
}

static void erase_done(struct log_erase_op *op, enum err err)
{
    struct stream_erasing *erasing = owner_of(op, struct stream_erasing, op);
    struct stream *stream = owner_of(erasing, struct stream, erasing);
    struct stream_op *answered = erasing->answered;

    if (err != OK)
        logger_error(server_logger(jetstream_server(stream->jetstream)),
                     "Stream '%.*s': deleted messages could not be erased from disk: %s; the next "
                     "start tries again",
                     BYTES_ARG(stream->name), err_text(err));
    erasing->busy = false;
    erasing->answered = NULL;
    erasing->count -= erasing->flying;
    erasing->looked -= erasing->flying;
    if (erasing->count > 0)
        memmove(erasing->at, erasing->at + erasing->flying, erasing->count * sizeof erasing->at[0]);
    erasing->flying = 0;
    stream_mark(stream);
    answer(stream, answered, err);
}

void stream_erase_turn(struct stream *stream)
{
    struct stream_erasing *erasing = &stream->erasing;
    struct log *log = replica_log(stream->replica);

    if (erasing->busy || stream->closing || stream_failed(stream) || stream_move_holds(stream) ||
        stream_repair_holds(stream) ||
        (erasing->count == 0 && erasing->waiting == NULL && !erasing->remains))
        return;
    if (log_in_memory(log)) {
        erasing->count = erasing->looked = 0;
        erasing->remains = false;
        return;
    }
    if (!looks_again(stream))
        return;
    erasing->flying = select_those(stream);
    if (erasing->flying < erasing->count && erasing->waiting != NULL)
        return; /* it is tried again when what holds them has gone on */
    if (erasing->flying == 0 && erasing->waiting == NULL && !erasing->remains)
        return;
    erasing->answered = erasing->waiting;
    erasing->waiting = NULL;
    erasing->remains = false;
    erasing->busy = true;
    erasing->op = (struct log_erase_op){
        .at = erasing->at, .count = erasing->flying, .erase = effect_erase, .done = erase_done};
    log_erase(log, &erasing->op);
}

void stream_erase_drop(struct stream *stream)
{
    struct stream_erasing *erasing = &stream->erasing;
    struct stream_op *lists[] = {erasing->answered, erasing->waiting};

    erasing->answered = erasing->waiting = NULL;
    for (size_t i = 0; i < 2; i++) {
        for (struct stream_op *op = lists[i]; op != NULL;) {
            struct stream_op *next = op->next;

            op->failed = true;
            op->error = 10059;
            stream_op_end(stream, op);
            op = next;
        }
    }
    heap_give(erasing->at);
    erasing->at = NULL;
    erasing->count = erasing->looked = erasing->capacity = 0;
}
