/*
 * Erasing records of an open log (log.h, log_erase). A file is written anew as a packed one
 * (storage/pack.h) without what is to go, under the rules that make every packed file safe: it
 * counts when it has its name, then the original is removed. Batches that lose something say so in
 * their envelopes and are verified by their sums (storage/batch.h). In the end the journal is
 * written over (journal_clean). What is erased may be erased again: a crash in the middle is
 * followed by all of it.
 *
 * The file that is being written is ended first, so that it does not change any more.
 *
 * Behind the end of a file stands what never happened: batches that were cut, or whose write or
 * sync failed and which stand in the next file, too. All of that is cut off before anything else,
 * since a packed file would keep it, and before the journal, out of which a start could write it
 * there again. What was durable when it was cut goes only when the disk says that it was: a crash
 * before would tell it as lost. So a file is made first if no later one names the cut, and if there
 * is no later one at all: the newest never ends within a block (recovery.c, cut_short).
 */
#include <stdlib.h>

#include "base/heap.h"
#include "base/owner.h"
#include "storage/batch.h"
#include "storage/file_end.h"
#include "storage/log.h"
#include "storage/pack.h"
#include "storage/record.h"
#include "storage/store.h"

/* Something is still going on in the file. On a full disk that lasts, so each wait is twice the one
 * before, up to the last. */
#define AGAIN_NS     INT64_C(1000000)
#define AGAIN_NS_MAX INT64_C(128000000)
#define YIELD_NS     (2 * AGAIN_NS_MAX) /* longer than until it looks again */

/* Outlives its log's closing while something is in flight. */
struct log_erasing {
    struct io_work work;
    struct io_work ending;
    struct { /* of the file that is ended */
        bool cut;
        uint64_t from, last; /* file_end_find */
        uint64_t end;
        enum err found;
    } at_end;
    struct timer timer;
    int64_t wait; /* ns, of the timer when it was last armed; 0: not since the last file */
    struct journal_clean clean;
    struct log *log;
    struct log_erase_op *op; /* the owner's; not touched when the log is closed */
    struct log_erased *at;   /* sorted by place */
    size_t count, next;      /* next: of the first in the file that comes next */
    size_t end;              /* behind the last one in that file */
    void (*erase)(uint8_t *record, uint32_t size);
    struct log_file *file; /* that is written anew; NULL: none is */
    struct pack *pack;     /* in its place, or NULL: nothing had to change */
    bool busy;             /* on a worker, or the journal is cleaned */
    bool cleaning;
    enum err err;
};

static void erasing_look(struct log_erasing *erasing);

/* ---- on a worker ---------------------------------------------------------------------------- */

static uint32_t ordinal_of(const struct log_erased *erased)
{
    return (uint32_t)(erased->place >> 32);
}

/* False: it was erased before, or is not what it should be. */
static bool erase_record(const struct log_erasing *erasing, struct buf *file, uint64_t offset,
                         uint32_t size)
{
    struct record record;
    uint8_t *at = file->at + offset;

    if (offset + size > file->size)
        return false;
    if (record_read(bytes_of(at, size), &record) != OK || record.size != size) {
        memset(at, 0, size); /* damaged: its bytes go all the same */
        return true;
    }
    if ((record.flags & RECORD_ERASED) != 0)
        return false;
    erasing->erase(at, size);
    record_erased(at, size);
    return true;
}

/* Those in one batch, which begins at `position`; *next: the first behind it. */
static bool erase_in_batch(const struct log_erasing *erasing, struct buf *file, uint64_t position,
                           const struct batch_envelope *envelope, size_t *next)
{
    bool changed = false;

    while (*next < erasing->end &&
           (erasing->at[*next].place & UINT32_MAX) < position + envelope->size) {
        const struct log_erased *erased = &erasing->at[(*next)++];

        changed = erase_record(erasing, file, erased->place & UINT32_MAX, erased->size) || changed;
    }
    if (changed)
        batch_erased(file->at + position, envelope);
    return changed;
}

/* What stands behind a place that cannot be read is erased without its batch knowing. */
static bool erase_in_segment(const struct log_erasing *erasing, struct buf *file)
{
    uint64_t position = SEGMENT_HEADER;
    size_t next = erasing->next;
    bool changed = false;

    while (next < erasing->end && position < file->size) {
        struct bytes rest = bytes_of(file->at + position, file->size - position);
        struct batch_envelope envelope;

        if (batch_envelope_read(rest, erasing->file->id, position, &envelope) != OK ||
            envelope.size > rest.size) {
            position += 8;
            continue;
        }
        changed = erase_in_batch(erasing, file, position, &envelope, &next) || changed;
        position += envelope.size;
    }
    return changed;
}

static bool erase_in_keep(const struct log_erasing *erasing, struct buf *file)
{
    bool changed = false;

    for (size_t i = erasing->next; i < erasing->end; i++)
        changed =
            erase_record(erasing, file, erasing->at[i].place & UINT32_MAX, erasing->at[i].size) ||
            changed;
    return changed;
}

static enum err read_file(const struct log_erasing *erasing, struct io *io, struct buf *out)
{
    const struct log_file *file = erasing->file;
    uint8_t *at = buf_reserve(out, file->raw);
    enum err err;

    if (at == NULL)
        return ERR_FULL;
    if (file->pack == NULL)
        err = io_read_all(io, file->file, 0, at, file->raw);
    else
        err = pack_read(io, file->pack, 0, at, file->raw);
    buf_commit(out, file->raw);
    return err == ERR_CORRUPT ? OK : err; /* what is damaged is no more afterwards than before */
}

static enum err write_file(struct log_erasing *erasing, struct io *io, const struct buf *bytes)
{
    struct log *log = erasing->log;
    const char *dir = log->store->dir;
    uint64_t id = erasing->file->id;
    bool kept = ordinal_of(&erasing->at[erasing->next]) >= LOG_KEEP_FIRST;
    struct pack_head head = {.log_id = log->id,
                             .file_id = id,
                             .kind = kept ? PACK_KEEP : PACK_SEGMENT,
                             .raw_size = bytes->size};
    struct pack_writer writer;
    enum err err;

    memcpy(head.incarnation, log->incarnation, 16);
    err = pack_begin(&writer, io, dir, &head, NULL);
    writer.memory = bytes->at;
    while (err == OK && !pack_whole(&writer))
        err = pack_step(&writer, io, 64);
    if (err != OK) {
        pack_abandon(&writer, io);
        return err;
    }
    err = pack_end(&writer, io);
    if (err == OK)
        err = io_unlink(io, kept ? path_keep(dir, log->id, id).text
                                 : path_segment(dir, log->id, id).text);
    if (err == ERR_NOT_FOUND)
        err = OK; /* it was packed */
    if (err == OK)
        err = io_sync_dir(io, path_log(dir, log->id).text);
    return err == OK ? pack_open(io, dir, log->id, id, &erasing->pack) : err;
}

static void erasing_run(struct io_work *work, struct io *io)
{
    struct log_erasing *erasing = owner_of(work, struct log_erasing, work);
    struct buf bytes;
    bool changed;

    buf_init(&bytes, SIZE_MAX);
    erasing->err = read_file(erasing, io, &bytes);
    if (erasing->err == OK) {
        changed = ordinal_of(&erasing->at[erasing->next]) >= LOG_KEEP_FIRST
                      ? erase_in_keep(erasing, &bytes)
                      : erase_in_segment(erasing, &bytes);
        if (changed)
            erasing->err = write_file(erasing, io, &bytes);
    }
    buf_deinit(&bytes);
}

static void ending_run(struct io_work *work, struct io *io)
{
    struct log_erasing *erasing = owner_of(work, struct log_erasing, ending);
    const struct log_file *file = erasing->file;

    erasing->err = OK;
    erasing->at_end.found = OK;
    if (erasing->at_end.cut)
        erasing->at_end.found = file_end_find(io, file->file, file->id, erasing->at_end.from,
                                              erasing->at_end.last, &erasing->at_end.end);
    if (erasing->at_end.found != OK)
        return;
    erasing->err = io_truncate(io, file->file, erasing->at_end.end);
    if (erasing->err == OK)
        erasing->err = io_sync(io, file->file);
}

/* ---- one file after the other --------------------------------------------------------------- */

static void erasing_free(struct log_erasing *erasing)
{
    struct log *log = erasing->log;

    timers_cancel(io_timers(log->store->io), &erasing->timer);
    if (erasing->file != NULL)
        erasing->file->packing = false;
    log->erasing = NULL;
    heap_give(erasing->at);
    heap_give(erasing);
}

static void erasing_ended(struct log_erasing *erasing)
{
    struct log *log = erasing->log;
    struct log_erase_op *op = erasing->op;
    enum err err = erasing->err;

    log->remains = log->remains || err != OK;
    erasing_free(erasing);
    if (!log->closed)
        op->done(op, err);
}

static void cleaned(struct journal_clean *clean, bool clean_now)
{
    struct log_erasing *erasing = owner_of(clean, struct log_erasing, clean);

    erasing->busy = false;
    if (!clean_now && erasing->err == OK)
        erasing->err = ERR_IO;
    erasing_ended(erasing);
}

static void later(struct log_erasing *erasing)
{
    struct io *io = erasing->log->store->io;

    erasing->wait = erasing->wait == 0 ? AGAIN_NS : 2 * erasing->wait;
    if (erasing->wait > AGAIN_NS_MAX)
        erasing->wait = AGAIN_NS_MAX;
    timers_arm(io_timers(io), &erasing->timer, io_now(io) + erasing->wait);
}

/* Nothing reads the file: the new one is it from now on. */
static void take_place(struct log_erasing *erasing)
{
    struct log *log = erasing->log;
    struct store *store = log->store;
    struct log_file *file = erasing->file;

    store_forget_dirty(store, NULL, file);
    journal_cover_sync_begin(store->journal, &file->cover);
    journal_cover_sync_end(store->journal, &file->cover, true);
    io_close(store->io, file->file);
    pack_forget(file->pack);
    file->pack = erasing->pack;
    file->file = file->pack->file;
    file->allocated = file->pack->size;
    erasing->pack = NULL;
    windows_drop(&store->windows, log);
}

static void file_done(struct log_erasing *erasing)
{
    erasing->file->packing = false;
    erasing->file = NULL;
    erasing->next = erasing->end;
    erasing->wait = 0;
    erasing_look(erasing);
}

/* What the worker has made takes its place, or there is nothing to take. */
static void erasing_take(struct log_erasing *erasing)
{
    if (erasing->pack == NULL) {
        file_done(erasing);
    } else if (erasing->file->syncing || !log_file_unread(erasing->file, YIELD_NS)) {
        later(erasing);
    } else {
        take_place(erasing);
        file_done(erasing);
    }
}

static void erasing_done(struct io_work *work)
{
    struct log_erasing *erasing = owner_of(work, struct log_erasing, work);

    erasing->busy = false;
    if (erasing->err != OK)
        erasing_ended(erasing);
    else
        erasing_take(erasing);
}

static struct log_file *file_at(const struct log *log, uint32_t ordinal)
{
    if (ordinal >= LOG_KEEP_FIRST)
        return ordinal - LOG_KEEP_FIRST < log->keep_count ? log->keeps[ordinal - LOG_KEEP_FIRST]
                                                          : NULL;
    return ordinal < log->file_count ? log->files[ordinal] : NULL;
}

static void renew(struct log *log)
{
    log->renew = true;
    if (log->phase == LOG_IDLE)
        log_renew(log);
}

/* It ends, and the log goes on in a new one, before it is written anew. */
static bool is_ended(struct log *log, const struct log_file *file)
{
    if (file != log->active)
        return true;
    renew(log);
    return false;
}

static void begin_file(struct log_erasing *erasing, struct log_file *file)
{
    erasing->file = file;
    file->packing = true;
    if (file->pack == NULL)
        file->raw = file->allocated;
    erasing->busy = true;
    store_work(erasing->log->store, &erasing->work);
}

static void find_end(struct log_erasing *erasing)
{
    erasing->end = erasing->next;
    while (erasing->end < erasing->count &&
           ordinal_of(&erasing->at[erasing->end]) == ordinal_of(&erasing->at[erasing->next]))
        erasing->end++;
}

/* A batch that counts is damaged, and nobody knows where the last of them ends. */
static void tell_unknown_end(const struct log_erasing *erasing, const struct log_file *file)
{
    store_report(erasing->log->store,
                 "log %016llx, segment %016llx: it is damaged, and where it was cut is not found: "
                 "what was cut stays in it until it is removed",
                 (unsigned long long)erasing->log->id, (unsigned long long)file->id);
}

static void ending_done(struct io_work *work)
{
    struct log_erasing *erasing = owner_of(work, struct log_erasing, ending);
    struct log_file *file = erasing->file;

    erasing->busy = false;
    file->packing = false;
    erasing->file = NULL;
    if (erasing->err == OK && erasing->at_end.found == ERR_CORRUPT) {
        tell_unknown_end(erasing, file);
    } else if (erasing->err != OK || erasing->at_end.found != OK) {
        file->cut = file->cut || erasing->at_end.cut;
        erasing->err = erasing->err != OK ? erasing->err : erasing->at_end.found;
        erasing_ended(erasing);
        return;
    } else {
        file->allocated = file->placed = file->end = erasing->at_end.end;
    }
    erasing->wait = 0;
    erasing_look(erasing);
}

/* One with something behind its end, to which nothing is written any more, or that is to end. */
static struct log_file *find_ending(const struct log *log)
{
    for (uint32_t i = 0; i < log->file_count; i++) {
        struct log_file *file = log->files[i];

        if (file != NULL && file->pack == NULL && (file->cut || file->placed > file->end) &&
            (file != log->active || file->ended))
            return file;
    }
    return NULL;
}

/* A later file is there and says what counts in it. */
static bool end_is_named(struct log *log, const struct log_file *file)
{
    if (file != log->files[log->file_count - 1] && !log->cut_unnamed)
        return true;
    renew(log);
    return false;
}

/* Its end is known, or where to look for it: later cuts do not change that. */
static void prepare_end(struct log_erasing *erasing, struct log_file *file)
{
    const struct places_mark *mark = places_find(&erasing->log->places, file->last);
    bool marked = mark != NULL && mark->place > PLACES_GONE &&
                  file_at(erasing->log, (uint32_t)(mark->place >> 32)) == file;

    erasing->at_end.cut = file->cut;
    erasing->at_end.end = file->end;
    erasing->at_end.last = file->last;
    erasing->at_end.from = marked ? mark->place & UINT32_MAX : SEGMENT_HEADER;
    file->cut = false;
}

/* A file that is condemned is synced all the same: it is about its length. */
static void end_file(struct log_erasing *erasing, struct log_file *file)
{
    if (file->packing || file->syncing || !end_is_named(erasing->log, file) ||
        (!file->condemned && !log_file_settled(file))) {
        later(erasing);
        return;
    }
    prepare_end(erasing, file);
    erasing->file = file;
    file->packing = true;
    erasing->busy = true;
    store_work(erasing->log->store, &erasing->ending);
}

static void erasing_look(struct log_erasing *erasing)
{
    struct log *log = erasing->log;
    struct log_file *ending = find_ending(log);

    if (ending != NULL) {
        if (!log->closed) /* else log_erase_done frees it */
            end_file(erasing, ending);
        return;
    }
    while (erasing->next < erasing->count) {
        struct log_file *file = file_at(log, ordinal_of(&erasing->at[erasing->next]));

        find_end(erasing);
        if (file == NULL) { /* it was removed, and all that it had */
            erasing->next = erasing->end;
            continue;
        }
        if (log->closed)
            return; /* log_erase_done frees it */
        if (file->packing || file->condemned || !is_ended(log, file)) {
            if (file->condemned && !file->packing) {
                erasing->err = ERR_IO; /* its sync failed: it stays as it is until the next start */
                erasing_ended(erasing);
                return;
            }
            later(erasing);
            return;
        }
        if (!log_file_settled(file)) {
            later(erasing);
            return;
        }
        begin_file(erasing, file);
        return;
    }
    erasing->cleaning = true;
    erasing->busy = true;
    erasing->clean.done = cleaned;
    journal_clean(log->store->journal, &erasing->clean);
}

static void erasing_fired(struct timer *timer)
{
    struct log_erasing *erasing = owner_of(timer, struct log_erasing, timer);

    if (erasing->file != NULL)
        erasing_take(erasing);
    else
        erasing_look(erasing);
}

/* ---- the door ------------------------------------------------------------------------------- */

static int compare_places(const void *a, const void *b)
{
    log_place one = ((const struct log_erased *)a)->place;
    log_place other = ((const struct log_erased *)b)->place;

    return one < other ? -1 : one > other;
}

void log_erase(struct log *log, struct log_erase_op *op)
{
    struct log_erasing *erasing = HEAP_NEW(struct log_erasing);

    assert(!log->closed);
    assert(!log->memory);
    assert(log->erasing == NULL);
    erasing->work.run = erasing_run;
    erasing->work.done = erasing_done;
    erasing->ending.run = ending_run;
    erasing->ending.done = ending_done;
    erasing->timer.fire = erasing_fired;
    erasing->log = log;
    erasing->op = op;
    erasing->erase = op->erase;
    erasing->count = op->count;
    erasing->at = heap_take((op->count + 1) * sizeof erasing->at[0]);
    if (op->count > 0) {
        memcpy(erasing->at, op->at, op->count * sizeof erasing->at[0]);
        qsort(erasing->at, op->count, sizeof erasing->at[0], compare_places);
    }
    log->erasing = erasing;
    log->remains = false;
    later(erasing); /* `done` never comes from inside this call */
}

bool log_remains(const struct log *log)
{
    return log->remains;
}

bool log_erase_done(struct log *log)
{
    struct log_erasing *erasing = log->erasing;

    if (erasing == NULL)
        return true;
    if (erasing->busy)
        return false;
    if (erasing->pack != NULL) {
        io_close(log->store->io, erasing->pack->file);
        pack_forget(erasing->pack);
    }
    erasing_free(erasing);
    return true;
}

void log_erase_forget(struct log *log)
{
    struct log_erasing *erasing = log->erasing;

    if (erasing == NULL)
        return;
    timers_cancel(io_timers(log->store->io), &erasing->timer);
    pack_forget(erasing->pack);
    heap_give(erasing->at);
    heap_give(erasing);
    log->erasing = NULL;
}
