/* What a whole server's streams promise of live messages, counted in batches of the log: a batch is
 * a sync. */
#include "tests/unit/server/stream_world.h"

#define CONSUMER_C                                                                                 \
    "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"C\",\"ack_policy\":\"explicit\"}}"

START_TEST(a_live_message_is_stored_and_handed_out_by_one_batch)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 1, "");
    uint64_t before;

    say_publish(&world, peer, "$JS.API.CONSUMER.CREATE.S.C", "in.api", CONSUMER_C);
    say_publish(&world, peer, "$JS.API.CONSUMER.MSG.NEXT.S.C", "in.pull", "10");
    before = batches(&world);
    say_publish(&world, peer, "s.a", "in.ack", "one");
    ck_assert(peer_has(peer, "{\"stream\":\"S\",\"seq\":1}"));
    ck_assert(peer_has(peer, "MSG s.a 1 $JS.ACK.S.C.1.1.1."));
    ck_assert_uint_eq(batches(&world), before + 1);
    say_publish(&world, peer, "s.a", "in.ack", "two");
    ck_assert(peer_has(peer, "MSG s.a 1 $JS.ACK.S.C.1.2.2."));
    ck_assert_uint_eq(batches(&world), before + 2);
    world_deinit(&world);
}
END_TEST

START_TEST(a_push_consumer_somebody_listens_to_is_handed_out_by_the_same_batch)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 2, "");
    uint64_t before;

    say_publish(
        &world, peer, "$JS.API.CONSUMER.CREATE.S.C", "in.api",
        "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"C\",\"ack_policy\":\"explicit\","
        "\"deliver_subject\":\"in.push\"}}");
    before = batches(&world);
    say_publish(&world, peer, "s.a", "in.ack", "one");
    ck_assert(peer_has(peer, "MSG s.a 1 $JS.ACK.S.C.1.1.1."));
    ck_assert_uint_eq(batches(&world), before + 1);
    world_deinit(&world);
}
END_TEST

START_TEST(what_the_disk_refuses_is_not_handed_out)
{
    struct sim_faults faults = sim_faults_none();
    struct world world;
    struct peer *peer = start_with_stream(&world, 3, "");

    say_publish(&world, peer, "$JS.API.CONSUMER.CREATE.S.C", "in.api", CONSUMER_C);
    say_publish(&world, peer, "$JS.API.CONSUMER.MSG.NEXT.S.C", "in.pull", "10");
    faults.write_error = 1000000;
    sim_set_faults(world.sim, world.server_node, &faults);
    say_publish(&world, peer, "s.a", "in.ack", "one");
    ck_assert(peer_has(peer, "\"err_code\":10077"));
    ck_assert(!peer_has(peer, "$JS.ACK.S.C."));
    faults.write_error = 0;
    sim_set_faults(world.sim, world.server_node, &faults);
    say_publish(&world, peer, "s.b", "in.ack", "two");
    ck_assert(peer_has(peer, "MSG s.b 1 $JS.ACK.S.C.1.1.1."));
    world_deinit(&world);
}
END_TEST

/* Its disk is slow, so that it is asked before it leads. */
START_TEST(a_pull_that_comes_before_the_stream_leads_again_is_served_when_it_does)
{
    struct sim_faults faults = sim_faults_none();
    struct world world;
    struct peer *peer = start_with_stream(&world, 4, "");

    say_publish(&world, peer, "$JS.API.CONSUMER.CREATE.S.C", "in.api", CONSUMER_C);
    say_publish(&world, peer, "s.a", "in.ack", "one");
    faults.disk_min_ns = 3 * SECOND;
    faults.disk_max_ns = 3 * SECOND;
    sim_set_faults(world.sim, world.server_node, &faults);
    world_kill(&world);
    peer = peer_connect(&world, 1, 4222);
    settle(&world);
    peer_say(
        &world, peer,
        "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nSUB in.* 1\r\n");
    say_publish(&world, peer, "$JS.API.CONSUMER.MSG.NEXT.S.C", "in.pull", "1");
    ck_assert(!stream_leads(stream_of(&world)));
    ck_assert(!peer_has(peer, "503"));
    sim_run(world.sim, 20 * SECOND);
    ck_assert(peer_has(peer, "MSG s.a 1 $JS.ACK.S.C.1.1.1."));
    world_deinit(&world);
}
END_TEST

/* The catalogue's and that of the stream's term: its config has none of its own. */
START_TEST(a_stream_is_made_with_two_writes_that_wait_for_each_other)
{
    struct sim_faults faults = sim_faults_none();
    struct world world;
    struct peer *peer = start_with_stream(&world, 5, "");

    faults.disk_min_ns = faults.disk_max_ns = 2 * SECOND;
    sim_set_faults(world.sim, world.server_node, &faults);
    say_publish(&world, peer, "$JS.API.STREAM.CREATE.T", "in.api",
                "{\"name\":\"T\",\"subjects\":[\"t.>\"]}");
    sim_run(world.sim, 3 * SECOND);
    ck_assert(!peer_has(peer, "stream_create_response"));
    sim_run(world.sim, 3 * SECOND / 2); /* five in all */
    ck_assert(peer_has(peer, "stream_create_response"));
    ck_assert(peer_has(peer, "\"name\":\"T\""));
    world_deinit(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_live_message_is_stored_and_handed_out_by_one_batch,
        a_push_consumer_somebody_listens_to_is_handed_out_by_the_same_batch,
        what_the_disk_refuses_is_not_handed_out,
        a_pull_that_comes_before_the_stream_leads_again_is_served_when_it_does,
        a_stream_is_made_with_two_writes_that_wait_for_each_other,
    };

    return UNIT_RUN_PLAIN("live", tests);
}
