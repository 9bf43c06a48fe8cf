/* cluster_options: what a cluster block and its flags say (reference config.md 4.1). */
#ifndef SERVER_CLUSTER_OPTIONS_H
#define SERVER_CLUSTER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct config_place;
struct tls_context;
struct tls_options;

struct cluster_route {
    const char *url;  /* as written */
    const char *host; /* NULL: none was given */
    int port;         /* -1: any free one, for who listens; 0: none was given */
    const char *user; /* NULL: none */
    const char *password;
};

struct cluster_options {
    bool configured;  /* a block or flag says where to listen: else there is no cluster */
    const char *name; /* NULL: made up; without a cluster it is only shown */
    const char *host; /* to listen on; NULL: as for clients */
    const struct config_place *host_place;
    int port; /* 0: none, -1: any free */
    struct cluster_route *routes;
    size_t routes_count;
    const char *user; /* that routes must be; NULL: any */
    const char *password;
    const struct tls_options *tls;   /* between nodes; NULL: none */
    struct tls_context *tls_context; /* made of them; NULL: none */
    const char *advertise;           /* NULL: what is listened on */
    bool no_advertise;
    int64_t connect_retries;
    int64_t heartbeat_ns; /* between linked nodes; 0: the default, 250 ms */
    int64_t deadline_ns;  /* a peer not heard of for so long is down; 0: 1.5 s */
};

/* As it was said; empty: it was not. */
static inline struct bytes cluster_options_name(const struct cluster_options *options)
{
    return options->name != NULL ? bytes_of_text(options->name) : bytes_of(NULL, 0);
}

/* Reads "scheme://user:password@host:port" into `arena`. False: it is none. */
bool cluster_route_read(struct arena *arena, struct bytes url, struct cluster_route *route);

#endif
