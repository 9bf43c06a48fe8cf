/* State blocks of an open log, its floor, and files that are removed below it. */
#include "base/heap.h"
#include "base/owner.h"
#include "storage/block.h"
#include "storage/flaws.h"
#include "storage/hash.h"
#include "storage/log.h"
#include "storage/store.h"

/* ---- blocks --------------------------------------------------------------------------------- */

uint64_t log_block_bytes(struct store *store, uint64_t log_id)
{
    uint64_t index, size = 0;
    struct io_file *file;
    unsigned count = 0;

    if (block_list(store->io, store->dir, log_id, &index, 1, &count) != OK || count == 0 ||
        io_open(store->io, path_block(store->dir, log_id, index).text, IO_READ, &file) != OK)
        return 0;
    if (io_size(store->io, file, &size) != OK)
        size = 0;
    io_close(store->io, file);
    return size;
}

static void count_file(void *context, const char *name, bool directory)
{
    uint64_t id;

    if (!directory && (path_read_segment(name, &id) || path_read_pack(name, &id)))
        ++*(uint64_t *)context;
}

uint64_t log_files_count(struct store *store, uint64_t log_id)
{
    uint64_t count = 0;

    return io_list(store->io, path_log(store->dir, log_id).text, count_file, &count) == OK ? count
                                                                                           : 0;
}

struct log_block_writing {
    struct io_work work;
    struct log *log;
    struct log_block_op *op;
    struct block block;
    uint64_t (*digest)(struct bytes body);
    uint64_t digested;
    uint64_t keep;
    bool taken; /* the log does not reach its index yet */
    enum err err;
};

void log_block_forget(struct log *log)
{
    heap_give(log->block_writing->block.files);
    heap_give(log->block_writing);
    log->block_writing = NULL;
}

static void memory_written(struct block *block)
{
    block->body_hash = hash_128(block->body);
    block->stored = block->body.size;
}

/* On a worker. */
static void writing_run(struct io_work *work, struct io *io)
{
    struct log_block_writing *writing = owner_of(work, struct log_block_writing, work);

    if (writing->digest != NULL)
        writing->digested = writing->digest(writing->block.body);
    if (!writing->log->memory)
        writing->err = block_write(io, writing->log->store->dir, &writing->block, writing->keep);
    else
        memory_written(&writing->block);
}

/* Of a log in memory others read it there. */
static void keep_in_memory(struct log *log, const struct block *block)
{
    heap_give((void *)log->block_memory.body.at);
    log->block_memory = *block;
    log->block_memory.files = NULL;
    log->block_memory.local = (struct bytes){};
    log->block_memory.body = heap_copy(block->body);
}

static void writing_done(struct io_work *work)
{
    struct log_block_writing *writing = owner_of(work, struct log_block_writing, work);
    struct log *log = writing->log;
    struct log_block_op *op = writing->op;
    enum err err = writing->err;

    log->taking = false;
    if (log->phase == LOG_WAITING && !log->wants_space)
        log_send_later(log); /* it may have had to wait for this */
    if (err == OK && log->memory)
        keep_in_memory(log, &writing->block);
    if (err == OK && !writing->taken)
        log_block_is(log, op->index);
    op->digested = writing->digested;
    op->stored = writing->block.stored;
    log_block_forget(log);
    op->done(op, err);
}

/*
 * Does more than what is at or below the block's index stand in the file, or may it come to?
 * Batches may still go to it; once it has ended none is on its way to it. A cut that no file names
 * yet may be undone by a crash; the list must not end there what the headers of later files go on
 * from.
 */
static bool goes_on(const struct log *log, const struct log_file *file, uint64_t index)
{
    return file->last > index || (file == log->active && !file->ended) ||
           (log->cut_unnamed && file->last == log->durable);
}

/* Of a file that goes on a start reads what is behind the block's batch. */
static uint64_t block_file_end(const struct log *log, uint32_t ordinal,
                               const struct log_block_op *op, bool more)
{
    if (!more && log->files[ordinal]->cut)
        return 0;
    if (!more || store_flaw(log->store, FLAW_LIST_FILES_END))
        return log->files[ordinal]->end;
    return op->behind >> 32 == ordinal ? op->behind & UINT32_MAX : 0;
}

static struct block_file block_file_of(const struct log *log, uint32_t ordinal,
                                       const struct log_block_op *op)
{
    const struct log_file *file = log->files[ordinal];
    bool more = goes_on(log, file, op->index);

    return (struct block_file){
        .id = file->id,
        .first = file->first,
        .last = more ? UINT64_MAX : file->last,
        .end = block_file_end(log, ordinal, op, more),
    };
}

static void list_files(const struct log *log, const struct log_block_op *op, struct block *block)
{
    for (uint32_t i = 0; i < log->file_count; i++) {
        const struct log_file *file = log->files[i];

        if (file != NULL && file->first != 0 && file->first <= block->index)
            block->files[block->file_count++] = block_file_of(log, i, op);
    }
}

/*
 * The same for a block of another replica: what is above `end` is void when the block is there. A
 * file whose base is below the block's index is so because it is not named; of those behind it the
 * list says that they have nothing. No other file is begun until the block is there (log_send).
 */
static void list_files_to(const struct log *log, struct block *block, uint64_t end)
{
    for (uint32_t i = 0; i < log->file_count; i++) {
        const struct log_file *file = log->files[i];
        struct block_file *listed = &block->files[block->file_count];

        if (file == NULL)
            continue;
        if (file->first != 0 && file->first <= end)
            *listed = (struct block_file){
                .id = file->id, .first = file->first, .last = file->last < end ? file->last : end};
        else if (file->base >= block->index)
            *listed = (struct block_file){.id = file->id};
        else
            continue;
        block->file_count++;
    }
    if (log->make != NULL && log->make->header.base >= block->index)
        block->files[block->file_count++] = (struct block_file){.id = log->make->header.file_id};
}

void log_block_is(struct log *log, uint64_t index)
{
    log->block_older = log->block_newest;
    log->block_newest = index;
}

void log_block_only(struct log *log, uint64_t index)
{
    log->block_older = 0;
    log->block_newest = index;
}

void log_block_start(struct log *log, struct log_block_op *op, uint64_t end)
{
    struct log_block_writing *writing = HEAP_NEW(struct log_block_writing);

    assert(!log->closed);
    assert(log->block_writing == NULL);
    assert(op->index > log->block_newest ||
           (end == LOG_BLOCK_REPLACES && op->index == log->block_newest));

    writing->work.run = writing_run;
    writing->work.done = writing_done;
    writing->log = log;
    writing->op = op;
    writing->digest = op->digest;
    writing->keep = end == LOG_BLOCK_REPLACES ? 0 : log->block_newest;
    writing->taken = end < UINT64_MAX;
    writing->block = (struct block){
        .log_id = log->id,
        .index = op->index,
        .term = op->term,
        .hash = op->hash,
        .body = op->body,
        .local = op->local,
        .features = op->features,
        .failed = {op->failed[0], op->failed[1]},
    };
    memcpy(writing->block.incarnation, log->incarnation, 16);
    writing->block.files = heap_take((log->file_count + 1) * sizeof writing->block.files[0]);
    if (end < LOG_BLOCK_REPLACES)
        list_files_to(log, &writing->block, end);
    else
        list_files(log, op, &writing->block);
    log->taking = end < LOG_BLOCK_REPLACES;
    log->block_writing = writing;
    store_work(log->store, &writing->work);
}

void log_block_write(struct log *log, struct log_block_op *op)
{
    assert(op->index <= log->durable);
    log_block_start(log, op, UINT64_MAX);
}

log_place log_batch_behind(const struct log_batch *batch)
{
    uint64_t offset = batch->records_place & UINT32_MAX;

    if (batch->records_place >> 32 == LOG_FILE_NONE || offset < SEGMENT_HEADER + BATCH_HEAD)
        return 0;
    return batch->records_place - BATCH_HEAD + batch_size(batch->content.size, offset - BATCH_HEAD);
}

uint64_t log_block_newest(const struct log *log)
{
    return log->block_newest;
}

uint64_t log_file_id(const struct log *log, uint32_t ordinal)
{
    const struct log_file *file =
        ordinal >= LOG_KEEP_FIRST ? log->keeps[ordinal - LOG_KEEP_FIRST] : log->files[ordinal];

    assert(file != NULL);
    return file->id;
}

/* ---- the floor ------------------------------------------------------------------------------ */

void log_floor_set(struct log *log, uint64_t index)
{
    assert(index <= log->block_newest);
    if (index > log->floor)
        log->floor = index;
}

uint64_t log_floor(const struct log *log)
{
    return log->floor;
}

/* ---- files ---------------------------------------------------------------------------------- */

bool log_file_below(const struct log *log, uint32_t ordinal)
{
    const struct log_file *file = log->files[ordinal];
    uint64_t last = file->first != 0 ? file->last : file->base;
    uint64_t limit = log->floor < log->block_older ? log->floor : log->block_older;

    if (log->memory)
        limit = log->floor; /* no start will want a block */
    if (ordinal == log->file_count - 1 || file == log->active)
        return false;
    if (store_flaw(log->store, FLAW_DROP_ABOVE_OLDER))
        limit = log->block_newest;
    return last <= limit;
}

bool log_file_next(const struct log *log, uint32_t ordinal, struct log_file_info *info)
{
    const struct log_file *file;

    while (ordinal < log->file_count && log->files[ordinal] == NULL)
        ordinal++;
    if (ordinal >= log->file_count)
        return false;
    file = log->files[ordinal];
    *info = (struct log_file_info){
        .ordinal = ordinal,
        .first = file->first,
        .last = file->last,
        .bytes = file->allocated,
        .raw = file->pack != NULL ? file->raw : file->allocated,
        .used = file == log->active ? file->placed : file->allocated,
        .droppable = log_file_below(log, ordinal),
    };
    return true;
}

/* A file on its way out. */
struct log_drop {
    struct io_work work;
    struct log_drop *next; /* of the store's */
    struct store *store;
    struct path path;
};

static void drop_run(struct io_work *work, struct io *io)
{
    struct log_drop *drop = owner_of(work, struct log_drop, work);

    /* One that stays is found at the next start, and its owner says again that it is dead. */
    (void)io_unlink(io, drop->path.text);
}

static void drop_done(struct io_work *work)
{
    struct log_drop *drop = owner_of(work, struct log_drop, work), **at;

    for (at = &drop->store->drops; *at != drop; at = &(*at)->next)
        continue;
    *at = drop->next;
    heap_give(drop);
}

void log_unlink_later(struct log *log, struct path path)
{
    struct store *store = log->store;
    struct log_drop *drop = HEAP_NEW(struct log_drop);

    drop->work.run = drop_run;
    drop->work.done = drop_done;
    drop->store = store;
    drop->path = path;
    drop->next = store->drops;
    store->drops = drop;
    store_work(store, &drop->work);
}

enum err log_file_drop(struct log *log, uint32_t ordinal)
{
    struct store *store = log->store;
    struct log_file *file;

    assert(!log->closed);
    if (ordinal >= log->file_count || log->files[ordinal] == NULL)
        return ERR_NOT_FOUND;
    file = log->files[ordinal];
    if (!log_file_below(log, ordinal) || file->syncing || file->reads > 0 || file->packing)
        return ERR_BUSY;

    /* Nobody reads it any more: the journal need not keep what it covers. */
    store_forget_dirty(store, NULL, file);
    journal_cover_sync_begin(store->journal, &file->cover);
    journal_cover_sync_end(store->journal, &file->cover, true);
    if (file->first != 0)
        places_remove(&log->places, file->first, file->last);
    windows_drop(&store->windows, log);
    log->read_next = (struct places_mark){};
    log->files[ordinal] = NULL;
    if (file->memory == NULL)
        log_unlink_later(log, file->pack != NULL ? path_pack(store->dir, log->id, file->id)
                                                 : path_segment(store->dir, log->id, file->id));
    log_file_destroy(file);
    return OK;
}

void log_roll(struct log *log)
{
    log->rolls = true; /* what is on its way to this one still belongs to it */
}

void log_space_forget(struct store *store)
{
    struct log_drop *drop;

    while ((drop = store->drops) != NULL) {
        store->drops = drop->next;
        heap_give(drop);
    }
}
