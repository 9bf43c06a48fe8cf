/* websocket_options: what a websocket block says (reference config.md 4.4, core.md 6.5). */
#ifndef SERVER_WEBSOCKET_WEBSOCKET_OPTIONS_H
#define SERVER_WEBSOCKET_WEBSOCKET_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/host.h"
#include "server/auth/auth_options.h"

struct config_place;
struct tls_context;
struct tls_options;

struct websocket_header {
    struct bytes name, value;
};

/* A scheme, a host and a port that a page may come from. */
struct websocket_origin {
    struct bytes text; /* as configured */
    struct bytes scheme, host;
    uint16_t port;
};

struct websocket_options {
    char host[HOST_SIZE]; /* empty: as for clients */
    const struct config_place *host_place;
    int port;              /* 0: there is none; -1: any free */
    const char *advertise; /* host or host:port; NULL: what is listened on */
    bool no_tls;
    bool compression;                       /* of messages, where the client offers it */
    const struct tls_options *tls;          /* NULL: none */
    struct tls_context *tls_context;        /* made of them; NULL: none */
    bool same_origin;                       /* a page must come from the host that it asks */
    const struct websocket_origin *origins; /* that pages may come from; none: from anywhere */
    size_t origins_count;
    int64_t handshake_timeout_ns; /* for TLS and upgrade; 0: WEBSOCKET_HANDSHAKE_NS */
    int64_t ping_interval_ns;     /* 0: as for clients */
    /* Names of cookies that fill in what a CONNECT leaves out; empty: none. */
    struct bytes user_cookie, password_cookie, token_cookie, jwt_cookie;
    struct auth_door door;                  /* who may come in, instead of what holds for all */
    const struct websocket_header *headers; /* of the answer */
    size_t headers_count;
};

#define WEBSOCKET_HANDSHAKE_NS INT64_C(10000000000)

#endif
