/*
 * log_prepare: new logs, each with its directory and its first segment, on the disk when it is
 * done. A log is there with what it begins with, or not at all: the segment is written under
 * another name and renamed when it is synced. Those made together share their syncs: first all
 * segments at once, then all directories at once.
 */
#include "base/heap.h"
#include "storage/flaws.h"
#include "storage/hash.h"
#include "storage/log.h"
#include "storage/store.h"

#define TOGETHER_MAX 8u /* files that are open at the same time */

/* ---- what an earlier call left --------------------------------------------------------------- */

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

/* ---- what it begins with --------------------------------------------------------------------- */

static bool is_bootstrap(struct bytes content, const uint8_t incarnation[16])
{
    struct log_hash none = {};
    struct batch_content head;

    return batch_content_peek(content, &head) == OK && head.index == 1 && head.records.size > 0 &&
           hash_equal(&head.previous, &none) && memcmp(head.incarnation, incarnation, 16) == 0;
}

/* The content of index 2 that follows it. */
static bool is_second(const struct log_preparing *log)
{
    struct log_hash previous = batch_content_hash(log->bootstrap);
    struct batch_content head;

    return log->bootstrap.size > 0 && batch_content_peek(log->second, &head) == OK &&
           head.index == 2 && head.term == 1 && head.records.size > 0 &&
           hash_equal(&head.previous, &previous) &&
           memcmp(head.incarnation, log->incarnation, 16) == 0;
}

static bool begins_well(const struct log_preparing *log)
{
    return (log->bootstrap.size == 0 || is_bootstrap(log->bootstrap, log->incarnation)) &&
           (log->second.size == 0 || is_second(log));
}

/* As the batch that stands behind `size` bytes of them. Returns how many there are then. */
static size_t place(uint8_t *batches, size_t size, struct bytes content, uint64_t file_id)
{
    struct batch_envelope envelope = {.file_id = file_id,
                                      .position = SEGMENT_HEADER + size,
                                      .committed = 1,
                                      .hash = batch_content_hash(content)};

    if (content.size == 0)
        return size;
    memcpy(batches + size + BATCH_ENVELOPE, content.at, content.size);
    batch_place(batches + size, (uint32_t)content.size, &envelope);
    return size + envelope.size;
}

/* ---- making ---------------------------------------------------------------------------------- */

struct making {
    struct log_preparing *log;
    struct segment_make make;
    uint8_t *batches;
};

/* True: its first segment is written, and has no name yet. */
static bool begin(struct store *store, struct making *making, struct log_preparing *log)
{
    struct segment_make *make = &making->make;
    size_t size;

    *making = (struct making){.log = log, .make = {.store = store}};
    make->header.log_id = log->id;
    make->header.file_id = store_file_id(store);
    memcpy(make->header.incarnation, log->incarnation, 16);
    making->batches =
        heap_take(batch_size_max(log->bootstrap.size) + batch_size_max(log->second.size));
    size = place(making->batches, 0, log->bootstrap, make->header.file_id);
    size = place(making->batches, size, log->second, make->header.file_id);
    make->first = bytes_of(making->batches, size);
    make->space = segment_space(0, SEGMENT_HEADER + size, store->options.segment_size);
    segment_make_begin(make, store->io);
    log->err = make->err;
    if (log->err != OK)
        heap_give(making->batches);
    return log->err == OK;
}

/* True: a segment has been begun for it. */
static bool prepare(struct store *store, struct making *making, struct log_preparing *log)
{
    struct path path = path_log(store->dir, log->id);
    struct probe probe = {.store = store, .log_id = log->id};

    log->err = begins_well(log) ? io_mkdir(store->io, path.text) : ERR_CORRUPT;
    if (log->err == OK)
        log->err = io_list(store->io, path.text, probe_segment, &probe);
    if (log->err == OK)
        log->err = probe.err;
    if (log->err == OK && probe.found)
        log->err = ERR_EXISTS;
    return log->err == OK && begin(store, making, log);
}

static void end(struct store *store, struct making *making, enum err synced)
{
    segment_make_named(&making->make, store->io, synced);
    making->log->err = making->make.err;
    if (making->make.err == OK)
        io_close(store->io, making->make.file);
    heap_give(making->batches);
}

/* Their segments, on the disk and with their names. */
static void make_some(struct store *store, struct log_preparing *const *logs, size_t count)
{
    struct making makings[TOGETHER_MAX];
    struct io_syncing items[TOGETHER_MAX] = {};
    size_t begun = 0;

    assert(count <= TOGETHER_MAX);
    for (size_t i = 0; i < count; i++) {
        if (prepare(store, &makings[begun], logs[i]))
            begun++;
    }
    for (size_t i = 0; i < begun; i++)
        items[i].file = makings[i].make.file;
    io_sync_all(store->io, items, begun);
    for (size_t i = 0; i < begun; i++)
        end(store, &makings[i], items[i].err);
}

/* ---- the directories ------------------------------------------------------------------------- */

static bool is_there(const struct log_preparing *log)
{
    return log->err == OK || log->err == ERR_EXISTS;
}

/* Each log's, and the one that they are in. */
static void sync_directories(struct store *store, struct log_preparing *const *logs, size_t count)
{
    struct path *paths = heap_take((count + 1) * sizeof *paths);
    struct io_syncing *items = heap_take((count + 1) * sizeof *items);
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        if (!is_there(logs[i]))
            continue;
        paths[used] = path_log(store->dir, logs[i]->id);
        items[used] = (struct io_syncing){.path = paths[used].text};
        used++;
    }
    paths[used] = path_in(store->dir, "logs");
    items[used] = (struct io_syncing){.path = paths[used].text};
    if (used > 0)
        io_sync_all(store->io, items, used + 1);
    for (size_t i = 0, at = 0; i < count; i++) {
        enum err err;

        if (!is_there(logs[i]))
            continue;
        err = items[at].err != OK ? items[at].err : items[used].err;
        at++;
        if (err != OK)
            logs[i]->err = err;
    }
    heap_give(items);
    heap_give(paths);
}

void log_prepare_all(struct store *store, struct log_preparing *const *logs, size_t count)
{
    for (size_t at = 0; at < count; at += TOGETHER_MAX)
        make_some(store, logs + at, count - at < TOGETHER_MAX ? count - at : TOGETHER_MAX);
    if (!store_flaw(store, FLAW_FORGET_DIRECTORY_SYNC))
        sync_directories(store, logs, count);
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
