/* Holding still for a survey, and what may happen to the stream meanwhile. */
#include "base/codec.h"
#include "server/jetstream/jetstream_cluster_priv.h"
#include "tests/unit/server/cluster_world.h"

#define AS_THREE "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"storage\":\"memory\",\"num_replicas\":3}"
#define TERM     1000u /* a later one than any: nothing else lets go of it */

static struct jetstream *jetstream_at(const struct world *world, size_t i)
{
    return world->servers[i].server->jetstream;
}

/* Three servers with JetStream, and a client of the first that hears answers. */
static struct talker *begin(struct world *world)
{
    struct talker *t;

    world_init(world, 1, 3);
    for (size_t i = 0; i < 3; i++) {
        world->servers[i].options.jetstream = true;
        world_start(world, i);
    }
    world_mesh(world);
    sim_run(world->sim, 10 * SECOND);
    t = talk(world, 0, 0);
    say(t, "SUB _R.> 1\r\n");
    return t;
}

static void ask(struct world *world, struct talker *t, const char *subject, const char *body,
                const char *answer)
{
    sayf(t, "PUB %s _R.0 %zu\r\n%s\r\n", subject, strlen(body), body);
    await(world, t, answer);
}

static void let_go(struct jetstream *jetstream, uint64_t id)
{
    uint8_t memory[24];

    (void)encode_u64(encode_u64(encode_u64(memory, id), TERM), 0);
    afresh_let_go(jetstream->cluster, bytes_of(memory, sizeof memory));
}

START_TEST(a_stream_that_is_removed_while_it_is_held_still_is_removed_once)
{
    static const char message[] = "PUB s.a 5\r\nhello\r\n";
    struct catalogue_entry *entry;
    struct world world;
    struct talker *t;

    t = begin(&world);
    ask(&world, t, "$JS.API.STREAM.CREATE.S",
        "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"num_replicas\":3}", "\"did_create\":true");
    sim_run(world.sim, SECOND);
    entry = catalogue_named(&jetstream_at(&world, 1)->catalogue, BYTES("$G"), BYTES("S"));
    ck_assert_ptr_nonnull(entry);
    entry->held_term = TERM;
    for (int i = 0; i < 100; i++)
        say(t, message); /* its log has something to do when it is closed */
    say(t, "PUB $JS.API.STREAM.DELETE.S _R.1 0\r\n\r\n");
    while (!entry->removed)
        ck_assert(sim_step(world.sim));
    ck_assert_uint_eq(jetstream_at(&world, 1)->removals, 1);
    let_go(jetstream_at(&world, 1), entry->assigned.id);
    ck_assert_uint_eq(jetstream_at(&world, 1)->removals, 1);
    await(&world, t, "\"success\":true");
    sim_run(world.sim, 5 * SECOND);
    ck_assert_ptr_null(
        catalogue_named(&jetstream_at(&world, 1)->catalogue, BYTES("$G"), BYTES("S")));
    world_end(&world);
}
END_TEST

/* ---- who has it only as a learner ----------------------------------------------------------- */

static struct catalogue_entry *entry_at(const struct world *world, size_t i)
{
    return catalogue_named(&jetstream_at(world, i)->catalogue, BYTES("$G"), BYTES("S"));
}

static struct stream *stream_at(const struct world *world, size_t i)
{
    const struct catalogue_entry *entry =
        world->servers[i].server != NULL ? entry_at(world, i) : NULL;

    return entry != NULL ? entry->stream : NULL;
}

/* world->count: nobody. */
static size_t leader_of(const struct world *world)
{
    for (size_t i = 0; i < world->count; i++) {
        if (stream_at(world, i) != NULL && stream_leads(stream_at(world, i)))
            return i;
    }
    return world->count;
}

/* It holds messages, and has no say. */
static bool learns(const struct world *world, size_t i)
{
    struct stream *stream = stream_at(world, i);

    return stream != NULL && log_appended(replica_log(stream_replica(stream))) > 2 &&
           !replica_votes(stream_replica(stream));
}

static bool led(const struct world *world)
{
    return leader_of(world) < world->count;
}

/* The only voter of a stream in memory has moved, so its log names another one; then it forgets. */
START_TEST(a_stream_in_memory_begins_again_when_only_one_that_had_no_say_has_it)
{
    struct world world;
    struct talker *t;
    size_t first, voter, learner;

    t = begin(&world);
    ask(&world, t, "$JS.API.STREAM.CREATE.S",
        "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"storage\":\"memory\"}", "\"did_create\":true");
    first = leader_of(&world);
    ask(&world, t, "$JS.API.STREAM.PEER.REMOVE.S",
        first == 0   ? "{\"peer\":\"n0\"}"
        : first == 1 ? "{\"peer\":\"n1\"}"
                     : "{\"peer\":\"n2\"}",
        "\"success\":true");
    sim_run(world.sim, 5 * SECOND);
    voter = leader_of(&world);
    ck_assert_uint_lt(voter, 3);
    ck_assert_uint_ne(voter, first);
    learner = 3 - first - voter;
    ask(&world, t, "s.a", "hello", "\"seq\":1");
    sayf(t, "PUB $JS.API.STREAM.UPDATE.S _R.1 %zu\r\n%s\r\n", strlen(AS_THREE), AS_THREE);
    while (!learns(&world, learner))
        ck_assert(sim_step(world.sim));
    world_kill(&world, voter, SIM_CRASH_KILL);
    world_kill(&world, first, SIM_CRASH_KILL);
    world_start(&world, voter);
    world_start(&world, first);
    sim_run(world.sim, 40 * SECOND);
    ck_assert(led(&world));
    world_end(&world);
}
END_TEST

/* ---- one that shrinks while a voter forgets ------------------------------------------------- */

/* By the leader's log; *other: one that is not it. */
static uint32_t members_by(const struct world *world, size_t leader, size_t *other)
{
    const struct raft_config *members = replica_members(stream_replica(stream_at(world, leader)));

    for (uint32_t i = 0; i < members->count; i++) {
        for (size_t k = 0; k < world->count; k++) {
            if (k != leader &&
                members->at[i].node == groups_self(jetstream_at(world, k)->home->groups).node)
                *other = k;
        }
    }
    return members->count;
}

#define AS_ONE "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"storage\":\"memory\",\"num_replicas\":1}"

/* When the leader has made the group itself and one other, that one dies, forgets, and comes back
 * where it is to hold nothing any more. */
START_TEST(a_stream_in_memory_that_shrinks_outlives_a_voter_that_forgets)
{
    size_t leader, other = 0;
    struct world world;
    struct talker *t;

    t = begin(&world);
    ask(&world, t, "$JS.API.STREAM.CREATE.S", AS_THREE, "\"did_create\":true");
    for (int i = 0; i < 5; i++)
        ask(&world, t, "s.a", "hello", "\"seq\":");
    sim_run(world.sim, SECOND);
    leader = leader_of(&world);
    ck_assert_uint_lt(leader, 3);
    sayf(t, "PUB $JS.API.STREAM.UPDATE.S _R.1 %zu\r\n%s\r\n", strlen(AS_ONE), AS_ONE);
    while (members_by(&world, leader, &other) == 3)
        ck_assert(sim_step(world.sim));
    ck_assert_uint_eq(members_by(&world, leader, &other), 2);
    world_kill(&world, other, SIM_CRASH_KILL);
    sim_run(world.sim, SECOND);
    ck_assert(!led(&world));
    world_start(&world, other);
    sim_run(world.sim, 20 * SECOND);
    ck_assert_uint_eq(leader_of(&world), leader);
    ck_assert_uint_eq(stream_state_messages(stream_applied(stream_at(&world, leader))), 5);
    for (size_t i = 0; i < 3; i++) /* the log that was made for a vote, too */
        ck_assert(i == leader || stream_at(&world, i) == NULL);
    world_end(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_stream_that_is_removed_while_it_is_held_still_is_removed_once,
        a_stream_in_memory_begins_again_when_only_one_that_had_no_say_has_it,
        a_stream_in_memory_that_shrinks_outlives_a_voter_that_forgets,
    };

    return UNIT_RUN_PLAIN("afresh", tests);
}
