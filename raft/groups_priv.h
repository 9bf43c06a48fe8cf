/* groups_priv: struct groups, for groups.c and the replicas. */
#ifndef RAFT_GROUPS_PRIV_H
#define RAFT_GROUPS_PRIV_H

#include "base/map64.h"
#include "base/timers.h"
#include "raft/groups.h"
#include "raft/mailbag.h"
#include "raft/wire.h"

#define GROUPS_PEERS_MAX  64u
#define GROUPS_GATHER_MAX (1u << 20) /* of messages without entries to one node */

struct peer {
    uint64_t node; /* 0: a free place */
    bool up;
    struct mailbag mailbag;
};

struct replica;

struct sleeper {
    uint64_t group;
    int64_t since_ns;
};

/* Who is still to be told that its leader's node has died (sleepers.h); who slept last is last. */
struct sleepers {
    struct sleeper *at;
    size_t count, capacity;
    struct timer timer;
};

struct groups {
    struct store *store;
    struct io *io;
    struct groups_options options;
    struct map64 replicas; /* by group id */
    struct peer peers[GROUPS_PEERS_MAX];
    struct sleepers sleepers;
    struct wire_message *incoming; /* the message being taken; large, so not on the stack */
};

/* Replicas join while they are open. */
void groups_join(struct groups *groups, uint64_t id, struct replica *replica);
void groups_leave(struct groups *groups, uint64_t id);

/* Gathers a message without entries; what has no room is lost, as on any network. */
void groups_post(struct groups *groups, uint64_t group, const struct raft_message *message);

/* replica.c: what arrived for it. */
void replica_step(struct replica *replica, const struct wire_message *message);
void replica_catch_step(struct replica *replica, const struct wire_message *message);
void replica_node(struct replica *replica, uint64_t node, bool up);

#endif
