/*
 * replica_mend: what a start has found wrong with this log, or an earlier one wrote down, is over
 * as soon as the core says so, but only in memory. The disk is to say so, too: in the vote record,
 * and by where the log ends, which it may never get to by itself when nothing is appended any more.
 * Else each start doubts the log again, and when those of a majority do, nobody can lead.
 *
 * In any order: a crash leaves the doubt or nothing of it. What a full disk has no room for is
 * tried again; until it is there this server does not call itself well
 * (server/jetstream/jetstream_health.c).
 */
#include "base/owner.h"
#include "raft/replica_priv.h"

#define LOOK_NS INT64_C(200000000)

/* Whoever has no others to take anything from has nothing written down that would be taken back. */
static bool vote_says_so(const struct replica *replica)
{
    struct store_vote vote;

    return replica->repair_to == 0 ||
           (store_vote_found(replica->groups->store, replica->id, &vote) && vote.damaged == 0);
}

void replica_mend_look(struct replica *replica)
{
    if (!replica->unmended || replica->repair_from != 0 || raft_core_damaged(replica->core))
        return;
    if (!REPLICA_FLAWED(replica, END_UNSAID) && log_end_unsaid(replica->log))
        log_end_say(replica->log);
    else
        replica->unmended = !vote_says_so(replica);
}

void replica_mend_fired(struct timer *timer)
{
    struct replica *replica = owner_of(timer, struct replica, mend);

    replica_mend_look(replica);
    if (replica->unmended)
        timers_arm(io_timers(replica->io), timer, io_now(replica->io) + LOOK_NS);
}

void replica_mend_begin(struct replica *replica)
{
    replica->unmended =
        !log_in_memory(replica->log) && (replica->repair_to != 0 || log_end_unsaid(replica->log));
    if (replica->unmended)
        timers_arm(io_timers(replica->io), &replica->mend, io_now(replica->io));
}

bool replica_mended(const struct replica *replica)
{
    return !replica->unmended;
}
