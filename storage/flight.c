/*
 * The way of what was appended to the disk:
 *
 *     WAITING ─► (MAKING a file) ─► (ALLOCATING) ─► WRITING ─► durable
 *                                                      └─► SYNCING ─► durable
 *
 * A flight is one write: as many of the batches that wait as fit, all placed when everything before
 * them is durable, which their envelopes say (docs/formats.md, Segment). A failed write or sync
 * condemns the file and sends the flight back to WAITING once, for a new file; the second failure,
 * and any failure to make or extend a file, is `failed`: the file before is as it was, and the
 * indexes above durable are free again.
 *
 * A cut may void the end of a flight, or all of it. Once it is being written it goes on to its end,
 * what counts of it is told, and the file takes no more.
 */
#include <errno.h>

#include "base/heap.h"
#include "base/owner.h"
#include "storage/flaws.h"
#include "storage/memory.h"
#include "storage/store.h"

#define FLIGHT_MAX (1u << 20) /* bytes of several batches that are written together */

static struct log_hash hash_at(const struct log *log, uint64_t index)
{
    return tail_at(&log->tail, index)->hash;
}

/* ---- what counts ------------------------------------------------------------------------------
 */

static void queue_drop(struct log_queue *queue)
{
    while (queue->count > 0)
        log_content_drop(queue_take(queue));
}

/* What counts of the flight waits again, before the rest; what does not is dropped. */
static void flight_undo(struct log *log)
{
    struct log_flight *flight = &log->flight;
    struct log_queue queue = {}, behind = log->waiting;

    while (flight->batches.count > 0) {
        struct log_content *content = queue_take(&flight->batches);

        if (flight->kept == 0) {
            log_content_drop(content);
            continue;
        }
        flight->kept--;
        queue_add(&queue, content);
    }
    while (behind.count > 0)
        queue_add(&queue, queue_take(&behind));
    log->waiting = queue;
    store_buf_give(log->store, &flight->staged);
}

/* The flight is over. What waits is sent with the turn. */
static void flight_next(struct log *log)
{
    assert(log->flight.batches.count == 0);
    log->phase = log->waiting.count > 0 || log->skip != NULL || log->renew ? LOG_WAITING : LOG_IDLE;
    if (log->phase == LOG_WAITING)
        log_send_later(log);
    else
        log->retried = false;
}

void flight_cut(struct log *log, uint64_t index)
{
    uint64_t kept = index > log->durable ? index - log->durable : 0;

    if (kept < log->flight.kept)
        log->flight.kept = (uint32_t)kept;
}

void flight_look(struct log *log)
{
    if (log->phase != LOG_WAITING)
        return;
    if (log->flight.kept < log->flight.batches.count)
        flight_undo(log);
    if (log->waiting.count == 0 && log->flight.batches.count == 0 && log->skip == NULL &&
        !log->renew)
        log->phase = LOG_IDLE;
}

void flight_drop(struct log *log)
{
    log->skip = NULL;
    log->renew = false;
    queue_drop(&log->waiting);
    log->flight.kept = 0;
    log->appended = log->durable;
    tail_cut(&log->tail, log->durable);
    flight_look(log);
    log_check(log);
}

/* ---- the end of a flight ----------------------------------------------------------------------
 */

/* Tells the next batch of the flight, which stands at `position`; returns where the one after it
 * stands. The owner may close or cut the log meanwhile. */
static uint64_t tell_next(struct log *log, uint64_t position)
{
    struct log_flight *flight = &log->flight;
    struct log_content *content = flight->batches.first;
    uint64_t place = (uint64_t)(log->file_count - 1) << 32 | position;
    struct bytes bytes = log_content_bytes(content);
    struct log_batch batch = {
        .index = content->index,
        .term = content->term,
        .time_ns = content->time_ns,
        .record_count = content->record_count,
        .content = bytes,
        .records = bytes_skip(bytes, BATCH_CONTENT_HEAD),
        .records_place = place + BATCH_HEAD,
        .hash = content->hash,
        .committed = log->committed,
    };

    assert(batch.index == log->durable + 1);
    position += batch_size(content->size, position);
    log_file_extend(log->active, batch.index);
    log->active->end = position;
    log->durable = batch.index;
    places_add(&log->places, batch.index, place);
    flight->kept--;
    /* It stays in the flight while it is told: log_content_of. */
    if (!log->closed)
        log->events.durable(log->owner, &batch);
    log_content_drop(queue_take(&flight->batches));
    return position;
}

void flight_durable(struct log *log)
{
    struct log_flight *flight = &log->flight;
    struct log_file *file = log->active;
    uint64_t position = flight->position;

    assert(file == log->files[log->file_count - 1]);
    assert(position == file->end);

    if (!log->memory)
        latency_add(&log->store->durable, io_now(log->store->io) - flight->begun_ns);
    journal_cover_keep(log->store->journal, &file->cover);
    log_file_dirty(file);
    log->phase = LOG_TELLING;
    log->retried = false;
    while (flight->kept > 0)
        position = tell_next(log, position);
    if (flight->batches.count > 0) {
        file->ended = true; /* what stands behind its end was cut */
        queue_drop(&flight->batches);
    }
    store_buf_give(log->store, &flight->staged);
    flight_next(log);
    log_check(log);
}

/* A cut took all of it back. */
static void flight_void(struct log *log)
{
    journal_cover_drop(log->store->journal, &log->active->cover);
    if (!store_flaw(log->store, FLAW_CUT_IN_PLACE))
        log->active->ended = true;
    flight_undo(log);
    flight_next(log);
    log_check(log);
}

/* Nothing above `durable` ever happened. */
static void flight_failed(struct log *log, enum err err)
{
    log->flight.kept = 0;
    flight_undo(log);
    queue_drop(&log->waiting);
    log->appended = log->durable;
    tail_cut(&log->tail, log->durable);
    flight_next(log);
    log_check(log);
    if (!log->closed)
        log->events.failed(log->owner, err);
}

/* The flight could not be made durable where it was written: that file ends before it. */
static void flight_retry(struct log *log, enum err err)
{
    struct log_file *file = log->active;
    bool counts = log->flight.kept > 0;

    journal_cover_drop(log->store->journal, &file->cover);
    store_note_doubt(log->store, log->id);
    if (store_flaw(log->store, FLAW_REUSE_POSITION)) {
        file->placed = file->end;
        flight_failed(log, err);
        return;
    }
    file->condemned = true;
    if (log->closed || (counts && log->retried)) {
        flight_failed(log, err);
        return;
    }
    store_report(log->store, "log %016llx, segment %016llx: %s: the log goes on in a new file",
                 (unsigned long long)log->id, (unsigned long long)file->id, err_text(err));
    flight_undo(log);
    log->retried = counts;
    flight_next(log);
    log_check(log);
}

/* ---- witnesses ------------------------------------------------------------------------------- */

static void flight_sync(struct log *log)
{
    struct log_file *file = log->active;

    log->phase = LOG_SYNCING;
    if (file->condemned) { /* another sync of it failed: this one would prove nothing */
        flight_retry(log, ERR_IO);
        return;
    }
    log->flight.syncing = !file->syncing;
    if (log->flight.syncing)
        log_file_sync(file, false);
}

void log_sync_ended(struct log *log, struct log_file *file, bool background, bool synced)
{
    if (log->phase != LOG_SYNCING || file != log->active)
        return;
    assert(log->flight.syncing == !background);
    if (!synced)
        flight_retry(log, ERR_IO);
    else if (log->flight.kept == 0)
        flight_void(log);
    else if (log->flight.syncing)
        flight_durable(log);
    else
        flight_sync(log); /* that one began before the flight was written */
}

/* Both witnesses have said what they have to say. */
static void flight_settle(struct log *log)
{
    struct log_flight *flight = &log->flight;

    if (flight->segment == WITNESS_WAITING || flight->journal == WITNESS_WAITING)
        return;
    if (flight->segment == WITNESS_FAILED &&
        !(flight->journal == WITNESS_DONE && store_flaw(log->store, FLAW_JOURNAL_ALONE)))
        flight_retry(log, flight->err);
    else if (flight->kept == 0)
        flight_void(log);
    else if (flight->journal == WITNESS_DONE || store_flaw(log->store, FLAW_ACK_BEFORE_DURABLE))
        flight_durable(log);
    else
        flight_sync(log);
}

static void journal_done(struct journal_wait *wait, bool durable)
{
    struct log *log = owner_of(wait, struct log, wait);

    assert(log->phase == LOG_WRITING);
    assert(log->flight.journal == WITNESS_WAITING);

    log->flight.journal = durable ? WITNESS_DONE : WITNESS_FAILED;
    if (!durable)
        journal_cover_drop(log->store->journal, &log->active->cover);
    flight_settle(log);
}

static void write_rest(struct log *log)
{
    struct log_flight *flight = &log->flight;

    io_write(log->store->io, &log->write, log->active->file, flight->position + flight->written,
             bytes_skip(flight->bytes, flight->written));
}

static void write_ended(struct log *log, int64_t result)
{
    struct log_flight *flight = &log->flight;

    if (result <= 0 && !store_flaw(log->store, FLAW_IGNORE_WRITE_ERROR)) {
        flight->segment = WITNESS_FAILED;
        flight->err = result < 0 ? err_of_errno((int)-result) : ERR_IO;
        flight_settle(log);
        return;
    }
    flight->written += result > 0 ? (size_t)result : flight->bytes.size - flight->written;
    if (flight->written < flight->bytes.size) {
        write_rest(log);
        return;
    }
    flight->segment = WITNESS_DONE;
    flight_settle(log);
}

/* ---- placing --------------------------------------------------------------------------------- */

static void flight_write(struct log *log)
{
    struct log_flight *flight = &log->flight;
    struct log_file *file = log->active;
    struct journal_entry entry = {
        .log_id = log->id,
        .file_id = file->id,
        .offset = flight->position,
        .kind = JOURNAL_SEGMENT,
        .bytes = flight->bytes,
    };

    assert(flight->position >= file->placed); /* a position is written once */
    file->placed = flight->position + flight->bytes.size;

    log->phase = LOG_WRITING;
    flight->written = 0;
    flight->segment = WITNESS_WAITING;
    flight->journal = WITNESS_NONE;
    log->wait.cover = &file->cover;
    if (entry.bytes.size <= log->store->options.journal_batch_max &&
        journal_add(log->store->journal, &entry, &log->wait))
        flight->journal = WITNESS_WAITING;
    write_rest(log);
}

uint32_t flight_place(struct log *log, const struct log_content *content, uint8_t *at,
                      uint64_t position)
{
    struct batch_envelope envelope = {
        .file_id = log->active->id,
        .position = position,
        .durable = log->durable,
        .committed = log->committed,
        .hash = content->hash,
    };

    batch_place(at, content->size, &envelope);
    return envelope.size;
}

static void stage(struct log *log)
{
    struct log_flight *flight = &log->flight;
    struct buf *staged = &flight->staged;

    *staged = store_buf_take(log->store);
    for (struct log_content *c = flight->batches.first; c != NULL; c = c->next) {
        uint64_t position = flight->position + staged->size;
        uint8_t *at = buf_reserve(staged, batch_size(c->size, position));

        assert(at != NULL); /* FLIGHT_MAX is far below a batch's limit */
        memcpy(at + BATCH_ENVELOPE, log_content_bytes(c).at, c->size);
        buf_commit(staged, flight_place(log, c, at, position));
    }
    flight->bytes = buf_bytes(staged);
}

static uint64_t file_size_max(const struct log *log)
{
    return log->memory ? MEMORY_FILE_SIZE : log->store->options.segment_size;
}

/* Whether the next one that waits may fly with `size` bytes that do already. */
static bool fits(const struct log *log, uint64_t size)
{
    const struct log_content *next = log->waiting.first;
    uint64_t position = log->flight.position + size;

    if (next == NULL)
        return false;
    size += batch_size(next->size, position);
    return size <= FLIGHT_MAX && log->flight.position + size <= file_size_max(log);
}

void flight_take(struct log *log)
{
    struct log_flight *flight = &log->flight;
    uint64_t size = 0;

    flight->position = log->active->end;
    do {
        struct log_content *content = queue_take(&log->waiting);

        size += batch_size(content->size, flight->position + size);
        queue_add(&flight->batches, content);
        flight->kept++;
    } while (fits(log, size));
}

/* Takes from what waits and gives it its place in the file. */
static void flight_form(struct log *log)
{
    struct log_flight *flight = &log->flight;
    const struct log_content *first = log->waiting.first;

    flight_take(log);
    flight->begun_ns = io_now(log->store->io);
    if (flight->batches.count > 1) {
        stage(log);
        return;
    }
    flight->bytes = bytes_of(first->at, flight_place(log, first, first->at, flight->position));
}

/* The disk is full: true: what waits does so until some of what is kept is given. */
static bool space_wanted(struct log *log, enum err err)
{
    if (err != ERR_NO_SPACE || !reserve_give(&log->store->reserve))
        return false;
    log->wants_space = true;
    log->phase = LOG_WAITING;
    flight_look(log);
    return true;
}

static void allocate_ended(struct log *log, int64_t result)
{
    struct log_flight *flight = &log->flight;

    if (log->closed) {
        flight_failed(log, ERR_CLOSED);
        return;
    }
    if (result == -EOPNOTSUPP)
        result = 0; /* then writing extends the file */
    if (result >= 0)
        log->active->allocated = flight->space;
    if (flight->kept < flight->batches.count || log->active->ended)
        flight_undo(log); /* cut meanwhile */
    if (result < 0 && log->appended > log->durable) {
        enum err err = err_of_errno((int)-result);

        if (!space_wanted(log, err))
            flight_failed(log, err); /* nothing was written */
        return;
    }
    log->phase = LOG_WAITING;
    log_send_later(log);
    flight_look(log);
}

static void op_done(struct io_op *op, int64_t result)
{
    struct log *log = owner_of(op, struct log, write);

    if (log->phase == LOG_ALLOCATING)
        allocate_ended(log, result);
    else
        write_ended(log, result);
}

static void flight_allocate(struct log *log)
{
    struct log_flight *flight = &log->flight;
    struct log_file *file = log->active;
    uint64_t need = flight->position + flight->bytes.size;

    log->phase = LOG_ALLOCATING;
    flight->space = segment_space(file->allocated, need, log->store->options.segment_size);
    if (log->store->reserve.scarce) /* not more than is written */
        flight->space = segment_space(need, need, need);
    io_fallocate(log->store->io, &log->write, file->file, file->allocated,
                 flight->space - file->allocated);
}

/* ---- new files ------------------------------------------------------------------------------- */

static void make_run(struct io_work *work, struct io *io)
{
    segment_make(owner_of(work, struct segment_make, work), io);
}

/* The new file becomes the one that is written, unless a cut came below what its header names. */
static void take_file(struct log *log, const struct segment_make *make)
{
    struct log_file *file = log_file_create(log, make->file, NULL, make->header.file_id);

    file->allocated = make->space;
    file->base = make->header.base;
    file->ended = log->durable < make->header.last_index;
    if (make->trim != NULL)
        log->active->allocated = make->trim_size;
    log_add_file(log, file);
    log->active = file;
    log->rolls = false;
    log->renew = false;
}

/* The new file is there, or not; `base`: what it was made for. */
void flight_skipped(struct log *log, uint64_t base, enum err err)
{
    struct log_skip_op *op = log->skip;

    log->skip = NULL;
    if (err == OK) {
        assert(base == op->index);
        places_miss(&log->places, log->durable + 1, PLACES_GONE);
        tail_lose(&log->tail, op->index, (struct tail_entry){.hash = op->hash, .term = op->term});
        log->durable = op->index;
        log->appended = op->index;
    }
    flight_next(log);
    log_check(log);
    op->done(op, err);
}

static void make_done(struct io_work *work)
{
    struct segment_make *make = owner_of(work, struct segment_make, work);
    struct log *log = make->log;
    enum err err = make->err;
    uint64_t base = make->header.base;
    bool skips = base > make->header.last_index; /* else it was begun before that was asked for */

    assert(log->phase == LOG_MAKING);
    assert(log->store->makes > 0);
    log->store->makes--;

    if (err == OK)
        take_file(log, make);
    log->make = NULL;
    heap_give(make);
    if (err != OK)
        log->renew = false; /* who wants it asks again */

    if (log->closed) {
        flight_failed(log, ERR_CLOSED);
        return;
    }
    if (log->skip != NULL && skips) {
        flight_skipped(log, base, err);
        return;
    }
    if (err != OK && log->waiting.count > 0) {
        if (log->skip != NULL || !space_wanted(log, err))
            flight_failed(log, err);
        return;
    }
    flight_next(log);
}

/* What the new file is to hold at once. */
static uint64_t first_need(const struct log *log)
{
    const struct log_content *first = log->waiting.first;

    return SEGMENT_HEADER + (first != NULL ? batch_size(first->size, SEGMENT_HEADER) : 0);
}

static void make_start(struct log *log)
{
    struct store *store = log->store;
    struct segment_make *make = HEAP_NEW(struct segment_make);
    struct log_file *active = log->active;

    make->work.run = make_run;
    make->work.done = make_done;
    make->store = store;
    make->log = log;
    make->header = (struct segment_header){
        .log_id = log->id,
        .file_id = store_file_id(store),
        .predecessor = log->file_count > 0 ? log->files[log->file_count - 1]->id : 0,
        .last_index = log->durable,
        .last_hash = hash_at(log, log->durable),
        .base = log->durable,
        .base_hash = hash_at(log, log->durable),
    };
    memcpy(make->header.incarnation, log->incarnation, 16);
    if (log->skip != NULL) {
        make->header.base = log->skip->index;
        make->header.base_hash = log->skip->hash;
    }
    make->space = segment_space(0, first_need(log), store->options.segment_size);
    if (active != NULL && !active->condemned && active->end < active->allocated) {
        make->trim = active->file;
        make->trim_size = active->end;
    }

    /* From here on a header on the disk may say that this file ends here: nothing more goes to it,
     * even if the new one cannot be made. */
    if (active != NULL && !store_flaw(store, FLAW_GO_ON_AFTER_FAILED_MAKE))
        active->ended = true;
    store->makes++;
    log->make = make;
    log->phase = LOG_MAKING;
    io_work(store->io, &make->work);
}

bool flight_needs_file(const struct log *log)
{
    const struct log_file *file = log->active;

    if (file == NULL || file->condemned || file->ended || log->skip != NULL || log->renew)
        return true;
    if (log->rolls && file->first != 0)
        return true;
    return file->end > SEGMENT_HEADER &&
           file->end + batch_size(log->waiting.first->size, file->end) > file_size_max(log);
}

void log_renew(struct log *log)
{
    assert(log->phase == LOG_IDLE);
    assert(log->renew);
    log->phase = LOG_WAITING;
    log_send_later(log);
}

/* What is placed already had to wait for its space. */
void log_send(struct log *log)
{
    struct log_flight *flight = &log->flight;

    if (log->phase != LOG_WAITING)
        return; /* closed or cut meanwhile */
    if (flight->batches.count > 0 && log->active->condemned)
        flight_undo(log);
    if (flight->batches.count == 0) {
        if (flight_needs_file(log)) {
            if (log->store->makes < STORE_MAKES_MAX)
                make_start(log);
            else
                log_send_later(log); /* one that ends makes the turn that tries again */
            return;
        }
        flight_form(log);
    }
    if (flight->position + flight->bytes.size > log->active->allocated)
        flight_allocate(log);
    else
        flight_write(log);
}

/* ---- what the rest of the log's life needs ----------------------------------------------------
 */

void flight_init(struct log *log)
{
    log->write.done = op_done;
    log->wait.done = journal_done;
}
