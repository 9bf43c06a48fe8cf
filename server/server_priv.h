/* The server as it is, for server*.c and for those who look at all of it, as monitoring. */
#ifndef SERVER_SERVER_PRIV_H
#define SERVER_SERVER_PRIV_H

#include "server/clients/connection.h"
#include "server/cluster/core.h"
#include "server/jetstream/jetstream.h"
#include "server/leaf/leaves.h"
#include "server/listener.h"
#include "server/monitor/monitor.h"
#include "server/server.h"
#include "server/shards/server_shards.h"
#include "server/system/system.h"
#include "server/tls/tls.h"
#include "server/urls.h"

enum server_state {
    SERVER_RUNNING,
    SERVER_QUIESCING, /* takes nothing new; what was taken is worked off and answered */
    SERVER_ENDING,    /* connections are being closed */
    SERVER_STOPPED,
};

/* Where clients reach servers. */
struct reach {
    struct urls own; /* this one */
    struct urls all; /* and the others, as INFO has it */
    bool told;       /* clients have been told of others */
};

struct server {
    struct io *io;
    struct options options;
    struct logger *logger;
    struct prng prng;
    struct info info;
    struct router *router;
    struct auth auth;
    struct connections connections; /* with further shards: of home */
    struct server_shards *shards;   /* NULL: this server has one */
    struct shards_plan shards_plan; /* of more */
    struct monitor monitor;
    struct leaves *leaves; /* NULL: no leaf nodes, neither here nor there */
    struct system system;
    struct resolver *resolver; /* NULL: accounts are those of the configuration */
    struct exchange *exchange;
    struct cluster *cluster; /* NULL: this server stands alone */
    struct core *core;       /* with the cluster: core messages between nodes */
    struct cluster_watcher watcher;
    char *cluster_name;           /* as INFO has it; owned */
    char *advertised_host;        /* owned; NULL: as listened on */
    struct reach reach;           /* of clients */
    struct reach websocket_reach; /* the same over WebSocket */
    struct jetstream *jetstream;  /* NULL: off */
    struct listener clients_listener;
    struct listener http_listener;
    struct listener https_listener;
    struct tls_context *https_tls; /* as for clients, but nobody has to show a certificate */
    struct listener leaf_listener;
    struct listener websocket_listener;
    enum server_state state;
    bool late_told;         /* of the end, after what was on its way */
    struct timer quiesced;  /* the longest that quiescing may take */
    struct timer lame_duck; /* the next client is to be closed */
    int64_t places_said_ns; /* server_places.c: when that there are few was last said */
    int64_t lame_duck_end_ns;
    int64_t lame_duck_stop_ns;
    struct timer stopped;                            /* the longest that stopping may take */
    void (*process)(struct server_process *process); /* NULL: nobody can tell */
    server_reload_fn *reload;                        /* the same */
    void *reload_owner;
    int64_t start_ns; /* monotonic */
    int64_t start_wall_ns;
    int64_t reload_wall_ns; /* when the options were last read */
};

/* server_accounts.c: what accounts map, export and import is as the options have it now. */
void server_shares_configure(struct server *server);
/* While shards are halted: the router's accounts have other options, and all that goes by those is
 * told. */
void server_accounts_changed(struct server *server);
void server_shares_destroy(struct server *server);
/* The same of one shard's exchange, which is made when there are imports; NULL while there are
 * none. */
void server_exchange_configure(struct server *server, struct exchange **exchange,
                               struct router *router, struct io *io);

/* server_signed.c: the accounts that the options have now, which operators have signed for anew,
 * and all that hangs on those that have changed. */
void server_accounts_renewed(struct server *server);

/* server_ports.c: each logs where it listens, or why it cannot. Of a port that is not configured
 * nothing. */
enum err server_listen_http(struct server *server);
enum err server_listen_clients(struct server *server);
enum err server_listen_leaves(struct server *server);
enum err server_listen_websocket(struct server *server);
/* Certificates of monitoring as the options have them now: whoever only looks shows none. False:
 * `reason` says why not, and those before stay. Blocking. */
bool server_https_renew(struct server *server, char reason[TLS_REASON_SIZE]);

/* Certificates and address of the port for WebSockets as the options have them now. */
void server_websocket_door(struct server *server);

/* server_cluster.c: the server as a node. Each is fine when there is no cluster. */
/* While all shards stand still: clients are told of the other servers only. */
void server_cluster_lame_duck(struct server *server);
void server_advertise(struct server *server); /* after the client listener was opened */
void server_cluster_create(struct server *server);
enum err server_cluster_start(struct server *server);
void server_cluster_destroy(struct server *server);

/* server_places.c: somebody connects: how many clients there may be. */
void server_places_look(struct server *server);
/* The rest of the descriptors: at the start, before any file is opened, and now and then. */
void server_places_keep(struct server *server);

#endif
