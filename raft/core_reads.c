/*
 * core_reads: what rests on others not electing somebody else: reads, the lease, sleep.
 *
 * Every message to a follower carries the leader's clock as its probe, and the answer brings it
 * back. When a majority has answered a probe p, no other leader can be elected before their
 * patience (since they heard it, later than p) is over. That is election_ns, and half of it with
 * one whose connection has ended, whose process is likely gone: the lease is three quarters of the
 * half, as clocks may run unequally fast. It ends for good when a successor is told to stand, whose
 * election needs no patience.
 *
 * A read without a lease waits for a round: a probe that no message before it carried. One round at
 * a time; reads that come meanwhile share the next one.
 */
#include "raft/core_priv.h"

int64_t core_patience(const struct raft_core *core)
{
    bool gone = core->heard_node != 0 && core_node_down(core, core->heard_node);

    return gone ? core->options.election_ns / 2 : core->options.election_ns;
}

bool core_sticky(const struct raft_core *core)
{
    if (core->role == RAFT_LEADER)
        return true;
    if (FLAWED(core, VOTE_IN_LEASE))
        return false;
    return core->asleep || core->now_ns - core->heard_ns < core_patience(core);
}

/* ---- leases and rounds ---------------------------------------------------------------------- */

static uint64_t probe_of(const struct progress *p)
{
    return p->probe;
}

static uint64_t probe_reached(const struct raft_core *core)
{
    return core_reached(core, probe_of, core->lead.probe_last, FLAWED(core, LEASE_OF_LEARNERS));
}

bool core_lease(const struct raft_core *core)
{
    int64_t length = core->options.election_ns / 8 * 3, reached;

    if (FLAWED(core, READ_WITHOUT_ROUND))
        return true;
    if (FLAWED(core, LEASE_TOO_LONG))
        length = core->options.election_ns * 3 / 2;
    if (FLAWED(core, LEASE_OF_ALL_PATIENCE))
        length = core->options.election_ns * 3 / 4;
    if (core->lead.lease_over && !FLAWED(core, LEASE_DURING_TRANSFER))
        return false;
    if (config_voters(core_config(core)) == 1 && core_votes(core))
        return true;
    reached = (int64_t)probe_reached(core);
    return reached > 0 && core->now_ns < reached + length;
}

/* What is committed now is what the read has to see, and all that earlier leaders committed: that
 * is known to be so when this term's first entry is. */
static uint64_t read_point(const struct raft_core *core)
{
    if (core->committed >= core->lead.term_first || FLAWED(core, READ_BEFORE_TERM))
        return core->committed;
    return core->lead.term_first;
}

static void answer_reads(struct raft_core *core, uint64_t until, uint64_t index)
{
    core->read_done = until;
    core->out.read_number = until;
    core->out.read_index = index;
    core_order(core, RAFT_ORDER_READ);
}

static void begin_round(struct raft_core *core)
{
    struct leading *lead = &core->lead;

    lead->round_probe = (uint64_t)core->now_ns;
    if (lead->round_probe <= lead->probe_last)
        lead->round_probe = lead->probe_last + !FLAWED(core, READ_OLD_ROUND);
    lead->probe_last = lead->round_probe;
    if (FLAWED(core, READ_OLD_ROUND))
        lead->round_probe = 1;
    lead->round_index = read_point(core);
    lead->round_until = core->read_last;
    core_beat_all(core);
}

void core_reads_check(struct raft_core *core)
{
    struct leading *lead = &core->lead;

    if (core->read_done == core->read_last)
        return;
    if (core_lease(core)) {
        answer_reads(core, core->read_last, read_point(core));
        return;
    }
    if (lead->round_until > core->read_done) {
        if (probe_reached(core) < lead->round_probe)
            return;
        answer_reads(core, lead->round_until, lead->round_index);
    }
    if (core->read_done == core->read_last)
        return;
    begin_round(core);
    if (probe_reached(core) >= lead->round_probe) /* nobody else is to be asked */
        answer_reads(core, lead->round_until, lead->round_index);
}

uint64_t raft_core_read(struct raft_core *core, int64_t now)
{
    assert(now >= core->now_ns);
    core->now_ns = now;
    assert(core->role == RAFT_LEADER);

    core_wake(core);
    core->lead.idle_ns = now;
    core->read_last++;
    core_reads_check(core);
    return core->read_last;
}

void core_reads_lost(struct raft_core *core)
{
    if (core->read_done == core->read_last)
        return;
    core->out.lost_number = core->read_done = core->read_last;
    core_order(core, RAFT_ORDER_READ_LOST);
}

/* ---- sleep ---------------------------------------------------------------------------------- */

/* Somebody or something stirs. A leader lets the others know, and gives them time to answer. */
void core_wake(struct raft_core *core)
{
    bool was = core->asleep;

    core->asleep = core->sleepy = false;
    if (core->role != RAFT_LEADER) {
        if (was) {
            core->heard_ns = core->now_ns;
            core_rest(core);
        }
        return;
    }
    core->lead.drowsy = false;
    if (!was)
        return;
    core->lead.idle_ns = core->now_ns;
    for (uint32_t i = 0; i < core->lead.count; i++) {
        core->lead.progress[i].active_ns = core->now_ns;
        core->lead.progress[i].asleep = false;
    }
    core_beat_all(core);
}

static bool nothing_to_do(const struct raft_core *core)
{
    if (core->options.sleep_ns == 0 || !core->lead.led || core->lead.transfer_to.node != 0 ||
        core->read_done != core->read_last || core->committed < core->terms.last ||
        core->durable < core->terms.last)
        return false;
    for (uint32_t i = 0; i < core->lead.count; i++) {
        const struct progress *p = &core->lead.progress[i];

        if (p->match < core->terms.last || p->damaged > 0 || p->departing ||
            core_node_down(core, p->member.node))
            return false;
    }
    return true;
}

int64_t core_sleep_due(const struct raft_core *core)
{
    return nothing_to_do(core) ? core->lead.idle_ns + core->options.sleep_ns : NEVER;
}

/* Heartbeats ask everybody to sleep; when all have agreed, the last one goes to bed. */
void core_sleep_check(struct raft_core *core)
{
    if (core->asleep || core->now_ns - core->lead.idle_ns < core->options.sleep_ns)
        return;
    core->lead.drowsy = nothing_to_do(core);
    if (!core->lead.drowsy)
        return;
    for (uint32_t i = 0; i < core->lead.count; i++)
        if (!core->lead.progress[i].asleep)
            return;
    core->asleep = true;
    core_order(core, RAFT_ORDER_SLEEP);
}
