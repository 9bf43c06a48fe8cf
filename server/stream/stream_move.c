/*
 * stream_move: messages that live in files that are mostly dead are written together into a file of
 * their own, so that the others can go. In steps, after a block; nothing of it is in the log. The
 * next block says where they are now; a crash before leaves them where they were.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "server/stream/stream_priv.h"
#include "storage/record.h"

#define MOVE_BYTES_MAX (8u << 20)       /* at a time: held in memory */
#define STEP_MESSAGES  2048u            /* looked at in one go */
#define SPARSE         4u               /* a file is, when less than that part of it lives */
#define DENSE(raw)     ((raw) / 10 * 9) /* when all are to be, a file with that much is left */
#define SMALL_BYTES    (1u << 20)
#define BUSY_NS        INT64_C(10000000)
#define SMALL_MAX      8u /* files of kept records, until they become one */

struct moved {
    uint64_t sequence;
    log_place from;
    uint32_t offset, size;
};

/* Outlives its stream while something is in flight. */
struct stream_move {
    struct stream *stream; /* NULL: closed */
    uint64_t from;         /* sequences below it have been looked at */
    struct buf records;
    struct moved *at;
    size_t count, capacity;
    struct moved reading; /* that is being read */
    struct log_read read;
    struct log_keep_op keep;
    bool in_flight; /* read or keep */
    bool written;   /* they stand in keep.ordinal, too */
};

bool stream_move_holds(const struct stream *stream)
{
    const struct stream_move *move = stream->blocks.move;

    return move != NULL && (move->count > 0 || move->in_flight);
}

/* What is to be erased has waited. */
static void let_erase(struct stream *stream)
{
    if (stream->erasing.count > 0 || stream->erasing.waiting != NULL)
        stream_mark(stream);
}

static void free_move(struct stream_move *move)
{
    if (move->stream != NULL) {
        move->stream->blocks.move = NULL;
        let_erase(move->stream);
    }
    buf_deinit(&move->records);
    heap_give(move->at);
    heap_give(move);
}

static void go_on_at(struct stream_move *move, int64_t at_ns)
{
    timers_arm(io_timers(stream_io(move->stream)), &move->stream->blocks.move_timer, at_ns);
}

static void go_on(struct stream_move *move)
{
    go_on_at(move, io_now(stream_io(move->stream)));
}

/* ---- which ---------------------------------------------------------------------------------- */

bool stream_move_worth(struct stream *stream, const struct log_file_info *info)
{
    const struct stream_file *file = stream_block_file(stream, info->ordinal);

    return info->droppable && file->messages > 0 &&
           (file->bytes * SPARSE < info->raw ||
            (stream->blocks.space.all && info->raw > stream_space_least(stream) / 4 &&
             file->bytes < DENSE(info->raw)));
}

static bool look_at(struct stream *stream, const struct log_file_info *info)
{
    struct stream_file *file = stream_block_file(stream, info->ordinal);

    file->sparse = stream_move_worth(stream, info);
    return file->sparse;
}

/* Files of kept records are gathered, too, when there are many small ones. */
static bool look_at_kept(struct stream *stream, const struct log_file_info *info, bool many)
{
    struct stream_file *file = stream_block_file(stream, info->ordinal);

    if (look_at(stream, info) || file->messages == 0)
        return file->sparse;
    file->sparse = many && info->bytes < SMALL_BYTES;
    return file->sparse;
}

static bool many_small(const struct log *log)
{
    struct log_file_info info;
    unsigned small = 0;

    for (uint32_t i = LOG_KEEP_FIRST; log_keep_next(log, i, &info); i = info.ordinal + 1)
        small += info.bytes < SMALL_BYTES;
    return small >= SMALL_MAX;
}

static bool find_sparse(struct stream *stream)
{
    struct log *log = replica_log(stream->replica);
    struct log_file_info info;
    bool found = false, many = many_small(log);

    for (uint32_t i = 0; log_file_next(log, i, &info); i = info.ordinal + 1)
        found = look_at(stream, &info) || found;
    for (uint32_t i = LOG_KEEP_FIRST; log_keep_next(log, i, &info); i = info.ordinal + 1)
        found = look_at_kept(stream, &info, many) || found;
    return found;
}

void stream_move_begin(struct stream *stream)
{
    struct stream_move *move;

    if (stream->blocks.move != NULL || stream_failed(stream) || stream->blocks.fill != NULL ||
        log_in_memory(replica_log(stream->replica)) || !find_sparse(stream))
        return;
    move = HEAP_NEW(struct stream_move);
    move->stream = stream;
    buf_init(&move->records, MOVE_BYTES_MAX);
    stream->blocks.move = move;
    go_on(move);
}

/* ---- gathering ------------------------------------------------------------------------------ */

static void note(struct stream_move *move, const struct moved *moved)
{
    if (move->count == move->capacity) {
        move->capacity = move->capacity == 0 ? 64 : move->capacity * 2;
        move->at = heap_resize(move->at, move->capacity * sizeof move->at[0]);
    }
    move->at[move->count++] = *moved;
}

/* What was read into the room behind the records; a damaged one stays where it is. */
static void take(struct stream_move *move, const struct moved *moved, int64_t got)
{
    struct record record;

    if (got != (int64_t)moved->size ||
        record_read(bytes_of(move->records.at + moved->offset, moved->size), &record) != OK)
        return;
    buf_commit(&move->records, moved->size);
    note(move, moved);
}

static void read_done(struct log_read *read, int64_t result)
{
    struct stream_move *move = owner_of(read, struct stream_move, read);

    move->in_flight = false;
    if (move->stream == NULL) {
        free_move(move);
        return;
    }
    take(move, &move->reading, result);
    go_on(move);
}

enum gathered { GATHERED, GATHER_LATER, GATHER_FULL };

static enum gathered gather(struct stream_move *move, const struct index_entry *entry)
{
    struct log *log = replica_log(move->stream->replica);
    struct moved moved = {entry->sequence, entry->place, (uint32_t)move->records.size,
                          entry->record_size};
    uint8_t *at = buf_reserve(&move->records, entry->record_size);
    int64_t got;

    if (at == NULL)
        return move->count > 0 ? GATHER_FULL : GATHERED; /* a huge one stays */
    got = log_read_now(log, entry->place, at, entry->record_size);
    if (got == (int64_t)entry->record_size) {
        take(move, &moved, got);
        return GATHERED;
    }
    move->reading = moved;
    move->in_flight = true;
    move->read.done = read_done;
    log_read(log, &move->read, entry->place, at, entry->record_size);
    return GATHER_LATER;
}

/* ---- writing, and then reading there -------------------------------------------------------- */

static void apply(struct stream_move *move)
{
    struct stream *stream = move->stream;
    struct index_entry entry;

    for (size_t i = 0; i < move->count; i++) {
        const struct moved *moved = &move->at[i];

        if (!index_get(stream->state.index, moved->sequence, &entry) ||
            entry.place != moved->from) { /* gone meanwhile */
            stream_erase_moved(stream, moved->from,
                               (uint64_t)move->keep.ordinal << 32 | (LOG_KEEP_HEAD + moved->offset),
                               moved->size);
            continue;
        }
        stream_block_unplaced(stream, &entry);
        stream_block_file(stream, (uint32_t)(entry.place >> 32))->moved = true;
        stream_moved_note(stream, moved->sequence, moved->from, moved->size);
        entry.place = (uint64_t)move->keep.ordinal << 32 | (LOG_KEEP_HEAD + moved->offset);
        index_move(stream->state.index, moved->sequence, entry.place);
        stream_block_stored(stream, &entry);
    }
    stream_moved_noted(stream);
    if (!stream->blocks.space.all) {
        free_move(move); /* more of it after the next block */
        return;
    }
    go_on_at(move, stream_space_slot(stream, move->records.size));
    buf_release(&move->records);
    move->count = 0;
    move->written = false;
    let_erase(stream);
}

void stream_move_apply(struct stream *stream)
{
    if (stream->blocks.move != NULL && stream->blocks.move->written)
        apply(stream->blocks.move);
}

static void keep_done(struct log_keep_op *op, enum err err)
{
    struct stream_move *move = owner_of(op, struct stream_move, keep);

    move->in_flight = false;
    if (move->stream == NULL || err != OK) { /* it is tried again after the next block */
        free_move(move);
        return;
    }
    move->written = true;
    if (move->stream->blocks.capture == NULL)
        apply(move); /* else when that is complete: its files are counted as they were */
}

static void write(struct stream_move *move)
{
    if (move->count == 0) {
        free_move(move);
        return;
    }
    if (log_keep_busy(replica_log(move->stream->replica))) {
        struct io *io = stream_io(move->stream);

        timers_arm(io_timers(io), &move->stream->blocks.move_timer, io_now(io) + BUSY_NS);
        return; /* and comes here again */
    }
    move->keep.records = buf_bytes(&move->records);
    move->keep.done = keep_done;
    move->in_flight = true;
    log_keep(replica_log(move->stream->replica), &move->keep);
}

void stream_move_step(struct timer *timer)
{
    struct stream *stream = owner_of(timer, struct stream, blocks.move_timer);
    struct stream_move *move = stream->blocks.move;
    struct index_entry entry;

    for (unsigned i = 0; i < STEP_MESSAGES; i++) {
        enum gathered gathered = GATHERED;
        bool found = index_next(stream->state.index, NULL, move->from, &entry);

        if (stream_failed(stream))
            return;
        if (!found) {
            write(move);
            return;
        }
        if (entry.place >> 32 != LOG_FILE_NONE &&
            stream_block_file(stream, (uint32_t)(entry.place >> 32))->sparse)
            gathered = gather(move, &entry);
        if (gathered == GATHER_FULL) {
            write(move);
            return;
        }
        move->from = entry.sequence + 1;
        if (gathered == GATHER_LATER)
            return;
    }
    go_on(move);
}

void stream_move_close(struct stream *stream, bool deleted)
{
    struct stream_move *move = stream->blocks.move;

    timers_cancel(io_timers(stream_io(stream)), &stream->blocks.move_timer);
    if (move == NULL)
        return;
    if (move->in_flight && deleted) {
        move->stream = NULL; /* who comes back frees it */
        stream->blocks.move = NULL;
    } else {
        free_move(move);
    }
}
