/* Who waits until the other nodes know of a change is told once, however the waiting ends. */
#include "raft/replica_priv.h"
#include "server/jetstream/jetstream_priv.h"
#include "tests/unit/server/cluster_world.h"

#define NODES 3u

static struct world world;
static unsigned told;

static void done(struct catalogue_op *op, struct catalogue_entry *entry)
{
    (void)entry;
    told++;
    memset(op, 0xff, sizeof *op); /* it is the owner's again */
}

/* The server's loop turns, its timer for the group does not. */
static void be_late(struct jetstream *jetstream, int64_t ns)
{
    struct timers *timers = io_timers(server_io(jetstream->server));

    for (int64_t end = sim_now(world.sim) + ns; sim_now(world.sim) < end;) {
        timers_cancel(timers, &jetstream->meta->timer);
        sim_run(world.sim, MS);
    }
}

static size_t leader(void)
{
    for (size_t i = 0; i < NODES; i++)
        if (world.servers[i].server->jetstream->lead)
            return i;
    ck_abort_msg("nobody leads");
}

/* It finds that it leads no more as it tells the others what is committed: it stood still for so
 * long, and no timer has said so before. */
START_TEST(who_waits_is_told_once_when_leadership_ends_as_it_is_spread)
{
    struct catalogue_op op = {.done = done, .id = 1};
    struct jetstream *jetstream;
    struct talker *t;
    size_t at;

    world_init(&world, 5, NODES);
    for (size_t i = 0; i < NODES; i++) {
        world.servers[i].options.jetstream = true;
        world_start(&world, i);
    }
    world_mesh(&world);
    sim_run(world.sim, 10 * SECOND);
    at = leader();
    jetstream = world.servers[at].server->jetstream;
    t = talk(&world, 0, at); /* a group in which nothing happens sleeps */
    say(t, "SUB _R 1\r\nPUB $JS.API.STREAM.CREATE.S _R 12\r\n{\"name\":\"S\"}\r\n");
    await(&world, t, "\"did_create\":true");
    for (size_t i = 0; i < NODES; i++)
        if (i != at)
            world_kill(&world, i, SIM_CRASH_KILL);
    op.deadline_ns = sim_now(world.sim) + 60 * SECOND;
    be_late(jetstream, 2 * SECOND);
    jetstream->op_spreading = &op;
    op.index = UINT64_MAX;
    for (unsigned i = 0; i < 2; i++) { /* once it is excused */
        ck_assert(jetstream->lead);
        ck_assert_uint_eq(told, 0);
        jetstream->spread_new = true;
        jetstream_spread_turn(jetstream);
        if (i == 0)
            be_late(jetstream, 200 * MS);
    }
    ck_assert(!jetstream->lead);
    ck_assert_uint_eq(told, 1);
    ck_assert_ptr_null(jetstream->op_spreading);
    world_end(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {who_waits_is_told_once_when_leadership_ends_as_it_is_spread};

    return UNIT_RUN_PLAIN("spread", tests);
}
