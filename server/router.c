#include "server/router.h"

#include "base/heap.h"
#include "base/owner.h"
#include "base/prng.h"
#include "server/account.h"
#include "server/client.h"
#include "server/router_priv.h"

struct sink {
    struct sub sub;
    struct account *account;
    sink_deliver_fn *deliver;
    void *owner;
};

struct router {
    struct account global; /* "$G" */
    struct clients *clients;
    struct prng prng;
    bool publishing;
};

struct router *router_create(struct clients *clients, uint64_t seed)
{
    struct router *router = HEAP_NEW(struct router);

    prng_seed(&router->prng, seed);
    router->clients = clients;
    router->global.name = BYTES("$G");
    sublist_init(&router->global.subs, prng_next(&router->prng));
    return router;
}

void router_destroy(struct router *router)
{
    sublist_deinit(&router->global.subs);
    heap_give(router);
}

struct bytes account_name(const struct account *account)
{
    return account->name;
}

uint64_t account_generation(const struct account *account)
{
    return account->subs.generation;
}

struct account *router_account_default(struct router *router)
{
    return &router->global;
}

struct account *router_account(struct router *router, struct bytes name)
{
    return bytes_equal(name, router->global.name) ? &router->global : NULL;
}

/* ---- sinks ------------------------------------------------------------------------------------
 */

struct sink *router_sink_add(struct router *router, struct account *account, struct bytes subject,
                             struct bytes queue, sink_deliver_fn *deliver, void *owner)
{
    struct sink *sink;

    assert(!router->publishing);
    assert(deliver != NULL);

    sink = HEAP_NEW(struct sink);
    sink->sub.kind = SUB_SINK;
    sink->account = account;
    sink->deliver = deliver;
    sink->owner = owner;
    sublist_add(&account->subs, &sink->sub, subject, queue);
    return sink;
}

void router_sink_remove(struct router *router, struct sink *sink)
{
    assert(!router->publishing);
    sublist_remove(&sink->account->subs, &sink->sub);
    heap_give(sink);
}

/* ---- publishing -------------------------------------------------------------------------------
 */

/* Which kinds of receivers a message is for: a bit per enum sub_kind. */
#define TO_SINKS (1u << SUB_SINK)
#define TO_ALL   (1u << SUB_CLIENT | TO_SINKS)

/* One message on its way to those who match. */
struct delivery {
    struct router *router;
    const struct match *match;
    const struct message *message;
    unsigned kinds;
};

static bool deliver(const struct delivery *delivery, struct sub *sub)
{
    if ((delivery->kinds >> sub->kind & 1) == 0)
        return false;
    if (sub->kind == SUB_SINK) {
        struct sink *sink = owner_of(sub, struct sink, sub);

        sink->deliver(sink->owner, delivery->message);
        return true;
    }
    return client_deliver(owner_of(sub, struct client_sub, sub), delivery->message);
}

static size_t deliver_set(const struct delivery *delivery, const struct sub_set *set)
{
    size_t received = 0;

    for (uint32_t i = 0; i < set->count; i++)
        received += deliver(delivery, set->subs[i]);
    return received;
}

/* The group's member at `place`, counted over its sets. */
static struct sub *member_at(const struct match *match, const struct match_group *group,
                             uint32_t place)
{
    struct sub_set *const *set = &match->sets[group->first];

    while (place >= (*set)->count)
        place -= (*set++)->count;
    return (*set)->subs[place];
}

/* One member receives: the first willing one from a random place on. */
static size_t deliver_group(const struct delivery *delivery, const struct match_group *group)
{
    uint32_t place = 0;

    if (group->members > 1)
        place = (uint32_t)prng_below(&delivery->router->prng, group->members);
    for (uint32_t tried = 0; tried < group->members; tried++) {
        if (deliver(delivery, member_at(delivery->match, group, place)))
            return 1;
        if (++place == group->members)
            place = 0;
    }
    return 0;
}

static struct bytes message_route(const struct message *message)
{
    return message->route.size > 0 ? message->route : message->subject;
}

static size_t publish(struct router *router, struct account *account, const struct message *message,
                      unsigned kinds)
{
    const struct match *match;
    struct delivery delivery;
    size_t received = 0;

    assert(!router->publishing);
    match = sublist_match(&account->subs, message_route(message));
    delivery = (struct delivery){router, match, message, kinds};
    router->publishing = true;
    for (uint32_t i = 0; i < match->plain_count; i++)
        received += deliver_set(&delivery, match->sets[i]);
    for (uint32_t i = 0; i < match->group_count; i++)
        received += deliver_group(&delivery, &match->groups[i]);
    router->publishing = false;

    clients_retire(
        router->clients); /* what was exhausted leaves the list now that nobody walks it */
    return received;
}

size_t router_publish(struct router *router, struct account *account, const struct message *message)
{
    return publish(router, account, message, TO_ALL);
}

size_t router_publish_sinks(struct router *router, struct account *account,
                            const struct message *message)
{
    return publish(router, account, message, TO_SINKS);
}

bool router_congested(const struct router *router)
{
    return router->clients->congested;
}

void router_congestion_reset(struct router *router)
{
    router->clients->congested = false;
}

/* ---- interest ---------------------------------------------------------------------------------
 */

bool router_interest(struct router *router, struct account *account, struct bytes subject)
{
    assert(!router->publishing);
    return sublist_match(&account->subs, subject)->sets_count > 0;
}

bool router_interest_literal(struct router *router, struct account *account, struct bytes subject,
                             struct bytes queue)
{
    (void)router;
    return sublist_has(&account->subs, subject, queue);
}

struct client_sub *router_client_sub(struct router *router, struct account *account,
                                     struct bytes subject, const struct client *client)
{
    const struct match *match;

    assert(!router->publishing);
    match = sublist_match(&account->subs, subject);
    for (uint32_t i = 0; i < match->plain_count; i++) {
        const struct sub_set *set = match->sets[i];

        for (uint32_t n = 0; n < set->count; n++) {
            struct client_sub *sub = owner_of(set->subs[n], struct client_sub, sub);

            if (set->subs[n]->kind == SUB_CLIENT && sub->client == client)
                return sub;
        }
    }
    return NULL;
}
