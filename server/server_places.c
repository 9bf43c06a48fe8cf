/*
 * server_places: how many clients are let in where the system allows the process few descriptors.
 * Streams are first: what their files take, those of streams that a start has not opened yet
 * (jetstream_late.c), and those that come as they grow. Who comes beyond is told so, as by
 * max_connections. So no stream stays closed, and no segment unmade, because clients have taken
 * every descriptor. Nor do streams take the last ones: some are kept for clients and for the
 * system, so that whoever has to look into it can come in.
 */
#include "server/jetstream/jetstream.h"
#include "server/server_priv.h"

#define BESIDE   32u /* files and sockets that are neither of streams nor of clients */
#define GROWTH   16u /* files of streams that come, and one for so many that there are */
#define SAY_NS   INT64_C(60000000000)
#define AT_LEAST 16u /* so many parts of all: whoever has to look into it must come in */

/* What files may take; of few descriptors at least a half. */
static uint64_t files_most(uint64_t most)
{
    uint64_t kept = most / AT_LEAST + BESIDE;

    return most - (kept < most / 2 ? kept : most / 2);
}

uint64_t server_files_open(struct server *server)
{
    uint64_t files = 0;

    for (unsigned i = 0; i < server_shards_count(server); i++)
        files += io_files_open(server_shard_io(server, i));
    return files;
}

uint64_t server_files_most(struct server *server)
{
    uint64_t most = io_descriptors_max(server->io);

    return most <= INT64_MAX ? files_most(most) : UINT64_MAX;
}

/* Each shard what the others leave it now. */
void server_places_keep(struct server *server)
{
    uint64_t most = io_descriptors_max(server->io), files = server_files_open(server);

    for (unsigned i = 0; most <= INT64_MAX && i < server_shards_count(server); i++) {
        struct io *io = server_shard_io(server, i);
        uint64_t others = files - io_files_open(io);

        io_files_limit(io, others < files_most(most) ? files_most(most) - others : 1);
    }
}

static uint64_t files_of_streams(struct server *server)
{
    uint64_t files = server_files_open(server);

    if (server->jetstream != NULL)
        files += jetstream_late_files(server->jetstream);
    return files + files / GROWTH + GROWTH;
}

static int64_t places_of(struct server *server, uint64_t most)
{
    uint64_t least = most / AT_LEAST, kept;

    if (server_connections_count(server) < least)
        return INT64_MAX; /* mostly: nobody has to count */
    kept = files_of_streams(server) + BESIDE;
    return (int64_t)(most >= kept + least ? most - kept : least);
}

void server_places_look(struct server *server)
{
    uint64_t most = io_descriptors_max(server->io);
    int64_t now_ns = io_now(server->io), places;

    server_places_keep(server);
    places = most <= INT64_MAX ? places_of(server, most) : INT64_MAX;
    connections_limit(&server->connections, places);
    if ((int64_t)server_connections_count(server) < places ||
        places >= server->options.max_connections ||
        (server->places_said_ns != 0 && now_ns - server->places_said_ns < SAY_NS))
        return;
    server->places_said_ns = now_ns;
    logger_warn(server->logger,
                "Open files are limited to %llu: no more than %lld clients are let in, the rest "
                "is kept for streams",
                (unsigned long long)most, (long long)places);
}
