#include "server/monitor.h"

#include "base/json.h"
#include "base/text.h"
#include "server/server_priv.h"

static void number(struct json_writer *writer, struct bytes key, int64_t value)
{
    json_key(writer, key);
    json_number_i64(writer, value);
}

static void text(struct json_writer *writer, struct bytes key, const char *value)
{
    json_key(writer, key);
    json_string(writer, bytes_of_text(value));
}

static void time_of(struct json_writer *writer, struct bytes key, int64_t unix_ns)
{
    char out[TEXT_TIME_MAX];

    json_key(writer, key);
    json_string(writer, bytes_of(out, text_time(out, unix_ns)));
}

/* "1d2h3m4s", the larger units only when they are there. */
static void write_uptime(struct json_writer *writer, int64_t ns)
{
    int64_t seconds = ns / INT64_C(1000000000);
    struct buf out;

    buf_init(&out, 64);
    if (seconds >= 86400)
        (void)buf_print(&out, "%lldd", (long long)(seconds / 86400));
    if (seconds >= 3600)
        (void)buf_print(&out, "%lldh", (long long)(seconds / 3600 % 24));
    if (seconds >= 60)
        (void)buf_print(&out, "%lldm", (long long)(seconds / 60 % 60));
    (void)buf_print(&out, "%llds", (long long)(seconds % 60));
    JSON_KEY(writer, "uptime");
    json_string(writer, buf_bytes(&out));
    buf_deinit(&out);
}

static void write_jetstream(struct json_writer *writer, struct server *server)
{
    struct jetstream_stats stats;

    jetstream_stats(server->jetstream, &stats);
    JSON_KEY(writer, "jetstream");
    json_object_begin(writer);
    JSON_KEY(writer, "config");
    json_object_begin(writer);
    text(writer, BYTES("store_dir"), server->options.store_dir);
    JSON_KEY(writer, "strict");
    json_bool(writer, true);
    json_object_end(writer);
    JSON_KEY(writer, "stats");
    json_object_begin(writer);
    number(writer, BYTES("memory"), 0);
    number(writer, BYTES("storage"), (int64_t)stats.bytes);
    number(writer, BYTES("accounts"), 1);
    JSON_KEY(writer, "api");
    json_object_begin(writer);
    number(writer, BYTES("level"), JETSTREAM_API_LEVEL);
    number(writer, BYTES("total"), (int64_t)stats.api_total);
    number(writer, BYTES("errors"), (int64_t)stats.api_errors);
    json_object_end(writer);
    json_object_end(writer);
    json_object_end(writer);
}

static void write_varz(struct json_writer *writer, struct server *server)
{
    const struct options *options = &server->options;

    json_object_begin(writer);
    text(writer, BYTES("server_id"), server->info.id);
    text(writer, BYTES("server_name"), server->info.name);
    text(writer, BYTES("version"), NATS_VERSION);
    text(writer, BYTES("millrace"), MILLRACE_VERSION);
    number(writer, BYTES("proto"), 1);
    text(writer, BYTES("host"), options->host);
    number(writer, BYTES("port"), server_port(server));
    number(writer, BYTES("max_connections"), options->max_connections);
    number(writer, BYTES("ping_interval"), options->ping_interval_ns);
    number(writer, BYTES("ping_max"), options->ping_max);
    text(writer, BYTES("http_host"), options->host);
    number(writer, BYTES("http_port"), server_http_port(server));
    number(writer, BYTES("max_control_line"), options->max_control_line);
    number(writer, BYTES("max_payload"), options->max_payload);
    number(writer, BYTES("max_pending"), options->max_pending);
    if (server->jetstream != NULL)
        write_jetstream(writer, server);
    number(writer, BYTES("write_deadline"), options->write_deadline_ns);
    time_of(writer, BYTES("start"), server->start_wall_ns);
    time_of(writer, BYTES("now"), io_wall(server->io));
    write_uptime(writer, io_now(server->io) - server->start_ns);
    number(writer, BYTES("connections"), (int64_t)server->connections.count);
    number(writer, BYTES("total_connections"), (int64_t)server->connections.total);
    json_object_end(writer);
}

static void healthz(struct monitor *monitor, struct http_answer *answer)
{
    struct server *server = monitor->server;
    const char *why = server->jetstream != NULL ? jetstream_unhealthy(server->jetstream) : NULL;
    struct json_writer writer;

    monitor->healthz_count++;
    json_writer_init(&writer, answer->body);
    json_object_begin(&writer);
    text(&writer, BYTES("status"), why == NULL ? "ok" : "error");
    if (why != NULL)
        text(&writer, BYTES("error"), why);
    json_object_end(&writer);
    answer->status = why == NULL ? 200 : 503;
}

static void serve(void *context, const struct http_request *request, struct http_answer *answer)
{
    struct monitor *monitor = context;
    struct json_writer writer;

    answer->content_type = "application/json";
    if (bytes_equal(request->path, BYTES("/healthz"))) {
        healthz(monitor, answer);
    } else if (bytes_equal(request->path, BYTES("/varz"))) {
        monitor->varz_count++;
        json_writer_init(&writer, answer->body);
        write_varz(&writer, monitor->server);
        answer->status = 200;
    } else {
        answer->content_type = "text/plain; charset=utf-8";
        answer->status = 404;
        (void)BUF_ADD(answer->body, "404 page not found\n");
    }
}

void monitor_init(struct monitor *monitor, struct server *server)
{
    monitor->server = server;
    http_init(&monitor->http, server_io(server), serve, monitor);
}

void monitor_deinit(struct monitor *monitor)
{
    http_deinit(&monitor->http);
}
