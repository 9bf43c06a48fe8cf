/*
 * world: a whole server on the simulated network and disk, and peers that talk to it from a node of
 * their own.
 */
#ifndef TESTS_UNIT_SERVER_WORLD_H
#define TESTS_UNIT_SERVER_WORLD_H

#include <stdio.h>

#include "base/io_sim.h"
#include "server/server.h"
#include "tests/sim/leaks.h" /* it crashes servers */
#include "tests/sim/sim_shards.h"
#include "tests/unit/unit.h"

#define SECOND INT64_C(1000000000)
#define PEERS  4

#ifndef SERVER_SHARDS
#define SERVER_SHARDS 1u /* with all of them from the start */
#endif

/* One that talks to the server from a node of its own. */
struct peer {
    struct io *io;
    struct io_sock *sock;
    struct buf in;
    struct bytes sending;
    bool ended;
    bool closed;
};

struct world {
    struct sim *sim;
    size_t server_node, peers_node;
    struct options options;
    struct logger logger;
    struct buf log;
    struct server *server;
    struct sim_shards shards;
    struct peer peers[PEERS];
};

static inline void log_line(void *context, struct bytes line)
{
    struct world *world = context;

    ck_assert(buf_add(&world->log, line));
}

static inline bool logged(const struct world *world, const char *text)
{
    return world->log.size > 0 &&
           memmem(world->log.at, world->log.size, text, strlen(text)) != NULL;
}

static inline void peer_received(void *owner, struct bytes b)
{
    struct peer *peer = owner;

    ck_assert(buf_add(&peer->in, b));
}

static inline void peer_sent(void *owner)
{
    struct peer *peer = owner;

    peer->sending = bytes_of(NULL, 0);
}

static inline void peer_ended(void *owner, int reason)
{
    struct peer *peer = owner;

    (void)reason;
    peer->ended = true;
    io_sock_close(peer->io, peer->sock, false);
}

static inline void peer_closed(void *owner)
{
    struct peer *peer = owner;

    peer->closed = true;
}

static const struct io_sock_events peer_events = {
    .received = peer_received,
    .sent = peer_sent,
    .ended = peer_ended,
    .closed = peer_closed,
};

static inline void world_init(struct world *world, uint64_t seed)
{
    *world = (struct world){.sim = sim_create(seed)};
    world->server_node = sim_node_add(world->sim);
    world->peers_node = sim_node_add(world->sim);
    sim_shards_init(&world->shards, world->sim, world->server_node, SERVER_SHARDS, false);
    options_default(&world->options);
    snprintf(world->options.host, sizeof(world->options.host), "127.0.0.1");
    buf_init(&world->log, 1 << 20);
    world->logger.level = LOGGER_DEBUG;
    world->logger.line = log_line;
    world->logger.context = world;
}

static inline void world_start(struct world *world)
{
    struct io *io = sim_node_io(world->sim, world->server_node);

    ck_assert_int_eq(
        sim_shards_start(&world->shards, io, &world->options, &world->logger, &world->server), OK);
}

/* The server dies and comes back; its peers lose their connections. */
static inline void world_kill(struct world *world)
{
    sim_crash(world->sim, world->server_node, SIM_CRASH_KILL);
    server_destroy(world->server);
    sim_restart(world->sim, world->server_node);
    world_start(world);
}

/* What the disk is still asked for is memory of the server's: it dies before that goes. */
static inline void world_deinit(struct world *world)
{
    if (world->server != NULL && !sim_crashed(world->sim, world->server_node))
        sim_crash(world->sim, world->server_node, SIM_CRASH_KILL);
    if (world->server != NULL)
        server_destroy(world->server);
    for (int i = 0; i < PEERS; i++)
        buf_deinit(&world->peers[i].in);
    sim_destroy(world->sim);
    buf_deinit(&world->log);
}

static inline struct peer *peer_connect(struct world *world, int n, uint16_t port)
{
    struct peer *peer = &world->peers[n];

    buf_deinit(&peer->in);
    *peer = (struct peer){.io = sim_node_io(world->sim, world->peers_node)};
    buf_init(&peer->in, 64 << 20);
    peer->sock = sim_connect(world->sim, peer->io, world->server_node, port, &peer_events, peer);
    return peer;
}

/* Lets the world settle. */
static inline void settle(struct world *world)
{
    sim_run(world->sim, SECOND / 2);
}

/* The text stays the caller's. */
static inline void peer_say(struct world *world, struct peer *peer, const char *text)
{
    struct bytes b = bytes_of_text(text);

    ck_assert_uint_eq(peer->sending.size, 0);
    peer->sending = b;
    io_sock_send(peer->io, peer->sock, &b, 1);
    settle(world);
}

static inline bool peer_has(const struct peer *peer, const char *text)
{
    return peer->in.size > 0 && memmem(peer->in.at, peer->in.size, text, strlen(text)) != NULL;
}

#endif
