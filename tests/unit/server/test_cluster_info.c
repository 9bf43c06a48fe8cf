/* What clients and monitoring are told of a cluster. */
#include "tests/unit/server/cluster_world.h"

/* ---- INFO ----------------------------------------------------------------------------------- */

START_TEST(clients_hear_of_nodes_that_come_and_go)
{
    struct talker *t;
    struct world world;

    world_init(&world, 1, 3);
    world_start(&world, 0);
    t = talk(&world, 0, 0);
    sim_run(world.sim, SECOND);
    ck_assert_uint_eq(heard_count(t, "INFO "), 0);
    world_start(&world, 1);
    await(&world, t, "\"cluster\":\"C\",\"connect_urls\":[\"10.0.0.1:4222\",\"10.0.0.2:4222\"]");
    world_start(&world, 2);
    await(&world, t, "\"connect_urls\":[\"10.0.0.1:4222\",");
    ck_assert(heard(t, "\"10.0.0.3:4222\""));
    sim_run(world.sim, SECOND);
    buf_clear(&t->in);
    world_kill(&world, 1, SIM_CRASH_KILL);
    await(&world, t, "\"connect_urls\":[\"10.0.0.1:4222\",\"10.0.0.3:4222\"]");
    world_kill(&world, 2, SIM_CRASH_KILL);
    await(&world, t, "\"connect_urls\":[\"10.0.0.1:4222\"]");
    sim_run(world.sim, SECOND);
    ck_assert_uint_eq(heard_count(t, "connect_info"), 0);
    world_end(&world);
}
END_TEST

START_TEST(the_first_info_has_the_cluster_and_no_urls_while_there_is_nowhere_to_go)
{
    struct talker *t;
    struct world world;

    world_init(&world, 1, 1);
    world_start(&world, 0);
    t = talk(&world, 0, 0);
    io_sock_close(t->io, t->sock, false);
    rest(&world);
    ck_assert_ptr_null(t->sock);
    t->sock = sim_connect(world.sim, t->io, world.servers[0].node, CLIENT_PORT, &talker_events, t);
    t->ended = false;
    await(&world, t, "\"cluster\":\"C\"");
    await(&world, t, "\r\n");
    ck_assert(!heard(t, "connect_urls"));
    world_end(&world);
}
END_TEST

START_TEST(clients_of_the_old_protocol_are_told_once)
{
    struct talker *t;
    struct world world;

    world_init(&world, 1, 2);
    world_start(&world, 0);
    t = talk(&world, 0, 0);
    say(t, "CONNECT {\"verbose\":false,\"protocol\":0}\r\n");
    in_step(&world, t);
    world_start(&world, 1);
    world_mesh(&world);
    rest(&world);
    ck_assert(!heard(t, "INFO"));
    world_end(&world);
}
END_TEST

START_TEST(what_is_advertised_is_told_and_nothing_if_that_is_not_wanted)
{
    struct talker *t[3];
    struct world world;

    world_init(&world, 1, 3);
    world.servers[1].options.client_advertise = "one.example:5000";
    world.servers[2].options.cluster.no_advertise = true;
    for (size_t i = 0; i < 3; i++)
        world_start(&world, i);
    for (size_t i = 0; i < 3; i++)
        t[i] = talk(&world, i, i);
    world_mesh(&world);
    rest(&world);
    world_kill(&world, 0, SIM_CRASH_KILL); /* so that the others say something */
    rest(&world);
    ck_assert_uint_eq(heard_count(t[2], "INFO"), 0);
    ck_assert(heard(t[1], "\"host\":\"one.example\",\"port\":5000,"));
    ck_assert(heard(t[1], "\"connect_urls\":[\"one.example:5000\"]"));
    world_end(&world);
}
END_TEST

/* ---- monitoring ----------------------------------------------------------------------------- */

static void get(struct world *world, size_t server, const char *path, struct talker *t)
{
    t->io = sim_node_io(world->sim, world->clients_node);
    t->ended = false;
    buf_init(&t->in, 64u << 20);
    buf_init(&t->out, 1u << 20);
    buf_init(&t->flight, 1u << 20);
    t->sock = sim_connect(world->sim, t->io, world->servers[server].node, 8222, &talker_events, t);
    sayf(t, "GET %s HTTP/1.1\r\n\r\n", path);
    while (!t->ended)
        ck_assert(sim_step(world->sim));
    while (t->sock != NULL)
        ck_assert(sim_step(world->sim));
}

static void forget(struct talker *t)
{
    buf_deinit(&t->in);
    buf_deinit(&t->out);
    buf_deinit(&t->flight);
}

START_TEST(routez_shows_each_connection_and_on_request_the_subscriptions_behind_it)
{
    struct talker *a, *b, answer = {0};
    char text[128];
    struct world world;

    world_begin(&world, 1, 3);
    a = talk(&world, 0, 0);
    b = talk(&world, 1, 1);
    say(b, "SUB x.* 1\r\nSUB y q 2\r\n");
    in_step(&world, b);
    rest(&world);
    say(a, "PUB x.1 2\r\nhi\r\n");
    sim_run(world.sim, SECOND);
    get(&world, 0, "/routez", &answer);
    ck_assert(heard(&answer, "\"num_routes\": 6,"));
    ck_assert_uint_eq(heard_count(&answer, "\"remote_name\": \"n1\""), 3);
    ck_assert_uint_eq(heard_count(&answer, "\"remote_name\": \"n2\""), 3);
    snprintf(text, sizeof(text), "\"remote_id\": \"%s\"", server_id(world.servers[1].server));
    ck_assert_uint_eq(heard_count(&answer, text), 3);
    ck_assert_uint_eq(heard_count(&answer, "\"rtt\": \""), 6);
    ck_assert_uint_eq(heard_count(&answer, "\"ip\": \"10.0.0."), 6);
    ck_assert_uint_eq(heard_count(&answer, "\"subscriptions\": 2,"), 1);
    ck_assert_uint_eq(heard_count(&answer, "\"out_msgs\": 1,"), 1);
    ck_assert_uint_eq(heard_count(&answer, "subscriptions_list"), 0);
    forget(&answer);
    get(&world, 0, "/routez?subs=1", &answer);
    ck_assert_uint_eq(heard_count(&answer, "\"subscriptions_list\": ["), 1);
    ck_assert_uint_eq(heard_count(&answer, "\"x.*\""), 1);
    forget(&answer);
    get(&world, 0, "/routez?subs=detail", &answer);
    ck_assert_uint_eq(heard_count(&answer, "\"subscriptions_list_detail\": ["), 1);
    ck_assert_uint_eq(heard_count(&answer, "\"qgroup\": \"q\""), 1);
    ck_assert_uint_eq(heard_count(&answer, "\"account\": \"$G\""), 2);
    forget(&answer);
    world_end(&world);
}
END_TEST

START_TEST(varz_shows_the_cluster_and_counts_what_goes_between_nodes)
{
    struct talker *a, *b, answer = {0};
    struct world world;

    world_begin(&world, 1, 2);
    a = talk(&world, 0, 0);
    b = talk(&world, 1, 1);
    say(b, "SUB x 1\r\n");
    in_step(&world, b);
    rest(&world);
    say(a, "PUB x 2\r\nhi\r\n");
    rest(&world);
    get(&world, 1, "/varz", &answer);
    ck_assert(heard(&answer,
                    "\"name\": \"C\",\n    \"addr\": \"0.0.0.0\",\n    \"cluster_port\": 6222,"));
    ck_assert(
        heard(&answer, "\"urls\": [\n      \"10.0.0.1:6222\",\n      \"10.0.0.2:6222\"\n    ]"));
    ck_assert(
        heard(&answer, "\"connect_urls\": [\n    \"10.0.0.2:4222\",\n    \"10.0.0.1:4222\"\n  ],"));
    ck_assert(heard(&answer, "\"routes\": 3,\n  \"remotes\": 1,"));
    ck_assert(heard(&answer, "\"in_msgs\": 1,\n  \"in_bytes\": 2,\n  \"in_client_msgs\": 0,"));
    forget(&answer);
    get(&world, 0, "/varz", &answer);
    ck_assert(heard(&answer, "\"out_msgs\": 1,\n  \"out_bytes\": 2,\n  \"out_client_msgs\": 0,"));
    forget(&answer);
    world_end(&world);
}
END_TEST

START_TEST(a_server_that_stands_alone_says_so)
{
    struct talker answer = {0};
    struct world world;

    world_init(&world, 1, 1);
    world.servers[0].options.cluster = (struct cluster_options){0};
    world_start(&world, 0);
    ck_assert_ptr_null(server_cluster(world.servers[0].server));
    ck_assert_uint_eq(server_cluster_port(world.servers[0].server), 0);
    get(&world, 0, "/routez", &answer);
    ck_assert(heard(&answer, "\"num_routes\": 0,\n  \"routes\": []"));
    forget(&answer);
    get(&world, 0, "/varz", &answer);
    ck_assert(heard(&answer, "\"cluster\": {},"));
    ck_assert(!heard(&answer, "connect_urls"));
    forget(&answer);
    world_end(&world);
}
END_TEST

/* ---- ending --------------------------------------------------------------------------------- */

START_TEST(what_clients_said_last_reaches_other_nodes_before_the_server_ends)
{
    struct talker *a, *b;
    struct world world;

    world_begin(&world, 1, 2);
    a = talk(&world, 0, 0);
    b = talk(&world, 1, 1);
    say(b, "SUB x 1\r\n");
    in_step(&world, b);
    rest(&world);
    for (int i = 0; i < 100; i++)
        say(a, "PUB x 4\r\nlast\r\n");
    in_step(&world, a);
    server_stop(world.servers[0].server, 5 * SECOND);
    while (!server_stopped(world.servers[0].server))
        ck_assert(sim_step(world.sim));
    rest(&world);
    ck_assert_uint_eq(heard_count(b, "MSG x 1 4\r\nlast\r\n"), 100);
    ck_assert(!world_linked(&world, 1, 0));
    world_end(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        clients_hear_of_nodes_that_come_and_go,
        the_first_info_has_the_cluster_and_no_urls_while_there_is_nowhere_to_go,
        clients_of_the_old_protocol_are_told_once,
        what_is_advertised_is_told_and_nothing_if_that_is_not_wanted,
        routez_shows_each_connection_and_on_request_the_subscriptions_behind_it,
        varz_shows_the_cluster_and_counts_what_goes_between_nodes,
        a_server_that_stands_alone_says_so,
        what_clients_said_last_reaches_other_nodes_before_the_server_ends,
    };

    return UNIT_RUN_PLAIN("cluster_info", tests);
}
