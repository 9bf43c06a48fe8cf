/* What server.c and monitor.c share: the server as it is. */
#ifndef SERVER_SERVER_PRIV_H
#define SERVER_SERVER_PRIV_H

#include "server/connection.h"
#include "server/jetstream.h"
#include "server/leaf.h"
#include "server/listener.h"
#include "server/monitor.h"
#include "server/server.h"

enum server_state {
    SERVER_RUNNING,
    SERVER_QUIESCING, /* takes nothing new; what was taken is worked off and answered */
    SERVER_ENDING,    /* connections are being closed */
    SERVER_STOPPED,
};

struct server {
    struct io *io;
    struct options options;
    struct logger *logger;
    struct prng prng;
    struct info info;
    struct router *router;
    struct auth auth;
    struct connections connections;
    struct monitor monitor;
    struct leaves leaves;
    struct jetstream *jetstream; /* NULL: off */
    struct listener clients_listener;
    struct listener http_listener;
    struct listener leaf_listener;
    enum server_state state;
    struct timer quiesced;                           /* the longest that quiescing may take */
    struct timer stopped;                            /* the longest that stopping may take */
    void (*process)(struct server_process *process); /* NULL: nobody can tell */
    int64_t start_ns;                                /* monotonic */
    int64_t start_wall_ns;
};

#endif
