/*
 * http: as much of an HTTP/1.1 server as monitoring takes: one request per connection, answered by
 * a call, then closed. A request head is at most 8 KiB and must be whole within 5 seconds, a TLS
 * handshake included; a body is not read. Any method is answered; HEAD gets no body.
 */
#ifndef SERVER_MONITOR_HTTP_H
#define SERVER_MONITOR_HTTP_H

#include "base/buf.h"
#include "base/http_head.h"
#include "server/monitor/guests.h"

#define HTTP_CONNECTIONS_MAX 64u         /* more are closed at once */
#define HTTP_BODY_MAX        (64u << 20) /* of an answer */

struct tls_context;

struct http_request {
    struct http_head head;
    int64_t since_ns; /* when it had come */
};

struct http_answer {
    unsigned status;
    const char *content_type; /* literal */
    struct buf *body;
    struct buf *location; /* where to ask instead; empty: nowhere */
};

/* False: there is no answer yet, and nothing was written. It is asked again in each turn, and some
 * time before the connection's deadline for the last time: before HTTP_WAIT_NS have passed, and
 * once after. */
typedef bool http_serve_fn(void *context, const struct http_request *request,
                           struct http_answer *answer);

#define HTTP_WAIT_NS INT64_C(3000000000) /* of the answer's 5 seconds */

struct http {
    struct guests guests;
    http_serve_fn *serve;
    void *context;
    bool waiting;       /* somebody has had no answer yet */
    struct timer timer; /* its only purpose is that the loop turns when that is too long */
};

void http_init(struct http *http, struct io *io, http_serve_fn *serve, void *context);
/* Drops what is left; the io must be destroyed next, without another turn. */
void http_deinit(struct http *http);

/* Takes over the socket. `tls`: it begins with a handshake; NULL: it is plain. */
void http_accept(struct http *http, struct io_sock *sock, struct tls_context *tls);
/* Once per turn: whoever waits is served. */
void http_turn(struct http *http);
/* Closes all. */
void http_end(struct http *http);

#endif
