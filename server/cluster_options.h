/* cluster_options: what a cluster block and its flags say (reference config.md 4.1). */
#ifndef SERVER_CLUSTER_OPTIONS_H
#define SERVER_CLUSTER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct cluster_route {
    const char *url; /* as written */
    const char *host;
    int port;
    const char *user; /* NULL: none */
    const char *password;
};

struct tls_options;

struct cluster_options {
    bool configured; /* there is a cluster block or flag */
    const char *name; /* NULL: made up */
    const char *host; /* to listen on; NULL: as for clients */
    int port;         /* 0: none, -1: any free */
    struct cluster_route *routes;
    size_t routes_count;
    const char *user; /* that routes must be; NULL: any */
    const char *password;
    int64_t auth_timeout_ns; /* 0: the default */
    const char *advertise;   /* NULL: what is listened on */
    bool no_advertise;
    int64_t connect_retries;
    bool connect_backoff;
    int64_t pool_size;          /* 0: the default */
    int64_t ping_interval_ns;   /* 0: as for clients */
    int64_t ping_max;           /* 0: as for clients */
    int64_t write_deadline_ns;  /* 0: as for clients */
    const struct tls_options *tls; /* NULL: none */
    int64_t heartbeat_ns;          /* between linked nodes; 0: the default, 250 ms */
    int64_t deadline_ns;           /* a peer not heard of for so long is down; 0: 1.5 s */
};

#endif
