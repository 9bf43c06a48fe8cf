/*
 * cluster (reference config.md 4.1): fills a struct cluster_options. What a route is and does is
 * not known here.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "server/config/blocks.h"

/* ---- routes --------------------------------------------------------------------------------- */

static const char *keep(struct config_reader *reader, struct bytes b)
{
    char *copy = config_take(reader, b.size + 1);

    if (b.size > 0)
        memcpy(copy, b.at, b.size);
    return copy;
}

static bool route_known(const struct cluster_options *cluster, const char *url)
{
    for (size_t i = 0; i < cluster->routes_count; i++) {
        if (strcmp(cluster->routes[i].url, url) == 0)
            return true;
    }
    return false;
}

static void read_routes(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct cluster_options *cluster = to;

    if (!config_is(reader, value, CONFIG_ARRAY))
        return;
    cluster->routes =
        config_array(reader, value, sizeof(struct cluster_route), &cluster->routes_count);
    for (const struct config_value *e = value->child; e != NULL; e = e->next) {
        struct cluster_route *route = &cluster->routes[cluster->routes_count];

        if (!config_is(reader, e, CONFIG_STRING))
            continue;
        if (!cluster_route_read(reader->arena, e->text, route) || route->host == NULL ||
            route->port <= 0)
            config_error(reader, e, "error parsing route url"); /* a password may be in it */
        else if (route_known(cluster, route->url))
            config_warn(reader, e, BYTES("routes"), "Duplicate route entry detected");
        else
            cluster->routes_count++;
    }
}

/* ---- who may be a route --------------------------------------------------------------------- */

static void refuse_users(struct config_reader *reader, const struct config_value *value, void *to)
{
    (void)to;
    config_error(reader, value, "Cluster authorization does not allow multiple users");
}

static void refuse_token(struct config_reader *reader, const struct config_value *value, void *to)
{
    (void)to;
    config_error(reader, value, "Cluster authorization does not support tokens");
}

static void refuse_callout(struct config_reader *reader, const struct config_value *value, void *to)
{
    (void)to;
    config_error(reader, value, "Cluster authorization does not support callouts");
}

static const struct config_option options_of_authorization[] = {
    CONFIG_FIELD("user username", CONFIG_AS_TEXT, struct cluster_options, user),
    CONFIG_FIELD("password pass", CONFIG_AS_TEXT, struct cluster_options, password),
    CONFIG_NOTICED("timeout", "a route that does not greet is closed after a fixed time"),
    CONFIG_READ("users", refuse_users),
    CONFIG_READ("token", refuse_token),
    CONFIG_READ("auth_callout auth_hook", refuse_callout),
    CONFIG_REFUSED("default_permissions default_permission permissions"),
    CONFIG_REFUSED_IF("proxy_required"),
};

static const struct config_block authorization = CONFIG_BLOCK(options_of_authorization);

static void read_authorization(struct config_reader *reader, const struct config_value *value,
                               void *to)
{
    (void)config_read_block(reader, value, &authorization, to);
}

/* ---- the block ------------------------------------------------------------------------------ */

static void read_name(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct cluster_options *cluster = to;

    if (config_text(reader, value, &cluster->name) && strchr(cluster->name, ' ') != NULL)
        config_error(reader, value, "cluster name cannot contain spaces");
}

static void read_listen(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct cluster_options *cluster = to;
    char host[HOST_SIZE] = "";

    config_listen(reader, value, host, &cluster->host_place, &cluster->port);
    if (host[0] != 0)
        cluster->host = keep(reader, bytes_of_text(host));
}

static void read_host(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct cluster_options *cluster = to;

    if (config_text(reader, value, &cluster->host))
        cluster->host_place = &value->place;
}

static void read_tls(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct cluster_options *cluster = to;

    cluster->tls = config_tls(reader, value, CONFIG_TLS_PEERS);
    if (cluster->tls != NULL && cluster->tls->map)
        config_error(reader, value,
                     "\"verify_and_map\" is not supported between nodes: users are of clients");
    if (cluster->tls != NULL && cluster->tls->pairs_count == 0)
        config_error(reader, value, "cluster tls: nodes have to show a certificate");
}

static void read_compression(struct config_reader *reader, const struct config_value *value,
                             void *to)
{
    static const char *const off[] = {"off",    "disabled",      "false",
                                      "accept", "not_supported", "not supported"};

    (void)to;
    if (value->type == CONFIG_BOOL && !value->boolean)
        return;
    for (size_t i = 0; value->type == CONFIG_STRING && i < sizeof(off) / sizeof(off[0]); i++) {
        if (bytes_equal_nocase(value->text, bytes_of_text(off[i])))
            return;
    }
    config_notice(reader, value,
                  "\"compression\" is accepted and has no effect: routes are not "
                  "compressed");
}

static const struct config_option options_of_cluster[] = {
    CONFIG_READ("name", read_name),
    CONFIG_READ("listen", read_listen),
    CONFIG_READ("host net", read_host),
    CONFIG_FIELD("port", CONFIG_AS_INT, struct cluster_options, port),
    CONFIG_READ("routes", read_routes),
    CONFIG_READ("authorization", read_authorization),
    CONFIG_REFUSED("permissions"),
    CONFIG_READ("tls", read_tls),
    CONFIG_FIELD("advertise cluster_advertise", CONFIG_AS_TEXT, struct cluster_options, advertise),
    CONFIG_FIELD("no_advertise", CONFIG_AS_BOOL, struct cluster_options, no_advertise),
    CONFIG_FIELD("connect_retries", CONFIG_AS_INT64, struct cluster_options, connect_retries),
    CONFIG_NOTICED("connect_backoff", "a route that fails is tried again ever more slowly"),
    CONFIG_NOTICED("pool_size", "two nodes have three links, one for each class of traffic"),
    CONFIG_NOTICED("accounts", "routes are not dedicated to accounts"),
    CONFIG_READ("compression", read_compression),
    CONFIG_NOTICED("ping_interval ping_max", "routes send heartbeats of their own"),
    CONFIG_NOTICED("write_deadline write_timeout", "a route that does not keep up is closed"),
};

static const struct config_block cluster_block = CONFIG_BLOCK(options_of_cluster);

void config_cluster(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct cluster_options *cluster = &((struct options *)to)->cluster;

    if (value->type != CONFIG_MAP) {
        config_error(reader, value, "Expected map to define cluster, got %s",
                     config_type_text(value->type));
        return;
    }
    (void)config_read_block(reader, value, &cluster_block, cluster);
    /* Without a port the block names a cluster and makes none, as in the reference. */
    cluster->configured = cluster->port != 0;
}
