#include "storage/store.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "storage/removal.h"

/* ---- what logs use -------------------------------------------------------------------------- */

uint64_t store_file_id(struct store *store)
{
    uint32_t count = atomic_fetch_add(&store->file_count, 1) + 1;

    assert(count != 0); /* four thousand million files in one boot */
    return store->node.boot << 32 | count;
}

void store_report(struct store *store, const char *format, ...)
{
    char text[256];
    va_list arguments;

    if (store->options.report == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    store->options.report(store->options.report_context, text);
}

bool store_doubts(const struct store *store, uint64_t log_id)
{
    for (unsigned i = 0; i < store->doubt_count; i++)
        if (store->doubt_logs[i] == log_id)
            return true;
    return false;
}

void store_note_doubt(struct store *store, uint64_t log_id)
{
    if (store_doubts(store, log_id))
        return;
    store->doubt_logs =
        heap_resize(store->doubt_logs, (store->doubt_count + 1) * sizeof store->doubt_logs[0]);
    store->doubt_logs[store->doubt_count++] = log_id;
}

/* ---- the disk's space ----------------------------------------------------------------------- */

void store_space_changed(struct reserve *reserve)
{
    struct store *store = owner_of(reserve, struct store, reserve);

    if (reserve->scarce)
        store_report(store,
                     "%llu MiB are free on the disk and %llu are kept: nothing more is published "
                     "to streams on it until there is space again",
                     (unsigned long long)(reserve->available >> 20),
                     (unsigned long long)(reserve->keep >> 20));
    else
        store_report(store, "there is space on the disk again: messages are taken");
}

void store_space_given(struct reserve *reserve)
{
    struct store *store = owner_of(reserve, struct store, reserve);
    struct log *log;

    for (size_t at = 0; (log = table_next(&store->logs, &at)) != NULL;) {
        if (log->wants_space && log->phase == LOG_WAITING)
            log_send_later(log);
        log->wants_space = false;
    }
}

bool store_admits(struct store *store, uint64_t size)
{
    return reserve_admits(&store->reserve, size);
}

struct store_space store_space(const struct store *store)
{
    const struct reserve *reserve = &store->reserve;

    return (struct store_space){reserve->available, reserve->keep, reserve->scarce};
}

/* ---- buffers -------------------------------------------------------------------------------- */

struct buf store_buf_take(struct store *store)
{
    struct buf buf;

    if (store->pool_count == 0) {
        buf_init(&buf, BATCH_GATHER_MAX);
        return buf;
    }
    buf = store->pool[--store->pool_count];
    buf.limit = BATCH_GATHER_MAX;
    return buf;
}

void store_buf_give(struct store *store, struct buf *buf)
{
    if (buf->at != NULL && buf->capacity <= STORE_POOL_BYTES &&
        store->pool_count < STORE_POOL_MAX) {
        buf_clear(buf);
        store->pool[store->pool_count++] = *buf;
    } else {
        buf_deinit(buf);
    }
    *buf = (struct buf){};
}

/* ---- closing -------------------------------------------------------------------------------- */

void store_forget(struct store *store)
{
    struct log *log;

    log_openings_forget(store);
    for (size_t at = 0; (log = table_next(&store->logs, &at)) != NULL;) {
        for (uint32_t i = 0; i < log->file_count; i++)
            log_file_forget(log->files[i]);
        for (uint32_t i = 0; i < log->keep_count; i++)
            log_file_forget(log->keeps[i]);
        log_forget(log);
    }
    memory_forget(store);
    gentle_forget(store);
    table_deinit(&store->logs);
    votes_deinit(&store->votes);
    reserve_forget(&store->reserve);
    log_pack_forget(store);
    heap_give(store->doubt_logs);
    settle_forget(store);
    if (store->journal != NULL)
        journal_forget(store->journal);
    removals_forget(store);
    log_space_forget(store);
    while (store->pool_count > 0)
        buf_deinit(&store->pool[--store->pool_count]);
    heap_give(store);
}

void store_close(struct store *store)
{
    assert(store_idle(store));
    assert(store->logs.count == 0);
    journal_destroy(store->journal);
    store->journal = NULL;
    reserve_close(&store->reserve);
    store_forget(store);
}

const uint8_t *store_id(const struct store *store)
{
    return store->node.store_id;
}

uint64_t store_boot(const struct store *store)
{
    return store->node.boot;
}

struct io *store_io(const struct store *store)
{
    return store->io;
}

/* ---- logs as directories -------------------------------------------------------------------- */

struct listing {
    void (*found)(void *context, uint64_t log_id);
    void *context;
};

static void list_entry(void *context, const char *name, bool directory)
{
    const struct listing *listing = context;
    uint64_t log_id;

    if (directory && path_read_log(name, &log_id))
        listing->found(listing->context, log_id);
}

enum err store_list(struct store *store, void (*found)(void *context, uint64_t log_id),
                    void *context)
{
    struct listing listing = {.found = found, .context = context};

    return io_list(store->io, path_in(store->dir, "logs").text, list_entry, &listing);
}

static struct log *find_log(struct store *store, uint64_t log_id)
{
    return table_find(&store->logs, bytes_of(&log_id, sizeof log_id));
}

enum err store_quarantine(struct store *store, uint64_t log_id)
{
    enum err err;

    if (find_log(store, log_id) != NULL)
        return ERR_BUSY;
    err = io_rename(store->io, path_log(store->dir, log_id).text,
                    path_log_quarantine(store->dir, log_id).text);
    if (err == OK)
        err = io_sync_dir(store->io, path_in(store->dir, "quarantine").text);
    if (err == OK)
        err = io_sync_dir(store->io, path_in(store->dir, "logs").text);
    if (err == OK)
        votes_forget(&store->votes, log_id);
    return err;
}

void store_remove(struct store *store, uint64_t log_id, void (*done)(void *context, enum err err),
                  void *context)
{
    struct log *log = find_log(store, log_id), *made = memory_take(store, log_id);

    if (made != NULL)
        log_destroy(made);
    if (log == NULL) {
        removal_start(store, log_id, done, context);
        return;
    }
    assert(log->closed);
    assert(log->removed == NULL);
    log->removed = done; /* when its last operation has ended */
    log->removed_context = context;
}

/* ---- turns ---------------------------------------------------------------------------------- */

static void send_logs(struct store *store)
{
    struct log *log = store->send_first;

    store->send_first = NULL;
    store->send_last = NULL;
    while (log != NULL) {
        struct log *next = log->send_next;

        log->sending = false;
        log_send(log);
        log = next;
    }
}

static struct log_file *dirty_take(struct store *store)
{
    struct log_file *file = store->dirty_first;

    if (file == NULL)
        return NULL;
    store->dirty_first = file->dirty_next;
    if (store->dirty_first == NULL)
        store->dirty_last = NULL;
    file->dirty = false;
    return file;
}

/* The files that were dirtied first hold the journal files that were left first. */
static void sync_dirty(struct store *store)
{
    while (store->syncs < STORE_SYNCS_MAX && journal_wants_syncs(store->journal)) {
        struct log_file *file = dirty_take(store);

        if (file == NULL)
            return;
        if (!file->syncing && !file->condemned && file->cover.held != 0)
            log_file_sync(file, true);
    }
}

void store_forget_dirty(struct store *store, const struct log *log, const struct log_file *gone)
{
    struct log_file *file, *rest = store->dirty_first;

    store->dirty_first = NULL;
    store->dirty_last = NULL;
    while ((file = rest) != NULL) {
        rest = file->dirty_next;
        file->dirty = false;
        if (file->log != log && file != gone)
            log_file_dirty(file);
    }
}

static void finish_closing(struct store *store)
{
    struct log **at = &store->closing;

    while (*at != NULL) {
        struct log *log = *at;

        if (!log_closing_done(log)) {
            at = &log->closing_next;
            continue;
        }
        *at = log->closing_next;
        store_forget_dirty(store, log, NULL);
        table_remove(&store->logs, bytes_of(&log->id, sizeof log->id));
        if (log->removed != NULL)
            removal_start(store, log->id, log->removed, log->removed_context);
        log_destroy(log);
    }
}

void store_vote(struct store *store, struct store_vote_op *op)
{
    votes_add(&store->votes, op);
}

struct selection {
    bool (*known)(void *context, uint64_t log_id);
    void *context;
};

static bool is_wanted(void *context, uint64_t log_id, const struct store_vote *vote)
{
    const struct selection *selection = context;

    return (vote->damaged != STORE_DAMAGED_ALL && vote->damaged != STORE_DAMAGED_ANEW) ||
           selection->known(selection->context, log_id);
}

void store_votes_select(struct store *store, bool (*known)(void *context, uint64_t log_id),
                        void *context)
{
    struct selection selection = {known, context};

    votes_select(&store->votes, is_wanted, &selection);
}

bool store_vote_found(const struct store *store, uint64_t log_id, struct store_vote *vote)
{
    return votes_get(&store->votes, log_id, vote);
}

void store_flush(struct store *store)
{
    assert(!store->settling.on);
    votes_flush(&store->votes);
    send_logs(store);
    journal_flush(store->journal);
    votes_refuse(&store->votes);
    if (store->closing != NULL)
        finish_closing(store);
    sync_dirty(store);
}

const struct latency *store_durable_latency(const struct store *store)
{
    return &store->durable;
}

bool store_idle(const struct store *store)
{
    const struct log *log;

    if (!memory_idle(store) || !reserve_idle(&store->reserve) || !log_pack_idle(store) ||
        store->given_up != NULL)
        return false;
    if (store->send_first != NULL || store->closing != NULL || !journal_idle(store->journal))
        return false;
    if (!votes_idle(&store->votes))
        return false;
    if (store->makes > 0 || store->syncs > 0 || store->removals != NULL || store->drops != NULL)
        return false;
    for (size_t at = 0; (log = table_next(&store->logs, &at)) != NULL;)
        if (log->phase != LOG_IDLE || log_gathered(log) > 0 || log->block_writing != NULL ||
            log->keep_writing != NULL || log->vouching != NULL)
            return false;
    return true;
}
