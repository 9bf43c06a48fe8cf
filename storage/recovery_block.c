/* The state block that a log is opened from: the newest one that can be read and used, and what is
 * said where there is none. */
#include "storage/recovery_priv.h"

#define BLOCKS_MAX 8u /* that are looked at */

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

static enum err hand_out_block(struct walk *walk)
{
    const struct block *block = &walk->block;
    struct log_block_files files = {walk->log, walk->parts, walk->part_count};
    struct log_block view = {
        .index = block->index,
        .term = block->term,
        .hash = block->hash,
        .body = block->body,
        .local = block->local,
        .stored = block->stored,
        .files = &files,
    };

    if (memcmp(block->incarnation, walk->log->incarnation, 16) != 0)
        return ERR_CORRUPT;
    if (walk->recovery->block == NULL)
        return OK;
    return walk->recovery->block(walk->recovery->context, &view);
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

enum err walk_find_block(struct walk *walk)
{
    struct log *log = walk->log;
    struct store *store = log->store;
    uint64_t indexes[BLOCKS_MAX];
    unsigned count;
    enum err err = block_list(store->io, store->dir, log->id, indexes, BLOCKS_MAX, &count);

    for (unsigned i = 0; err == OK && i < count; i++) {
        err = block_read(store->io, store->dir, log->id, indexes[i], &walk->block);
        if (err == OK) {
            err = hand_out_block(walk);
            if (err == OK) {
                log->block_newest = indexes[i];
                log->block_older = i + 1 < count ? indexes[i + 1] : 0;
                log->committed = indexes[i];
                return OK;
            }
            block_free(&walk->block);
        }
        if (err != ERR_CORRUPT)
            return err;
        store_report(store, "log %016llx: state block %llu is damaged and passed over",
                     (unsigned long long)log->id, (unsigned long long)indexes[i]);
        err = OK;
    }
    return err == OK ? without_block(walk, count) : err;
}
