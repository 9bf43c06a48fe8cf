/*
 * What the files of the router share. Private to server/router*.c: router.c holds accounts, sinks
 * and what is published to receivers of this shard and to other nodes, router_shards.c what is for
 * other shards, router_trace.c what a traced message leaves behind at each receiver.
 */
#ifndef SERVER_ROUTER_PARTS_H
#define SERVER_ROUTER_PARTS_H

#include "base/prng.h"
#include "server/client.h"
#include "server/elsewhere.h"
#include "server/router_priv.h"

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

/* A member of a queue group at another node was chosen. */
struct remote_pick {
    struct bytes queue;
    uint8_t slot;
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
#define TO_ROUTED  (TO_CLIENTS | 1u << SUB_REPLY | 1u << SUB_GUEST)
#define TO_ALL     (TO_ROUTED | TO_SINKS | 1u << SUB_REMOTE)

/* One message on its way to those who match. */
struct delivery {
    struct router *router;
    struct account *account;
    const struct match *match;
    const struct message *message;
    unsigned kinds;
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
/* One member receives: the first willing one of these `members` from `place` on. */
size_t deliver_group_from(struct delivery *delivery, const struct match_group *group,
                          uint32_t members, uint32_t place);
size_t deliver_group(struct delivery *delivery, const struct match_group *group);
/* NULL: there is none of that name. */
const struct match_group *match_group_named(const struct match *match, struct bytes queue);
/* What was chosen for other nodes leaves. */
size_t deliver_remotes(struct delivery *delivery);

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
                                  const struct message *message, bool plain,
                                  const struct bytes *queues, size_t queues_count);
/* Whoever publishes that is told if nobody takes it, on whatever shard: to be called around all of
 * its deliveries. False: that is done already, or nobody is told. */
bool router_asking_begin(struct router *router, const struct account *account,
                         const struct message *message);
void router_asking_end(struct router *router);
/* Does another shard have a subscription, or a plain one? */
bool router_shards_interest(struct account *account, struct bytes subject);
bool router_shards_interest_plain(struct account *account, struct bytes subject);
void router_shards_forget(struct router *router, struct account *account);

#endif
