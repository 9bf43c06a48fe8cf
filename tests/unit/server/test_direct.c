/* What direct gets of many messages promise, asked of a whole server: that they wait for who asked,
 * for the disk, and for each other. The bytes of the answers are compared with the reference's in
 * tests/e2e/differential. */
#include "base/text.h"
#include "tests/unit/server/stream_world.h"

#define GET   "$JS.API.DIRECT.GET.S"
#define EOB   "NATS/1.0 204 EOB\r\n"
#define LARGE 60000

static struct peer *start(struct world *world, uint64_t seed)
{
    return start_with_stream(world, seed, ",\"allow_direct\":true");
}

static void publish_large(struct world *world, struct peer *peer, int count)
{
    static char body[LARGE + 1];

    memset(body, 'x', LARGE);
    for (int i = 0; i < count; i++)
        say_publish(world, peer, "s.a", "in.ack", body);
}

START_TEST(a_batch_of_more_than_a_turn_sends_is_whole_and_in_order)
{
    struct world world;
    struct peer *peer = start(&world, 1);
    char text[100];

    publish_large(&world, peer, 40);
    buf_clear(&peer->in);
    say_publish(&world, peer, GET, "in.got", "{\"batch\":100,\"seq\":1}");
    settle(&world);
    ck_assert_uint_eq(told(peer, "Nats-Sequence: "), 40);
    for (int i = 1; i <= 40; i++) {
        snprintf(text, sizeof text, "Nats-Num-Pending: %d\r\nNats-Last-Sequence: %d\r\n", 40 - i,
                 i - 1);
        ck_assert(peer_has(peer, text));
    }
    ck_assert_uint_eq(told(peer, EOB), 1);
    world_deinit(&world);
}
END_TEST

START_TEST(a_batch_that_has_to_be_read_from_the_disk_is_whole_and_in_order)
{
    struct sim_faults faults = sim_faults_none();
    struct world world;
    struct peer *peer = start(&world, 2);

    for (int i = 0; i < 20; i++)
        say_publish(&world, peer, i % 2 ? "s.a" : "s.b", "in.ack", "body");
    buf_clear(&peer->in);
    faults.read_now_again = 700000;
    sim_set_faults(world.sim, world.server_node, &faults);
    say_publish(&world, peer, GET, "in.got", "{\"batch\":100,\"next_by_subj\":\"s.a\"}");
    sim_run(world.sim, 5 * SECOND);
    ck_assert_uint_eq(told(peer, "Nats-Subject: s.a\r\n"), 10);
    ck_assert_uint_eq(told(peer, "Nats-Subject: s.b\r\n"), 0);
    ck_assert(peer_has(peer, EOB "Nats-Num-Pending: 0\r\nNats-Last-Sequence: 20\r\n"));
    world_deinit(&world);
}
END_TEST

/* More of them than may be under way at once. */
START_TEST(every_one_of_many_requests_for_batches_is_answered)
{
    struct world world;
    struct peer *peer = start(&world, 3);
    struct lines lines = {.size = 0};

    publish_large(&world, peer, 8);
    buf_clear(&peer->in);
    for (int i = 0; i < 100; i++)
        lines_publish(&lines, GET, "in.got", "{\"batch\":8,\"seq\":1}");
    lines_say(&lines, &world, peer);
    sim_run(world.sim, 20 * SECOND);
    ck_assert_uint_eq(told(peer, EOB), 100);
    world_deinit(&world);
}
END_TEST

START_TEST(what_is_removed_while_a_batch_is_read_is_left_out)
{
    struct sim_faults faults = sim_faults_none();
    struct world world;
    struct peer *peer = start(&world, 4);

    for (int i = 0; i < 5; i++)
        say_publish(&world, peer, "s.a", "in.ack", "body");
    buf_clear(&peer->in);
    faults.read_now_again = 1000000;
    faults.disk_min_ns = SECOND;
    faults.disk_max_ns = SECOND;
    sim_set_faults(world.sim, world.server_node, &faults);
    say_publish(&world, peer, GET, "in.got", "{\"batch\":100,\"seq\":1}");
    say_publish(&world, peer, "$JS.API.STREAM.MSG.DELETE.S", "in.api", "{\"seq\":4}");
    sim_run(world.sim, 30 * SECOND);
    ck_assert_uint_eq(told(peer, "Nats-Sequence: 4\r\n"), 0);
    ck_assert_uint_eq(told(peer, "Nats-Sequence: "), 4);
    ck_assert_uint_eq(told(peer, EOB), 1);
    world_deinit(&world);
}
END_TEST

START_TEST(a_stream_may_be_deleted_while_a_batch_of_it_is_read)
{
    struct sim_faults faults = sim_faults_none();
    struct world world;
    struct peer *peer = start(&world, 5);

    for (int i = 0; i < 5; i++)
        say_publish(&world, peer, "s.a", "in.ack", "body");
    faults.read_now_again = 1000000;
    faults.disk_min_ns = SECOND;
    faults.disk_max_ns = SECOND;
    sim_set_faults(world.sim, world.server_node, &faults);
    say_publish(&world, peer, GET, "in.got", "{\"batch\":100,\"seq\":1}");
    say_publish(&world, peer, "$JS.API.STREAM.DELETE.S", "in.api", "");
    sim_run(world.sim, 30 * SECOND);
    ck_assert(peer_has(peer, "stream_delete_response"));
    ck_assert(!peer_has(peer, "Nats-Sequence: 5\r\n"));
    world_deinit(&world);
}
END_TEST

START_TEST(messages_up_to_a_time_are_those_before_it)
{
    struct world world;
    struct peer *peer = start(&world, 6);
    char time[TEXT_TIME_MAX], body[200];
    struct index_entry third;

    for (int i = 0; i < 4; i++)
        say_publish(&world, peer, "s.a", "in.ack", "body");
    ck_assert(index_get(stream_of(&world)->state.index, 3, &third));
    time[text_time(time, third.time_ns)] = 0;
    snprintf(body, sizeof body, "{\"multi_last\":[\"s.*\"],\"up_to_time\":\"%s\"}", time);
    say_publish(&world, peer, GET, "in.got", body);
    ck_assert(peer_has(peer, "Nats-Sequence: 2\r\n"));
    ck_assert(peer_has(peer, "Nats-UpTo-Sequence: 2\r\n"));
    ck_assert_uint_eq(told(peer, "Nats-Sequence: "), 1);
    world_deinit(&world);
}
END_TEST

START_TEST(nobody_is_sent_the_rest_when_nobody_listens_any_more)
{
    struct world world;
    struct peer *peer = start(&world, 7);

    publish_large(&world, peer, 40);
    peer_say(&world, peer, "UNSUB 1\r\n");
    say_publish(&world, peer, GET, "in.got", "{\"batch\":100,\"seq\":1}");
    ck_assert_uint_eq(stream_of(&world)->direct_many_count, 0);
    world_deinit(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_batch_of_more_than_a_turn_sends_is_whole_and_in_order,
        a_batch_that_has_to_be_read_from_the_disk_is_whole_and_in_order,
        every_one_of_many_requests_for_batches_is_answered,
        what_is_removed_while_a_batch_is_read_is_left_out,
        a_stream_may_be_deleted_while_a_batch_of_it_is_read,
        messages_up_to_a_time_are_those_before_it,
        nobody_is_sent_the_rest_when_nobody_listens_any_more,
    };

    return UNIT_RUN_PLAIN("direct", tests);
}
