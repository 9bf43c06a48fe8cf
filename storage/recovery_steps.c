/* recovery_steps: in which order a log is recovered, and what of it a step does. */
#include "base/heap.h"
#include "storage/pack.h"
#include "storage/recovery_priv.h"

void walk_begin(struct walk *walk, struct log *log, const struct log_recovery *recovery)
{
    const struct store *store = log->store;

    *walk = (struct walk){
        .log = log,
        .recovery = recovery,
        .settles_later = store->settling.on,
        .prepared = store->prepared == log->id,
        .index = 1,
    };
}

bool walk_waits(const struct walk *walk)
{
    return walk->phase == WALK_BLOCK || walk->phase == WALK_SETTLE;
}

enum err walk_wait(struct walk *walk)
{
    return walk->phase == WALK_BLOCK ? walk_read_block(walk) : walk_settle(walk);
}

/* What comes behind the files, or behind a block that is of no use. */
static void go_on_from_blocks(struct walk *walk)
{
    walk->phase = WALK_BLOCK;
    if (walk->block_next < walk->block_count)
        return;
    walk->phase = WALK_PARTS;
    walk->part_next = 0;
    parts_drop_empty(walk);
}

static enum err pass_block(struct walk *walk)
{
    enum err err = walk_pass_block(walk);

    if (err == OK)
        go_on_from_blocks(walk);
    return err;
}

enum err walk_waited(struct walk *walk, enum err err)
{
    if (walk->phase == WALK_BLOCK && err == ERR_CORRUPT)
        return pass_block(walk);
    if (err != OK)
        return err;
    if (walk->phase == WALK_SETTLE) {
        walk->log->durable = walk->index - 1;
        walk->log->appended = walk->log->durable;
    }
    walk->phase++;
    return OK;
}

static enum err find_blocks(struct walk *walk)
{
    enum err err = log_keep_find(walk->log);

    if (err == OK)
        err = walk_list_blocks(walk);
    if (err == OK)
        go_on_from_blocks(walk);
    return err;
}

static enum err take_state(struct walk *walk)
{
    enum err err = walk_take_block(walk);

    if (err == ERR_CORRUPT)
        return pass_block(walk);
    if (err == OK) {
        walk->block_next = walk->block_count;
        go_on_from_blocks(walk);
    }
    return err;
}

static enum err take_parts(struct walk *walk)
{
    enum err err = walk_parts(walk);

    if (err == OK) {
        parts_drop_twice(walk);
        parts_set_aside(walk);
        walk_take_files(walk);
        walk->phase = WALK_SETTLE;
    }
    return err;
}

enum err walk_next(struct walk *walk)
{
    enum err err;

    switch (walk->phase) {
    case WALK_LIST: err = parts_find(walk); break;
    case WALK_FILES: err = parts_open(walk); break;
    case WALK_BLOCKS: return find_blocks(walk);
    case WALK_STATE: return take_state(walk);
    case WALK_PARTS: return take_parts(walk);
    default: return walk_waited(walk, walk_wait(walk));
    }
    if (err == OK)
        walk->phase++;
    return err;
}

void walk_end(struct walk *walk, bool died)
{
    for (unsigned i = 0; i < walk->part_count; i++) {
        if (walk->parts[i].file != NULL && !died)
            io_close(walk->log->store->io, walk->parts[i].file);
        pack_forget(walk->parts[i].pack);
    }
    block_free(&walk->block);
    heap_give(walk->unproven);
    heap_give(walk->parts);
    heap_give(walk->spoilt);
    scan_end(&walk->scan);
}
