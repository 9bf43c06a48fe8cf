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
    char advertised[256]; /* what info.host points at, if it is not what is listened on */
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
    struct timer quiesced;  /* the longest that quiescing may take */
    struct timer lame_duck; /* the next client is to be closed */
    int64_t lame_duck_end_ns;
    int64_t lame_duck_stop_ns;
    struct timer stopped;                            /* the longest that stopping may take */
    void (*process)(struct server_process *process); /* NULL: nobody can tell */
    int64_t start_ns;                                /* monotonic */
    int64_t start_wall_ns;
    int64_t reload_wall_ns; /* when the options were last read */
};

/* What INFO says of where the server is. */
void server_advertise(struct server *server);

#endif
