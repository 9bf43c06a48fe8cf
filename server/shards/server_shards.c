#include "server/shards/server_shards.h"

#include "base/heap.h"
#include "server/router/exchange.h"
#include "server/server_priv.h"
#include "server/shards/server_shards_priv.h"
#include "server/tls/tls.h"

/* ---- the turn of a further shard ------------------------------------------------------------ */

static void shard_wake(void *owner)
{
    struct server_shard *shard = owner;

    io_wake(shard->io);
}

static void shard_enough(void *owner)
{
    struct server_shard *shard = owner;

    io_turn_enough(shard->io);
}

static struct client *shard_find(void *owner, uint64_t id)
{
    struct server_shard *shard = owner;

    return map64_pointer(&shard->connections->by_id, id);
}

static void read_post(struct server_shard *shard)
{
    if (!shard_post_read(&shard->post))
        io_wake(shard->io);
}

/* Home waits for the last connection when the server ends. */
static void tell_count(struct server_shard *shard)
{
    size_t count = shard->connections->count;

    if (count == 0 && shard->count_before > 0)
        io_wake(shard->server->io);
    shard->count_before = count;
}

/* Has it looked? */
static bool meter(const struct shard_host *host, struct shard_meter *of, const struct io *io)
{
    int64_t now_ns = io_now(io);

    if (!shard_meter_due(of, now_ns) || host->worked_ns == NULL)
        return false;
    shard_meter_read(of, now_ns, host->worked_ns(host));
    return true;
}

unsigned shard_busy(const struct shard_meter *meter)
{
    return atomic_load_explicit(&meter->busy, memory_order_relaxed);
}

/* Home, which evens out, may have nothing to turn for. */
static void meter_further(struct server_shard *shard)
{
    if (meter(shard->shards->host, &shard->meter, shard->io) &&
        shard_busy(&shard->meter) >= SHARD_TIGHT)
        io_wake(shard->server->io);
}

static void shard_turn(void *context)
{
    struct server_shard *shard = context;
    struct clients *clients = &shard->connections->clients;

    clients->now_ns = io_now(shard->io);
    clients->wall_ahead_ns = io_wall(shard->io) - io_now(shard->io);
    meter_further(shard);
    read_post(shard);
    if (shard->server->jetstream != NULL)
        jetstream_shard_turn(shard->server->jetstream, shard->number);
    shard_post_flush(&shard->post);
    connections_flush(shard->connections);
    if (shard->server->jetstream != NULL)
        jetstream_shard_flush(shard->server->jetstream, shard->number);
    shard_post_flush(&shard->post); /* who is asked about clients, who has left */
    tell_count(shard);
}

/* ---- what is told at home of its clients ---------------------------------------------------- */

struct news {
    struct server *server;
    struct closed_client *who;
    bool ended;
};

static void drop_news(void *of)
{
    struct news *news = of;

    heap_give(news->who);
    heap_give(news);
}

static void tell_home(void *of)
{
    struct news *news = of;
    const struct client_watch *watch = news->server->connections.clients.watch;

    if (watch != NULL && news->ended)
        watch->ended(watch->owner, &news->who->row);
    else if (watch != NULL)
        watch->named(watch->owner, &news->who->row);
    drop_news(news);
}

static void tell(struct server_shard *shard, const struct client_row *row, bool ended)
{
    struct news *news = HEAP_NEW(struct news);

    *news = (struct news){shard->server, closed_client_record(row), ended};
    shard_post_call(&shard->post, 0, (struct shard_call){tell_home, drop_news}, news);
}

static void watch_named(void *owner, const struct client_row *row)
{
    tell(owner, row, false);
}

static void watch_ended(void *owner, const struct client_row *row)
{
    tell(owner, row, true);
}

/* ---- life of a further shard ---------------------------------------------------------------- */

static void copy_accounts(struct server *server, struct router *router)
{
    struct account *account, *copy;

    for (size_t at = 0; (account = router_account_next(server->router, &at)) != NULL;) {
        copy = router_account(router, account->name);
        if (copy == NULL)
            copy = router_account_add(router, account->name, account->options);
        copy->options = account->options;
        copy->mappings = account->mappings;
        copy->system = account->system;
        copy->updated_wall_ns = account->updated_wall_ns;
    }
}

static void take_doors(struct server *server, struct connections *connections)
{
    struct tls_context *tls = connections->tls, *websocket = connections->websocket_tls;
    const struct connections *home = &server->connections;

    connections->tls = home->tls != NULL ? tls_context_hold(home->tls) : NULL;
    connections->websocket_tls =
        home->websocket_tls != NULL ? tls_context_hold(home->websocket_tls) : NULL;
    connections->websocket_door = home->websocket_door;
    tls_context_give(tls);
    tls_context_give(websocket);
}

void server_shards_options(struct server *server)
{
    struct connections *connections;

    for (unsigned i = 0; (connections = server_connections_of(server, i)) != NULL; i++) {
        connections->clients.trace = server->options.trace;
        if (i > 0)
            take_doors(server, connections);
    }
}

static void one_parted(void *owner)
{
    struct server_shard *shard = owner;

    atomic_store(&shard->shards->parted, true);
    io_wake(shard->server->io);
}

/* Not to one that has enough to do: what crosses takes less of its time then. */
static bool may_follow(void *owner, unsigned to)
{
    const struct server_shard *shard = owner;
    const struct shard_meter *meter = &shard->shards->all[to].meter;

    return shard_busy(meter) < SHARD_TIGHT;
}

static const struct connection_mover *open_mover(struct server_shard *shard)
{
    shard->mover = (struct connection_mover){shard, one_parted, may_follow};
    return &shard->mover;
}

static void open_connections(struct server_shard *shard)
{
    struct server *server = shard->server;
    struct connections *connections = &shard->own;
    uint64_t seed;

    io_random(shard->io, &seed, sizeof(seed));
    connections_init(connections, shard->io, &server->options, &server->info, server->logger, seed);
    connections->shared = &shard->shards->shared;
    connections->shard = shard->number;
    connections->mover = open_mover(shard);
    connections->clients.ids = &shard->shards->shared.ids;
    connections->clients.auth = &server->auth;
    connections->clients.trace = server->options.trace;
    connections->clients.wall_ahead_ns = io_wall(shard->io) - io_now(shard->io);
    if (server->connections.clients.watch != NULL) {
        shard->watch = (struct client_watch){shard, watch_named, watch_ended};
        connections->clients.watch = &shard->watch;
    }
    take_doors(server, connections);
    shard->connections = connections;
    shard->router = router_create(&connections->clients, seed + 1);
    connections->clients.router = shard->router;
    connections->clients.account = router_account_default(shard->router);
    copy_accounts(server, shard->router);
    system_trace_shard(&server->system, shard);
}

static void open_post(struct server_shard *shard)
{
    int error = pthread_mutex_init(&shard->guard.lock, NULL);

    assert(error == 0);
    shard_post_init(&shard->post, &shard->shards->posts, shard->number, shard->router,
                    &shard->connections->clients);
    shard->post.wake = shard_wake;
    shard->post.enough = shard_enough;
    shard->post.find = shard_find;
    shard->post.owner = shard;
}

void server_shard_open(struct server_shard *shard, struct io *io)
{
    struct server_shards *shards = shard->shards;

    shard->io = io;
    open_connections(shard);
    open_post(shard);
    io_set_flush(io, shard_turn, shard);
    shards_lock(shards);
    shard->opened = true;
    shards->turning++;
    shards_unlock(shards);
}

void server_shard_close(struct server_shard *shard)
{
    struct server_shards *shards = shard->shards;

    io_set_flush(shard->io, NULL, NULL);
    connections_deinit(shard->connections);
    tls_context_give(shard->own.tls);
    tls_context_give(shard->own.websocket_tls);
    /* Until the last of them has, others still wake this one. */
    shards_lock(shards);
    shards->turning--;
    shards_say_change(shards);
    while (!shards->gone && !shards->host->one_thread)
        shards_wait_for_change(shards);
    shards_unlock(shards);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static void unite(struct server_shards *shards)
{
    const struct router_shards *parts[SHARDS_MAX];
    struct sublist_guard *guards[SHARDS_MAX];
    struct router *routers[SHARDS_MAX];

    for (unsigned i = 0; i < shards->count; i++) {
        shards->all[i].post.shards.count = shards->count;
        routers[i] = shards->all[i].router;
        parts[i] = &shards->all[i].post.shards;
        guards[i] = &shards->all[i].guard;
    }
    routers_unite(routers, parts, guards, shards->count);
}

/* What is published on a shard crosses to other accounts there. */
static void share(struct server_shards *shards, unsigned first)
{
    for (unsigned i = first; i < shards->count; i++) {
        struct server_shard *shard = &shards->all[i];

        server_exchange_configure(shards->server, &shard->exchange, shard->router, shard->io);
    }
}

static void wake_home(void *owner)
{
    struct server *server = owner;

    io_wake(server->io);
}

/* Other nodes hear what their clients subscribe to. */
static void join_cluster(struct server_shards *shards)
{
    struct server *server = shards->server;

    for (unsigned i = 1; i < shards->count && server->core != NULL; i++) {
        struct server_shard *shard = &shards->all[i];

        if (shard->joined)
            continue;
        core_news_init(&shard->news, wake_home, server);
        router_set_remotes(shard->router, &shard->news.remotes);
        core_add_shard(server->core, &shard->news);
        shard->joined = true;
    }
}

static void note_for_leaves(void *owner, struct account *account, struct bytes subject,
                            struct bytes queue)
{
    struct core_news *news = owner;

    news->remotes.changed(news, account, subject, queue, 1, 1);
}

/* So do leaf nodes. */
static void join_leaves(struct server_shards *shards)
{
    struct server *server = shards->server;

    for (unsigned i = 1; i < shards->count && server->leaves != NULL; i++) {
        struct server_shard *shard = &shards->all[i];

        if (shard->leaves_joined)
            continue;
        core_news_init(&shard->leaf_news, wake_home, server);
        shard->leaf_router =
            (struct router_leaves){.owner = &shard->leaf_news, .changed = note_for_leaves};
        router_set_leaves(shard->router, &shard->leaf_router);
        leaves_add_shard(server->leaves, &shard->leaf_news);
        shard->leaves_joined = true;
    }
}

static void leave_leaves(struct server_shards *shards)
{
    struct server *server = shards->server;

    if (server->leaves == NULL)
        return;
    leaves_forget_shards(server->leaves);
    for (unsigned i = 1; i < shards->count; i++) {
        struct server_shard *shard = &shards->all[i];

        if (!shard->leaves_joined)
            continue;
        router_set_leaves(shard->router, NULL);
        core_news_deinit(&shard->leaf_news);
    }
}

/* Nothing turns them any more. */
static void leave_cluster(struct server_shards *shards)
{
    struct server *server = shards->server;

    if (server->core == NULL)
        return;
    core_forget_shards(server->core);
    for (unsigned i = 1; i < shards->count; i++) {
        struct server_shard *shard = &shards->all[i];

        if (!shard->joined)
            continue;
        router_set_remotes(shard->router, NULL);
        core_news_deinit(&shard->news);
    }
}

static struct server_shards *shards_create(struct server *server, unsigned most,
                                           const struct shard_host *host)
{
    struct server_shards *shards = HEAP_NEW(struct server_shards);
    int error = pthread_mutex_init(&shards->lock, NULL);

    assert(error == 0);
    error = pthread_cond_init(&shards->changed, NULL);
    assert(error == 0);
    shards->server = server;
    shards->host = host;
    shards->most = most;
    shards->all = heap_take(most * sizeof(*shards->all));
    atomic_init(&shards->shared.ids, server->connections.clients.id_last);
    return shards;
}

static struct server_shard *shard_init(struct server_shards *shards, unsigned number)
{
    struct server_shard *shard = &shards->all[number];

    shard->shards = shards;
    shard->server = shards->server;
    shard->number = number;
    shards->posts.count = number + 1;
    return shard;
}

static void open_home(struct server_shards *shards)
{
    struct server_shard *home = shard_init(shards, 0);
    struct server *server = shards->server;

    home->io = server->io;
    home->router = server->router;
    home->connections = &server->connections;
    shards->spread = server->shards_plan.host == NULL;
    home->meter = server->shards_plan.meter;
    atomic_init(&shards->shared.places, server->connections.places);
    connections_share(&server->connections, &shards->shared);
    server->connections.mover = open_mover(home);
    server->connections.clients.ids = &shards->shared.ids;
    open_post(home);
    shards->count = 1;
}

/* While those that there are rest: until there are so many. False: some could not. */
static bool begin_more(struct server_shards *shards, unsigned count)
{
    unsigned before = shards->count;
    bool begun = true;

    assert(count <= shards->most);
    while (shards->count < count && begun) {
        begun = shards->host->begin(shard_init(shards, shards->count));
        if (begun)
            shards->count++;
        else
            shards->posts.count = shards->count;
    }
    shards_wait_for_rest(shards);
    if (shards->count == before)
        return false;
    unite(shards);
    join_cluster(shards);
    join_leaves(shards);
    share(shards, before);
    return begun;
}

/* Home alone until now. They are halted before their first turn. */
static bool begin_first(struct server *server, unsigned most, unsigned count,
                        const struct shard_host *host)
{
    struct server_shards *shards = shards_create(server, most, host);
    bool begun;

    assert(server->shards == NULL);
    open_home(shards);
    shards->halts = 1;
    shards->halt = true;
    atomic_store(&shards->look, true);
    begun = begin_more(shards, count);
    server->shards = shards;
    return begun;
}

bool server_shards_begin(struct server *server, unsigned count, const struct shard_host *host)
{
    assert(count > 1 && count <= SHARDS_MAX);
    return begin_first(server, count, count, host);
}

void server_shards_plan(struct server *server, unsigned most, const struct shard_host *host)
{
    assert(most <= SHARDS_MAX);
    if (most > 1)
        server->shards_plan = (struct shards_plan){.host = host, .most = most};
}

void server_shards_begin_planned(struct server *server, unsigned count)
{
    const struct shards_plan *plan = &server->shards_plan;

    assert(count > 1 && count <= plan->most);
    if (!begin_first(server, plan->most, count, plan->host))
        server->shards->most = server->shards->count;
}

/* One that could not be begun is not tried again. */
bool shards_begin_another(struct server *server)
{
    struct server_shards *shards = server->shards;
    bool begun;

    if (shards == NULL) {
        begun = begin_first(server, server->shards_plan.most, 2, server->shards_plan.host);
        shards = server->shards;
    } else {
        server_shards_halt(server);
        begun = begin_more(shards, shards->count + 1);
    }
    server_shards_go_on(server);
    if (!begun) {
        shards->most = shards->count;
        return false;
    }
    logger_info(server->logger, "Shard %u takes connections: the others are busy",
                shards->count - 1);
    if (server->jetstream != NULL)
        jetstream_shard_begun(server->jetstream);
    return true;
}

void server_shards_opened(struct server *server)
{
    server_shards_options(server); /* with doors that were not open when they were begun */
    server_shards_go_on(server);
}

void server_shards_end(struct server *server)
{
    struct server_shards *shards = server->shards;

    if (shards == NULL)
        return;
    shards_lock(shards);
    shards->end = true; /* from a halt, too, when a start has failed */
    atomic_store(&shards->look, true);
    shards_wake(shards); /* under the lock: none is gone before all were woken */
    shards_say_change(shards);
    shards_unlock(shards);
    for (unsigned i = 1; i < shards->count; i++)
        if (shards->host->stop != NULL)
            shards->host->stop(&shards->all[i]);
    shards_wait_for_rest(shards);
    leave_cluster(shards);
    leave_leaves(shards);
}

/* Nothing stands on their loops any more. */
static void end_loops(struct server_shards *shards)
{
    shards_lock(shards);
    shards->gone = true;
    shards_say_change(shards);
    shards_unlock(shards);
    for (unsigned i = 1; i < shards->count; i++)
        shards->host->end(&shards->all[i]);
}

/* Their routers, when nobody looks into them any more; home's is the last and the server's. */
void server_shards_destroy(struct server *server)
{
    struct server_shards *shards = server->shards;

    if (shards == NULL)
        return;
    for (unsigned i = 0; i < shards->count; i++) {
        struct server_shard *shard = &shards->all[i];

        shard_post_deinit(&shard->post);
        if (shard->exchange != NULL)
            exchange_destroy(shard->exchange);
        if (i > 0)
            router_destroy(shard->router);
    }
    end_loops(shards);
}

void server_shards_free(struct server *server)
{
    struct server_shards *shards = server->shards;

    if (shards == NULL)
        return;
    for (unsigned i = 0; i < shards->count; i++)
        pthread_mutex_destroy(&shards->all[i].guard.lock);
    pthread_cond_destroy(&shards->changed);
    pthread_mutex_destroy(&shards->lock);
    heap_give(shards->all);
    heap_give(shards);
    server->shards = NULL;
}

void server_shards_read(struct server *server)
{
    struct shards_plan *plan = &server->shards_plan;

    if (server->shards != NULL) {
        (void)meter(server->shards->host, &server->shards->all[0].meter, server->io);
        shards_move_parted(server);
        read_post(&server->shards->all[0]);
    } else if (plan->host != NULL) {
        (void)meter(plan->host, &plan->meter, server->io);
    } else {
        return;
    }
    shards_even_out(server);
}

void server_shards_flush(struct server *server)
{
    if (server->shards != NULL)
        shard_post_flush(&server->shards->all[0].post);
}

void server_shards_accounts(struct server *server)
{
    struct server_shards *shards = server->shards;

    if (shards == NULL || shards->count == 1)
        return;
    for (unsigned i = 1; i < shards->count; i++)
        copy_accounts(server, shards->all[i].router);
    unite(shards);
    share(shards, 1);
}

void server_shard_call(struct server *server, unsigned from, unsigned to, struct shard_call call,
                       void *of)
{
    shard_post_call(&server->shards->all[from].post, to, call, of);
}

unsigned server_shards_count(const struct server *server)
{
    return server->shards != NULL ? server->shards->count : 1;
}

struct io *server_shard_io(struct server *server, unsigned shard)
{
    return shard == 0 ? server->io : server->shards->all[shard].io;
}

struct router *server_shard_router(struct server *server, unsigned shard)
{
    return shard == 0 ? server->router : server->shards->all[shard].router;
}

struct connections *server_connections_of(struct server *server, unsigned shard)
{
    if (shard == 0)
        return &server->connections;
    if (server->shards == NULL || shard >= server->shards->count)
        return NULL;
    return server->shards->all[shard].connections;
}

unsigned server_connections_all(struct server *server, struct connections *all[SHARDS_MAX])
{
    unsigned count = server_shards_count(server);

    for (unsigned i = 0; i < count; i++)
        all[i] = server_connections_of(server, i);
    return count;
}

/* What is being delivered at home came from there. */
const struct client *server_origin(struct server *server, const struct message *message)
{
    const struct connections *connections;
    const struct shard_post *post;

    if (message->origin != NULL || server->shards == NULL)
        return message->origin;
    post = &server->shards->all[0].post;
    connections = server_connections_of(server, post->crossing_shard);
    return post->crossing_id != 0 ? map64_pointer(&connections->by_id, post->crossing_id) : NULL;
}

uint64_t server_origin_number(const struct server *server, const struct message *message)
{
    const struct shard_post *post;

    if (message->origin != NULL)
        return message->origin->id << 8;
    if (server->shards == NULL)
        return 0;
    post = &server->shards->all[0].post;
    return post->crossing_id != 0 ? post->crossing_id << 8 | post->crossing_shard : 0;
}

size_t server_connections_count(const struct server *server)
{
    if (server->shards == NULL)
        return server->connections.count;
    return (size_t)atomic_load(&server->shards->shared.count);
}
