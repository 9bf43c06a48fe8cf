/*
 * core_election: standing and voting.
 *
 * A member that hears no leader asks first whether it would be elected (pre-vote): nobody's term
 * changes, so one that was cut off comes back without a stir. Then it raises its term, votes for
 * itself, and asks for votes when that is on its disk: a candidate that dies and forgets would ask
 * again in the same term with a shorter log, and answers to the first question would count for it.
 */
#include <string.h>

#include "raft/core_priv.h"

#define FORGIVEN_ALONE 8 /* election timeouts */

void core_rest(struct raft_core *core)
{
    uint64_t election = (uint64_t)core->options.election_ns;

    core->election_due = core->now_ns + (int64_t)(election + prng_below(&core->prng, election));
}

/* One vote a term: the term and who got it are one record, with what the log misses. */
void core_set_vote(struct raft_core *core, uint64_t term, struct raft_member vote)
{
    assert(term >= core->term);

    core->term = term;
    core->vote = vote;
    core->vote_number++;
    core_order(core, RAFT_ORDER_VOTE);
}

void core_follow(struct raft_core *core, uint64_t term, struct raft_member leader)
{
    bool known =
        core->role == RAFT_FOLLOWER && term == core->term && member_same(leader, core->leader);

    assert(!member_same(leader, core->options.self));

    if (core->role == RAFT_LEADER) {
        core_reads_lost(core);
        core->out.pending &= ~(1u << RAFT_ORDER_LEAD | 1u << RAFT_ORDER_ELECTED);
    }
    if (core->role == RAFT_LEADER || term > core->term || !member_same(leader, core->leader))
        core_order(core, RAFT_ORDER_FOLLOW);
    if (term <= FIRST_TERM)
        core->term = term; /* no election is held in it: it needs no record */
    else if (term > core->term)
        core_set_vote(core, term, (struct raft_member){0});
    if (known)
        return;

    core->role = RAFT_FOLLOWER;
    core->leader = leader;
    core->asleep = core->sleepy = false;
    core->matched = core->whole_at = 0;
    core->probe = 0;
    core->candidate = (struct raft_member){0};
    core->out.accept = core->out.reject = false;
    core_rest(core);
}

/* ---- standing ------------------------------------------------------------------------------- */

/* Where it is the only voter nothing is committed that its log has not: unless it has given up its
 * log, is taken in again, and passes, on its way, the config of the time when it was that. */
bool raft_core_outlived(const struct raft_core *core)
{
    return config_voters(core_config(core)) == 1 && core_votes(core) &&
           core->terms.last < core->commit_known;
}

bool raft_core_learns(const struct raft_core *core)
{
    return !core_votes(core) && !core->called &&
           !config_votes(raft_core_config_committed(core), core->options.self);
}

/*
 * Voters stand, and those who vote no more by a config that is not known to be committed (4.2.2):
 * the entry may be in no other log, and then nobody with a shorter one can be elected. They need
 * the votes of the new config, and their own does not count. So do learners whom somebody has asked
 * for a vote, being voters by a promotion that they do not have, and who had to refuse it for their
 * newer log.
 */
bool core_may_stand(const struct raft_core *core)
{
    if ((core->stuck && !core_alone(core)) || core->damaged > 0 || core->still ||
        raft_core_outlived(core))
        return false;
    if (FLAWED(core, STAND_LEARNER) && config_find(core_config(core), core->options.self) != NULL)
        return true;
    if (core->called && config_find(core_config(core), core->options.self) != NULL)
        return true;
    if (FLAWED(core, STAND_NO_MORE))
        return core_votes(core);
    return core_votes(core) || config_votes(raft_core_config_committed(core), core->options.self);
}

/* Everybody who votes and has not answered. */
static void ask(struct raft_core *core)
{
    const struct raft_config *config = core_config(core);

    for (uint32_t i = 0; i < config->count; i++)
        if (!config->at[i].learner && !member_same(config->at[i], core->options.self) &&
            (core->granted & (1u << i)) == 0)
            core->asks |= 1u << i;
    core->ask_due = core->now_ns + core->options.heartbeat_ns;
}

static void grant(struct raft_core *core, struct raft_member member)
{
    const struct raft_config *config = core_config(core);
    uint32_t votes = 0;

    for (uint32_t i = 0; i < config->count; i++) {
        if (core_is(core, config->at[i], member) && !config->at[i].learner)
            core->granted |= 1u << i;
        votes += (core->granted >> i) & 1;
    }
    if (votes <= config_voters(config) / 2)
        return;
    if (core->prevoting)
        core_stand(core, false, false);
    else
        core_lead(core);
}

void core_stand(struct raft_core *core, bool prevoting, bool transfer)
{
    assert(core->role != RAFT_LEADER);
    assert(core_may_stand(core));

    core_follow(core, core->term, (struct raft_member){0});
    core->role = RAFT_CANDIDATE;
    core->prevoting = prevoting;
    core->transfer = transfer;
    core->asks = core->granted = 0;
    core_rest(core);
    if (core_alone(core)) {
        core->prevoting = false;
        core->term++;
        core->vote = core->options.self;
        core_lead(core);
    } else if (prevoting) {
        ask(core);
        grant(core, core->options.self);
    } else {
        core->ask_due = NEVER; /* when the vote is durable */
        core_set_vote(core, core->term + 1, core->options.self);
        if (FLAWED(core, STAND_UNSYNCED))
            ask(core);
    }
}

void core_candidate_tick(struct raft_core *core)
{
    /* Who stood still itself hears first what came meanwhile. */
    if (core->now_ns - core->election_due > core->options.heartbeat_ns)
        core->election_due = core->now_ns + core->options.heartbeat_ns;
    if (core->now_ns >= core->election_due)
        core_stand(core, true, false);
    else if (core->role == RAFT_CANDIDATE && core->now_ns >= core->ask_due)
        ask(core);
}

void core_vote_durable(struct raft_core *core)
{
    if (core->role == RAFT_CANDIDATE && !core->prevoting) {
        ask(core);
        grant(core, core->options.self);
    } else if (core->role == RAFT_FOLLOWER && core->candidate.node != 0) {
        core->out.answer = (struct answer){
            .type = RAFT_VOTE_ANSWER, .to = core->candidate, .term = core->term, .granted = true};
        core->candidate = (struct raft_member){0};
    }
}

/* ---- voting --------------------------------------------------------------------------------- */

static bool log_is_newer(const struct raft_core *core, const struct raft_message *message)
{
    uint64_t term = terms_last(&core->terms);

    if (FLAWED(core, VOTE_SHORT_LOG))
        return false;
    if (term != message->last_term)
        return term > message->last_term;
    return core->terms.last > message->last;
}

/* Whoever has less than is lent gets no vote. What its earlier lives have accepted, and somebody
 * has left, is in that log if it is committed; what this life has, in its own, which counts, too.
 */
static bool has_lent(const struct raft_core *core, const struct raft_message *message)
{
    if (message->last_term != core->lent_term)
        return message->last_term > core->lent_term;
    return message->last >= core->lent_last;
}

static bool may_vote(struct raft_core *core, const struct raft_message *message)
{
    bool lent = core->lent_term != 0;

    if ((core->damaged > 0 && !lent && !FLAWED(core, VOTE_DAMAGED)) || core->still)
        return false;
    /* Its log is only the beginning, of others: perhaps it was one of the group since, and has
     * given that up. Nobody counts on it before it has the entry that takes it in. Where all that
     * knew it may have lost it with the memory, that is forgiven. */
    if (terms_last(&core->terms) <= FIRST_TERM && !core->forgiven && !lent &&
        config_find(core_config(core), core->options.self) == NULL)
        return false;
    if (!log_is_newer(core, message))
        return !lent || has_lent(core, message);
    core->called = true;
    return false;
}

static void answer_vote(struct raft_core *core, const struct raft_message *message, bool granted)
{
    bool prevote = message->type == RAFT_PREVOTE;

    core->out.answer = (struct answer){
        .type = prevote ? RAFT_PREVOTE_ANSWER : RAFT_VOTE_ANSWER,
        .to = message->from,
        .term = prevote && granted ? message->term : core->term,
        .granted = granted,
    };
}

/* The vote is this candidate's, from now or from before; the answer waits for the disk. */
static void vote_for(struct raft_core *core, const struct raft_message *message)
{
    if (!member_same(core->vote, message->from)) {
        core_set_vote(core, message->term, message->from);
        core_rest(core); /* it has its chance */
    }
    if (core->vote_durable == core->vote_number || FLAWED(core, VOTE_BEFORE_DURABLE))
        answer_vote(core, message, true);
    else
        core->candidate = message->from;
}

static void step_real_vote(struct raft_core *core, const struct raft_message *message)
{
    bool free;

    if (message->term < core->term) {
        answer_vote(core, message, false);
        return;
    }
    if (message->term > core->term)
        core_follow(core, message->term, (struct raft_member){0});

    /* At most one vote a term (dissertation 3.4), and none against a leader of the term. */
    free =
        core->vote.node == 0 || member_same(core->vote, message->from) || FLAWED(core, VOTE_TWICE);
    if (core->role == RAFT_FOLLOWER && core->leader.node == 0 && free && may_vote(core, message))
        vote_for(core, message);
    else
        answer_vote(core, message, false);
}

void core_step_vote(struct raft_core *core, const struct raft_message *message)
{
    /* A leader that asks for votes leads no more. */
    bool sticky = core_sticky(core) && !message->transfer &&
                  (core->role == RAFT_LEADER || !core_is(core, core->leader, message->from));

    /* Somebody misses the leader: it shall prove that it is there. To one that was removed only a
     * leader has something to say. */
    if (core->asleep &&
        (core->role == RAFT_LEADER || config_find(core_config(core), message->from) != NULL))
        core_wake(core);
    if (core->role == RAFT_LEADER)
        core_stranger(core, message->from);

    /* Neither the vote nor the term of one that does not hear a leader who is heard here (4.2.3).
     */
    if (sticky && message->term >= core->term && message->type == RAFT_VOTE)
        return;
    if (message->type == RAFT_VOTE) {
        step_real_vote(core, message);
        return;
    }
    answer_vote(core, message, !sticky && message->term > core->term && may_vote(core, message));
}

void core_step_vote_answer(struct raft_core *core, const struct raft_message *message)
{
    bool prevote = message->type == RAFT_PREVOTE_ANSWER;
    bool member = config_find(core_config(core), message->from) != NULL;

    if (!message->granted) {
        if (message->term > core->term && member)
            core_follow(core, message->term, (struct raft_member){0});
        return;
    }
    if (core->role == RAFT_CANDIDATE && prevote == core->prevoting &&
        (message->term == core->term + prevote || FLAWED(core, VOTE_OF_OLD_TERM)))
        grant(core, message->from);
}

/* ---- damage --------------------------------------------------------------------------------- */

bool raft_core_forgive(struct raft_core *core, int64_t now, int64_t silence_ns)
{
    core->now_ns = now;
    if (core->damaged == 0)
        return true;
    if (now - core->heard_ns < silence_ns)
        return false;
    core->damaged = 0;
    core->forgiven = true;
    core_set_vote(core, core->term, core->vote);
    core_rest(core);
    if (core_alone(core)) /* by its beginning: who has more and asks for its vote goes first */
        core->election_due = now + FORGIVEN_ALONE * core->options.election_ns;
    core_check(core);
    return true;
}

/* Who has all of what is lent lacks nothing that anybody has. What it may have voted in its
 * forgotten lives was in no later term than the latest of any that anybody remembers; or nothing is
 * left of that term. */
void raft_core_lend(struct raft_core *core, int64_t now, uint64_t term, uint64_t last_term,
                    uint64_t last)
{
    assert(core->still);
    core->now_ns = now;
    core->lent_term = last_term;
    core->lent_last = last;
    if (terms_at(&core->terms, last) == last_term && core->durable >= last)
        core->damaged = 0;
    if (term < core->term)
        term = core->term;
    core_follow(core, term + 1, (struct raft_member){0});
    core_check(core);
}
