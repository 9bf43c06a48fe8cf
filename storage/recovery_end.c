/*
 * recovery_end: a log that was walked becomes one that can go on. The end of it is written and
 * synced anew, because what was read may have come from memory and not from the disk.
 */
#include "base/heap.h"
#include "storage/flaws.h"
#include "storage/pack.h"
#include "storage/recovery_priv.h"

void walk_take_files(struct walk *walk)
{
    struct log *log = walk->log;
    struct log_file *file = NULL;

    for (unsigned i = 0; i < walk->part_count; i++) {
        struct part *part = &walk->parts[i];

        if (part->pack == NULL)
            io_read_ahead(log->store->io, part->file, true);
        file = log_file_create(log, part->file, NULL, part->id);
        part->file = NULL;
        file->pack = part->pack;
        part->pack = NULL;
        file->raw = part->size;
        file->allocated = file->pack != NULL ? file->pack->size : part->size;
        file->base = part->header.base;
        file->first = part->first;
        file->last = part->last;
        file->end = part->size;
        file->placed = part->size;
        if (part->end > 0 && file->pack == NULL && i + 1 < walk->part_count)
            file->end = part->end; /* what stands behind it is void */
        file->cut = part->cut && file->pack == NULL;
        log->remains = log->remains || file->cut || file->placed > file->end;
        log_add_file(log, file);
    }
    if (walk->ends_clean && file->pack == NULL && walk->parts[walk->part_count - 1].header_sound) {
        file->end = walk->position;
        file->placed = walk->position;
        log->active = file;
    }
}

static enum err rewrite(struct walk *walk, struct log_file *file, uint64_t offset, size_t size)
{
    uint8_t *bytes;
    enum err err;

    if (size == 0 || store_flaw(walk->log->store, FLAW_SKIP_RECOVERY_WRITE) || file->pack != NULL)
        return OK; /* a packed one was durable before it had its name */
    bytes = heap_take(size);
    err = io_read_all(walk->log->store->io, file->file, offset, bytes, size);
    if (err == OK)
        err = io_write_all(walk->log->store->io, file->file, offset, bytes_of(bytes, size));
    heap_give(bytes);
    return err;
}

/*
 * Only the last batches, of which no mark says that they were durable, can be in memory and not on
 * the disk: what only the journal witnessed has been written and synced from there. They are
 * written again because an earlier life's failed sync may have left them in
 * memory marked as clean. The same goes for the header of a file without batches.
 */
enum err walk_settle(struct walk *walk)
{
    struct log *log = walk->log;
    struct store *store = log->store;
    struct log_file *newest = log->files[log->file_count - 1];
    enum err err = OK;

    block_let_go(&walk->block); /* its memory may be much */
    if (store_flaw(store, FLAW_SKIP_RECOVERY_SYNC))
        return OK;
    if (walk->prepared && log->file_count == 1)
        return OK; /* this process has synced it, and written nothing since */
    if (store_flaw(store, FLAW_REWRITE_LAST_ONLY))
        walk->unproven_first = walk->unproven_count - 1;
    if (walk->last_size > 0) {
        uint64_t first = walk->unproven[walk->unproven_first].position;

        err = rewrite(walk, log->files[walk->last_part], first,
                      walk->last_position + walk->last_size - first);
    }
    if (err == OK && (walk->last_size == 0 || walk->last_part != log->file_count - 1) &&
        log->active != NULL)
        err = rewrite(walk, newest, 0, SEGMENT_HEADER);
    return err == OK ? settle_log(log, walk->last_part, walk->settles_later) : err;
}
