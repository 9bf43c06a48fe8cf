/* What the rest of the server needs of the router beyond router.h, which is for sinks: accounts,
 * clients, other nodes, leaves, other shards. */
#ifndef SERVER_ROUTER_ROUTER_PRIV_H
#define SERVER_ROUTER_ROUTER_PRIV_H

#include "server/router/router.h"

#include "server/router/account.h"

struct client_sub;
struct clients;
struct shard_ask;

/* ---- other nodes: server/cluster/core.c stands behind them ---------------------------------- */

#define ROUTER_REMOTES_MAX 64u

/* That another node has plain subscriptions to a subject, or so many members of a queue group. */
struct remote_sub {
    struct sub sub; /* of kind SUB_REMOTE, added with its weight */
    uint32_t weight;
    uint8_t slot; /* the node, below ROUTER_REMOTES_MAX */
};

/* What a message is to do at another node. */
struct remote_delivery {
    uint8_t slot;
    bool plain;                 /* every plain subscription there is to get it */
    const struct bytes *queues; /* and one member of each of these groups */
    size_t queues_count;
};

struct router_remotes {
    void *owner;
    /* Would that node be sent a message of about that size now? */
    bool (*takes)(void *owner, uint8_t slot, size_t size);
    /* Sends it; false: it was dropped. *waiting: bytes that wait to be sent to that node. */
    bool (*deliver)(void *owner, struct account *account, const struct message *message,
                    const struct remote_delivery *delivery, size_t *waiting);
    /* What a trace calls that node: its name, and the number of a connection to it; *traces: does
     * it tell of its own part? */
    struct bytes (*name)(void *owner, uint8_t slot, uint64_t *connection, bool *traces);
    /* The clients of this node have so many subscriptions of that kind now. */
    void (*changed)(void *owner, struct account *account, struct bytes subject, struct bytes queue,
                    uint32_t count, int change);
    /* There are so many sinks of that subject now. */
    void (*sinks_changed)(void *owner, struct account *account, struct bytes subject,
                          uint32_t count, int change);
};
/* NULL: there are no other nodes (any more), and no remote_sub either. */
void router_set_remotes(struct router *router, const struct router_remotes *remotes);

/* A message from another node: for clients of this one alone, as the sender has chosen. */
size_t router_publish_routed(struct router *router, struct account *account,
                             const struct message *message, bool plain, const struct bytes *queues,
                             size_t queues_count);

/* ---- leaf nodes: server/leaf/ stands behind them -------------------------------------------- */

/* The other end of a connection between a leaf and its hub. */
struct leaf_peer {
    void *owner;
    struct bytes cluster; /* it is of that one, whose servers know each other; empty: of none */
    bool hub;             /* this server is a leaf of it */
    bool chosen;          /* the router's: for the message that is being published */
};

/* That it has plain subscriptions to a subject, or so many members of a queue group. */
struct leaf_sub {
    struct sub sub; /* of kind SUB_LEAF or SUB_HUB, added with its weight */
    struct leaf_peer *peer;
    uint32_t weight;
};
void leaf_sub_add(struct account *account, struct leaf_sub *sub, struct bytes subject,
                  struct bytes queue);
void leaf_sub_remove(struct account *account, struct leaf_sub *sub);

struct router_leaves {
    void *owner;
    /* Would that peer be sent the message now? */
    bool (*takes)(void *owner, const struct leaf_peer *peer, const struct message *message);
    /* Sends it, with the queue groups that it is to serve there, none: for plain subscriptions
     * alone. Returns how many bytes wait to be sent. */
    size_t (*deliver)(void *owner, struct leaf_peer *peer, const struct message *message,
                      const struct bytes *queues, size_t queues_count);
    /* The subscriptions of that text have changed. From inside the change. */
    void (*changed)(void *owner, struct account *account, struct bytes subject, struct bytes queue);
};
/* NULL: there are no leaf nodes (any more), and no leaf_sub either. */
void router_set_leaves(struct router *router, const struct router_leaves *leaves);

/* A message of message->leaf: to everybody but that one and its cluster. What comes from a hub is
 * not for other nodes. Of queue groups one member of each of these, or of all there are. */
size_t router_publish_leaf(struct router *router, struct account *account,
                           const struct message *message, bool all_queues,
                           const struct bytes *queues, size_t queues_count);

/* ---- other shards: shard_post.c stands behind them ------------------------------------------ */

/* What a message is to do on another shard. */
struct shard_delivery {
    bool plain;                 /* every plain subscription there is to get it */
    bool alone;                 /* nobody else does: who finds nobody there says so */
    struct shard_ask *ask;      /* others do, too: it answers; NULL: nobody is told */
    uint8_t hops;               /* how often members of its groups had gone */
    bool routed;                /* it comes from another node: for clients of this one alone */
    bool sinks;                 /* and for what the server has itself: from a leaf's hub */
    bool only_sinks;            /* for that alone */
    const struct bytes *queues; /* and one member of each of these groups */
    size_t queues_count;
};

struct router_shards {
    void *owner;
    unsigned self;
    unsigned count;
    /* Puts it on its way; *waiting: is so much on its way that its publisher has to wait? */
    void (*deliver)(void *owner, unsigned shard, struct account *account,
                    const struct message *message, const struct shard_delivery *delivery,
                    bool *waiting);
    /* Who published what is being delivered asks, with these words; NULL: nobody is told. */
    struct shard_ask *(*ask)(void *owner, const struct client *client,
                             const struct message *request);
    /* Nobody took it: who asked is told, and it is freed. */
    void (*nobody)(void *owner, struct shard_ask *ask);
};

/*
 * The routers of one server's shards, in this order, see each other's subscriptions from here on.
 * Each is given its `shards` (of the same count) and has a guard. Called again when there are new
 * accounts, which all of them have, or further shards behind those that there were. While no other
 * thread uses any of them. The first is the last to be destroyed.
 */
void routers_unite(struct router *const *routers, const struct router_shards *const *shards,
                   struct sublist_guard *const *guards, unsigned count);
/* From another shard: returns how many received it. */
size_t router_publish_crossed(struct router *router, struct account *account,
                              const struct message *message, const struct shard_delivery *delivery);
/* The same account as this one on that shard. */
struct account *account_on(const struct account *account, unsigned shard);
/* Another with every change of its subscriptions, whichever shard they are of. */
uint64_t account_subs_generation(const struct account *account);

/* ---- other accounts: exchange.c stands behind them ------------------------------------------ */

struct tracer;
/* What becomes of messages is told by it; NULL: it is not. It outlives the router. */
void router_set_tracer(struct router *router, struct tracer *tracer);
struct tracer *router_tracer(const struct router *router);

struct exchange;
/* NULL: there are no imports. */
void router_set_exchange(struct router *router, struct exchange *exchange);
/* The same as router_publish and router_interest, but in that account alone. */
size_t router_publish_within(struct router *router, struct account *account,
                             const struct message *message);
bool router_interest_within(struct router *router, struct account *account, struct bytes subject);

/* ---- the router itself ---------------------------------------------------------------------- */

/* `clients` outlives the router. */
struct router *router_create(struct clients *clients, uint64_t seed);
/* Sinks and subscriptions still in it are forgotten. */
void router_destroy(struct router *router);

/* The account of that name, made if it is new; the name is copied. Accounts stay as long as the
 * router. `options` outlive it or are set again; NULL: none. */
struct account *router_account_add(struct router *router, struct bytes name,
                                   const struct account_options *options);
/* Which one is the system's; NULL: none. */
void router_set_system_account(struct router *router, struct account *account);

/* A plain subscription of this client that matches the literal subject, or NULL. */
struct client_sub *router_client_sub(struct router *router, struct account *account,
                                     struct bytes subject, const struct client *client);

#endif
