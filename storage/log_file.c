#include "storage/log_file.h"

#include "base/heap.h"
#include "base/owner.h"
#include "storage/flaws.h"
#include "storage/memory.h"
#include "storage/pack.h"
#include "storage/store.h"

static void sync_done(struct io_op *op, int64_t result)
{
    struct log_file *file = owner_of(op, struct log_file, sync);
    struct store *store = file->log->store;
    bool background = file->background;
    bool synced = result >= 0 || store_flaw(store, FLAW_IGNORE_SYNC_ERROR);

    if (!synced && background && store_flaw(store, FLAW_RETRY_SYNC)) {
        file->cover.held |= file->cover.syncing;
        synced = true;
    }
    if (background) {
        assert(store->syncs > 0);
        store->syncs--;
    }
    file->syncing = false;
    file->background = false;

    journal_cover_sync_end(store->journal, &file->cover, synced);
    if (!synced) {
        file->condemned = true;
        store_note_doubt(store, file->log->id);
        store_report(
            store,
            "log %016llx, segment %016llx: sync failed (%s): no more is written to it, and "
            "the journal keeps its batches until the next start",
            (unsigned long long)file->log->id, (unsigned long long)file->id,
            err_text(err_of_errno((int)-result)));
        log_redo_later(file->log);
    } else if (file->cover.held != 0) {
        log_file_dirty(file);
    }
    log_sync_ended(file->log, file, background, synced);
}

struct log_file *log_file_create(struct log *log, struct io_file *file, struct memory_file *memory,
                                 uint64_t id)
{
    struct log_file *f = HEAP_NEW(struct log_file);

    assert((file == NULL) != (memory == NULL));
    f->log = log;
    f->file = file;
    f->memory = memory;
    f->id = id;
    f->end = SEGMENT_HEADER;
    f->placed = SEGMENT_HEADER;
    f->sync.done = sync_done;
    return f;
}

void log_file_destroy(struct log_file *file)
{
    assert(!file->syncing);
    assert(!file->dirty);
    assert(file->reads == 0);
    if (file->file != NULL)
        io_close(file->log->store->io, file->file);
    log_file_forget(file);
}

void log_file_forget(struct log_file *file)
{
    if (file == NULL)
        return;
    memory_destroy(file->memory);
    pack_forget(file->pack);
    heap_give(file);
}

void log_file_extend(struct log_file *file, uint64_t index)
{
    if (file->first == 0)
        file->first = index;
    file->last = index;
}

void log_file_cut(struct log_file *file, uint64_t index)
{
    if (file->last <= index)
        return;
    file->cut = file->file != NULL;
    if (file->first > index) {
        file->first = 0;
        file->last = 0;
    } else {
        file->last = index;
    }
}

void log_file_dirty(struct log_file *file)
{
    struct store *store = file->log->store;

    if (file->dirty || file->syncing || file->condemned || file->cover.held == 0)
        return;
    file->dirty = true;
    file->dirty_next = NULL;
    if (store->dirty_last != NULL)
        store->dirty_last->dirty_next = file;
    else
        store->dirty_first = file;
    store->dirty_last = file;
}

void log_file_sync(struct log_file *file, bool background)
{
    struct store *store = file->log->store;

    assert(!file->syncing);
    assert(!file->condemned); /* no later sync of it is believed */

    if (background)
        store->syncs++;
    file->syncing = true;
    file->background = background;
    journal_cover_sync_begin(store->journal, &file->cover);
    io_fsync(store->io, &file->sync, file->file);
}

bool log_file_unread(struct log_file *file, int64_t wait_ns)
{
    int64_t now_ns = io_now(file->log->store->io);

    if (file->reads == file->queued)
        return true;
    if (now_ns >= file->yield_ns + wait_ns) /* others may read it for long: not all the time */
        file->yield_ns = now_ns + wait_ns;
    return false;
}

bool log_file_settled(struct log_file *file)
{
    struct store *store = file->log->store;

    if (file->syncing || file->condemned)
        return false;
    if (file->cover.held == 0)
        return true;
    if (store->syncs < STORE_SYNCS_MAX) {
        store_forget_dirty(store, NULL, file);
        log_file_sync(file, true);
    }
    return false;
}

/* ---- making --------------------------------------------------------------------------------- */

static struct path segment_path(const struct segment_make *make)
{
    return path_segment(make->store->dir, make->header.log_id, make->header.file_id);
}

/* The name under which it is made. */
static struct path first_path(const struct segment_make *make)
{
    if (make->first.size == 0)
        return segment_path(make);
    return path_segment_new(make->store->dir, make->header.log_id, make->header.file_id);
}

static enum err write_in(struct segment_make *make, struct io *io)
{
    uint8_t at[SEGMENT_HEADER];
    enum err err = io_allocate(io, make->file, 0, make->space);

    if (err == ERR_UNSUPPORTED)
        err = OK;
    segment_header_write(at, &make->header);
    if (err == OK)
        err = io_write_all(io, make->file, 0, bytes_of(at, sizeof at));
    if (err == OK && make->first.size > 0)
        err = io_write_all(io, make->file, SEGMENT_HEADER, make->first);
    return err;
}

static void give_up(struct segment_make *make, struct io *io)
{
    io_close(io, make->file);
    make->file = NULL;
    (void)io_unlink(io, first_path(make).text); /* recovery passes over what is left */
}

void segment_make_begin(struct segment_make *make, struct io *io)
{
    make->err = io_open(io, first_path(make).text, IO_READ | IO_WRITE | IO_CREATE, &make->file);
    if (make->err != OK)
        return;
    make->err = write_in(make, io);
    if (make->err != OK)
        give_up(make, io);
}

void segment_make_named(struct segment_make *make, struct io *io, enum err synced)
{
    assert(make->err == OK);
    make->err = synced;
    if (make->err == OK && make->first.size > 0)
        make->err = io_rename(io, first_path(make).text, segment_path(make).text);
    if (make->err != OK)
        give_up(make, io);
}

static enum err make_known(struct segment_make *make, struct io *io)
{
    enum err err = OK;

    if (!store_flaw(make->store, FLAW_FORGET_DIRECTORY_SYNC))
        err = io_sync_dir(io, path_log(make->store->dir, make->header.log_id).text);
    if (err == OK && make->trim != NULL)
        (void)io_truncate(io, make->trim, make->trim_size); /* costs space, nothing else */
    return err;
}

void segment_make(struct segment_make *make, struct io *io)
{
    segment_make_begin(make, io);
    if (make->err == OK)
        segment_make_named(make, io, io_sync(io, make->file));
    if (make->err != OK)
        return;
    make->err = make_known(make, io);
    if (make->err != OK)
        give_up(make, io);
}
