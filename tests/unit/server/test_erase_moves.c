/*
 * Messages that are deleted for their bytes to go while others are moved out of files that are
 * mostly dead, and state blocks are taken down: none of the three waits for another for ever.
 */
#include <stdio.h>

#include "base/io_sim.h"
#include "base/prng.h"
#include "server/jetstream/jetstream_priv.h"
#include "server/server_priv.h"
#include "tests/quiet.h"
#include "tests/sim/client.c" /* a unit test links archives only */
#include "tests/sim/leaks.h"
#include "tests/unit/unit.h"

#define PORT        4222
#define MILLISECOND INT64_C(1000000)

static struct {
    struct sim *sim;
    size_t node, clients;
    struct server *server;
    struct options options;
    struct logger logger;
    struct sim_client client;
    struct prng prng;
    unsigned asked, answered;
    uint64_t deleted, last;
} s;

static void on_message(void *context, const struct client_message *message)
{
    (void)context;
    s.answered += bytes_starts(message->subject, BYTES("_R."));
}

static void run_ms(int64_t ms)
{
    sim_run(s.sim, ms * MILLISECOND);
}

static void say(const char *subject, const char *body)
{
    s.asked++;
    sim_client_publish(&s.client, subject, "_R.q", "", bytes_of_text(body));
}

static void settle(void)
{
    for (int i = 0; i < 20000 && s.answered < s.asked; i++)
        run_ms(1);
    ck_assert_uint_eq(s.answered, s.asked);
}

static void begin(uint64_t seed)
{
    memset(&s, 0, sizeof s);
    prng_seed(&s.prng, seed);
    s.sim = sim_create(seed);
    s.node = sim_node_add(s.sim);
    s.clients = sim_node_add(s.sim);
    options_default(&s.options);
    snprintf(s.options.host, sizeof s.options.host, "127.0.0.1");
    s.options.port = PORT;
    s.options.jetstream = true;
    s.options.sim.block_bytes = 8 << 10;
    s.options.sim.segment_size = 32 << 10;
    s.options.sim.space_look_ns = 20 * MILLISECOND;
    quiet_init(&s.logger);
    sim_client_init(&s.client, s.sim, sim_node_io(s.sim, s.clients), on_message, NULL);
    ck_assert_int_eq(server_start(sim_node_io(s.sim, s.node), &s.options, &s.logger, &s.server),
                     OK);
    sim_client_connect(&s.client, s.node, PORT, "_R.>");
    run_ms(20);
    say("$JS.API.STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s.*\"]}");
    settle();
}

static void end(void)
{
    server_destroy(s.server);
    sim_destroy(s.sim);
    sim_client_deinit(&s.client);
}

static void publish(unsigned count)
{
    for (unsigned i = 0; i < count; i++, s.last++)
        sim_client_publish(&s.client, "s.a", "", "", BYTES("a message of some size, as they are"));
}

/* Three of four of what is old. */
static void delete (unsigned count)
{
    char body[64];

    for (unsigned i = 0; i < count && s.deleted + 100 < s.last; i++) {
        if (++s.deleted % 4 == 0)
            continue;
        snprintf(body, sizeof body, "{\"seq\":%llu}", (unsigned long long)s.deleted);
        say("$JS.API.STREAM.MSG.DELETE.S", body);
    }
}

START_TEST(deletions_are_answered_while_messages_move_and_blocks_are_taken_down)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        begin(seed);
        for (unsigned i = 0; i < 1500; i++) {
            publish((unsigned)prng_below(&s.prng, 8));
            delete ((unsigned)prng_below(&s.prng, 10));
            run_ms((int64_t)prng_below(&s.prng, 5));
        }
        settle();
        end();
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {deletions_are_answered_while_messages_move_and_blocks_are_taken_down};

    return UNIT_RUN_PLAIN("erase_moves", tests);
}
