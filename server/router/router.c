#include "server/router/router.h"

#include "base/heap.h"
#include "base/owner.h"
#include "base/prng.h"
#include "server/clients/client.h"
#include "server/router/exchange.h"
#include "server/router/router_parts.h"

/* ---- sinks ---------------------------------------------------------------------------------- */

static struct sink *sink_add(struct router *router, struct account *account, enum sub_kind kind,
                             struct bytes subject, struct bytes queue, sink_deliver_fn *deliver,
                             void *owner)
{
    struct sink *sink;

    assert(!router->publishing);
    assert(deliver != NULL);

    sink = HEAP_NEW(struct sink);
    sink->sub.kind = kind;
    sink->account = account;
    sink->deliver = deliver;
    sink->owner = owner;
    sublist_add(&account->subs, &sink->sub, subject, queue);
    return sink;
}

struct sink *router_sink_add(struct router *router, struct account *account, struct bytes subject,
                             struct bytes queue, sink_deliver_fn *deliver, void *owner)
{
    return sink_add(router, account, SUB_SINK, subject, queue, deliver, owner);
}

struct sink *router_sink_add_known(struct router *router, struct account *account,
                                   struct bytes subject, sink_deliver_fn *deliver, void *owner)
{
    return sink_add(router, account, SUB_GUEST, subject, bytes_of(NULL, 0), deliver, owner);
}

void router_sink_choose(struct sink *sink, sink_takes_fn *takes)
{
    sink->takes = takes;
}

void router_sink_remove(struct router *router, struct sink *sink)
{
    assert(!router->publishing);
    sublist_remove(&sink->account->subs, &sink->sub);
    heap_give(sink);
}

/* ---- publishing ----------------------------------------------------------------------------- */

static_assert(ROUTER_REMOTES_MAX <= 64, "a bit each");

static bool is_for(unsigned kinds, const struct sub_set *set)
{
    return kinds >> set->kind & 1;
}

static size_t message_size(const struct message *message)
{
    return message->subject.size + message->reply.size + message->headers.size +
           message->payload.size;
}

/* Each node is sent the message once, when it is known what all it is to do there. */
static bool remote_choose(struct delivery *delivery, const struct remote_sub *remote)
{
    struct router *router = delivery->router;
    struct bytes queue = sub_queue(&remote->sub);

    if (queue.size == 0) {
        delivery->plain_slots |= UINT64_C(1) << remote->slot;
        return false; /* counted when it is sent */
    }
    if (!router->remotes->takes(router->remotes->owner, remote->slot,
                                message_size(delivery->message)))
        return false;
    if (router->picks_count == router->picks_capacity) {
        router->picks_capacity = router->picks_capacity == 0 ? 16 : router->picks_capacity * 2;
        router->picks = heap_resize(router->picks, router->picks_capacity * sizeof(*router->picks));
        router->queues =
            heap_resize(router->queues, router->picks_capacity * sizeof(*router->queues));
    }
    router->picks[router->picks_count++] = (struct remote_pick){queue, remote->slot};
    return true;
}

static bool deliver(struct delivery *delivery, struct sub *sub)
{
    struct sink *sink;

    switch ((enum sub_kind)sub->kind) {
    case SUB_CLIENT:
        if (delivery->message->trace != NULL)
            return deliver_traced(delivery, owner_of(sub, struct client_sub, sub));
        return client_deliver(owner_of(sub, struct client_sub, sub), delivery->message);
    case SUB_SINK:
    case SUB_GUEST:
        sink = owner_of(sub, struct sink, sub);
        if (delivery->message->origin != NULL)
            client_uses_stream(delivery->message->origin, router_shard(delivery->router));
        if (sink->takes != NULL && !sink->takes(sink->owner, delivery->message))
            return false;
        if (delivery->message->trace != NULL)
            return deliver_sink_traced(delivery, sink);
        sink->deliver(sink->owner, delivery->message);
        return true;
    case SUB_REMOTE: return remote_choose(delivery, owner_of(sub, struct remote_sub, sub));
    case SUB_LEAF:
    case SUB_HUB: return leaf_choose(delivery, owner_of(sub, struct leaf_sub, sub));
    case SUB_REPLY: exchange_reply(delivery->router->exchange, delivery->message); return true;
    }
    return false;
}

size_t deliver_set(struct delivery *delivery, const struct sub_set *set)
{
    size_t received = 0;

    if (!is_for(delivery->kinds, set))
        return 0;
    for (uint32_t i = 0; i < set->count; i++)
        received += deliver(delivery, sub_set_subs(set)[i]);
    return received;
}

uint32_t group_weight(const struct delivery *delivery, const struct match_group *group)
{
    uint32_t weight = 0;

    if (delivery->kinds == TO_ALL && delivery->account->leaf_subs == 0)
        return group->members;
    for (uint32_t i = 0; i < group->count; i++) {
        const struct sub_set *set = delivery->match->sets[group->first + i];

        if (is_for(delivery->members, set))
            weight += sub_set_weight(set);
    }
    return weight;
}

/* A node counts as many times as it has members; there are few nodes. */
static struct sub *remote_at(const struct sub_set *set, uint32_t place)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const struct remote_sub *remote = owner_of(sub_set_subs(set)[i], struct remote_sub, sub);

        if (place < remote->weight)
            return sub_set_subs(set)[i];
        place -= remote->weight;
    }
    assert(!"a set weighs what its members do");
    return NULL;
}

static struct sub *member_of(const struct sub_set *set, uint32_t place)
{
    if (set->kind == SUB_REMOTE)
        return remote_at(set, place);
    if (TO_LEAVES >> set->kind & 1)
        return leaf_at(set, place);
    return sub_set_subs(set)[place];
}

/* The group's member at `place`, counted over those of its sets that the message is for. */
static struct sub *member_at(const struct delivery *delivery, const struct match_group *group,
                             uint32_t place)
{
    struct sub_set *const *set = &delivery->match->sets[group->first];

    for (;; set++) {
        uint32_t weight = is_for(delivery->members, *set) ? sub_set_weight(*set) : 0;

        if (place < weight)
            return member_of(*set, place);
        place -= weight;
    }
}

static bool passed_over(const struct sub *member)
{
    return member->kind == SUB_CLIENT &&
           client_is_behind(owner_of(member, struct client_sub, sub)->client);
}

size_t deliver_group_from(struct delivery *delivery, const struct match_group *group,
                          uint32_t members, uint32_t place, bool room)
{
    for (uint32_t tried = 0; tried < members; tried++) {
        struct sub *member = member_at(delivery, group, place);

        if (!(room && passed_over(member)) && deliver(delivery, member))
            return 1;
        if (++place == members)
            place = 0;
    }
    return 0;
}

/* From a random place on. */
static size_t deliver_some(struct delivery *delivery, const struct match_group *group)
{
    uint32_t members = group_weight(delivery, group);
    uint32_t place = 0;

    if (members > 1)
        place = (uint32_t)prng_below(&delivery->router->prng, members);
    if (delivery_seeks_room(delivery) &&
        deliver_group_from(delivery, group, members, place, true) > 0)
        return 1;
    return deliver_group_from(delivery, group, members, place, false);
}

size_t deliver_group_leaves(struct delivery *delivery, const struct match_group *group)
{
    unsigned members = delivery->members;
    size_t received;

    if (delivery->account->leaf_subs == 0)
        return 0;
    delivery->members = delivery->kinds & TO_LEAVES;
    received = deliver_some(delivery, group);
    delivery->members = members;
    return received;
}

size_t deliver_group(struct delivery *delivery, const struct match_group *group)
{
    if (deliver_some(delivery, group) > 0)
        return 1;
    return deliver_group_leaves(delivery, group);
}

/* ---- to other nodes ------------------------------------------------------------------------- */

static size_t send_to(struct delivery *delivery, uint8_t slot)
{
    struct router *router = delivery->router;
    struct remote_delivery remote = {
        .slot = slot,
        .plain = delivery->plain_slots >> slot & 1,
        .queues = router->queues,
    };
    size_t waiting = 0;
    bool sent;

    for (size_t i = 0; i < router->picks_count; i++)
        if (router->picks[i].slot == slot)
            router->queues[remote.queues_count++] = router->picks[i].queue;
    if (delivery->message->trace != NULL)
        sent = deliver_remote_traced(delivery, &remote, &waiting);
    else
        sent = router->remotes->deliver(router->remotes->owner, delivery->account,
                                        delivery->message, &remote, &waiting);
    clients_behind(router->clients, delivery->message->origin, waiting);
    return sent && remote.plain;
}

size_t deliver_remotes(struct delivery *delivery)
{
    struct router *router = delivery->router;
    uint64_t slots = delivery->plain_slots;
    size_t received = 0;

    for (size_t i = 0; i < router->picks_count; i++)
        slots |= UINT64_C(1) << router->picks[i].slot;
    for (; slots != 0; slots &= slots - 1)
        received += send_to(delivery, (uint8_t)__builtin_ctzll(slots));
    router->picks_count = 0;
    if (router->leaf_picks_count > 0)
        deliver_leaves(delivery);
    return received;
}

/* ---- one message ---------------------------------------------------------------------------- */

static inline size_t publish(struct router *router, struct account *account,
                             const struct message *message, unsigned kinds)
{
    struct delivery delivery = delivery_begin(router, account, message, kinds);
    const struct match *match = delivery.match;
    size_t received = 0;

    for (uint32_t i = 0; i < match->plain_count; i++)
        received += deliver_set(&delivery, match->sets[i]);
    for (uint32_t i = 0; i < match->group_count; i++)
        received += deliver_group(&delivery, &match->groups[i]);
    if (delivery_goes_on(&delivery))
        received += deliver_remotes(&delivery);
    delivery_end(&delivery);
    return received;
}

size_t publish_kinds(struct router *router, struct account *account, const struct message *message,
                     unsigned kinds)
{
    return publish(router, account, message, kinds);
}

static inline size_t publish_to_all(struct router *router, struct account *account,
                                    const struct message *message)
{
    if (account->elsewhere != NULL)
        return router_publish_wide(router, account, message);
    return publish(router, account, message, TO_ALL);
}

void router_set_tracer(struct router *router, struct tracer *tracer)
{
    router->tracer = tracer;
}

struct tracer *router_tracer(const struct router *router)
{
    return router->tracer;
}

void router_set_exchange(struct router *router, struct exchange *exchange)
{
    router->exchange = exchange;
}

size_t router_publish_within(struct router *router, struct account *account,
                             const struct message *message)
{
    return publish_to_all(router, account, message);
}

static inline size_t publish_and_share(struct router *router, struct account *account,
                                       const struct message *message)
{
    size_t received = publish_to_all(router, account, message);

    if (router->exchange == NULL)
        return received;
    if (account->shares != NULL)
        received += exchange_share(router->exchange, account, message);
    exchange_settle(router->exchange);
    return received;
}

size_t router_publish(struct router *router, struct account *account, const struct message *message)
{
    size_t received;
    bool asks;

    if (router->shards == NULL)
        return publish_and_share(router, account, message);
    asks = router_asking_begin(router, account, message);
    received = publish_and_share(router, account, message);
    if (asks)
        router_asking_end(router);
    return received;
}

bool router_route_find(struct router *router, struct account *account, struct bytes subject,
                       struct router_route *route)
{
    const struct match *match;

    assert(!router->publishing);
    if (route->generation == account_generation(account))
        return route->set != NULL;
    route->generation = account_generation(account);
    match = sublist_match(&account->subs, subject);
    route->set = account->shares == NULL && match->plain_count == 1 && match->group_count == 0 &&
                         match->sets[0]->kind == SUB_CLIENT &&
                         !router_shards_interest(account, subject)
                     ? match->sets[0]
                     : NULL;
    return route->set != NULL;
}

bool router_route_behind(const struct router_route *route)
{
    for (uint32_t i = 0; i < route->set->count; i++) {
        const struct client *client =
            owner_of(sub_set_subs(route->set)[i], struct client_sub, sub)->client;

        if (client_is_behind(client))
            return true;
    }
    return false;
}

size_t router_route_publish(struct router *router, const struct router_route *route,
                            const struct message *message)
{
    size_t received = 0;

    assert(!router->publishing);
    router->publishing = true;
    assert(route->set->kind == SUB_CLIENT);
    for (uint32_t i = 0; i < route->set->count; i++)
        received +=
            client_deliver(owner_of(sub_set_subs(route->set)[i], struct client_sub, sub), message);
    router->publishing = false;
    clients_retire(router->clients);
    return received;
}

size_t router_publish_sinks(struct router *router, struct account *account,
                            const struct message *message)
{
    return account->elsewhere != NULL ? router_publish_sinks_wide(router, account, message)
                                      : publish(router, account, message, TO_SINKS);
}

const struct match_group *match_group_named(const struct match *match, struct bytes queue)
{
    for (uint32_t i = 0; i < match->group_count; i++) {
        const struct match_group *group = &match->groups[i];

        if (bytes_equal(sub_set_queue(match->sets[group->first]), queue))
            return group;
    }
    return NULL;
}

size_t publish_routed(struct router *router, struct account *account, const struct message *message,
                      unsigned kinds, bool plain, const struct bytes *queues, size_t queues_count)
{
    struct delivery delivery = delivery_begin(router, account, message, kinds);
    const struct match *match = delivery.match;
    size_t received = 0;

    for (uint32_t i = 0; i < match->plain_count && plain; i++)
        received += deliver_set(&delivery, match->sets[i]);
    for (size_t i = 0; i < queues_count; i++) {
        const struct match_group *group = match_group_named(match, queues[i]);

        if (group != NULL)
            received += deliver_group(&delivery, group);
    }
    if (delivery_goes_on(&delivery))
        received += deliver_remotes(&delivery);
    delivery_end(&delivery);
    return received;
}

size_t router_publish_routed(struct router *router, struct account *account,
                             const struct message *message, bool plain, const struct bytes *queues,
                             size_t queues_count)
{
    size_t received =
        account->elsewhere != NULL
            ? router_publish_routed_wide(router, account, message, TO_ROUTED, plain, queues,
                                         queues_count)
            : publish_routed(router, account, message, TO_ROUTED, plain, queues, queues_count);

    if (router->exchange != NULL)
        exchange_settle(router->exchange);
    return received;
}

bool router_congested(const struct router *router)
{
    return router->clients->congested;
}

bool router_congested_badly(const struct router *router)
{
    return router->clients->links_behind || router->clients->behind;
}

void router_congestion_reset(struct router *router)
{
    router->clients->congested = false;
    router->clients->links_behind = false;
    router->clients->behind = false;
}

uint64_t router_caught_up(const struct router *router)
{
    return router->clients->caught_up;
}
