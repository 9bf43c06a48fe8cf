/*
 * cluster_world: whole servers in a cluster, on the simulated network, and clients that speak the
 * protocol to them.
 */
#ifndef TESTS_UNIT_SERVER_CLUSTER_WORLD_H
#define TESTS_UNIT_SERVER_CLUSTER_WORLD_H

#include <stdarg.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/io_sim.h"
#include "server/cluster/cluster.h"
#include "server/server_priv.h"
#include "tests/sim/sim_shards.h"
#include "tests/unit/unit.h"

#ifndef WORLD_SHARDS
#define WORLD_SHARDS 1u /* of each server */
#endif

#define WORLD_SERVERS 5u
#define WORLD_TALKERS 12u
#define CLIENT_PORT   4222
#define CLUSTER_PORT  6222
#define MS            INT64_C(1000000)
#define SECOND        INT64_C(1000000000)

struct world_server {
    struct options options;
    struct cluster_route routes[WORLD_SERVERS];
    char hosts[WORLD_SERVERS][16];
    struct logger logger;
    struct buf log;
    struct server *server; /* NULL: down */
    size_t node;
    struct sim_shards shards;
};

/* A client: what it said is sent in order, what it hears gathers in `in`. */
struct talker {
    struct io *io;
    struct io_sock *sock; /* NULL: not connected, or no more */
    struct buf in, out, flight;
    bool ended;
};

struct world {
    struct sim *sim;
    struct world_server servers[WORLD_SERVERS];
    size_t count;
    size_t clients_node;
    struct talker talkers[WORLD_TALKERS];
};

/* ---- servers -------------------------------------------------------------------------------- */

static inline void world_line(void *context, struct bytes line)
{
    ck_assert(buf_add(&((struct world_server *)context)->log, line));
}

static inline bool world_logged(const struct world_server *s, const char *text)
{
    return s->log.size > 0 && memmem(s->log.at, s->log.size, text, strlen(text)) != NULL;
}

static inline void world_start(struct world *world, size_t i)
{
    struct world_server *s = &world->servers[i];

    ck_assert_ptr_null(s->server);
    ck_assert_int_eq(sim_shards_start(&s->shards, sim_node_io(world->sim, s->node), &s->options,
                                      &s->logger, &s->server),
                     OK);
}

static inline void world_init(struct world *world, uint64_t seed, size_t count)
{
    *world = (struct world){.sim = sim_create(seed), .count = count};
    for (size_t i = 0; i < count; i++) {
        struct world_server *s = &world->servers[i];

        s->node = sim_node_add(world->sim);
        options_default(&s->options);
        s->options.port = CLIENT_PORT;
        s->options.http_port = 8222;
        snprintf(s->options.host, sizeof(s->options.host), "0.0.0.0");
        snprintf(s->options.server_name, sizeof(s->options.server_name), "n%zu", i);
        s->options.cluster = (struct cluster_options){
            .configured = true, .name = "C", .port = CLUSTER_PORT, .routes = s->routes};
        for (size_t k = 0; k < count; k++) {
            snprintf(s->hosts[k], sizeof(s->hosts[k]), "10.0.0.%zu", k + 1);
            s->routes[s->options.cluster.routes_count++] =
                (struct cluster_route){.host = s->hosts[k], .port = CLUSTER_PORT};
        }
        buf_init(&s->log, 64u << 20);
        s->logger = (struct logger){.level = LOGGER_INFO, .line = world_line, .context = s};
    }
    world->clients_node = sim_node_add(world->sim);
    for (size_t i = 0; i < count; i++)
        sim_shards_init(&world->servers[i].shards, world->sim, world->servers[i].node, WORLD_SHARDS,
                        false);
}

static inline bool world_linked(const struct world *world, size_t a, size_t b)
{
    const struct world_server *from = &world->servers[a], *to = &world->servers[b];
    const struct cluster_node *node;

    if (from->server == NULL || to->server == NULL)
        return false;
    node = cluster_node(from->server->cluster,
                        cluster_node_id(bytes_of_text(to->options.server_name)));
    return node != NULL && node->up &&
           bytes_equal(node->server_id, bytes_of_text(server_id(to->server)));
}

static inline bool world_meshed(const struct world *world)
{
    for (size_t a = 0; a < world->count; a++)
        for (size_t b = 0; b < world->count; b++)
            if (a != b && world->servers[a].server != NULL && world->servers[b].server != NULL &&
                !world_linked(world, a, b))
                return false;
    return true;
}

static inline void world_mesh(struct world *world)
{
    for (int i = 0; i < 10000 && !world_meshed(world); i++)
        sim_run(world->sim, 10 * MS);
    ck_assert(world_meshed(world));
}

static inline void world_begin(struct world *world, uint64_t seed, size_t count)
{
    world_init(world, seed, count);
    for (size_t i = 0; i < count; i++)
        world_start(world, i);
    world_mesh(world);
}

static inline void world_kill(struct world *world, size_t i, enum sim_crash_mode mode)
{
    sim_crash(world->sim, world->servers[i].node, mode);
    server_destroy(world->servers[i].server);
    world->servers[i].server = NULL;
    (void)sim_restart(world->sim, world->servers[i].node);
}

static inline void talker_free(struct talker *t)
{
    buf_deinit(&t->in);
    buf_deinit(&t->out);
    buf_deinit(&t->flight);
}

static inline void world_end(struct world *world)
{
    for (size_t i = 0; i < world->count; i++) {
        if (world->servers[i].server != NULL)
            server_destroy(world->servers[i].server);
        buf_deinit(&world->servers[i].log);
    }
    sim_destroy(world->sim);
    for (size_t i = 0; i < WORLD_TALKERS; i++)
        talker_free(&world->talkers[i]);
}

/* ---- clients -------------------------------------------------------------------------------- */

static inline void talker_flush(struct talker *t)
{
    struct bytes piece;
    struct buf swap;

    if (t->sock == NULL || t->ended || io_sock_sending(t->sock) || t->out.size == 0)
        return;
    swap = t->flight;
    t->flight = t->out;
    t->out = swap;
    buf_clear(&t->out);
    piece = buf_bytes(&t->flight);
    io_sock_send(t->io, t->sock, &piece, 1);
}

static inline void talker_received(void *owner, struct bytes b)
{
    ck_assert(buf_add(&((struct talker *)owner)->in, b));
}

static inline void talker_sent(void *owner)
{
    talker_flush(owner);
}

static inline void talker_ended(void *owner, int reason)
{
    struct talker *t = owner;

    (void)reason;
    t->ended = true;
    io_sock_close(t->io, t->sock, false);
}

static inline void talker_closed(void *owner)
{
    ((struct talker *)owner)->sock = NULL;
}

static const struct io_sock_events talker_events = {talker_received, talker_sent, talker_ended,
                                                    talker_closed};

static inline void say(struct talker *t, const char *text)
{
    ck_assert(buf_add(&t->out, bytes_of_text(text)));
    talker_flush(t);
}

[[gnu::format(printf, 2, 3)]] static inline void sayf(struct talker *t, const char *format, ...)
{
    char text[4096];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    say(t, text);
}

static inline bool heard(const struct talker *t, const char *text)
{
    return t->in.size > 0 && memmem(t->in.at, t->in.size, text, strlen(text)) != NULL;
}

static inline size_t heard_count(const struct talker *t, const char *text)
{
    struct bytes rest = buf_bytes(&t->in);
    const uint8_t *at;
    size_t count = 0;

    while (rest.size > 0 && (at = memmem(rest.at, rest.size, text, strlen(text))) != NULL) {
        count++;
        rest = bytes_skip(rest, (size_t)(at - rest.at) + strlen(text));
    }
    return count;
}

/* Steps until it has heard that, and forgets all that came before and with it. */
static inline void await(struct world *world, struct talker *t, const char *text)
{
    int64_t from_ns = sim_now(world->sim);

    while (!heard(t, text)) {
        ck_assert(sim_step(world->sim));
        ck_assert_msg(sim_now(world->sim) - from_ns < 30 * SECOND, "waits for %s, has %.*s", text,
                      BYTES_ARG(buf_bytes(&t->in)));
    }
    buf_consume(&t->in,
                (size_t)((uint8_t *)memmem(t->in.at, t->in.size, text, strlen(text)) - t->in.at) +
                    strlen(text));
}

static inline void in_step(struct world *world, struct talker *t)
{
    say(t, "PING\r\n");
    await(world, t, "PONG\r\n");
}

static inline void talker_connect(struct world *world, struct talker *t, size_t server)
{
    ck_assert_ptr_null(t->sock);
    t->io = sim_node_io(world->sim, world->clients_node);
    t->ended = false;
    if (t->in.limit == 0) {
        buf_init(&t->in, 64u << 20);
        buf_init(&t->out, 64u << 20);
        buf_init(&t->flight, 64u << 20);
    }
    buf_clear(&t->in);
    buf_clear(&t->out);
    t->sock =
        sim_connect(world->sim, t->io, world->servers[server].node, CLIENT_PORT, &talker_events, t);
    say(t, "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,"
           "\"protocol\":1}\r\n");
    in_step(world, t);
}

/* Connected to that server, greeted, and heard of nothing. */
static inline struct talker *talk(struct world *world, size_t who, size_t server)
{
    struct talker *t = &world->talkers[who];

    talker_connect(world, t, server);
    sim_run(world->sim, 10 * MS);
    buf_clear(&t->in);
    return t;
}

/* Long enough for interest and messages to be everywhere. */
static inline void rest(struct world *world)
{
    sim_run(world->sim, 50 * MS);
}

#endif
