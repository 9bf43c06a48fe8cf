#include "server/monitor/http.h"

#include <stdio.h>
#include <time.h>

#include "base/heap.h"
#include "base/owner.h"
#include "server/tls/tls.h"

#define HEAD_SIZE_MAX 8192u
#define DEADLINE_NS   INT64_C(5000000000) /* for the head, and again for the answer */

struct http_connection {
    struct guest guest;
    struct http *owner;
    struct buf head;
    struct buf answer_head;
    struct buf answer_body;
    struct buf location;
    struct tls *tls;   /* NULL: it is plain */
    struct buf flight; /* what TLS makes of all that is sent */
    bool answered;
    bool waits; /* its request was read, and there is no answer yet */
    int64_t since_ns;
};

/* ---- answering ------------------------------------------------------------------------------ */

static const char *reason(unsigned status)
{
    switch (status) {
    case 200: return "OK";
    case 307: return "Temporary Redirect";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    default: return "Internal Server Error";
    }
}

static void write_head(struct http_connection *c, const struct http_answer *answer)
{
    time_t now = (time_t)(io_wall(c->guest.owner->io) / 1000000000);
    char date[64];
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    /* Fits: the head's limit is far beyond this, and the place is not longer than a request. */
    (void)buf_print(&c->answer_head,
                    "HTTP/1.1 %u %s\r\nAccess-Control-Allow-Origin: *\r\nContent-Type: %s\r\n"
                    "Date: %s\r\nConnection: close\r\nContent-Length: %zu\r\n",
                    answer->status, reason(answer->status), answer->content_type, date,
                    c->answer_body.size);
    if (c->location.size > 0) {
        (void)BUF_ADD(&c->answer_head, "Location: ");
        (void)buf_add(&c->answer_head, buf_bytes(&c->location));
        (void)BUF_ADD(&c->answer_head, "\r\n");
    }
    (void)BUF_ADD(&c->answer_head, "\r\n");
}

/* Through TLS, what is to leave leaves one piece after the other. */
static void encrypted_send(struct http_connection *c)
{
    struct bytes piece;

    if (io_sock_sending(c->guest.sock))
        return;
    buf_clear(&c->flight);
    tls_out(c->tls, &c->flight);
    piece = buf_bytes(&c->flight);
    if (piece.size > 0)
        io_sock_send(c->guest.owner->io, c->guest.sock, &piece, 1);
    if (c->answered || tls_state(c->tls) == TLS_FAILED)
        guest_close(&c->guest, true); /* that was all */
}

static void encrypt(struct http_connection *c, struct bytes b)
{
    while (b.size > 0 && tls_state(c->tls) == TLS_OPEN) {
        struct bytes record = bytes_take(b, b.size < TLS_RECORD_MAX ? b.size : TLS_RECORD_MAX);

        tls_write(c->tls, record);
        b = bytes_skip(b, record.size);
    }
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
    guest_deadline(&c->guest, DEADLINE_NS);
    if (c->tls == NULL) {
        io_sock_send(c->guest.owner->io, c->guest.sock, pieces, count);
        guest_close(&c->guest, true);
        return;
    }
    for (size_t i = 0; i < count; i++)
        encrypt(c, pieces[i]);
    tls_end(c->tls);
    encrypted_send(c);
}

static void fired(struct timer *timer)
{
    (void)timer;
}

static void wait(struct http_connection *c)
{
    struct http *http = c->owner;
    struct io *io = c->guest.owner->io;

    if (!c->waits)
        guest_deadline(&c->guest, DEADLINE_NS);
    c->waits = true;
    http->waiting = true;
    if (!timer_armed(&http->timer))
        timers_arm(io_timers(io), &http->timer, io_now(io) + HTTP_WAIT_NS);
}

static void answer(struct http_connection *c)
{
    struct http_answer answer = {.status = 400, .content_type = "text/plain; charset=utf-8"};
    struct http_request request = {.since_ns = c->since_ns};

    answer.body = &c->answer_body;
    answer.location = &c->location;
    if (!http_head_read(buf_bytes(&c->head), &request.head)) {
        (void)BUF_ADD(&c->answer_body, "400 Bad Request");
    } else if (!c->owner->serve(c->owner->context, &request, &answer)) {
        wait(c);
        return;
    }
    c->waits = false;
    c->answered = true;
    answer_send(c, &answer, !bytes_equal(request.head.method, BYTES("HEAD")));
}

void http_turn(struct http *http)
{
    if (!http->waiting)
        return;
    http->waiting = false;
    for (struct guest *guest = http->guests.all; guest != NULL; guest = guest->next) {
        struct http_connection *c = owner_of(guest, struct http_connection, guest);

        if (c->waits && !guest->closing)
            answer(c);
    }
}

static void refuse_size(struct http_connection *c)
{
    const struct http_answer answer = {.status = 431, .content_type = "text/plain; charset=utf-8"};

    c->answered = true;
    answer_send(c, &answer, false);
}

/* ---- what the socket tells ------------------------------------------------------------------ */

static void take(struct http_connection *c, struct bytes b)
{
    if (c->answered || c->waits || c->guest.closing)
        return;
    if (!buf_add(&c->head, b))
        refuse_size(c);
    else if (http_head_size(buf_bytes(&c->head)) > 0) {
        c->since_ns = io_now(c->guest.owner->io);
        answer(c);
    }
}

static void decrypt(struct http_connection *c, struct bytes b)
{
    uint8_t plain[TLS_RECORD_MAX];
    size_t size;

    tls_feed(c->tls, b);
    while ((size = tls_read(c->tls, plain, sizeof(plain))) > 0)
        take(c, bytes_of(plain, size));
    if (!c->guest.closing)
        encrypted_send(c);
}

static void received(struct guest *guest, struct bytes b)
{
    struct http_connection *c = owner_of(guest, struct http_connection, guest);

    if (c->tls != NULL)
        decrypt(c, b);
    else
        take(c, b);
}

static void sent(struct guest *guest)
{
    struct http_connection *c = owner_of(guest, struct http_connection, guest);

    if (c->tls != NULL)
        encrypted_send(c);
}

static void connection_free(struct guest *guest)
{
    struct http_connection *c = owner_of(guest, struct http_connection, guest);

    tls_destroy(c->tls);
    buf_deinit(&c->flight);
    buf_deinit(&c->head);
    buf_deinit(&c->answer_head);
    buf_deinit(&c->answer_body);
    buf_deinit(&c->location);
    heap_give(c);
}

static const struct guest_events events = {
    .received = received,
    .sent = sent,
    .free = connection_free,
};

/* ---- the server ----------------------------------------------------------------------------- */

void http_init(struct http *http, struct io *io, http_serve_fn *serve, void *context)
{
    *http = (struct http){.serve = serve, .context = context, .timer.fire = fired};
    guests_init(&http->guests, io, &events, HTTP_CONNECTIONS_MAX);
}

void http_deinit(struct http *http)
{
    timers_cancel(io_timers(http->guests.io), &http->timer);
    guests_deinit(&http->guests);
}

void http_accept(struct http *http, struct io_sock *sock, struct tls_context *tls)
{
    struct http_connection *c;

    if (!guests_admit(&http->guests, sock))
        return;
    c = HEAP_NEW(struct http_connection);
    c->owner = http;
    buf_init(&c->head, HEAD_SIZE_MAX);
    buf_init(&c->answer_head, 2 * HEAD_SIZE_MAX);
    buf_init(&c->answer_body, HTTP_BODY_MAX);
    buf_init(&c->location, HEAD_SIZE_MAX);
    buf_init(&c->flight, SIZE_MAX / 2);
    if (tls != NULL)
        c->tls = tls_create(tls);
    guest_begin(&c->guest, &http->guests, sock, DEADLINE_NS);
}

static bool is_answered(const struct guest *guest)
{
    return guest->closing && owner_of(guest, const struct http_connection, guest)->answered;
}

void http_end(struct http *http)
{
    guests_end(&http->guests, is_answered);
}
