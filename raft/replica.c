#include "raft/replica.h"

#include "base/heap.h"
#include "base/owner.h"
#include "storage/record.h"

#define TERM_RETRY_NS 1000000000 /* between attempts to open a term on a disk that refuses */

enum replica_state {
    REPLICA_RECOVERS, /* inside replica_open */
    REPLICA_ELECTED,  /* its term is not open yet: the opening batch is not durable */
    REPLICA_LEADS,
};

struct replica {
    struct io *io;
    struct log *log;
    struct replica_events events;
    void *owner;

    enum replica_state state;
    uint64_t term;
    uint64_t applied;
    int64_t time_last; /* of the newest applied batch */
    struct timer retry;
    bool in_event; /* the owner is being told something; it may close the replica */
    bool closed;
};

/* ---- the term ----------------------------------------------------------------------------------
 */

/* The batch that opens the term repeats the last time: log time is the machine's affair. */
static void open_term(struct replica *replica)
{
    struct buf *batch = log_gather(replica->log);
    uint8_t *body = record_begin(batch, REPLICA_RECORD_TERM, 0, 0);

    assert(body != NULL); /* the batch is empty */
    record_end(batch, 0);
    log_seal(replica->log, replica->term, replica->time_last, 1);
}

static void retry_fired(struct timer *timer)
{
    open_term(owner_of(timer, struct replica, retry));
}

/* ---- what the log tells ------------------------------------------------------------------------
 */

static void end_event(struct replica *replica)
{
    replica->in_event = false;
    if (replica->closed)
        heap_give(replica);
}

static void apply(struct replica *replica, const struct log_batch *batch)
{
    assert(batch->index == replica->applied + 1);
    assert(batch->term <= replica->term);
    replica->applied = batch->index;
    replica->time_last = batch->time_ns;
    replica->events.apply(replica->owner, batch);
}

static void log_durable_event(void *owner, const struct log_batch *batch)
{
    struct replica *replica = owner;

    replica->in_event = true;
    apply(replica, batch);
    if (!replica->closed && replica->state == REPLICA_ELECTED) {
        replica->state = REPLICA_LEADS;
        replica->events.lead(replica->owner, replica->term);
    }
    end_event(replica);
}

static void log_failed_event(void *owner, enum err err)
{
    struct replica *replica = owner;

    if (replica->state == REPLICA_ELECTED) {
        timers_arm(io_timers(replica->io), &replica->retry, io_now(replica->io) + TERM_RETRY_NS);
        return;
    }
    replica->in_event = true;
    replica->events.refused(replica->owner, err);
    end_event(replica);
}

static void recovered_batch(void *context, const struct log_batch *batch)
{
    struct replica *replica = context;

    if (batch->term > replica->term)
        replica->term = batch->term;
    apply(replica, batch);
}

static void recovered_lost(void *context, uint64_t first, uint64_t last, uint64_t bytes)
{
    struct replica *replica = context;

    assert(first == replica->applied + 1);
    replica->term += last - first + 1; /* each may have opened a term, which must not come again */
    replica->applied = last;
    replica->events.lost(replica->owner, first, last, bytes);
}

/* ---- life --------------------------------------------------------------------------------------
 */

enum err replica_open(struct store *store, uint64_t log_id, const struct replica_events *events,
                      void *owner, struct replica **replica)
{
    static const struct log_events log_events = {log_durable_event, log_failed_event};
    struct replica *opened = HEAP_NEW(struct replica);
    struct log_recovery recovery = {recovered_batch, recovered_lost, opened};
    enum err err;

    opened->io = store_io(store);
    opened->events = *events;
    opened->owner = owner;
    opened->retry.fire = retry_fired;
    err = log_open(store, log_id, &recovery, &log_events, opened, &opened->log);
    if (err != OK) {
        heap_give(opened);
        return err;
    }
    assert(opened->applied == log_durable(opened->log));

    /* The only member elects itself. It leads when the batch that says so is applied: by then all
     * that was recovered is committed in its own term. */
    opened->term++;
    opened->state = REPLICA_ELECTED;
    open_term(opened);
    *replica = opened;
    return OK;
}

void replica_close(struct replica *replica)
{
    assert(!replica->closed);
    timers_cancel(io_timers(replica->io), &replica->retry);
    log_close(replica->log);
    replica->closed = true;
    if (!replica->in_event)
        heap_give(replica);
}

void replica_forget(struct replica *replica)
{
    heap_give(replica);
}

bool replica_leads(const struct replica *replica)
{
    return replica->state == REPLICA_LEADS;
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

/* ---- proposing ---------------------------------------------------------------------------------
 */

struct buf *replica_gather(struct replica *replica)
{
    assert(replica_leads(replica)); /* else the term's own batch would carry the records */
    return log_gather(replica->log);
}

size_t replica_gathered(const struct replica *replica)
{
    return log_gathered(replica->log);
}

void replica_gather_drop(struct replica *replica)
{
    log_gather_drop(replica->log);
}

bool replica_ready(const struct replica *replica)
{
    return replica->state == REPLICA_LEADS && log_ready(replica->log);
}

uint64_t replica_propose(struct replica *replica, int64_t time_ns, uint32_t record_count)
{
    assert(replica_ready(replica));
    return log_seal(replica->log, replica->term, time_ns, record_count);
}
