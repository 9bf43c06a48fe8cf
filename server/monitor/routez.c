/* What monitoring says of the cluster: /routez (reference monitoring.md 2.3), and its part of
 * /varz. */
#include "server/monitor/monitor_priv.h"
#include "server/server_priv.h"

#define SECOND_NS INT64_C(1000000000)

/* ---- /varz ---------------------------------------------------------------------------------- */

static void connect_urls(struct json_writer *w, struct bytes key, const struct urls *urls)
{
    if (urls->count == 0)
        return;
    json_key(w, key);
    json_array_begin(w);
    for (size_t i = 0; i < urls->count; i++)
        json_string(w, urls->at[i]);
    json_array_end(w);
}

void monitor_connect_urls(struct json_writer *w, const struct server *server)
{
    connect_urls(w, BYTES("connect_urls"), &server->reach.all);
    connect_urls(w, BYTES("ws_connect_urls"), &server->websocket_reach.all);
}

static void route_urls(struct json_writer *w, const struct cluster_options *options)
{
    char address[300];

    if (options->routes_count == 0)
        return;
    json_key(w, BYTES("urls"));
    json_array_begin(w);
    for (size_t i = 0; i < options->routes_count; i++) {
        listener_address(address, sizeof(address), options->routes[i].host,
                         options->routes[i].port);
        json_string(w, bytes_of_text(address));
    }
    json_array_end(w);
}

void monitor_varz_cluster(struct json_writer *w, const struct server *server)
{
    const struct cluster_options *options = &server->options.cluster;

    json_key(w, BYTES("cluster"));
    json_object_begin(w);
    json_put_given(w, BYTES("name"), server->info.cluster);
    if (server->cluster != NULL) {
        json_put_text(w, BYTES("addr"),
                      options->host != NULL ? options->host : server->options.host);
        json_put_i64(w, BYTES("cluster_port"), cluster_port(server->cluster));
        json_put_i64(w, BYTES("auth_timeout"), CLUSTER_HANDSHAKE_NS / SECOND_NS);
        route_urls(w, options);
        json_put_i64(w, BYTES("pool_size"), CLUSTER_CLASSES);
    }
    json_object_end(w);
}

void monitor_varz_routes(struct json_writer *w, const struct server *server)
{
    const struct cluster_node *node;
    int64_t nodes = 0;

    if (server->cluster != NULL)
        for (size_t at = 0; (node = cluster_next(server->cluster, &at)) != NULL;)
            nodes += node->up;
    json_put_i64(w, BYTES("routes"), nodes * CLUSTER_CLASSES);
    json_put_i64(w, BYTES("remotes"), nodes);
}

/* ---- /routez -------------------------------------------------------------------------------- */

static void list_subject(void *context, const struct core_interest *interest)
{
    json_string(context, interest->subject);
}

static void list_detail(void *context, const struct core_interest *interest)
{
    struct json_writer *w = context;

    json_object_begin(w);
    json_put_string(w, BYTES("account"), interest->account);
    json_put_string(w, BYTES("subject"), interest->subject);
    if (interest->queue.size > 0)
        json_put_string(w, BYTES("qgroup"), interest->queue);
    json_put_text(w, BYTES("sid"), "");
    json_put_i64(w, BYTES("msgs"), 0);
    json_put_i64(w, BYTES("cid"), 0);
    json_object_end(w);
}

static void subscriptions(struct json_writer *w, const struct server *server,
                          const struct cluster_connection *c, enum ask_subs subs)
{
    size_t count = 0;

    if (c->class == CLUSTER_MESSAGES)
        count = core_interest_count(server->core, c->node->id);
    json_put_i64(w, BYTES("subscriptions"), (int64_t)count);
    if (count == 0 || subs == ASK_SUBS_NONE)
        return;
    json_key(w, subs == ASK_SUBS_LIST ? BYTES("subscriptions_list")
                                      : BYTES("subscriptions_list_detail"));
    json_array_begin(w);
    core_interest_walk(server->core, c->node->id,
                       subs == ASK_SUBS_LIST ? list_subject : list_detail, w);
    json_array_end(w);
}

static void route(struct json_writer *w, const struct server *server,
                  const struct cluster_connection *c, enum ask_subs subs)
{
    int64_t now_ns = io_now(server->io);

    json_object_begin(w);
    json_put_i64(w, BYTES("rid"), (int64_t)c->rid);
    json_put_string(w, BYTES("remote_id"), c->node->server_id);
    json_put_string(w, BYTES("remote_name"), c->node->name);
    json_put_bool(w, BYTES("did_solicit"), c->dialled);
    json_put_bool(w, BYTES("is_configured"), c->configured);
    json_put_text(w, BYTES("ip"), c->peer.text);
    json_put_i64(w, BYTES("port"), c->peer.port);
    json_put_time(w, BYTES("start"), c->start_wall_ns);
    json_put_time(w, BYTES("last_activity"), io_wall(server->io) - (now_ns - c->last_ns));
    if (c->node->rtt_ns > 0)
        monitor_duration(w, BYTES("rtt"), c->node->rtt_ns);
    monitor_uptime(w, BYTES("uptime"), now_ns - c->start_ns);
    monitor_uptime(w, BYTES("idle"), now_ns - c->last_ns);
    json_put_i64(w, BYTES("pending_size"), (int64_t)c->pending);
    json_put_i64(w, BYTES("in_msgs"), (int64_t)c->in_frames);
    json_put_i64(w, BYTES("out_msgs"), (int64_t)c->out_frames);
    json_put_i64(w, BYTES("in_bytes"), (int64_t)c->in_bytes);
    json_put_i64(w, BYTES("out_bytes"), (int64_t)c->out_bytes);
    subscriptions(w, server, c, subs);
    json_put_text(w, BYTES("compression"), "off");
    json_object_end(w);
}

static int64_t count_routes(const struct server *server)
{
    struct cluster_connection connection;
    const void *at = NULL;
    int64_t count = 0;

    while (server->cluster != NULL && cluster_connection_next(server->cluster, &at, &connection))
        count++;
    return count;
}

void monitor_routez(struct json_writer *w, struct monitor *monitor, struct ask *ask)
{
    const struct server *server = monitor->server;
    enum ask_subs subs = ask_subs(ask);
    struct cluster_connection connection;
    const void *at = NULL;

    json_object_begin(w);
    json_put_text(w, BYTES("server_id"), server->info.id);
    json_put_text(w, BYTES("server_name"), server->info.name);
    json_put_time(w, BYTES("now"), io_wall(server->io));
    json_put_i64(w, BYTES("num_routes"), count_routes(server));
    json_key(w, BYTES("routes"));
    json_array_begin(w);
    while (server->cluster != NULL && cluster_connection_next(server->cluster, &at, &connection))
        route(w, server, &connection, subs);
    json_array_end(w);
    json_object_end(w);
}
