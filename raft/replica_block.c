/*
 * replica_block: state blocks of a group (docs/raft.md, State blocks). A leader puts a seal into
 * the log when enough has come since the last one; whoever applies it has its machine take down its
 * state, so that the blocks of all replicas are of the same indexes and can be compared.
 */
#include <stdio.h>

#include "base/codec.h"
#include "base/heap.h"
#include "base/owner.h"
#include "raft/replica_priv.h"
#include "storage/record.h"

#define GROUP_MAX (8u + MEMBERS_BODY_MAX)
#define GROWTH    8u /* the log grows by so many times what the last block took before the next */
#define PART      8u /* and by that part of itself, but at least that part of block_bytes */

bool replica_blocks(const struct replica *replica)
{
    return replica->events.capture != NULL &&
           (replica->groups->options.transport == NULL || replica->events.fill != NULL);
}

/* ---- seals ----------------------------------------------------------------------------------- */

/* Small streams give their space back in small files, and large ones do not have too many. */
static void set_due(struct replica *replica)
{
    uint64_t most = replica->groups->options.block_bytes, least = most / PART;
    uint64_t due = log_bytes(replica->log) / PART, grown = replica->block.size * GROWTH;

    due = due < least ? least : due > most ? most : due;
    replica->block.due = due > grown ? due : grown;
}

void replica_seal_gather(struct replica *replica, struct buf *gather)
{
    uint8_t *body;

    if (!replica_blocks(replica) || replica->block.busy || replica->block.gathered ||
        replica->block.bytes < replica->block.due || log_gathered(replica->log) > 0)
        return;
    if (replica->block.sealed > replica_applied(replica))
        return; /* on its way: what it seals is counted when it is applied */
    body = record_begin(gather, REPLICA_RECORD_SEAL, 0, 0);
    assert(body != NULL); /* the batch is empty */
    record_end(gather, 0);
    replica->block.gathered = true;
}

/* A seal begins its batch: nothing else of the log has to be looked through for it. */
static bool begins_with_seal(const struct log_batch *batch)
{
    struct record record;

    return record_peek(batch->records, &record) == OK && record.type == REPLICA_RECORD_SEAL;
}

/* ---- taking down ----------------------------------------------------------------------------- */

static void write_group(const struct replica *replica, uint8_t out[GROUP_MAX], size_t *size)
{
    uint8_t *at = encode_u64(out, (uint64_t)replica->time_last);

    at = members_encode(at, &replica->config);
    *size = (size_t)(at - out);
}

static void begin(struct replica *replica, const struct log_batch *batch)
{
    uint8_t head[BLOCK_SECTION_HEAD + GROUP_MAX];
    size_t size;

    replica->block.busy = true;
    replica->block.op.index = batch->index;
    replica->block.op.term = batch->term;
    replica->block.op.hash = batch->hash;
    replica->block.op.behind = log_batch_behind(batch);
    log_roll(replica->log); /* so that what is below can go one day */
    write_group(replica, head + BLOCK_SECTION_HEAD, &size);
    replica_section(head, REPLICA_SECTION_GROUP, size);
    replica->events.capture(replica->owner, bytes_of(head, BLOCK_SECTION_HEAD + size));
}

/* A seal that a start finds above the newest block has none: the process ended before. What stands
 * above the block counts, or every start would read all of it up to the next seal but one. */
static bool is_recovered(const struct replica *replica)
{
    return replica->core == NULL;
}

void replica_block_count(struct replica *replica, const struct log_batch *batch)
{
    struct raft_config config;

    if (members_of(batch->records, batch->record_count, &config)) {
        members_adopt(&config, groups_self(replica->groups));
        replica->config = config;
    }
    replica->block.bytes += batch->content.size;
    if (begins_with_seal(batch) && !is_recovered(replica))
        replica->block.bytes = 0;
}

void replica_block_applied(struct replica *replica, const struct log_batch *batch)
{
    if (!replica_blocks(replica) || replica->block.busy || replica->config.count == 0 ||
        replica->catch.phase != CATCH_NOT || !begins_with_seal(batch))
        return;
    begin(replica, batch);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Others who are a little behind still get entries: for them the floor is a block lower. */
static void move_floor(struct replica *replica)
{
    const struct log_block_op *op = &replica->block.op;
    uint64_t index = replica->block.newest, term = replica->block.newest_term;

    replica->block.newest = op->index;
    replica->block.newest_term = op->term;
    replica->block.written_ns = io_wall(replica->io);
    if (replica->groups->options.transport == NULL) {
        index = op->index;
        term = op->term;
    }
    if (index == 0)
        return;
    log_floor_set(replica->log, index);
    raft_core_floor(replica->core, index, term);
}

void replica_block_floor(struct replica *replica)
{
    assert(replica->block.newest > 0);
    log_floor_set(replica->log, replica->block.newest);
    raft_core_floor(replica->core, replica->block.newest, replica->block.newest_term);
}

static void written(struct log_block_op *op, enum err err)
{
    struct replica *replica = owner_of(op, struct replica, block.op);
    bool failed = *op->failed[0] || *op->failed[1];

    replica->block.busy = false;
    if (err == OK)
        replica->block.size = op->stored;
    spool_destroy(replica->block.body);
    spool_destroy(replica->block.local);
    replica->block.body = replica->block.local = NULL;
    op->failed[0] = op->failed[1] = NULL;
    if (!replica->closed) {
        if (!failed)
            replica_audit_say(replica, op->digested);
        if (err == OK)
            move_floor(replica);
        set_due(replica);
        replica->events.blocked(replica->owner, err);
    }
    if (!replica->closed)
        replica_catch_ready(replica);
    replica_let_go(replica);
}

void replica_block_spooled(struct replica *replica, struct spool *body, struct spool *local,
                           uint32_t features)
{
    struct log_block_op *op = &replica->block.op;

    assert(replica->block.busy);
    assert(op->index > log_block_newest(replica->log));
    assert(replica->block.body == NULL);
    replica->block.body = body;
    replica->block.local = local;
    op->body = spool_bytes(body);
    op->local = spool_bytes(local);
    op->failed[0] = spool_failed(body);
    op->failed[1] = spool_failed(local);
    op->features = features;
    op->done = written;
    op->digest = replica_audit_body;
    replica_hold(replica);
    log_block_write(replica->log, op);
}

void replica_block(struct replica *replica, struct buf *body, struct buf *local)
{
    replica_block_spooled(replica, spool_of(body), spool_of(local), 0);
}

void replica_block_begin(struct replica *replica)
{
    set_due(replica);
}

uint64_t replica_block_size(const struct replica *replica)
{
    return replica->block.size;
}

struct replica_behind replica_behind_block(const struct replica *replica)
{
    uint64_t newest = replica->block.newest;

    return (struct replica_behind){
        .entries = replica->applied > newest ? replica->applied - newest : 0,
        .bytes = replica->block.bytes,
        .written_ns = replica->block.written_ns,
    };
}

#define DOUBT_NS INT64_C(10000000000) /* who doubts may be wrong: a block has its price */

void replica_block_doubted(struct replica *replica, uint64_t index)
{
    int64_t now = io_now(replica->io);
    char text[160];

    if (!replica->leads || index != replica->block.newest ||
        REPLICA_FLAWED(replica, BLOCK_TRUSTED) ||
        (replica->block.doubted_ns != 0 && now - replica->block.doubted_ns < DOUBT_NS))
        return;
    replica->block.doubted_ns = now;
    snprintf(text, sizeof text,
             "group %016llx: its state block %llu cannot be read: a new one is made",
             (unsigned long long)replica->id, (unsigned long long)index);
    if (replica->groups->options.report != NULL)
        replica->groups->options.report(replica->groups->options.report_context, text);
    replica_block_soon(replica);
}

void replica_block_soon(struct replica *replica)
{
    if (!replica->leads || replica->closed || !replica_blocks(replica))
        return;
    replica->block.bytes = replica->block.due;
    replica_seal_now(replica); /* else with the next batch */
}

void replica_block_drop(struct replica *replica)
{
    assert(replica->block.busy);
    replica->block.busy = false;
}

/* ---- sections -------------------------------------------------------------------------------- */

enum { COMPARED, NOT_COMPARED };

static void section(uint8_t head[BLOCK_SECTION_HEAD], uint32_t type, uint32_t compared,
                    uint64_t size)
{
    uint8_t *at = encode_u32(head, type);

    at = encode_u32(at, compared);
    (void)encode_u64(at, size);
}

void replica_section(uint8_t head[BLOCK_SECTION_HEAD], uint32_t type, uint64_t size)
{
    section(head, type, COMPARED, size);
}

void replica_section_own(uint8_t head[BLOCK_SECTION_HEAD], uint32_t type, uint64_t size)
{
    section(head, type, NOT_COMPARED, size);
}

bool replica_section_compared(struct bytes body)
{
    struct decoder in;

    decoder_init(&in, body);
    (void)decode_u32(&in);
    return decode_u32(&in) == COMPARED && !in.failed;
}

bool replica_section_take(struct bytes *body, uint32_t *type, struct bytes *section)
{
    struct decoder in;
    uint64_t size;

    decoder_init(&in, *body);
    *type = decode_u32(&in);
    (void)decode_u32(&in);
    size = decode_u64(&in);
    *section = decode_bytes(&in, size);
    if (in.failed)
        return false;
    *body = in.rest;
    return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool read_group(struct bytes group, int64_t *time_last, struct raft_config *config)
{
    struct decoder in;

    decoder_init(&in, group);
    *time_last = (int64_t)decode_u64(&in);
    return !in.failed && members_read(in.rest, config) == OK;
}

/* Its first section is the replica's own, the rest the machine's. */
static bool take_group(struct bytes *body, int64_t *time_last, struct raft_config *config)
{
    struct bytes group;
    uint32_t type;

    return replica_section_take(body, &type, &group) && type == REPLICA_SECTION_GROUP &&
           read_group(group, time_last, config);
}

bool replica_block_members(struct bytes body, int64_t *time_ns, struct raft_config *config)
{
    return take_group(&body, time_ns, config);
}

bool replica_block_machine(struct bytes *body)
{
    struct raft_config config;
    int64_t time_last;

    return take_group(body, &time_last, &config);
}

enum err replica_block_restore(struct replica *replica, const struct log_block *block)
{
    struct replica_block handed = {
        .index = block->index,
        .body = block->body,
        .local = block->local,
        .block = block,
        .work = block->work,
    };
    struct raft_config config;
    int64_t time_last;
    enum err err;

    if (replica->events.restore == NULL || !take_group(&handed.body, &time_last, &config))
        return ERR_CORRUPT;
    err = replica->events.restore(replica->owner, &handed);
    if (err != OK)
        return err;
    members_adopt(&config, groups_self(replica->groups));
    replica->config = config;
    replica->time_last = time_last;
    replica->applied = block->index;
    replica->block.size = block->stored;
    replica->block.newest = block->index;
    replica->block.newest_term = block->term;
    return OK;
}
