/*
 * replica_recover: what a log on disk says about its group. Batches are applied as soon as it is
 * known that they are committed: because an envelope behind them says so, or because this node is
 * the only voter and so its own majority (then an entry is committed once it is durable, which it
 * is). The tail beyond waits in the cache until a leader says more.
 *
 * All of it is done in steps, as the log is opened (storage/log.h).
 */
#include <stdio.h>

#include "base/heap.h"
#include "raft/replica_priv.h"

/* Entries as the core wants to hear of them: runs of one term, and changes of members. */
struct note {
    uint64_t index; /* first of that term, or of the change */
    uint64_t term;
    bool members;
    struct raft_config config;
};

struct recovery {
    struct replica *replica;
    struct log_opening *log;
    struct raft_config config; /* newest */
    uint64_t floor;            /* of the state block that it began with; 0: none */
    uint64_t floor_term;
    struct raft_config floor_config;
    struct note *notes;
    size_t note_count, note_capacity;
    uint64_t last;
    uint64_t term;
    uint64_t committed;
    uint64_t lost_first, lost_last; /* damaged, in a group of several */
    uint64_t lost_terms;            /* each lost entry may have opened a term */
    bool members_lost;              /* with the entry that names them */
    bool others_lost;               /* perhaps, with one that took them in */
    bool alone_in_doubt;            /* it has lost some, and is the only voter by what is left */
};

static void note(struct recovery *recovery, const struct note *added)
{
    if (recovery->note_count == recovery->note_capacity) {
        recovery->note_capacity = recovery->note_capacity == 0 ? 16 : recovery->note_capacity * 2;
        recovery->notes =
            heap_resize(recovery->notes, recovery->note_capacity * sizeof *recovery->notes);
    }
    recovery->notes[recovery->note_count++] = *added;
}

/* A log without a members record is of a group of one. */
static bool only_voter(const struct recovery *recovery)
{
    struct raft_member self = groups_self(recovery->replica->groups);
    bool is_self = false;

    if (recovery->members_lost || recovery->others_lost)
        return false;
    for (uint32_t i = 0; i < recovery->config.count; i++) {
        if (recovery->config.at[i].learner)
            continue;
        if (!members_equal(recovery->config.at[i], self))
            return false;
        is_self = true;
    }
    return is_self || recovery->config.count == 0;
}

static void apply_one(struct replica *replica, const struct log_batch *batch)
{
    replica->applied = batch->index;
    replica->time_last = batch->time_ns;
    replica_block_count(replica, batch);
    replica->events.apply(replica->owner, batch);
}

/* Applies what waits, as far as it is committed. */
static void apply_waiting(struct recovery *recovery)
{
    struct replica *replica = recovery->replica;
    const struct cached *cached;

    while (replica->applied < recovery->committed &&
           (cached = cache_find(&replica->cache, replica->applied + 1)) != NULL) {
        struct log_batch batch = cached_batch(cached);

        apply_one(replica, &batch);
    }
    cache_trim(&replica->cache, replica->applied);
}

static void keep(struct replica *replica, const struct log_batch *batch)
{
    struct log_content *content =
        log_content_copy(batch->content, batch->index, batch->term, batch->hash);
    struct cached *cached;

    cache_add(&replica->cache, batch->index, content);
    log_content_drop(content);
    cached = cache_find(&replica->cache, batch->index);
    cached->place = batch->records_place;
    cached->durable = true;
}

static void recovered_batch(void *context, const struct log_batch *batch)
{
    struct recovery *recovery = context;
    struct replica *replica = recovery->replica;
    struct note added = {.index = batch->index, .term = batch->term};

    if (batch->below)
        return;
    if (recovery->lost_first != 0) { /* behind what is lost: taken again from a leader */
        recovery->lost_last = batch->index;
        return;
    }
    added.members = members_of(batch->records, batch->record_count, &added.config);
    members_adopt(&added.config, groups_self(replica->groups));
    if (added.members)
        recovery->config = added.config;
    if (added.members || batch->term != recovery->term || recovery->last == recovery->floor)
        note(recovery, &added);
    recovery->last = batch->index;
    recovery->term = batch->term;
    if (batch->committed > recovery->committed)
        recovery->committed = batch->committed;
    if (only_voter(recovery) || REPLICA_FLAWED(replica, RECOVER_BEYOND))
        recovery->committed = batch->index;
    if (replica->applied + 1 == batch->index && recovery->committed >= batch->index) {
        apply_one(replica, batch);
        return;
    }
    keep(replica, batch);
    apply_waiting(recovery);
}

static void recovered_lost(void *context, uint64_t first, uint64_t last, uint64_t bytes)
{
    struct recovery *recovery = context;
    struct replica *replica = recovery->replica;

    if (last <= recovery->floor)
        return; /* reads of what lived there will say so */
    if (first <= recovery->floor)
        first = recovery->floor + 1;
    if (recovery->lost_first != 0) {
        recovery->lost_last = last;
        return;
    }
    /* A node among others that cannot read who the members are is not all of them for that. */
    recovery->members_lost |= recovery->last == 0 && replica->groups->options.transport != NULL;
    if (!only_voter(recovery)) {
        recovery->lost_first = first;
        recovery->lost_last = last;
        return;
    }
    assert(first == replica->applied + 1);
    recovery->alone_in_doubt = true;
    recovery->lost_terms += last - first + 1;
    recovery->last = last;
    recovery->committed = last;
    replica->applied = last;
    replica->events.lost(replica->owner, first, last, bytes);
}

/* By what its owner knows, not by this log. */
static bool has_grown(const struct replica *replica)
{
    return replica->groups->options.transport != NULL && replica->events.grown != NULL &&
           replica->events.grown(replica->owner);
}

/* A member that does not know what it had accepted may have been counted on for any of it. One that
 * was alone, by what is left, may have taken in others since, who elect without it. */
static void recovered_cut_short(void *context)
{
    struct recovery *recovery = context;
    struct replica *replica = recovery->replica;
    char text[160];

    snprintf(text, sizeof text, "log %016llx: its newest file was cut short behind index %llu",
             (unsigned long long)replica->id, (unsigned long long)recovery->last);
    if (replica->groups->options.report != NULL)
        replica->groups->options.report(replica->groups->options.report_context, text);
    recovery->members_lost |= recovery->last == 0 && replica->groups->options.transport != NULL;
    recovery->others_lost = has_grown(replica);
    if (only_voter(recovery)) {
        recovery->alone_in_doubt = true; /* nobody has more, most likely */
        return;
    }
    if (recovery->lost_first == 0)
        recovery->lost_first = recovery->last + 1;
    recovery->lost_last = RAFT_DAMAGED_ALL;
}

/* What is lost includes what it once applied: all of it is taken again, the state first. */
static bool recovered_blocks_lost(void *context)
{
    struct recovery *recovery = context;
    struct replica *replica = recovery->replica;
    char text[160];

    if (replica->groups->options.transport == NULL || replica->events.elsewhere == NULL ||
        !replica->events.elsewhere(replica->owner))
        return false;
    snprintf(text, sizeof text,
             "log %016llx: none of its state blocks can be read: the state is taken from other "
             "replicas",
             (unsigned long long)replica->id);
    if (replica->groups->options.report != NULL)
        replica->groups->options.report(replica->groups->options.report_context, text);
    return true;
}

static enum err recovered_block(void *context, const struct log_block *block)
{
    struct recovery *recovery = context;
    struct replica *replica = recovery->replica;
    enum err err = replica_block_restore(replica, block);

    if (err != OK)
        return err;
    recovery->floor = recovery->last = recovery->committed = block->index;
    recovery->floor_term = recovery->term = block->term;
    recovery->config = recovery->floor_config = replica->config;
    return OK;
}

/* What is below a block is not Raft's any more. */
static void recovered_below(void *context, uint64_t first, uint64_t last)
{
    (void)context;
    (void)first;
    (void)last;
}

static void tell_core(struct recovery *recovery)
{
    struct raft_core *core = recovery->replica->core;
    size_t at = 0;
    /* What is lost at the very beginning was of the first term: every log begins with it. */
    uint64_t term = recovery->floor_term > 0 ? recovery->floor_term : 1;

    for (uint64_t index = recovery->floor + 1; index <= recovery->last; index++) {
        struct raft_entry entry = {.index = index};

        for (; at < recovery->note_count && recovery->notes[at].index == index; at++) {
            term = recovery->notes[at].term;
            entry.config = recovery->notes[at].members ? &recovery->notes[at].config : NULL;
        }
        entry.term = term;
        raft_core_recovered_entry(core, &entry);
    }
}

static void make_core(struct recovery *recovery)
{
    struct replica *replica = recovery->replica;
    struct groups *groups = replica->groups;
    struct raft_options options = {
        .self = groups->options.self,
        .election_ns = groups->options.election_ns,
        .heartbeat_ns = groups->options.heartbeat_ns,
        .sleep_ns = REPLICA_SLEEP_NS,
        .inflight_max = RAFT_INFLIGHT_MAX,
        .uncommitted_max = REPLICA_UNCOMMITTED_MAX,
        .seed = groups->options.seed ^ replica->id * 0x9e3779b97f4a7c15u,
        .flaws = groups->options.flaws,
    };
    struct raft_recovered recovered = {
        .term = recovery->term + recovery->lost_terms,
        .committed = recovery->committed < recovery->last ? recovery->committed : recovery->last,
        .floor = recovery->floor,
        .floor_term = recovery->floor_term,
        .damaged = recovery->lost_last,
        .config = {.at = {groups->options.self}, .count = 1},
    };
    struct store_vote vote;

    /* The log says from its first entry on who the members are; only one of an older format does
     * not. */
    if (recovery->floor > 0)
        recovered.config = recovery->floor_config;
    else if (recovery->members_lost)
        recovered.config.count = 0;
    else if (recovery->note_count > 0 && recovery->notes[0].members &&
             recovery->notes[0].index == 1)
        recovered.config.count = 0;
    if (!REPLICA_FLAWED(replica, VOTE_FORGOTTEN) &&
        store_vote_found(groups->store, replica->id, &vote)) {
        if (vote.damaged > recovered.damaged || vote.damaged == RAFT_DAMAGED_ANEW)
            recovered.damaged = vote.damaged;
        if (vote.term >= recovered.term) {
            recovered.term = vote.term;
            recovered.vote =
                (struct raft_member){.node = vote.node, .incarnation = vote.incarnation};
        }
    }
    /* Written down by an earlier start; the log goes on since, and does not say so any more. */
    if (recovered.damaged == RAFT_DAMAGED_ALL && has_grown(replica))
        recovery->others_lost = true;
    if (only_voter(recovery) && recovered.damaged != RAFT_DAMAGED_ANEW)
        recovered.damaged = 0; /* nobody has what it lost */
    replica->repair_from = recovery->lost_first;
    replica->repair_to = recovered.damaged;
    replica->forgets = log_in_memory(replica->log) && recovered.damaged > 0;
    /* Those whom it took in, should the entry be among what is lost, are given time to say so. */
    if (recovered.damaged == 0 && recovery->alone_in_doubt && groups->options.transport != NULL) {
        recovered.damaged = RAFT_DAMAGED_ALL;
        replica->forgets = true;
    }
    replica->anew = recovered.damaged == RAFT_DAMAGED_ANEW;
    replica->core = raft_core_new(&options, &recovered);
    tell_core(recovery);
}

static struct log_opening *open_log(struct recovery *recovery, const struct log_events *events,
                                    const struct log_pace *pace)
{
    struct replica *replica = recovery->replica;
    struct log_recovery from_log = {
        .batch = recovered_batch,
        .lost = recovered_lost,
        .context = recovery,
        .block = replica->events.restore != NULL ? recovered_block : NULL,
        .gone = recovered_below,
        .unread = recovered_below,
        .blocks_lost = recovered_blocks_lost,
        .cut_short = recovered_cut_short,
    };

    return log_opening_begin(replica->groups->store, replica->id, &from_log, events, replica, pace);
}

struct recovery *replica_recovery_begin(struct replica *replica, const struct log_events *events,
                                        const struct log_pace *pace)
{
    struct recovery *recovery = HEAP_NEW(struct recovery);

    recovery->replica = replica;
    recovery->log = open_log(recovery, events, pace);
    return recovery;
}

enum err replica_recovery_step(struct recovery *recovery)
{
    struct replica *replica = recovery->replica;
    enum err err = log_opening_step(recovery->log, &replica->log);

    if (err != OK)
        return err;
    log_floor_set(replica->log, recovery->floor);
    replica_block_begin(replica);
    apply_waiting(recovery);
    make_core(recovery);
    return OK;
}

bool replica_recovery_waits(const struct recovery *recovery)
{
    return log_opening_waits(recovery->log);
}

void replica_recovery_end(struct recovery *recovery)
{
    log_opening_end(recovery->log);
    heap_give(recovery->notes);
    heap_give(recovery);
}
