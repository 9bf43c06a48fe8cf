/*
 * core: core subscriptions and messages across nodes. What the clients of this node subscribe to is
 * told to all others, and what they are told stands in their accounts' subject indexes, as
 * subscriptions of kind SUB_REMOTE. So one match finds everybody in the cluster, queue groups
 * choose among all members, and "is there interest" has one answer (server/router/router.h).
 *
 * A message goes once to each node that has interest, with the queue groups that it is to serve
 * there, and never on from there. What the queue of a link has no room for is dropped for that
 * node, with a warning: core messages promise no more. Interest is never dropped, and never
 * overtaken by a frame of class MESSAGES that was sent after the change: a peer that hears a
 * request can answer it.
 *
 * Sinks (streams, the API) are not told to nodes with JetStream, which have ways of their own. A
 * node without asks one of those with it, the same until that is gone, for its sinks: what a client
 * sends them goes to that node, in order, and is taken there as from a client of its own.
 */
#ifndef SERVER_CLUSTER_CORE_H
#define SERVER_CLUSTER_CORE_H

#include "server/cluster/cluster.h"
#include "server/router/router_priv.h"

struct core;
struct core_news;

struct core_stats {
    uint64_t in_messages, in_bytes, out_messages, out_bytes; /* between nodes */
    uint64_t dropped;                                        /* for want of room */
    uint64_t interest;                                       /* told by others, now */
};

/* Before the cluster is started. The router is told who is there (router_set_remotes). */
struct core *core_create(struct cluster *cluster, struct router *router, struct logger *logger,
                         struct io *io);
/* Before the cluster and the router. */
void core_destroy(struct core *core);
/* What that further shard's clients subscribe to is told, too, until all such are forgotten. While
 * nobody is linked, and the shard does nothing. */
void core_add_shard(struct core *core, struct core_news *news);
void core_forget_shards(struct core *core);

/* What one node has told of itself, for monitoring. */
struct core_interest {
    struct bytes account, subject, queue;
};
size_t core_interest_count(const struct core *core, uint64_t node);
/* Calls `interest` for each, in no order. */
void core_interest_walk(const struct core *core, uint64_t node,
                        void (*interest)(void *context, const struct core_interest *interest),
                        void *context);

void core_stats(const struct core *core, struct core_stats *stats);

#endif
