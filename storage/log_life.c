/* Opening, reading and closing of logs; log.c has the way of a batch. */
#include <errno.h>

#include "base/heap.h"
#include "storage/flaws.h"
#include "storage/hash.h"
#include "storage/log.h"
#include "storage/store.h"

/* ---- opening -------------------------------------------------------------------------------- */

struct log *log_create(struct store *store, uint64_t log_id)
{
    struct log *log = HEAP_NEW(struct log);

    log->store = store;
    log->id = log_id;
    flight_init(log);
    log_redo_init(log);
    tail_begin(&log->tail, 0, (struct tail_entry){});
    return log;
}

void log_add_file(struct log *log, struct log_file *file)
{
    log->files = heap_resize(log->files, (log->file_count + 1) * sizeof log->files[0]);
    log->files[log->file_count++] = file;
}

/* ---- closing -------------------------------------------------------------------------------- */

void log_close(struct log *log)
{
    struct store *store = log->store;

    assert(!log->closed);
    log->closed = true;
    log_redo_stop(log);
    log_gather_drop(log);
    flight_drop(log);
    if (log->sending && log->memory)
        memory_forget_log(store, log);
    log->closing_next = store->closing;
    store->closing = log;
}

/* Whether a closed log's file needs nothing any more; starts the sync that it may still need. */
static bool file_done(struct log *log, struct log_file *file)
{
    if (file->syncing || file->reads > 0)
        return false;
    if (file->condemned || file->cover.held == 0)
        return true;
    if (log->removed != NULL) { /* nobody will read it: the journal need not wait for it */
        journal_cover_sync_begin(log->store->journal, &file->cover);
        journal_cover_sync_end(log->store->journal, &file->cover, true);
        return true;
    }
    if (log->store->syncs < STORE_SYNCS_MAX)
        log_file_sync(file, true);
    return false;
}

bool log_closing_done(struct log *log)
{
    bool done = log->phase == LOG_IDLE && !log->sending && log->warmings == NULL &&
                log->block_writing == NULL && log->block_readings == NULL && !log->redo.busy &&
                log->keep_writing == NULL && log->vouching == NULL && log_pack_done(log) &&
                log_erase_done(log);

    for (uint32_t i = 0; i < log->file_count && log->phase == LOG_IDLE; i++)
        done = (log->files[i] == NULL || file_done(log, log->files[i])) && done;
    for (uint32_t i = 0; i < log->keep_count; i++)
        done = (log->keeps[i] == NULL || log->keeps[i]->reads == 0) && done;
    return done;
}

void log_destroy(struct log *log)
{
    assert(log->phase == LOG_IDLE);
    for (uint32_t i = 0; i < log->file_count; i++)
        if (log->files[i] != NULL)
            log_file_destroy(log->files[i]);
    for (uint32_t i = 0; i < log->keep_count; i++)
        if (log->keeps[i] != NULL)
            log_file_destroy(log->keeps[i]);
    log_forget(log);
}

void log_forget(struct log *log)
{
    buf_deinit(&log->gather);
    queue_cut(&log->waiting, 0);
    for (unsigned i = 0; i < 2; i++) {
        queue_cut(&log->flights[i].batches, 0);
        buf_deinit(&log->flights[i].staged);
    }
    log_read_forget(log);
    if (log->block_writing != NULL)
        log_block_forget(log);
    log_take_forget(log);
    log_redo_stop(log);
    heap_give(log->redo.files);
    log_keep_forget(log);
    log_vouch_forget(log);
    log_erase_forget(log);
    heap_give(log->keeps);
    windows_drop(&log->store->windows, log);
    tail_deinit(&log->tail);
    places_deinit(&log->places);
    heap_give(log->make);
    heap_give(log->files);
    heap_give(log);
}

/* ---- looking -------------------------------------------------------------------------------- */

const uint8_t *log_incarnation(const struct log *log)
{
    return log->incarnation;
}

uint64_t log_appended(const struct log *log)
{
    return log->appended;
}

uint64_t log_durable(const struct log *log)
{
    return log->durable;
}

uint64_t log_term_last(const struct log *log)
{
    return tail_at(&log->tail, log->appended)->term;
}

uint64_t log_committed(const struct log *log)
{
    return log->committed;
}

bool log_in_memory(const struct log *log)
{
    return log->memory;
}

uint64_t log_bytes(const struct log *log)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < log->file_count; i++)
        if (log->files[i] != NULL)
            bytes += log->files[i]->allocated;
    for (uint32_t i = 0; i < log->keep_count; i++)
        if (log->keeps[i] != NULL)
            bytes += log->keeps[i]->allocated;
    return bytes;
}
