#include "server/program/backup_alone.h"

#include "base/heap.h"
#include "raft/members.h"
#include "raft/replica.h"
#include "server/program/backup_file.h"
#include "storage/batch.h"
#include "storage/paths.h"

/* ---- what is there -------------------------------------------------------------------------- */

static struct alone_log *log_of(struct alone *alone, uint64_t id)
{
    for (size_t i = alone->count; i > 0; i--)
        if (alone->logs[i - 1].id == id)
            return &alone->logs[i - 1];
    alone->logs = heap_resize(alone->logs, (alone->count + 1) * sizeof *alone->logs);
    alone->logs[alone->count] = (struct alone_log){.id = id};
    return &alone->logs[alone->count++];
}

static void note_members(struct alone_log *log, uint64_t index, const struct raft_config *members)
{
    if (index < log->members_index)
        return;
    log->members_index = index;
    log->members = *members;
}

void alone_note_segment(struct alone *alone, const struct segment_header *header)
{
    struct alone_log *log = log_of(alone, header->log_id);

    memcpy(log->incarnation, header->incarnation, 16);
    if (header->file_id > log->segment)
        log->segment = header->file_id;
    if (header->base > log->index) {
        log->index = header->base;
        log->hash = header->base_hash;
    }
}

void alone_note_batch(struct alone *alone, uint64_t log_id, const struct segment_batch *batch)
{
    struct alone_log *log = log_of(alone, log_id);
    struct raft_config members;

    if (batch->view.term > log->term)
        log->term = batch->view.term;
    if (batch->view.index >= log->index) {
        log->index = batch->view.index;
        log->hash = batch->view.hash;
        log->time_ns = batch->view.time_ns;
    }
    if (members_of(batch->view.records, batch->view.record_count, &members))
        note_members(log, batch->view.index, &members);
}

void alone_note_block(struct alone *alone, const struct block *block)
{
    struct alone_log *log = log_of(alone, block->log_id);
    struct raft_config members;
    int64_t time_ns;

    if (block->term > log->term)
        log->term = block->term;
    if (block->index <= log->block)
        return;
    log->block = block->index;
    log->block_hash = block->hash;
    if (!replica_block_members(block->body, &time_ns, &members))
        return;
    note_members(log, block->index, &members);
    if (time_ns > log->time_ns)
        log->time_ns = time_ns;
}

void alone_free(struct alone *alone)
{
    heap_give(alone->logs);
    *alone = (struct alone){0};
}

/* ---- alone ---------------------------------------------------------------------------------- */

static const struct raft_member *self_in(const struct raft_config *members, const struct node *node)
{
    uint64_t incarnation;

    memcpy(&incarnation, node->store_id, sizeof incarnation);
    for (uint32_t i = 0; i < members->count; i++)
        if (members->at[i].incarnation == incarnation)
            return &members->at[i];
    return NULL;
}

/* A log of which it is none any more is nobody's to lead, and stays as it is. */
static const struct raft_member *one_of_several(const struct alone_log *log,
                                                const struct node *node)
{
    const struct raft_member *self = self_in(&log->members, node);

    return self != NULL && (log->members.count > 1 || self->learner) ? self : NULL;
}

bool alone_needed(const struct alone *alone, const struct node *node)
{
    for (size_t i = 0; i < alone->count; i++)
        if (one_of_several(&alone->logs[i], node) != NULL)
            return true;
    return false;
}

/* The batch of a log's next term that names its only member. */
static void write_batch(const struct alone_log *log, uint64_t base, const struct log_hash *hash,
                        const struct raft_member *self, uint64_t file_id, struct buf *batch)
{
    struct raft_config members = {.at = {*self}, .count = 1};
    struct batch_content content = {
        .term = log->term + 1,
        .index = base + 1,
        .previous = *hash,
        .time_ns = log->time_ns,
        .record_count = 1,
    };
    struct batch_envelope envelope = {
        .file_id = file_id, .position = SEGMENT_HEADER, .durable = base, .committed = base};
    size_t content_size;

    members.at[0].learner = false;
    memcpy(content.incarnation, log->incarnation, 16);
    (void)batch_begin(batch);
    (void)members_write(batch, &members);
    envelope.hash = batch_seal(batch, &content);
    content_size = batch->size - BATCH_ENVELOPE;
    (void)buf_reserve(batch, batch_size_max(content_size) - batch->size);
    batch_place(batch->at, (uint32_t)content_size, &envelope);
    batch->size = envelope.size;
}

static bool write_segment(const struct alone_log *log, const char *store_dir,
                          const struct raft_member *self, uint64_t file_id)
{
    bool skips = log->block > log->index; /* the log goes on behind its block */
    struct segment_header header = {
        .log_id = log->id,
        .file_id = file_id,
        .predecessor = log->segment,
        .last_index = log->index,
        .last_hash = log->hash,
        .base = skips ? log->block : log->index,
        .base_hash = skips ? log->block_hash : log->hash,
    };
    struct path path = path_segment("", log->id, file_id);
    struct buf batch;
    uint8_t *at;
    size_t size;
    bool good;

    memcpy(header.incarnation, log->incarnation, 16);
    buf_init(&batch, BATCH_GATHER_MAX);
    write_batch(log, header.base, &header.base_hash, self, file_id, &batch);
    size = SEGMENT_HEADER + (batch.size + BATCH_BLOCK - 1) / BATCH_BLOCK * BATCH_BLOCK;
    at = heap_take(size);
    segment_header_write(at, &header);
    memcpy(at + SEGMENT_HEADER, batch.at, batch.size);
    good = backup_file_write(store_dir, path.text + 1, bytes_of(at, size));
    heap_give(at);
    buf_deinit(&batch);
    return good;
}

bool alone_make(const struct alone *alone, const char *store_dir, struct node *node)
{
    uint64_t made = 0;

    node->boot++; /* ids of files are never used twice */
    for (size_t i = 0; i < alone->count; i++) {
        const struct raft_member *self = one_of_several(&alone->logs[i], node);

        if (self != NULL &&
            !write_segment(&alone->logs[i], store_dir, self, node->boot << 32 | ++made))
            return false;
    }
    return true;
}
