/*
 * What the files of the router share. Private to server/router/router*.c: router.c holds sinks and
 * what is published to receivers of this shard and to other nodes, router_accounts.c the accounts,
 * router_interest.c who would take a message, router_leaves.c what is for leaf nodes and comes from
 * them, router_shards.c what is for other shards, router_trace.c what a traced message leaves
 * behind at each receiver.
 */
#ifndef SERVER_ROUTER_ROUTER_PARTS_H
#define SERVER_ROUTER_ROUTER_PARTS_H

#include "base/prng.h"
#include "server/clients/client.h"
#include "server/router/elsewhere.h"
#include "server/router/router_priv.h"

/* Whoever publishes wants to know if nobody takes it: what is known of that so far. */
struct asking {
    const struct message *message; /* as it was sent; NULL: nobody wants to know */
    struct shard_ask *ask;         /* NULL: none was needed yet */
    bool whole;                    /* it goes no further than one delivery */
    bool taken;
};

struct router {
    struct table accounts;  /* by name */
    struct account *global; /* "$G" */
    struct clients *clients;
    struct prng prng;
    const struct router_remotes *remotes; /* NULL: none */
    struct remote_pick *picks;            /* of the message that is being published */
    size_t picks_count;
    size_t picks_capacity;
    struct bytes *queues;               /* of one node; as many as picks */
    const struct router_leaves *leaves; /* NULL: none */
    struct leaf_pick *leaf_picks;       /* of the message that is being published */
    size_t leaf_picks_count;
    size_t leaf_picks_capacity;
    struct bytes *leaf_queues;          /* of one leaf; as many as picks */
    struct exchange *exchange;          /* NULL: accounts import nothing */
    struct tracer *tracer;              /* NULL: nothing is traced */
    const struct router_shards *shards; /* NULL: this is the only one */
    struct shard_pick *shard_picks;     /* of the message that is being published */
    size_t shard_picks_count;
    size_t shard_picks_capacity;
    struct bytes *shard_queues; /* of one shard; as many as picks */
    struct asking asking;
    bool publishing;
};

static inline unsigned router_shard(const struct router *router)
{
    return router->shards != NULL ? router->shards->self : 0;
}

/* A member of a queue group at another node was chosen. */
struct remote_pick {
    struct bytes queue;
    uint8_t slot;
};

/* The same, of a leaf; no queue: plain subscriptions there. */
struct leaf_pick {
    struct leaf_peer *peer;
    struct bytes queue;
};

/* The same, of another shard. */
struct shard_pick {
    struct bytes queue;
    unsigned shard;
};

struct sink {
    struct sub sub;
    struct account *account;
    sink_deliver_fn *deliver;
    sink_takes_fn *takes; /* NULL: everything */
    void *owner;
};

/* Which kinds of receivers a message is for: a bit per enum sub_kind. */
#define TO_CLIENTS (1u << SUB_CLIENT)
#define TO_SINKS   (1u << SUB_SINK)
#define TO_REMOTES (1u << SUB_REMOTE)
#define TO_LEAVES  (1u << SUB_LEAF | 1u << SUB_HUB)
#define TO_ROUTED  (TO_CLIENTS | 1u << SUB_REPLY | 1u << SUB_GUEST | 1u << SUB_LEAF)
#define TO_ALL     (TO_ROUTED | TO_SINKS | TO_REMOTES | TO_LEAVES)

/* One message on its way to those who match. */
struct delivery {
    struct router *router;
    struct account *account;
    const struct match *match;
    const struct message *message;
    unsigned kinds;
    unsigned members; /* of these queue groups are chosen from: leaves only when nobody else is */
    uint64_t plain_slots;              /* nodes with plain subscriptions: a bit each */
    const struct elsewhere *elsewhere; /* NULL: there are no other shards, or they are no matter */
};

/* ---- router.c */

static inline struct delivery delivery_begin(struct router *router, struct account *account,
                                             const struct message *message, unsigned kinds)
{
    assert(!router->publishing);
    router->publishing = true;
    return (struct delivery){
        .router = router,
        .account = account,
        .match = sublist_match(&account->subs, message_sent_to(message)),
        .message = message,
        .kinds = kinds,
        .members = kinds & ~TO_LEAVES,
    };
}

/* What was exhausted leaves the list now that nobody walks it. */
static inline void delivery_end(struct delivery *delivery)
{
    delivery->router->publishing = false;
    if (delivery->router->clients->retiring_count > 0)
        clients_retire(delivery->router->clients);
}

size_t deliver_set(struct delivery *delivery, const struct sub_set *set);
/* Members that the message may be for. */
uint32_t group_weight(const struct delivery *delivery, const struct match_group *group);
/* One member receives: the first willing one of these `members` from `place` on; `room`: of those
 * that are not behind. */
size_t deliver_group_from(struct delivery *delivery, const struct match_group *group,
                          uint32_t members, uint32_t place, bool room);
/* What a stream delivers goes to a member that keeps up, if there is one; what is published goes to
 * any, and its producer is held back. */
static inline bool delivery_seeks_room(const struct delivery *delivery)
{
    return delivery->message->route.size > 0 && delivery->message->origin == NULL;
}
size_t deliver_group(struct delivery *delivery, const struct match_group *group);
/* NULL: there is none of that name. */
const struct match_group *match_group_named(const struct match *match, struct bytes queue);
/* The same, of members at leaves: when nobody else has taken it. */
size_t deliver_group_leaves(struct delivery *delivery, const struct match_group *group);
/* What was chosen for other nodes and for leaves leaves; how many of the nodes count. */
size_t deliver_remotes(struct delivery *delivery);

static inline bool delivery_goes_on(const struct delivery *delivery)
{
    return delivery->router->picks_count > 0 || delivery->plain_slots != 0 ||
           delivery->router->leaf_picks_count > 0;
}

/* ---- router_leaves.c */

bool leaf_choose(struct delivery *delivery, struct leaf_sub *sub);
/* The group's member at `place` of a set of leaves. */
struct sub *leaf_at(const struct sub_set *set, uint32_t place);
void deliver_leaves(struct delivery *delivery);

/* To receivers of these kinds: of all groups, or as another server has chosen. */
size_t publish_kinds(struct router *router, struct account *account, const struct message *message,
                     unsigned kinds);
size_t publish_routed(struct router *router, struct account *account, const struct message *message,
                      unsigned kinds, bool plain, const struct bytes *queues, size_t queues_count);

/* ---- router_trace.c: of a message that is traced */

bool deliver_traced(struct delivery *delivery, struct client_sub *sub);
bool deliver_sink_traced(struct delivery *delivery, struct sink *sink);
/* As router_remotes.deliver. */
bool deliver_remote_traced(struct delivery *delivery, const struct remote_delivery *remote,
                           size_t *waiting);

/* ---- router_shards.c */

/* To all, of all shards; of an account that has parts on others. */
size_t router_publish_wide(struct router *router, struct account *account,
                           const struct message *message);
/* What another node sent, to all shards: as router_publish_routed. */
size_t router_publish_routed_wide(struct router *router, struct account *account,
                                  const struct message *message, unsigned kinds, bool plain,
                                  const struct bytes *queues, size_t queues_count);
size_t router_publish_sinks_wide(struct router *router, struct account *account,
                                 const struct message *message);
size_t router_publish_kinds_wide(struct router *router, struct account *account,
                                 const struct message *message, unsigned kinds);
/* Whoever publishes that is told if nobody takes it, on whatever shard: to be called around all of
 * its deliveries. False: that is done already, or nobody is told. */
bool router_asking_begin(struct router *router, const struct account *account,
                         const struct message *message);
void router_asking_end(struct router *router);
/* Does another shard have a subscription, or a plain one? */
bool router_shards_interest(struct account *account, struct bytes subject);
bool router_shards_have_member(struct account *account, struct bytes subject, struct bytes queue);
bool router_shards_interest_plain(struct account *account, struct bytes subject);
void router_shards_forget(struct router *router, struct account *account);

#endif
