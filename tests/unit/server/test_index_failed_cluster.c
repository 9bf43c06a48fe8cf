/*
 * Scratch memory of three replicas fails, again and again, while they take messages and while one
 * takes the state of another: each makes its index again, and in the end all have what was
 * acknowledged.
 */
#include "base/prng.h"
#include "base/scratch.h"
#include "server/jetstream/jetstream_priv.h"
#include "server/stream/stream_priv.h"
#include "tests/unit/server/cluster_world.h"

#define MESSAGES 200u /* before and after, each */
#define MISSED   700u
#define SEEDS    12u

static struct world world;
static struct talker *t;

static struct stream *stream_at(size_t i)
{
    const struct server *server = world.servers[i].server;
    const struct catalogue_entry *entry;

    if (server == NULL)
        return NULL;
    entry = catalogue_named(&server->jetstream->catalogue, BYTES("$G"), BYTES("S"));
    return entry != NULL ? entry->stream : NULL;
}

static void begin(uint64_t seed)
{
    world_init(&world, seed, 3);
    for (size_t i = 0; i < 3; i++) {
        struct options *options = &world.servers[i].options;

        options->jetstream = true;
        options->sim.block_bytes = 8 << 10;
        options->sim.segment_size = 32 << 10;
        options->sim.index_bits = 1 + seed % 4;
        world_start(&world, i);
    }
    world_mesh(&world);
    sim_run(world.sim, 10 * SECOND);
    t = talk(&world, 0, 0);
    say(t, "SUB _R.> 1\r\nSUB _I.> 2\r\n");
    sayf(t, "PUB $JS.API.STREAM.CREATE.S _R.0 52\r\n%s\r\n",
         "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"num_replicas\":3    }");
    await(&world, t, "\"did_create\":true");
    sim_run(world.sim, SECOND);
}

/* It fails at one of the next calls of some index of that server. */
static void spoil(struct prng *prng)
{
    struct stream *stream = stream_at((size_t)prng_below(prng, 3));

    if (stream != NULL && stream->state.scratch != NULL)
        scratch_twin_fails(stream->state.scratch, 1 + (unsigned)prng_below(prng, 20));
}

static unsigned logged(const char *text)
{
    unsigned count = 0;

    for (size_t i = 0; i < 3; i++) {
        struct buf *log = &world.servers[i].log;

        for (struct bytes rest = buf_bytes(log);;) {
            const uint8_t *at = memmem(rest.at, rest.size, text, strlen(text));

            if (at == NULL)
                break;
            count++;
            rest = bytes_skip(rest, (size_t)(at - rest.at) + 1);
        }
    }
    return count;
}

/* Its client asks until it is acknowledged: once is enough. */
static void publish(struct prng *prng, unsigned number)
{
    for (unsigned i = 0; !heard(t, "\"stream\":\"S\",\"seq\":"); i++) {
        ck_assert_uint_lt(i, 600);
        if (i % 10 == 0)
            sayf(t, "HPUB s.%u _R.%u 33 73\r\nNATS/1.0\r\nNats-Msg-Id: %6u\r\n\r\n%040u\r\n",
                 number % 7, number, number, number);
        say(t, "PUB $JS.API.STREAM.INFO.S _I.0 0\r\n\r\n");
        sim_run(world.sim, 50 * MS);
        ck_assert(!heard(t, "\"err_code\":10059"));
        ck_assert(number == 1 || !heard(t, "\"messages\":0,"));
        if (heard(t, "\"error\"") || heard(t, "NATS/1.0 503"))
            buf_clear(&t->in);
    }
    buf_clear(&t->in);
    if (prng_chance(prng, 1, 20))
        spoil(prng);
}

static void miss_some(struct prng *prng, unsigned *number)
{
    world_kill(&world, 2, SIM_CRASH_KILL);
    for (unsigned i = 0; i < MISSED; i++)
        publish(prng, (*number)++);
    world_start(&world, 2);
    for (unsigned i = 0; i < 150; i++) {
        struct stream *stream = stream_at(2);

        sim_run(world.sim, (int64_t)(1 + prng_below(prng, 30)) * MS);
        if (stream != NULL && stream == stream_at(2) && prng_chance(prng, 1, 10) &&
            stream->state.scratch != NULL)
            scratch_twin_fails(stream->state.scratch, 1 + (unsigned)prng_below(prng, 20));
    }
}

static void check_all(unsigned count)
{
    for (size_t i = 0; i < 3; i++) {
        struct stream *stream = stream_at(i);

        ck_assert_ptr_nonnull(stream);
        ck_assert(!stream_failed(stream));
        ck_assert_uint_eq(stream_state_messages(stream_applied(stream)), count);
        ck_assert_uint_eq(stream_applied(stream)->last_seq, count);
        ck_assert_uint_eq(stream_applied(stream)->lost.count, 0);
    }
}

START_TEST(what_was_acknowledged_is_there_on_all)
{
    unsigned failures = 0, taken = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct prng prng;
        unsigned number = 1;

        prng_seed(&prng, seed);
        begin(seed);
        while (number < MESSAGES)
            publish(&prng, number++);
        miss_some(&prng, &number);
        while (number < 2 * MESSAGES + MISSED)
            publish(&prng, number++);
        for (size_t i = 0; i < 3; i++) {
            if (stream_at(i) != NULL)
                scratch_twin_fails(stream_at(i)->state.scratch, 0);
        }
        sim_run(world.sim, 20 * SECOND);
        check_all(number - 1);
        failures += logged("its index cannot be read");
        taken += logged("taken from another replica");
        world_end(&world);
    }
    ck_assert_uint_gt(failures, 3 * SEEDS);
    ck_assert_uint_gt(taken, SEEDS / 2);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {what_was_acknowledged_is_there_on_all};

    return UNIT_RUN_PLAIN("index_failed_cluster", tests);
}
