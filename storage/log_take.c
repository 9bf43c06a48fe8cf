/* State blocks of other replicas: taken into this log, and this log's own read for them. */
#include "base/heap.h"
#include "base/owner.h"
#include "storage/log.h"
#include "storage/store.h"

/* ---- taking --------------------------------------------------------------------------------- */

static void skipped(struct log_skip_op *skip, enum err err)
{
    struct log_take_op *op = owner_of(skip, struct log_take_op, skip);

    op->skipping = false;
    if (err == OK)
        log_block_is(op->log, op->index);
    op->done(op, err);
}

static void go_on_behind(struct log_take_op *op)
{
    struct log *log = op->log;
    uint64_t known = log->committed < log->durable ? log->committed : log->durable;

    if (known > op->cut) /* it has come to be known meanwhile: readers may be at it */
        op->cut = known;
    assert(op->cut < op->index);
    if (op->cut < log->appended)
        log_cut(log, op->cut);
    op->skipping = true;
    op->skip.index = op->index;
    op->skip.term = op->term;
    op->skip.hash = op->hash;
    op->skip.done = skipped;
    log_skip(log, &op->skip);
}

static void written(struct log_block_op *block, enum err err)
{
    struct log_take_op *op = owner_of(block, struct log_take_op, block);

    op->written = err == OK;
    if (err == OK && op->log->closed)
        err = ERR_CLOSED;
    if (err == OK && !op->stays) {
        go_on_behind(op);
        return;
    }
    if (err == OK)
        log_block_only(op->log, op->index);
    op->done(op, err);
}

void log_take(struct log *log, struct log_take_op *op)
{
    assert(!log->closed);
    assert(op->stays || (op->cut < op->index && op->cut <= log->durable));
    assert(!op->stays || (op->index <= log->durable && !op->written));

    op->log = log;
    if (op->written) {
        go_on_behind(op);
        return;
    }
    op->block = (struct log_block_op){
        .index = op->index,
        .term = op->term,
        .hash = op->hash,
        .body = op->body,
        .local = op->local,
        .done = written,
    };
    log_block_start(log, &op->block, op->stays ? LOG_BLOCK_REPLACES : op->cut);
}

uint32_t log_take_ordinal(const struct log *log, uint64_t file_id)
{
    for (uint32_t i = 0; i < log->file_count; i++) {
        if (log->files[i] != NULL && log->files[i]->id == file_id)
            return i;
    }
    return log_keep_ordinal(log, file_id);
}

enum err log_take_view(struct log *log, const struct log_take_op *op,
                       enum err (*use)(void *context, const struct log_block *block), void *context)
{
    struct log_block_files files = {.log = log};
    struct log_block view = {
        .index = op->index,
        .term = op->term,
        .hash = op->hash,
        .body = op->body,
        .local = op->local,
        .stored = op->block.stored,
        .work = UINT64_MAX,
        .files = &files,
    };

    return use(context, &view);
}

/* ---- reading -------------------------------------------------------------------------------- */

struct log_block_reading {
    struct io_work work;
    struct log_block_reading *next;
    struct log *log;
    struct log_block_read *read;
    struct block block;
    uint8_t *at;
    size_t count;
    uint64_t body_size;
    enum err err;
};

/* On a worker. */
static void reading_run(struct io_work *work, struct io *io)
{
    struct log_block_reading *reading = owner_of(work, struct log_block_reading, work);

    if (reading->log->memory)
        return;
    reading->err =
        block_read_piece(io, reading->log->store->dir, &reading->block, reading->read->offset,
                         reading->at, reading->read->size, &reading->count, &reading->body_size);
}

static void read_memory(struct log_block_reading *reading)
{
    const struct block *block = &reading->log->block_memory;
    const struct log_block_read *read = reading->read;
    struct bytes rest;

    reading->err = ERR_NOT_FOUND;
    if (block->index == 0 || block->index != read->index || read->offset > block->body.size)
        return;
    rest = bytes_skip(block->body, (size_t)read->offset);
    reading->block = *block;
    reading->body_size = block->body.size;
    reading->count = rest.size < read->size ? rest.size : read->size;
    if (reading->count > 0)
        memcpy(reading->at, rest.at, reading->count);
    reading->err = OK;
}

static void reading_free(struct log_block_reading *reading)
{
    struct log_block_reading **at = &reading->log->block_readings;

    while (*at != reading)
        at = &(*at)->next;
    *at = reading->next;
    heap_give(reading->at);
    heap_give(reading);
}

static void reading_done(struct io_work *work)
{
    struct log_block_reading *reading = owner_of(work, struct log_block_reading, work);
    struct log_block_read *read = reading->read;
    enum err err;

    if (reading->log->memory)
        read_memory(reading);
    err = reading->err;
    if (err == OK && memcmp(reading->block.incarnation, reading->log->incarnation, 16) != 0)
        err = ERR_CORRUPT;
    read->term = reading->block.term;
    read->hash = reading->block.hash;
    read->body_hash = reading->block.body_hash;
    read->body_size = reading->body_size;
    read->piece = bytes_of(reading->at, reading->count);
    read->done(read, err);
    reading_free(reading);
}

void log_block_read(struct log *log, struct log_block_read *read)
{
    struct log_block_reading *reading = HEAP_NEW(struct log_block_reading);

    assert(!log->closed);
    assert(read->size > 0);
    reading->work.run = reading_run;
    reading->work.done = reading_done;
    reading->log = log;
    reading->read = read;
    reading->block.log_id = log->id;
    reading->block.index = read->index;
    reading->at = heap_take(read->size);
    reading->next = log->block_readings;
    log->block_readings = reading;
    io_work(log->store->io, &reading->work);
}

void log_take_forget(struct log *log)
{
    while (log->block_readings != NULL)
        reading_free(log->block_readings);
    heap_give((void *)log->block_memory.body.at);
}
