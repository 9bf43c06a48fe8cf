/*
 * A server whose disk has lost the end of the catalogue's log gets it again from the others. Until
 * it has applied that, too, it does not know which logs are explained by it.
 */
#include "raft/replica_priv.h"
#include "server/jetstream/jetstream_priv.h"
#include "storage/paths.h"
#include "tests/unit/server/cut_short.h"

#define MESSAGES 200u

static struct jetstream *jetstream_at(const struct world *world, size_t i)
{
    return world->servers[i].server->jetstream;
}

static bool leads(const struct world *world, size_t i)
{
    return world->servers[i].server != NULL && jetstream_at(world, i)->meta != NULL &&
           raft_core_role(jetstream_at(world, i)->meta->core) == RAFT_LEADER;
}

static struct talker *asking(struct world *world, size_t who)
{
    struct talker *t = talk(world, who, 1);

    say(t, "SUB _R.> 1\r\n");
    return t;
}

static void leave(struct world *world, struct talker *t)
{
    sim_run(world->sim, SECOND);
    io_sock_close(t->io, t->sock, false);
    rest(world);
}

static void create(struct world *world)
{
    static const char config[] = "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"num_replicas\":3}";
    struct talker *t = asking(world, 0);

    sayf(t, "PUB $JS.API.STREAM.CREATE.S _R.0 %zu\r\n%s\r\n", sizeof config - 1, config);
    await(world, t, "\"did_create\":true");
    leave(world, t);
}

static void publish(struct world *world)
{
    struct talker *t = asking(world, 1);

    for (unsigned i = 0; i < MESSAGES; i++) {
        sayf(t, "PUB s.a _R.1 3000\r\n%03000u\r\n", i);
        await(world, t, "\"seq\":");
    }
    leave(world, t);
}

static struct path catalogue_file(const struct world *world, size_t i)
{
    return path_segment("millrace", CATALOGUE_LOG_ID,
                        log_file_id(replica_log(jetstream_at(world, i)->meta), 0));
}

/* Another one leads, and cannot know how much is committed before this one has it. */
static void elect_and_lose_a_third(struct world *world)
{
    for (int i = 0; i < 1000000 && !leads(world, 1) && !leads(world, 2); i++)
        ck_assert(sim_step(world->sim));
    ck_assert(leads(world, 1) || leads(world, 2));
    world_kill(world, leads(world, 1) ? 2 : 1, SIM_CRASH_KILL);
}

START_TEST(a_log_is_not_set_aside_for_what_the_catalogue_lost_and_has_yet_to_apply)
{
    const struct catalogue_entry *entry;
    struct path path;
    struct world world;

    world_init(&world, 1, 3);
    for (size_t i = 0; i < 3; i++) {
        world.servers[i].options.jetstream = true;
        world.servers[i].options.sim.journal_file_size = 64 << 10; /* what it had is soon gone */
    }
    world_start_all(&world);
    world_mesh(&world);
    sim_run(world.sim, 10 * SECOND);
    create(&world);
    world_kill_all(&world);
    world_start_all(&world);
    sim_run(world.sim, 10 * SECOND);
    publish(&world); /* the journal has nothing of the catalogue any more */
    path = catalogue_file(&world, 0);
    world_kill_all(&world);
    /* It ends within the batch that tells of the stream. */
    world_cut_short(&world, 0, path.text, "num_replicas");
    world_start_all(&world);
    elect_and_lose_a_third(&world);
    sim_run(world.sim, 30 * SECOND);
    ck_assert(!world_logged(&world.servers[0], "quarantine"));
    entry = catalogue_named(&jetstream_at(&world, 0)->catalogue, BYTES("$G"), BYTES("S"));
    ck_assert_ptr_nonnull(entry);
    ck_assert_ptr_nonnull(entry->stream);
    ck_assert_uint_eq(stream_applied(entry->stream)->last_seq, MESSAGES);
    world_end(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_log_is_not_set_aside_for_what_the_catalogue_lost_and_has_yet_to_apply};

    return UNIT_RUN_PLAIN("catalogue_lost", tests);
}
