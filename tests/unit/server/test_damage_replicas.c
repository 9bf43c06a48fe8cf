/*
 * Damage of one replica of three. One that takes another one's state, and what that one leaves out
 * of its answers: what it has just found damaged itself is fetched from a third, what has left the
 * stream is not missed. And who asks for what is damaged where it leads.
 */
#include "server/jetstream/jetstream_priv.h"
#include "server/stream/stream_priv.h"
#include "storage/paths.h"
#include "tests/unit/server/cluster_world.h"

#define EARLY  40u
#define LATE   900u
#define ROTTEN (EARLY + 200u)

static struct world world;
static struct talker *t;
static size_t leader, away;
static const char *scheduled; /* what is published before all others */
static const char *name = "S";

static struct stream *stream_at(size_t i)
{
    return catalogue_named(&world.servers[i].server->jetstream->catalogue, BYTES("$G"),
                           bytes_of_text(name))
        ->stream;
}

static void publish(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        say(t, "PUB s.a 40\r\nan example of a message of the usual kin\r\n");
        if (i % 4 == 3)
            sim_run(world.sim, 5 * MS);
    }
    sim_run(world.sim, 500 * MS);
}

static void ask(const char *subject, const char *body, const char *answer)
{
    sayf(t, "PUB %s _R.0 %zu\r\n%s\r\n", subject, strlen(body), body);
    await(&world, t, answer);
}

/* One of the others has missed so much that it needs a block. The background check stays away. */
static void begin(uint64_t seed)
{
    world_init(&world, seed, 3);
    for (size_t i = 0; i < 3; i++) {
        struct options *options = &world.servers[i].options;

        options->jetstream = true;
        options->jetstream_options.scrub_rate = 0;
        options->sim.block_bytes = 8 << 10;
        options->sim.segment_size = 32 << 10;
        world_start(&world, i);
    }
    world_mesh(&world);
    sim_run(world.sim, 10 * SECOND);
    t = talk(&world, 0, 0);
    say(t, "SUB _R.> 1\r\n");
    ask("$JS.API.STREAM.CREATE.S",
        scheduled == NULL
            ? "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"num_replicas\":3,\"allow_direct\":true}"
            : "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"num_replicas\":3,"
              "\"allow_msg_schedules\":true}",
        "\"did_create\":true");
    if (scheduled != NULL)
        say(t, scheduled);
    publish(EARLY);
    for (leader = 0; !stream_leads(stream_at(leader));)
        leader++;
    if (leader != 0) { /* whoever is asked stays up */
        t = talk(&world, 1, leader);
        say(t, "SUB _R.> 1\r\n");
    }
    away = (leader + 1) % 3;
    world_kill(&world, away, SIM_CRASH_KILL);
    publish(LATE);
    ck_assert(stream_leads(stream_at(leader)));
    ck_assert_uint_gt(log_floor(replica_log(stream_replica(stream_at(leader)))), EARLY + 10);
}

/* As it is read from then on. */
static void rot(size_t node, uint64_t sequence)
{
    struct stream *stream = stream_at(node);
    struct io *io = sim_node_io(world.sim, world.servers[node].node);
    struct index_entry entry;
    struct io_file *file;
    struct path path;
    uint64_t at, file_id;
    uint32_t ordinal;
    uint8_t byte;

    ck_assert(index_get(stream_applied(stream)->index, sequence, &entry));
    ordinal = (uint32_t)(entry.place >> 32);
    file_id = log_file_id(replica_log(stream_replica(stream)), ordinal);
    path = ordinal >= LOG_KEEP_FIRST ? path_keep("millrace", stream_id(stream), file_id)
                                     : path_segment("millrace", stream_id(stream), file_id);
    at = (entry.place & UINT32_MAX) + entry.record_size / 2;
    ck_assert_int_eq(io_open(io, path.text, IO_READ | IO_WRITE, &file), OK);
    ck_assert_int_eq(io_read_all(io, file, at, &byte, 1), OK);
    byte ^= 8;
    ck_assert_int_eq(io_write_all(io, file, at, bytes_of(&byte, 1)), OK);
    io_close(io, file);
}

static bool is_there(size_t node, uint64_t sequence)
{
    const struct stream *stream = stream_at(node);
    struct index_entry entry;

    return index_get(stream_applied(stream)->index, sequence, &entry) &&
           entry.place >> 32 != LOG_FILE_NONE;
}

START_TEST(what_the_leader_has_damaged_itself_comes_from_a_third)
{
    begin(1);
    rot(leader, ROTTEN);
    world_start(&world, away);
    sim_run(world.sim, 10 * SECOND);
    ck_assert(world_logged(&world.servers[away], "taken from another replica"));
    ck_assert(world_logged(&world.servers[leader], "found as another server asked for it"));
    ck_assert(is_there(away, ROTTEN));
    ck_assert(is_there(leader, ROTTEN));
    ck_assert_uint_eq(stream_applied(stream_at(away))->lost.count, 0);
    ck_assert_uint_eq(stream_applied(stream_at(leader))->lost.count, 0);
    world_end(&world);
}
END_TEST

/* The block has them, the leader does not any more, and the log says so further on. */
START_TEST(what_has_left_the_stream_meanwhile_is_not_missed)
{
    begin(2);
    ask("$JS.API.STREAM.PURGE.S", "{\"seq\":600}", "\"success\":true");
    world_start(&world, away);
    sim_run(world.sim, 10 * SECOND);
    ck_assert(world_logged(&world.servers[away], "taken from another replica"));
    ck_assert(!world_logged(&world.servers[away], "is damaged on disk"));
    ck_assert_uint_eq(stream_state_messages(stream_applied(stream_at(away))), EARLY + LATE - 599);
    ck_assert_uint_eq(stream_applied(stream_at(away))->lost.count, 0);
    world_end(&world);
}
END_TEST

/* ---- reading --------------------------------------------------------------------------------- */

START_TEST(who_asks_for_what_is_damaged_gets_it_when_another_has_given_it_back)
{
    begin(3);
    world_start(&world, away);
    sim_run(world.sim, 10 * SECOND);
    rot(leader, ROTTEN);
    ask("$JS.API.STREAM.MSG.GET.S", "{\"seq\":240}", "\"data\":");
    ck_assert(world_logged(&world.servers[leader], "whole again"));
    ask("$JS.API.STREAM.MSG.GET.S", "{\"seq\":240}", "\"data\":");
    world_end(&world);
}
END_TEST

/* Whoever asks then is not kept waiting again. */
START_TEST(what_nobody_has_is_said_to_be_damaged_once_all_were_asked)
{
    int64_t from_ns;

    begin(4);
    world_start(&world, away);
    sim_run(world.sim, 10 * SECOND);
    for (size_t i = 0; i < 3; i++)
        rot(i, EARLY / 2);
    ask("$JS.API.STREAM.MSG.GET.S", "{\"seq\":20}", "message damaged");
    from_ns = sim_now(world.sim);
    ask("$JS.API.STREAM.MSG.GET.S", "{\"seq\":20}", "message damaged");
    ck_assert_int_lt(sim_now(world.sim) - from_ns, 100 * MS);
    ask("$JS.API.STREAM.MSG.GET.S", "{\"seq\":21}", "\"data\":");
    world_end(&world);
}
END_TEST

/* Who builds something from it would think that it is whole. */
START_TEST(a_batch_ends_with_an_error_at_what_is_damaged)
{
    begin(6);
    world_start(&world, away);
    sim_run(world.sim, 10 * SECOND);
    for (size_t i = 0; i < 3; i++)
        rot(i, EARLY / 2);
    buf_clear(&t->in);
    ask("$JS.API.DIRECT.GET.S", "{\"seq\":15,\"batch\":10}", "Nats-Sequence: 19\r\n");
    await(&world, t, "NATS/1.0 500 Message Damaged\r\nNats-Sequence: 20\r\n\r\n");
    sim_run(world.sim, 5 * SECOND);
    ck_assert(!heard(t, "Nats-Sequence: 21\r\n"));
    ck_assert(!heard(t, "204 EOB"));
    ask("$JS.API.DIRECT.GET.S", "{\"seq\":21,\"batch\":10}", "204 EOB");
    world_end(&world);
}
END_TEST

/* ---- mirrors --------------------------------------------------------------------------------- */

static void mirror(void)
{
    ask("$JS.API.STREAM.CREATE.M",
        "{\"name\":\"M\",\"num_replicas\":3,\"mirror\":{\"name\":\"S\"}}", "\"did_create\":true");
    sim_run(world.sim, 20 * SECOND);
    buf_clear(&t->in);
}

START_TEST(a_mirror_takes_what_another_replica_gives_back)
{
    begin(10);
    world_start(&world, away);
    sim_run(world.sim, 10 * SECOND);
    rot(leader, ROTTEN);
    mirror();
    ask("$JS.API.STREAM.INFO.M", "", "\"messages\":940,");
    ck_assert(!heard(t, "10051"));
    ck_assert(world_logged(&world.servers[leader], "whole again"));
    world_end(&world);
}
END_TEST

START_TEST(a_mirror_waits_for_what_nobody_has_and_says_so)
{
    begin(11);
    world_start(&world, away);
    sim_run(world.sim, 10 * SECOND);
    for (size_t i = 0; i < 3; i++)
        rot(i, ROTTEN);
    mirror();
    ask("$JS.API.STREAM.INFO.M", "", "\"messages\":239,");
    ask("$JS.API.STREAM.INFO.M", "",
        "\"error\":{\"code\":500,\"err_code\":10051,\"description\":\"message 240 is damaged at "
        "the origin\"}");
    ask("$JS.API.STREAM.MSG.DELETE.S", "{\"seq\":240,\"no_erase\":true}", "\"success\":true");
    sim_run(world.sim, 5 * SECOND);
    buf_clear(&t->in);
    ask("$JS.API.STREAM.INFO.M", "", "\"messages\":939,");
    ck_assert(!heard(t, "10051"));
    world_end(&world);
}
END_TEST

/* ---- schedules ------------------------------------------------------------------------------- */

static void rot_all(uint64_t sequence)
{
    for (size_t i = 0; i < 3; i++)
        rot(i, sequence);
}

/* When it is due nobody has that message; later it can be read again. */
static void meets_damage(uint64_t seed, uint64_t sequence)
{
    scheduled = "PUB s.source 7\r\nwritten\r\n"
                "HPUB s.plan 101 104\r\nNATS/1.0\r\nNats-Schedule: @every 90s\r\n"
                "Nats-Schedule-Target: s.made\r\nNats-Schedule-Source: s.source\r\n\r\nown\r\n";
    begin(seed);
    scheduled = NULL;
    world_start(&world, away);
    sim_run(world.sim, 10 * SECOND);
    rot_all(sequence);
    sim_run(world.sim, 120 * SECOND);
    ck_assert(world_logged(&world.servers[leader], "is damaged on disk"));
    ask("$JS.API.STREAM.MSG.GET.S", "{\"last_by_subj\":\"s.made\"}", "10037");
    rot_all(sequence); /* that undoes it */
    sim_run(world.sim, 200 * SECOND);
    t = talk(&world, 2, leader);
    say(t, "SUB _R.> 1\r\n");
    ask("$JS.API.STREAM.MSG.GET.S", "{\"last_by_subj\":\"s.made\"}", "\"data\":\"d3JpdHRlbg==\"");
    world_end(&world);
}

START_TEST(a_schedule_that_is_damaged_for_a_while_is_not_forgotten)
{
    meets_damage(7, 2);
}
END_TEST

START_TEST(a_schedule_whose_source_is_damaged_does_not_send_what_is_its_own)
{
    meets_damage(8, 1);
}
END_TEST

/* ---- counters -------------------------------------------------------------------------------- */

static size_t find_leader(void)
{
    size_t i = 0;

    while (!stream_leads(stream_at(i)))
        i++;
    return i;
}

static void talk_again(unsigned talker)
{
    t = talk(&world, talker, leader);
    say(t, "SUB _R.> 1\r\n");
}

static void count(const char *subject, const char *answer)
{
    sayf(t, "HPUB %s _R.0 26 26\r\nNATS/1.0\r\nNats-Incr: 1\r\n\r\n\r\n", subject);
    await(&world, t, answer);
}

/* Who leads now has not counted itself, and reads. */
static void begin_counters(uint64_t seed)
{
    begin(seed);
    world_start(&world, away);
    sim_run(world.sim, 10 * SECOND);
    name = "C";
    ask("$JS.API.STREAM.CREATE.C",
        "{\"name\":\"C\",\"subjects\":[\"c.*\"],\"num_replicas\":3,\"allow_msg_counter\":true}",
        "\"did_create\":true");
    count("c.first", "\"val\":\"1\"");
    for (int i = 0; i < 300; i++)
        count("c.more", "\"val\":");
    leader = find_leader();
    world_kill(&world, leader, SIM_CRASH_KILL);
    world_start(&world, leader);
    sim_run(world.sim, 20 * SECOND);
    leader = find_leader();
    talk_again(2);
}

START_TEST(a_counter_that_was_damaged_goes_on_when_it_is_given_back)
{
    begin_counters(9);
    rot_all(1);
    count("c.first", "message counter is broken");
    for (size_t i = 0; i < 3; i++) {
        if (i != leader)
            rot(i, 1); /* that undoes it */
    }
    sim_run(world.sim, 500 * SECOND);
    ck_assert(world_logged(&world.servers[leader], "whole again"));
    talk_again(3);
    count("c.first", "\"val\":\"2\"");
    name = "S";
    world_end(&world);
}
END_TEST

/* Memory is what they wait in. */
START_TEST(no_more_than_so_many_wait_for_what_is_damaged)
{
    uint32_t most = 0;

    begin(5);
    world_start(&world, away);
    sim_run(world.sim, 10 * SECOND);
    ask("$JS.API.STREAM.UPDATE.S",
        "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"num_replicas\":3,\"allow_direct\":true}",
        "\"config\"");
    for (size_t i = 0; i < 3; i++)
        rot(i, EARLY / 2);
    for (unsigned i = 0; i < 3 * STREAM_HELD_MAX; i++)
        say(t, "PUB $JS.API.DIRECT.GET.S _N 10\r\n{\"seq\":20}\r\n");
    for (int i = 0; i < 20000; i++) {
        uint32_t count = stream_at(leader)->held.count;

        ck_assert(sim_step(world.sim));
        most = count > most ? count : most;
    }
    ck_assert_uint_eq(most, STREAM_HELD_MAX);
    sim_run(world.sim, 3 * SECOND);
    ck_assert_uint_eq(stream_at(leader)->held.count, 0);
    world_end(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {what_the_leader_has_damaged_itself_comes_from_a_third,
                            what_has_left_the_stream_meanwhile_is_not_missed,
                            who_asks_for_what_is_damaged_gets_it_when_another_has_given_it_back,
                            what_nobody_has_is_said_to_be_damaged_once_all_were_asked,
                            no_more_than_so_many_wait_for_what_is_damaged,
                            a_batch_ends_with_an_error_at_what_is_damaged,
                            a_mirror_takes_what_another_replica_gives_back,
                            a_mirror_waits_for_what_nobody_has_and_says_so,
                            a_schedule_that_is_damaged_for_a_while_is_not_forgotten,
                            a_schedule_whose_source_is_damaged_does_not_send_what_is_its_own,
                            a_counter_that_was_damaged_goes_on_when_it_is_given_back};

    return UNIT_RUN_PLAIN("damage_replicas", tests);
}
