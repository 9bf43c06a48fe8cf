/* Mirrors and sources of a whole server on the simulated network and disk, and what kills leave. */
#include "server/stream/origins.h"
#include "tests/unit/server/stream_world.h"

#define BURST 40

static struct world world;

static void publish_many(struct peer *peer, unsigned first, unsigned count)
{
    static struct lines lines;

    lines.size = 0;
    for (unsigned i = first; i < first + count; i++) {
        char subject[20], body[20];

        snprintf(subject, sizeof subject, "s.%c", "ab"[i % 2]);
        snprintf(body, sizeof body, "%u", i);
        lines_publish(&lines, subject, "in.ack", body);
    }
    lines.text[lines.size] = 0;
    peer->sending = bytes_of(lines.text, lines.size);
    io_sock_send(peer->io, peer->sock, &peer->sending, 1);
}

static struct peer *connect(int n)
{
    struct peer *peer = peer_connect(&world, n, 4222);

    settle(&world);
    peer_say(&world, peer, "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB in.* 1\r\n");
    return peer;
}

/* Every message of S that `subject` (NULL: each) fits is in `name` once and in order. */
static void check_copy(const char *name, const char *subject, bool same_sequences)
{
    struct stream *from = world_stream(&world, "S"), *to = world_stream(&world, name);
    struct index_filter filter = {0};
    struct index_entry theirs = {0}, ours = {0};
    struct bytes only = bytes_of_text(subject != NULL ? subject : "");
    uint64_t found = 0;

    if (subject != NULL)
        filter = (struct index_filter){.subjects = &only, .count = 1};
    while (index_next(from->state.index, &filter, theirs.sequence + 1, &theirs)) {
        struct stream_message message;
        char body[20];

        ck_assert_msg(stream_read_now(from, &theirs, &message), "a message of S is gone");
        snprintf(body, sizeof body, "%.*s", BYTES_ARG(message.payload));
        ck_assert_msg(index_next(to->state.index, NULL, ours.sequence + 1, &ours),
                      "%s: %s is missing", name, body);
        ck_assert(stream_read_now(to, &ours, &message));
        ck_assert_msg(bytes_equal(message.payload, bytes_of_text(body)), "%s: %.*s, not %s", name,
                      BYTES_ARG(message.payload), body);
        if (same_sequences)
            ck_assert_uint_eq(ours.sequence, theirs.sequence);
        found++;
    }
    ck_assert_msg(index_count(to->state.index) == found, "%s has %llu messages, not %llu", name,
                  (unsigned long long)index_count(to->state.index), (unsigned long long)found);
}

static void check_all(void)
{
    check_copy("M", NULL, true);
    check_copy("T", NULL, false);
    check_copy("A", "s.a", false);
}

static struct peer *start(uint64_t seed)
{
    struct peer *peer = start_with_stream(&world, seed, "");

    world_create(&world, peer, "M", "\"mirror\":{\"name\":\"S\"}");
    world_create(&world, peer, "T", "\"sources\":[{\"name\":\"S\"}]");
    world_create(&world, peer, "A", "\"sources\":[{\"name\":\"S\",\"filter_subject\":\"s.a\"}]");
    return peer;
}

static void run_s(int seconds)
{
    sim_run(world.sim, seconds * SECOND);
}

START_TEST(copies_are_complete_and_in_order)
{
    struct peer *peer = start(1);

    publish_many(peer, 0, BURST);
    run_s(2);
    check_all();
    ck_assert_uint_eq(index_count(world_stream(&world, "M")->state.index), BURST);
    ck_assert_uint_eq(index_count(world_stream(&world, "A")->state.index), BURST / 2);
    world_deinit(&world);
}
END_TEST

/* A kill at each of many moments while messages come and are taken. */
START_TEST(a_kill_at_any_moment_loses_and_doubles_nothing)
{
    for (uint64_t seed = 1; seed <= 25; seed++) {
        struct peer *peer = start(seed);

        for (int round = 0; round < 3; round++) {
            publish_many(peer, (unsigned)round * BURST, BURST);
            sim_run(world.sim, (int64_t)(seed * 97 + (uint64_t)round * 31) * 10000);
            world_kill(&world);
            peer = connect(round + 1);
        }
        run_s(15);
        check_all();
        ck_assert_uint_gt(index_count(world_stream(&world, "M")->state.index), 0);
        world_deinit(&world);
    }
}
END_TEST

START_TEST(a_stream_that_comes_later_is_followed_then)
{
    struct peer *peer = start_with_stream(&world, 5, "");
    struct stream_origin_info info;

    world_create(&world, peer, "X", "\"sources\":[{\"name\":\"LATER\"}]");
    stream_origin_info(world_stream(&world, "X"), 0, &info);
    ck_assert_uint_eq(info.error, 10059);
    ck_assert_int_eq(info.active_ns, -1);
    world_create(&world, peer, "LATER", "\"subjects\":[\"l\"]");
    say_publish(&world, peer, "l", "in.ack", "one");
    run_s(12);
    ck_assert_uint_eq(index_count(world_stream(&world, "X")->state.index), 1);
    stream_origin_info(world_stream(&world, "X"), 0, &info);
    ck_assert_uint_eq(info.error, 0);
    ck_assert_int_ge(info.active_ns, 0);
    ck_assert_uint_eq(info.lag, 0);
    world_deinit(&world);
}
END_TEST

START_TEST(a_stream_made_anew_is_taken_from_its_beginning)
{
    struct peer *peer = start_with_stream(&world, 6, "");

    world_create(&world, peer, "O", "\"subjects\":[\"o\"]");
    say_publish(&world, peer, "o", "in.ack", "one");
    say_publish(&world, peer, "o", "in.ack", "two");
    world_create(&world, peer, "X", "\"sources\":[{\"name\":\"O\"}]");
    run_s(1);
    ck_assert_uint_eq(index_count(world_stream(&world, "X")->state.index), 2);
    say_publish(&world, peer, "$JS.API.STREAM.DELETE.O", "in.api", "");
    world_create(&world, peer, "O", "\"subjects\":[\"o\"]");
    say_publish(&world, peer, "o", "in.ack", "three");
    run_s(25);
    ck_assert_uint_eq(index_count(world_stream(&world, "X")->state.index), 3);
    world_kill(&world);
    run_s(25);
    ck_assert_uint_eq(index_count(world_stream(&world, "X")->state.index), 3);
    world_deinit(&world);
}
END_TEST

START_TEST(a_full_stream_goes_on_when_there_is_room)
{
    struct peer *peer = start_with_stream(&world, 7, "");

    world_create(&world, peer, "F",
                 "\"sources\":[{\"name\":\"S\"}],\"max_msgs\":2,\"discard\":\"new\"");
    publish_many(peer, 0, 4);
    run_s(1);
    ck_assert_uint_eq(index_count(world_stream(&world, "F")->state.index), 2);
    say_publish(&world, peer, "$JS.API.STREAM.PURGE.F", "in.api", "");
    run_s(15);
    ck_assert_uint_eq(index_count(world_stream(&world, "F")->state.index), 2);
    ck_assert_uint_eq(world_stream(&world, "F")->state.last_seq, 4);
    world_deinit(&world);
}
END_TEST

START_TEST(many_messages_flow_without_end)
{
    struct peer *peer = start(8);

    for (unsigned i = 0; i < 20; i++) {
        publish_many(peer, i * 1000, 1000);
        settle(&world);
    }
    run_s(5);
    check_all();
    ck_assert_uint_eq(index_count(world_stream(&world, "T")->state.index), 20000);
    world_deinit(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        copies_are_complete_and_in_order,           a_kill_at_any_moment_loses_and_doubles_nothing,
        a_stream_that_comes_later_is_followed_then, a_stream_made_anew_is_taken_from_its_beginning,
        a_full_stream_goes_on_when_there_is_room,   many_messages_flow_without_end,
    };

    return UNIT_RUN_PLAIN("origins", tests);
}
