/*
 * Packed files of an open log (storage/pack.h): making them, one at a time for the whole store and
 * a piece at a time, and reading them. What is read is unpacked by a worker, with what follows it,
 * into a window (storage/windows.h) that the next reads find.
 *
 * A packed file takes its original's place when it is on the disk under its name; then the original
 * goes. A crash between the two leaves both: then the packed one counts, because the journal was
 * told that the original needs it no more.
 */
#include <errno.h>

#include "base/heap.h"
#include "base/owner.h"
#include "storage/log.h"
#include "storage/pack.h"
#include "storage/store.h"

#define STEP_FRAMES 16u               /* at a time: 1 MiB */
#define PAUSE_NS    INT64_C(25000000) /* between two: at most 40 MiB a second are read for it */
#define BUSY_NS     INT64_C(5000000)  /* the file is read: its place is taken a little later */
#define AHEAD       (512u << 10)      /* is unpacked with what is asked for */
#define WORTH       8u                /* a packed file saves at least that part */

enum packing_step { PACKING_SETTLE, PACKING_BEGIN, PACKING_STEP, PACKING_END, PACKING_ABANDON };

struct log_packing {
    struct io_work work;
    struct timer timer;
    struct log *log;
    struct log_file *file;
    uint32_t ordinal;
    struct pack_writer writer;
    struct pack *pack; /* END: it is open */
    enum packing_step step;
    bool busy; /* on a worker */
    enum err err;
};

static void pack_next(struct store *store);

/* ---- on a worker ---------------------------------------------------------------------------- */

static enum err begin_file(struct log_packing *packing, struct io *io)
{
    const struct log *log = packing->log;
    struct pack_head head = {
        .log_id = log->id,
        .file_id = packing->file->id,
        .kind = packing->ordinal >= LOG_KEEP_FIRST ? PACK_KEEP : PACK_SEGMENT,
        .raw_size = packing->file->raw,
    };

    memcpy(head.incarnation, log->incarnation, 16);
    return pack_begin(&packing->writer, io, log->store->dir, &head, packing->file->file);
}

static enum err end_file(struct log_packing *packing, struct io *io)
{
    const struct log *log = packing->log;
    const struct pack_writer *writer = &packing->writer;
    enum err err;

    if (writer->end > writer->head.raw_size - writer->head.raw_size / WORTH) {
        pack_abandon(&packing->writer, io);
        return ERR_FULL;
    }
    err = pack_end(&packing->writer, io);
    return err == OK ? pack_open(io, log->store->dir, log->id, packing->file->id, &packing->pack)
                     : err;
}

static void packing_run(struct io_work *work, struct io *io)
{
    struct log_packing *packing = owner_of(work, struct log_packing, work);

    switch (packing->step) {
    case PACKING_SETTLE: break;
    case PACKING_BEGIN: packing->err = begin_file(packing, io); break;
    case PACKING_STEP: packing->err = pack_step(&packing->writer, io, STEP_FRAMES); break;
    case PACKING_END: packing->err = end_file(packing, io); break;
    case PACKING_ABANDON: pack_abandon(&packing->writer, io); break;
    }
}

/* ---- one file ------------------------------------------------------------------------------- */

static void packing_free(struct log_packing *packing)
{
    struct store *store = packing->log->store;

    timers_cancel(io_timers(store->io), &packing->timer);
    packing->file->packing = false;
    store->packing = NULL;
    heap_give(packing->writer.frames);
    heap_give(packing);
}

static void packing_go(struct log_packing *packing, enum packing_step step)
{
    packing->step = step;
    packing->busy = true;
    store_work(packing->log->store, &packing->work);
}

static void packing_failed(struct log_packing *packing)
{
    struct store *store = packing->log->store;

    packing->file->unpackable = true;
    packing_free(packing);
    pack_next(store);
}

/* Nothing reads the original: the packed one is it from now on. */
static void take_place(struct log_packing *packing)
{
    struct log *log = packing->log;
    struct log_file *file = packing->file;
    struct store *store = log->store;

    store_forget_dirty(store, NULL, file);
    journal_cover_sync_begin(store->journal, &file->cover);
    journal_cover_sync_end(store->journal, &file->cover, true);
    io_close(store->io, file->file);
    log_unlink_later(log, packing->ordinal >= LOG_KEEP_FIRST
                              ? path_keep(store->dir, log->id, file->id)
                              : path_segment(store->dir, log->id, file->id));
    file->pack = packing->pack;
    file->file = file->pack->file;
    file->allocated = file->pack->size;
    packing_free(packing);
    pack_next(store);
}

/* The log was closed before the packed one took the place: the next start will have it. */
static void let_go(struct log_packing *packing)
{
    io_close(packing->log->store->io, packing->pack->file);
    pack_forget(packing->pack);
    packing_free(packing);
}

static void packing_look(struct log_packing *packing)
{
    struct io *io = packing->log->store->io;

    if (packing->step == PACKING_STEP && !pack_whole(&packing->writer))
        timers_arm(io_timers(io), &packing->timer, io_now(io) + PAUSE_NS);
    else if (packing->step == PACKING_BEGIN)
        packing_go(packing, PACKING_STEP);
    else if (packing->step == PACKING_STEP)
        packing_go(packing, PACKING_END);
    else if (packing->file->syncing || !log_file_unread(packing->file, 2 * BUSY_NS))
        timers_arm(io_timers(io), &packing->timer, io_now(io) + BUSY_NS);
    else
        take_place(packing);
}

static void packing_done(struct io_work *work)
{
    struct log_packing *packing = owner_of(work, struct log_packing, work);

    packing->busy = false;
    if (packing->step == PACKING_ABANDON)
        packing_failed(packing);
    else if (packing->err != OK && packing->step == PACKING_END)
        packing_failed(packing);
    else if (packing->err != OK)
        packing_go(packing, PACKING_ABANDON);
    else if (packing->log->closed && packing->step == PACKING_END)
        let_go(packing);
    else if (packing->log->closed)
        packing_go(packing, PACKING_ABANDON);
    else
        packing_look(packing);
}

/* What it is made of is on the disk first: once it is there the journal does not help any more. */
static void packing_settle(struct log_packing *packing)
{
    struct io *io = packing->log->store->io;

    if (packing->file->condemned)
        packing_failed(packing);
    else if (log_file_settled(packing->file))
        packing_go(packing, PACKING_BEGIN);
    else
        timers_arm(io_timers(io), &packing->timer, io_now(io) + BUSY_NS);
}

static void packing_fired(struct timer *timer)
{
    struct log_packing *packing = owner_of(timer, struct log_packing, timer);

    if (packing->step == PACKING_SETTLE)
        packing_settle(packing);
    else if (packing->step == PACKING_STEP)
        packing_go(packing, PACKING_STEP);
    else
        packing_look(packing);
}

/* ---- which ---------------------------------------------------------------------------------- */

/* What does not count goes first, with the next erasing: in a packed file it would stay. */
static bool has_remains(const struct log_file *file)
{
    return file->cut || (file->placed > file->end && file->allocated > file->end);
}

static bool wanted(const struct log_file *file)
{
    return file != NULL && file->file != NULL && file->pack == NULL && !file->unpackable &&
           !file->packing && !file->condemned && !file->syncing && !file->cover.failed &&
           !has_remains(file);
}

/* LOG_FILE_NONE: there is none. */
static uint32_t find_file(const struct log *log)
{
    for (uint32_t i = 0; i < log->file_count; i++) {
        if (wanted(log->files[i]) && log_file_below(log, i))
            return i;
    }
    for (uint32_t i = 0; i < log->keep_count; i++) {
        if (wanted(log->keeps[i]))
            return LOG_KEEP_FIRST + i;
    }
    return LOG_FILE_NONE;
}

static void pack_start(struct log *log, uint32_t ordinal)
{
    struct log_packing *packing = HEAP_NEW(struct log_packing);

    packing->work.run = packing_run;
    packing->work.done = packing_done;
    packing->timer.fire = packing_fired;
    packing->log = log;
    packing->ordinal = ordinal;
    packing->file =
        ordinal >= LOG_KEEP_FIRST ? log->keeps[ordinal - LOG_KEEP_FIRST] : log->files[ordinal];
    packing->file->packing = true;
    packing->file->raw = packing->file->allocated;
    log->store->packing = packing;
    packing_settle(packing);
}

static void pack_next(struct store *store)
{
    struct log *log;

    if (store->packing != NULL)
        return;
    for (size_t at = 0; (log = table_next(&store->logs, &at)) != NULL;) {
        uint32_t ordinal;

        if (!log->wants_pack || log->closed)
            continue;
        ordinal = find_file(log);
        if (ordinal != LOG_FILE_NONE) {
            pack_start(log, ordinal);
            return;
        }
        log->wants_pack = false;
    }
}

void log_pack(struct log *log)
{
    assert(!log->closed);
    if (log->memory)
        return;
    log->wants_pack = true;
    pack_next(log->store);
}

bool log_pack_done(struct log *log)
{
    struct log_packing *packing = log->store->packing;

    if (packing == NULL || packing->log != log)
        return true;
    if (packing->busy)
        return false;
    timers_cancel(io_timers(log->store->io), &packing->timer);
    if (packing->step == PACKING_END) {
        let_go(packing);
        return true;
    }
    packing_go(packing, PACKING_ABANDON);
    return false;
}

bool log_pack_idle(const struct store *store)
{
    return store->packing == NULL || !store->packing->busy;
}

void log_pack_forget(struct store *store)
{
    struct log_packing *packing = store->packing;

    if (packing == NULL)
        return;
    timers_cancel(io_timers(store->io), &packing->timer);
    heap_give(packing->writer.frames);
    pack_forget(packing->pack);
    heap_give(packing);
    store->packing = NULL;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* One on its way; found by the store if the process dies. */
struct log_unpacking {
    struct io_work work;
    struct log_unpacking *next;
    struct log *log;
    struct log_read *read;
    log_place place; /* of the window */
    uint8_t *window;
    size_t size;
    enum err err;
};

int64_t log_unpack_now(struct log *log, log_place place, void *at, size_t size)
{
    struct bytes found;

    if (!windows_find(&log->store->windows, log, place, size, &found))
        return -EAGAIN;
    memcpy(at, found.at, size);
    return (int64_t)size;
}

static void unpacking_free(struct log_unpacking *unpacking)
{
    struct log_unpacking **at = &unpacking->log->unpackings;

    while (*at != unpacking)
        at = &(*at)->next;
    *at = unpacking->next;
    heap_give(unpacking->window);
    heap_give(unpacking);
}

void log_unpack_forget(struct log *log)
{
    while (log->unpackings != NULL)
        unpacking_free(log->unpackings);
}

static void unpacking_run(struct io_work *work, struct io *io)
{
    struct log_unpacking *unpacking = owner_of(work, struct log_unpacking, work);

    unpacking->err = pack_read(io, unpacking->read->file->pack, unpacking->place & UINT32_MAX,
                               unpacking->window, unpacking->size);
}

/* A damaged frame reads as zeros: the records in it are unsound, as they would be in the original.
 */
static int64_t result_of(const struct log_unpacking *unpacking)
{
    const struct log_read *read = unpacking->read;

    if (unpacking->err != OK && unpacking->err != ERR_CORRUPT)
        return -EIO;
    memcpy(read->at, unpacking->window + (read->offset - (unpacking->place & UINT32_MAX)),
           read->size);
    return (int64_t)read->size;
}

static void unpacking_done(struct io_work *work)
{
    struct log_unpacking *unpacking = owner_of(work, struct log_unpacking, work);
    struct log_read *read = unpacking->read;
    struct log *log = unpacking->log;
    int64_t result = result_of(unpacking);

    if (unpacking->err == OK) {
        windows_add(&log->store->windows, log, unpacking->place,
                    bytes_of(unpacking->window, unpacking->size));
        unpacking->window = NULL;
    }
    unpacking_free(unpacking);
    read->file->reads--;
    read->done(read, result);
}

void log_unpack(struct log *log, struct log_read *read, log_place place)
{
    struct log_unpacking *unpacking = HEAP_NEW(struct log_unpacking);
    uint64_t begin = read->offset / PACK_FRAME * PACK_FRAME;
    uint64_t end = read->offset + read->size;

    if (end < begin + AHEAD)
        end = begin + AHEAD;
    if (end > read->file->raw)
        end = read->file->raw;
    unpacking->work.run = unpacking_run;
    unpacking->work.done = unpacking_done;
    unpacking->log = log;
    unpacking->read = read;
    unpacking->place = (place & ~(uint64_t)UINT32_MAX) | begin;
    unpacking->size = (size_t)(end - begin);
    unpacking->window = heap_take(unpacking->size + 1);
    unpacking->next = log->unpackings;
    log->unpackings = unpacking;
    io_work(log->store->io, &unpacking->work);
}
