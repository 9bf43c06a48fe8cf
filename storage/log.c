/*
 * The way of a sealed batch to the disk:
 *
 *     SEALED ─► (MAKING a file) ─► (ALLOCATING) ─► WRITING ─► durable
 *                                                     └─► SYNCING ─► durable
 *
 * A failed write or sync condemns the file and sends the batch back to SEALED once, for a new file;
 * the second failure, and any failure to make or extend a file, is `failed`: the file before is as
 * it was, and the index is free again.
 */
#include "storage/log.h"

#include <errno.h>

#include "base/heap.h"
#include "base/owner.h"
#include "storage/flaws.h"
#include "storage/hash.h"
#include "storage/store.h"

static_assert(LOG_GATHER_HEAD == BATCH_HEAD, "what log.h promises is what a batch needs");

/* What is true of a log between any two calls. */
static void log_check(const struct log *log)
{
    assert(log->durable <= log->appended);
    assert(log->appended - log->durable <= 1);
    assert((log->appended > log->durable) == (log->phase != LOG_IDLE));
}

/* ---- sealing --------------------------------------------------------------------------------- */

struct buf *log_gather(struct log *log)
{
    if (log->gather.at == NULL) {
        bool begun;

        log->gather = store_buf_take(log->store);
        begun = batch_begin(&log->gather);
        assert(begun); /* the limit is far above the head */
    }
    return &log->gather;
}

size_t log_gathered(const struct log *log)
{
    return log->gather.at == NULL ? 0 : log->gather.size - BATCH_HEAD;
}

void log_gather_drop(struct log *log)
{
    if (log->gather.at != NULL)
        store_buf_give(log->store, &log->gather);
}

bool log_ready(const struct log *log)
{
    return log->phase == LOG_IDLE;
}

static void send_later(struct log *log)
{
    struct store *store = log->store;

    if (log->sending)
        return;
    log->sending = true;
    log->send_next = NULL;
    if (store->send_last != NULL)
        store->send_last->send_next = log;
    else
        store->send_first = log;
    store->send_last = log;
}

uint64_t log_seal(struct log *log, uint64_t term, int64_t time_ns, uint32_t record_count)
{
    struct log_flight *flight = &log->flight;
    struct batch_content content = {
        .term = term,
        .index = log->durable + 1,
        .previous = log->durable_hash,
        .time_ns = time_ns,
        .record_count = record_count,
    };

    assert(!log->closed);
    assert(log_ready(log));
    assert(record_count > 0);
    assert(log_gathered(log) > 0);
    assert(term >= log->durable_term);

    memcpy(content.incarnation, log->incarnation, 16);
    *flight = (struct log_flight){
        .bytes = log->gather,
        .term = term,
        .time_ns = time_ns,
        .record_count = record_count,
        .content_size = (uint32_t)(log->gather.size - BATCH_ENVELOPE),
    };
    flight->hash = batch_seal(&flight->bytes, &content);
    log->gather = (struct buf){};

    log->appended++;
    log->phase = LOG_SEALED;
    send_later(log);
    log_check(log);
    return log->appended;
}

/* ---- the end of a flight --------------------------------------------------------------------- */

static void flight_durable(struct log *log)
{
    struct log_flight *flight = &log->flight;
    struct log_file *file = log->active;
    uint64_t place = (uint64_t)(log->file_count - 1) << 32 | (file->end + BATCH_HEAD);
    struct bytes content = bytes_of(flight->bytes.at + BATCH_ENVELOPE, flight->content_size);
    struct log_batch batch = {
        .index = log->durable + 1,
        .term = flight->term,
        .time_ns = flight->time_ns,
        .record_count = flight->record_count,
        .records = bytes_skip(content, BATCH_CONTENT_HEAD),
        .records_place = place,
        .hash = flight->hash,
    };
    struct buf bytes = flight->bytes;

    assert(file == log->files[log->file_count - 1]);
    assert(flight->envelope.position == file->end);
    assert(batch.index == log->appended);

    journal_cover_keep(log->store->journal, &file->cover);
    log_file_dirty(file);
    file->end += flight->envelope.size;

    log->durable = batch.index;
    log->durable_hash = flight->hash;
    log->durable_term = flight->term;
    log->phase = LOG_IDLE;
    flight->bytes = (struct buf){};
    log_check(log);

    if (!log->closed)
        log->events.durable(log->owner, &batch);
    store_buf_give(log->store, &bytes);
}

static void flight_failed(struct log *log, enum err err)
{
    store_buf_give(log->store, &log->flight.bytes);
    log->appended = log->durable;
    log->phase = LOG_IDLE;
    log_check(log);
    if (!log->closed)
        log->events.failed(log->owner, err);
}

/* The batch could not be made durable where it was written: that file ends before it. */
static void flight_retry(struct log *log, enum err err)
{
    struct log_flight *flight = &log->flight;
    struct log_file *file = log->active;

    journal_cover_drop(log->store->journal, &file->cover);
    store_note_doubt(log->store, log->id);
    if (store_flaw(log->store, FLAW_REUSE_POSITION)) {
        file->placed = file->end;
        flight_failed(log, err);
        return;
    }
    file->condemned = true;
    if (flight->retried || log->closed) {
        flight_failed(log, err);
        return;
    }
    store_report(log->store, "log %016llx, segment %016llx: %s: the log goes on in a new file",
                 (unsigned long long)log->id, (unsigned long long)file->id, err_text(err));
    flight->retried = true;
    log->phase = LOG_SEALED;
    send_later(log);
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
    else if (log->flight.syncing)
        flight_durable(log);
    else
        flight_sync(log); /* that one began before the batch was written */
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

    io_write(log->store->io, &log->write, log->active->file,
             flight->envelope.position + flight->written,
             bytes_skip(buf_bytes(&flight->bytes), flight->written));
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
        .offset = flight->envelope.position,
        .kind = JOURNAL_SEGMENT,
        .bytes = buf_bytes(&flight->bytes),
    };

    assert(flight->envelope.position >= file->placed); /* a position is written once */
    file->placed = flight->envelope.position + flight->envelope.size;

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

static void allocate_ended(struct log *log, int64_t result)
{
    if (log->closed) {
        flight_failed(log, ERR_CLOSED);
        return;
    }
    if (result == -EOPNOTSUPP)
        result = 0; /* then writing extends the file */
    if (result < 0) {
        flight_failed(log, err_of_errno((int)-result)); /* nothing was written */
        return;
    }
    log->active->allocated = log->flight.space;
    log->phase = LOG_SEALED;
    send_later(log);
}

static void op_done(struct io_op *op, int64_t result)
{
    struct log *log = owner_of(op, struct log, write);

    if (log->phase == LOG_ALLOCATING)
        allocate_ended(log, result);
    else
        write_ended(log, result);
}

static void flight_place(struct log *log)
{
    struct log_flight *flight = &log->flight;
    struct batch_envelope *envelope = &flight->envelope;
    struct log_file *file = log->active;

    if (envelope->file_id == file->id && envelope->position == file->end)
        return; /* placed before its space was allocated */
    *envelope = (struct batch_envelope){
        .file_id = file->id,
        .position = file->end,
        .durable = log->durable,
        .hash = flight->hash,
    };
    batch_place(&flight->bytes, flight->content_size, envelope);
}

static void flight_allocate(struct log *log)
{
    struct log_file *file = log->active;
    uint64_t need = log->flight.envelope.position + log->flight.envelope.size;

    log->phase = LOG_ALLOCATING;
    log->flight.space = segment_space(file->allocated, need, log->store->options.segment_size);
    io_fallocate(log->store->io, &log->write, file->file, file->allocated,
                 log->flight.space - file->allocated);
}

/* ---- new files ------------------------------------------------------------------------------- */

static void make_run(struct io_work *work, struct io *io)
{
    segment_make(owner_of(work, struct segment_make, work), io);
}

static void make_done(struct io_work *work)
{
    struct segment_make *make = owner_of(work, struct segment_make, work);
    struct log *log = make->log;
    enum err err = make->err;

    assert(log->phase == LOG_MAKING);
    assert(log->store->makes > 0);
    log->store->makes--;

    if (err == OK) {
        struct log_file *file = log_file_create(log, make->file, make->header.file_id);

        file->allocated = make->space;
        if (make->trim != NULL)
            log->active->allocated = make->trim_size;
        log_add_file(log, file);
        log->active = file;
    }
    log->make = NULL;
    heap_give(make);

    if (err != OK || log->closed) {
        flight_failed(log, err != OK ? err : ERR_CLOSED);
        return;
    }
    log->phase = LOG_SEALED;
    send_later(log);
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
        .last_hash = log->durable_hash,
    };
    memcpy(make->header.incarnation, log->incarnation, 16);
    make->space =
        segment_space(0, SEGMENT_HEADER + batch_size(log->flight.content_size, SEGMENT_HEADER),
                      store->options.segment_size);
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

static bool needs_file(const struct log *log)
{
    const struct log_file *file = log->active;

    if (file == NULL || file->condemned || file->ended)
        return true;
    return file->end > SEGMENT_HEADER &&
           file->end + batch_size(log->flight.content_size, file->end) >
               log->store->options.segment_size;
}

void log_send(struct log *log)
{
    if (log->phase != LOG_SEALED)
        return; /* closed meanwhile */
    if (needs_file(log)) {
        if (log->store->makes < STORE_MAKES_MAX)
            make_start(log);
        else
            send_later(log); /* one that ends makes the turn that tries again */
        return;
    }
    flight_place(log);
    if (log->flight.envelope.position + log->flight.envelope.size > log->active->allocated)
        flight_allocate(log);
    else
        flight_write(log);
}

/* ---- what the rest of the log's life needs -----------------------------------------------------
 */

void log_flight_init(struct log *log)
{
    log->write.done = op_done;
    log->wait.done = journal_done;
}

void log_flight_drop(struct log *log)
{
    if (log->phase == LOG_SEALED)
        flight_failed(log, ERR_CLOSED);
}
