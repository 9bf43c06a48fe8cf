/*
 * Lame duck mode (reference core.md 1.14): no new clients, those that are there are told and, after
 * a grace period, closed one by one, so that they do not all come to the next server at once.
 * JetStream serves to the end.
 */
#include "base/owner.h"
#include "server/server_priv.h"

#define SECOND_NS INT64_C(1000000000)

/* Between two closes: what is left of the time for each that is left, a second at most, never all
 * at the same beat. */
static int64_t pause_ns(struct server *server)
{
    int64_t left_ns = server->lame_duck_end_ns - io_now(server->io);
    int64_t each_ns = left_ns / (int64_t)(server_connections_count(server) + 1);

    if (each_ns > SECOND_NS)
        each_ns = SECOND_NS;
    if (each_ns < 2)
        return 1;
    return each_ns / 2 + (int64_t)prng_below(&server->prng, (uint64_t)each_ns / 2);
}

static bool end_one(struct server *server)
{
    struct connections *connections;
    bool ended = false;

    server_shards_halt(server);
    for (unsigned i = 0; !ended && (connections = server_connections_of(server, i)) != NULL; i++)
        ended = connections_end_one(connections, "Server Shutdown");
    server_shards_go_on(server);
    return ended;
}

static void fired(struct timer *timer)
{
    struct server *server = owner_of(timer, struct server, lame_duck);

    if (!end_one(server)) {
        server_stop(server, server->lame_duck_stop_ns);
        return;
    }
    timers_arm(io_timers(server->io), timer, io_now(server->io) + pause_ns(server));
}

void server_lame_duck(struct server *server, int64_t deadline_ns)
{
    const struct options *options = &server->options;
    int64_t now_ns = io_now(server->io);
    struct connections *connections;

    if (server->info.lame_duck || server->state != SERVER_RUNNING)
        return;
    logger_info(server->logger, "Entering lame duck mode, stop accepting new clients");
    server->info.lame_duck = true;
    system_say_state(&server->system, ".LAMEDUCK");
    server->lame_duck.fire = fired;
    server->lame_duck_stop_ns = deadline_ns;
    server->lame_duck_end_ns = now_ns + options->lame_duck_ns;
    listener_close(&server->clients_listener, server->io);
    listener_close(&server->websocket_listener, server->io);
    if (server_connections_count(server) == 0) {
        server_stop(server, deadline_ns);
        return;
    }
    server_shards_halt(server);
    server_cluster_lame_duck(server);
    for (unsigned i = 0; (connections = server_connections_of(server, i)) != NULL; i++)
        connections_inform(connections);
    server_shards_go_on(server);
    logger_info(server->logger, "Closing existing clients in %lld ms",
                (long long)(options->lame_duck_grace_ns / 1000000));
    timers_arm(io_timers(server->io), &server->lame_duck, now_ns + options->lame_duck_grace_ns);
}

bool server_is_lame_duck(const struct server *server)
{
    return server->info.lame_duck;
}
