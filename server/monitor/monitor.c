#include "server/monitor/monitor.h"

#include <stdio.h>

#include "base/json.h"
#include "base/text.h"
#include "server/monitor/monitor_priv.h"
#include "server/server_priv.h"

#define DOCUMENT_MAX  (1u << 20)
#define ROUTEZ_MAX    (64u << 20) /* with all subjects of all nodes */
#define CPU_PERIOD_NS 500000000

static const char json_type[] = "application/json";

/* ---- /varz ------------------------------------------------------------------------------------
 */

void monitor_text(struct json_writer *w, struct bytes key, const char *value)
{
    json_key(w, key);
    json_string(w, bytes_of_text(value));
}

void monitor_number(struct json_writer *w, struct bytes key, int64_t value)
{
    json_key(w, key);
    json_number_i64(w, value);
}

static void empty(struct json_writer *w, struct bytes key)
{
    json_key(w, key);
    json_object_begin(w);
    json_object_end(w);
}

void monitor_wall_time(struct json_writer *w, struct bytes key, int64_t unix_ns)
{
    char at[TEXT_TIME_MAX];
    size_t size = text_time(at, unix_ns);

    json_key(w, key);
    json_string(w, bytes_of(at, size));
}

/* "4d2h3m5s", without the leading units that are zero. */
void monitor_uptime(struct json_writer *w, struct bytes key, int64_t ns)
{
    long long s = ns / 1000000000, m = s / 60, h = m / 60, d = h / 24, y = d / 365;
    char at[80];

    if (y > 0)
        snprintf(at, sizeof(at), "%lldy%lldd%lldh%lldm%llds", y, d % 365, h % 24, m % 60, s % 60);
    else if (d > 0)
        snprintf(at, sizeof(at), "%lldd%lldh%lldm%llds", d, h % 24, m % 60, s % 60);
    else if (h > 0)
        snprintf(at, sizeof(at), "%lldh%lldm%llds", h, m % 60, s % 60);
    else if (m > 0)
        snprintf(at, sizeof(at), "%lldm%llds", m, s % 60);
    else
        snprintf(at, sizeof(at), "%llds", s);
    monitor_text(w, key, at);
}

static void varz_identity(struct json_writer *w, const struct server *server)
{
    const struct options *options = &server->options;

    monitor_text(w, BYTES("server_id"), server->info.id);
    monitor_text(w, BYTES("server_name"), server->info.name);
    monitor_text(w, BYTES("version"), NATS_VERSION);
    monitor_number(w, BYTES("proto"), 1);
    monitor_text(w, BYTES("go"), INFO_GO);
    monitor_text(w, BYTES("millrace"), MILLRACE_VERSION);
    monitor_text(w, BYTES("host"), options->host);
    monitor_number(w, BYTES("port"), server->clients_listener.port);
    monitor_varz_access(w, server);
    monitor_connect_urls(w, server);
    monitor_varz_limits(w, server);
}

static void varz_jetstream(struct json_writer *w, const struct server *server)
{
    struct jetstream_stats stats;

    json_key(w, BYTES("jetstream"));
    json_object_begin(w);
    if (server->jetstream != NULL) {
        jetstream_stats(server->jetstream, &stats);
        monitor_varz_jetstream_config(w, server);
        json_key(w, BYTES("stats"));
        json_object_begin(w);
        monitor_number(w, BYTES("storage"), (int64_t)stats.bytes);
        monitor_number(w, BYTES("accounts"), (int64_t)stats.accounts);
        monitor_number(w, BYTES("ha_assets"), 0);
        json_key(w, BYTES("api"));
        json_object_begin(w);
        monitor_number(w, BYTES("level"), JETSTREAM_API_LEVEL);
        monitor_number(w, BYTES("total"), (int64_t)stats.api_total);
        monitor_number(w, BYTES("errors"), (int64_t)stats.api_errors);
        json_object_end(w);
        json_object_end(w);
    }
    json_object_end(w);
}

static void varz_modules(struct json_writer *w, const struct server *server)
{
    monitor_varz_cluster(w, server);
    empty(w, BYTES("gateway"));
    empty(w, BYTES("leaf"));
    empty(w, BYTES("mqtt"));
    empty(w, BYTES("websocket"));
    varz_jetstream(w, server);
}

static void varz_times(struct json_writer *w, const struct server *server)
{
    monitor_varz_tls(w, server);
    monitor_number(w, BYTES("write_deadline"), server->options.write_deadline_ns);
    monitor_wall_time(w, BYTES("start"), server->start_wall_ns);
    monitor_wall_time(w, BYTES("now"), io_wall(server->io));
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

static void varz_process(struct json_writer *w, struct monitor *monitor)
{
    struct server_process process;
    char percent[32];

    if (monitor->server->process == NULL)
        return;
    monitor->server->process(&process);
    cpu_update(monitor, process.cpu_ns);
    snprintf(percent, sizeof(percent), "%.1f", monitor->cpu_percent);
    monitor_number(w, BYTES("mem"), (int64_t)process.memory);
    monitor_number(w, BYTES("cores"), process.cores);
    json_key(w, BYTES("cpu"));
    json_raw(w, bytes_of_text(percent));
}

static void per_kind(struct json_writer *w, struct bytes key, uint64_t clients)
{
    json_key(w, key);
    json_object_begin(w);
    monitor_number(w, BYTES("clients"), (int64_t)clients);
    monitor_number(w, BYTES("routes"), 0);
    monitor_number(w, BYTES("gateways"), 0);
    monitor_number(w, BYTES("leafs"), 0);
    json_object_end(w);
}

static void varz_counts(struct json_writer *w, const struct server *server)
{
    const struct connections *connections = &server->connections;
    const struct clients_stats *stats = &connections->clients.stats;
    struct core_stats routed = {0};

    if (server->core != NULL)
        core_stats(server->core, &routed);
    monitor_number(w, BYTES("connections"), (int64_t)connections->count);
    monitor_number(w, BYTES("total_connections"), (int64_t)connections->total);
    monitor_varz_routes(w, server);
    monitor_number(w, BYTES("leafnodes"), 0);
    monitor_number(w, BYTES("in_msgs"), (int64_t)(stats->in_messages + routed.in_messages));
    monitor_number(w, BYTES("in_bytes"), (int64_t)(stats->in_bytes + routed.in_bytes));
    monitor_number(w, BYTES("in_client_msgs"), (int64_t)stats->in_messages);
    monitor_number(w, BYTES("in_client_bytes"), (int64_t)stats->in_bytes);
    monitor_number(w, BYTES("out_msgs"), (int64_t)(stats->out_messages + routed.out_messages));
    monitor_number(w, BYTES("out_bytes"), (int64_t)(stats->out_bytes + routed.out_bytes));
    monitor_number(w, BYTES("out_client_msgs"), (int64_t)stats->out_messages);
    monitor_number(w, BYTES("out_client_bytes"), (int64_t)stats->out_bytes);
    monitor_number(w, BYTES("slow_consumers"), (int64_t)stats->slow_consumers);
    monitor_number(w, BYTES("stale_connections"), (int64_t)stats->stale);
    monitor_number(w, BYTES("stalled_clients"), (int64_t)stats->stalls);
    monitor_number(w, BYTES("subscriptions"), (int64_t)router_subscriptions(server->router));
    per_kind(w, BYTES("slow_consumer_stats"), stats->slow_consumers);
    per_kind(w, BYTES("stale_connection_stats"), stats->stale);
}

static void varz_requests(struct json_writer *w, const struct monitor *monitor)
{
    json_key(w, BYTES("http_req_stats"));
    json_object_begin(w);
    monitor_number(w, BYTES("/healthz"), (int64_t)monitor->healthz_requests);
    monitor_number(w, BYTES("/routez"), (int64_t)monitor->routez_requests);
    monitor_number(w, BYTES("/varz"), (int64_t)monitor->varz_requests);
    json_object_end(w);
}

static void serve_varz(struct monitor *monitor, struct http_answer *answer)
{
    struct json_writer writer;
    struct buf document;

    monitor->varz_requests++;
    buf_init(&document, DOCUMENT_MAX);
    json_writer_init(&writer, &document);
    json_object_begin(&writer);
    varz_identity(&writer, monitor->server);
    varz_modules(&writer, monitor->server);
    varz_times(&writer, monitor->server);
    varz_process(&writer, monitor);
    varz_counts(&writer, monitor->server);
    varz_requests(&writer, monitor);
    json_object_end(&writer);
    if (writer.failed || !json_indent(answer->body, buf_bytes(&document)))
        answer->status = 500;
    buf_deinit(&document);
}

/* ---- /routez ----------------------------------------------------------------------------------
 */

static void serve_routez(struct monitor *monitor, struct bytes query, struct http_answer *answer)
{
    struct json_writer writer;
    struct buf document;

    monitor->routez_requests++;
    buf_init(&document, ROUTEZ_MAX);
    json_writer_init(&writer, &document);
    monitor_routez(&writer, monitor->server, query);
    if (writer.failed || !json_indent(answer->body, buf_bytes(&document)))
        answer->status = 500;
    buf_deinit(&document);
}

/* ---- /healthz ---------------------------------------------------------------------------------
 */

static bool query_true(struct bytes query, struct bytes name)
{
    struct bytes value;

    return http_query(query, name, &value) &&
           (bytes_equal(value, BYTES("1")) || bytes_equal_nocase(value, BYTES("t")) ||
            bytes_equal_nocase(value, BYTES("true")));
}

static bool query_has(struct bytes query, struct bytes name)
{
    struct bytes value;

    return http_query(query, name, &value) && value.size > 0;
}

struct health {
    unsigned status;
    const char *type;
    const char *error; /* NULL: well */
};

static struct health health_of(const struct server *server, struct bytes query)
{
    const char *unwell;

    if (query_has(query, BYTES("stream")) && !query_has(query, BYTES("account")))
        return (struct health){400, "BAD_REQUEST",
                               "\"account\" must not be empty when checking stream health"};
    if (query_has(query, BYTES("consumer")) && !query_has(query, BYTES("stream")))
        return (struct health){400, "BAD_REQUEST",
                               "\"stream\" must not be empty when checking consumer health"};
    if (query_has(query, BYTES("account")))
        return (struct health){400, "BAD_REQUEST",
                               "checking one account, stream or consumer is not supported"};
    if (server->jetstream == NULL || query_true(query, BYTES("js-server-only")))
        return (struct health){.status = 200};
    unwell = jetstream_unhealthy(server->jetstream);
    if (unwell == NULL)
        return (struct health){.status = 200};
    return (struct health){503, "JETSTREAM", unwell};
}

static void health_details(struct json_writer *w, const struct health *health)
{
    json_key(w, BYTES("errors"));
    json_array_begin(w);
    json_object_begin(w);
    monitor_text(w, BYTES("type"), health->type);
    monitor_text(w, BYTES("error"), health->error);
    json_object_end(w);
    json_array_end(w);
}

static const char *health_word(const struct health *health, bool details)
{
    if (health->error == NULL)
        return "ok";
    return health->status == 503 && !details ? "unavailable" : "error";
}

static void serve_healthz(struct monitor *monitor, struct bytes query, struct http_answer *answer)
{
    struct health health = health_of(monitor->server, query);
    bool details = query_true(query, BYTES("details"));
    struct json_writer writer;

    monitor->healthz_requests++;
    json_writer_init(&writer, answer->body);
    json_object_begin(&writer);
    monitor_text(&writer, BYTES("status"), health_word(&health, details));
    if (health.error != NULL && details)
        health_details(&writer, &health);
    else if (health.error != NULL)
        monitor_text(&writer, BYTES("error"), health.error);
    json_object_end(&writer);
    answer->status = health.status;
}

/* ---- the endpoints ----------------------------------------------------------------------------
 */

static bool take_slash(struct bytes *path)
{
    bool taken = path->size > 0 && path->at[0] == '/';

    if (taken)
        *path = bytes_skip(*path, 1);
    return taken;
}

/* What is left of a path without the base that the configuration puts before all of them. */
static struct bytes path_of(const struct server *server, struct bytes path)
{
    const char *base = server->options.http_base_path;
    struct bytes rest = bytes_of_text(base != NULL ? base : "");

    (void)take_slash(&rest);
    while (rest.size > 0 && rest.at[rest.size - 1] == '/')
        rest = bytes_take(rest, rest.size - 1);
    if (rest.size == 0)
        return path;
    if (!take_slash(&path) || !bytes_starts(path, rest))
        return BYTES("");
    return bytes_skip(path, rest.size);
}

static void serve(void *context, const struct http_request *request, struct http_answer *answer)
{
    struct monitor *monitor = context;
    struct bytes path = path_of(monitor->server, request->path);

    answer->status = 200;
    answer->content_type = json_type;
    if (bytes_equal(path, BYTES("/varz"))) {
        serve_varz(monitor, answer);
    } else if (bytes_equal(path, BYTES("/routez"))) {
        serve_routez(monitor, request->query, answer);
    } else if (bytes_equal(path, BYTES("/healthz"))) {
        serve_healthz(monitor, request->query, answer);
    } else {
        answer->status = 404;
        answer->content_type = "text/plain; charset=utf-8";
        (void)BUF_ADD(answer->body, "404 page not found\n");
    }
}

void monitor_init(struct monitor *monitor, struct server *server)
{
    *monitor = (struct monitor){.server = server, .cpu_asked_ns = server->start_ns};
    http_init(&monitor->http, server->io, serve, monitor);
}

void monitor_deinit(struct monitor *monitor)
{
    http_deinit(&monitor->http);
}
