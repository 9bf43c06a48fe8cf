/*
 * replica_flaws: seeded bugs of the shell around the core (groups_options.replica_flaws), one line
 * each where they apply, that the simulation of a cluster must find.
 */
#ifndef RAFT_REPLICA_FLAWS_H
#define RAFT_REPLICA_FLAWS_H

#define REPLICA_FLAW_TABLE(X)                                                                      \
    X(APPLY_UNCOMMITTED, "what is durable here is applied before a majority has it")               \
    X(LEAD_UNAPPLIED, "a leader decides before the entry of its term is applied (F1)")             \
    X(CACHE_KEEPS_CUT, "what was cut stays in the cache")                                          \
    X(VOTE_UNDURABLE, "a vote counts before it is on the disk")                                    \
    X(VOTE_UNWRITTEN, "votes are not written")                                                     \
    X(VOTE_FORGOTTEN, "votes on disk are not looked for")                                          \
    X(RECOVER_BEYOND, "recovery applies all it finds, committed or not")                           \
    X(COMMIT_MARK_EARLY, "batches say that all before them is committed")                          \
    X(ACK_UNDURABLE, "entries are accepted when they are begun to be written")                     \
    X(READ_LOST_OK, "reads that wait when leadership is gone are confirmed")                       \
    X(FOLLOW_UNTOLD, "a machine is not told that it leads no more")                                \
    X(CATCH_OLD_OFFER, "a block is taken whoever offers it, and however old it is")                \
    X(CATCH_PIECES_ANYHOW, "pieces of a body are put together as they come")                       \
    X(CATCH_ANY_BLOCK, "pieces of whatever block count")                                           \
    X(DIFFERS_ON, "a replica whose state differs goes on with it")                                 \
    X(BLOCK_TRUSTED, "a leader offers a block that cannot be read again and again")                \
    X(END_UNSAID, "a log that is whole again is doubted at each start all the same")

#define REPLICA_FLAW_NUMBER(name, text) REPLICA_FLAW_NUMBER_##name,
enum replica_flaw_number { REPLICA_FLAW_TABLE(REPLICA_FLAW_NUMBER) REPLICA_FLAW_COUNT };
#undef REPLICA_FLAW_NUMBER

#define REPLICA_FLAW_BIT(name, text) REPLICA_FLAW_##name = 1u << REPLICA_FLAW_NUMBER_##name,
enum replica_flaw { REPLICA_FLAW_TABLE(REPLICA_FLAW_BIT) };
#undef REPLICA_FLAW_BIT

#endif
