/*
 * settle: what recovery read is made to stay. A log that was recovered syncs its last files and its
 * directory before anything is answered from it (recovery.c). At a start many logs have that to do,
 * and one after the other they would wait for the disk some hundreds of times: there it is put off
 * until all of them are read, and done at once.
 */
#include "base/heap.h"
#include "storage/store.h"

struct settling_item {
    uint64_t log_id;
    struct io_file *file; /* the log's; NULL: its directory */
};

static void add(struct settling *settling, uint64_t log_id, struct io_file *file)
{
    if (settling->count == settling->capacity) {
        settling->capacity = settling->capacity > 0 ? 2 * settling->capacity : 16;
        settling->items =
            heap_resize(settling->items, settling->capacity * sizeof settling->items[0]);
    }
    settling->items[settling->count++] = (struct settling_item){log_id, file};
}

static void forget(struct settling *settling)
{
    heap_give(settling->items);
    *settling = (struct settling){};
}

void settle_forget(struct store *store)
{
    forget(&store->settling);
}

/* What is put off; each item has its own result. */
static struct io_syncing *sync_all(struct store *store, const struct settling *settling)
{
    struct path *paths = heap_take(settling->count * sizeof *paths);
    struct io_syncing *items = heap_take(settling->count * sizeof *items);

    for (size_t i = 0; i < settling->count; i++) {
        const struct settling_item *item = &settling->items[i];

        items[i].file = item->file;
        if (item->file == NULL) {
            paths[i] = path_log(store->dir, item->log_id);
            items[i].path = paths[i].text;
        }
    }
    io_sync_all(store->io, items, settling->count);
    heap_give(paths);
    return items;
}

enum err settle_log(struct log *log, uint32_t first, bool later)
{
    struct store *store = log->store;
    struct settling now = {}, *settling = later ? &store->settling : &now;
    struct io_syncing *items;
    enum err err;

    for (uint32_t i = first; i < log->file_count; i++)
        add(settling, log->id, log->files[i]->file);
    add(settling, log->id, NULL);
    if (later)
        return OK;
    items = sync_all(store, settling);
    err = io_syncing_result(items, settling->count);
    heap_give(items);
    forget(settling);
    return err;
}

void store_settle_later(struct store *store)
{
    assert(!store->settling.on);
    store->settling.on = true;
}

void store_settle(struct store *store, void (*failed)(void *context, uint64_t log_id, enum err err),
                  void *context)
{
    struct settling settling = store->settling;
    struct io_syncing *items;
    uint64_t last = 0;

    assert(settling.on);
    items = sync_all(store, &settling);
    store->settling = (struct settling){};
    for (size_t i = 0; i < settling.count; i++) { /* those of one log stand together */
        uint64_t log_id = settling.items[i].log_id;

        if (items[i].err == OK || log_id == last)
            continue;
        last = log_id;
        failed(context, log_id, items[i].err);
    }
    heap_give(items);
    forget(&settling);
}
