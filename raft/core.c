/* core: the calls from outside; the rules are in the files that core_priv.h lists. */
#include "raft/core.h"

#include "raft/core_priv.h"

#define ELECTED_AGAIN_NS INT64_C(1000000000)
#define LED_TIMEOUTS     4 /* of elections: so long ago a leader was heard who counts as one */

/* What is true between any two calls. */
void core_check(const struct raft_core *core)
{
    assert(core->terms.floor <= core->committed);
    assert(core->committed <= core->terms.last);
    assert(core->durable <= core->terms.last);
    assert(core->terms.floor <= core->durable);
    assert(core->vote_durable <= core->vote_number);
    assert(core->role != RAFT_LEADER || member_same(core->leader, core->options.self));
    assert(configs_newest_index(&core->configs) <= core->terms.last);
}

/* ---- time and messages ---------------------------------------------------------------------- */

static void set_time(struct raft_core *core, int64_t now)
{
    assert(now >= core->now_ns);
    core->now_ns = now;
}

int64_t raft_core_deadline(const struct raft_core *core)
{
    if (core->asleep)
        return NEVER;
    if (core->role == RAFT_LEADER)
        return core_leader_deadline(core);
    if (!core_may_stand(core))
        return NEVER;
    if (core->role == RAFT_CANDIDATE && core->ask_due < core->election_due)
        return core->ask_due;
    return core->election_due;
}

void raft_core_tick(struct raft_core *core, int64_t now)
{
    set_time(core, now);
    assert(core->out.pending == 0);

    if (core->asleep)
        return;
    if (core->role == RAFT_LEADER)
        core_leader_tick(core);
    else if (core_may_stand(core))
        core_candidate_tick(core);
    core_check(core);
}

void raft_core_tell_commit(struct raft_core *core, int64_t now)
{
    if (core->role != RAFT_LEADER)
        return;
    core->lead.commit_due = now;
    raft_core_tick(core, now);
}

static bool entries_sound(const struct raft_message *message)
{
    uint64_t term = message->previous_term;

    if (message->entry_count > RAFT_ENTRIES_MAX)
        return false;
    for (uint32_t i = 0; i < message->entry_count; i++) {
        const struct raft_entry *entry = &message->entries[i];

        if (entry->index != message->previous + 1 + i || entry->term < term || entry->term == 0)
            return false;
        if (entry->config != NULL && !config_sound(entry->config))
            return false;
        term = entry->term;
    }
    return term <= message->term;
}

/* Numbers that can be counted on from, entries in their order. */
static bool message_sound(const struct raft_message *message)
{
    if (message->term == 0 || message->term > RAFT_NUMBER_MAX ||
        message->previous > RAFT_NUMBER_MAX || message->last > RAFT_NUMBER_MAX)
        return false;
    return message->type != RAFT_APPEND || entries_sound(message);
}

static void step_snapshot_needed(struct raft_core *core, const struct raft_message *message)
{
    struct progress *p;

    if (core->role != RAFT_LEADER || message->term != core->term)
        return;
    p = core_progress(core, message->from);
    if (p != NULL)
        p->snapshot = true;
}

static void step_transfer(struct raft_core *core, const struct raft_message *message)
{
    if (message->term != core->term || !member_same(message->from, core->leader))
        return;
    if (core->role != RAFT_LEADER && core_may_stand(core))
        core_stand(core, false, true);
}

void raft_core_step(struct raft_core *core, int64_t now, const struct raft_message *message)
{
    set_time(core, now);
    assert(core->out.pending == 0);

    /* What was sent to an earlier life of this node's disk is not for this one. */
    if (!core_is(core, message->to, core->options.self) ||
        member_same(message->from, core->options.self) || !message_sound(message))
        return;

    switch (message->type) {
    case RAFT_PREVOTE: core_step_vote(core, message); break;
    case RAFT_VOTE: core_step_vote(core, message); break;
    case RAFT_PREVOTE_ANSWER: core_step_vote_answer(core, message); break;
    case RAFT_VOTE_ANSWER: core_step_vote_answer(core, message); break;
    case RAFT_APPEND: core_step_append(core, message); break;
    case RAFT_APPEND_ANSWER: core_step_append_answer(core, message); break;
    case RAFT_SNAPSHOT_NEEDED: step_snapshot_needed(core, message); break;
    case RAFT_TRANSFER: step_transfer(core, message); break;
    }
    core_check(core);
}

/* ---- nodes ---------------------------------------------------------------------------------- */

bool core_node_down(const struct raft_core *core, uint64_t node)
{
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++)
        if (core->down[i] == node)
            return true;
    return false;
}

static bool node_matters(const struct raft_core *core, uint64_t node)
{
    const struct raft_config *config = core_config(core);

    if (core->leader.node == node)
        return true;
    for (uint32_t i = 0; i < config->count; i++)
        if (config->at[i].node == node)
            return true;
    return false;
}

/* The first free place, or that of a node that is no member's any more. */
static void node_note(struct raft_core *core, uint64_t node, bool up)
{
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++)
        if (core->down[i] == node || (core->down[i] != 0 && !node_matters(core, core->down[i])))
            core->down[i] = 0;
    for (uint32_t i = 0; !up && node_matters(core, node) && i < RAFT_MEMBERS_MAX; i++) {
        if (core->down[i] == 0) {
            core->down[i] = node;
            return;
        }
    }
}

static void leader_node(struct raft_core *core, uint64_t node, bool up)
{
    core_wake(core);
    for (uint32_t i = 0; i < core->lead.count; i++) {
        struct progress *p = &core->lead.progress[i];

        if (p->member.node != node)
            continue;
        if (p->state == PROGRESS_STREAM)
            progress_back(core, p, p->matched + 1); /* what was under way is lost */
        p->waiting = p->held = false;
        p->beat = up;
    }
}

/* How many voters are to stand before it when the leader is gone: an order that all know, another
 * one in each term, without those whose nodes are down as well. */
static uint32_t rank(const struct raft_core *core)
{
    const struct raft_config *config = core_config(core);
    uint32_t before = 0;

    for (uint32_t i = 0; i < config->count; i++) {
        const struct raft_member *at = &config->at[(core->term + i) % config->count];

        if (member_same(*at, core->options.self))
            break;
        before +=
            !at->learner && !member_same(*at, core->leader) && !core_node_down(core, at->node);
    }
    return before;
}

/* The leader's process is likely gone: nobody is early who stands when its patience is over. The
 * others' is over then or soon: who refuses is asked again a heartbeat later. Not all at once:
 * whoever is first has the others' votes before they stand, and two who ask for votes in one term
 * lose a whole timeout. What is heard of the leader meanwhile puts it off again. */
static void leader_lost(struct raft_core *core)
{
    int64_t slot = core->options.election_ns / 8;
    int64_t due = core->heard_ns + core_patience(core) + core->options.heartbeat_ns / 4;

    due = due > core->now_ns ? due : core->now_ns;
    core->election_due =
        due + rank(core) * slot + (int64_t)prng_below(&core->prng, (uint64_t)slot / 2);
}

void raft_core_node(struct raft_core *core, int64_t now, uint64_t node, bool up)
{
    set_time(core, now);

    node_note(core, node, up);
    if (core->role == RAFT_LEADER) {
        leader_node(core, node, up);
    } else if (core->asleep && core->leader.node == node && !FLAWED(core, SLEEP_FOREVER)) {
        int64_t heard_ns = core->heard_ns, due;

        core_wake(core);
        if (!up) {
            /* Since it was heard, patience is promised to it, and not since this one woke: it may
             * be long ago, but the leader may also not sleep yet and have a lease. */
            core->heard_ns = FLAWED(core, SLEEPER_IMPATIENT) ? 0 : heard_ns;
            due = core->heard_ns + core_patience(core) + core->options.heartbeat_ns / 4;
            core->election_due =
                (due > now ? due : now) +
                (int64_t)prng_below(&core->prng, (uint64_t)core->options.election_ns);
        }
    } else if (!up && core->role == RAFT_FOLLOWER && core->leader.node == node) {
        leader_lost(core);
    }
    core_check(core);
}

/* ---- the disk ------------------------------------------------------------------------------- */

void core_commit(struct raft_core *core, uint64_t index)
{
    assert(index <= core->terms.last);

    if (index <= core->committed)
        return;
    core->committed = index;
    core_order(core, RAFT_ORDER_COMMIT);
    configs_settle(&core->configs, core->committed, core->durable);
    terms_forget(&core->terms, core->committed);
    core_damage_check(core);
}

void core_cut(struct raft_core *core, uint64_t index)
{
    terms_cut(&core->terms, index);
    if (core->durable > index)
        core->durable = index;
    if (core->matched > index)
        core->matched = index;
    if (FLAWED(core, CONFIG_KEEPS_CUT) && configs_newest_index(&core->configs) > index) {
        struct raft_config kept = *core_config(core);

        configs_init(&core->configs, index, &kept);
    }
    configs_cut(&core->configs, index);
}

void raft_core_durable(struct raft_core *core, int64_t now, uint64_t index)
{
    uint64_t before = core->durable;

    set_time(core, now);
    assert(index <= core->terms.last);

    if (index <= before)
        return;
    core->durable = index;
    configs_settle(&core->configs, core->committed, core->durable);
    if (core->role == RAFT_LEADER)
        core_leader_commit(core);
    else
        core_follower_durable(core, before);
    core_damage_check(core);
    core_check(core);
}

void raft_core_voted(struct raft_core *core, int64_t now, uint64_t number)
{
    set_time(core, now);
    assert(number <= core->vote_number);

    if (number <= core->vote_durable)
        return;
    core->vote_durable = number;
    if (number == core->vote_number || FLAWED(core, VOTE_BY_OLD_RECORD))
        core_vote_durable(core);
    core_check(core);
}

static void take_back(struct raft_core *core, uint64_t index)
{
    core_config_changed(core, false); /* nobody has heard of the one that goes */
    for (uint32_t i = 0; i < core->lead.count; i++)
        if (core->lead.progress[i].next > index)
            core->lead.progress[i].next = index;
    if (index == core->lead.term_first)
        core->lead.again_due = core->now_ns + ELECTED_AGAIN_NS;
}

void raft_core_refused(struct raft_core *core, int64_t now, uint64_t index)
{
    set_time(core, now);
    assert(index > core->durable);
    assert(index <= core->terms.last + 1);

    core_cut(core, index - 1);
    /* Others may have it: it is committed all the same, but not known to be any more. */
    if (core->committed > core->terms.last)
        core->committed = core->terms.last;
    if (core->role == RAFT_LEADER) {
        /* Where others have an entry, nothing else may ever stand in this term. */
        bool unheard = core->lead.sent < index && core_alone(core);

        if (unheard || FLAWED(core, LEAD_AFTER_REFUSAL))
            take_back(core, index);
        else
            core_abdicate(core);
    } else if (core->role == RAFT_CANDIDATE) {
        core_follow(core, core->term, core->leader); /* it asked for votes with a longer log */
    }
    core_check(core);
}

void raft_core_stuck(struct raft_core *core, int64_t now, bool stuck)
{
    set_time(core, now);
    if (FLAWED(core, STAND_STUCK) || core->stuck == stuck)
        return;
    core->stuck = stuck;
    if (!stuck)
        core_rest(core);
    else if (core->role == RAFT_LEADER && !core_alone(core))
        core_abdicate(core);
    else if (core->role == RAFT_CANDIDATE)
        core_follow(core, core->term, core->leader);
    core_check(core);
}

/* A follower that may not stand keeps a leader who is long gone. */
bool raft_core_led(const struct raft_core *core, int64_t now)
{
    if (core->role != RAFT_FOLLOWER || core->asleep)
        return core->role == RAFT_LEADER || core->asleep;
    return core->leader.node != 0 &&
           now - core->heard_ns < LED_TIMEOUTS * core->options.election_ns;
}

bool raft_core_hold_still(struct raft_core *core, int64_t now, bool still)
{
    set_time(core, now);
    if (still && raft_core_led(core, now))
        return false;
    if (core->still == still)
        return true;
    core->still = still;
    if (still) {
        core->lent_term = 0;
        core_follow(core, core->term, (struct raft_member){0});
    }
    core_rest(core);
    core_check(core);
    return true;
}

/* ---- the log's beginning -------------------------------------------------------------------- */

void raft_core_floor(struct raft_core *core, uint64_t index, uint64_t term)
{
    assert(index <= core->committed);
    assert(index <= core->durable);

    if (index <= core->terms.floor)
        return;
    terms_floor(&core->terms, index, term);
    core_check(core);
}

bool raft_core_lacks(const struct raft_core *core, uint64_t index, uint64_t term)
{
    return core->role != RAFT_LEADER && index > core->committed &&
           terms_at(&core->terms, index) != term;
}

void raft_core_restored(struct raft_core *core, int64_t now, uint64_t index, uint64_t term,
                        const struct raft_config *config)
{
    set_time(core, now);
    assert(raft_core_lacks(core, index, term));
    assert(config_sound(config));

    if (core->role == RAFT_CANDIDATE)
        core_follow(core, core->term, core->leader);
    terms_init(&core->terms, index, term);
    configs_init(&core->configs, index, config);
    core->durable = core->committed = index;
    core->matched = 0; /* whether the leader of this term has it is for it to say */
    core_damage_check(core);
    core_check(core);
}

/* ---- looking -------------------------------------------------------------------------------- */

enum raft_role raft_core_role(const struct raft_core *core)
{
    return core->role;
}

uint64_t raft_core_term(const struct raft_core *core)
{
    return core->term;
}

struct raft_member raft_core_leader(const struct raft_core *core)
{
    return core->leader;
}

uint64_t raft_core_committed(const struct raft_core *core)
{
    return core->committed;
}

uint64_t raft_core_last(const struct raft_core *core)
{
    return core->terms.last;
}

uint64_t raft_core_floor_index(const struct raft_core *core)
{
    return core->terms.floor;
}

uint64_t raft_core_term_at(const struct raft_core *core, uint64_t index)
{
    return terms_at(&core->terms, index);
}

const struct raft_config *raft_core_config(const struct raft_core *core)
{
    return core_config(core);
}

const struct raft_config *raft_core_config_committed(const struct raft_core *core)
{
    return configs_at(&core->configs, core->committed);
}

uint64_t raft_core_config_index(const struct raft_core *core)
{
    return configs_newest_index(&core->configs);
}

bool raft_core_damaged(const struct raft_core *core)
{
    return core->damaged != 0;
}

uint64_t raft_core_behind(const struct raft_core *core)
{
    if (core->role == RAFT_LEADER || core->heard_commit < core->committed)
        return 0;
    return core->heard_commit - core->committed;
}

bool raft_core_asleep(const struct raft_core *core)
{
    return core->asleep;
}
