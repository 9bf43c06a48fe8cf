/*
 * replica_vote: what this node has promised in a term, made durable before it counts, and the
 * repair of a log that has lost something, which begins with such a record.
 */
#include "base/owner.h"
#include "raft/replica_priv.h"

#define BALLOT_RETRY_NS 250000000

static_assert(RAFT_DAMAGED_ALL == STORE_DAMAGED_ALL, "the record has the core's word");
static_assert(RAFT_DAMAGED_ANEW == STORE_DAMAGED_ANEW, "the record has the core's word");

static void voted(struct store_vote_op *op, enum err err);
static void vote_next(struct replica *replica);

/* A log that has lost something in a group of several: that it is so is made durable, then
 * everything from there on is taken again from the leader. Until the log is as long as it was this
 * member neither votes nor stands (raft/core.h, damaged). */
void replica_repair(struct replica *replica)
{
    struct store_vote vote = {0};

    (void)store_vote_found(replica->groups->store, replica->id, &vote);
    vote.damaged = replica->repair_to;
    replica->ballot_waits = true;
    replica->ballot_next = vote;
    vote_next(replica);
}

static void end_repair(struct replica *replica)
{
    log_cut(replica->log, replica->repair_from - 1);
    replica->repair_from = 0;
    raft_core_start(replica->core, io_now(replica->io));
    replica_look_at_members(replica);
}

/* One vote record at a time; what comes meanwhile supersedes what has not been begun. */
static void vote_next(struct replica *replica)
{
    if (replica->ballot_busy || !replica->ballot_waits)
        return;
    replica->ballot_waits = false;
    replica->ballot_busy = true;
    replica->ballot_number = replica->ballot_next_number;
    replica->ballot.log_id = replica->id;
    replica->ballot.vote = replica->ballot_next;
    replica->ballot.done = voted;
    replica_hold(replica);
    store_vote(replica->groups->store, &replica->ballot);
}

/* The disk refused it, or a newer one that waits: nothing of this term is answered until it is
 * there. */
static void vote_again(struct replica *replica)
{
    if (!replica->ballot_waits) {
        replica->ballot_waits = true;
        replica->ballot_next = replica->ballot.vote;
        replica->ballot_next_number = replica->ballot_number;
    }
    timers_arm(io_timers(replica->io), &replica->ballot_again,
               io_now(replica->io) + BALLOT_RETRY_NS);
}

static void voted(struct store_vote_op *op, enum err err)
{
    struct replica *replica = owner_of(op, struct replica, ballot);

    replica->ballot_busy = false;
    if (!replica->closed && err != OK) {
        vote_again(replica);
    } else if (!replica->closed && replica->repair_from != 0) {
        end_repair(replica);
        replica_drain(replica);
    } else if (!replica->closed) {
        raft_core_voted(replica->core, io_now(replica->io), replica->ballot_number);
        vote_next(replica);
        replica_drain(replica);
        if (!replica->closed)
            replica_mend_look(replica);
    }
    replica_let_go(replica);
}

void replica_ballot_fired(struct timer *timer)
{
    vote_next(owner_of(timer, struct replica, ballot_again));
}

/* Whoever reads the record of a log in memory has lost all of it. Entries are accepted only when a
 * record has their term: so who finds none has lost nothing. */
void replica_vote(struct replica *replica, const struct raft_order *order)
{
    replica->ballot_waits = true;
    replica->ballot_next_number = order->number;
    replica->ballot_next = (struct store_vote){
        .term = order->term,
        .node = order->member.node,
        .incarnation = order->member.incarnation,
        .damaged = log_in_memory(replica->log) && order->index != RAFT_DAMAGED_ANEW
                       ? RAFT_DAMAGED_ALL
                       : order->index,
    };
    if (REPLICA_FLAWED(replica, VOTE_UNDURABLE) || REPLICA_FLAWED(replica, VOTE_UNWRITTEN))
        raft_core_voted(replica->core, io_now(replica->io), order->number);
    if (!REPLICA_FLAWED(replica, VOTE_UNWRITTEN))
        vote_next(replica);
}
