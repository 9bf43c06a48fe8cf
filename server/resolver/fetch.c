#include "server/resolver/fetch.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "server/options.h"
#include "server/resolver/http_reply.h"
#include "server/tls/tls.h"

struct fetch {
    struct fetches *all;
    struct fetch *next, *previous;
    struct io *io;
    const struct fetch_site *site;
    fetch_done_fn *done; /* NULL: it was told */
    void *owner;
    struct io_sock *sock;
    struct tls *tls;
    struct buf out;    /* plain, what is not sent yet */
    struct buf flight; /* being sent */
    struct http_reply reply;
    struct timer deadline;
};

static void fetch_free(struct fetch *fetch)
{
    if (fetch->next != NULL)
        fetch->next->previous = fetch->previous;
    if (fetch->previous != NULL)
        fetch->previous->next = fetch->next;
    else
        fetch->all->all = fetch->next;
    timers_cancel(io_timers(fetch->io), &fetch->deadline);
    tls_destroy(fetch->tls);
    buf_deinit(&fetch->out);
    buf_deinit(&fetch->flight);
    http_reply_deinit(&fetch->reply);
    heap_give(fetch);
}

/* Its socket is closed first, which it outlives. */
static void tell(struct fetch *fetch, struct bytes body, const char *why)
{
    fetch_done_fn *done = fetch->done;

    if (done == NULL)
        return;
    fetch->done = NULL;
    timers_cancel(io_timers(fetch->io), &fetch->deadline);
    io_sock_close(fetch->io, fetch->sock, false);
    done(fetch->owner, body, why);
}

static void fail(struct fetch *fetch, const char *what, const char *detail)
{
    char why[FETCH_WHY_SIZE];

    snprintf(why, sizeof(why), "%s%s", what, detail);
    tell(fetch, bytes_of(NULL, 0), why);
}

/* Is there enough to tell? */
static void look(struct fetch *fetch)
{
    const struct http_reply *reply = &fetch->reply;
    char status[16];

    if (reply->state == HTTP_BAD) {
        fail(fetch, reply->wrong, "");
    } else if (reply->state == HTTP_DONE && reply->status == 200) {
        tell(fetch, buf_bytes(&reply->body), NULL);
    } else if (reply->state == HTTP_DONE) {
        snprintf(status, sizeof(status), "%u", reply->status);
        fail(fetch, "status ", status);
    }
}

/* ---- sending -------------------------------------------------------------------------------- */

static void encrypt(struct fetch *fetch)
{
    if (fetch->out.size > 0 && tls_state(fetch->tls) == TLS_OPEN) {
        assert(fetch->out.size <= TLS_RECORD_MAX);
        tls_write(fetch->tls, buf_bytes(&fetch->out));
        buf_clear(&fetch->out);
    }
    tls_out(fetch->tls, &fetch->flight);
}

static void send_some(struct fetch *fetch)
{
    struct bytes piece;

    if (fetch->done == NULL || io_sock_sending(fetch->sock))
        return;
    buf_clear(&fetch->flight);
    if (fetch->tls != NULL) {
        encrypt(fetch);
    } else {
        struct buf empty = fetch->flight;

        fetch->flight = fetch->out;
        fetch->out = empty;
    }
    piece = buf_bytes(&fetch->flight);
    if (piece.size > 0)
        io_sock_send(fetch->io, fetch->sock, &piece, 1);
}

/* ---- what the socket tells ------------------------------------------------------------------ */

static void take_secure(struct fetch *fetch, struct bytes b)
{
    uint8_t plain[TLS_RECORD_MAX];
    size_t size;

    tls_feed(fetch->tls, b);
    while ((size = tls_read(fetch->tls, plain, sizeof(plain))) > 0)
        http_reply_feed(&fetch->reply, bytes_of(plain, size));
    if (tls_state(fetch->tls) == TLS_ENDED)
        http_reply_end(&fetch->reply);
    look(fetch);
    if (tls_state(fetch->tls) == TLS_FAILED)
        fail(fetch, "TLS: ", tls_reason(fetch->tls));
}

static void received(void *context, struct bytes b)
{
    struct fetch *fetch = context;

    if (fetch->done == NULL)
        return;
    if (fetch->tls != NULL) {
        take_secure(fetch, b);
    } else {
        http_reply_feed(&fetch->reply, b);
        look(fetch);
    }
    send_some(fetch);
}

static void sent(void *context)
{
    send_some(context);
}

/* Over TLS it is the end only if that says so: anybody may cut a connection off. */
static void ended(void *context, int reason)
{
    struct fetch *fetch = context;

    if (fetch->done == NULL)
        return;
    if (reason != 0) {
        fail(fetch, strerror(-reason), "");
        return;
    }
    if (fetch->tls == NULL)
        http_reply_end(&fetch->reply);
    look(fetch);
    fail(fetch, "the connection ended amid the answer", "");
}

static void closed(void *context)
{
    fetch_free(context);
}

static const struct io_sock_events events = {
    .received = received,
    .sent = sent,
    .ended = ended,
    .closed = closed,
};

static void overdue(struct timer *timer)
{
    fail(owner_of(timer, struct fetch, deadline), "it took too long", "");
}

/* ---- beginning ------------------------------------------------------------------------------ */

static void ask(struct fetch *fetch, struct bytes name)
{
    const struct fetch_site *site = fetch->site;
    bool brackets = strchr(site->host, ':') != NULL;

    (void)buf_print(&fetch->out,
                    "GET %s%.*s HTTP/1.1\r\nHost: %s%s%s:%u\r\nUser-Agent: nats-server/%s\r\n"
                    "Accept: */*\r\nConnection: close\r\n\r\n",
                    site->path, BYTES_ARG(name), brackets ? "[" : "", site->host,
                    brackets ? "]" : "", site->port, NATS_VERSION);
}

void fetch_begin(struct fetches *fetches, const struct fetch_site *site, struct bytes name,
                 fetch_done_fn *done, void *owner)
{
    struct fetch *fetch = HEAP_NEW(struct fetch);
    struct io *io = fetches->io;

    fetch->all = fetches;
    fetch->next = fetches->all;
    if (fetch->next != NULL)
        fetch->next->previous = fetch;
    fetches->all = fetch;
    fetch->io = io;
    fetch->site = site;
    fetch->done = done;
    fetch->owner = owner;
    fetch->deadline.fire = overdue;
    buf_init(&fetch->out, SIZE_MAX / 2);
    buf_init(&fetch->flight, SIZE_MAX / 2);
    http_reply_init(&fetch->reply, site->size_max);
    ask(fetch, name);
    if (site->tls != NULL)
        fetch->tls = tls_create_dialling(site->tls, site->host);
    timers_arm(io_timers(io), &fetch->deadline, io_now(io) + site->timeout_ns);
    fetch->sock = io_connect(io, site->host, site->port, &events, fetch);
    send_some(fetch);
}

void fetches_deinit(struct fetches *fetches)
{
    while (fetches->all != NULL)
        fetch_free(fetches->all);
}
