#include "server/http.h"

#include <stdio.h>
#include <time.h>

#include "base/heap.h"
#include "base/owner.h"

#define HEAD_SIZE_MAX 8192u
#define BODY_SIZE_MAX (8u << 20)
#define DEADLINE_NS   INT64_C(5000000000) /* for the head, and again for the answer */

struct http_connection {
    struct http *owner;
    struct io_sock *sock;
    struct buf head;
    struct buf answer_head;
    struct buf answer_body;
    struct timer deadline;
    struct http_connection *previous;
    struct http_connection *next;
    bool answered;
    bool closing;
};

/* ---- reading a request ------------------------------------------------------------------------
 */

static bool word_next(struct bytes *line, struct bytes *word)
{
    size_t size = bytes_find(*line, ' ');

    if (size == 0 || size == line->size)
        return false;
    *word = bytes_take(*line, size);
    *line = bytes_skip(*line, size + 1);
    return true;
}

/* "GET /path?query HTTP/1.1" */
static bool read_request(struct bytes head, struct http_request *request, bool *body_wanted)
{
    struct bytes line = bytes_trim(bytes_take(head, bytes_find(head, '\n')));
    struct bytes method, target;
    size_t size;

    if (!word_next(&line, &method) || !word_next(&line, &target))
        return false;
    if (!bytes_starts(line, BYTES("HTTP/1.")) || target.at[0] != '/')
        return false;
    size = bytes_find(target, '?');
    request->path = bytes_take(target, size);
    request->query = bytes_skip(target, size == target.size ? size : size + 1);
    *body_wanted = !bytes_equal(method, BYTES("HEAD"));
    return true;
}

bool http_query(struct bytes query, struct bytes name, struct bytes *value)
{
    while (query.size > 0) {
        size_t size = bytes_find(query, '&');
        struct bytes pair = bytes_take(query, size);
        size_t equals = bytes_find(pair, '=');

        if (bytes_equal(bytes_take(pair, equals), name)) {
            *value = bytes_skip(pair, equals == pair.size ? equals : equals + 1);
            return true;
        }
        query = bytes_skip(query, size == query.size ? size : size + 1);
    }
    return false;
}

/* ---- answering --------------------------------------------------------------------------------
 */

static const char *reason(unsigned status)
{
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    default: return "Internal Server Error";
    }
}

static void write_head(struct http_connection *c, const struct http_answer *answer)
{
    time_t now = (time_t)(io_wall(c->owner->io) / 1000000000);
    char date[64];
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    /* Fits: the head's limit is far beyond this. */
    (void)buf_print(&c->answer_head,
                    "HTTP/1.1 %u %s\r\nAccess-Control-Allow-Origin: *\r\nContent-Type: %s\r\n"
                    "Date: %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                    answer->status, reason(answer->status), answer->content_type, date,
                    c->answer_body.size);
}

static void connection_close(struct http_connection *c, bool drain)
{
    c->closing = true;
    if (!drain)
        timers_cancel(io_timers(c->owner->io), &c->deadline);
    io_sock_close(c->owner->io, c->sock, drain);
}

static void answer_send(struct http_connection *c, const struct http_answer *answer,
                        bool body_wanted)
{
    struct bytes pieces[2];
    size_t count = 1;

    write_head(c, answer);
    pieces[0] = buf_bytes(&c->answer_head);
    pieces[1] = buf_bytes(&c->answer_body);
    if (body_wanted && pieces[1].size > 0)
        count = 2;
    timers_arm(io_timers(c->owner->io), &c->deadline, io_now(c->owner->io) + DEADLINE_NS);
    io_sock_send(c->owner->io, c->sock, pieces, count);
    connection_close(c, true);
}

static void answer(struct http_connection *c)
{
    struct http_answer answer = {.status = 400, .content_type = "text/plain; charset=utf-8"};
    struct http_request request;
    bool body_wanted = true;

    c->answered = true;
    answer.body = &c->answer_body;
    if (read_request(buf_bytes(&c->head), &request, &body_wanted))
        c->owner->serve(c->owner->context, &request, &answer);
    else
        (void)BUF_ADD(&c->answer_body, "400 Bad Request");
    answer_send(c, &answer, body_wanted);
}

static void refuse_size(struct http_connection *c)
{
    const struct http_answer answer = {.status = 431, .content_type = "text/plain; charset=utf-8"};

    c->answered = true;
    answer_send(c, &answer, false);
}

/* ---- what the socket tells --------------------------------------------------------------------
 */

static bool head_whole(struct bytes head)
{
    return memmem(head.at, head.size, "\r\n\r\n", 4) != NULL ||
           memmem(head.at, head.size, "\n\n", 2) != NULL;
}

static void received(void *context, struct bytes b)
{
    struct http_connection *c = context;

    if (c->answered || c->closing)
        return;
    if (!buf_add(&c->head, b))
        refuse_size(c);
    else if (head_whole(buf_bytes(&c->head)))
        answer(c);
}

static void sent(void *context)
{
    (void)context; /* the drain that was asked for closes */
}

static void ended(void *context, int why)
{
    (void)why;
    connection_close(context, false);
}

static void connection_free(struct http_connection *c)
{
    struct http *owner = c->owner;

    timers_cancel(io_timers(owner->io), &c->deadline);
    if (c->next != NULL)
        c->next->previous = c->previous;
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        owner->all = c->next;
    owner->count--;
    buf_deinit(&c->head);
    buf_deinit(&c->answer_head);
    buf_deinit(&c->answer_body);
    heap_give(c);
}

static void closed(void *context)
{
    connection_free(context);
}

static const struct io_sock_events events = {
    .received = received,
    .sent = sent,
    .ended = ended,
    .closed = closed,
};

static void deadline_fired(struct timer *timer)
{
    connection_close(owner_of(timer, struct http_connection, deadline), false);
}

/* ---- the server -------------------------------------------------------------------------------
 */

void http_init(struct http *http, struct io *io, http_serve_fn *serve, void *context)
{
    *http = (struct http){.io = io, .serve = serve, .context = context};
}

void http_deinit(struct http *http)
{
    while (http->all != NULL)
        connection_free(http->all);
}

void http_accept(struct http *http, struct io_sock *sock)
{
    struct http_connection *c;

    if (http->count >= HTTP_CONNECTIONS_MAX) {
        io_sock_close(http->io, sock, false); /* never started: gone at once */
        return;
    }
    c = HEAP_NEW(struct http_connection);
    c->owner = http;
    c->sock = sock;
    c->deadline.fire = deadline_fired;
    buf_init(&c->head, HEAD_SIZE_MAX);
    buf_init(&c->answer_head, HEAD_SIZE_MAX);
    buf_init(&c->answer_body, BODY_SIZE_MAX);
    c->next = http->all;
    if (c->next != NULL)
        c->next->previous = c;
    http->all = c;
    http->count++;
    timers_arm(io_timers(http->io), &c->deadline, io_now(http->io) + DEADLINE_NS);
    io_sock_start(http->io, sock, &events, c);
}

void http_end(struct http *http)
{
    for (struct http_connection *c = http->all; c != NULL; c = c->next)
        connection_close(c, c->answered);
}
