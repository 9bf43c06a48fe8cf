/*
 * The space of what leaves a stream that does not grow any more: it comes back whatever part of it
 * left when.
 */
#include <stdio.h>

#include "base/heap.h"
#include "base/prng.h"
#include "server/jetstream/jetstream_priv.h"
#include "tests/sim/client.c" /* a unit test links archives only */
#include "tests/unit/server/stream_world.h"

#define PORT        4222
#define MILLISECOND INT64_C(1000000)
#define MESSAGES    6000u
#define SIZE        6000

static struct {
    struct world world;
    struct sim_client client;
    struct prng prng;
    uint32_t *order; /* sequences that live, as they are to leave */
    unsigned left, asked, answered;
} s;

static void on_message(void *context, const struct client_message *message)
{
    (void)context;
    s.answered += bytes_starts(message->subject, BYTES("_R."));
}

static void run_ms(int64_t ms)
{
    sim_run(s.world.sim, ms * MILLISECOND);
}

static void say(const char *subject, const char *body)
{
    s.asked++;
    sim_client_publish(&s.client, subject, "_R.q", "", bytes_of_text(body));
    for (int i = 0; i < 20000 && s.answered + 200 < s.asked; i++)
        run_ms(1);
}

static void all_answered(void)
{
    for (int i = 0; i < 60000 && s.answered < s.asked; i++)
        run_ms(1);
    ck_assert_uint_eq(s.answered, s.asked);
}

static void shuffle(void)
{
    s.order = heap_take(MESSAGES * sizeof s.order[0]);
    for (uint32_t i = 0; i < MESSAGES; i++)
        s.order[i] = i + 1;
    for (uint32_t i = MESSAGES; i > 1; i--) {
        uint32_t j = (uint32_t)prng_below(&s.prng, i), at = s.order[j];

        s.order[j] = s.order[i - 1];
        s.order[i - 1] = at;
    }
}

static void begin(uint64_t seed)
{
    char body[SIZE + 1];

    memset(&s, 0, sizeof s);
    prng_seed(&s.prng, seed);
    world_init(&s.world, seed);
    s.world.options.jetstream = true;
    s.world.options.sim.block_bytes = 4 << 20;
    s.world.options.sim.segment_size = 2 << 20;
    s.world.options.sim.space_look_ns = 50 * MILLISECOND;
    world_start(&s.world);
    sim_client_init(&s.client, s.world.sim, sim_node_io(s.world.sim, s.world.peers_node),
                    on_message, NULL);
    sim_client_connect(&s.client, s.world.server_node, PORT, "_R.>");
    run_ms(20);
    say("$JS.API.STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s.*\"]}");
    all_answered();
    memset(body, 'x', SIZE);
    body[SIZE] = '\0';
    for (unsigned i = 0; i < MESSAGES; i++)
        say("s.a", body);
    all_answered();
    ck_assert_uint_eq(stream_applied(stream_of(&s.world))->last_seq, MESSAGES);
    shuffle();
}

static void end(void)
{
    heap_give(s.order);
    sim_client_deinit(&s.client);
    world_deinit(&s.world);
}

/* The bytes stay until their space is given back. */
static void delete_upto(unsigned count)
{
    char body[64];

    for (; s.left < count; s.left++) {
        snprintf(body, sizeof body, "{\"seq\":%u,\"no_erase\":true}", s.order[s.left]);
        say("$JS.API.STREAM.MSG.DELETE.S", body);
    }
    all_answered();
}

static uint64_t on_disk(void)
{
    struct log *log = replica_log(stream_of(&s.world)->replica);
    struct log_file_info info;
    uint64_t bytes = 0;

    for (uint32_t i = 0; log_file_next(log, i, &info); i = info.ordinal + 1)
        bytes += info.used;
    for (uint32_t i = LOG_KEEP_FIRST; log_keep_next(log, i, &info); i = info.ordinal + 1)
        bytes += info.used;
    return bytes;
}

/* A tenth more than what lives, and what a stream with next to nothing needs. */
static uint64_t wanted(void)
{
    uint64_t living = (uint64_t)(MESSAGES - s.left) * (SIZE + 64);

    return living + living / 10 + stream_space_least(stream_of(&s.world)) * 5 / 4;
}

static void comes_back(void)
{
    for (int i = 0; i < 6000 && on_disk() > wanted(); i++)
        run_ms(10);
    ck_assert_msg(on_disk() <= wanted(), "%llu bytes, wanted %llu", (unsigned long long)on_disk(),
                  (unsigned long long)wanted());
}

/* What the disk is taken for, in the end: what lives, and little else. */
static void is_explained(void)
{
    struct stream *stream = stream_of(&s.world);
    uint64_t bytes[SPACE_REASONS], sum = 0, living = (uint64_t)(MESSAGES - s.left) * SIZE;

    stream_space_reasons(stream, bytes);
    for (size_t i = 0; i < SPACE_REASONS; i++)
        sum += bytes[i];
    ck_assert_uint_eq(sum, log_bytes(replica_log(stream->replica)));
    ck_assert_uint_ge(bytes[SPACE_MESSAGES], living);
    ck_assert_uint_le(bytes[SPACE_MESSAGES], living + living / 50);
    ck_assert_uint_eq(bytes[SPACE_HELD], 0);
}

START_TEST(what_has_left_comes_back_whatever_part_it_is)
{
    static const unsigned shares[] = {50, 90, 99};

    begin(1);
    for (size_t i = 0; i < 3; i++) {
        delete_upto(MESSAGES / 100 * shares[i]);
        comes_back();
        is_explained();
    }
    end();
}
END_TEST

/* More leave each time some of it has just been given back, and the less there was is not reached
 * again. */
START_TEST(so_does_what_leaves_while_space_is_given_back)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        begin(seed);
        delete_upto(MESSAGES / 2);
        for (int i = 0; i < 6000 && !stream_of(&s.world)->blocks.space.all; i++)
            run_ms(10);
        ck_assert(stream_of(&s.world)->blocks.space.all);
        for (unsigned share = 54; share < 100; share += 5) {
            delete_upto(MESSAGES / 100 * share);
            run_ms(100);
        }
        comes_back();
        is_explained();
        end();
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {what_has_left_comes_back_whatever_part_it_is,
                            so_does_what_leaves_while_space_is_given_back};

    return UNIT_RUN_PLAIN("space", tests);
}
