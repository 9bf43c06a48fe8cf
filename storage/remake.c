/* The names of a store that somebody has removed while it is open are made anew. */
#include "base/heap.h"
#include "base/owner.h"
#include "storage/store.h"

/* ---- on a worker ---------------------------------------------------------------------------- */

static void ignore(void *context, const char *name, bool directory)
{
    (void)context;
    (void)name;
    (void)directory;
}

static enum err is_there(struct store *store, const char *name)
{
    return io_list(store->io, path_in(store->dir, name).text, ignore, NULL);
}

/* ERR_NOT_FOUND: something is missing. */
static enum err find_names(struct store *store)
{
    struct node node;
    enum err err = node_load(store->io, store->dir, &node);

    if (err == OK && memcmp(node.store_id, store->node.store_id, sizeof node.store_id) != 0)
        return ERR_BUSY;
    if (err == OK)
        err = is_there(store, "logs");
    return err == OK ? is_there(store, "journal") : err;
}

/* The lock is that of a file, which may have gone, too. */
static enum err lock_again(struct store *store)
{
    struct path path = path_in(store->dir, "lock");

    return io_locked(store->io, path.text) ? OK : io_lock(store->io, path.text);
}

static enum err make_logs(struct store_look *look)
{
    struct store *store = look->store;
    enum err err = OK;

    for (size_t i = 0; err == OK && i < look->log_count; i++)
        err = io_mkdir(store->io, path_log(store->dir, look->logs[i]).text);
    return err == OK ? io_sync_dir(store->io, path_in(store->dir, "logs").text) : err;
}

/* A lane's home was looked at before. */
static enum err make_lanes(struct store *store)
{
    const struct store *home = store->options.home;
    enum err err = OK;

    if (home != NULL)
        err = io_mkdir(store->io, path_in(home->dir, "lanes").text);
    return err == OK && home != NULL ? io_sync_dir(store->io, home->dir) : err;
}

static enum err make_names(struct store_look *look)
{
    struct store *store = look->store;
    enum err err = io_root_again(store->io);

    if (err == OK)
        err = make_lanes(store);
    if (err == OK)
        err = io_mkdir(store->io, store->dir);
    if (err == OK)
        err = lock_again(store);
    if (err == OK && find_names(store) == ERR_BUSY)
        err = ERR_BUSY;
    if (err == OK)
        err = store_make_directories(store);
    if (err == OK)
        err = node_save(store->io, store->dir, &store->node);
    return err == OK ? make_logs(look) : err;
}

static void run(struct io_work *work, struct io *io)
{
    struct store_look *look = owner_of(work, struct store_look, work);

    (void)io;
    look->err = find_names(look->store);
    look->gone = look->err == ERR_NOT_FOUND;
    if (look->gone && !look->only)
        look->err = make_names(look);
}

/* ---- afterwards ----------------------------------------------------------------------------- */

static void renew_logs(struct store *store)
{
    struct log *log;

    for (size_t at = 0; (log = table_next(&store->logs, &at)) != NULL;) {
        if (log->memory || log->closed)
            continue;
        log->renew = true;
        if (log->phase == LOG_IDLE)
            log_renew(log);
    }
}

static void done(struct io_work *work)
{
    struct store_look *look = owner_of(work, struct store_look, work);
    struct store *store = look->store;

    heap_give(look->logs);
    look->logs = NULL;
    if (look->gone && look->err == OK) {
        store->remakes++;
        journal_renew(store->journal);
        renew_logs(store);
    }
    look->done(look);
}

void store_look(struct store *store, struct store_look *look)
{
    struct log *log;

    look->store = store;
    look->work = (struct io_work){.run = run, .done = done};
    look->logs = heap_take((store->logs.count + 1) * sizeof *look->logs);
    look->log_count = 0;
    for (size_t at = 0; (log = table_next(&store->logs, &at)) != NULL;) {
        if (!log->memory && !log->closed)
            look->logs[look->log_count++] = log->id;
    }
    store_work(store, &look->work);
}

void store_look_forget(struct store_look *look)
{
    heap_give(look->logs);
    look->logs = NULL;
}
