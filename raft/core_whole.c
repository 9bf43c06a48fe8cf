/*
 * core_whole: when a log that has lost something is as good as it was.
 *
 * It has accepted entries that it lost. It is whole when its log is as long again, taken from
 * leaders, or when it holds an entry committed in a later term: everything committed before is in
 * front of that. Or when it holds all that a leader had who was heard since: what it had accepted
 * in that one's term came from there, and is in that log, which does not shrink while he leads; of
 * what it had accepted in earlier terms, all that is or will be committed is in the log of whoever
 * was elected later; and in later terms it had accepted nothing, or it would not listen to him.
 *
 * Since: a message of before it lost something may come late, and says less. So it asks, with a
 * number that it has never used in an earlier life, and what counts is told with that number. In
 * answers to entries last_term is that number, in messages with entries last and last_term are how
 * far to go, and the number.
 *
 * Not so a log that was made anew: what it has voted may be forgotten with the one before.
 */
#include "raft/core_priv.h"

void core_whole_start(struct raft_core *core)
{
    if (core->damaged != 0 && core->damaged != RAFT_DAMAGED_ANEW)
        core->life = (uint64_t)core->now_ns << 1 ^ (prng_next(&core->prng) | 1);
}

void core_damage_check(struct raft_core *core)
{
    uint64_t held = core->committed < core->durable ? core->committed : core->durable;
    uint64_t matched = core->matched < core->durable ? core->matched : core->durable;
    bool all = core->whole_at != 0 && matched >= core->whole_at;

    if (core->damaged == 0)
        return;
    if (core->durable < core->damaged && terms_at(&core->terms, held) <= core->damaged_term &&
        !all && !FLAWED(core, WHOLE_TOO_EARLY))
        return;
    core->damaged = 0;
    core_set_vote(core, core->term, core->vote);
    core_rest(core);
}

void core_whole_ask(const struct raft_core *core, struct raft_message *message)
{
    if (core->damaged != 0)
        message->last_term = core->life;
}

void core_whole_asked(const struct raft_core *core, struct progress *p,
                      const struct raft_message *message)
{
    if (message->damaged == 0) {
        p->lacking = 0;
    } else if (message->granted && message->last_term != 0 && message->last_term != p->lacking) {
        p->lacking = message->last_term;
        p->lacking_last = core->terms.last;
        p->beat = true;
    }
}

void core_whole_tell(const struct raft_core *core, const struct progress *p,
                     struct raft_message *message)
{
    if (FLAWED(core, WHOLE_BY_LATE)) {
        message->last = core->terms.last;
        message->last_term = 1;
    }
    if (p->lacking == 0)
        return;
    message->last = p->lacking_last;
    message->last_term = p->lacking;
}

void core_whole_told(struct raft_core *core, const struct raft_message *message)
{
    bool own = message->last_term == core->life || FLAWED(core, WHOLE_BY_LATE);

    if (core->damaged != 0 && core->life != 0 && message->last_term != 0 && own)
        core->whole_at = message->last;
}
