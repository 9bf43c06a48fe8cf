/*
 * server: one whole server as a value. Several live in one process: that is how the simulator
 * works. It stands on a struct io and makes no system call of its own. Today a server has one
 * shard.
 *
 * The turn (io's flush hook): JetStream works off what its sinks collected (jetstream_turn), then
 * the clients' output goes out, then the store sends what was sealed (store_flush).
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "base/io.h"
#include "base/logger.h"
#include "base/prng.h"
#include "server/options.h"
#include "server/router/router.h"

#define SERVER_RELOAD_REASON_SIZE 512u

struct cluster;
struct server;

/* A server that listens nowhere yet: what may be given to it before it is opened, as further shards
 * (server/shards/server_shards.h), is given then. NULL when what the options name cannot be had,
 * which one line in the log says. */
struct server *server_create(struct io *io, const struct options *options, struct logger *logger);
/* Binds the listeners, opens the store when JetStream is on, logs as the reference does.
 * On failure one clear line was logged (FTL), and the server is destroyed: nothing is left open. */
enum err server_open(struct server *server);
/* Both: it has one shard. */
enum err server_start(struct io *io, const struct options *options, struct logger *logger,
                      struct server **server);
/* Begins an orderly end: listeners closed, clients flushed and closed, store idle. Bounded by
 * `deadline_ns` from now; turn the io until server_stopped. */
void server_stop(struct server *server, int64_t deadline_ns);
/* Takes no new clients, tells those that are there, closes them one by one over the time that the
 * options say, and stops then, which may take `deadline_ns`. */
void server_lame_duck(struct server *server, int64_t deadline_ns);
bool server_is_lame_duck(const struct server *server);
/* Other options for the same server; they, and what they point at, take the place of those that it
 * has. False: they cannot, `reason` says why, nothing has changed. */
bool server_reload(struct server *server, const struct options *options,
                   char reason[SERVER_RELOAD_REASON_SIZE]);
bool server_stopped(const struct server *server);
void server_destroy(struct server *server); /* at any time: drops what is left, as a crash would */

/* What only the process knows, for monitoring: main can tell, a simulation leaves it out. */
struct server_process {
    uint64_t memory; /* resident */
    int64_t cpu_ns;  /* used so far */
    unsigned cores;
};
void server_set_process(struct server *server, void (*read)(struct server_process *process));

/* Who reads the configuration again when a request asks for it: false, and `reason` says why not.
 * NULL: nobody. */
typedef bool server_reload_fn(void *owner, char reason[SERVER_RELOAD_REASON_SIZE]);
void server_set_reload(struct server *server, server_reload_fn *reload, void *owner);

/* For the modules of the server. */
struct io *server_io(struct server *server);
/* How many files its shards may have open together, where the system allows few; and have. */
uint64_t server_files_most(struct server *server);
uint64_t server_files_open(struct server *server);
struct router *server_router(struct server *server);
struct cluster *server_cluster(struct server *server); /* NULL: this server stands alone */
struct logger *server_logger(struct server *server);
struct prng *server_prng(struct server *server);
const struct options *server_options(const struct server *server);
/* The wall clock's time of a monotonic one, by how the two stood when the server started. */
int64_t server_wall_of(const struct server *server, int64_t time_ns);
const char *server_id(const struct server *server); /* 56 characters, 'N...' */
const char *server_name(const struct server *server);
uint16_t server_port(const struct server *server);           /* as bound */
uint16_t server_http_port(const struct server *server);      /* as bound, 0 if none */
uint16_t server_https_port(const struct server *server);     /* the same */
uint16_t server_cluster_port(const struct server *server);   /* the same */
uint16_t server_leaf_port(const struct server *server);      /* the same */
uint16_t server_websocket_port(const struct server *server); /* the same */

#endif
