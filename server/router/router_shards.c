/* What the router does about other shards of its server: docs/shards.md. */
#include "base/heap.h"
#include "server/router/exchange.h"
#include "server/router/router_parts.h"
#include "server/shards/shard_ask.h"

#define HOPS_MAX    4u /* a message that finds a group's members gone so often is lost */
#define PICKS_FIRST 16u

/* ---- uniting -------------------------------------------------------------------------------- */

static void family_join(struct account_family *family, struct router *router,
                        struct sublist_guard *guard)
{
    unsigned self = family->count++;
    struct account *account = router_account(router, family->members[0]->name);

    assert(account != NULL);
    family->members[self] = account;
    account->family = family;
    account->elsewhere = HEAP_NEW(struct elsewhere_cache);
    elsewhere_init(account->elsewhere, family, self, prng_next(&router->prng));
    account->subs.guard = guard;
    account->subs.news = &family->news;
}

/* Whoever has kept something of the account while there was one shard sees that it is another now:
 * the counter goes on where that shard's own was. */
static struct account_family *family_create(struct account *first)
{
    struct account_family *family = HEAP_NEW(struct account_family);

    atomic_init(&family->news, first->subs.generation + 1);
    atomic_init(&family->connections, (int64_t)first->connections);
    atomic_init(&family->leaves, (int64_t)first->leaf_connections);
    family->members[0] = first;
    return family;
}

void routers_unite(struct router *const *routers, const struct router_shards *const *shards,
                   struct sublist_guard *const *guards, unsigned count)
{
    struct account *first;

    assert(count > 1 && count <= SHARDS_MAX);
    for (unsigned i = 0; i < count; i++) {
        assert(shards[i]->self == i && shards[i]->count == count);
        routers[i]->shards = shards[i];
    }
    for (size_t at = 0; (first = router_account_next(routers[0], &at)) != NULL;) {
        struct account_family *family = first->family;

        if (family == NULL)
            family = family_create(first);
        while (family->count < count)
            family_join(family, routers[family->count], guards[family->count]);
    }
}

void router_shards_forget(struct router *router, struct account *account)
{
    if (account->family == NULL)
        return;
    elsewhere_deinit(account->elsewhere);
    heap_give(account->elsewhere);
    if (router->shards->self == 0)
        heap_give(account->family);
}

struct account *account_on(const struct account *account, unsigned shard)
{
    return account->family->members[shard];
}

struct account *router_account_here(const struct router *router, struct account *account)
{
    return account->family != NULL ? account_on(account, router->shards->self) : account;
}

/* ---- whether anybody takes it --------------------------------------------------------------- */

bool router_asking_begin(struct router *router, const struct account *account,
                         const struct message *message)
{
    if (router->asking.message != NULL || message->origin == NULL || message->reply.size == 0 ||
        !message->origin->no_responders)
        return false;
    router->asking = (struct asking){.message = message, .whole = account->shares == NULL};
    return true;
}

void router_asking_end(struct router *router)
{
    struct asking asking = router->asking;

    router->asking = (struct asking){0};
    if (asking.ask != NULL && shard_ask_answer(asking.ask, asking.taken))
        router->shards->nobody(router->shards->owner, asking.ask);
}

/* Is that what it is about, and not what follows from it? */
static struct asking *asking_of(struct router *router, const struct message *message)
{
    struct asking *asking = &router->asking;

    return asking->message != NULL && asking->message->origin == message->origin ? asking : NULL;
}

static struct shard_ask *ask_of(struct router *router, struct asking *asking,
                                const struct message *message)
{
    if (asking->ask == NULL)
        asking->ask = router->shards->ask(router->shards->owner, message->origin, asking->message);
    return asking->ask;
}

/* ---- groups --------------------------------------------------------------------------------- */

static size_t pick(struct router *router, struct bytes queue, unsigned shard)
{
    if (router->shard_picks_count == router->shard_picks_capacity) {
        size_t capacity =
            router->shard_picks_capacity == 0 ? PICKS_FIRST : router->shard_picks_capacity * 2;

        router->shard_picks =
            heap_resize(router->shard_picks, capacity * sizeof(*router->shard_picks));
        router->shard_queues =
            heap_resize(router->shard_queues, capacity * sizeof(*router->shard_queues));
        router->shard_picks_capacity = capacity;
    }
    router->shard_picks[router->shard_picks_count++] = (struct shard_pick){queue, shard};
    return 1;
}

static uint32_t draw(struct router *router, uint32_t below)
{
    return below > 1 ? (uint32_t)prng_below(&router->prng, below) : 0;
}

/* Every member has the same chance, whatever its shard. Each of the two may be NULL. */
static size_t deliver_group_wide(struct delivery *delivery, const struct match_group *own,
                                 const struct elsewhere_group *others)
{
    struct router *router = delivery->router;
    uint32_t here = own != NULL ? group_weight(delivery, own) : 0;
    uint32_t there = others != NULL ? others->members : 0;
    uint32_t place = draw(router, here + there);

    if (place < here && delivery_seeks_room(delivery) &&
        deliver_group_from(delivery, own, here, place, true) > 0)
        return 1;
    if (place < here && (there == 0 || !delivery_seeks_room(delivery)) &&
        deliver_group_from(delivery, own, here, place, false) > 0)
        return 1;
    if (there == 0)
        return own != NULL ? deliver_group_leaves(delivery, own) : 0;
    place = place < here ? draw(router, there) : place - here;
    return pick(router, elsewhere_name(delivery->elsewhere, others),
                elsewhere_shard_at(others, place));
}

static size_t deliver_groups_wide(struct delivery *delivery)
{
    const struct elsewhere *elsewhere = delivery->elsewhere;
    const struct match *match = delivery->match;
    size_t received = 0;

    for (uint32_t i = 0; i < match->group_count; i++) {
        const struct match_group *group = &match->groups[i];
        struct bytes name = sub_set_queue(match->sets[group->first]);

        received += deliver_group_wide(delivery, group, elsewhere_group(elsewhere, name));
    }
    for (uint32_t i = 0; i < elsewhere->groups_count; i++) {
        const struct elsewhere_group *group = &elsewhere->groups[i];

        if (match_group_named(match, elsewhere_name(elsewhere, group)) == NULL)
            received += deliver_group_wide(delivery, NULL, group);
    }
    return received;
}

/* ---- to other shards ------------------------------------------------------------------------ */

static void deliver_shard(struct delivery *delivery, unsigned shard, struct shard_delivery *to)
{
    struct router *router = delivery->router;
    bool waiting = false;

    to->queues = router->shard_queues;
    to->queues_count = 0;
    for (size_t i = 0; i < router->shard_picks_count; i++)
        if (router->shard_picks[i].shard == shard)
            router->shard_queues[to->queues_count++] = router->shard_picks[i].queue;
    router->shards->deliver(router->shards->owner, shard, delivery->account, delivery->message, to,
                            &waiting);
    if (waiting)
        clients_behind(router->clients, delivery->message->origin, SIZE_MAX);
}

/* What shards that get it are to say of whether they took it; `took`: somebody here has. */
static void set_ask(struct delivery *delivery, uint64_t shards, bool took,
                    struct shard_delivery *to)
{
    struct asking *asking = asking_of(delivery->router, delivery->message);

    if (asking == NULL)
        return;
    asking->taken = asking->taken || took;
    if (asking->taken || shards == 0)
        return;
    to->alone = asking->whole && asking->ask == NULL && (shards & (shards - 1)) == 0;
    if (!to->alone)
        to->ask = ask_of(delivery->router, asking, delivery->message);
}

/* `here` have received it on this shard, or at other nodes. Returns how many more count. */
static size_t deliver_shards(struct delivery *delivery, uint64_t plain, size_t here, unsigned hops)
{
    struct router *router = delivery->router;
    struct shard_delivery to = {.hops = (uint8_t)hops,
                                .routed = (delivery->kinds & TO_REMOTES) == 0,
                                .sinks = (delivery->kinds & TO_SINKS) != 0,
                                .only_sinks = delivery->kinds == TO_SINKS};
    size_t picks = router->shard_picks_count;
    uint64_t shards = plain;

    for (size_t i = 0; i < picks; i++)
        shards |= UINT64_C(1) << router->shard_picks[i].shard;
    set_ask(delivery, shards, here > 0, &to);
    for (uint64_t left = shards; left != 0; left &= left - 1) {
        unsigned shard = (unsigned)__builtin_ctzll(left);

        to.plain = plain >> shard & 1;
        if (to.ask != NULL)
            shard_ask_join(to.ask);
        deliver_shard(delivery, shard, &to);
    }
    router->shard_picks_count = 0;
    return (size_t)__builtin_popcountll(plain);
}

/* So that it may go where what it publishes to is. */
static void note_stream(const struct delivery *delivery)
{
    struct client *origin = delivery->message->origin;
    unsigned shard;

    if (origin != NULL && elsewhere_stream(delivery->elsewhere, &shard))
        client_uses_stream_of(origin, shard);
}

size_t router_publish_kinds_wide(struct router *router, struct account *account,
                                 const struct message *message, unsigned kinds)
{
    struct delivery delivery = delivery_begin(router, account, message, kinds);
    const struct match *match = delivery.match;
    size_t received = 0;

    delivery.elsewhere = elsewhere_look(account->elsewhere, message_sent_to(message));
    note_stream(&delivery);
    for (uint32_t i = 0; i < match->plain_count; i++)
        received += deliver_set(&delivery, match->sets[i]);
    received += deliver_groups_wide(&delivery);
    if (delivery_goes_on(&delivery))
        received += deliver_remotes(&delivery);
    received += deliver_shards(&delivery, delivery.elsewhere->plain,
                               received - router->shard_picks_count, 0);
    delivery_end(&delivery);
    return received;
}

/* Of streams whose lanes are on other shards, too. */
size_t router_publish_sinks_wide(struct router *router, struct account *account,
                                 const struct message *message)
{
    struct delivery delivery = delivery_begin(router, account, message, TO_SINKS);
    const struct match *match = delivery.match;
    size_t received = 0;

    delivery.elsewhere = elsewhere_look(account->elsewhere, message_sent_to(message));
    for (uint32_t i = 0; i < match->plain_count; i++)
        received += deliver_set(&delivery, match->sets[i]);
    received += deliver_groups_wide(&delivery);
    received += deliver_shards(&delivery, delivery.elsewhere->plain & delivery.elsewhere->sinks,
                               received - router->shard_picks_count, 0);
    delivery_end(&delivery);
    return received;
}

size_t router_publish_wide(struct router *router, struct account *account,
                           const struct message *message)
{
    return router_publish_kinds_wide(router, account, message, TO_ALL);
}

size_t router_publish_routed_wide(struct router *router, struct account *account,
                                  const struct message *message, unsigned kinds, bool plain,
                                  const struct bytes *queues, size_t queues_count)
{
    struct delivery delivery = delivery_begin(router, account, message, kinds);
    const struct match *match = delivery.match;
    size_t received = 0;

    delivery.elsewhere = elsewhere_look(account->elsewhere, message_sent_to(message));
    for (uint32_t i = 0; i < match->plain_count && plain; i++)
        received += deliver_set(&delivery, match->sets[i]);
    for (size_t i = 0; i < queues_count; i++)
        received += deliver_group_wide(&delivery, match_group_named(match, queues[i]),
                                       elsewhere_group(delivery.elsewhere, queues[i]));
    if (delivery_goes_on(&delivery))
        received += deliver_remotes(&delivery);
    received += deliver_shards(&delivery, plain ? delivery.elsewhere->plain : 0,
                               received - router->shard_picks_count, 0);
    delivery_end(&delivery);
    return received;
}

/* ---- from other shards ---------------------------------------------------------------------- */

/* Who was to get it is gone: somebody else of the group, wherever. */
static size_t choose_again(struct delivery *delivery, struct bytes queue)
{
    const struct elsewhere_group *others;

    /* Once: what was picked points into it. */
    if (delivery->elsewhere == NULL)
        delivery->elsewhere =
            elsewhere_look(delivery->account->elsewhere, message_sent_to(delivery->message));
    others = elsewhere_group(delivery->elsewhere, queue);
    return others != NULL ? deliver_group_wide(delivery, NULL, others) : 0;
}

static unsigned kinds_of(const struct shard_delivery *from)
{
    if (from->only_sinks)
        return TO_SINKS;
    return from->routed ? TO_ROUTED | (from->sinks ? TO_SINKS : 0) : TO_ALL;
}

static size_t publish_crossed(struct router *router, struct account *account,
                              const struct message *message, const struct shard_delivery *from)
{
    unsigned kinds = kinds_of(from);
    struct delivery delivery = delivery_begin(router, account, message, kinds);
    const struct match *match = delivery.match;
    size_t received = 0;

    for (uint32_t i = 0; i < match->plain_count && from->plain; i++)
        received += deliver_set(&delivery, match->sets[i]);
    for (size_t i = 0; i < from->queues_count; i++) {
        const struct match_group *group = match_group_named(match, from->queues[i]);
        size_t taken = group != NULL ? deliver_group(&delivery, group) : 0;

        if (taken == 0 && from->hops < HOPS_MAX)
            taken = choose_again(&delivery, from->queues[i]);
        received += taken;
    }
    if (delivery_goes_on(&delivery))
        received += deliver_remotes(&delivery);
    received += deliver_shards(&delivery, 0, received - router->shard_picks_count, from->hops + 1u);
    delivery_end(&delivery);
    return received;
}

size_t router_publish_crossed(struct router *router, struct account *account,
                              const struct message *message, const struct shard_delivery *from)
{
    size_t received;

    assert(router->asking.message == NULL);
    if (from->alone || from->ask != NULL)
        router->asking =
            (struct asking){.message = message, .ask = from->ask, .whole = from->alone};
    received = publish_crossed(router, account, message, from);
    router_asking_end(router);
    if (router->exchange != NULL)
        exchange_settle(router->exchange);
    return received;
}

/* ---- interest ------------------------------------------------------------------------------- */

bool router_shards_interest(struct account *account, struct bytes subject)
{
    const struct elsewhere *elsewhere;

    if (account->elsewhere == NULL)
        return false;
    elsewhere = elsewhere_look(account->elsewhere, subject);
    return elsewhere->plain != 0 || elsewhere->groups_count > 0;
}

bool router_shards_have_member(struct account *account, struct bytes subject, struct bytes queue)
{
    return account->elsewhere != NULL &&
           elsewhere_group(elsewhere_look(account->elsewhere, subject), queue) != NULL;
}

bool router_shards_interest_plain(struct account *account, struct bytes subject)
{
    return account->elsewhere != NULL && elsewhere_look(account->elsewhere, subject)->others != 0;
}
