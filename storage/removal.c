#include "storage/removal.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"

struct removal {
    struct io_work work;
    struct removal *next; /* of the store's */
    struct store *store;
    uint64_t log_id;
    void (*done)(void *context, enum err err);
    void *context;
    enum err err;
};

struct unlinking {
    struct io *io;
    const char *path;
    enum err err;
};

static void unlink_entry(void *context, const char *name, bool directory)
{
    struct unlinking *unlinking = context;
    struct path path;

    if (directory || unlinking->err != OK)
        return;
    snprintf(path.text, sizeof path.text, "%s/%s", unlinking->path, name);
    unlinking->err = io_unlink(unlinking->io, path.text);
}

static enum err remove_directory(struct io *io, const char *path)
{
    struct unlinking unlinking = {.io = io, .path = path};
    enum err err = io_list(io, path, unlink_entry, &unlinking);

    if (err == OK)
        err = unlinking.err;
    return err == OK ? io_rmdir(io, path) : err;
}

/* Renamed first: a log is there whole or not at all. */
static void removal_run(struct io_work *work, struct io *io)
{
    struct removal *removal = owner_of(work, struct removal, work);
    struct path gone = path_log_gone(removal->store->dir, removal->log_id);

    removal->err = io_rename(io, path_log(removal->store->dir, removal->log_id).text, gone.text);
    if (removal->err == OK)
        removal->err = io_sync_dir(io, path_in(removal->store->dir, "logs").text);
    if (removal->err == OK)
        removal->err = remove_directory(io, gone.text);
}

static void removal_done(struct io_work *work)
{
    struct removal *removal = owner_of(work, struct removal, work), **at;

    for (at = &removal->store->removals; *at != removal; at = &(*at)->next)
        continue;
    *at = removal->next;
    if (removal->err == OK || removal->err == ERR_NOT_FOUND) /* as one held in memory is not */
        votes_forget(&removal->store->votes, removal->log_id);
    removal->done(removal->context, removal->err);
    heap_give(removal);
}

void removal_start(struct store *store, uint64_t log_id, void (*done)(void *context, enum err err),
                   void *context)
{
    struct removal *removal = HEAP_NEW(struct removal);

    removal->work.run = removal_run;
    removal->work.done = removal_done;
    removal->store = store;
    removal->log_id = log_id;
    removal->done = done;
    removal->context = context;
    removal->next = store->removals;
    store->removals = removal;
    io_work(store->io, &removal->work);
}

void removals_forget(struct store *store)
{
    struct removal *removal;

    while ((removal = store->removals) != NULL) {
        store->removals = removal->next;
        heap_give(removal);
    }
}

/* ---- after a crash -------------------------------------------------------------------------- */

struct gone {
    struct store *store;
    enum err err;
};

/* A removal that a crash cut short is completed. */
static void complete_removal(void *context, const char *name, bool directory)
{
    struct gone *gone = context;
    uint64_t log_id;

    if (directory && gone->err == OK && path_read_log_gone(name, &log_id))
        gone->err = remove_directory(gone->store->io, path_log_gone(gone->store->dir, log_id).text);
}

enum err removals_complete(struct store *store)
{
    struct path logs = path_in(store->dir, "logs");
    struct gone gone = {.store = store};
    enum err err = io_list(store->io, logs.text, complete_removal, &gone);

    return err != OK ? err : gone.err;
}
