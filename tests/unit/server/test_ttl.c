/* What messages with an end of their own promise, asked of a whole server in simulated time. The
 * bytes of answers and markers are compared with the reference's in tests/e2e/differential. */
#include "tests/unit/server/stream_world.h"

#define TTL      ",\"allow_msg_ttl\":true"
#define MARKERS  ",\"subject_delete_marker_ttl\":100000000000"
#define CONSUMER "{\"stream_name\":\"S\",\"config\":{\"name\":\"C\",\"ack_policy\":\"none\"}}"

static void publish_ttl(struct world *world, struct peer *peer, const char *subject,
                        const char *ttl)
{
    char headers[100], text[300];
    int size = snprintf(headers, sizeof headers, "NATS/1.0\r\nNats-TTL: %s\r\n\r\n", ttl);

    snprintf(text, sizeof text, "HPUB %s in.ack %d %d\r\n%sbody\r\n", subject, size, size + 4,
             headers);
    peer_say(world, peer, text);
}

static uint64_t messages(struct world *world)
{
    return stream_state_messages(&stream_of(world)->state);
}

static bool holds(struct world *world, uint64_t sequence)
{
    struct index_entry entry;

    return index_get(stream_of(world)->state.index, sequence, &entry);
}

static void pass(struct world *world, int64_t seconds)
{
    sim_run(world->sim, seconds * SECOND);
}

START_TEST(a_message_is_there_until_its_end_and_not_a_second_longer)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 1, TTL);

    publish_ttl(&world, peer, "s.late", "20"); /* ends in another order than they came */
    publish_ttl(&world, peer, "s.soon", "10");
    say_publish(&world, peer, "s.none", "in.ack", "body");
    pass(&world, 8);
    ck_assert_uint_eq(messages(&world), 3);
    pass(&world, 3);
    ck_assert(holds(&world, 1) && !holds(&world, 2) && holds(&world, 3));
    pass(&world, 10);
    ck_assert(!holds(&world, 1) && holds(&world, 3));
    pass(&world, 1000);
    ck_assert(holds(&world, 3));
    world_deinit(&world);
}
END_TEST

START_TEST(what_never_ends_outlives_every_age)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 2, TTL ",\"max_age\":5000000000");

    publish_ttl(&world, peer, "s.a", "never");
    say_publish(&world, peer, "s.b", "in.ack", "body");
    publish_ttl(&world, peer, "s.c", "never");
    publish_ttl(&world, peer, "s.d", "100");
    pass(&world, 7);
    ck_assert(holds(&world, 1) && !holds(&world, 2) && holds(&world, 3) && !holds(&world, 4));
    say_publish(&world, peer, "s.b", "in.ack", "body");
    pass(&world, 7);
    ck_assert(holds(&world, 1) && holds(&world, 3) && !holds(&world, 5));
    world_deinit(&world);
}
END_TEST

START_TEST(ends_are_kept_over_a_restart_and_what_has_ended_does_not_return)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 3, TTL);

    publish_ttl(&world, peer, "s.a", "5");
    publish_ttl(&world, peer, "s.b", "30");
    publish_ttl(&world, peer, "s.c", "never");
    pass(&world, 7);
    ck_assert(!holds(&world, 1));
    world_kill(&world);
    pass(&world, 5);
    ck_assert(!holds(&world, 1) && holds(&world, 2) && holds(&world, 3));
    pass(&world, 30);
    ck_assert(!holds(&world, 2) && holds(&world, 3));
    world_kill(&world);
    pass(&world, 5);
    ck_assert(!holds(&world, 1) && !holds(&world, 2) && holds(&world, 3));
    world_deinit(&world);
}
END_TEST

START_TEST(what_ends_while_the_server_is_down_goes_when_it_is_back)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 4, TTL);

    publish_ttl(&world, peer, "s.a", "5");
    sim_crash(world.sim, world.server_node, SIM_CRASH_KILL);
    server_destroy(world.server);
    pass(&world, 20);
    sim_restart(world.sim, world.server_node);
    world_start(&world);
    pass(&world, 5);
    ck_assert_uint_eq(messages(&world), 0);
    world_deinit(&world);
}
END_TEST

START_TEST(the_last_message_of_a_subject_leaves_a_marker_that_consumers_see)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 5, MARKERS ",\"max_msgs_per_subject\":1");

    publish_ttl(&world, peer, "s.a", "5");
    say_publish(&world, peer, "$JS.API.CONSUMER.CREATE.S.C", "in.api", CONSUMER);
    say_publish(&world, peer, "$JS.API.CONSUMER.MSG.NEXT.S.C", "in.pull",
                "{\"batch\":10,\"expires\":100000000000}");
    ck_assert(!peer_has(peer, "Nats-Marker-Reason"));
    pass(&world, 7);
    ck_assert_uint_eq(told(peer, "NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\nNats-TTL: 1m40s\r\n"
                                 "Nats-Rollup: sub\r\n\r\n"),
                      1);
    ck_assert(!holds(&world, 1) && holds(&world, 2));
    world_kill(&world);
    pass(&world, 60);
    ck_assert(holds(&world, 2));
    pass(&world, 60);
    ck_assert_uint_eq(messages(&world), 0); /* silently */
    ck_assert_uint_eq(stream_of(&world)->state.last_seq, 2);
    world_deinit(&world);
}
END_TEST

/* More than one batch takes; most of them go together. */
START_TEST(every_subject_gets_its_marker_however_many_end_at_once)
{
    struct world world;
    struct peer *peer = start_with_stream(
        &world, 6, ",\"max_age\":30000000000,\"duplicate_window\":1000000000" MARKERS);
    char subject[20];

    for (int i = 0; i < 3000; i += 100) {
        struct lines lines = {.size = 0};

        for (int k = i; k < i + 100; k++) {
            snprintf(subject, sizeof subject, "s.%d", k);
            lines_publish(&lines, subject, "in.ack", "body");
        }
        lines_say(&lines, &world, peer);
    }
    pass(&world, 25);
    ck_assert_uint_gt(stream_of(&world)->state.last_seq, 3000);
    for (int i = 0; i < 3000; i++) {
        struct index_subject counts;

        snprintf(subject, sizeof subject, "s.%d", i);
        index_subject(stream_of(&world)->state.index, bytes_of_text(subject), &counts);
        ck_assert_uint_le(counts.count, 1);
    }
    pass(&world, 20);
    ck_assert_uint_eq(stream_of(&world)->state.last_seq, 6000);
    pass(&world, 40);
    ck_assert_uint_eq(messages(&world), 0);
    world_deinit(&world);
}
END_TEST

/* F4: what is decided about the last message sees what is being stored. */
START_TEST(a_message_published_as_the_last_one_ends_is_not_replaced_by_a_marker)
{
    for (int64_t step = 0; step < 40; step++) {
        struct world world;
        struct peer *peer =
            start_with_stream(&world, 100 + (uint64_t)step, MARKERS ",\"max_msgs_per_subject\":1");
        struct index_subject counts;

        publish_ttl(&world, peer, "s.a", "5");
        sim_run(world.sim, 9 * SECOND / 2 + step * SECOND / 40 - SECOND / 2);
        say_publish(&world, peer, "s.a", "in.ack", "new");
        pass(&world, 3);
        index_subject(stream_of(&world)->state.index, BYTES("s.a"), &counts);
        ck_assert_uint_eq(counts.count, 1);
        ck_assert(!expiries_marker(&stream_of(&world)->state.expiries, counts.last));
        world_deinit(&world);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_message_is_there_until_its_end_and_not_a_second_longer,
        what_never_ends_outlives_every_age,
        ends_are_kept_over_a_restart_and_what_has_ended_does_not_return,
        what_ends_while_the_server_is_down_goes_when_it_is_back,
        the_last_message_of_a_subject_leaves_a_marker_that_consumers_see,
        every_subject_gets_its_marker_however_many_end_at_once,
        a_message_published_as_the_last_one_ends_is_not_replaced_by_a_marker,
    };

    return UNIT_RUN_PLAIN("ttl", tests);
}
