/* The state block that a log is opened from: the newest one that can be read and used, and what is
 * said where there is none. */
#include "storage/recovery_priv.h"

uint32_t log_block_ordinal(const struct log_block *block, uint64_t file_id)
{
    uint32_t ordinal = 0;

    if (block->files->parts == NULL)
        return log_take_ordinal(block->files->log, file_id);
    for (unsigned i = 0; i < block->files->count; i++) {
        if (block->files->parts[i].id == file_id)
            return block->files->parts[i].empty ? LOG_FILE_NONE : ordinal;
        ordinal += !block->files->parts[i].empty; /* those go before they are counted */
    }
    return log_keep_ordinal(block->files->log, file_id);
}

static void see_block(struct walk *walk)
{
    const struct block *block = &walk->block;

    walk->files = (struct log_block_files){walk->log, walk->parts, walk->part_count};
    walk->view = (struct log_block){
        .index = block->index,
        .term = block->term,
        .hash = block->hash,
        .body = block->body,
        .local = block->local,
        .stored = block->stored,
        .files = &walk->files,
    };
}

static enum err hand_out_block(struct walk *walk)
{
    if (memcmp(walk->block.incarnation, walk->log->incarnation, 16) != 0)
        return ERR_CORRUPT;
    if (walk->recovery->block == NULL)
        return OK;
    if (walk->work == 0)
        return ERR_AGAIN;
    walk->view.work = walk->work;
    walk->work = 0;
    return walk->recovery->block(walk->recovery->context, &walk->view);
}

/* Without a block a log is whole from its first index on, or nobody can say what it led to. */
static enum err without_block(const struct walk *walk, unsigned blocks)
{
    struct store *store = walk->log->store;

    for (unsigned i = 0; i < walk->part_count; i++) {
        if (walk->parts[i].empty)
            continue;
        if (blocks == 0 || !walk->parts[i].header_known || walk->parts[i].header.base == 0)
            return OK;
        if (walk->recovery->blocks_lost != NULL &&
            walk->recovery->blocks_lost(walk->recovery->context))
            return OK;
        store_report(store,
                     "log %016llx: none of its state blocks can be read, and the files before "
                     "index %llu were removed: restore %s from a copy",
                     (unsigned long long)walk->log->id,
                     (unsigned long long)walk->parts[i].header.base + 1,
                     path_log(store->dir, walk->log->id).text);
        return ERR_CORRUPT;
    }
    return OK;
}

enum err walk_list_blocks(struct walk *walk)
{
    struct log *log = walk->log;
    enum err err = block_list(log->store->io, log->store->dir, log->id, walk->blocks,
                              WALK_BLOCKS_MAX, &walk->block_count);

    if (err == OK && walk->block_count == 0)
        err = without_block(walk, 0);
    return err;
}

enum err walk_read_block(struct walk *walk)
{
    const struct log *log = walk->log;

    return block_read(log->store->io, log->store->dir, log->id, walk->blocks[walk->block_next],
                      &walk->block);
}

enum err walk_take_block(struct walk *walk)
{
    struct log *log = walk->log;
    unsigned at = walk->block_next;
    enum err err;

    if (walk->view.index == 0)
        see_block(walk);
    err = hand_out_block(walk);
    if (err != ERR_AGAIN && block_failed(&walk->block))
        err = ERR_BUSY; /* its file is as good as it was: it can be read again */
    if (err == OK) {
        log->block_newest = walk->blocks[at];
        log->block_older = at + 1 < walk->block_count ? walk->blocks[at + 1] : 0;
        log->committed = walk->blocks[at];
    }
    return err;
}

enum err walk_pass_block(struct walk *walk)
{
    struct log *log = walk->log;

    block_free(&walk->block);
    walk->view = (struct log_block){0};
    store_report(log->store, "log %016llx: state block %llu is damaged and passed over",
                 (unsigned long long)log->id, (unsigned long long)walk->blocks[walk->block_next]);
    walk->block_next++;
    return walk->block_next < walk->block_count ? OK : without_block(walk, walk->block_count);
}
