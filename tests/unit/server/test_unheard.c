/* A stream on another shard than home's leads no more, and home has not heard it: whoever asks
 * something of it is heard all the same, and answered by the next leader (or told to ask again,
 * when that has not begun to lead). */
#define WORLD_SHARDS 2u

#include "server/jetstream/jetstream_priv.h"
#include "server/stream/stream_priv.h"
#include "tests/unit/server/cluster_world.h"

#define NODES 3u
#define MOVES 12u

static struct world world;
static struct talker *t;
static unsigned asked;

static const char *const names[] = {"A", "B"};
static const char *name; /* of the one that is on the further shard, on all nodes */

static struct catalogue_entry *entry_at(size_t i)
{
    return catalogue_named(&world.servers[i].server->jetstream->catalogue, BYTES("$G"),
                           bytes_of_text(name));
}

static struct stream *stream_at(size_t i)
{
    struct catalogue_entry *entry = entry_at(i);

    return entry != NULL ? entry->stream : NULL;
}

static void api(const char *subject, const char *body)
{
    sayf(t, "PUB $JS.API.%s _R.api %zu\r\n%s\r\n", subject, strlen(body), body);
}

static void make_stream(const char *of)
{
    char subject[64], body[256];

    snprintf(subject, sizeof subject, "STREAM.CREATE.%s", of);
    snprintf(body, sizeof body,
             "{\"name\":\"%s\",\"subjects\":[\"%s\"],\"num_replicas\":3,\"allow_direct\":true}", of,
             of);
    api(subject, body);
    await(&world, t, "\"did_create\":true");
    sayf(t, "PUB %s _R.pub 1\r\nx\r\n", of);
    await(&world, t, "\"seq\":1");
    snprintf(subject, sizeof subject, "CONSUMER.CREATE.%s.C", of);
    snprintf(body, sizeof body,
             "{\"stream_name\":\"%s\",\"config\":{\"durable_name\":\"C\",\"ack_policy\":"
             "\"explicit\"}}",
             of);
    api(subject, body);
    await(&world, t, "\"ack_policy\":\"explicit\"");
}

static void begin(void)
{
    world_init(&world, 3, NODES);
    for (size_t i = 0; i < NODES; i++) {
        world.servers[i].options.jetstream = true;
        world_start(&world, i);
    }
    world_mesh(&world);
    sim_run(world.sim, 10 * SECOND);
    t = talk(&world, 0, 0);
    say(t, "SUB _R.> 1\r\n");
    for (size_t i = 0; i < 2; i++) {
        make_stream(names[i]);
        name = names[i];
        sim_run(world.sim, SECOND);
        if (stream_lane_of(stream_at(0))->shard > 0)
            return;
    }
    ck_abort_msg("none of two streams is on the further shard");
}

/* As a client of that shard would; how many have heard it. */
static size_t ask(struct stream *stream, const char *subject, const char *body, const char *reply)
{
    struct message message = {.subject = bytes_of_text(subject),
                              .reply = bytes_of_text(reply),
                              .payload = bytes_of_text(body)};

    return router_publish(stream_router(stream), stream->account, &message);
}

static void ask_all(struct stream *stream)
{
    char subject[128], reply[32];

    snprintf(subject, sizeof subject, "$JS.API.DIRECT.GET.%s", name);
    snprintf(reply, sizeof reply, "_R.asked.%u", asked++);
    ck_assert_uint_eq(ask(stream, subject, "{\"seq\":1}", reply), 1);
    snprintf(subject, sizeof subject, "$JS.API.DIRECT.GET.%s.%s", name, name);
    snprintf(reply, sizeof reply, "_R.asked.%u", asked++);
    ck_assert_uint_eq(ask(stream, subject, "", reply), 1);
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT.%s.C", name);
    ck_assert_uint_eq(ask(stream, subject, "{\"batch\":1,\"no_wait\":true}", "_R.next"), 1);
    snprintf(subject, sizeof subject, "$JS.ACK.%s.C.1.1.1.1700000000000000000.0", name);
    ck_assert_uint_eq(ask(stream, subject, "+ACK", "_R.ack"), 1);
}

static size_t leader(void)
{
    for (unsigned tries = 0; tries < 1000; tries++) {
        for (size_t i = 0; i < NODES; i++)
            if (stream_at(i)->lead && entry_at(i)->leads)
                return i;
        sim_run(world.sim, 50 * MS);
    }
    ck_abort_msg("nobody leads");
}

/* From one leader to the next; true: it was asked when home had not heard it. */
static bool move(void)
{
    size_t from = leader();
    struct stream *stream = stream_at(from);
    bool met = false;
    char subject[64];

    snprintf(subject, sizeof subject, "STREAM.LEADER.STEPDOWN.%s", name);
    api(subject, "");
    while (stream->lead)
        ck_assert(sim_step(world.sim));
    for (; entry_at(from)->leads && !stream->lead; met = true) {
        ask_all(stream);
        ck_assert(sim_step(world.sim));
    }
    sim_run(world.sim, 2 * SECOND);
    return met;
}

START_TEST(whoever_asks_a_leader_that_leads_no_more_is_answered_by_the_next)
{
    unsigned met = 0;

    begin();
    for (unsigned i = 0; i < MOVES; i++)
        met += move();
    ck_assert_uint_gt(met, 0);
    sim_run(world.sim, 5 * SECOND);
    for (unsigned i = 0; i < asked; i++) {
        char reply[40];

        snprintf(reply, sizeof reply, "MSG _R.asked.%u 1 ", i);
        ck_assert_msg(heard(t, reply), "%s", reply);
    }
    ck_assert(heard(t, "Nats-Sequence: 1"));
    world_end(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {whoever_asks_a_leader_that_leads_no_more_is_answered_by_the_next};

    return UNIT_RUN_PLAIN("unheard", tests);
}
