/* cluster_options: what a cluster block and its flags say (reference config.md 4.1). */
#ifndef SERVER_CLUSTER_OPTIONS_H
#define SERVER_CLUSTER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct cluster_route {
    const char *url; /* as written */
    const char *host;
    int port; /* -1: any free one, for who listens */
    bool port_given;
    const char *user; /* NULL: none */
    const char *password;
};

struct tls_options;

struct cluster_options {
    bool configured;  /* there is a cluster block or flag */
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
    int64_t pool_size;             /* 0: the default */
    int64_t ping_interval_ns;      /* 0: as for clients */
    int64_t ping_max;              /* 0: as for clients */
    int64_t write_deadline_ns;     /* 0: as for clients */
    const struct tls_options *tls; /* NULL: none */
};

/* Reads "scheme://user:password@host:port" into `arena`. False: it is none. */
bool cluster_route_read(struct arena *arena, struct bytes url, struct cluster_route *route);

#endif
