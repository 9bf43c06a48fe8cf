/*
 * What only the journal still knows of a log, written to its segments once more: when it is opened
 * again in the same life, and when a background sync has failed, after which the kernel may have
 * dropped pages that were never on the disk: what was durable could not be read before the next
 * start. The latter is done to files that are written to no more, and to no others: were their sync
 * to fail here, the next one of the log itself would be believed.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "storage/redo.h"
#include "storage/store.h"

#define AGAIN_NS INT64_C(200000000)

static enum err run(struct io *io, struct store *store, uint64_t log_id, const uint64_t *files,
                    size_t file_count)
{
    struct redo redo;
    enum err err = redo_begin(&redo, io, store->dir, store->node.store_id);

    if (err != OK)
        return err;
    redo.flaws = store->options.flaws;
    redo.boot = store->node.boot;
    redo.one_log = true;
    redo.log_id = log_id;
    redo.only = files;
    redo.only_count = file_count;
    err = redo_run(&redo);
    redo_end(&redo);
    return err;
}

enum err log_redo(struct store *store, uint64_t log_id)
{
    return run(store->io, store, log_id, NULL, 0);
}

/* On a worker. Positions are written once, so it is no matter what the shard does meanwhile. */
static void redo_run_work(struct io_work *work, struct io *io)
{
    struct log_redo *redo = owner_of(work, struct log_redo, work);
    struct log *log = owner_of(redo, struct log, redo);

    redo->err = run(io, log->store, log->id, redo->files, redo->file_count);
}

static void redo_done(struct io_work *work)
{
    struct log_redo *redo = owner_of(work, struct log_redo, work);
    struct log *log = owner_of(redo, struct log, redo);
    struct io *io = log->store->io;

    redo->busy = false;
    windows_drop(&log->store->windows, log); /* read while it was not there */
    if (log->closed)
        return;
    if (redo->err != OK || redo->again)
        timers_arm(io_timers(io), &redo->timer, io_now(io) + AGAIN_NS);
    redo->again = false;
}

static void find_condemned(struct log *log)
{
    struct log_redo *redo = &log->redo;

    redo->files = heap_resize(redo->files, (log->file_count + 1) * sizeof redo->files[0]);
    redo->file_count = 0;
    for (uint32_t i = 0; i < log->file_count; i++) {
        if (log->files[i] != NULL && log->files[i]->condemned)
            redo->files[redo->file_count++] = log->files[i]->id;
    }
}

static void begin(struct timer *timer)
{
    struct log_redo *redo = owner_of(timer, struct log_redo, timer);
    struct log *log = owner_of(redo, struct log, redo);

    find_condemned(log);
    redo->busy = true;
    redo->work.run = redo_run_work;
    redo->work.done = redo_done;
    store_work(log->store, &redo->work);
}

void log_redo_later(struct log *log)
{
    struct io *io = log->store->io;

    if (log->closed)
        return;
    if (log->redo.busy)
        log->redo.again = true;
    else if (!timer_armed(&log->redo.timer))
        timers_arm(io_timers(io), &log->redo.timer, io_now(io));
}

void log_redo_init(struct log *log)
{
    log->redo.timer.fire = begin;
}

void log_redo_stop(struct log *log)
{
    if (timer_armed(&log->redo.timer))
        timers_cancel(io_timers(log->store->io), &log->redo.timer);
}
