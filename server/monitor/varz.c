/* /varz: the server as a whole (reference monitoring.md 2.1). */
#include <stdio.h>

#include "server/monitor/monitor_priv.h"
#include "server/server_priv.h"
#include "server/server_sums.h"

#define CPU_PERIOD_NS 500000000

static void varz_identity(struct json_writer *w, const struct server *server)
{
    const struct options *options = &server->options;

    json_put_text(w, BYTES("server_id"), server->info.id);
    json_put_text(w, BYTES("server_name"), server->info.name);
    json_put_text(w, BYTES("version"), NATS_VERSION);
    json_put_i64(w, BYTES("proto"), 1);
    json_put_text(w, BYTES("go"), INFO_GO);
    json_put_text(w, BYTES("millrace"), MILLRACE_VERSION);
    json_put_text(w, BYTES("host"), options->host);
    json_put_i64(w, BYTES("port"), server->clients_listener.port);
    monitor_varz_access(w, server);
    monitor_connect_urls(w, server);
    monitor_varz_limits(w, server);
}

void monitor_varz_jetstream(struct json_writer *w, const struct server *server, bool with_place)
{
    json_key(w, BYTES("jetstream"));
    json_object_begin(w);
    if (server->jetstream != NULL) {
        monitor_jetstream_config(w, server, with_place);
        json_key(w, BYTES("stats"));
        json_object_begin(w);
        monitor_jetstream_stats(w, server);
        json_object_end(w);
        monitor_jetstream_meta(w, BYTES("meta"), server);
        monitor_jetstream_limits(w, server);
    }
    json_object_end(w);
}

static void varz_modules(struct json_writer *w, const struct server *server)
{
    monitor_varz_cluster(w, server);
    monitor_empty(w, BYTES("gateway"));
    monitor_varz_leaf(w, server);
    monitor_empty(w, BYTES("mqtt"));
    monitor_varz_websocket(w, server);
    monitor_varz_jetstream(w, server, true);
}

static void varz_times(struct json_writer *w, const struct server *server)
{
    monitor_varz_tls(w, server);
    json_put_i64(w, BYTES("write_deadline"), server->options.write_deadline_ns);
    json_put_time(w, BYTES("start"), server->start_wall_ns);
    json_put_time(w, BYTES("now"), io_wall(server->io));
    monitor_uptime(w, BYTES("uptime"), io_now(server->io) - server->start_ns);
    monitor_varz_config(w, server);
}

/* Over the time since the last reading, but not over so little that it says nothing. */
static void cpu_update(struct monitor *monitor, int64_t cpu_ns)
{
    int64_t now_ns = io_now(monitor->server->io);
    int64_t since_ns = now_ns - monitor->cpu_asked_ns;

    if (since_ns < CPU_PERIOD_NS)
        return;
    monitor->cpu_percent = 100.0 * (double)(cpu_ns - monitor->cpu_ns) / (double)since_ns;
    monitor->cpu_asked_ns = now_ns;
    monitor->cpu_ns = cpu_ns;
}

void monitor_varz_process(struct json_writer *w, struct monitor *monitor)
{
    struct server_process process;
    char percent[32];

    if (monitor->server->process == NULL)
        return;
    monitor->server->process(&process);
    cpu_update(monitor, process.cpu_ns);
    snprintf(percent, sizeof(percent), "%.1f", monitor->cpu_percent);
    json_put_i64(w, BYTES("mem"), (int64_t)process.memory);
    json_put_i64(w, BYTES("cores"), process.cores);
    json_key(w, BYTES("cpu"));
    json_raw(w, bytes_of_text(percent));
}

static void per_kind(struct json_writer *w, struct bytes key, uint64_t clients, uint64_t leafs)
{
    json_key(w, key);
    json_object_begin(w);
    json_put_i64(w, BYTES("clients"), (int64_t)clients);
    json_put_i64(w, BYTES("routes"), 0);
    json_put_i64(w, BYTES("gateways"), 0);
    json_put_u64(w, BYTES("leafs"), leafs);
    json_object_end(w);
}

static void varz_counts(struct json_writer *w, const struct server *server)
{
    struct core_stats routed = {0};
    struct leaves_stats leaves;
    const struct clients_stats *stats;
    struct server_sums sums;

    server_sums(server, &sums);
    stats = &sums.stats;
    if (server->core != NULL)
        core_stats(server->core, &routed);
    leaves_stats(server->leaves, &leaves);
    routed.in_messages += leaves.in_messages;
    routed.in_bytes += leaves.in_bytes;
    routed.out_messages += leaves.out_messages;
    routed.out_bytes += leaves.out_bytes;
    json_put_i64(w, BYTES("connections"), (int64_t)sums.connections);
    json_put_i64(w, BYTES("total_connections"), (int64_t)sums.total);
    monitor_varz_routes(w, server);
    json_put_u64(w, BYTES("leafnodes"), leaves.up);
    json_put_i64(w, BYTES("in_msgs"), (int64_t)(stats->in_messages + routed.in_messages));
    json_put_i64(w, BYTES("in_bytes"), (int64_t)(stats->in_bytes + routed.in_bytes));
    json_put_i64(w, BYTES("in_client_msgs"), (int64_t)stats->in_messages);
    json_put_i64(w, BYTES("in_client_bytes"), (int64_t)stats->in_bytes);
    json_put_i64(w, BYTES("out_msgs"), (int64_t)(stats->out_messages + routed.out_messages));
    json_put_i64(w, BYTES("out_bytes"), (int64_t)(stats->out_bytes + routed.out_bytes));
    json_put_i64(w, BYTES("out_client_msgs"), (int64_t)stats->out_messages);
    json_put_i64(w, BYTES("out_client_bytes"), (int64_t)stats->out_bytes);
    json_put_i64(w, BYTES("slow_consumers"),
                 (int64_t)(stats->slow_consumers + leaves.slow_consumers));
    json_put_i64(w, BYTES("stale_connections"), (int64_t)(stats->stale + leaves.stale));
    json_put_i64(w, BYTES("stalled_clients"), (int64_t)stats->stalls);
    json_put_i64(w, BYTES("subscriptions"), (int64_t)sums.subscriptions);
    per_kind(w, BYTES("slow_consumer_stats"), stats->slow_consumers, leaves.slow_consumers);
    per_kind(w, BYTES("stale_connection_stats"), stats->stale, leaves.stale);
}

void monitor_varz(struct json_writer *w, struct monitor *monitor, struct ask *ask)
{
    const struct server *server = monitor->server;

    (void)ask; /* there is nothing to choose */
    json_object_begin(w);
    varz_identity(w, server);
    varz_modules(w, server);
    varz_times(w, server);
    monitor_varz_process(w, monitor);
    varz_counts(w, server);
    monitor_requests(w, monitor);
    json_object_end(w);
}
