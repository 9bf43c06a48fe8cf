/* What traces of messages need of the server: docs at server/router/message_trace.h. */
#include "server/system/system_priv.h"

static int64_t wall(void *owner)
{
    const struct system *system = owner;

    return io_wall(system->server->io);
}

static void write_server(void *owner, struct json_writer *w)
{
    system_write_server(w, owner);
}

static int64_t shard_wall(void *owner)
{
    const struct server_shard *shard = owner;

    return io_wall(shard->io);
}

static void shard_write_server(void *owner, struct json_writer *w)
{
    struct server_shard *shard = owner;

    system_write_server_at(w, &shard->server->system, io_wall(shard->io));
}

void system_trace_shard(struct system *system, struct server_shard *shard)
{
    shard->tracer = (struct tracer){
        .owner = shard,
        .wall = shard_wall,
        .write_server = shard_write_server,
        .router = shard->router,
        .logger = system->server->logger,
    };
    router_set_tracer(shard->router, &shard->tracer);
}

void system_trace(struct system *system)
{
    struct server *server = system->server;

    system->tracer = (struct tracer){
        .owner = system,
        .wall = wall,
        .write_server = write_server,
        .router = server->router,
        .logger = server->logger,
    };
    router_set_tracer(server->router, &system->tracer);
}
