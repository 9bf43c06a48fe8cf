/* The server as a node of a cluster: what it tells the others, and its clients of them. */
#include "base/heap.h"
#include "base/owner.h"
#include "server/cluster/route_url.h"
#include "server/server_priv.h"

/* ---- URLs ----------------------------------------------------------------------------------- */

static bool host_is_wildcard(const char *host)
{
    return host[0] == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

struct place {
    struct urls *urls;
    uint16_t port;
};

static void add_interface(void *context, const char *text)
{
    struct place *place = context;

    urls_add_address(place->urls, text, place->port);
}

/* Where clients that are elsewhere reach this server, if that is not where it listens. */
void server_advertise(struct server *server)
{
    const char *advertise = server->options.client_advertise;
    uint16_t port = server->clients_listener.port;

    heap_give(server->advertised_host);
    server->advertised_host = NULL;
    server->info.host = server->options.host;
    server->info.port = port;
    if (advertise == NULL || advertise[0] == 0)
        return;
    server->advertised_host = heap_text(address_split(bytes_of_text(advertise), &port));
    server->info.host = server->advertised_host;
    server->info.port = port;
}

static void find_urls(struct server *server, struct urls *urls, const char *host, uint16_t port)
{
    struct place place = {urls, port};

    if (host_is_wildcard(host))
        io_addresses(server->io, add_interface, &place);
    else
        urls_add_address(urls, host, port);
}

static void find_websocket_urls(struct server *server)
{
    const struct websocket_options *options = &server->options.websocket;
    const char *host = options->host[0] != 0 ? options->host : server->options.host;
    uint16_t port = server->websocket_listener.port;
    char *advertised;

    if (options->port == 0)
        return;
    if (options->advertise == NULL || options->advertise[0] == 0) {
        find_urls(server, &server->websocket_reach.own, host, port);
        return;
    }
    advertised = heap_text(address_split(bytes_of_text(options->advertise), &port));
    urls_add_address(&server->websocket_reach.own, advertised, port);
    heap_give(advertised);
}

static void find_own_urls(struct server *server)
{
    const char *host = server->options.host;

    if (server->advertised_host != NULL)
        urls_add_address(&server->reach.own, server->advertised_host, server->info.port);
    else
        find_urls(server, &server->reach.own, host, server->clients_listener.port);
    find_websocket_urls(server);
}

static void add_all(struct urls *urls, const struct bytes *at, size_t count)
{
    for (size_t i = 0; i < count; i++)
        urls_add(urls, at[i]);
}

/* Those of one node. */
static struct cluster_urls urls_of(const struct cluster_node *node, bool websocket)
{
    return websocket ? (struct cluster_urls){node->websocket_urls, node->websocket_urls_count}
                     : (struct cluster_urls){node->client_urls, node->client_urls_count};
}

/* Our own first, unless we are about to go. While there is no other to go to the list is empty. */
static struct urls gather_urls(const struct server *server, const struct reach *reach,
                               bool websocket)
{
    const struct cluster_node *node;
    struct urls urls = {0};
    bool others = false;

    if (server->options.cluster.no_advertise)
        return urls;
    if (!server->info.lame_duck)
        add_all(&urls, reach->own.at, reach->own.count);
    for (size_t at = 0; (node = cluster_next(server->cluster, &at)) != NULL;) {
        struct cluster_urls theirs = urls_of(node, websocket);

        if (!node->up)
            continue;
        others = others || theirs.count > 0;
        add_all(&urls, theirs.at, theirs.count);
    }
    if (!others && !reach->told)
        urls_clear(&urls);
    return urls;
}

/* ---- INFO ----------------------------------------------------------------------------------- */

static bool show_name(struct server *server, struct bytes name)
{
    if (bytes_equal(server->info.cluster, name))
        return false;
    heap_give(server->cluster_name);
    server->cluster_name = heap_text(name);
    server->info.cluster = bytes_of_text(server->cluster_name);
    return true;
}

static bool update_name(struct server *server)
{
    server->info.cluster_dynamic = cluster_name_is_dynamic(server->cluster);
    return show_name(server, cluster_name(server->cluster));
}

static void inform(struct server *server)
{
    struct connections *connections;

    for (unsigned i = 0; (connections = server_connections_of(server, i)) != NULL; i++)
        connections_inform(connections);
}

static bool update_urls(struct server *server, struct reach *reach, bool websocket)
{
    struct urls urls = gather_urls(server, reach, websocket), old = reach->all;
    bool changed = !urls_equal(&urls, &old);

    if (changed) {
        reach->all = urls;
        reach->told = true;
        urls = old;
    }
    urls_clear(&urls);
    return changed;
}

/* All shards read the info. */
static bool update_info(struct server *server)
{
    struct info *info = &server->info;
    bool changed;

    changed = update_name(server);
    changed = update_urls(server, &server->reach, false) || changed;
    changed = update_urls(server, &server->websocket_reach, true) || changed;
    info->connect_urls = server->reach.all.at;
    info->connect_urls_count = server->reach.all.count;
    info->websocket_urls = server->websocket_reach.all.at;
    info->websocket_urls_count = server->websocket_reach.all.count;
    return changed;
}

void server_cluster_lame_duck(struct server *server)
{
    if (server->cluster != NULL)
        (void)update_info(server);
}

static void node_changed(struct cluster_watcher *watcher, const struct cluster_node *node)
{
    struct server *server = owner_of(watcher, struct server, watcher);

    (void)node;
    server_shards_halt(server);
    if (update_info(server))
        inform(server);
    server_shards_go_on(server);
}

/* ---- life ----------------------------------------------------------------------------------- */

/* As for a client, but what is allowed at all must fit. */
static size_t messages_max(const struct options *options)
{
    int64_t least = options->max_payload + (1 << 20);

    return (size_t)(options->max_pending > least ? options->max_pending : least);
}

/* Who publishes at another node may know of what clients of this one did on other shards. */
static void catch_up(void *clients)
{
    clients_catch_up(clients);
}

void server_cluster_create(struct server *server)
{
    const struct cluster_setup setup = {
        .io = server->io,
        .logger = server->logger,
        .options = &server->options.cluster,
        .name = server->info.name,
        .server_id = server->info.id,
        .host = server->options.host,
        .host_place = server->options.host_place,
        .jetstream = server->options.jetstream,
        .messages_max = messages_max(&server->options),
        .seed = prng_next(&server->prng),
        .flaws = server->options.sim.cluster_flaws,
    };

    if (!server->options.cluster.configured) {
        (void)show_name(server, cluster_options_name(&server->options.cluster));
        return;
    }
    server->cluster = cluster_create(&setup);
    cluster_set_catch_up(server->cluster, catch_up, &server->connections.clients);
    server->core = core_create(server->cluster, server->router, server->logger, server->io);
    server->watcher = (struct cluster_watcher){.up = node_changed, .down = node_changed};
    cluster_watch(server->cluster, &server->watcher);
    (void)update_name(server);
}

/* After the client listener, whose port is told to the others. */
enum err server_cluster_start(struct server *server)
{
    bool advertise = !server->options.cluster.no_advertise;
    struct cluster_urls clients, websocket;
    uint64_t incarnation = 0; /* of no disk */

    if (server->cluster == NULL)
        return OK;
    if (server->jetstream != NULL)
        incarnation = jetstream_incarnation(server->jetstream);
    find_own_urls(server);
    clients = (struct cluster_urls){server->reach.own.at, server->reach.own.count};
    websocket =
        (struct cluster_urls){server->websocket_reach.own.at, server->websocket_reach.own.count};
    return cluster_start(server->cluster, incarnation, advertise ? &clients : NULL,
                         advertise ? &websocket : NULL);
}

static void reach_clear(struct reach *reach)
{
    urls_clear(&reach->own);
    urls_clear(&reach->all);
}

void server_cluster_destroy(struct server *server)
{
    heap_give(server->advertised_host);
    heap_give(server->cluster_name);
    if (server->cluster == NULL)
        return;
    core_destroy(server->core);
    cluster_destroy(server->cluster);
    reach_clear(&server->reach);
    reach_clear(&server->websocket_reach);
}

uint16_t server_cluster_port(const struct server *server)
{
    return server->cluster != NULL ? cluster_port(server->cluster) : 0;
}

struct cluster *server_cluster(struct server *server)
{
    return server->cluster;
}
