/*
 * A stream of one replica gets three. Then the log of the first one is cut short in front of the
 * entry that took the others in: by what is left it is alone, and it must not lead beside them.
 */
#include "server/jetstream/jetstream_priv.h"
#include "server/stream/stream_priv.h"
#include "storage/paths.h"
#include "tests/unit/server/cut_short.h"

#define ALONE 20u
#define MORE  200u

static struct world world;

static struct catalogue_entry *entry_at(size_t i)
{
    return catalogue_named(&world.servers[i].server->jetstream->catalogue, BYTES("$G"), BYTES("S"));
}

static const struct stream_state *state_at(size_t i)
{
    const struct catalogue_entry *entry = entry_at(i);

    ck_assert_ptr_nonnull(entry);
    ck_assert_ptr_nonnull(entry->stream);
    return stream_applied(entry->stream);
}

static bool is_alone(size_t i)
{
    const struct catalogue_entry *entry = entry_at(i);

    return entry != NULL && entry->stream != NULL && stream_leads(entry->stream) &&
           replica_members(stream_replica(entry->stream))->count == 1;
}

static void ask(struct talker *t, const char *subject, const char *body, const char *answer)
{
    sayf(t, "PUB %s _R.0 %zu\r\n%s\r\n", subject, strlen(body), body);
    await(&world, t, answer);
}

static void publish(struct talker *t, const char *subject, unsigned count, const char *word)
{
    for (unsigned i = 0; i < count; i++) {
        sayf(t, "PUB %s _R.1 3000\r\n%s%02990u\r\n", subject, word, i);
        await(&world, t, "\"seq\":");
    }
}

static size_t holder(void)
{
    for (size_t i = 0; i < world.count; i++) {
        if (entry_at(i) != NULL && entry_at(i)->stream != NULL)
            return i;
    }
    ck_abort_msg("nobody holds it");
}

static struct talker *begin(void)
{
    struct talker *t;

    world_init(&world, 1, 3);
    for (size_t i = 0; i < 3; i++) {
        world.servers[i].options.jetstream = true;
        world.servers[i].options.sim.journal_file_size = 64 << 10; /* what it had is soon gone */
    }
    world_start_all(&world);
    world_mesh(&world);
    sim_run(world.sim, 10 * SECOND);
    t = talk(&world, 0, 1);
    say(t, "SUB _R.> 1\r\n");
    ask(t, "$JS.API.STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"num_replicas\":1}",
        "\"did_create\":true");
    publish(t, "s.a", ALONE, "wordalone0");
    publish(t, "s.a", 1, "wordbefore");
    return t;
}

static void come_back_without_the_end(struct talker *t, size_t first)
{
    struct path path =
        path_segment("millrace", stream_id(entry_at(first)->stream),
                     log_file_id(replica_log(stream_replica(entry_at(first)->stream)), 0));

    io_sock_close(t->io, t->sock, false);
    rest(&world);
    world_kill_all(&world);
    world_cut_short(&world, first, path.text, "wordbefore");
    world_start_all(&world);
}

static void lose_its_end(bool journal)
{
    struct talker *t = begin();
    size_t first = holder();

    ask(t, "$JS.API.STREAM.UPDATE.S", "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"num_replicas\":3}",
        "\"config\"");
    sim_run(world.sim, 10 * SECOND);
    publish(t, "s.a", MORE, "wordbehind");
    if (!journal) {
        ask(t, "$JS.API.STREAM.CREATE.T",
            "{\"name\":\"T\",\"subjects\":[\"t\"],\"num_replicas\":3}", "\"did_create\":true");
        publish(t, "t", MORE, "wordbehind"); /* the journal has nothing of the other any more */
    }
    sim_run(world.sim, 10 * SECOND);
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(state_at(i)->last_seq, ALONE + 1 + MORE);
    come_back_without_the_end(t, first);
    for (unsigned i = 0; i < 3000; i++) {
        sim_run(world.sim, 10 * MS);
        ck_assert(!is_alone(first));
    }
    ck_assert(world_logged(&world.servers[first], "was cut short"));
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(state_at(i)->last_seq, ALONE + 1 + MORE);
    world_end(&world);
}

START_TEST(it_gets_what_it_lost_from_those_it_took_in)
{
    lose_its_end(false);
}
END_TEST

/* The journal gives back what is behind that entry, and the catalogue's last one is not known to be
 * committed. */
START_TEST(it_waits_for_those_it_may_have_taken_in)
{
    lose_its_end(true);
}
END_TEST

START_TEST(one_that_is_alone_leads_all_the_same)
{
    struct talker *t = begin();
    size_t first = holder();

    publish(t, "s.a", MORE, "wordbehind");
    come_back_without_the_end(t, first);
    sim_run(world.sim, 30 * SECOND);
    ck_assert(world_logged(&world.servers[first], "damaged on disk"));
    ck_assert(is_alone(first));
    world_end(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {it_gets_what_it_lost_from_those_it_took_in,
                            it_waits_for_those_it_may_have_taken_in,
                            one_that_is_alone_leads_all_the_same};

    return UNIT_RUN_PLAIN("stream_grown", tests);
}
