#include "server/monitor.h"

#include <stdio.h>

#include "base/heap.h"

#define VISITS_MAX      64u
#define REQUEST_MAX     8192u
#define PAGE_MAX        (1u << 20)
#define VISIT_NS        INT64_C(10000000000)

/* One connection, one request. */
struct visit {
    struct monitor *monitor;
    struct io_sock *sock;
    struct buf in, out;
    struct timer deadline;
    bool answered, closing;
    struct visit *next;
};

struct monitor {
    struct server *server;
    struct io_listener *listener;
    struct visit *visits;
    unsigned count;
    bool ending; /* freed with its last visit */
};

static struct io *monitor_io(const struct monitor *monitor)
{
    return server_io(monitor->server);
}

static void close_visit(struct visit *visit, bool drain)
{
    if (visit->closing && drain)
        return;
    visit->closing = true;
    io_sock_close(monitor_io(visit->monitor), visit->sock, drain);
}

static const char *reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 503: return "Service Unavailable";
    default: return "Not Found";
    }
}

static void answer(struct visit *visit, struct bytes path)
{
    struct buf page;
    struct bytes piece;
    int status = 404;

    buf_init(&page, PAGE_MAX);
    if (path.size == 0)
        status = 400;
    else if (!server_page(visit->monitor->server, path, &page, &status))
        status = 404;
    (void)buf_print(&visit->out,
                    "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                    status, reason(status), page.size);
    (void)buf_add(&visit->out, buf_bytes(&page));
    buf_deinit(&page);
    visit->answered = true;
    piece = buf_bytes(&visit->out);
    io_sock_send(monitor_io(visit->monitor), visit->sock, &piece, 1);
}

/* The path of "GET /path?query HTTP/1.x"; empty when it is not that. */
static struct bytes request_path(struct bytes line)
{
    struct bytes path;

    if (!bytes_starts(line, BYTES("GET /")))
        return bytes_of(NULL, 0);
    path = bytes_skip(line, 4);
    path = bytes_take(path, bytes_find(path, ' '));
    return bytes_take(path, bytes_find(path, '?'));
}

static void received(void *owner, struct bytes b)
{
    struct visit *visit = owner;
    struct bytes text;

    if (visit->answered || visit->closing)
        return;
    if (!buf_add(&visit->in, b)) {
        close_visit(visit, false);
        return;
    }
    text = buf_bytes(&visit->in);
    if (memmem(text.at, text.size, "\r\n\r\n", 4) != NULL)
        answer(visit, request_path(bytes_take(text, bytes_find(text, '\r'))));
}

static void sent(void *owner)
{
    close_visit(owner, false);
}

static void ended(void *owner, int reason_code)
{
    (void)reason_code;
    close_visit(owner, false);
}

static void closed(void *owner)
{
    struct visit *visit = owner;
    struct monitor *monitor = visit->monitor;
    struct visit **at = &monitor->visits;

    while (*at != visit)
        at = &(*at)->next;
    *at = visit->next;
    monitor->count--;
    timers_cancel(io_timers(monitor_io(monitor)), &visit->deadline);
    buf_deinit(&visit->in);
    buf_deinit(&visit->out);
    heap_give(visit);
    if (monitor->ending && monitor->visits == NULL)
        heap_give(monitor);
}

static void expired(struct timer *timer)
{
    close_visit((struct visit *)((uint8_t *)timer - offsetof(struct visit, deadline)), false);
}

static void accepted(void *context, struct io_sock *sock, const struct io_address *peer)
{
    static const struct io_sock_events events = {
        .received = received, .sent = sent, .ended = ended, .closed = closed};
    struct monitor *monitor = context;
    struct visit *visit = HEAP_NEW(struct visit);
    struct io *io = monitor_io(monitor);

    (void)peer;
    visit->monitor = monitor;
    visit->sock = sock;
    visit->deadline.fire = expired;
    buf_init(&visit->in, REQUEST_MAX);
    buf_init(&visit->out, PAGE_MAX + 1024);
    visit->next = monitor->visits;
    monitor->visits = visit;
    monitor->count++;
    io_sock_start(io, sock, &events, visit);
    timers_arm(io_timers(io), &visit->deadline, io_now(io) + VISIT_NS);
    if (monitor->count > VISITS_MAX)
        close_visit(visit, false);
}

enum err monitor_create(struct server *server, int port, struct monitor **out, uint16_t *bound)
{
    struct monitor *monitor = HEAP_NEW(struct monitor);
    enum err err;

    monitor->server = server;
    err = io_listen(server_io(server), server_options(server)->host, (uint16_t)(port < 0 ? 0 : port), accepted,
                    monitor, &monitor->listener, bound);
    if (err != OK) {
        heap_give(monitor);
        return err;
    }
    *out = monitor;
    return OK;
}

void monitor_destroy(struct monitor *monitor)
{
    io_listener_close(monitor_io(monitor), monitor->listener);
    monitor->ending = true;
    if (monitor->visits == NULL) {
        heap_give(monitor);
        return;
    }
    for (struct visit *visit = monitor->visits, *next; visit != NULL; visit = next) {
        next = visit->next;
        close_visit(visit, false);
    }
}
