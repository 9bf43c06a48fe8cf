/*
 * replica, with one member: what is durable on this disk is committed. Opening a term writes a record of
 * that term first; when it is applied, everything recovered is known to be synced and applied, and this node
 * leads.
 */
#include "raft/replica.h"

#include "base/heap.h"
#include "storage/record.h"

#define RETRY_NS INT64_C(200000000) /* until a term that the disk refused is tried again */

struct replica {
    struct store *store;
    struct log *log;
    const struct replica_events *events;
    void *owner;
    uint64_t term;
    uint64_t applied;
    int64_t time_ns; /* of the newest batch applied */
    bool leads;
    struct timer retry;
};

static void open_term(struct replica *replica)
{
    struct buf *out = log_gather(replica->log);
    uint8_t *body = record_begin(out, REPLICA_RECORD_TERM, 0, 0);

    assert(body != NULL); /* an empty record fits an empty batch */
    record_end(out, 0);
    (void)log_seal(replica->log, replica->term, replica->time_ns, 1);
}

static void retry(struct timer *timer)
{
    struct replica *replica = (struct replica *)((uint8_t *)timer - offsetof(struct replica, retry));
    struct io *io = store_io(replica->store);

    if (log_ready(replica->log))
        open_term(replica);
    else
        timers_arm(io_timers(io), timer, io_now(io) + RETRY_NS);
}

static void apply(struct replica *replica, const struct log_batch *batch)
{
    assert(batch->index > replica->applied);
    assert(batch->term <= replica->term);
    replica->applied = batch->index;
    if (batch->time_ns > replica->time_ns)
        replica->time_ns = batch->time_ns;
    replica->events->apply(replica->owner, batch);
}

/* ---- the log's events --------------------------------------------------------------------------------- */

static void on_durable(void *owner, const struct log_batch *batch)
{
    struct replica *replica = owner;

    apply(replica, batch);
    if (!replica->leads) {
        assert(batch->term == replica->term); /* nothing else is proposed before */
        replica->leads = true;
        replica->events->lead(replica->owner, replica->term);
    }
}

static void on_failed(void *owner, enum err err)
{
    struct replica *replica = owner;
    struct io *io = store_io(replica->store);

    log_gather_drop(replica->log); /* it was decided on top of what did not happen */
    if (replica->leads)
        replica->events->refused(replica->owner, err);
    else
        timers_arm(io_timers(io), &replica->retry, io_now(io) + RETRY_NS);
}

static const struct log_events log_events_of_replica = {.durable = on_durable, .failed = on_failed};

static void on_recovered(void *context, const struct log_batch *batch)
{
    struct replica *replica = context;

    if (batch->term > replica->term)
        replica->term = batch->term;
    apply(replica, batch);
}

static void on_lost(void *context, uint64_t first, uint64_t last, uint64_t bytes)
{
    struct replica *replica = context;

    replica->events->lost(replica->owner, first, last, bytes);
}

/* ---- life ------------------------------------------------------------------------------------------------ */

enum err replica_open(struct store *store, uint64_t log_id, const struct replica_events *events,
                      void *owner, struct replica **out)
{
    struct replica *replica = HEAP_NEW(struct replica);
    struct log_recovery recovery = {.batch = on_recovered, .lost = on_lost, .context = replica};
    enum err err;

    replica->store = store;
    replica->events = events;
    replica->owner = owner;
    replica->retry.fire = retry;
    err = log_open(store, log_id, &recovery, &log_events_of_replica, replica, &replica->log);
    if (err != OK) {
        heap_give(replica);
        return err;
    }
    assert(log_durable(replica->log) == log_appended(replica->log));
    replica->applied = log_durable(replica->log); /* a lost end was not applied, and is passed */
    replica->term = log_term_last(replica->log) + 1;
    timers_arm(io_timers(store_io(store)), &replica->retry, 0); /* the term opens in the next turn */
    *out = replica;
    return OK;
}

void replica_close(struct replica *replica)
{
    timers_cancel(io_timers(store_io(replica->store)), &replica->retry);
    log_close(replica->log);
    heap_give(replica);
}

/* ---- looking and proposing -------------------------------------------------------------------------------- */

bool replica_leads(const struct replica *replica)
{
    return replica->leads;
}

uint64_t replica_term(const struct replica *replica)
{
    return replica->term;
}

uint64_t replica_applied(const struct replica *replica)
{
    return replica->applied;
}

uint64_t replica_proposed(const struct replica *replica)
{
    return log_appended(replica->log);
}

struct log *replica_log(struct replica *replica)
{
    return replica->log;
}

struct buf *replica_gather(struct replica *replica)
{
    return log_gather(replica->log);
}

bool replica_ready(const struct replica *replica)
{
    return replica->leads && log_ready(replica->log);
}

uint64_t replica_propose(struct replica *replica, int64_t time_ns, uint32_t record_count)
{
    assert(replica_ready(replica));
    return log_seal(replica->log, replica->term, time_ns, record_count);
}
