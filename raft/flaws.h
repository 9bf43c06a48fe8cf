/*
 * flaws: seeded bugs of the core, one line each where they apply, that the simulation of the core
 * must find (raft_options.flaws). A promise whose breach no seed can find is a promise that nothing
 * tests.
 */
#ifndef RAFT_FLAWS_H
#define RAFT_FLAWS_H

#define RAFT_FLAW_TABLE(X)                                                                         \
    X(VOTE_TWICE, "a voter grants a second vote in a term")                                        \
    X(VOTE_BEFORE_DURABLE, "a vote's answer leaves before the vote is on the disk")                \
    X(VOTE_BY_OLD_RECORD, "an older record that became durable lets the newer vote's answer go")   \
    X(VOTE_SHORT_LOG, "a voter does not compare logs")                                             \
    X(VOTE_DAMAGED, "a damaged replica votes")                                                     \
    X(VOTE_IN_LEASE, "a voter that hears its leader votes for another")                            \
    X(VOTE_AFTER_START, "a restarted voter has forgotten whom it heard, and votes at once")        \
    X(VOTE_OF_OLD_TERM, "a candidate counts votes of an earlier term")                             \
    X(STAND_UNSYNCED, "a candidate asks for votes before its own is durable")                      \
    X(STAND_LEARNER, "a learner stands")                                                           \
    X(STAND_AT_ONCE, "who has only just become the only voter leads as soon as it starts")         \
    X(STAND_NO_MORE, "who votes no more by an uncommitted config does not stand")                  \
    X(STAND_STUCK, "a stuck replica stands, a stuck leader leads on")                              \
    X(COUNT_LEARNER, "a learner's copy counts")                                                    \
    X(COUNT_OLD_INCARNATION, "an earlier life of a node's disk counts for the new one")            \
    X(COUNT_OLD_TERM, "a leader counts what was accepted in an earlier term")                      \
    X(COUNT_SELF_REMOVED, "a leader that is in the config no more counts itself")                  \
    X(COMMIT_OLD_TERM, "an entry of an earlier term commits by counting")                          \
    X(COMMIT_UNMATCHED, "a follower commits entries that the leader has not compared")             \
    X(LEAD_EARLY, "a leader decides before an entry of its term is committed (F1)")                \
    X(LEAD_WITHOUT_QUORUM, "a leader whom no majority answers leads on")                           \
    X(LEAD_AFTER_REFUSAL, "a leader whose log refused entries leads on in the same term")          \
    X(LEASE_TOO_LONG, "the lease lasts longer than the followers' patience")                       \
    X(LEASE_OF_ALL_PATIENCE,                                                                       \
      "the lease outlasts the patience with one whose connection has ended")                       \
    X(LEASE_DURING_TRANSFER, "the lease holds although a successor was told to stand")             \
    X(LEASE_OF_LEARNERS, "learners prolong the lease")                                             \
    X(READ_WITHOUT_ROUND, "a leader without a lease reads at once")                                \
    X(READ_OLD_ROUND, "answers to earlier messages confirm a read")                                \
    X(READ_BEFORE_TERM, "a new leader reads what it knew as a follower")                           \
    X(ACK_BEFORE_DURABLE, "a follower accepts entries that are not on its disk")                   \
    X(ACK_AFTER_CUT, "what was durable counts as durable after it was cut")                        \
    X(ACCEPT_MISMATCH, "a follower does not compare the previous entry's term")                    \
    X(ACCEPT_OLD_TERM, "a follower listens to the leader of an earlier term")                      \
    X(ALONE_SENDS_UNSYNCED, "the only voter sends what its disk may yet refuse")                   \
    X(WHOLE_TOO_EARLY, "a log that lost something is whole with the next commit")                  \
    X(WHOLE_BY_LATE, "a log that lost something believes a late message as to how far it goes")    \
    X(CUT_WITHOUT_CONFLICT, "a follower cuts what a late message does not mention")                \
    X(CONFIG_BEFORE_TERM, "the membership changes before an entry of the term is committed")       \
    X(CONFIG_TWICE, "the membership changes while a change is uncommitted")                        \
    X(CONFIG_KEEPS_CUT, "a config whose entry was cut stays in force")                             \
    X(CONFIG_UNCAUGHT, "a learner is promoted before it has everything")                           \
    X(TRANSFER_LAGGING, "a successor is told to stand before it has everything")                   \
    X(SLEEPER_IMPATIENT, "who slept owes no patience to a leader whose connection has ended")      \
    X(SLEEP_FOREVER, "a sleeping group does not wake when its leader's node dies")

#define RAFT_FLAW_NUMBER(name, text) RAFT_FLAW_NUMBER_##name,
enum raft_flaw_number { RAFT_FLAW_TABLE(RAFT_FLAW_NUMBER) RAFT_FLAW_COUNT };
#undef RAFT_FLAW_NUMBER

#define RAFT_FLAW(name) (UINT64_C(1) << RAFT_FLAW_NUMBER_##name)

#endif
