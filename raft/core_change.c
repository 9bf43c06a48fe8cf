/*
 * core_change: members come and go, one at a time, and leadership is handed over.
 *
 * A config counts from the moment it is in the leader's log. Majorities of two configs that differ
 * by one member have a member in common, so no two leaders can be elected side by side; that they
 * differ by no more is what the conditions of raft_core_config_allowed are for: the change before
 * is committed, and so is an entry of this term (dissertation 4.1 and its later correction: without
 * that, a change of an earlier leader, cut from some logs and not from others, is a second one).
 */
#include <string.h>

#include "raft/core_priv.h"

bool raft_core_config_allowed(const struct raft_core *core, const struct raft_config *next)
{
    const struct raft_config *config = core_config(core);

    if (!raft_core_may_propose(core) || !config_sound(next) || config_voters(next) == 0)
        return false;
    if (core->committed < core->lead.term_first && !FLAWED(core, CONFIG_BEFORE_TERM))
        return false;
    if (core->committed < configs_newest_index(&core->configs) && !FLAWED(core, CONFIG_TWICE))
        return false;
    if (configs_full(&core->configs) || !config_one_step(config, next))
        return false;
    for (uint32_t i = 0; i < core->lead.count; i++) {
        const struct progress *p = &core->lead.progress[i];

        if (config_votes(next, p->member) && !config_votes(config, p->member) &&
            (p->match < core->committed || p->damaged > 0) && !FLAWED(core, CONFIG_UNCAUGHT))
            return false;
    }
    return true;
}

/* One that left is told so, by entries up to its removal, while nobody else needs the place. */
static void depart(struct raft_core *core, const struct progress *p)
{
    struct leading *lead = &core->lead;

    assert(lead->count < PROGRESS_MAX);
    lead->progress[lead->count] = *p;
    lead->progress[lead->count].departing = true;
    lead->progress[lead->count].active_ns = core->now_ns;
    lead->count++;
}

void core_config_changed(struct raft_core *core, bool tell)
{
    const struct raft_config *config = core_config(core);
    struct progress old[PROGRESS_MAX];
    uint32_t old_count = core->lead.count;

    memcpy(old, core->lead.progress, old_count * sizeof old[0]);
    core->lead.count = 0;
    for (uint32_t i = 0; i < config->count; i++) {
        struct progress *p = &core->lead.progress[core->lead.count];
        uint32_t was = 0;

        if (member_same(config->at[i], core->options.self))
            continue;
        while (was < old_count && !member_same(old[was].member, config->at[i]))
            was++;
        /* One that departs may have been told so, and given up its log: what it had counts not. */
        if (was < old_count && !old[was].departing)
            *p = old[was];
        else
            progress_begin(core, p, config->at[i]);
        p->departing = false;
        core->lead.count++;
    }
    for (uint32_t i = 0; tell && i < old_count; i++) {
        if (config_find(config, old[i].member) == NULL && !old[i].departing) {
            depart(core, &old[i]);
            break; /* one change: one left */
        }
    }
    if (core->lead.transfer_to.node != 0 && !config_votes(config, core->lead.transfer_to))
        core->lead.transfer_to = (struct raft_member){0};
    core_leader_commit(core); /* fewer voters may be a majority now */
}

/* The place of the one that departs is the last. */
static struct progress *departing(struct raft_core *core)
{
    struct leading *lead = &core->lead;

    if (lead->count == 0 || !lead->progress[lead->count - 1].departing)
        return NULL;
    return &lead->progress[lead->count - 1];
}

void core_departed_check(struct raft_core *core)
{
    const struct progress *p = departing(core);

    if (p == NULL)
        return;
    if ((core->committed >= configs_newest_index(&core->configs) &&
         p->committed >= configs_newest_index(&core->configs)) ||
        core->now_ns - p->active_ns > core->options.election_ns)
        core->lead.count--;
}

/* The newest config is committed: a leader that does not vote in it has done its last duty. */
void core_config_committed(struct raft_core *core)
{
    if (core->committed < configs_newest_index(&core->configs) || core_votes(core))
        return;
    core_abdicate(core);
    if (config_find(core_config(core), core->options.self) == NULL)
        core_order(core, RAFT_ORDER_REMOVED);
}

/*
 * Somebody asks for votes who is no member: it was removed and does not know. The place for one
 * that departs is given to it; what it gets ends with the entry that removed it.
 */
void core_stranger(struct raft_core *core, struct raft_member member)
{
    struct progress p;

    if (core->committed < configs_newest_index(&core->configs) ||
        config_find(core_config(core), member) != NULL || core_progress(core, member) != NULL)
        return;
    if (departing(core) != NULL)
        return; /* one at a time */
    progress_begin(core, &p, member);
    p.beat = true;
    depart(core, &p);
}

/* ---- handing over --------------------------------------------------------------------------- */

/* The voter that has most; NULL: there is no other. */
static struct progress *best_successor(struct raft_core *core)
{
    struct progress *best = NULL;

    for (uint32_t i = 0; i < core->lead.count; i++) {
        struct progress *p = &core->lead.progress[i];

        if (!config_votes(core_config(core), p->member) || p->damaged > 0 ||
            core_node_down(core, p->member.node))
            continue;
        if (best == NULL || p->match > best->match ||
            (p->match == best->match && p->active_ns > best->active_ns))
            best = p;
    }
    return best;
}

static void tell_to_stand(struct raft_core *core, struct raft_member member)
{
    core->out.successor = member;
    core->out.successor_term = core->term;
    core->lead.transfer_told = true;
    core->lead.lease_over = true;
}

void core_transfer_check(struct raft_core *core)
{
    const struct progress *p;

    if (core->lead.transfer_to.node == 0 || core->lead.transfer_told)
        return;
    p = core_progress(core, core->lead.transfer_to);
    if (p != NULL && (p->match == core->terms.last || FLAWED(core, TRANSFER_LAGGING)))
        tell_to_stand(core, p->member);
}

void raft_core_transfer(struct raft_core *core, int64_t now, struct raft_member to)
{
    struct progress *p;

    assert(now >= core->now_ns);
    core->now_ns = now;
    if (core->role != RAFT_LEADER || core->lead.transfer_to.node != 0)
        return;
    p = to.node == 0 ? best_successor(core) : core_progress(core, to);
    /* One that has lost entries does not stand; waiting for it would keep the term from ending that
     * it needs the end of (renew_term). */
    if (p == NULL || !config_votes(core_config(core), p->member) || p->damaged > 0)
        return;
    core_wake(core);
    core->lead.transfer_to = p->member;
    core->lead.transfer_due = now + core->options.election_ns;
    core->lead.transfer_told = false;
    core_transfer_check(core);
}

void core_abdicate(struct raft_core *core)
{
    const struct progress *best = best_successor(core);

    assert(core->role == RAFT_LEADER);
    if (best != NULL && best->match >= core->committed)
        tell_to_stand(core, best->member);
    core_follow(core, core->term, (struct raft_member){0});
}
