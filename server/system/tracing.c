/* What traces of messages need of the server: docs at server/message_trace.h. */
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
