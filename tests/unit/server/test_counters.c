/* What counters promise, asked of a whole server: every increment is in the sum once, whatever is
 * in flight, on a slow disk, or was there before a restart. Refusals and the bytes that are stored
 * are compared with the reference's in tests/e2e/differential. */
#include "base/prng.h"
#include "server/stream/header_block.h"
#include "tests/sim/leaks.h"
#include "tests/unit/server/stream_world.h"

#define COUNTER ",\"allow_msg_counter\":true"

static void add_increment(struct lines *lines, const char *subject, int value)
{
    char headers[100];
    int size = snprintf(headers, sizeof headers, "NATS/1.0\r\nNats-Incr: %d\r\n\r\n", value);

    lines->size += (size_t)snprintf(lines->text + lines->size, sizeof lines->text - lines->size,
                                    "HPUB %s in.ack %d %d\r\n%s\r\n", subject, size, size, headers);
}

static void increment(struct world *world, struct peer *peer, const char *subject, int value,
                      int times)
{
    struct lines lines = {.size = 0};

    for (int i = 0; i < times; i++)
        add_increment(&lines, subject, value);
    lines_say(&lines, world, peer);
}

static bool says(struct peer *peer, uint64_t sequence, int value)
{
    char text[100];

    snprintf(text, sizeof text, "{\"stream\":\"S\",\"seq\":%llu,\"val\":\"%d\"}",
             (unsigned long long)sequence, value);
    return peer_has(peer, text);
}

START_TEST(increments_that_come_together_are_all_in_the_sum)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 1, COUNTER);
    struct lines lines = {.size = 0};

    for (int i = 0; i < 100; i++)
        add_increment(&lines, i % 2 == 0 ? "s.a" : "s.b", 1 + i % 2);
    lines_say(&lines, &world, peer);
    for (int i = 0; i < 100; i++)
        ck_assert(says(peer, (uint64_t)i + 1, (i / 2 + 1) * (1 + i % 2)));
    world_deinit(&world);
}
END_TEST

START_TEST(a_sum_goes_on_after_a_restart)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 2, COUNTER);

    increment(&world, peer, "s.a", 5, 4);
    world_kill(&world);
    peer = peer_connect(&world, 1, 4222);
    settle(&world);
    peer_say(&world, peer, "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB in.* 1\r\n");
    increment(&world, peer, "s.a", 5, 2);
    ck_assert(says(peer, 5, 25) && says(peer, 6, 30));
    world_deinit(&world);
}
END_TEST

/* After a restart nothing is known, and nothing is in memory. */
START_TEST(publishes_wait_in_order_for_a_last_message_that_is_on_the_disk)
{
    struct sim_faults faults = sim_faults_none();
    struct world world;
    struct peer *peer = start_with_stream(&world, 3, COUNTER);

    increment(&world, peer, "s.a", 5, 1);
    increment(&world, peer, "s.b", 7, 1);
    world_kill(&world);
    faults.read_now_again = 1000000;
    faults.disk_min_ns = SECOND;
    faults.disk_max_ns = SECOND;
    sim_set_faults(world.sim, world.server_node, &faults);
    peer = peer_connect(&world, 1, 4222);
    settle(&world);
    peer_say(&world, peer, "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB in.* 1\r\n");
    increment(&world, peer, "s.a", 1, 3);
    increment(&world, peer, "s.b", 1, 2);
    increment(&world, peer, "s.a", 1, 1);
    sim_run(world.sim, 60 * SECOND);
    ck_assert(says(peer, 3, 6) && says(peer, 4, 7) && says(peer, 5, 8));
    ck_assert(says(peer, 6, 8) && says(peer, 7, 9));
    ck_assert(says(peer, 8, 9));
    world_deinit(&world);
}
END_TEST

START_TEST(a_stream_may_be_deleted_while_a_counter_is_read)
{
    struct sim_faults faults = sim_faults_none();
    struct world world;
    struct peer *peer = start_with_stream(&world, 4, COUNTER);

    increment(&world, peer, "s.a", 5, 1);
    world_kill(&world);
    peer = peer_connect(&world, 1, 4222);
    settle(&world);
    peer_say(&world, peer, "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB in.* 1\r\n");
    faults.read_now_again = 1000000;
    faults.disk_min_ns = SECOND;
    faults.disk_max_ns = SECOND;
    sim_set_faults(world.sim, world.server_node, &faults);
    increment(&world, peer, "s.a", 1, 3);
    say_publish(&world, peer, "$JS.API.STREAM.DELETE.S", "in.api", "");
    sim_run(world.sim, 60 * SECOND);
    ck_assert(peer_has(peer, "stream_delete_response"));
    world_deinit(&world);
}
END_TEST

/* F5: what will be the last message when all in flight is applied is what counts. */
START_TEST(a_sum_begins_anew_when_its_message_was_pushed_out)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 5, COUNTER ",\"max_msgs\":3");
    struct lines lines = {.size = 0};

    add_increment(&lines, "s.a", 10);
    for (int i = 0; i < 3; i++)
        add_increment(&lines, "s.b", 1);
    add_increment(&lines, "s.a", 10);
    lines_say(&lines, &world, peer);
    ck_assert(says(peer, 1, 10));
    ck_assert(says(peer, 4, 3));
    ck_assert(says(peer, 5, 10));
    world_deinit(&world);
}
END_TEST

START_TEST(what_the_disk_refuses_is_not_in_the_sum)
{
    struct sim_faults faults = sim_faults_none();
    struct world world;
    struct peer *peer = start_with_stream(&world, 6, COUNTER);

    increment(&world, peer, "s.a", 5, 1);
    faults.write_error = 1000000;
    sim_set_faults(world.sim, world.server_node, &faults);
    increment(&world, peer, "s.a", 100, 3);
    ck_assert(peer_has(peer, "\"err_code\":10077"));
    faults.write_error = 0;
    sim_set_faults(world.sim, world.server_node, &faults);
    increment(&world, peer, "s.a", 1, 1);
    ck_assert(says(peer, 2, 6));
    world_deinit(&world);
}
END_TEST

/* More than is kept in memory, each asked for twice. */
START_TEST(counters_beyond_what_memory_keeps_are_read_again)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 7, COUNTER);
    struct counter_known large = {0};
    char *digits = malloc(1u << 20);

    memset(digits, '7', 1u << 20);
    large.value = bytes_of(digits, 1u << 20);
    increment(&world, peer, "s.a", 5, 1);
    for (uint64_t i = 0; i < 8; i++) { /* as if they had been read */
        counters_trim(&stream_of(&world)->decider.counters, 2000);
        counters_keep(&stream_of(&world)->decider.counters, 1000 + i, large);
    }
    ck_assert_uint_lt(stream_of(&world)->decider.counters.bytes, 6u << 20);
    increment(&world, peer, "s.a", 5, 1);
    ck_assert(says(peer, 2, 10));
    free(digits);
    world_deinit(&world);
}
END_TEST

static void say_batch(struct world *world, struct peer *peer, const char *id, int members,
                      struct bytes digits)
{
    size_t room = digits.size + 400;
    char *headers = malloc(room), *line = malloc(room);

    for (int i = 1; i <= members; i++) {
        int size = snprintf(headers, room,
                            "NATS/1.0\r\nNats-Incr: %.*s\r\nNats-Batch-Id: %s\r\n"
                            "Nats-Batch-Sequence: %d\r\n%s\r\n",
                            (int)digits.size, (const char *)digits.at, id, i,
                            i == members ? "Nats-Batch-Commit: 1\r\n" : "");

        snprintf(line, room, "HPUB s.%d in.ack %d %d\r\n%s\r\n", i, size, size, headers);
        peer_say(world, peer, line);
    }
    free(headers);
    free(line);
}

/* Each of them is decided anew when one more has been read. */
START_TEST(a_batch_of_large_counters_is_stored_or_refused_but_ends)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 8, COUNTER ",\"allow_atomic\":true");
    struct bytes digits = bytes_of(malloc(60000), 60000);
    struct stream *stream;

    memset((void *)digits.at, '7', digits.size);
    say_batch(&world, peer, "a", 33, digits);
    say_batch(&world, peer, "b", 33, digits); /* on those: what they were, and become */
    ck_assert_uint_eq(stream_of(&world)->state.last_seq, 66);
    counters_deinit(&stream_of(&world)->decider.counters);
    say_batch(&world, peer, "c", 33, BYTES("1")); /* 33 to read, more than one turn reads */
    stream = stream_of(&world);
    ck_assert_uint_eq(stream->state.last_seq, 99);
    say_batch(&world, peer, "d", 40, digits);
    ck_assert_uint_eq(stream->state.last_seq, 99);
    ck_assert(peer_has(peer, "\"err_code\":10199"));
    ck_assert(stream->waiting_first == NULL);
    ck_assert_uint_lt(stream->decider.counters.bytes, 20u << 20);
    free((void *)digits.at);
    world_deinit(&world);
}
END_TEST

/* Every stored sum is the one before it and its increment, whenever the server was killed. */
static void check_chain(struct world *world)
{
    struct stream *stream = stream_of(world);
    long long sums[2] = {0, 0};
    struct index_entry entry;

    for (uint64_t from = 1; index_next(stream->state.index, NULL, from, &entry);
         from = entry.sequence + 1) {
        struct stream_message message;
        struct counter_known known;
        long long *sum = &sums[entry.subject.at[2] == 'b'];
        char value[40] = {0}, incr[40] = {0};
        struct bytes header;

        ck_assert(stream_read_now(stream, &entry, &message));
        ck_assert(counters_read(message.headers, message.payload, &known));
        header = header_block_value(message.headers, BYTES("Nats-Incr"));
        memcpy(value, known.value.at, known.value.size);
        memcpy(incr, header.at, header.size);
        *sum += atoll(incr);
        ck_assert_int_eq(atoll(value), *sum);
    }
}

static uint64_t acks(const struct peer *peer)
{
    return told(peer, ",\"val\":\"");
}

/* The next is sent when this has left, whether it was answered or not. */
static uint64_t send_some(struct world *world, struct peer *peer, struct prng *prng)
{
    uint64_t count = 1 + prng_below(prng, 10);
    struct lines lines = {.size = 0};
    struct bytes bytes;

    for (uint64_t i = 0; i < count; i++)
        add_increment(&lines, prng_below(prng, 2) == 0 ? "s.a" : "s.b",
                      (int)prng_below(prng, 9) - 4);
    bytes = peer->sending = bytes_of(lines.text, lines.size);
    io_sock_send(peer->io, peer->sock, &bytes, 1);
    do
        sim_run(world->sim, 1 + (int64_t)prng_below(prng, SECOND / 50));
    while (peer->sending.size > 0);
    return count;
}

START_TEST(no_increment_that_was_acknowledged_is_lost_or_counted_twice_by_a_crash)
{
    for (uint64_t seed = 1; seed <= 25; seed++) {
        struct sim_faults faults = sim_faults_none();
        struct world world;
        struct peer *peer = start_with_stream(&world, 1000 + seed, COUNTER);
        uint64_t acked = 0, sent = 0;
        struct prng prng;

        prng_seed(&prng, seed);
        faults.read_now_again = 300000;
        faults.disk_max_ns = SECOND / 20;
        for (int life = 1; life < PEERS; life++) {
            sim_set_faults(world.sim, world.server_node, &faults);
            for (int i = 0; i < 8; i++)
                sent += send_some(&world, peer, &prng);
            acked += acks(peer);
            world_kill(&world);
            peer = peer_connect(&world, life, 4222);
            sim_run(world.sim, 3 * SECOND);
            peer_say(&world, peer,
                     "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB in.* 1\r\n");
            ck_assert_uint_ge(stream_of(&world)->state.last_seq, acked);
            ck_assert_uint_le(stream_of(&world)->state.last_seq, sent);
        }
        faults.read_now_again = 0;
        sim_set_faults(world.sim, world.server_node, &faults);
        check_chain(&world);
        world_deinit(&world);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        increments_that_come_together_are_all_in_the_sum,
        a_sum_goes_on_after_a_restart,
        publishes_wait_in_order_for_a_last_message_that_is_on_the_disk,
        a_stream_may_be_deleted_while_a_counter_is_read,
        a_sum_begins_anew_when_its_message_was_pushed_out,
        what_the_disk_refuses_is_not_in_the_sum,
        counters_beyond_what_memory_keeps_are_read_again,
        a_batch_of_large_counters_is_stored_or_refused_but_ends,
        no_increment_that_was_acknowledged_is_lost_or_counted_twice_by_a_crash,
    };

    return UNIT_RUN_PLAIN("counters", tests);
}
