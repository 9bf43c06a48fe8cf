/* core_priv: what the files of core have of each other. */
#ifndef SERVER_CLUSTER_CORE_PRIV_H
#define SERVER_CLUSTER_CORE_PRIV_H

#include "base/table.h"
#include "server/cluster/core.h"
#include "server/options.h"

struct core_peer {
    uint64_t node;
    bool used;
    bool jetstream;
    bool told_sinks; /* it asked for them */
    uint8_t slot;
    struct table interest; /* struct remote_interest by key */
    uint64_t dropped;      /* since the log was told */
    int64_t dropped_told_ns;
};

struct core {
    struct cluster *cluster;
    struct router *router;
    struct logger *logger;
    struct io *io;
    struct router_remotes remotes;
    struct cluster_watcher watcher;
    struct core_peer peers[CLUSTER_NODES_MAX];
    size_t peers_count; /* in use */
    size_t sink_peers;  /* of them, told of the sinks */
    uint64_t served_by; /* the node whose sinks were asked for; 0: none */
    struct table changes;
    struct core_change *changes_first;
    struct core_change **changes_last;
    struct buf key;                     /* scratch */
    struct buf frame;                   /* of interest, being filled */
    struct buf sinks;                   /* the same, for those who asked for sinks */
    struct buf head;                    /* scratch: of a message */
    struct core_news *news[SHARDS_MAX]; /* of further shards */
    unsigned news_count;
    struct buf noted;     /* scratch */
    struct match scratch; /* of looks at all shards */
    uint64_t seed;
    struct core_stats stats;
};

/* ---- core.c ---------------------------------------------------------------------------------- */

/* Account, size of the subject, subject, queue. In the scratch buffer: good until the next. */
struct bytes core_key(struct core *core, const struct account *account, struct bytes subject,
                      struct bytes queue);

/* ---- core_tell.c ----------------------------------------------------------------------------- */

void core_changes_init(struct core *core);
void core_forget_changes(struct core *core);
/* To one node: all that the clients here are subscribed to, or all sinks. */
void core_tell_all(struct core *core, const struct core_peer *peer, bool sinks);
/* Before anything else leaves on the connections of MESSAGES; `owner`: the core. */
void core_settle(void *owner);
/* As router_remotes has them. */
void core_changed(void *owner, struct account *account, struct bytes subject, struct bytes queue,
                  uint32_t count, int by);
void core_sinks_changed(void *owner, struct account *account, struct bytes subject, uint32_t count,
                        int by);

/* ---- core_messages.c ------------------------------------------------------------------------- */

void core_heard_message(void *owner, uint64_t node, enum cluster_class class, struct bytes body);
/* As router_remotes has them. */
bool core_takes(void *owner, uint8_t slot, size_t size);
struct bytes core_name(void *owner, uint8_t slot, uint64_t *connection, bool *traces);
bool core_deliver(void *owner, struct account *account, const struct message *message,
                  const struct remote_delivery *delivery, size_t *waiting);

#endif
