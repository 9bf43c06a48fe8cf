/*
 * groups: one node's side of all its replication groups: who this node is, where its messages go,
 * which other nodes are up. A replica registers itself when it is opened.
 *
 * Messages without entries gather per node and leave as one frame at the end of the turn
 * (groups_flush); those with entries leave at once, as frames of their own.
 */
#ifndef RAFT_GROUPS_H
#define RAFT_GROUPS_H

#include "raft/core.h"
#include "raft/transport.h"
#include "storage/log.h"

struct groups;

struct groups_options {
    struct raft_member self;
    const struct transport *transport; /* NULL: this node is alone. Borrowed, outlives the groups */
    int64_t election_ns;               /* 0: 250 ms */
    int64_t heartbeat_ns;              /* 0: a tenth of it */
    uint64_t block_bytes; /* a log grows by up to so many between its state blocks; 0: 64 MiB */
    uint32_t wakes; /* sleeping groups of a dead node that are told of it each heartbeat; 0: 64 */
    uint64_t seed;
    uint64_t flaws;         /* raft/flaws.h */
    uint64_t replica_flaws; /* raft/replica_flaws.h */
    /* What an operator should know; may be NULL. */
    void (*report)(void *context, const char *text);
    void *report_context;
};

struct groups *groups_create(struct store *store, const struct groups_options *options);
/* No replica is open. */
void groups_destroy(struct groups *groups);

struct raft_member groups_self(const struct groups *groups);

/* A frame from that node; it was delivered whole and unchanged, its content is untrusted. */
void groups_received(struct groups *groups, uint64_t node, struct bytes frame);
/* That node can be reached now, or cannot. */
void groups_node(struct groups *groups, uint64_t node, bool up);
/* Something is wanted of that group: if it sleeps, and its leader's node has died, it does not wait
 * for its turn to be told so. */
void groups_want(struct groups *groups, uint64_t group);
bool groups_node_up(const struct groups *groups, uint64_t node); /* true for itself */
/* Sends what has gathered. Once per turn, before store_flush. */
void groups_flush(struct groups *groups);

#endif
