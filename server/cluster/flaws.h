/*
 * flaws: seeded bugs of the links between nodes, one line each where they apply, that the
 * simulation must find (cluster_setup.flaws; 0 in real life).
 */
#ifndef SERVER_CLUSTER_FLAWS_H
#define SERVER_CLUSTER_FLAWS_H

#define CLUSTER_FLAW_TABLE(X)                                                                      \
    X(INTEREST_LATE, "interest is told at the end of the turn, behind the messages of the turn")   \
    X(RESYNC_FORGOTTEN, "a new link is not told of what was subscribed before")                    \
    X(INTEREST_KEPT, "what a lost node was interested in stays")                                   \
    X(LAST_GONE_UNTOLD, "that a group has lost its last member here is not told")                  \
    X(HOP_ON, "a message from another node is sent on to others")                                  \
    X(GROUPS_EVERYWHERE, "a message from another node is given to groups it was not meant for")    \
    X(SILENCE_UNNOTICED, "a peer that is not heard of stays up")                                   \
    X(RIVALS_KEPT, "of two links that cross each side keeps the one it heard of last")             \
    X(FRAMES_EARLY, "frames that overtake OPENED are looked at before the link is up")

#define CLUSTER_FLAW_NUMBER(name, text) CLUSTER_FLAW_NUMBER_##name,
enum cluster_flaw_number { CLUSTER_FLAW_TABLE(CLUSTER_FLAW_NUMBER) CLUSTER_FLAW_COUNT };
#undef CLUSTER_FLAW_NUMBER

#define CLUSTER_FLAW_BIT(name, text) CLUSTER_FLAW_##name = 1u << CLUSTER_FLAW_NUMBER_##name,
enum cluster_flaw { CLUSTER_FLAW_TABLE(CLUSTER_FLAW_BIT) };
#undef CLUSTER_FLAW_BIT

#endif
