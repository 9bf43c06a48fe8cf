#include "server/monitor/monitor.h"

#include <stdio.h>

#include "server/jetstream/jetstream.h"
#include "server/monitor/http_path.h"
#include "server/monitor/metrics.h"
#include "server/monitor/monitor_priv.h"
#include "server/monitor/open_metrics.h"
#include "server/server_priv.h"

#define ARENA_MAX (1u << 20) /* of what one query holds */

static const char json_type[] = "application/json";
static const char text_type[] = "text/plain; charset=utf-8";

/* ---- the endpoints -------------------------------------------------------------------------- */

/* What it says of streams, which right after a start are not open yet: numbers of all of them, or
 * whether the server is well, and if not, why. Whoever asks for these waits a while. */
enum of_streams { STREAMS_NONE, STREAMS_ALL, STREAMS_OR_WHY };

struct endpoint {
    const char *path;
    const char *name; /* through the system account */
    monitor_document_fn *write;
    bool compact; /* over HTTP, too */
    enum of_streams of_streams;
    const char *title; /* on the index page; NULL: it is not there */
};

static const struct endpoint endpoints[] = {
    {"/varz", "VARZ", monitor_varz, false, STREAMS_ALL, "General"},
    {"/jsz", "JSZ", monitor_jsz, false, STREAMS_ALL, "JetStream"},
    {"/connz", "CONNZ", monitor_connz, false, STREAMS_NONE, "Connections"},
    {"/accountz", "ACCOUNTZ", monitor_accountz, false, STREAMS_NONE, "Accounts"},
    {"/accstatz", "ACCSTATZ", monitor_accstatz, false, STREAMS_NONE, "Account Stats"},
    {"/subsz", "SUBSZ", monitor_subsz, false, STREAMS_NONE, "Subscriptions"},
    {"/subscriptionsz", NULL, monitor_subsz, false, STREAMS_NONE, NULL},
    {"/routez", "ROUTEZ", monitor_routez, false, STREAMS_NONE, "Routes"},
    {"/leafz", "LEAFZ", monitor_leafz, false, STREAMS_NONE, "LeafNodes"},
    {"/gatewayz", "GATEWAYZ", monitor_gatewayz, false, STREAMS_NONE, "Gateways"},
    {"/raftz", "RAFTZ", monitor_raftz, false, STREAMS_ALL, "Raft Groups"},
    {"/healthz", "HEALTHZ", monitor_healthz, true, STREAMS_OR_WHY, "Health Probe"},
    {"/ipqueuesz", "IPQUEUESZ", monitor_ipqueuesz, false, STREAMS_NONE, NULL},
};

#define ENDPOINTS_COUNT (sizeof(endpoints) / sizeof(endpoints[0]))

static_assert(ENDPOINTS_COUNT <= MONITOR_ENDPOINTS_MAX, "each is counted");

static bool known(struct monitor *monitor)
{
    return monitor->server->jetstream == NULL || jetstream_known(monitor->server->jetstream);
}

bool monitor_unknown(const struct monitor *monitor)
{
    return monitor->server->jetstream != NULL &&
           jetstream_late_count(monitor->server->jetstream) > 0;
}

bool monitor_waits(struct monitor *monitor, int64_t since_ns)
{
    return !known(monitor) && io_now(monitor->server->io) - since_ns < HTTP_WAIT_NS;
}

void monitor_say_unknown(const struct monitor *monitor, char text[MONITOR_UNKNOWN_SIZE])
{
    snprintf(text, MONITOR_UNKNOWN_SIZE, "streams are being opened since the start: %zu are left",
             jetstream_late_count(monitor->server->jetstream));
}

static const struct endpoint *find_endpoint(struct bytes name)
{
    for (size_t i = 0; i < ENDPOINTS_COUNT; i++) {
        if (endpoints[i].name != NULL && bytes_equal(name, bytes_of_text(endpoints[i].name)))
            return &endpoints[i];
    }
    return NULL;
}

bool monitor_document_waits(struct monitor *monitor, struct bytes name, int64_t since_ns)
{
    const struct endpoint *endpoint = find_endpoint(name);

    return endpoint != NULL && endpoint->of_streams != STREAMS_NONE &&
           monitor_waits(monitor, since_ns);
}

bool monitor_document(struct monitor *monitor, struct bytes name, struct json_writer *w,
                      struct ask *ask)
{
    const struct endpoint *endpoint = find_endpoint(name);
    char text[MONITOR_UNKNOWN_SIZE];

    if (endpoint == NULL)
        return false;
    if (endpoint->of_streams == STREAMS_ALL && !known(monitor)) {
        monitor_say_unknown(monitor, text);
        ask_refuse(ask, 503, "%s", text);
    } else {
        endpoint->write(w, monitor, ask);
    }
    return true;
}

/* In the order of names, as the reference has them. */
void monitor_requests(struct json_writer *w, const struct monitor *monitor)
{
    static const char *const counted[] = {"/accountz", "/accstatz",  "/connz", "/gatewayz",
                                          "/healthz",  "/ipqueuesz", "/jsz",   "/leafz",
                                          "/raftz",    "/routez",    "/subsz", "/varz"};

    json_key(w, BYTES("http_req_stats"));
    json_object_begin(w);
    json_put_u64(w, BYTES("/"), monitor->index_requests);
    for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++) {
        for (size_t n = 0; n < ENDPOINTS_COUNT; n++) {
            if (strcmp(endpoints[n].path, counted[i]) == 0)
                json_put_u64(w, bytes_of_text(counted[i]), monitor->requests[n]);
        }
    }
    json_object_end(w);
}

/* ---- over HTTP ------------------------------------------------------------------------------ */

static void refuse(struct http_answer *answer, unsigned status, struct bytes text)
{
    answer->status = status;
    answer->content_type = text_type;
    buf_clear(answer->body);
    (void)buf_add(answer->body, text);
}

static void refuse_unknown(struct monitor *monitor, struct http_answer *answer)
{
    char text[MONITOR_UNKNOWN_SIZE];

    monitor_say_unknown(monitor, text);
    refuse(answer, 503, bytes_of_text(text));
}

static void write_document(struct monitor *monitor, const struct endpoint *endpoint,
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

/* Whether the process is there, or has JetStream, has nothing to do with its streams. */
static bool of_process(struct bytes query)
{
    struct bytes value;

    return http_query(query, BYTES("js-server-only"), &value) ||
           http_query(query, BYTES("js-enabled-only"), &value);
}

static bool serve_document(struct monitor *monitor, size_t number,
                           const struct http_request *request, struct http_answer *answer)
{
    const struct endpoint *endpoint = &endpoints[number];
    enum of_streams of = endpoint->of_streams;

    if (of == STREAMS_OR_WHY && of_process(request->head.query))
        of = STREAMS_NONE;
    if (of != STREAMS_NONE && monitor_waits(monitor, request->since_ns))
        return false;
    monitor->requests[number]++;
    if (of == STREAMS_ALL && !known(monitor))
        refuse_unknown(monitor, answer);
    else
        write_document(monitor, endpoint, request->head.query, answer);
    return true;
}

/* At most so many; what cannot be read is an error. */
static size_t rows_asked(struct ask *ask, const char *name, int64_t rows)
{
    ask_int(ask, (struct ask_key){name, NULL}, &rows);
    if (rows < 0 || rows > METRICS_ROWS_MAX)
        ask_refuse(ask, 400, "%s must be between 0 and %d", name, METRICS_ROWS_MAX);
    return (size_t)rows;
}

static void write_metrics(struct monitor *monitor, struct bytes query, struct http_answer *answer)
{
    struct metrics_limits limits;
    struct arena arena;
    struct ask ask;

    arena_init(&arena, ARENA_MAX);
    ask_of_query(&ask, query, &arena);
    limits.streams = rows_asked(&ask, "streams", METRICS_STREAMS);
    limits.consumers = rows_asked(&ask, "consumers", METRICS_CONSUMERS);
    answer->content_type = OPEN_METRICS_TYPE;
    server_shards_halt(monitor->server);
    if (ask.status != 200)
        refuse(answer, ask.status, bytes_of_text(ask.reason));
    else if (!monitor_metrics(monitor->server, &limits, answer->body))
        refuse(answer, 500, BYTES("the answer is too large"));
    server_shards_go_on(monitor->server);
    arena_deinit(&arena);
}

static bool serve_metrics(struct monitor *monitor, const struct http_request *request,
                          struct http_answer *answer)
{
    if (monitor_waits(monitor, request->since_ns))
        return false;
    if (known(monitor))
        write_metrics(monitor, request->head.query, answer);
    else
        refuse_unknown(monitor, answer);
    return true;
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

/* Who asks for one path by another is told which, as the reference does. */
static bool redirect(const struct http_head *head, struct http_answer *answer)
{
    struct buf *location = answer->location;

    /* Fits: it is not longer than what was asked. */
    (void)http_path_clean(head->path, location);
    if (bytes_equal(buf_bytes(location), head->path)) {
        buf_clear(location);
        return false;
    }
    if (head->query.size > 0) {
        (void)BUF_ADD(location, "?");
        (void)buf_add(location, head->query);
    }
    refuse(answer, 307, BYTES("Temporary Redirect\n"));
    return true;
}

static bool serve(void *context, const struct http_request *request, struct http_answer *answer)
{
    struct monitor *monitor = context;
    struct bytes path = path_of(monitor->server, request->head.path);

    answer->status = 200;
    answer->content_type = json_type;
    if (redirect(&request->head, answer))
        return true;
    if (bytes_equal(path, BYTES("/"))) {
        serve_index(monitor, answer);
        return true;
    }
    if (bytes_equal(path, BYTES("/metrics")))
        return serve_metrics(monitor, request, answer);
    for (size_t i = 0; i < ENDPOINTS_COUNT; i++) {
        if (bytes_equal(path, bytes_of_text(endpoints[i].path)))
            return serve_document(monitor, i, request, answer);
    }
    refuse(answer, 404, BYTES("404 page not found\n"));
    return true;
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
