/*
 * The way of what was appended to the disk:
 *
 *     WAITING ─► (MAKING a file) ─► (ALLOCATING) ─► WRITING ─► durable
 *                                                      └─► SYNCING ─► durable
 *
 * A flight is a write: as many of the batches that wait as fit. A large one is synced in its
 * segment. What is sealed while that sync is under way, if it is large, too, is written behind it,
 * one write after the other: that is the flight `ahead`, which takes the other's place when that is
 * durable and then has its own sync. docs/flights.md says what this may not break; envelopes say
 * what was durable when they were placed, whatever is in the air.
 *
 * A failed write ends the file and a failed sync condemns it; both send both flights back to
 * WAITING once, for a new file; the second failure, and any failure to make or extend a file, is
 * `failed`: the file before is as it was, and the indexes above durable are free again.
 *
 * A cut may void the end of a flight, or all of it. Once it is being written it goes on to its end,
 * what counts of it is told, and the file takes no more.
 *
 * flight_form.c says what goes into a write and where, flight_file.c has room made for it.
 */
#include "base/owner.h"
#include "storage/flaws.h"
#include "storage/flight_priv.h"
#include "storage/store.h"

#define STREAM_PART 4u /* of what the journal takes it takes that in a stream of large ones */

/* ---- what counts ---------------------------------------------------------------------------- */

static void queue_drop(struct log_queue *queue)
{
    while (queue->count > 0)
        log_content_drop(queue_take(queue));
}

static bool is_writing(const struct log_flight *flight)
{
    return flight->segment == WITNESS_WAITING;
}

/* What counts of a flight goes to the end of `queue`; what does not is dropped. */
static void flight_empty(struct log_flight *flight, struct log_queue *queue)
{
    assert(!is_writing(flight)); /* its memory is lent */
    while (flight->batches.count > 0) {
        struct log_content *content = queue_take(&flight->batches);

        if (flight->kept == 0) {
            log_content_drop(content);
            continue;
        }
        flight->kept--;
        queue_add(queue, content);
    }
    flight->segment = WITNESS_NONE;
    store_buf_give(flight->log->store, &flight->staged);
}

/* What counts of the flights waits again, before the rest. */
void flight_undo(struct log *log)
{
    struct log_queue queue = {}, behind = log->waiting;

    flight_empty(log->flight, &queue);
    flight_empty(log->ahead, &queue);
    while (behind.count > 0)
        queue_add(&queue, queue_take(&behind));
    log->waiting = queue;
}

static void flight_settle(struct log *log);

/* What was written ahead is the flight now, its last write perhaps still under way. */
static void flight_follow(struct log *log)
{
    struct log_flight *flight = log->ahead;

    log->ahead = log->flight;
    log->flight = flight;
    flight->journal = WITNESS_NONE;
    log->phase = LOG_WRITING;
    if (flight->segment == WITNESS_DONE && flight->kept > 0 &&
        store_flaw(log->store, FLAW_AHEAD_SYNCED))
        flight_durable(log);
    else
        flight_settle(log);
}

/* The flight is over. What waits is sent with the turn. */
void flight_next(struct log *log)
{
    assert(log->flight->batches.count == 0);
    if (log->ahead->batches.count > 0) {
        flight_follow(log);
        return;
    }
    log->phase = log->waiting.count > 0 || log->skip != NULL || log->renew ? LOG_WAITING : LOG_IDLE;
    if (log->phase == LOG_WAITING)
        log_send_later(log);
    else
        log->retried = false;
}

void flight_cut(struct log *log, uint64_t index)
{
    struct log_flight *flight = log->flight, *ahead = log->ahead;
    uint64_t kept = index > log->durable ? index - log->durable : 0;
    uint64_t kept_ahead = kept > flight->kept ? kept - flight->kept : 0;

    if (kept < flight->kept)
        flight->kept = (uint32_t)kept;
    if (kept_ahead < ahead->kept)
        ahead->kept = (uint32_t)kept_ahead;
}

void flight_look(struct log *log)
{
    if (log->phase != LOG_WAITING)
        return;
    if (log->flight->kept < log->flight->batches.count)
        flight_undo(log);
    if (log->waiting.count == 0 && log->flight->batches.count == 0 && log->skip == NULL &&
        !log->renew)
        log->phase = LOG_IDLE;
}

void flight_drop(struct log *log)
{
    log->skip = NULL;
    log->renew = false;
    queue_drop(&log->waiting);
    log->flight->kept = 0;
    log->ahead->kept = 0;
    log->appended = log->durable;
    tail_cut(&log->tail, log->durable);
    flight_look(log);
    log_check(log);
}

/* ---- the end of a flight -------------------------------------------------------------------- */

/* Tells the next batch of the flight, which stands at `position`; returns where the one after it
 * stands. The owner may close or cut the log meanwhile. */
static uint64_t tell_next(struct log *log, uint64_t position)
{
    struct log_flight *flight = log->flight;
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

/* How long that took is what replays go by: one write of the journal beside another, one sync of a
 * segment beside another. */
static void flight_timed(const struct log *log)
{
    const struct log_flight *flight = log->flight;
    struct store *store = log->store;

    if (log->memory)
        return;
    latency_add(&store->durable, io_now(store->io) - flight->begun_ns);
    gentle_synced(store, flight->journal == WITNESS_DONE ? SYNC_OF_JOURNAL : SYNC_OF_SEGMENT,
                  flight->begun_ns);
}

void flight_durable(struct log *log)
{
    struct log_flight *flight = log->flight;
    struct log_file *file = log->active;
    uint64_t position = flight->position;

    assert(file == log->files[log->file_count - 1]);
    assert(position == file->end);

    flight_timed(log);
    log->phase = LOG_TELLING;
    log->retried = false;
    while (flight->kept > 0)
        position = tell_next(log, position);
    if (flight->batches.count > 0) {
        file->ended = true; /* what stands behind its end was cut */
        queue_drop(&flight->batches);
    }
    flight->segment = WITNESS_NONE;
    store_buf_give(log->store, &flight->staged);
    flight_next(log);
    log_check(log);
}

/* A cut took all of it back. */
static void flight_void(struct log *log)
{
    struct log_queue none = {};

    if (!store_flaw(log->store, FLAW_CUT_IN_PLACE))
        log->active->ended = true;
    flight_empty(log->flight, &none);
    flight_next(log);
    log_check(log);
}

/* Nothing above `durable` ever happened. */
void flight_failed(struct log *log, enum err err)
{
    log->flight->kept = 0;
    log->ahead->kept = 0;
    flight_undo(log);
    queue_drop(&log->waiting);
    log->appended = log->durable;
    tail_cut(&log->tail, log->durable);
    flight_next(log);
    log_check(log);
    if (!log->closed)
        log->events.failed(log->owner, err);
}

/*
 * The flight could not be made durable where it was written: that file ends before it. What was
 * written ahead goes with it, whatever its own sync would say: the failed one may have been told of
 * its pages, too, and the kernel tells once.
 */
static void flight_retry(struct log *log, enum err err)
{
    struct log_file *file = log->active;
    bool counts = log->flight->kept > 0;

    if (is_writing(log->ahead)) { /* when that has ended */
        log->flight->segment = WITNESS_FAILED;
        log->flight->err = err;
        return;
    }
    store_note_doubt(log->store, log->id);
    if (store_flaw(log->store, FLAW_REUSE_POSITION)) {
        file->placed = file->end;
        flight_failed(log, err);
        return;
    }
    file->ended = true; /* what it has may be synced, unless that is what failed */
    log->remains = true;
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
    log->flight->syncing = !file->syncing;
    if (log->flight->syncing)
        log_file_sync(file, false);
    flight_look_ahead(log);
}

static void flight_synced(struct log *log)
{
    log->synced_ns = io_now(log->store->io);
    flight_durable(log);
}

void log_sync_ended(struct log *log, struct log_file *file, bool background, bool synced)
{
    if (log->phase != LOG_SYNCING || file != log->active)
        return;
    assert(log->flight->syncing == !background);
    if (!synced && log->ahead->kept > 0 && store_flaw(log->store, FLAW_AHEAD_BELIEVED)) {
        file->condemned = false;
        flight_sync(log);
        return;
    }
    if (!synced)
        flight_retry(log, ERR_IO);
    else if (log->flight->kept == 0)
        flight_void(log);
    else if (log->flight->syncing)
        flight_synced(log);
    else
        flight_sync(log); /* that one began before the flight was written */
}

/*
 * Both witnesses have said what they have to say. Whatever that is, the journal may have the flight
 * now, or some of it, and it counts as covered when a later sync of the file has ended: without
 * that, of one that was cut or whose write failed the power could take the space where it stands,
 * and a start would miss it there and take the file for one that something else has cut.
 */
static void flight_settle(struct log *log)
{
    struct log_flight *flight = log->flight;

    if (flight->segment == WITNESS_WAITING || flight->journal == WITNESS_WAITING)
        return;
    journal_cover_keep(log->store->journal, &log->active->cover);
    log_file_dirty(log->active);
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
    assert(log->flight->journal == WITNESS_WAITING);

    log->flight->journal = durable ? WITNESS_DONE : WITNESS_FAILED;
    flight_settle(log);
}

/* A write ahead has ended: it waits for the flight before it. */
static void ahead_settle(struct log *log)
{
    if (log->flight->segment == WITNESS_FAILED)
        flight_retry(log, log->flight->err);
    else
        flight_look_ahead(log);
}

static void write_rest(struct log_flight *flight)
{
    struct log *log = flight->log;

    io_write(log->store->io, &flight->write, log->active->file,
             flight->fresh_position + flight->written, bytes_skip(flight->bytes, flight->written));
}

static void write_ended(struct log_flight *flight, int64_t result)
{
    struct log *log = flight->log;

    if (result <= 0 && !store_flaw(log->store, FLAW_IGNORE_WRITE_ERROR)) {
        flight->segment = WITNESS_FAILED;
        flight->err = result < 0 ? err_of_errno((int)-result) : ERR_IO;
    } else {
        flight->written += result > 0 ? (size_t)result : flight->bytes.size - flight->written;
        if (flight->written < flight->bytes.size) {
            write_rest(flight);
            return;
        }
        flight->segment = WITNESS_DONE;
    }
    store_buf_give(log->store, &flight->staged);
    if (flight == log->flight)
        flight_settle(log);
    else
        ahead_settle(log);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Its fresh batches. */
static void write_fresh(struct log_flight *flight)
{
    struct log_file *file = flight->log->active;

    assert(flight->fresh_position >= file->placed); /* a position is written once */
    assert(flight->end == flight->fresh_position + flight->bytes.size);
    assert(flight->end <= file->allocated);
    file->placed = flight->end;
    flight->written = 0;
    flight->segment = WITNESS_WAITING;
    flight->journal = WITNESS_NONE;
    write_rest(flight);
}

/*
 * The journal is for what is small and alone. What has gathered while the log synced its file and
 * is sent as soon as that has ended is a part of a stream of large batches, of which the journal
 * would write many a second time: it has a sync, too, and the next one is written ahead meanwhile.
 */
static bool suits_journal(const struct log *log, size_t size)
{
    uint32_t most = log->store->options.journal_batch_max;

    return size <= (log->synced_ns == io_now(log->store->io) ? most / STREAM_PART : most);
}

void flight_look_ahead(struct log *log)
{
    if (flight_form_ahead(log))
        write_fresh(log->ahead);
}

static void flight_write(struct log *log)
{
    struct log_flight *flight = log->flight;
    struct log_file *file = log->active;
    struct journal_entry entry = {
        .log_id = log->id,
        .file_id = file->id,
        .offset = flight->position,
        .kind = JOURNAL_SEGMENT,
        .bytes = flight->bytes,
    };

    log->phase = LOG_WRITING;
    write_fresh(flight);
    log->wait.cover = &file->cover;
    if (suits_journal(log, entry.bytes.size) &&
        journal_add(log->store->journal, &entry, &log->wait))
        flight->journal = WITNESS_WAITING;
}

bool flight_is_large(const struct log *log)
{
    switch (log->phase) {
    case LOG_MAKING:
    case LOG_ALLOCATING:
        return log->waiting.bytes + log->flight->batches.bytes >
               log->store->options.journal_batch_max;
    case LOG_WRITING: return log->flight->journal == WITNESS_NONE;
    case LOG_SYNCING: return true;
    case LOG_IDLE:
    case LOG_WAITING:
    case LOG_TELLING: return false;
    }
    return false;
}

static void op_done(struct io_op *op, int64_t result)
{
    struct log_flight *flight = owner_of(op, struct log_flight, write);

    if (flight->log->phase == LOG_ALLOCATING)
        flight_allocated(flight->log, result);
    else
        write_ended(flight, result);
}

/* ---- sending -------------------------------------------------------------------------------- */

/* What is placed already had to wait for its space. */
void log_send(struct log *log)
{
    struct log_flight *flight = log->flight;

    flight_look_ahead(log);
    if (log->phase != LOG_WAITING)
        return; /* closed or cut meanwhile */
    if (flight->batches.count > 0 && log->active->condemned)
        flight_undo(log);
    if (flight->batches.count == 0) {
        if (flight_needs_file(log)) {
            if (log->taking)
                return; /* the end of that sends again */
            if (log->store->makes < STORE_MAKES_MAX)
                flight_make_file(log);
            else
                log_send_later(log); /* one that ends makes the turn that tries again */
            return;
        }
        flight_form(log);
    }
    if (flight->end > log->active->allocated)
        flight_allocate(log);
    else
        flight_write(log);
}

/* ---- what the rest of the log's life needs -------------------------------------------------- */

void flight_init(struct log *log)
{
    for (unsigned i = 0; i < 2; i++) {
        log->flights[i].log = log;
        log->flights[i].write.done = op_done;
    }
    log->flight = &log->flights[0];
    log->ahead = &log->flights[1];
    log->wait.done = journal_done;
}
