/* Objects that stand in what is said in the system account (reference core.md 5.2). */
#include "server/clients/client_row.h"
#include "server/monitor/monitor_priv.h"
#include "server/server_sums.h"
#include "server/system/system_priv.h"

#define FLAG_JETSTREAM 1

/* ---- a server ------------------------------------------------------------------------------- */

static void write_tags(struct json_writer *w, const struct options *options)
{
    if (options->server_tags.count > 0) {
        json_key(w, BYTES("tags"));
        json_array_begin(w);
        for (size_t i = 0; i < options->server_tags.count; i++)
            json_string(w, options->server_tags.at[i]);
        json_array_end(w);
    }
    if (options->server_metadata.count > 0) {
        json_key(w, BYTES("metadata"));
        json_object_begin(w);
        for (size_t i = 0; i < options->server_metadata.count; i++)
            json_put_string(w, options->server_metadata.keys[i],
                            options->server_metadata.values[i]);
        json_object_end(w);
    }
}

void system_write_server(struct json_writer *w, struct system *system)
{
    system_write_server_at(w, system, io_wall(system->server->io));
}

void system_write_server_at(struct json_writer *w, struct system *system, int64_t wall_ns)
{
    const struct server *server = system->server;
    bool jetstream = server->jetstream != NULL;

    json_object_begin(w);
    json_put_text(w, BYTES("name"), server->info.name);
    json_put_text(w, BYTES("host"), server->options.host);
    json_put_text(w, BYTES("id"), server->info.id);
    json_put_given(w, BYTES("cluster"), server->info.cluster);
    if (jetstream && server->info.domain != NULL)
        json_put_text(w, BYTES("domain"), server->info.domain);
    json_put_text(w, BYTES("ver"), NATS_VERSION);
    write_tags(w, &server->options);
    json_put_bool(w, BYTES("jetstream"), jetstream);
    json_put_i64(w, BYTES("flags"), jetstream ? FLAG_JETSTREAM : 0);
    json_put_u64(w, BYTES("seq"), atomic_fetch_add(&system->sequence, 1) + 1);
    json_put_time(w, BYTES("time"), wall_ns);
    json_object_end(w);
}

/* ---- a client ------------------------------------------------------------------------------- */

void system_write_client(struct json_writer *w, const struct server *server,
                         const struct client_row *row, bool ended)
{
    json_object_begin(w);
    json_put_time(w, BYTES("start"), server_wall_of(server, row->start_ns));
    json_put_string(w, BYTES("host"), row->address);
    json_put_u64(w, BYTES("id"), row->id);
    json_put_string(w, BYTES("acc"), row->account);
    json_put_given(w, BYTES("user"), row->user);
    json_put_given(w, BYTES("name"), row->name);
    json_put_given(w, BYTES("lang"), row->lang);
    json_put_given(w, BYTES("ver"), row->version);
    if (ended && row->rtt_ns > 0)
        json_put_i64(w, BYTES("rtt"), row->rtt_ns);
    if (ended)
        json_put_time(w, BYTES("stop"), server_wall_of(server, row->stop_ns));
    json_put_string(w, BYTES("name_tag"), row->account);
    if (row->type == CONNECTION_LEAFNODE) {
        json_put_text(w, BYTES("kind"), "Leafnode");
    } else {
        json_put_text(w, BYTES("kind"), "Client");
        json_put_text(w, BYTES("client_type"), client_row_type(row));
    }
    json_object_end(w);
}

bool system_describe_account(const struct client *client, struct buf *out)
{
    struct json_writer w;
    struct client_row row;

    client_row_of_client(&row, client, client->clients->now_ns);
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_put_string(&w, BYTES("acc"), row.account);
    if (row.rtt_ns > 0)
        json_put_i64(&w, BYTES("rtt"), row.rtt_ns);
    json_object_end(&w);
    return !w.failed;
}

bool system_describe_client(const struct server *server, const struct client *client,
                            struct buf *out)
{
    struct json_writer w;
    struct client_row row;

    client_row_of_client(&row, client, client->clients->now_ns);
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_put_time(&w, BYTES("start"), server_wall_of(server, row.start_ns));
    json_put_string(&w, BYTES("host"), row.address);
    json_put_u64(&w, BYTES("id"), row.id);
    json_put_string(&w, BYTES("acc"), row.account);
    json_put_given(&w, BYTES("user"), row.user);
    json_put_given(&w, BYTES("name"), row.name);
    json_put_given(&w, BYTES("lang"), row.lang);
    json_put_given(&w, BYTES("ver"), row.version);
    json_put_i64(&w, BYTES("rtt"), row.rtt_ns);
    json_put_text(&w, BYTES("server"), server->info.name);
    json_put_given(&w, BYTES("cluster"), server->info.cluster);
    json_put_text(&w, BYTES("kind"), "Client");
    json_put_text(&w, BYTES("client_type"), client_row_type(&row));
    json_object_end(&w);
    return !w.failed;
}

/* ---- a user --------------------------------------------------------------------------------- */

static void write_filters(struct json_writer *w, struct bytes key,
                          const struct permission_list *list)
{
    if (list->count == 0)
        return;
    json_key(w, key);
    json_array_begin(w);
    for (size_t i = 0; i < list->count; i++)
        json_string(w, list->at[i].subject);
    json_array_end(w);
}

static void write_subjects(struct json_writer *w, struct bytes key,
                           const struct permission_list *allow, const struct permission_list *deny)
{
    json_key(w, key);
    json_object_begin(w);
    write_filters(w, BYTES("allow"), allow);
    write_filters(w, BYTES("deny"), deny);
    json_object_end(w);
}

static void write_permissions(struct json_writer *w, const struct permission_options *may)
{
    json_key(w, BYTES("permissions"));
    json_object_begin(w);
    write_subjects(w, BYTES("publish"), &may->publish_allow, &may->publish_deny);
    write_subjects(w, BYTES("subscribe"), &may->subscribe_allow, &may->subscribe_deny);
    if (may->responses) {
        json_key(w, BYTES("responses"));
        json_object_begin(w);
        json_put_i64(w, BYTES("max"), may->responses_max);
        json_put_i64(w, BYTES("ttl"), may->responses_ns);
        json_object_end(w);
    }
    json_object_end(w);
}

void system_write_user(struct json_writer *w, const struct client *client)
{
    json_object_begin(w);
    json_put_string(w, BYTES("user"), client_row_user(client));
    json_put_string(w, BYTES("account"), client->account->name);
    json_put_string(w, BYTES("account_name"), client->account->name);
    if (client->permissions != NULL)
        write_permissions(w, client->permissions->options);
    json_object_end(w);
}

/* ---- statistics ----------------------------------------------------------------------------- */

static void write_traffic(struct json_writer *w, struct bytes key, uint64_t messages,
                          uint64_t bytes)
{
    const struct traffic traffic = {messages, bytes};

    json_key(w, key);
    json_object_begin(w);
    monitor_traffic(w, &traffic);
    json_object_end(w);
}

static void write_routes(struct json_writer *w, const struct server *server)
{
    struct cluster_connection c;

    json_key(w, BYTES("routes"));
    json_array_begin(w);
    for (const void *at = NULL; cluster_connection_next(server->cluster, &at, &c);) {
        json_object_begin(w);
        json_put_u64(w, BYTES("rid"), c.rid);
        json_put_string(w, BYTES("name"), c.node->name);
        write_traffic(w, BYTES("sent"), c.out_frames, c.out_bytes);
        write_traffic(w, BYTES("received"), c.in_frames, c.in_bytes);
        json_put_i64(w, BYTES("pending"), (int64_t)c.pending);
        json_object_end(w);
    }
    json_array_end(w);
}

static int64_t count_servers(const struct server *server)
{
    const struct cluster_node *node;
    int64_t count = 1;

    if (server->cluster != NULL)
        for (size_t at = 0; (node = cluster_next(server->cluster, &at)) != NULL;)
            count += node->up;
    return count;
}

static int64_t count_accounts(const struct server *server)
{
    const struct account *account;
    struct account_sums sums;
    int64_t count = 0;

    for (size_t at = 0; (account = router_account_next(server->router, &at)) != NULL;) {
        account_sums(account, &sums);
        count += sums.connections > 0;
    }
    return count;
}

static void write_messages(struct json_writer *w, const struct server *server,
                           const struct clients_stats *stats)
{
    struct core_stats routed = {0};

    if (server->core != NULL)
        core_stats(server->core, &routed);
    write_traffic(w, BYTES("sent"), stats->out_messages + routed.out_messages,
                  stats->out_bytes + routed.out_bytes);
    write_traffic(w, BYTES("sent_to_clients"), stats->out_messages, stats->out_bytes);
    write_traffic(w, BYTES("received"), stats->in_messages + routed.in_messages,
                  stats->in_bytes + routed.in_bytes);
    write_traffic(w, BYTES("received_from_clients"), stats->in_messages, stats->in_bytes);
    json_put_u64(w, BYTES("slow_consumers"), stats->slow_consumers);
    if (stats->stale > 0)
        json_put_u64(w, BYTES("stale_connections"), stats->stale);
    if (stats->stalls > 0)
        json_put_u64(w, BYTES("stalled_clients"), stats->stalls);
}

void system_write_stats(struct json_writer *w, struct server *server)
{
    struct server_sums sums;

    server_shards_halt(server);
    server_sums(server, &sums);
    json_object_begin(w);
    json_put_time(w, BYTES("start"), server->start_wall_ns);
    monitor_varz_process(w, &server->monitor);
    json_put_u64(w, BYTES("connections"), sums.connections);
    json_put_u64(w, BYTES("total_connections"), sums.total);
    json_put_i64(w, BYTES("active_accounts"), count_accounts(server));
    json_put_u64(w, BYTES("subscriptions"), sums.subscriptions);
    write_messages(w, server, &sums.stats);
    if (server->cluster != NULL)
        write_routes(w, server);
    json_put_i64(w, BYTES("active_servers"), count_servers(server));
    if (server->jetstream != NULL && !monitor_unknown(&server->monitor))
        monitor_varz_jetstream(w, server, false);
    json_object_end(w);
    server_shards_go_on(server);
}
