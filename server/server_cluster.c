/* The server as a node of a cluster: what it tells the others, and its clients of them. */
#include "base/heap.h"
#include "base/owner.h"
#include "server/cluster/route_url.h"
#include "server/server_priv.h"

/* ---- URLs -------------------------------------------------------------------------------------
 */

static bool host_is_wildcard(const char *host)
{
    return host[0] == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static void add_interface(void *context, const char *text)
{
    struct server *server = context;

    urls_add_address(&server->own_urls, text, server->clients_listener.port);
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

static void find_own_urls(struct server *server)
{
    const char *host = server->options.host;

    if (server->advertised_host != NULL)
        urls_add_address(&server->own_urls, server->advertised_host, server->info.port);
    else if (host_is_wildcard(host))
        io_addresses(server->io, add_interface, server);
    else
        urls_add_address(&server->own_urls, host, server->clients_listener.port);
}

static void add_all(struct urls *urls, const struct bytes *at, size_t count)
{
    for (size_t i = 0; i < count; i++)
        urls_add(urls, at[i]);
}

/* Our own first. While there is no other to go to the list is empty. */
static struct urls gather_urls(const struct server *server)
{
    const struct cluster_node *node;
    struct urls urls = {0};
    bool others = false;

    if (server->options.cluster.no_advertise)
        return urls;
    add_all(&urls, server->own_urls.at, server->own_urls.count);
    for (size_t at = 0; (node = cluster_next(server->cluster, &at)) != NULL;) {
        if (!node->up)
            continue;
        others = others || node->client_urls_count > 0;
        add_all(&urls, node->client_urls, node->client_urls_count);
    }
    if (!others && !server->had_urls)
        urls_clear(&urls);
    return urls;
}

/* ---- INFO -------------------------------------------------------------------------------------
 */

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

/* All shards read the info. */
static void update_info(struct server *server)
{
    struct urls urls = gather_urls(server);
    bool changed;

    server_shards_halt(server);
    changed = update_name(server);

    if (!urls_equal(&urls, &server->connect_urls)) {
        struct urls old = server->connect_urls;

        server->connect_urls = urls;
        urls = old;
        server->had_urls = true;
        server->info.connect_urls = server->connect_urls.at;
        server->info.connect_urls_count = server->connect_urls.count;
        changed = true;
    }
    urls_clear(&urls);
    if (changed)
        inform(server);
    server_shards_go_on(server);
}

static void node_changed(struct cluster_watcher *watcher, const struct cluster_node *node)
{
    (void)node;
    update_info(owner_of(watcher, struct server, watcher));
}

/* ---- life -------------------------------------------------------------------------------------
 */

/* As for a client, but what is allowed at all must fit. */
static size_t messages_max(const struct options *options)
{
    int64_t least = options->max_payload + (1 << 20);

    return (size_t)(options->max_pending > least ? options->max_pending : least);
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
    server->core = core_create(server->cluster, server->router, server->logger, server->io);
    server->watcher = (struct cluster_watcher){.up = node_changed, .down = node_changed};
    cluster_watch(server->cluster, &server->watcher);
    (void)update_name(server);
}

/* After the client listener, whose port is told to the others. */
enum err server_cluster_start(struct server *server)
{
    bool advertise = !server->options.cluster.no_advertise;
    uint64_t incarnation = 0; /* of no disk */

    if (server->cluster == NULL)
        return OK;
    if (server->jetstream != NULL)
        incarnation = jetstream_incarnation(server->jetstream);
    find_own_urls(server);
    return cluster_start(server->cluster, incarnation, server->own_urls.at,
                         advertise ? server->own_urls.count : 0);
}

void server_cluster_destroy(struct server *server)
{
    heap_give(server->advertised_host);
    heap_give(server->cluster_name);
    if (server->cluster == NULL)
        return;
    core_destroy(server->core);
    cluster_destroy(server->cluster);
    urls_clear(&server->own_urls);
    urls_clear(&server->connect_urls);
}

uint16_t server_cluster_port(const struct server *server)
{
    return server->cluster != NULL ? cluster_port(server->cluster) : 0;
}

struct cluster *server_cluster(struct server *server)
{
    return server->cluster;
}
