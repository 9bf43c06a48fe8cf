/* Records of an open log that are moved together, so that mostly dead segments can go. */
#include "base/heap.h"
#include "base/owner.h"
#include "storage/keep.h"
#include "storage/log.h"
#include "storage/memory.h"
#include "storage/pack.h"
#include "storage/store.h"

static_assert(LOG_KEEP_HEAD == KEEP_HEADER, "where its records begin");

struct log_keep_writing {
    struct io_work work;
    struct log *log;
    struct log_keep_op *op;
    struct keep keep;
    struct io_file *file;
    enum err err;
};

void log_keep_forget(struct log *log)
{
    heap_give(log->keep_writing);
    log->keep_writing = NULL;
}

static void add(struct log *log, struct io_file *file, struct memory_file *memory, uint64_t id,
                uint64_t size)
{
    struct log_file *added = log_file_create(log, file, memory, id);

    added->end = added->placed = added->allocated = size;
    log->keeps = heap_resize(log->keeps, (log->keep_count + 1) * sizeof log->keeps[0]);
    log->keeps[log->keep_count++] = added;
}

/* On a worker. */
static void writing_run(struct io_work *work, struct io *io)
{
    struct log_keep_writing *writing = owner_of(work, struct log_keep_writing, work);

    if (!writing->log->memory)
        writing->err = keep_write(io, writing->log->store->dir, &writing->keep, &writing->file);
}

/* The same without a disk: the records stand where they would behind a header. */
static struct memory_file *keep_in_memory(struct bytes records)
{
    struct memory_file *file = memory_create();
    struct log_content *content = log_content_make(records.size);

    memcpy(log_content_memory(content), records.at, records.size);
    memory_add(file, KEEP_HEADER - BATCH_ENVELOPE, (uint32_t)(BATCH_ENVELOPE + records.size),
               content);
    log_content_drop(content);
    return file;
}

static void writing_done(struct io_work *work)
{
    struct log_keep_writing *writing = owner_of(work, struct log_keep_writing, work);
    struct log_keep_op *op = writing->op;
    struct log *log = writing->log;
    enum err err = writing->err;

    if (err == OK) {
        add(log, writing->file, log->memory ? keep_in_memory(op->records) : NULL,
            writing->keep.file_id, KEEP_HEADER + op->records.size);
        op->ordinal = LOG_KEEP_FIRST + log->keep_count - 1;
    }
    log_keep_forget(log);
    op->done(op, err);
}

void log_keep(struct log *log, struct log_keep_op *op)
{
    struct log_keep_writing *writing = HEAP_NEW(struct log_keep_writing);

    assert(!log->closed);
    assert(log->keep_writing == NULL);
    writing->work.run = writing_run;
    writing->work.done = writing_done;
    writing->log = log;
    writing->op = op;
    writing->keep = (struct keep){
        .log_id = log->id,
        .file_id = store_file_id(log->store),
        .records = op->records,
    };
    memcpy(writing->keep.incarnation, log->incarnation, 16);
    log->keep_writing = writing;
    store_work(log->store, &writing->work);
}

bool log_keep_busy(const struct log *log)
{
    return log->keep_writing != NULL;
}

/* ---- looking, dropping ---------------------------------------------------------------------- */

bool log_keep_next(const struct log *log, uint32_t ordinal, struct log_file_info *info)
{
    uint32_t i = ordinal - LOG_KEEP_FIRST;

    assert(ordinal >= LOG_KEEP_FIRST);
    while (i < log->keep_count && log->keeps[i] == NULL)
        i++;
    if (i >= log->keep_count)
        return false;
    *info = (struct log_file_info){
        .ordinal = LOG_KEEP_FIRST + i,
        .bytes = log->keeps[i]->allocated,
        .raw = log->keeps[i]->pack != NULL ? log->keeps[i]->raw : log->keeps[i]->allocated,
        .used = log->keeps[i]->allocated,
        .droppable = true,
    };
    return true;
}

enum err log_keep_drop(struct log *log, uint32_t ordinal)
{
    uint32_t i = ordinal - LOG_KEEP_FIRST;
    struct log_file *file;

    assert(!log->closed);
    if (i >= log->keep_count || log->keeps[i] == NULL)
        return ERR_NOT_FOUND;
    file = log->keeps[i];
    if (file->reads > 0 || file->packing)
        return ERR_BUSY;
    log->keeps[i] = NULL;
    if (file->memory == NULL)
        log_unlink_later(log, file->pack != NULL ? path_pack(log->store->dir, log->id, file->id)
                                                 : path_keep(log->store->dir, log->id, file->id));
    log_file_destroy(file);
    return OK;
}

/* ---- recovery ------------------------------------------------------------------------------- */

/* A crash may have left both, the original first: they say the same. */
static void found_pack(struct log *log, const char *name, uint64_t file_id)
{
    struct store *store = log->store;
    struct log_file *file;
    struct pack *pack;
    enum err err;

    if (log_keep_ordinal(log, file_id) != LOG_FILE_NONE) {
        (void)io_unlink(store->io, path_pack(store->dir, log->id, file_id).text);
        return;
    }
    err = pack_open(store->io, store->dir, log->id, file_id, &pack);
    if (err != OK || pack->head.kind != PACK_KEEP) {
        if (err == OK) {
            io_close(store->io, pack->file);
            pack_forget(pack);
        }
        return; /* recovery.c says what is wrong with it */
    }
    if (memcmp(pack->head.incarnation, log->incarnation, 16) != 0) {
        store_report(store, "log %016llx: %s is of another log", (unsigned long long)log->id, name);
        io_close(store->io, pack->file);
        pack_forget(pack);
        return;
    }
    add(log, pack->file, NULL, file_id, pack->head.raw_size);
    file = log->keeps[log->keep_count - 1];
    file->pack = pack;
    file->raw = pack->head.raw_size;
    file->allocated = pack->size;
}

static void found(void *context, const char *name, bool directory)
{
    struct log *log = context;
    struct store *store = log->store;
    struct keep keep = {.log_id = log->id};
    struct io_file *file;
    uint64_t size;
    enum err err;

    if (!directory && path_read_pack(name, &keep.file_id))
        found_pack(log, name, keep.file_id);
    if (directory || !path_read_keep(name, &keep.file_id))
        return;
    memcpy(keep.incarnation, log->incarnation, 16);
    err = keep_open(store->io, store->dir, &keep, &file, &size);
    if (err == OK)
        add(log, file, NULL, keep.file_id, size);
    else
        store_report(store, "log %016llx: %s cannot be used: %s", (unsigned long long)log->id, name,
                     err_text(err));
}

enum err log_keep_find(struct log *log)
{
    return io_list(log->store->io, path_log(log->store->dir, log->id).text, found, log);
}

uint32_t log_keep_ordinal(const struct log *log, uint64_t file_id)
{
    for (uint32_t i = 0; i < log->keep_count; i++) {
        if (log->keeps[i] != NULL && log->keeps[i]->id == file_id)
            return LOG_KEEP_FIRST + i;
    }
    return LOG_FILE_NONE;
}
