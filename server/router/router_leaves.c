/* What the router does about leaf nodes: server/leaf/. */
#include "base/heap.h"
#include "base/owner.h"
#include "server/router/exchange.h"
#include "server/router/router_parts.h"

#define PICKS_FIRST 16u

void leaf_sub_add(struct account *account, struct leaf_sub *sub, struct bytes subject,
                  struct bytes queue)
{
    assert(sub->weight > 0);
    sub->sub.kind = sub->peer->hub ? SUB_HUB : SUB_LEAF;
    account->leaf_subs++; /* before others are told of it */
    sublist_add_weighted(&account->subs, &sub->sub, subject, queue, sub->weight);
}

void leaf_sub_remove(struct account *account, struct leaf_sub *sub)
{
    sublist_remove_weighted(&account->subs, &sub->sub, sub->weight);
    account->leaf_subs--;
}

/* ---- to them -------------------------------------------------------------------------------- */

struct sub *leaf_at(const struct sub_set *set, uint32_t place)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const struct leaf_sub *leaf = owner_of(sub_set_subs(set)[i], struct leaf_sub, sub);

        if (place < leaf->weight)
            return sub_set_subs(set)[i];
        place -= leaf->weight;
    }
    assert(!"a set weighs what its members do");
    return NULL;
}

/* Servers of one cluster pass it on among themselves. */
static bool is_whence(const struct leaf_peer *from, const struct leaf_peer *peer)
{
    return from == peer ||
           (from != NULL && from->cluster.size > 0 && bytes_equal(from->cluster, peer->cluster));
}

static bool is_picked(const struct router *router, const struct leaf_peer *peer)
{
    for (size_t i = 0; peer->chosen && i < router->leaf_picks_count; i++)
        if (router->leaf_picks[i].peer == peer && router->leaf_picks[i].queue.size == 0)
            return true;
    return false;
}

static void pick(struct router *router, struct leaf_peer *peer, struct bytes queue)
{
    if (router->leaf_picks_count == router->leaf_picks_capacity) {
        size_t capacity =
            router->leaf_picks_capacity == 0 ? PICKS_FIRST : router->leaf_picks_capacity * 2;

        router->leaf_picks =
            heap_resize(router->leaf_picks, capacity * sizeof(*router->leaf_picks));
        router->leaf_queues =
            heap_resize(router->leaf_queues, capacity * sizeof(*router->leaf_queues));
        router->leaf_picks_capacity = capacity;
    }
    router->leaf_picks[router->leaf_picks_count++] = (struct leaf_pick){peer, queue};
    peer->chosen = true;
}

/* Each is sent the message once, when it is known what all it is to do there. */
bool leaf_choose(struct delivery *delivery, struct leaf_sub *sub)
{
    struct router *router = delivery->router;
    const struct router_leaves *leaves = router->leaves;
    struct leaf_peer *peer = sub->peer;
    struct bytes queue = sub_queue(&sub->sub);

    if (is_whence(delivery->message->leaf, peer) ||
        !leaves->takes(leaves->owner, peer, delivery->message))
        return false;
    if (queue.size > 0 || !is_picked(router, peer))
        pick(router, peer, queue);
    return true;
}

static void send_to(struct delivery *delivery, struct leaf_peer *peer, size_t from)
{
    struct router *router = delivery->router;
    size_t count = 0, waiting;

    for (size_t i = from; i < router->leaf_picks_count; i++)
        if (router->leaf_picks[i].peer == peer && router->leaf_picks[i].queue.size > 0)
            router->leaf_queues[count++] = router->leaf_picks[i].queue;
    peer->chosen = false;
    waiting = router->leaves->deliver(router->leaves->owner, peer, delivery->message,
                                      router->leaf_queues, count);
    clients_behind(router->clients, delivery->message->origin, waiting);
}

void deliver_leaves(struct delivery *delivery)
{
    struct router *router = delivery->router;

    for (size_t i = 0; i < router->leaf_picks_count; i++)
        if (router->leaf_picks[i].peer->chosen)
            send_to(delivery, router->leaf_picks[i].peer, i);
    router->leaf_picks_count = 0;
}

/* ---- from them ------------------------------------------------------------------------------ */

static size_t publish_chosen(struct router *router, struct account *account,
                             const struct message *message, unsigned kinds,
                             const struct bytes *queues, size_t queues_count)
{
    if (account->elsewhere != NULL)
        return router_publish_routed_wide(router, account, message, kinds, true, queues,
                                          queues_count);
    return publish_routed(router, account, message, kinds, true, queues, queues_count);
}

static size_t publish_all(struct router *router, struct account *account,
                          const struct message *message, unsigned kinds)
{
    if (account->elsewhere != NULL)
        return router_publish_kinds_wide(router, account, message, kinds);
    return publish_kinds(router, account, message, kinds);
}

size_t router_publish_leaf(struct router *router, struct account *account,
                           const struct message *message, bool all_queues,
                           const struct bytes *queues, size_t queues_count)
{
    unsigned kinds = message->leaf->hub ? TO_ALL & ~TO_REMOTES : TO_ALL;
    size_t received = all_queues
                          ? publish_all(router, account, message, kinds)
                          : publish_chosen(router, account, message, kinds, queues, queues_count);

    if (router->exchange == NULL)
        return received;
    if (account->shares != NULL)
        received += exchange_share(router->exchange, account, message);
    exchange_settle(router->exchange);
    return received;
}
