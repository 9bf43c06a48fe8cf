/*
 * server_shards: the further shards of a server (docs/shards.md). Shard 0, home, is the server's
 * own loop and has all that is not a client. Each further shard has connections of clients, a
 * router with what they subscribe to, and a post to the others; it is a value that is turned by its
 * host: a thread each in the program (server/program/shard_threads.c).
 *
 * Home may halt the others: they stop at the end of their turn, and home alone uses what is theirs
 * until they are let go on. What it may not do for them is I/O: marks that their next turn heeds
 * are fine.
 */
#ifndef SERVER_SHARDS_SERVER_SHARDS_H
#define SERVER_SHARDS_SERVER_SHARDS_H

#include <pthread.h>

#include "server/clients/connection_move.h"
#include "server/cluster/core_shards.h"
#include "server/router/message_trace.h"
#include "server/server.h"
#include "server/shards/shard_load.h"
#include "server/shards/shard_post.h"

struct server_shards;

struct server_shard {
    struct server_shards *shards;
    struct server *server;
    unsigned number; /* home is 0, of which only the post and the guard are here */
    struct io *io;
    struct connections *connections;
    struct connections own; /* not of home */
    struct router *router;
    struct shard_post post;
    struct sublist_guard guard;
    struct shard_meter meter;
    struct connection_mover mover;
    bool (*errand)(struct server_shard *shard); /* while it rests: to be done on its thread */
    bool errand_result;
    struct client_watch watch; /* tells home's watch */
    struct tracer tracer;
    struct core_news news;      /* for other nodes, when there is a cluster; not home's either */
    struct core_news leaf_news; /* the same for leaf nodes */
    struct router_leaves leaf_router;
    struct exchange *exchange; /* NULL: accounts import nothing; not home's, nor the tracer */
    size_t count_before;       /* connections at the end of the turn before */
    bool opened;
    bool joined;        /* the cluster */
    bool leaves_joined; /* what leaf nodes are told */
    void *host;         /* its host's */
};

/* Who turns the further shards. */
struct shard_host;
struct shard_host {
    /* Lets something turn it: makes an io, calls server_shard_open, then turns the io and calls
     * server_shard_rest after each turn until that is false, then server_shard_close, and destroys
     * the io. Returns when it rests or could not be opened. */
    bool (*begin)(struct server_shard *shard);
    /* NULL: it comes to server_shard_close by itself. Else it is to be called. */
    void (*stop)(struct server_shard *shard);
    /* Later, when nothing stands on its io any more. Returns when all of it is over. */
    void (*end)(struct server_shard *shard);
    /* How long the calling thread has worked so far, of whatever shard. */
    int64_t (*worked_ns)(const struct shard_host *host);
    /* All of them are turned by one thread, home's: then they rest whenever home works, and
     * server_shard_rest is not called. */
    bool one_thread;
    int64_t stir_ns; /* for tests: connections move at random, so often; 0: they do not */
    void *owner;
};

struct server_shards {
    struct server *server;
    const struct shard_host *host;
    unsigned count;
    unsigned most; /* room in all: more may be begun, as they are needed */
    bool spread;   /* connections go to whichever has the fewest, however busy it is */
    struct server_shard *all;
    struct shard_posts posts;
    unsigned halts;      /* nested; home's */
    unsigned move_first; /* whose connections move first, modulo `count` */
    struct connections_shared shared;
    pthread_mutex_t lock; /* over the next five */
    pthread_cond_t changed;
    bool halt;           /* they are to rest */
    bool end;            /* they are to end */
    bool gone;           /* and their loops may go */
    unsigned turning;    /* that are open and do not rest */
    _Atomic bool look;   /* halt or end changed: what a turn looks at without the lock */
    _Atomic bool parted; /* connections wait to be moved */
};

/* Shards that are begun when those that there are have enough to do. */
struct shards_plan {
    const struct shard_host *host; /* NULL: there are none but those that were begun at once */
    unsigned most;
    struct shard_meter meter; /* of home, while it is alone */
    struct shard_balance balance;
};

/* Between server_create and server_open: `count` shards in all. They stand still until the server
 * is open. False: it is logged, and the server is to be destroyed. */
bool server_shards_begin(struct server *server, unsigned count, const struct shard_host *host);
/* The same instead: one shard, and up to `most` as they are needed. */
void server_shards_plan(struct server *server, unsigned most, const struct shard_host *host);
/* `count` of those that were planned at once, or as many as can be begun, which a line in the log
 * says: then there are no more. */
void server_shards_begin_planned(struct server *server, unsigned count);
/* The server is open: they go on. */
void server_shards_opened(struct server *server);
/* The three steps of the end, each fine when there are none: nothing turns the further shards any
 * more and their connections are gone; their routers and loops are; all is. Home's connections go
 * after the first, its router after the second. */
void server_shards_end(struct server *server);
void server_shards_destroy(struct server *server);
void server_shards_free(struct server *server);

/* How many there are, home included; the loop and the router of each. */
unsigned server_shards_count(const struct server *server);
struct io *server_shard_io(struct server *server, unsigned shard);
struct router *server_shard_router(struct server *server, unsigned shard);

/* Fine when there are none, and nested: the outermost counts. */
void server_shards_halt(struct server *server);
void server_shards_go_on(struct server *server);
/* While halted: what they have sent each other is delivered, by each on its thread, until nothing
 * is on its way. False: that takes long. */
bool server_shards_settle(struct server *server);
/* Do they stand still, so that home may use what is theirs? */
bool server_shards_still(const struct server *server);

/* `call` on shard `to`, from the thread of `from`. There are further shards. */
void server_shard_call(struct server *server, unsigned from, unsigned to, struct shard_call call,
                       void *of);
/* How busy each is. */
void server_shards_loads(const struct server *server, struct shard_loads *loads);

/* Home's part of its turn. */
void server_shards_read(struct server *server);
void server_shards_flush(struct server *server);
/* Gives the socket to another shard (shard_load.h); false: it is for home, or it stays. */
bool server_shards_accept(struct server *server, struct io_sock *sock,
                          const struct io_address *peer, bool websocket);
/* Some of a shard's connections, drawn by `random`, go to another as soon as they can, and one more
 * is begun where that is planned: for tests. */
void server_shards_stir(struct server *server, uint64_t random);
/* Connections of all shards. */
size_t server_connections_count(const struct server *server);
/* Those of one, while halted: for (i = 0; (c = server_connections_of(server, i)) != NULL; i++) */
struct connections *server_connections_of(struct server *server, unsigned shard);
/* The same into `all`; how many there are. */
unsigned server_connections_all(struct server *server, struct connections *all[SHARDS_MAX]);
/* While halted, from a sink of home: who published what it is given, on whatever shard; NULL:
 * nobody, or gone. */
const struct client *server_origin(struct server *server, const struct message *message);
/* A number of its own for each client that there is, of whatever shard; 0: it is not known who. */
uint64_t server_origin_number(const struct server *server, const struct message *message);
/* While halted: the further shards go by what the options say now. */
void server_shards_options(struct server *server);
/* While halted: accounts that only home has are made on all, and share what they do there. */
void server_shards_accounts(struct server *server);

/* ---- for the host, on the shard's thread ---------------------------------------------------- */

void server_shard_open(struct server_shard *shard, struct io *io);
/* After each turn; rests as long as it is to. False: it is to end. */
bool server_shard_rest(struct server_shard *shard);
/* With threads it returns when the io may go, which others wake, and on which streams stand. */
void server_shard_close(struct server_shard *shard);

#endif
