#include "server/monitor/monitor.h"

#include <stdio.h>

#include "server/jetstream.h"
#include "server/monitor/metrics.h"
#include "server/monitor/monitor_priv.h"
#include "server/monitor/open_metrics.h"
#include "server/server_priv.h"

#define ARENA_MAX (1u << 20) /* of what one query holds */

static const char json_type[] = "application/json";
static const char text_type[] = "text/plain; charset=utf-8";

/* ---- the endpoints ----------------------------------------------------------------------------
 */

struct endpoint {
    const char *path;
    const char *name; /* through the system account */
    monitor_document_fn *write;
    bool compact;      /* over HTTP, too */
    const char *title; /* on the index page; NULL: it is not there */
};

static const struct endpoint endpoints[] = {
    {"/varz", "VARZ", monitor_varz, false, "General"},
    {"/jsz", "JSZ", monitor_jsz, false, "JetStream"},
    {"/connz", "CONNZ", monitor_connz, false, "Connections"},
    {"/accountz", "ACCOUNTZ", monitor_accountz, false, "Accounts"},
    {"/accstatz", "ACCSTATZ", monitor_accstatz, false, "Account Stats"},
    {"/subsz", "SUBSZ", monitor_subsz, false, "Subscriptions"},
    {"/subscriptionsz", NULL, monitor_subsz, false, NULL},
    {"/routez", "ROUTEZ", monitor_routez, false, "Routes"},
    {"/leafz", "LEAFZ", monitor_leafz, false, "LeafNodes"},
    {"/gatewayz", "GATEWAYZ", monitor_gatewayz, false, "Gateways"},
    {"/raftz", "RAFTZ", monitor_raftz, false, "Raft Groups"},
    {"/healthz", "HEALTHZ", monitor_healthz, true, "Health Probe"},
    {"/ipqueuesz", "IPQUEUESZ", monitor_ipqueuesz, false, NULL},
};

#define ENDPOINTS_COUNT (sizeof(endpoints) / sizeof(endpoints[0]))

static_assert(ENDPOINTS_COUNT <= MONITOR_ENDPOINTS_MAX, "each is counted");

/* Right after a start: numbers are those of all streams, and whether the server is well is known
 * when all of them are open. */
static void monitor_complete(struct monitor *monitor)
{
    if (monitor->server->jetstream != NULL)
        jetstream_complete(monitor->server->jetstream);
}

bool monitor_document(struct monitor *monitor, struct bytes name, struct json_writer *w,
                      struct ask *ask)
{
    for (size_t i = 0; i < ENDPOINTS_COUNT; i++) {
        if (endpoints[i].name == NULL || !bytes_equal(name, bytes_of_text(endpoints[i].name)))
            continue;
        monitor_complete(monitor);
        endpoints[i].write(w, monitor, ask);
        return true;
    }
    return false;
}

/* In the order of names, as the reference has them. */
void monitor_requests(struct json_writer *w, const struct monitor *monitor)
{
    static const char *const counted[] = {"/accountz", "/accstatz",  "/connz", "/gatewayz",
                                          "/healthz",  "/ipqueuesz", "/jsz",   "/leafz",
                                          "/raftz",    "/routez",    "/subsz", "/varz"};

    json_key(w, BYTES("http_req_stats"));
    json_object_begin(w);
    monitor_unsigned(w, BYTES("/"), monitor->index_requests);
    for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++) {
        for (size_t n = 0; n < ENDPOINTS_COUNT; n++) {
            if (strcmp(endpoints[n].path, counted[i]) == 0)
                monitor_unsigned(w, bytes_of_text(counted[i]), monitor->requests[n]);
        }
    }
    json_object_end(w);
}

/* ---- over HTTP --------------------------------------------------------------------------------
 */

static void refuse(struct http_answer *answer, unsigned status, struct bytes text)
{
    answer->status = status;
    answer->content_type = text_type;
    buf_clear(answer->body);
    (void)buf_add(answer->body, text);
}

static void serve_document(struct monitor *monitor, const struct endpoint *endpoint,
                           struct bytes query, struct http_answer *answer)
{
    struct json_writer writer;
    struct buf document;
    struct arena arena;
    struct ask ask;

    arena_init(&arena, ARENA_MAX);
    buf_init(&document, HTTP_BODY_MAX);
    json_writer_init(&writer, &document);
    ask_of_query(&ask, query, &arena);
    monitor->health_status = 200;
    monitor_complete(monitor);
    server_shards_halt(monitor->server);
    endpoint->write(&writer, monitor, &ask);
    server_shards_go_on(monitor->server);
    answer->status = monitor->health_status;
    if (ask.status != 200)
        refuse(answer, ask.status, bytes_of_text(ask.reason));
    else if (writer.failed ||
             !(endpoint->compact ? buf_add(answer->body, buf_bytes(&document))
                                 : json_indent(answer->body, buf_bytes(&document))))
        refuse(answer, 500, BYTES("the answer is too large"));
    buf_deinit(&document);
    arena_deinit(&arena);
}

/* At most so many; what cannot be read is an error. */
static size_t rows_asked(struct ask *ask, const char *name, int64_t rows)
{
    ask_int(ask, (struct ask_key){name, NULL}, &rows);
    if (rows < 0 || rows > METRICS_ROWS_MAX)
        ask_refuse(ask, 400, "%s must be between 0 and %d", name, METRICS_ROWS_MAX);
    return (size_t)rows;
}

static void serve_metrics(struct monitor *monitor, struct bytes query, struct http_answer *answer)
{
    struct metrics_limits limits;
    struct arena arena;
    struct ask ask;

    arena_init(&arena, ARENA_MAX);
    ask_of_query(&ask, query, &arena);
    limits.streams = rows_asked(&ask, "streams", METRICS_STREAMS);
    limits.consumers = rows_asked(&ask, "consumers", METRICS_CONSUMERS);
    answer->content_type = OPEN_METRICS_TYPE;
    monitor_complete(monitor);
    server_shards_halt(monitor->server);
    if (ask.status != 200)
        refuse(answer, ask.status, bytes_of_text(ask.reason));
    else if (!monitor_metrics(monitor->server, &limits, answer->body))
        refuse(answer, 500, BYTES("the answer is too large"));
    server_shards_go_on(monitor->server);
    arena_deinit(&arena);
}

static void serve_index(struct monitor *monitor, struct http_answer *answer)
{
    monitor->index_requests++;
    answer->content_type = "text/html; charset=utf-8";
    (void)BUF_ADD(answer->body, "<html lang=\"en\">\n<head><title>Monitoring</title></head>\n"
                                "<body>\n<h1>" NATS_VERSION "</h1>\n");
    for (size_t i = 0; i < ENDPOINTS_COUNT; i++) {
        if (endpoints[i].title != NULL)
            (void)buf_print(answer->body, "<a href=.%s>%s</a><br/>\n", endpoints[i].path,
                            endpoints[i].title);
    }
    (void)BUF_ADD(answer->body, "<a href=./metrics>Metrics</a><br/>\n</body>\n</html>\n");
}

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
    if (bytes_equal(path, BYTES("/"))) {
        serve_index(monitor, answer);
        return;
    }
    if (bytes_equal(path, BYTES("/metrics"))) {
        serve_metrics(monitor, request->query, answer);
        return;
    }
    for (size_t i = 0; i < ENDPOINTS_COUNT; i++) {
        if (!bytes_equal(path, bytes_of_text(endpoints[i].path)))
            continue;
        monitor->requests[i]++;
        serve_document(monitor, &endpoints[i], request->query, answer);
        return;
    }
    refuse(answer, 404, BYTES("404 page not found\n"));
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
