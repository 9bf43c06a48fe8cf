/* The router itself and its accounts. */
#include "server/router/router.h"

#include "base/heap.h"
#include "base/owner.h"
#include "base/prng.h"
#include "base/table.h"
#include "server/router/exchange.h"
#include "server/router/router_parts.h"

/* ---- the router ------------------------------------------------------------------------------ */

static struct bytes account_key(const void *item)
{
    return ((const struct account *)item)->name;
}

/* What the other one of clients and leaves has of the same text: others are told of both as one. */
static uint32_t beside(const struct account *account, uint32_t kind, struct bytes subject,
                       struct bytes queue)
{
    uint32_t weights[SUBLIST_KINDS];

    if (account->leaf_subs == 0 || (kind != SUB_CLIENT && kind != SUB_LEAF))
        return 0;
    sublist_weights(&account->subs, subject, queue, weights);
    return weights[kind == SUB_CLIENT ? SUB_LEAF : SUB_CLIENT];
}

/* What clients here subscribe to is told to other nodes and to leaves. */
static void subs_changed(struct sublist *list, uint32_t kind, struct bytes subject,
                         struct bytes queue, uint32_t count, int change)
{
    struct account *account = owner_of(list, struct account, subs);
    const struct router_remotes *remotes = account->router->remotes;
    const struct router_leaves *leaves = account->router->leaves;

    if (remotes != NULL && kind == SUB_SINK)
        remotes->sinks_changed(remotes->owner, account, subject, count, change);
    else if (remotes != NULL && sub_kind_known(kind))
        remotes->changed(remotes->owner, account, subject, queue,
                         count + beside(account, kind, subject, queue), change);
    if (leaves != NULL)
        leaves->changed(leaves->owner, account, subject, queue);
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
        router_shards_forget(router, account);
        heap_give((void *)account->name.at);
        heap_give(account);
    }
    table_deinit(&router->accounts);
    heap_give(router->picks);
    heap_give(router->queues);
    heap_give(router->leaf_picks);
    heap_give(router->leaf_queues);
    heap_give(router->shard_picks);
    heap_give(router->shard_queues);
    heap_give(router);
}

/* ---- accounts ------------------------------------------------------------------------------- */

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
        account->router = router;
        account->name = heap_copy(name);
        sublist_init(&account->subs, prng_next(&router->prng));
        account->subs.changed = subs_changed;
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

static_assert(ACCOUNT_CHANGES_MAX == SUBLIST_CHANGES, "they are handed through");

bool account_changes(const struct account *account, uint64_t generation,
                     uint64_t hashes[ACCOUNT_CHANGES_MAX], unsigned *count)
{
    /* Else the generation counts other changes, too. */
    return account->shares == NULL && account->family == NULL &&
           sublist_changes(&account->subs, generation, hashes, count);
}

uint64_t account_subject_hash(const struct account *account, struct bytes subject)
{
    return sublist_hash(&account->subs, subject);
}

uint64_t account_subs_generation(const struct account *account)
{
    return account->family != NULL ? atomic_load(&account->family->news) : account->subs.generation;
}

uint64_t account_generation(const struct account *account)
{
    uint64_t generation = account_subs_generation(account);

    return account->shares != NULL ? generation + exchange_generation(account) : generation;
}

struct account *router_account_default(struct router *router)
{
    return router->global;
}

void router_set_remotes(struct router *router, const struct router_remotes *remotes)
{
    router->remotes = remotes;
}

void router_set_leaves(struct router *router, const struct router_leaves *leaves)
{
    router->leaves = leaves;
}
