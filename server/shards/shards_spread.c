/*
 * Which shard has which connections (docs/shards.md): handing out those that come, moving those
 * that have let go of their sockets, and evening out what shards have to do
 * (server/shards/shard_load.h).
 */
#include "base/heap.h"
#include "server/server_priv.h"
#include "server/shards/server_shards_priv.h"

/* A connection on its way to another shard. */
struct passing {
    struct server_shard *to;
    int64_t released;
    struct io_address peer;
    bool websocket;
};

/* ---- moving --------------------------------------------------------------------------------- */

#define SETTLE_ROUNDS 1000u /* a message goes on a few times at most */

static bool settle(struct server_shard *shard)
{
    return shard_post_settle(&shard->post);
}

static bool arrive_all(struct server_shard *shard)
{
    connections_arrive(shard->connections);
    return true;
}

bool server_shards_settle(struct server *server)
{
    struct server_shards *shards = server->shards;
    bool any = shards != NULL;

    for (unsigned round = 0; round < SETTLE_ROUNDS && any; round++) {
        any = false;
        for (unsigned i = 0; i < shards->count; i++)
            if (!shard_post_quiet(&shards->all[i].post))
                any = shard_let_do(&shards->all[i], settle) || any;
    }
    return !any;
}

/* False: some are left. They begin with another shard each time, so none waits for the others'. */
static bool move_all(struct server_shards *shards)
{
    struct connections *all[SHARDS_MAX];
    uint32_t most = CONNECTIONS_MOVE_SUBS_MAX;
    unsigned first = shards->move_first++;
    bool whole = true;

    for (unsigned i = 0; i < shards->count; i++)
        all[i] = shards->all[i].connections;
    for (unsigned i = 0; i < shards->count; i++)
        if (!connections_move(all[(first + i) % shards->count], all, shards->count, &most))
            whole = false;
    for (unsigned i = 0; i < shards->count; i++)
        if (all[i]->arriving != NULL)
            (void)shard_let_do(&shards->all[i], arrive_all);
    return whole;
}

/* Those that have let go of their sockets: before home's turn goes on with anything. */
void shards_move_parted(struct server *server)
{
    struct server_shards *shards = server->shards;

    if (!atomic_load(&shards->parted))
        return;
    server_shards_halt(server);
    atomic_store(&shards->parted, false);
    if (!server_shards_settle(server) || !move_all(shards)) {
        atomic_store(&shards->parted, true);
        io_wake(server->io); /* in the next turn */
    }
    server_shards_go_on(server);
}

/* ---- evening out ---------------------------------------------------------------------------- */

#define GIFT_MOST 64u /* connections at once */

void server_shards_loads(const struct server *server, struct shard_loads *loads)
{
    const struct server_shards *shards = server->shards;

    *loads = (struct shard_loads){.count = 1, .most = server->shards_plan.most};
    loads->busy[0] = shard_busy(&server->shards_plan.meter);
    loads->home = shard_meter_lasting(&server->shards_plan.meter);
    if (shards == NULL)
        return;
    loads->home = shard_meter_lasting(&shards->all[0].meter);
    loads->count = shards->count;
    loads->most = shards->most;
    for (unsigned i = 0; i < shards->count; i++) {
        loads->busy[i] = shard_busy(&shards->all[i].meter);
        loads->connections[i] = atomic_load(&shards->shared.load[i]);
    }
}

struct giving {
    struct connections *connections;
    struct shard_gift gift;
};

static void give(void *of)
{
    struct giving *giving = of;

    if (giving->gift.share > 0)
        connections_give(giving->connections, giving->gift.to, giving->gift.share, GIFT_MOST);
    else
        connections_look(giving->connections);
    heap_give(giving);
}

/* Another is not begun for clients that are to stay where they are; of home alone it is known. */
static bool has_to_give(struct server *server, unsigned from)
{
    return from != 0 || connections_have_to_give(&server->connections);
}

/* On the thread of that shard. */
static void let_give(struct server *server, const struct shard_gift *gift)
{
    struct giving *giving = HEAP_NEW(struct giving);

    *giving = (struct giving){server_connections_of(server, gift->from), *gift};
    if (gift->from == 0)
        give(giving);
    else
        shard_post_call(&server->shards->all[0].post, gift->from,
                        (struct shard_call){give, heap_give}, giving);
}

struct stirring {
    struct server_shard *shard;
    uint64_t random;
};

static void stir(void *of)
{
    struct stirring *stirring = of;
    struct server_shard *shard = stirring->shard;
    uint64_t random = stirring->random;

    connections_give_any(shard->connections, (unsigned)(random % shard->shards->count), random);
    heap_give(stirring);
}

static void begin_any(struct server *server, uint64_t random)
{
    const struct server_shards *shards = server->shards;
    unsigned most = shards != NULL ? shards->most : server->shards_plan.most;

    if (random % 8 == 0 && server->state == SERVER_RUNNING && server_shards_count(server) < most)
        (void)shards_begin_another(server);
}

void server_shards_stir(struct server *server, uint64_t random)
{
    struct server_shards *shards = server->shards;

    begin_any(server, random / SHARDS_MAX);
    for (unsigned i = 0; shards != NULL && i < shards->count; i++) {
        struct stirring *stirring = HEAP_NEW(struct stirring);

        *stirring = (struct stirring){&shards->all[i], random + i};
        if (i == 0)
            stir(stirring);
        else
            shard_post_call(&shards->all[0].post, i, (struct shard_call){stir, heap_give},
                            stirring);
    }
}

static bool look_is_due(struct server *server)
{
    struct shard_balance *balance = &server->shards_plan.balance;
    const struct shard_host *host =
        server->shards != NULL ? server->shards->host : server->shards_plan.host;
    int64_t now_ns = io_now(server->io);

    if (now_ns - balance->looked_ns < (host->stir_ns > 0 ? host->stir_ns : SHARD_LOOK_NS))
        return false;
    balance->looked_ns = now_ns;
    if (host->stir_ns > 0)
        server_shards_stir(server, prng_next(&server->prng));
    return true;
}

void shards_even_out(struct server *server)
{
    struct shard_balance *balance = &server->shards_plan.balance;
    struct shard_loads loads;
    struct shard_gift gift;

    if (server->state != SERVER_RUNNING || !look_is_due(server))
        return;
    server_shards_loads(server, &loads);
    if (server->shards != NULL)
        shards_wake(server->shards); /* who has nothing to do says so until the next look */
    if (server->jetstream != NULL && jetstream_wants_shard(server->jetstream) &&
        loads.count < loads.most && !shards_begin_another(server))
        return;
    if (!shard_balance_look(balance, &loads, &gift))
        return;
    if (gift.share > 0 && gift.to == loads.count &&
        (!has_to_give(server, gift.from) || !shards_begin_another(server)))
        return;
    let_give(server, &gift);
}

/* ---- handing out ---------------------------------------------------------------------------- */

static void arrive(void *of)
{
    struct passing *passing = of;
    struct server_shard *shard = passing->to;

    atomic_fetch_sub(&shard->shards->shared.load[shard->number], 1); /* accepting counts it again */
    connections_accept(shard->connections, io_sock_adopt(shard->io, passing->released),
                       &passing->peer, passing->websocket);
    heap_give(passing);
}

static void turn_away(void *of)
{
    struct passing *passing = of;

    io_sock_drop(passing->to->server->io, passing->released);
    heap_give(passing);
}

/* Begins another if it is time. */
static unsigned choose(struct server *server)
{
    struct shard_loads loads;
    unsigned to;

    server_shards_loads(server, &loads);
    if (server->shards != NULL && server->shards->spread)
        return shard_with_fewest(&loads);
    to = shard_for_connection(&loads);
    if (to == loads.count && !shards_begin_another(server))
        return 0;
    return to;
}

bool server_shards_accept(struct server *server, struct io_sock *sock,
                          const struct io_address *peer, bool websocket)
{
    struct server_shards *shards;
    struct passing *passing;
    int64_t released;
    unsigned to;

    if ((server->shards == NULL && server->shards_plan.host == NULL) ||
        server->state != SERVER_RUNNING)
        return false;
    to = choose(server);
    if (to == 0)
        return false;
    shards = server->shards;
    released = io_sock_release(server->io, sock);
    if (released == IO_SOCK_STAYS)
        return false;
    passing = HEAP_NEW(struct passing);
    *passing = (struct passing){&shards->all[to], released, *peer, websocket};
    atomic_fetch_add(&shards->shared.load[to], 1);
    shard_post_call(&shards->all[0].post, to, (struct shard_call){arrive, turn_away}, passing);
    return true;
}
