/* cut_short: servers of a cluster that are all killed, one of which has lost the end of a file when
 * they start again. */
#ifndef TESTS_UNIT_SERVER_CUT_SHORT_H
#define TESTS_UNIT_SERVER_CUT_SHORT_H

#include "tests/unit/server/cluster_world.h"

static inline void world_kill_all(struct world *world)
{
    for (size_t i = 0; i < world->count; i++)
        world_kill(world, i, SIM_CRASH_KILL);
}

static inline void world_start_all(struct world *world)
{
    for (size_t i = 0; i < world->count; i++)
        world_start(world, i);
}

/* The server is down, and that file of its ends where `mark` begins. */
static inline void world_cut_short(struct world *world, size_t i, const char *path,
                                   const char *mark)
{
    struct io *io = sim_node_io(world->sim, world->servers[i].node);
    struct io_file *file;
    struct bytes content;
    const uint8_t *at;

    ck_assert(sim_durable(world->sim, world->servers[i].node, path, &content));
    at = memmem(content.at, content.size, mark, strlen(mark));
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(io_open(io, path, IO_READ | IO_WRITE, &file), OK);
    ck_assert_int_eq(io_truncate(io, file, (uint64_t)(at - content.at)), OK);
    io_close(io, file);
    sim_run(world->sim, SECOND);
    io_destroy(io);
    (void)sim_restart(world->sim, world->servers[i].node);
}

#endif
