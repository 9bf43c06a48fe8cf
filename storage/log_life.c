/* Opening, reading and closing of logs; log.c has the way of a batch. */
#include <errno.h>

#include "base/heap.h"
#include "storage/flaws.h"
#include "storage/hash.h"
#include "storage/log.h"
#include "storage/store.h"

/* ---- making ---------------------------------------------------------------------------------- */

struct probe {
    struct store *store;
    uint64_t log_id;
    bool found;
    enum err err;
};

/*
 * A segment whose header is zeros was never finished and holds nothing. Any other makes the log
 * exist, and whoever is told so relies on it: so it is written and synced anew, as what is seen
 * here may be in memory only.
 */
static void probe_segment(void *context, const char *name, bool directory)
{
    struct probe *probe = context;
    struct io *io = probe->store->io;
    struct segment_header header;
    uint8_t at[SEGMENT_HEADER];
    struct io_file *file;
    uint64_t file_id;

    if (directory || probe->err != OK)
        return;
    if (path_read_segment_new(name, &file_id))
        (void)io_unlink(io, path_segment_new(probe->store->dir, probe->log_id, file_id).text);
    if (!path_read_segment(name, &file_id))
        return;
    probe->err = io_open(io, path_segment(probe->store->dir, probe->log_id, file_id).text,
                         IO_READ | IO_WRITE, &file);
    if (probe->err != OK)
        return;
    probe->err = io_read_all(io, file, 0, at, sizeof at);
    if (probe->err == OK && segment_header_read(at, &header) != ERR_NOT_FOUND) {
        probe->found = true;
        probe->err = io_write_all(io, file, 0, bytes_of(at, sizeof at));
        if (probe->err == OK)
            probe->err = io_sync(io, file);
    }
    io_close(io, file);
}

/* Makes the first segment. The content of index 1 becomes its first batch. */
static enum err make_first(struct store *store, uint64_t log_id, const uint8_t incarnation[16],
                           struct bytes bootstrap)
{
    struct segment_make make = {.store = store};
    uint8_t *batch = NULL;

    make.header.log_id = log_id;
    make.header.file_id = store_file_id(store);
    memcpy(make.header.incarnation, incarnation, 16);
    if (bootstrap.size > 0) {
        struct batch_envelope envelope = {.file_id = make.header.file_id,
                                          .position = SEGMENT_HEADER,
                                          .committed = 1,
                                          .hash = batch_content_hash(bootstrap)};

        batch = heap_take(batch_size_max(bootstrap.size));
        memcpy(batch + BATCH_ENVELOPE, bootstrap.at, bootstrap.size);
        batch_place(batch, (uint32_t)bootstrap.size, &envelope);
        make.first = bytes_of(batch, envelope.size);
    }
    make.space = segment_space(0, SEGMENT_HEADER + make.first.size, store->options.segment_size);
    segment_make(&make, store->io);
    heap_give(batch);
    if (make.err == OK)
        io_close(store->io, make.file);
    return make.err;
}

static bool is_bootstrap(struct bytes content, const uint8_t incarnation[16])
{
    struct log_hash none = {};
    struct batch_content head;

    return batch_content_peek(content, &head) == OK && head.index == 1 && head.records.size > 0 &&
           hash_equal(&head.previous, &none) && memcmp(head.incarnation, incarnation, 16) == 0;
}

/* All but that its directory is known to the one above. */
static enum err prepare(struct store *store, uint64_t log_id, const uint8_t incarnation[16],
                        struct bytes bootstrap)
{
    struct path path = path_log(store->dir, log_id);
    struct probe probe = {.store = store, .log_id = log_id};
    enum err err;

    if (bootstrap.size > 0 && !is_bootstrap(bootstrap, incarnation))
        return ERR_CORRUPT;
    err = io_mkdir(store->io, path.text);
    if (err == OK)
        err = io_list(store->io, path.text, probe_segment, &probe);
    if (err == OK)
        err = probe.err;
    if (err != OK)
        return err;
    if (probe.found) {
        err = io_sync_dir(store->io, path.text);
        return err != OK ? err : ERR_EXISTS;
    }
    return make_first(store, log_id, incarnation, bootstrap);
}

static bool is_there(const struct log_preparing *log)
{
    return log->err == OK || log->err == ERR_EXISTS;
}

void log_prepare_all(struct store *store, struct log_preparing *const *logs, size_t count)
{
    enum err err;
    bool any = false;

    for (size_t i = 0; i < count; i++) {
        logs[i]->err = prepare(store, logs[i]->id, logs[i]->incarnation, logs[i]->bootstrap);
        any = any || logs[i]->err == ERR_EXISTS ||
              (logs[i]->err == OK && !store_flaw(store, FLAW_FORGET_DIRECTORY_SYNC));
    }
    err = any ? io_sync_dir(store->io, path_in(store->dir, "logs").text) : OK;
    for (size_t i = 0; i < count && err != OK; i++) {
        if (is_there(logs[i]))
            logs[i]->err = err;
    }
}

enum err log_prepare(struct store *store, uint64_t log_id, const uint8_t incarnation[16],
                     struct bytes bootstrap)
{
    struct log_preparing log = {.id = log_id, .bootstrap = bootstrap}, *logs[] = {&log};

    memcpy(log.incarnation, incarnation, sizeof log.incarnation);
    log_prepare_all(store, logs, 1);
    return log.err;
}

void log_prepared(struct store *store, uint64_t log_id)
{
    store->prepared = log_id;
}

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
