#include "server/router.h"

#include "base/heap.h"
#include "base/owner.h"
#include "base/prng.h"
#include "base/table.h"
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
    struct table accounts;  /* by name */
    struct account *global; /* "$G" */
    struct clients *clients;
    struct prng prng;
    bool publishing;
};

static struct bytes account_key(const void *item)
{
    return ((const struct account *)item)->name;
}

struct router *router_create(struct clients *clients, uint64_t seed)
{
    struct router *router = HEAP_NEW(struct router);

    prng_seed(&router->prng, seed);
    router->clients = clients;
    table_init(&router->accounts, account_key, prng_next(&router->prng));
    router->global = router_account_add(router, BYTES("$G"), NULL);
    return router;
}

void router_destroy(struct router *router)
{
    struct account *account;

    for (size_t at = 0; (account = table_next(&router->accounts, &at)) != NULL;) {
        sublist_deinit(&account->subs);
        heap_give((void *)account->name.at);
        heap_give(account);
    }
    table_deinit(&router->accounts);
    heap_give(router);
}

/* ---- accounts ---------------------------------------------------------------------------------
 */

struct account *router_account(const struct router *router, struct bytes name)
{
    return table_find(&router->accounts, name);
}

struct account *router_account_next(const struct router *router, size_t *at)
{
    return table_next(&router->accounts, at);
}

struct account *router_account_add(struct router *router, struct bytes name,
                                   const struct account_options *options)
{
    struct account *account = router_account(router, name);

    if (account == NULL) {
        account = HEAP_NEW(struct account);
        account->name = heap_copy(name);
        sublist_init(&account->subs, prng_next(&router->prng));
        table_add(&router->accounts, account);
    }
    account->options = options;
    return account;
}

void router_set_system_account(struct router *router, struct account *system)
{
    struct account *account;

    for (size_t at = 0; (account = table_next(&router->accounts, &at)) != NULL;)
        account->system = account == system;
}

bool account_is_system(const struct account *account)
{
    return account->system;
}

const struct account_options *account_options(const struct account *account)
{
    return account->options;
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
    return router->global;
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

static bool deliver(struct sub *sub, const struct message *message)
{
    if (sub->kind == SUB_SINK) {
        struct sink *sink = owner_of(sub, struct sink, sub);

        sink->deliver(sink->owner, message);
        return true;
    }
    return client_deliver(owner_of(sub, struct client_sub, sub), message);
}

static size_t deliver_set(const struct sub_set *set, const struct message *message)
{
    size_t received = 0;

    for (uint32_t i = 0; i < set->count; i++)
        received += deliver(set->subs[i], message);
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
static size_t deliver_group(struct router *router, const struct match *match,
                            const struct match_group *group, const struct message *message)
{
    uint32_t place = 0;

    if (group->members > 1)
        place = (uint32_t)prng_below(&router->prng, group->members);
    for (uint32_t tried = 0; tried < group->members; tried++) {
        if (deliver(member_at(match, group, place), message))
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

size_t router_publish(struct router *router, struct account *account, const struct message *message)
{
    const struct match *match;
    size_t received = 0;

    assert(!router->publishing);
    match = sublist_match(&account->subs, message_route(message));
    router->publishing = true;
    for (uint32_t i = 0; i < match->plain_count; i++)
        received += deliver_set(match->sets[i], message);
    for (uint32_t i = 0; i < match->group_count; i++)
        received += deliver_group(router, match, &match->groups[i], message);
    router->publishing = false;

    clients_retire(
        router->clients); /* what was exhausted leaves the list now that nobody walks it */
    return received;
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

size_t router_subscriptions(const struct router *router)
{
    const struct account *account;
    size_t count = 0;

    for (size_t at = 0; (account = table_next(&router->accounts, &at)) != NULL;)
        count += account->subs.count;
    return count;
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
