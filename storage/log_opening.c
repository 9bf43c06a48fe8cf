/*
 * log_opening: a log is opened in steps (storage/log.h). What the disk takes long for, a state
 * block and the syncs, a worker does, and what stands in the files is read by the loop, unless the
 * opening is to be waited for: then the same is done in the calls.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "storage/memory.h"
#include "storage/recovery_priv.h"

struct log_opening {
    struct store *store;
    uint64_t id;
    struct log *log; /* NULL: it has not begun, or somebody else has it */
    struct log_recovery recovery;
    const struct log_events *events;
    void *owner;
    struct log_pace pace;
    struct walk walk;

    struct io_work work;
    bool working, worked;
    enum err err; /* of the work */

    bool given_up;
    struct log_opening *next; /* in the store's list of those */
};

/* ---- what the disk takes long for ----------------------------------------------------------- */

static bool is_busy(const struct log_opening *opening)
{
    return opening->working || scan_reads(&opening->walk.scan);
}

static void destroy(struct log_opening *opening)
{
    walk_end(&opening->walk, false);
    if (opening->log != NULL)
        log_destroy(opening->log);
    heap_give(opening);
}

static void forget(struct log_opening *opening)
{
    struct log *log = opening->log;

    walk_end(&opening->walk, true);
    for (uint32_t i = 0; i < log->file_count; i++)
        log_file_forget(log->files[i]);
    for (uint32_t i = 0; i < log->keep_count; i++)
        log_file_forget(log->keeps[i]);
    log_forget(log);
    heap_give(opening);
}

static void let_go(struct log_opening *opening)
{
    struct log_opening **at = &opening->store->given_up;

    while (*at != opening)
        at = &(*at)->next;
    *at = opening->next;
    destroy(opening);
}

static void is_ready(void *context)
{
    struct log_opening *opening = context;

    if (opening->given_up)
        let_go(opening);
    else
        opening->pace.ready(opening->pace.context);
}

/* On a worker. */
static void work_run(struct io_work *work, struct io *io)
{
    struct log_opening *opening = owner_of(work, struct log_opening, work);

    (void)io;
    opening->err = walk_wait(&opening->walk);
}

static void work_done(struct io_work *work)
{
    struct log_opening *opening = owner_of(work, struct log_opening, work);

    opening->working = false;
    opening->worked = true;
    is_ready(opening);
}

static void begin_work(struct log_opening *opening)
{
    opening->working = true;
    opening->work = (struct io_work){.run = work_run, .done = work_done};
    io_work(opening->store->io, &opening->work);
}

/* ---- steps ---------------------------------------------------------------------------------- */

/* Is a worker, or the disk, busy with one of that log that was given up? It may write there. */
static bool is_left(const struct store *store, uint64_t id)
{
    const struct log_opening *opening = store->given_up;

    while (opening != NULL && opening->id != id)
        opening = opening->next;
    return opening != NULL;
}

static enum err begin(struct log_opening *opening)
{
    struct store *store = opening->store;
    struct walk *walk = &opening->walk;
    enum err err;

    if (table_find(&store->logs, bytes_of(&opening->id, sizeof opening->id)) != NULL ||
        is_left(store, opening->id))
        return ERR_BUSY;
    opening->log = memory_take(store, opening->id);
    if (opening->log != NULL) {
        memory_recover(opening->log, &opening->recovery);
        walk->phase = WALK_DONE;
        return OK;
    }
    opening->log = log_create(store, opening->id);
    err = store_doubts(store, opening->id) ? log_redo(store, opening->id) : OK;
    walk_begin(walk, opening->log, &opening->recovery);
    walk->scan.ready = opening->pace.ready != NULL ? is_ready : NULL;
    walk->scan.context = opening;
    return err;
}

/* OK: there is something else. */
static enum err go_on(struct log_opening *opening)
{
    enum err err = opening->err;

    if (opening->worked) {
        opening->worked = false;
        return walk_waited(&opening->walk, err);
    }
    if (opening->pace.ready == NULL || !walk_waits(&opening->walk))
        return walk_next(&opening->walk);
    begin_work(opening);
    return ERR_AGAIN;
}

static enum err step(struct log_opening *opening)
{
    enum err err = opening->log == NULL ? begin(opening) : OK;

    opening->walk.work = opening->pace.work;
    while (err == OK && opening->walk.phase != WALK_DONE)
        err = go_on(opening);
    return err;
}

static void opened(struct log_opening *opening, struct log **log)
{
    opening->log->events = *opening->events;
    opening->log->owner = opening->owner;
    table_add(&opening->store->logs, opening->log);
    *log = opening->log;
    opening->log = NULL;
}

struct log_opening *log_opening_begin(struct store *store, uint64_t log_id,
                                      const struct log_recovery *recovery,
                                      const struct log_events *events, void *owner,
                                      const struct log_pace *pace)
{
    struct log_opening *opening = HEAP_NEW(struct log_opening);

    opening->store = store;
    opening->id = log_id;
    opening->recovery = *recovery;
    opening->events = events;
    opening->owner = owner;
    opening->pace = *pace;
    return opening;
}

enum err log_opening_step(struct log_opening *opening, struct log **log)
{
    enum err err;

    assert(!is_busy(opening));
    err = step(opening);
    if (err == ERR_AGAIN)
        return err;
    opening->store->prepared = 0;
    if (err == OK)
        opened(opening, log);
    return err;
}

bool log_opening_waits(const struct log_opening *opening)
{
    return is_busy(opening);
}

void log_opening_end(struct log_opening *opening)
{
    if (!is_busy(opening)) {
        destroy(opening);
        return;
    }
    opening->given_up = true;
    opening->next = opening->store->given_up;
    opening->store->given_up = opening;
}

void log_openings_forget(struct store *store)
{
    while (store->given_up != NULL) {
        struct log_opening *opening = store->given_up;

        store->given_up = opening->next;
        forget(opening);
    }
}

enum err log_open(struct store *store, uint64_t log_id, const struct log_recovery *recovery,
                  const struct log_events *events, void *owner, struct log **log)
{
    const struct log_pace at_once = {.work = UINT64_MAX};
    struct log_opening *opening =
        log_opening_begin(store, log_id, recovery, events, owner, &at_once);
    enum err err = ERR_AGAIN;

    while (err == ERR_AGAIN)
        err = log_opening_step(opening, log);
    log_opening_end(opening);
    return err;
}
