/* leaf_options: what a leafnodes block says (reference config.md 4.3). */
#ifndef SERVER_LEAF_OPTIONS_H
#define SERVER_LEAF_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/host.h"

#define LEAF_PORT_USUAL   7422
#define LEAF_RECONNECT_NS INT64_C(1000000000)
#define LEAF_DIAL_NS      INT64_C(1000000000)
#define LEAF_INFO_NS      INT64_C(1000000000)
#define LEAF_AUTH_NS      INT64_C(2000000000)
#define LEAF_PROXY_NS     INT64_C(10000000000)
#define LEAF_REMOTES_MAX  256u

struct config_place;
struct tls_context;
struct tls_options;

struct leaf_url {
    const char *host;
    int port;
    struct bytes user, password; /* user empty: none */
    bool tls;                    /* it asks for it */
    bool websocket;
    const char *path; /* of a WebSocket: "/leafnode", behind the url's own */
};

/* Whom to ask for a way to the hub. */
struct leaf_proxy {
    const char *host; /* NULL: nobody */
    int port;
    struct bytes user, password; /* user empty: none */
    int64_t timeout_ns;
};

/* Who may be a leaf, beside or instead of the users there are. */
struct leaf_user {
    struct bytes name, password;
    struct bytes account; /* empty: the default one */
};

/* Another server that this one is a leaf of, or a hub that dials. */
struct leaf_remote {
    const struct config_place *place;
    struct leaf_url *urls;
    size_t urls_count;
    struct bytes account; /* here; empty: the default one */
    struct bytes jwt;     /* of a credentials file; empty: none */
    struct bytes seed;    /* of a user's key, as text; empty: none */
    struct bytes *deny_imports;
    size_t deny_imports_count;
    struct bytes *deny_exports;
    size_t deny_exports_count;
    const struct tls_options *tls; /* NULL: none was said */
    struct tls_context *tls_context;
    int64_t dial_timeout_ns; /* 0: as for all */
    int64_t info_timeout_ns;
    struct leaf_proxy proxy;
    bool compress_websocket;
    bool no_masking;
    bool hub;
    bool isolate;
    bool request_isolation;
    bool no_randomize;
    bool ignore_discovered;
    bool disabled;
};

struct leaf_options {
    char host[HOST_SIZE]; /* empty: every address */
    const struct config_place *host_place;
    int port;              /* 0: no leaf is let in; -1: any free */
    const char *advertise; /* NULL: as listened on */
    bool no_advertise;
    struct bytes user, password, nkey, account; /* who may be a leaf, alone; empty: others, too */
    struct leaf_user *users;
    size_t users_count;
    int64_t auth_timeout_ns;
    const struct tls_options *tls; /* NULL: none */
    struct tls_context *tls_context;
    struct leaf_remote *remotes;
    size_t remotes_count;
    int64_t reconnect_ns;
    int64_t dial_timeout_ns;
    int64_t write_deadline_ns; /* 0: as for clients */
    struct bytes version_min;  /* empty: any */
    bool isolate;
    uint64_t digest; /* of all that the block says */
};

#endif
