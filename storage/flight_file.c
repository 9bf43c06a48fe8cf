/* The files that flights go to: when a new one is needed, its making on a worker, and how the one
 * that there is grows. */
#include <errno.h>

#include "base/heap.h"
#include "base/owner.h"
#include "storage/flaws.h"
#include "storage/flight_priv.h"

/* ---- no space -------------------------------------------------------------------------------- */

/* The disk is full: true: what waits does so until some of what is kept is given. */
static bool wants_space(struct log *log, enum err err)
{
    if (err != ERR_NO_SPACE || !reserve_give(&log->store->reserve))
        return false;
    log->wants_space = true;
    log->phase = LOG_WAITING;
    flight_look(log);
    return true;
}

/* ---- a new file ------------------------------------------------------------------------------ */

static struct log_hash hash_at(const struct log *log, uint64_t index)
{
    return tail_at(&log->tail, index)->hash;
}

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
    if (!file->ended)
        log->cut_unnamed = false;
    log->ends_short = false;
    if (make->trim != NULL)
        log->active->allocated = make->trim_size;
    log_add_file(log, file);
    log->active = file;
    log->rolls = false;
    log->renew = make->remakes != log->store->remakes; /* it may have been made in what is gone */
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
        if (log->skip != NULL || !wants_space(log, err))
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

void flight_make_file(struct log *log)
{
    struct store *store = log->store;
    struct segment_make *make = HEAP_NEW(struct segment_make);
    struct log_file *active = log->active;

    make->work.run = make_run;
    make->work.done = make_done;
    make->store = store;
    make->log = log;
    make->remakes = store->remakes;
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
    store_work(store, &make->work);
}

bool flight_needs_file(const struct log *log)
{
    const struct log_file *file = log->active;

    if (file == NULL || file->condemned || file->ended || log->skip != NULL || log->renew)
        return true;
    if (log->rolls && file->first != 0)
        return true;
    return file->end > SEGMENT_HEADER &&
           file->end + batch_size(log->waiting.first->size, file->end) > flight_file_max(log);
}

void log_renew(struct log *log)
{
    assert(log->phase == LOG_IDLE);
    assert(log->renew);
    log->phase = LOG_WAITING;
    log_send_later(log);
}

/* ---- room in the one that there is ----------------------------------------------------------- */

void flight_allocate(struct log *log)
{
    struct log_flight *flight = log->flight;
    struct log_file *file = log->active;
    uint64_t need = flight->end;

    log->phase = LOG_ALLOCATING;
    flight->space = segment_space(file->allocated, need, log->store->options.segment_size);
    if (!reserve_spares(&log->store->reserve, flight->space - file->allocated))
        flight->space = segment_space(need, need, need); /* not more than is written */
    io_fallocate(log->store->io, &flight->write, file->file, file->allocated,
                 flight->space - file->allocated);
}

void flight_allocated(struct log *log, int64_t result)
{
    struct log_flight *flight = log->flight;

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

        if (!wants_space(log, err))
            flight_failed(log, err); /* nothing was written */
        return;
    }
    log->phase = LOG_WAITING;
    log_send_later(log);
    flight_look(log);
}
