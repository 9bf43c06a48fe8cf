/*
 * core_leader: what a leader knows of the others and does about it.
 *
 * A follower is probed with one message at a time until it has said up to where it agrees. Then
 * messages stream, a bounded number under way. One that was lost shows at the next one, whose
 * previous entry the follower does not have, or when answers to heartbeats name less than was sent
 * for a while. Heartbeats themselves name only what it is known to have: they may overtake entries.
 */
#include <string.h>

#include "raft/core_priv.h"

/* ---- progress ------------------------------------------------------------------------------- */

struct progress *core_progress(struct raft_core *core, struct raft_member member)
{
    for (uint32_t i = 0; i < core->lead.count; i++)
        if (core_is(core, core->lead.progress[i].member, member))
            return &core->lead.progress[i];
    return NULL;
}

void progress_begin(struct raft_core *core, struct progress *p, struct raft_member member)
{
    *p = (struct progress){
        .member = member,
        .next = core->terms.last > core->terms.floor ? core->terms.last : core->terms.last + 1,
        .active_ns = core->now_ns, /* it gets an election timeout to answer */
        .moved_ns = core->now_ns,
    };
}

static void inflight_done(struct progress *p, uint64_t match)
{
    while (p->inflight_count > 0 && p->inflight[p->inflight_first] <= match) {
        p->inflight_first = (p->inflight_first + 1) % RAFT_INFLIGHT_MAX;
        p->inflight_count--;
    }
}

/* It is not known any more that it gets everything before `next`. */
void progress_back(const struct raft_core *core, struct progress *p, uint64_t next)
{
    p->state = PROGRESS_PROBE;
    p->next = next > p->match ? next : p->match + 1;
    if (p->matched >= p->next)
        p->matched = p->next - 1;
    p->waiting = false;
    p->asleep = false;
    p->inflight_count = 0;
    p->moved_ns = core->now_ns;
}

/* The last entry that may be sent. The only voter sends what is on its disk: what that refuses is
 * taken back, and nobody may have it. */
static uint64_t last_to_send(const struct raft_core *core)
{
    return core_alone(core) && !FLAWED(core, ALONE_SENDS_UNSYNCED) ? core->durable
                                                                   : core->terms.last;
}

uint32_t progress_entries(const struct raft_core *core, const struct progress *p)
{
    uint64_t left = last_to_send(core) - (p->next - 1);

    assert(progress_may_send(core, p));
    return left < RAFT_ENTRIES_MAX ? (uint32_t)left : RAFT_ENTRIES_MAX;
}

bool progress_may_send(const struct raft_core *core, const struct progress *p)
{
    if (p->waiting || p->held || p->state == PROGRESS_SNAPSHOT || p->next > last_to_send(core) ||
        p->next <= core->terms.floor || core_node_down(core, p->member.node))
        return false;
    return p->state == PROGRESS_PROBE || p->inflight_count < core->options.inflight_max;
}

/* It is there, it has said how far it is, and that is not above the floor. */
bool progress_needs_snapshot(const struct raft_core *core, const struct progress *p)
{
    return p->state != PROGRESS_SNAPSHOT && p->next <= core->terms.floor && !p->waiting &&
           !p->held && p->probe > 0 && core->now_ns - p->active_ns <= core->options.election_ns &&
           !core_node_down(core, p->member.node);
}

void progress_sent(struct raft_core *core, struct progress *p, uint32_t entries)
{
    p->told = core->committed;
    if (entries == 0) {
        p->beat = false;
        return;
    }
    if (p->matched + 1 >= p->next)
        p->moved_ns = core->now_ns; /* nothing was under way */
    if (p->next + entries - 1 > core->lead.sent)
        core->lead.sent = p->next + entries - 1;
    if (p->state == PROGRESS_PROBE) {
        p->waiting = true;
        return;
    }
    assert(p->inflight_count < RAFT_INFLIGHT_MAX);
    p->next += entries;
    p->inflight[(p->inflight_first + p->inflight_count++) % RAFT_INFLIGHT_MAX] = p->next - 1;
}

void raft_core_unsent(struct raft_core *core, struct raft_member to, uint64_t first)
{
    struct progress *p = core->role == RAFT_LEADER ? core_progress(core, to) : NULL;

    if (p == NULL || p->state == PROGRESS_SNAPSHOT)
        return;
    if (p->next > first)
        progress_back(core, p, first);
    p->waiting = false;
    p->held = true;
}

void raft_core_resend(struct raft_core *core, int64_t now, struct raft_member to)
{
    struct progress *p = core->role == RAFT_LEADER ? core_progress(core, to) : NULL;

    assert(now >= core->now_ns);
    core->now_ns = now;
    if (p != NULL)
        p->held = false;
}

void raft_core_snapshot_sent(struct raft_core *core, int64_t now, struct raft_member to,
                             uint64_t index, bool ok)
{
    struct progress *p = core->role == RAFT_LEADER ? core_progress(core, to) : NULL;

    assert(now >= core->now_ns);
    core->now_ns = now;
    if (p == NULL || p->state != PROGRESS_SNAPSHOT)
        return;
    if (ok && index > p->match && index <= core->committed)
        p->match = p->matched = index;
    progress_back(core, p, ok ? index + 1 : p->next);
    p->held = !ok; /* again with the next heartbeat */
    p->beat = ok;
}

/* Nothing has come of what was sent for so long that it is taken for lost. A probe needs an entry.
 */
static void check_stalled(const struct raft_core *core, struct progress *p)
{
    uint64_t next = p->next < last_to_send(core) ? p->next : last_to_send(core);

    if (p->state == PROGRESS_SNAPSHOT || p->matched + 1 >= p->next + p->waiting ||
        core->now_ns - p->moved_ns < 4 * core->options.heartbeat_ns)
        return;
    progress_back(core, p, p->state == PROGRESS_STREAM ? p->matched + 1 : next);
}

void core_beat_all(struct raft_core *core)
{
    for (uint32_t i = 0; i < core->lead.count; i++) {
        struct progress *p = &core->lead.progress[i];

        p->beat = true;
        p->held = false;
        check_stalled(core, p);
    }
    core->lead.beat_due = core->now_ns + core->options.heartbeat_ns;
    core->lead.commit_due = NEVER;
}

/* ---- majorities ----------------------------------------------------------------------------- */

static void sort_falling(uint64_t *values, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        uint64_t value = values[i];
        uint32_t at = i;

        for (; at > 0 && values[at - 1] < value; at--)
            values[at] = values[at - 1];
        values[at] = value;
    }
}

uint64_t core_reached(const struct raft_core *core, uint64_t (*value)(const struct progress *p),
                      uint64_t own, bool learners)
{
    const struct raft_config *config = core_config(core);
    uint64_t values[PROGRESS_MAX + 1];
    uint32_t count = 0;

    for (uint32_t i = 0; i < core->lead.count; i++)
        if (config_votes(config, core->lead.progress[i].member) || learners)
            values[count++] = value(&core->lead.progress[i]);
    if (core_votes(core) || FLAWED(core, COUNT_SELF_REMOVED))
        values[count++] = own;
    sort_falling(values, count);
    return values[config_voters(config) / 2];
}

/* ---- commit --------------------------------------------------------------------------------- */

static uint64_t copy_of(const struct progress *p)
{
    return p->match;
}

static void commit_told_soon(struct raft_core *core)
{
    int64_t due = core->now_ns + core->options.heartbeat_ns / 8;

    if (core->lead.count > 0 && due < core->lead.commit_due)
        core->lead.commit_due = due;
}

static void lead_check(struct raft_core *core)
{
    if (core->lead.led || core->committed < core->lead.term_first)
        return;
    core->lead.led = true;
    core_order(core, RAFT_ORDER_LEAD);
}

/*
 * The newest index that a majority has on its disks, if that entry is of this term (3.6.2): one of
 * an earlier term may be there and yet be replaced; it commits with the first one of this term.
 */
void core_leader_commit(struct raft_core *core)
{
    uint64_t index = core_reached(core, copy_of, core->durable, FLAWED(core, COUNT_LEARNER));

    if (index <= core->committed)
        return;
    if (index < core->lead.term_first && !FLAWED(core, COMMIT_OLD_TERM))
        return;
    core_commit(core, index);
    core->lead.idle_ns = core->now_ns;
    commit_told_soon(core);
    lead_check(core);
    core_config_committed(core);
}

bool raft_core_may_propose(const struct raft_core *core)
{
    return core->role == RAFT_LEADER && core->lead.transfer_to.node == 0 &&
           core->terms.last >= core->lead.term_first &&
           core->terms.last - core->committed < core->options.uncommitted_max;
}

void raft_core_proposed(struct raft_core *core, int64_t now, const struct raft_entry *entry)
{
    assert(now >= core->now_ns);
    core->now_ns = now;
    assert(core->role == RAFT_LEADER);
    assert(entry->index == core->terms.last + 1);
    assert(entry->term == core->term);
    assert(entry->config == NULL || raft_core_config_allowed(core, entry->config));

    terms_append(&core->terms, entry->index, entry->term);
    if (entry->config != NULL) {
        configs_add(&core->configs, entry->index, entry->config);
        core_config_changed(core, true);
    }
    core_wake(core);
    core->lead.idle_ns = now;
}

/* ---- answers -------------------------------------------------------------------------------- */

static void rejected(struct raft_core *core, struct progress *p, const struct raft_message *message)
{
    uint64_t known = message->commit < core->terms.last ? message->commit : core->terms.last;
    uint64_t found;

    if (message->damaged > 0 && message->last < p->match)
        p->match = p->matched = message->last; /* it has lost what it had */
    if (message->previous <= p->match || p->state == PROGRESS_SNAPSHOT)
        return; /* late */
    if (p->state == PROGRESS_PROBE && message->previous != p->next - 1)
        return; /* late, too: the answer to another probe */

    /* The next candidate is the last entry of ours that its log can have, by its hint. */
    found = message->last < message->previous ? message->last : message->previous - 1;
    found = terms_find(&core->terms, found, message->last_term);
    if (found < known)
        found = known; /* what it has committed is in both logs */
    progress_back(core, p, found + 1);
}

static void accepted(struct raft_core *core, struct progress *p, const struct raft_message *message)
{
    if (message->last > core->terms.last || message->previous > core->terms.last)
        return; /* not possible: nothing to conclude from it */
    if (message->last > p->match)
        p->match = message->last;
    if (message->previous > p->matched)
        p->moved_ns = core->now_ns;
    /* It may fall: what is in the log and not on the disk goes with a crash or a refusal. */
    if (message->probe >= p->probe || message->previous > p->matched)
        p->matched = message->previous;
    if (p->matched < p->match)
        p->matched = p->match;
    inflight_done(p, p->match);
    if (p->state != PROGRESS_STREAM && p->matched + 1 >= p->next + p->waiting &&
        p->matched >= core->terms.floor) {
        p->state = PROGRESS_STREAM;
        p->waiting = false;
    }
    if (p->next <= p->matched)
        p->next = p->matched + 1;
    p->asleep = message->sleep && core->lead.drowsy && p->match == core->terms.last;
    core_leader_commit(core);
}

void core_step_append_answer(struct raft_core *core, const struct raft_message *message)
{
    struct progress *p;

    if (message->term > core->term && config_find(core_config(core), message->from) != NULL)
        core_follow(core, message->term, (struct raft_member){0});
    if (core->role != RAFT_LEADER || (message->term != core->term && !FLAWED(core, COUNT_OLD_TERM)))
        return;
    p = core_progress(core, message->from);
    if (p == NULL || message->probe > core->lead.probe_last)
        return;

    p->active_ns = core->now_ns;
    p->committed = message->commit;
    p->damaged = message->damaged;
    core_whole_asked(core, p, message);
    if (message->granted)
        accepted(core, p, message);
    else
        rejected(core, p, message);
    if (message->probe > p->probe)
        p->probe = message->probe;
    if (core->role != RAFT_LEADER)
        return; /* what it committed was its removal */
    core_departed_check(core);
    core_reads_check(core);
    core_transfer_check(core);
    core_sleep_check(core);
}

/* ---- leading -------------------------------------------------------------------------------- */

void core_lead(struct raft_core *core)
{
    const struct raft_config *config = core_config(core);
    struct leading *lead = &core->lead;

    assert(core->role == RAFT_CANDIDATE);
    assert(core->vote_durable == core->vote_number || core_alone(core) ||
           FLAWED(core, STAND_UNSYNCED));

    core->role = RAFT_LEADER;
    core->leader = core->options.self;
    core->commit_known = 0; /* whoever is elected has it all */
    *lead = (struct leading){
        .term_first = core->terms.last + 1,
        .probe_last = (uint64_t)core->now_ns + 1, /* 0 is no probe */
        .beat_due = core->now_ns + core->options.heartbeat_ns,
        .commit_due = NEVER,
        .again_due = NEVER,
        .idle_ns = core->now_ns,
        .waited_due = core->now_ns + 4 * core->options.election_ns,
    };
    for (uint32_t i = 0; i < config->count; i++) {
        if (member_same(config->at[i], core->options.self))
            continue;
        progress_begin(core, &lead->progress[lead->count], config->at[i]);
        lead->progress[lead->count++].next = lead->term_first;
    }
    core_order(core, RAFT_ORDER_ELECTED);
    if (FLAWED(core, LEAD_EARLY)) {
        lead->led = true;
        core_order(core, RAFT_ORDER_LEAD);
    }
}

static uint64_t active_of(const struct progress *p)
{
    return (uint64_t)p->active_ns;
}

static int64_t quorum_due(const struct raft_core *core)
{
    uint64_t heard = core_reached(core, active_of, (uint64_t)core->now_ns, false);

    int64_t due = (int64_t)heard + core->options.election_ns;

    return due > core->lead.excused_due ? due : core->lead.excused_due;
}

static void tell_commit(struct raft_core *core)
{
    for (uint32_t i = 0; i < core->lead.count; i++)
        if (core->lead.progress[i].told < core->committed)
            core->lead.progress[i].beat = true;
    core->lead.commit_due = NEVER;
}

/* Somebody has lost entries beyond this log, and all but `behind` of what it has. */
static bool waited_for(const struct raft_core *core, uint64_t behind)
{
    for (uint32_t i = 0; i < core->lead.count; i++) {
        const struct progress *p = &core->lead.progress[i];

        if (!p->departing && p->damaged > core->terms.last && core->terms.last - p->match <= behind)
            return true;
    }
    return false;
}

/*
 * Who has lost entries beyond this log waits for it to grow, or for a later term. That may never
 * come, and until then one voter less stands between the group and its end; so a later term is
 * made, soon where nothing is asked for, where something is, after a second. False: it leads on.
 */
static bool renew_term(struct raft_core *core)
{
    bool idle = core->committed == core->terms.last &&
                core->now_ns - core->lead.idle_ns >= 2 * core->options.election_ns;

    if (!waited_for(core, idle ? 0 : core->options.uncommitted_max)) {
        core->lead.waited_due = core->now_ns + 4 * core->options.election_ns;
        return false;
    }
    if (!idle && core->now_ns < core->lead.waited_due)
        return false;
    if (core_alone(core) && core->committed < core->terms.last)
        return false; /* it would stand beside what its own disk still has to take */
    core->lead.idle_ns = core->now_ns;
    core->lead.waited_due = core->now_ns + 4 * core->options.election_ns;
    if (!core_alone(core)) {
        raft_core_transfer(core, core->now_ns, (struct raft_member){0});
        return false;
    }
    core_follow(core, core->term, (struct raft_member){0});
    core_stand(core, false, false);
    return true;
}

void core_leader_tick(struct raft_core *core)
{
    /* It stood still itself: what the others answered meanwhile is heard first. Not again and
     * again: one that is always late leads nobody. */
    if (core->now_ns - core->lead.beat_due > core->options.heartbeat_ns &&
        core->now_ns - core->lead.excused_due > core->options.election_ns)
        core->lead.excused_due = core->now_ns + core->options.heartbeat_ns;
    /* A leader that no majority hears steps down (6.2): another may lead already. */
    if (core->now_ns > quorum_due(core) && !FLAWED(core, LEAD_WITHOUT_QUORUM)) {
        core_follow(core, core->term, (struct raft_member){0});
        return;
    }
    if (core->stuck && !core_alone(core)) {
        core_abdicate(core); /* it was alone when it got stuck */
        return;
    }
    if (core->lead.transfer_to.node != 0 && core->now_ns >= core->lead.transfer_due)
        core->lead.transfer_to = (struct raft_member){0};
    if (core->now_ns >= core->lead.again_due) {
        core->lead.again_due = NEVER;
        core_order(core, RAFT_ORDER_ELECTED);
    }
    core_departed_check(core);
    core_sleep_check(core);
    if (core->asleep || renew_term(core))
        return;
    if (core->now_ns >= core->lead.beat_due)
        core_beat_all(core);
    if (core->now_ns >= core->lead.commit_due)
        tell_commit(core);
}

int64_t core_leader_deadline(const struct raft_core *core)
{
    int64_t due = core->lead.beat_due, quorum = quorum_due(core);

    if (core->lead.count == 0)
        due = core_sleep_due(core);
    if (core->lead.again_due < due)
        due = core->lead.again_due;
    if (core->lead.count == 0)
        return due;
    if (core->lead.commit_due < due)
        due = core->lead.commit_due;
    if (core->lead.transfer_to.node != 0 && core->lead.transfer_due < due)
        due = core->lead.transfer_due;
    if (quorum < NEVER && quorum + 1 < due)
        due = quorum + 1;
    return due;
}

uint32_t raft_core_progress(const struct raft_core *core,
                            struct raft_progress out[RAFT_MEMBERS_MAX])
{
    const struct raft_config *config = core_config(core);
    uint32_t count = 0;

    if (core->role != RAFT_LEADER)
        return 0;
    if (config_find(config, core->options.self) != NULL)
        out[count++] = (struct raft_progress){
            .member = *config_find(config, core->options.self),
            .match = core->durable,
            .committed = core->committed,
            .active_ns = core->now_ns,
            .current = core->durable >= core->committed,
        };
    for (uint32_t i = 0; i < core->lead.count; i++) {
        const struct progress *p = &core->lead.progress[i];

        if (p->departing)
            continue;
        out[count++] = (struct raft_progress){
            .member = *config_find(config, p->member),
            .match = p->match,
            .committed = p->committed < p->match ? p->committed : p->match,
            .active_ns = p->active_ns,
            .current = p->match >= core->committed,
            .offline = core_node_down(core, p->member.node) ||
                       (!core->asleep && core->now_ns - p->active_ns > core->options.election_ns),
            .damaged = p->damaged > 0,
            .anew = p->damaged == RAFT_DAMAGED_ANEW,
        };
    }
    return count;
}
