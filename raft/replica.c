#include "raft/replica_priv.h"

#include "base/heap.h"
#include "base/owner.h"
#include "storage/record.h"

#define FORGIVE_NS      INT64_C(5000000000)
#define FORGIVE_LOOK_NS INT64_C(1000000000)
#define STUCK_NS        2000000000 /* longer than that a leader's disk must not take for a batch */
#define GIVE_WAY_NS     INT64_C(10000000000)

void replica_hold(struct replica *replica)
{
    replica->busy++;
}

static void destroy(struct replica *replica)
{
    if (replica->core != NULL)
        raft_core_free(replica->core);
    cache_deinit(&replica->cache);
    buf_deinit(&replica->scratch);
    spool_destroy(replica->block.body);
    spool_destroy(replica->block.local);
    replica_catch_deinit(replica);
    replica_heal_deinit(replica);
    heap_give(replica);
}

void replica_let_go(struct replica *replica)
{
    replica->busy--;
    if (replica->closed && replica->busy == 0)
        destroy(replica);
}

/* ---- applying ------------------------------------------------------------------------------- */

static void apply(struct replica *replica, const struct log_batch *batch)
{
    assert(batch->index == replica->applied + 1);
    replica->applied = batch->index;
    replica->time_last = batch->time_ns;
    replica_block_count(replica, batch);
    replica->events.apply(replica->owner, batch);
    if (!replica->closed)
        replica_block_applied(replica, batch);
}

static bool next_batch(struct replica *replica, struct log_batch *batch)
{
    const struct cached *cached = cache_find(&replica->cache, replica->applied + 1);

    if (replica->fresh != NULL && replica->fresh->index == replica->applied + 1) {
        *batch = *replica->fresh;
        return true;
    }
    if (cached == NULL || !cached->durable)
        return false;
    *batch = cached_batch(cached);
    return true;
}

static void begin_to_lead(struct replica *replica)
{
    replica->lead_index = 0;
    replica->leads = true;
    replica->events.lead(replica->owner, raft_core_term(replica->core));
}

void replica_apply_ready(struct replica *replica)
{
    uint64_t limit = raft_core_committed(replica->core);
    struct log_batch batch;

    if (log_durable(replica->log) < limit || REPLICA_FLAWED(replica, APPLY_UNCOMMITTED))
        limit = log_durable(replica->log);
    while (!replica->closed && replica->applied < limit) {
        bool known = next_batch(replica, &batch) || replica_heal_next(replica, &batch);

        /* What is not applied is never dropped from the cache, but what is applied again is. */
        assert(known || replica_differs(replica));
        if (!known)
            break;
        apply(replica, &batch);
    }
    if (replica->closed)
        return;
    replica_heal_applied(replica);
    cache_trim(&replica->cache, replica->applied);
    if (replica->lead_index != 0 && replica->applied >= replica->lead_index)
        begin_to_lead(replica);
}

static void tell_reads(struct replica *replica)
{
    struct replica_read **at = &replica->reads;

    while (!replica->closed && *at != NULL) {
        struct replica_read *read = *at;

        if (read->index == 0 || read->index > replica->applied) {
            at = &read->next;
            continue;
        }
        *at = read->next;
        read->done(read, true);
        at = &replica->reads; /* the list may be another one now */
    }
}

static void drop_reads(struct replica *replica)
{
    while (!replica->closed && replica->reads != NULL) {
        struct replica_read *read = replica->reads;

        replica->reads = read->next;
        read->done(read, REPLICA_FLAWED(replica, READ_LOST_OK));
    }
}

static void read_confirmed(struct replica *replica, uint64_t number, uint64_t index)
{
    for (struct replica_read *read = replica->reads; read != NULL; read = read->next) {
        if (read->index == 0 && read->number <= number)
            read->index = index > 0 ? index : 1;
    }
}

/* ---- orders --------------------------------------------------------------------------------- */

void replica_look_at_members(struct replica *replica)
{
    const struct raft_config *config = raft_core_config(replica->core);

    replica->alone = config->count == 1 &&
                     members_equal(config->at[0], groups_self(replica->groups)) &&
                     !raft_core_damaged(replica->core);
}

/* What was sealed or taken goes into the cache as long as anybody else may need it or decide on it.
 */
static void remember(struct replica *replica, uint64_t index)
{
    if (!replica->alone)
        cache_add(&replica->cache, index, log_content_of(replica->log, index));
}

/* The core is told of an entry that this node has just sealed. */
static void sealed(struct replica *replica, uint64_t index, const struct raft_config *config)
{
    struct raft_entry entry = {
        .index = index, .term = raft_core_term(replica->core), .config = config};

    raft_core_proposed(replica->core, io_now(replica->io), &entry);
    replica_look_at_members(replica);
    remember(replica, index);
}

/* The batch that opens the term repeats the last time: log time is the machine's affair. */
static void open_term(struct replica *replica)
{
    struct buf *batch;
    uint8_t *body;

    if (!replica->elected || !log_ready(replica->log))
        return;
    replica->elected = false;
    batch = log_gather(replica->log);
    body = record_begin(batch, REPLICA_RECORD_TERM, 0, 0);
    assert(body != NULL); /* the batch is empty */
    record_end(batch, 0);
    sealed(replica, log_seal(replica->log, raft_core_term(replica->core), replica->time_last, 1),
           NULL);
}

static void take_entries(struct replica *replica, uint64_t first, uint64_t last)
{
    const struct wire_message *in = replica->stepping;
    enum err err;

    assert(in != NULL);
    for (uint32_t i = 0; i < in->message.entry_count; i++) {
        uint64_t index = in->message.entries[i].index;

        if (index < first || index > last)
            continue;
        err = log_append(replica->log, in->contents[i]);
        if (err != OK) {
            raft_core_refused(replica->core, io_now(replica->io), index);
            return;
        }
        replica_look_at_members(replica);
        remember(replica, index);
        if (REPLICA_FLAWED(replica, ACK_UNDURABLE))
            raft_core_durable(replica->core, io_now(replica->io), index);
    }
}

static void cut(struct replica *replica, uint64_t index)
{
    assert(index >= replica->applied);
    log_cut(replica->log, index);
    if (!REPLICA_FLAWED(replica, CACHE_KEEPS_CUT))
        cache_cut(&replica->cache, index);
    replica_look_at_members(replica);
}

static void stop_leading(struct replica *replica)
{
    replica->elected = false;
    replica->lead_index = 0;
    replica_offers_drop(replica);
    replica_unread_drop(replica);
    drop_reads(replica);
    if (!replica->leads || replica->closed)
        return;
    replica->leads = false;
    replica_gather_drop(replica);
    if (replica->events.follow != NULL && !REPLICA_FLAWED(replica, FOLLOW_UNTOLD))
        replica->events.follow(replica->owner);
}

static void changed(struct replica *replica)
{
    if (!replica->closed && replica->events.changed != NULL)
        replica->events.changed(replica->owner);
}

static void commit(struct replica *replica, uint64_t index)
{
    if (REPLICA_FLAWED(replica, COMMIT_MARK_EARLY))
        index = log_appended(replica->log);
    log_set_committed(replica->log, index);
    replica_apply_ready(replica);
    tell_reads(replica);
}

/* ---- carrying out --------------------------------------------------------------------------- */

static void carry_out(struct replica *replica, const struct raft_order *order)
{
    switch (order->type) {
    case RAFT_ORDER_SEND: replica_send(replica, &order->message); break;
    case RAFT_ORDER_VOTE: replica_vote(replica, order); break;
    case RAFT_ORDER_CUT: cut(replica, order->index); break;
    case RAFT_ORDER_APPEND: take_entries(replica, order->index, order->number); break;
    case RAFT_ORDER_COMMIT: commit(replica, order->index); break;
    case RAFT_ORDER_ELECTED:
        replica->elected = true;
        open_term(replica);
        break;
    case RAFT_ORDER_LEAD:
        if (replica_differs(replica)) {
            replica_heal_elected(replica);
            break;
        }
        replica->lead_index = order->index;
        if (REPLICA_FLAWED(replica, LEAD_UNAPPLIED))
            begin_to_lead(replica);
        replica_apply_ready(replica);
        break;
    case RAFT_ORDER_FOLLOW:
        stop_leading(replica);
        changed(replica);
        break;
    case RAFT_ORDER_READ:
        read_confirmed(replica, order->number, order->index);
        tell_reads(replica);
        break;
    case RAFT_ORDER_READ_LOST: drop_reads(replica); break;
    case RAFT_ORDER_REMOVED:
        if (replica->events.removed != NULL)
            replica->events.removed(replica->owner);
        break;
    case RAFT_ORDER_SLEEP:
        cache_drop(&replica->cache, replica->applied); /* all have all of it */
        replica->asleep_ns = io_now(replica->io);
        break;
    case RAFT_ORDER_SNAPSHOT: replica_offer(replica, order->member); break;
    }
}

static void arm(struct replica *replica)
{
    int64_t deadline = raft_core_deadline(replica->core);

    if (deadline == INT64_MAX)
        timers_cancel(io_timers(replica->io), &replica->timer);
    else if (!timer_armed(&replica->timer) || replica->timer.deadline_ns != deadline)
        timers_arm(io_timers(replica->io), &replica->timer, deadline);
}

void replica_drain(struct replica *replica)
{
    struct raft_order order;

    if (replica->draining)
        return; /* whoever does it finds the new orders, too */
    replica->draining = true;
    replica_hold(replica);
    while (!replica->closed && raft_core_next(replica->core, &order))
        carry_out(replica, &order);
    replica->draining = false;
    if (!replica->closed)
        arm(replica);
    replica_let_go(replica);
}

/* A leader whose disk hangs gives way: it hears everybody and would lead for ever. Looked at with
 * each heartbeat, and when something becomes durable. */
static void look_at_disk(struct replica *replica)
{
    int64_t now = io_now(replica->io);
    uint64_t durable = log_durable(replica->log);
    bool waits = log_appended(replica->log) > durable;

    if (!waits || replica->stuck_ns == 0 || replica->stuck_at != durable) {
        replica->stuck_ns = waits ? now : 0;
        replica->stuck_at = durable;
    }
    waits = waits && now - replica->stuck_ns > STUCK_NS;
    if (replica->alone || waits == replica->stuck)
        return;
    replica->stuck = waits;
    raft_core_stuck(replica->core, now, waits);
}

static void timer_fired(struct timer *timer)
{
    struct replica *replica = owner_of(timer, struct replica, timer);
    bool handed = replica->leads && !raft_core_may_propose(replica->core);

    replica_hold(replica);
    raft_core_tick(replica->core, io_now(replica->io));
    replica_drain(replica);
    if (handed && replica->leads && raft_core_may_propose(replica->core))
        changed(replica); /* what waited to be proposed meanwhile may go */
    if (!replica->closed && replica->leads) {
        replica_offers_look(replica);
        look_at_disk(replica);
        replica_drain(replica);
    }
    if (!replica->closed && replica->leads)
        replica_unread_look(replica);
    replica_let_go(replica);
}

/* Whoever begins anew may be the only voter by its beginning, and needs nobody's vote then: those
 * who have more are given as long again to find each other. */
static bool waits_for_others(const struct replica *replica)
{
    if (replica->events.outdated != NULL && replica->events.outdated(replica->owner))
        return true;
    return replica->anew &&
           (replica->forgive_looks <= 2 * FORGIVE_NS / FORGIVE_LOOK_NS ||
            (replica->events.with_others != NULL && replica->events.with_others(replica->owner)));
}

/* Asked once in a while, until it is whole again. Time in which this node itself did not look, as
 * long as it was starting or stood still, is no silence of others. */
static void forgive_fired(struct timer *timer)
{
    struct replica *replica = owner_of(timer, struct replica, forgive);
    int64_t now = io_now(replica->io);

    replica_hold(replica);
    if (now - replica->forgive_looked_ns > 2 * FORGIVE_LOOK_NS)
        replica->forgive_looks = 0;
    replica->forgive_looked_ns = now;
    if (++replica->forgive_looks > FORGIVE_NS / FORGIVE_LOOK_NS && !waits_for_others(replica))
        replica->forgets = !raft_core_forgive(replica->core, now, FORGIVE_NS);
    replica_drain(replica);
    if (!replica->closed && replica->forgets)
        timers_arm(io_timers(replica->io), timer, now + FORGIVE_LOOK_NS);
    replica_let_go(replica);
}

/* ---- what the log and the other nodes tell -------------------------------------------------- */

static void log_durable_event(void *owner, const struct log_batch *batch)
{
    struct replica *replica = owner;
    struct cached *cached = cache_find(&replica->cache, batch->index);

    replica_hold(replica);
    if (cached != NULL) {
        cached->durable = true;
        cached->place = batch->records_place;
    }
    replica->fresh = batch;
    raft_core_durable(replica->core, io_now(replica->io), batch->index);
    replica_drain(replica);
    if (!replica->closed)
        replica_apply_ready(replica);
    replica->fresh = NULL;
    if (!replica->closed) {
        tell_reads(replica);
        open_term(replica);
        if (replica->stuck)
            look_at_disk(replica);
        replica_drain(replica);
    }
    replica_let_go(replica);
}

static void log_failed_event(void *owner, enum err err)
{
    struct replica *replica = owner;
    uint64_t durable = log_durable(replica->log);

    replica_hold(replica);
    cache_cut(&replica->cache, durable);
    raft_core_refused(replica->core, io_now(replica->io), durable + 1);
    replica_drain(replica);
    if (!replica->closed && replica->leads)
        replica->events.refused(replica->owner, err);
    replica_let_go(replica);
}

void replica_step(struct replica *replica, const struct wire_message *message)
{
    if (replica->repair_from != 0 || replica_catch_refuses(replica, &message->message))
        return; /* nothing is promised yet, or nothing more for now */
    replica_hold(replica);
    replica->stepping = message;
    raft_core_step(replica->core, io_now(replica->io), &message->message);
    replica_drain(replica);
    replica->stepping = NULL;
    replica_let_go(replica);
}

void replica_node(struct replica *replica, uint64_t node, bool up)
{
    if (replica->repair_from != 0)
        return;
    raft_core_node(replica->core, io_now(replica->io), node, up);
    replica_drain(replica);
}

/* ---- life ----------------------------------------------------------------------------------- */

struct replica *replica_opening(struct groups *groups, uint64_t log_id,
                                const struct replica_events *events, void *owner,
                                const struct log_pace *pace)
{
    static const struct log_events log_events = {log_durable_event, log_failed_event};
    struct replica *opened = HEAP_NEW(struct replica);

    opened->groups = groups;
    opened->io = groups->io;
    opened->id = log_id;
    opened->events = *events;
    opened->owner = owner;
    opened->timer.fire = timer_fired;
    opened->ballot_again.fire = replica_ballot_fired;
    opened->forgive.fire = forgive_fired;
    opened->mend.fire = replica_mend_fired;
    opened->warm.done = replica_warmed;
    replica_catch_init(opened);
    replica_heal_init(opened);
    cache_init(&opened->cache, REPLICA_CACHE_BYTES);
    buf_init(&opened->scratch, WIRE_FRAME_MAX);
    opened->recovery = replica_recovery_begin(opened, &log_events, pace);
    return opened;
}

void replica_opening_drop(struct replica *opening)
{
    replica_recovery_end(opening->recovery);
    destroy(opening);
}

bool replica_opening_waits(const struct replica *opening)
{
    return replica_recovery_waits(opening->recovery);
}

static void opened(struct replica *replica)
{
    replica_recovery_end(replica->recovery);
    replica->recovery = NULL;
    groups_join(replica->groups, replica->id, replica);
    replica_mend_begin(replica);
    if (replica->repair_from != 0) {
        replica_repair(replica);
        return;
    }
    raft_core_start(replica->core, io_now(replica->io));
    if (replica->forgets)
        timers_arm(io_timers(replica->io), &replica->forgive,
                   io_now(replica->io) + FORGIVE_LOOK_NS);
    replica_look_at_members(replica);
    replica_drain(replica);
}

enum err replica_opening_step(struct replica *opening, struct replica **replica)
{
    enum err err = replica_recovery_step(opening->recovery);

    if (err == OK) {
        *replica = opening; /* before it says anything */
        opened(opening);
    } else if (err != ERR_AGAIN) {
        replica_opening_drop(opening);
    }
    return err;
}

enum err replica_open(struct groups *groups, uint64_t log_id, const struct replica_events *events,
                      void *owner, struct replica **replica)
{
    const struct log_pace at_once = {.work = UINT64_MAX};
    struct replica *opening = replica_opening(groups, log_id, events, owner, &at_once);
    enum err err = ERR_AGAIN;

    while (err == ERR_AGAIN)
        err = replica_opening_step(opening, replica);
    return err;
}

/* Nothing comes to it any more. */
static void leave(struct replica *replica)
{
    timers_cancel(io_timers(replica->io), &replica->timer);
    timers_cancel(io_timers(replica->io), &replica->ballot_again);
    timers_cancel(io_timers(replica->io), &replica->forgive);
    timers_cancel(io_timers(replica->io), &replica->mend);
    groups_leave(replica->groups, replica->id);
    drop_reads(replica);
    replica_catch_close(replica);
    replica_heal_close(replica);
}

void replica_close(struct replica *replica)
{
    assert(!replica->closed);
    leave(replica);
    log_close(replica->log);
    replica->closed = true;
    if (replica->busy == 0)
        destroy(replica);
}

void replica_forget(struct replica *replica)
{
    leave(replica);
    destroy(replica);
}

/* ---- looking -------------------------------------------------------------------------------- */

bool replica_leads(const struct replica *replica)
{
    return replica->leads;
}

uint64_t replica_term(const struct replica *replica)
{
    return raft_core_term(replica->core);
}

uint64_t replica_applied(const struct replica *replica)
{
    return replica->applied;
}

int64_t replica_time_last(const struct replica *replica)
{
    return replica->time_last;
}

bool replica_whole(const struct replica *replica)
{
    return replica->repair_from == 0 && !raft_core_damaged(replica->core) &&
           !replica_differs(replica);
}

bool replica_current(const struct replica *replica)
{
    return replica_leader(replica).node != 0 && replica_whole(replica) &&
           raft_core_behind(replica->core) <= REPLICA_UNCOMMITTED_MAX;
}

uint64_t replica_proposed(const struct replica *replica)
{
    return log_appended(replica->log);
}

struct log *replica_log(struct replica *replica)
{
    return replica->log;
}

struct raft_member replica_leader(const struct replica *replica)
{
    return raft_core_leader(replica->core);
}

const struct raft_config *replica_members(const struct replica *replica)
{
    return raft_core_config(replica->core);
}

uint32_t replica_progress(const struct replica *replica, struct raft_progress out[RAFT_MEMBERS_MAX])
{
    return raft_core_progress(replica->core, out);
}

void replica_tell_commit(struct replica *replica)
{
    if (replica->repair_from != 0)
        return;
    raft_core_tell_commit(replica->core, io_now(replica->io));
    replica_drain(replica);
}

/* ---- proposing ------------------------------------------------------------------------------ */

struct buf *replica_gather(struct replica *replica)
{
    struct buf *gather;

    assert(replica_leads(replica)); /* else the term's own batch would carry the records */
    gather = log_gather(replica->log);
    replica_seal_gather(replica, gather);
    return gather;
}

size_t replica_gathered(const struct replica *replica)
{
    return log_gathered(replica->log);
}

void replica_gather_drop(struct replica *replica)
{
    replica->block.gathered = false;
    log_gather_drop(replica->log);
}

bool replica_ready(const struct replica *replica)
{
    return replica->leads && log_ready(replica->log) && raft_core_may_propose(replica->core);
}

bool replica_ready_ahead(const struct replica *replica)
{
    return replica->leads && log_ready_ahead(replica->log) && raft_core_may_propose(replica->core);
}

uint64_t replica_propose(struct replica *replica, int64_t time_ns, uint32_t record_count)
{
    uint64_t index;

    assert(replica->leads);
    assert(raft_core_may_propose(replica->core));
    index = log_seal(replica->log, raft_core_term(replica->core), time_ns,
                     record_count + replica->block.gathered);
    if (replica->block.gathered)
        replica->block.sealed = index;
    replica->block.gathered = false;
    sealed(replica, index, NULL);
    replica_drain(replica);
    return index;
}

void replica_read(struct replica *replica, struct replica_read *read)
{
    assert(replica->leads);
    io_clock_refresh(
        replica
            ->io); /* the lease counts from when the reader asked, not from when the turn began */
    read->number = raft_core_read(replica->core, io_now(replica->io));
    read->index = 0;
    read->next = replica->reads;
    replica->reads = read;
    replica_drain(replica);
}

static bool grows(const struct replica *replica)
{
    return log_floor(replica->log) == 0 || replica->events.fill != NULL;
}

enum err replica_change(struct replica *replica, const struct raft_config *next)
{
    struct buf *batch;
    uint64_t index;

    assert(replica->leads);
    if (!grows(replica) && next->count > replica_members(replica)->count)
        return ERR_UNSUPPORTED;
    if (replica->block.gathered && log_gathered(replica->log) == REPLICA_SEAL_SIZE)
        replica_gather_drop(replica); /* only the seal: it comes with the next */
    /* What the owner has gathered goes first, by itself. */
    if (!replica_ready(replica) || log_gathered(replica->log) > 0 ||
        !raft_core_config_allowed(replica->core, next))
        return ERR_AGAIN;
    batch = log_gather(replica->log);
    if (!members_write(batch, next))
        return ERR_AGAIN;
    index = log_seal(replica->log, raft_core_term(replica->core), replica->time_last, 1);
    sealed(replica, index, next);
    replica_drain(replica);
    return OK;
}

void replica_give_way(struct replica *replica)
{
    int64_t now = io_now(replica->io);

    if (!replica->leads || (replica->gave_way_ns != 0 && now - replica->gave_way_ns < GIVE_WAY_NS))
        return;
    replica->gave_way_ns = now;
    replica_transfer(replica, 0);
}

void replica_seal_now(struct replica *replica)
{
    struct buf *batch;
    uint64_t index;

    if (!replica_ready(replica) || log_gathered(replica->log) > 0)
        return;
    batch = log_gather(replica->log);
    replica_seal_gather(replica, batch);
    if (!replica->block.gathered) {
        replica_gather_drop(replica);
        return;
    }
    replica->block.gathered = false;
    index = log_seal(replica->log, raft_core_term(replica->core), replica->time_last, 1);
    replica->block.sealed = index;
    sealed(replica, index, NULL);
    replica_drain(replica);
}

void replica_transfer(struct replica *replica, uint64_t node)
{
    const struct raft_member *to = members_find(raft_core_config(replica->core), node);

    if (node != 0 && to == NULL)
        return;
    raft_core_transfer(replica->core, io_now(replica->io),
                       to != NULL ? *to : (struct raft_member){0});
    replica_drain(replica);
}
