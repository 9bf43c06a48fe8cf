/* Core messages in a cluster of whole servers. */
#include "tests/unit/server/cluster_world.h"

#define SEEDS 20

START_TEST(a_publish_reaches_every_subscription_in_the_cluster_once)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct talker *t[6];
        struct world world;

        world_begin(&world, seed, 3);
        for (size_t i = 0; i < 6; i++) {
            t[i] = talk(&world, i, i % 3);
            say(t[i], i < 3 ? "SUB a.* 1\r\n" : "SUB a.b 2\r\nSUB > 3\r\nSUB c 4\r\n");
            in_step(&world, t[i]);
        }
        rest(&world);
        say(t[0], "PUB a.b 2\r\nhi\r\n");
        say(t[4], "PUB a.x re 1\r\nx\r\n");
        rest(&world);
        for (size_t i = 0; i < 6; i++) {
            ck_assert_uint_eq(heard_count(t[i], "MSG a.b "), i < 3 ? 1 : 2);
            ck_assert_uint_eq(heard_count(t[i], "MSG a.x "), 1);
            ck_assert(heard(t[i], i < 3 ? "MSG a.x 1 re 1\r\nx\r\n" : "MSG a.x 3 re 1\r\nx\r\n"));
        }
        world_end(&world);
    }
}
END_TEST

/* Its server stands still when the first is published, by a client that has its PONG. */
START_TEST(what_comes_from_a_node_stands_behind_what_was_known_before)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct talker *first, *second, *hears;
        struct world world;

        world_begin(&world, seed, 2);
        first = talk(&world, 0, 0);
        hears = talk(&world, 1, 0); /* on the first shard, where several are */
        second = talk(&world, 2, 1);
        say(hears, "SUB a 1\r\n");
        in_step(&world, hears);
        rest(&world);
        if (WORLD_SHARDS > 1)
            sim_pause(world.sim, world.servers[0].node, 20 * MS);
        say(first, "PUB a 1\r\n1\r\n");
        in_step(&world, first);
        say(second, "PUB a 1\r\n2\r\n");
        rest(&world);
        await(&world, hears, "MSG a 1 1\r\n1\r\n");
        await(&world, hears, "MSG a 1 1\r\n2\r\n");
        world_end(&world);
    }
}
END_TEST

START_TEST(a_node_without_interest_is_sent_nothing)
{
    struct core_stats stats;
    struct talker *a, *b;
    struct world world;

    world_begin(&world, 1, 3);
    a = talk(&world, 0, 0);
    b = talk(&world, 1, 1);
    say(b, "SUB x 1\r\nSUB x q 2\r\nSUB x r 3\r\nSUB *.> 4\r\n");
    in_step(&world, b);
    rest(&world);
    for (int i = 0; i < 10; i++)
        say(a, "PUB x 1\r\n.\r\nPUB y 1\r\n.\r\n");
    rest(&world);
    ck_assert_uint_eq(heard_count(b, "MSG x "), 30);
    core_stats(world.servers[0].server->core, &stats);
    ck_assert_uint_eq(stats.out_messages, 10); /* plain and groups in one */
    core_stats(world.servers[2].server->core, &stats);
    ck_assert_uint_eq(stats.in_messages + stats.out_messages, 0);
    world_end(&world);
}
END_TEST

START_TEST(headers_and_replies_come_along)
{
    struct talker *a, *b;
    struct world world;

    world_begin(&world, 1, 2);
    a = talk(&world, 0, 0);
    b = talk(&world, 1, 1);
    say(b, "SUB x 1\r\n");
    in_step(&world, b);
    rest(&world);
    say(a, "HPUB x re.ply 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n");
    await(&world, b, "HMSG x 1 re.ply 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n");
    world_end(&world);
}
END_TEST

/* The one that asks is heard at once: its inbox is known before its request. */
START_TEST(requests_are_answered_across_nodes_and_no_reply_is_lost)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct talker *asks, *answers;
        struct world world;

        world_begin(&world, seed, 3);
        asks = talk(&world, 0, 0);
        answers = talk(&world, 1, 2);
        say(answers, "SUB svc q 1\r\n");
        in_step(&world, answers);
        rest(&world);
        for (int i = 0; i < 20; i++) {
            char text[64];

            sayf(asks, "SUB _INBOX.%d %d\r\nUNSUB %d 1\r\nPUB svc _INBOX.%d 1\r\n?\r\n", i, i, i,
                 i);
            snprintf(text, sizeof(text), "MSG svc 1 _INBOX.%d 1\r\n?\r\n", i);
            await(&world, answers, text);
            sayf(answers, "PUB _INBOX.%d 1\r\n!\r\n", i);
            snprintf(text, sizeof(text), "MSG _INBOX.%d %d 1\r\n!\r\n", i, i);
            await(&world, asks, text);
        }
        world_end(&world);
    }
}
END_TEST

START_TEST(a_request_that_nobody_in_the_cluster_takes_is_told_so)
{
    struct talker *a, *b;
    struct world world;

    world_begin(&world, 1, 2);
    a = talk(&world, 0, 0);
    b = talk(&world, 1, 1);
    say(a, "SUB in 1\r\nPUB svc in 1\r\n?\r\n");
    await(&world, a, "503");
    say(b, "SUB svc 1\r\n");
    in_step(&world, b);
    rest(&world);
    buf_clear(&a->in);
    say(a, "PUB svc in 1\r\n?\r\n");
    rest(&world);
    ck_assert(!heard(a, "503"));
    say(b, "UNSUB 1\r\n");
    in_step(&world, b);
    rest(&world);
    say(a, "PUB svc in 1\r\n?\r\n");
    await(&world, a, "503");
    world_end(&world);
}
END_TEST

/* ---- queue groups --------------------------------------------------------------------------- */

START_TEST(each_message_of_a_group_goes_to_one_member_and_all_members_are_equal)
{
    static const size_t at_server[] = {0, 0, 1, 1, 1, 2};
    size_t counts[UNIT_COUNT(at_server)], sum = 0;
    struct talker *t[UNIT_COUNT(at_server)];
    struct world world;

    world_begin(&world, 3, 3);
    for (size_t i = 0; i < UNIT_COUNT(at_server); i++) {
        t[i] = talk(&world, i, at_server[i]);
        say(t[i], i % 2 ? "SUB job q 1\r\n" : "SUB j* q 1\r\nUNSUB 1\r\nSUB job q 1\r\n");
        in_step(&world, t[i]);
    }
    rest(&world);
    for (int i = 0; i < 3000; i++)
        say(t[0], "PUB job 1\r\n.\r\n");
    sim_run(world.sim, SECOND);
    for (size_t i = 0; i < UNIT_COUNT(at_server); i++) {
        counts[i] = heard_count(t[i], "MSG job ");
        sum += counts[i];
        /* 500 expected, deviation about 20. */
        ck_assert_msg(counts[i] > 400 && counts[i] < 600, "%zu has %zu", i, counts[i]);
    }
    ck_assert_uint_eq(sum, 3000);
    world_end(&world);
}
END_TEST

START_TEST(members_that_leave_are_chosen_no_more)
{
    struct talker *a, *b, *c;
    struct world world;

    world_begin(&world, 1, 3);
    a = talk(&world, 0, 0);
    b = talk(&world, 1, 1);
    c = talk(&world, 2, 2);
    say(b, "SUB job q 1\r\nSUB job q 2\r\n");
    say(c, "SUB job q 1\r\n");
    in_step(&world, b);
    in_step(&world, c);
    rest(&world);
    say(b, "UNSUB 1\r\nUNSUB 2\r\n");
    in_step(&world, b);
    rest(&world);
    for (int i = 0; i < 50; i++)
        say(a, "PUB job 1\r\n.\r\n");
    rest(&world);
    ck_assert_uint_eq(heard_count(c, "MSG job "), 50);
    io_sock_close(c->io, c->sock, false);
    rest(&world);
    say(a, "SUB in 1\r\nPUB job in 1\r\n.\r\n");
    await(&world, a, "503");
    world_end(&world);
}
END_TEST

START_TEST(a_publisher_without_echo_is_passed_over_for_a_member_elsewhere)
{
    struct talker *a, *b;
    struct world world;

    world_begin(&world, 1, 2);
    a = talk(&world, 0, 0);
    b = talk(&world, 1, 1);
    say(a, "CONNECT {\"verbose\":false,\"echo\":false}\r\nSUB job q 1\r\n");
    say(b, "SUB job q 1\r\n");
    in_step(&world, a);
    in_step(&world, b);
    rest(&world);
    for (int i = 0; i < 50; i++)
        say(a, "PUB job 1\r\n.\r\n");
    rest(&world);
    ck_assert_uint_eq(heard_count(b, "MSG job "), 50);
    world_end(&world);
}
END_TEST

/* ---- links come and go ---------------------------------------------------------------------- */

START_TEST(interest_from_before_the_link_is_known_and_that_of_a_lost_node_is_not)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct talker *a, *b;
        struct core_stats stats;
        struct world world;

        world_init(&world, seed, 2);
        world_start(&world, 0);
        a = talk(&world, 0, 0);
        for (int i = 0; i < 3000; i++)
            sayf(a, "SUB many.subjects.%d %d\r\n", i, i);
        say(a, "SUB many q 3000\r\nSUB many q 3001\r\n");
        in_step(&world, a);
        world_start(&world, 1);
        world_mesh(&world);
        rest(&world);
        core_stats(world.servers[1].server->core, &stats);
        ck_assert_uint_eq(stats.interest, 3001);
        b = talk(&world, 1, 1);
        say(b, "PUB many.subjects.2999 1\r\n.\r\nPUB many 1\r\n.\r\n");
        await(&world, a, "MSG many.subjects.2999 2999 1\r\n.\r\n");
        await(&world, a, "MSG many 300");
        world_kill(&world, 0, seed % 2 ? SIM_CRASH_KILL : SIM_CRASH_POWER);
        sim_run(world.sim, 3 * SECOND);
        core_stats(world.servers[1].server->core, &stats);
        ck_assert_uint_eq(stats.interest, 0);
        say(b, "SUB in 1\r\nPUB many in 1\r\n.\r\n");
        await(&world, b, "503");
        world_end(&world);
    }
}
END_TEST

START_TEST(after_a_partition_everybody_knows_what_changed_meanwhile)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct talker *a, *b;
        struct core_stats stats;
        struct world world;

        world_begin(&world, seed, 3);
        a = talk(&world, 0, 0);
        b = talk(&world, 1, 1);
        say(a, "SUB old 1\r\nSUB stays 2\r\n");
        in_step(&world, a);
        rest(&world);
        sim_part(world.sim, world.servers[0].node, world.servers[1].node);
        if (seed % 2)
            sim_run(world.sim, 3 * SECOND);
        say(a, "UNSUB 1\r\nSUB new 3\r\n");
        in_step(&world, a);
        sim_run(world.sim, 3 * SECOND);
        sim_join(world.sim, world.servers[0].node, world.servers[1].node);
        world_mesh(&world);
        rest(&world);
        core_stats(world.servers[1].server->core, &stats);
        ck_assert_uint_eq(stats.interest, 2);
        say(b, "SUB in 1\r\nPUB old in 1\r\n.\r\n");
        await(&world, b, "503");
        say(b, "PUB new 1\r\n.\r\nPUB stays 1\r\n.\r\n");
        await(&world, a, "MSG new 3 1\r\n");
        await(&world, a, "MSG stays 2 1\r\n");
        world_end(&world);
    }
}
END_TEST

/* A server that stood still meets a subscription, a new node and the subscription's end in one
 * turn. */
START_TEST(what_ends_in_the_turn_in_which_a_node_comes_is_not_left_with_it)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct core_stats stats;
        struct talker *t;
        struct world world;

        world_init(&world, seed, 3);
        world_start(&world, 0);
        world_start(&world, 1);
        world_mesh(&world);
        t = talk(&world, 0, 0);
        world_start(&world, 2);
        sim_run(world.sim, (int64_t)seed * 3000);
        sim_pause(world.sim, world.servers[0].node, 10 * MS);
        say(t, "SUB x 1\r\n");
        sim_run(world.sim, 5 * MS);
        io_sock_close(t->io, t->sock, false);
        world_mesh(&world);
        rest(&world);
        core_stats(world.servers[2].server->core, &stats);
        ck_assert_uint_eq(stats.interest, 0);
        world_end(&world);
    }
}
END_TEST

/* ---- limits --------------------------------------------------------------------------------- */

/* Large messages from a client of the first server to one of each of the others, of which the
 * second stands still meanwhile. */
static struct talker *flood_past_a_pause(struct world *world, const char *sub, int count,
                                         struct talker **paused, struct talker **other)
{
    static char payload[100001];
    struct talker *from;

    memset(payload, 'x', sizeof(payload) - 1);
    world_init(world, 1, 3);
    for (size_t i = 0; i < 3; i++) {
        world->servers[i].options.max_pending = 1 << 20;
        world->servers[i].options.max_payload = 100000;
        world->servers[i].options.cluster.deadline_ns = 60 * SECOND;
        world_start(world, i);
    }
    world_mesh(world);
    from = talk(world, 0, 0);
    *paused = talk(world, 1, 1);
    *other = talk(world, 2, 2);
    say(*paused, sub);
    say(*other, sub);
    in_step(world, *paused);
    in_step(world, *other);
    rest(world);
    sim_pause(world->sim, world->servers[1].node, 20 * SECOND);
    for (int i = 0; i < count; i++) {
        say(from, "PUB x 100000\r\n");
        say(from, payload);
        say(from, "\r\n");
        sim_run(world->sim, 100 * MS);
    }
    return from;
}

START_TEST(what_a_slow_link_cannot_take_is_dropped_with_a_warning_and_nothing_else_suffers)
{
    struct talker *a, *b, *c;
    struct core_stats stats;
    struct world world;

    a = flood_past_a_pause(&world, "SUB x 1\r\n", 30, &b, &c);
    core_stats(world.servers[0].server->core, &stats);
    ck_assert_uint_ge(stats.dropped, 15);
    ck_assert(world_logged(&world.servers[0], "the route to \"n1\" has no room"));
    ck_assert_uint_eq(heard_count(c, "MSG x "), 30);
    ck_assert(world_linked(&world, 0, 1));
    /* Those that had room arrive, and then all is as before. */
    sim_run(world.sim, 30 * SECOND);
    ck_assert_uint_eq(heard_count(b, "MSG x ") + stats.dropped, 30);
    say(a, "PUB x 4\r\nlast\r\n");
    await(&world, b, "MSG x 1 4\r\nlast\r\n");
    world_end(&world);
}
END_TEST

START_TEST(a_group_prefers_members_that_can_be_reached)
{
    struct talker *b, *c;
    struct world world;

    (void)flood_past_a_pause(&world, "SUB x q 1\r\n", 60, &b, &c);
    sim_run(world.sim, 30 * SECOND);
    ck_assert_uint_eq(heard_count(b, "MSG x ") + heard_count(c, "MSG x "), 60);
    ck_assert_uint_lt(heard_count(b, "MSG x "), 15);
    world_end(&world);
}
END_TEST

START_TEST(more_groups_than_a_frame_names_are_all_served)
{
    struct talker *a, *b;
    struct world world;

    world_begin(&world, 1, 2);
    a = talk(&world, 0, 0);
    b = talk(&world, 1, 1);
    for (int i = 0; i < 600; i++)
        sayf(b, "SUB x queue-%d %d\r\n", i, i);
    say(b, "SUB x 600\r\n");
    in_step(&world, b);
    rest(&world);
    say(a, "PUB x 1\r\n.\r\n");
    rest(&world);
    ck_assert_uint_eq(heard_count(b, "MSG x "), 601);
    ck_assert_uint_eq(heard_count(b, "MSG x 600 1\r\n"), 1);
    world_end(&world);
}
END_TEST

START_TEST(interest_answers_for_the_whole_cluster)
{
    struct router *router;
    struct account *account;
    struct talker *b;
    struct world world;

    world_begin(&world, 1, 2);
    router = server_router(world.servers[0].server);
    account = router_account_default(router);
    b = talk(&world, 1, 1);
    ck_assert(!router_interest(router, account, BYTES("push.here")));
    say(b, "SUB push.* 1\r\nSUB deliver q 2\r\n");
    in_step(&world, b);
    rest(&world);
    ck_assert(router_interest(router, account, BYTES("push.here")));
    ck_assert(router_interest_literal(router, account, BYTES("push.*"), BYTES("")));
    ck_assert(router_interest_literal(router, account, BYTES("deliver"), BYTES("q")));
    ck_assert(!router_interest_literal(router, account, BYTES("deliver"), BYTES("")));
    io_sock_close(b->io, b->sock, false);
    rest(&world);
    ck_assert(!router_interest(router, account, BYTES("push.here")));
    world_end(&world);
}
END_TEST

/* The network cuts what the client says anywhere, so some are. */
START_TEST(subscriptions_that_come_and_go_at_once_are_not_told)
{
    struct talker *a;
    struct core_stats stats;
    uint64_t generation;
    struct world world;

    world_begin(&world, 1, 2);
    a = talk(&world, 0, 0);
    rest(&world);
    generation = account_generation(router_account_default(server_router(world.servers[1].server)));
    for (int i = 0; i < 200; i++)
        say(a, "SUB x 1\r\nSUB y q 2\r\nUNSUB 1\r\nUNSUB 2\r\n");
    in_step(&world, a);
    rest(&world);
    core_stats(world.servers[1].server->core, &stats);
    ck_assert_uint_eq(stats.interest, 0);
    generation =
        account_generation(router_account_default(server_router(world.servers[1].server))) -
        generation;
    ck_assert_uint_lt(generation, 100); /* of 800 changes */
    world_end(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_publish_reaches_every_subscription_in_the_cluster_once,
        what_comes_from_a_node_stands_behind_what_was_known_before,
        a_node_without_interest_is_sent_nothing,
        headers_and_replies_come_along,
        requests_are_answered_across_nodes_and_no_reply_is_lost,
        a_request_that_nobody_in_the_cluster_takes_is_told_so,
        each_message_of_a_group_goes_to_one_member_and_all_members_are_equal,
        members_that_leave_are_chosen_no_more,
        a_publisher_without_echo_is_passed_over_for_a_member_elsewhere,
        interest_from_before_the_link_is_known_and_that_of_a_lost_node_is_not,
        after_a_partition_everybody_knows_what_changed_meanwhile,
        what_ends_in_the_turn_in_which_a_node_comes_is_not_left_with_it,
        what_a_slow_link_cannot_take_is_dropped_with_a_warning_and_nothing_else_suffers,
        a_group_prefers_members_that_can_be_reached,
        more_groups_than_a_frame_names_are_all_served,
        interest_answers_for_the_whole_cluster,
        subscriptions_that_come_and_go_at_once_are_not_told,
    };

    return UNIT_RUN_PLAIN("cluster_core", tests);
}
