/* Links between nodes, without the servers: who is linked to whom, what is refused, what arrives.
 */
#include <errno.h>

#include "tests/unit/server/cluster_rig.h"

#define SEEDS 40

/* ---- forming -------------------------------------------------------------------------------- */

START_TEST(nodes_that_start_together_are_a_mesh_of_one_link_per_pair_within_two_seconds)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig rig;

        rig_init(&rig, seed, 2 + seed % 4);
        rig_start_all(&rig);
        (void)rig_mesh(&rig, 2 * SECOND_NS);
        sim_run(rig.sim, 10 * SECOND_NS); /* and stay it */
        ck_assert(rig_meshed(&rig));
        for (size_t i = 0; i < rig.count; i++) {
            ck_assert_int_eq(rig.nodes[i].ups, (int)rig.count - 1);
            ck_assert_int_eq(rig.nodes[i].downs, 0);
            ck_assert_msg(rig_logged(&rig.nodes[i], "[ERR]") == 0, "%.*s",
                          BYTES_ARG(buf_bytes(&rig.nodes[i].log)));
            ck_assert_uint_eq(cluster_routes_answered(rig.nodes[i].cluster), rig.count - 1);
        }
        rig_end(&rig);
    }
}
END_TEST

START_TEST(one_known_node_is_enough_to_find_all_others)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig rig;

        rig_init(&rig, seed, 4);
        for (size_t i = 0; i < rig.count; i++)
            rig.nodes[i].options.routes_count = i > 0; /* the first route is node 0 */
        rig_start_all(&rig);
        (void)rig_mesh(&rig, 3 * SECOND_NS);
        rig_end(&rig);
    }
}
END_TEST

START_TEST(a_node_that_starts_late_is_found_by_those_that_wait_for_it)
{
    struct rig rig;

    rig_init(&rig, 1, 2);
    rig.nodes[1].options.routes_count = 0;
    rig_start(&rig.nodes[0]);
    sim_run(rig.sim, 600 * SECOND_NS);
    ck_assert_uint_eq(rig_logged(&rig.nodes[0], "Error trying to connect to route"), 1);
    rig_start(&rig.nodes[1]);
    (void)rig_mesh(&rig, 40 * SECOND_NS);
    rig_end(&rig);
}
END_TEST

START_TEST(a_route_to_itself_and_several_to_one_node_make_no_second_link)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct cluster_route routes[] = {
            {.host = "10.0.0.1", .port = RIG_PORT},  {.host = "localhost", .port = RIG_PORT},
            {.host = "127.0.0.1", .port = RIG_PORT}, {.host = "10.0.0.2", .port = RIG_PORT},
            {.host = "node1", .port = RIG_PORT},     {.host = "node0", .port = RIG_PORT},
        };
        struct rig rig;

        rig_init(&rig, seed, 2);
        for (size_t i = 0; i < 2; i++) {
            rig.nodes[i].options.routes = routes;
            rig.nodes[i].options.routes_count = UNIT_COUNT(routes);
        }
        rig_start_all(&rig);
        sim_run(rig.sim, 20 * SECOND_NS);
        ck_assert(rig_meshed(&rig));
        for (size_t i = 0; i < 2; i++) {
            ck_assert_int_eq(rig.nodes[i].downs, 0);
            ck_assert_msg(rig_logged(&rig.nodes[i], "[ERR]") == 0, "%.*s",
                          BYTES_ARG(buf_bytes(&rig.nodes[i].log)));
            ck_assert_uint_eq(cluster_routes_answered(rig.nodes[i].cluster), UNIT_COUNT(routes));
        }
        rig_end(&rig);
    }
}
END_TEST

START_TEST(a_node_says_what_it_is_and_how_far_away)
{
    struct bytes urls[] = {BYTES("10.0.0.1:4222"), BYTES("a.example:4222")};
    struct bytes websocket_urls[] = {BYTES("10.0.0.1:8080")};
    struct cluster_urls clients = {urls, 2}, websocket = {websocket_urls, 1};
    const struct cluster_node *node;
    struct cluster_setup setup;
    struct rig rig;

    rig_init(&rig, 1, 2);
    rig_start(&rig.nodes[1]);
    setup = (struct cluster_setup){
        .io = sim_node_io(rig.sim, 0),
        .logger = &rig.nodes[0].logger,
        .options = &rig.nodes[0].options,
        .name = "n0",
        .server_id = "N0",
        .host = "0.0.0.0",
        .jetstream = true,
        .messages_max = 1000,
        .seed = 1,
    };
    rig.nodes[0].cluster = cluster_create(&setup);
    io_set_flush(setup.io, rig_flush, &rig.nodes[0]);
    ck_assert_int_eq(cluster_start(rig.nodes[0].cluster, 77, &clients, &websocket), OK);
    sim_run(rig.sim, 5 * SECOND_NS);
    node = cluster_node(rig.nodes[1].cluster, cluster_node_id(BYTES("n0")));
    ck_assert_ptr_nonnull(node);
    ck_assert(node->up);
    ck_assert(node->jetstream);
    ck_assert_uint_eq(node->incarnation, 77);
    ck_assert(bytes_equal(node->name, BYTES("n0")));
    ck_assert(bytes_equal(node->server_id, BYTES("N0")));
    ck_assert(bytes_equal(node->host, BYTES("10.0.0.1")));
    ck_assert_uint_eq(node->port, RIG_PORT);
    ck_assert_uint_eq(node->client_urls_count, 2);
    ck_assert(bytes_equal(node->client_urls[1], urls[1]));
    ck_assert_uint_eq(node->websocket_urls_count, 1);
    ck_assert(bytes_equal(node->websocket_urls[0], websocket_urls[0]));
    ck_assert_int_gt(node->rtt_ns, 0);
    ck_assert_int_lt(node->rtt_ns, SECOND_NS);
    rig_end(&rig);
}
END_TEST

/* ---- refusing ------------------------------------------------------------------------------- */

static void expect_refusal(struct rig *rig, const char *words)
{
    rig_start_all(rig);
    sim_run(rig->sim, 5 * SECOND_NS);
    for (size_t i = 0; i < rig->count; i++) {
        ck_assert_int_eq(rig->nodes[i].ups, 0);
        ck_assert_msg(rig_logged(&rig->nodes[i], words) > 0, "node %zu: %.*s", i,
                      BYTES_ARG(buf_bytes(&rig->nodes[i].log)));
        /* Ours to it and its to us: one line each while nothing changes. */
        ck_assert_uint_eq(rig_logged(&rig->nodes[i], "Error trying to connect to route"), 1);
    }
}

START_TEST(another_cluster_name_is_refused_with_a_line_on_both_sides)
{
    struct rig rig;

    rig_init(&rig, 1, 2);
    rig.nodes[1].options.name = "D";
    expect_refusal(&rig, "Cluster Name Conflict");
    ck_assert_uint_gt(rig_logged(&rig.nodes[0], "\"n1\" in \"D\""), 0);
    rig_end(&rig);
}
END_TEST

START_TEST(another_server_of_the_same_name_is_refused_with_a_line_on_both_sides)
{
    struct rig rig;

    rig_init(&rig, 1, 2);
    memcpy(rig.nodes[1].name, "n0", 3);
    expect_refusal(&rig, "Duplicate Server Name");
    rig_end(&rig);
}
END_TEST

START_TEST(a_second_server_of_a_peers_name_is_refused_and_the_first_stays)
{
    struct rig rig;

    rig_init(&rig, 1, 3);
    rig_start(&rig.nodes[0]);
    rig_start(&rig.nodes[1]);
    sim_run(rig.sim, 2 * SECOND_NS);
    memcpy(rig.nodes[2].name, "n1", 3);
    rig_start(&rig.nodes[2]);
    sim_run(rig.sim, 20 * SECOND_NS);
    ck_assert(rig_linked(&rig.nodes[0], &rig.nodes[1]));
    ck_assert_int_eq(rig.nodes[0].downs, 0);
    ck_assert_int_eq(rig.nodes[2].ups, 0);
    ck_assert_uint_gt(rig_logged(&rig.nodes[0], "Duplicate Server Name"), 0);
    ck_assert_uint_gt(rig_logged(&rig.nodes[2], "Duplicate Server Name"), 0);
    rig_end(&rig);
}
END_TEST

START_TEST(wrong_credentials_are_refused_and_right_ones_are_not)
{
    for (int right = 0; right < 2; right++) {
        struct rig rig;

        rig_init(&rig, 1, 2);
        for (size_t i = 0; i < 2; i++) {
            rig.nodes[i].options.user = "u";
            rig.nodes[i].options.password = "secret";
            rig.nodes[i].routes[0].user = "u";
            rig.nodes[i].routes[0].password = right ? "secret" : "secrets";
        }
        if (right) {
            rig_start_all(&rig);
            (void)rig_mesh(&rig, 2 * SECOND_NS);
        } else {
            expect_refusal(&rig, "Authorization Violation");
        }
        rig_end(&rig);
    }
}
END_TEST

START_TEST(a_route_without_credentials_uses_those_that_are_asked_of_others)
{
    struct rig rig;

    rig_init(&rig, 1, 3);
    for (size_t i = 0; i < 3; i++) {
        rig.nodes[i].options.user = "u";
        rig.nodes[i].options.password = "secret";
    }
    rig_start_all(&rig);
    (void)rig_mesh(&rig, 2 * SECOND_NS);
    rig_end(&rig);
}
END_TEST

/* One that connects to a node's cluster port and says something. */
struct stranger {
    struct io *io;
    struct io_sock *sock;
    char got[256];
    size_t got_size;
    bool ended, closed;
};

static void stranger_received(void *owner, struct bytes b)
{
    struct stranger *s = owner;

    ck_assert_uint_le(s->got_size + b.size, sizeof(s->got));
    memcpy(s->got + s->got_size, b.at, b.size);
    s->got_size += b.size;
}

static void stranger_sent(void *owner)
{
    (void)owner;
}

static void stranger_ended(void *owner, int reason)
{
    struct stranger *s = owner;

    (void)reason;
    s->ended = true;
    io_sock_close(s->io, s->sock, false);
}

static void stranger_closed(void *owner)
{
    ((struct stranger *)owner)->closed = true;
}

static const struct io_sock_events stranger_events = {stranger_received, stranger_sent,
                                                      stranger_ended, stranger_closed};

START_TEST(what_is_no_node_is_turned_away_in_time_with_one_line)
{
    static const struct bytes sayings[] = {
        BYTES(""),
        BYTES("CONNECT {}\r\nPING\r\n"),
        BYTES("INFO {\"server_id\":\"N\"}\r\n"),
        BYTES("GET / HTTP/1.1\r\n\r\n"),
        BYTES("\x16\x03\x01"),
        BYTES(FRAME_MAGIC),
        BYTES(FRAME_MAGIC "\1\2\3\4\0\0\0\0\1\0\1\0"),                  /* a wrong sum */
        BYTES(FRAME_MAGIC "\1\2\3\4\xff\xff\xff\x7f\1\0\1\0 and more"), /* too large */
        BYTES(FRAME_MAGIC "\1\2\3\4\0\0\0\0\1\0\7\0"),                  /* another version */
    };

    for (size_t i = 0; i < UNIT_COUNT(sayings); i++) {
        struct stranger s = {0};
        struct rig rig;
        size_t node;

        rig_init(&rig, i + 1, 1);
        rig_start(&rig.nodes[0]);
        node = sim_node_add(rig.sim);
        s.io = sim_node_io(rig.sim, node);
        s.sock = io_connect(s.io, "10.0.0.1", RIG_PORT, &stranger_events, &s);
        if (sayings[i].size > 0)
            io_sock_send(s.io, s.sock, &sayings[i], 1);
        sim_run(rig.sim, 5 * SECOND_NS);
        ck_assert_msg(s.ended, "saying %zu", i);
        ck_assert_uint_eq(rig_logged(&rig.nodes[0], "Route refused"), 1);
        ck_assert_uint_eq(rig_logged(&rig.nodes[0], "[ERR]"), 1);
        ck_assert_ptr_null(rig.nodes[0].cluster->lanes);
        ck_assert_uint_eq(rig.nodes[0].cluster->guests, 0);
        if (i < 5)
            ck_assert_msg(s.got_size > 0 && s.got[0] == '-', "saying %zu %zu", i, s.got_size);
        rig_end(&rig);
    }
}
END_TEST

START_TEST(strangers_that_say_nothing_are_bounded_in_number)
{
    static struct stranger strangers[GUESTS_MAX + 30];
    size_t node, ended = 0;
    struct rig rig;

    rig_init(&rig, 1, 1);
    rig_start(&rig.nodes[0]);
    node = sim_node_add(rig.sim);
    for (size_t i = 0; i < UNIT_COUNT(strangers); i++) {
        strangers[i] = (struct stranger){.io = sim_node_io(rig.sim, node)};
        strangers[i].sock =
            io_connect(strangers[i].io, "10.0.0.1", RIG_PORT, &stranger_events, &strangers[i]);
    }
    sim_run(rig.sim, SECOND_NS);
    for (size_t i = 0; i < UNIT_COUNT(strangers); i++)
        ended += strangers[i].ended;
    ck_assert_uint_eq(ended, 30);
    ck_assert_uint_eq(rig.nodes[0].cluster->guests, GUESTS_MAX);
    sim_run(rig.sim, 5 * SECOND_NS);
    ck_assert_uint_eq(rig.nodes[0].cluster->guests, 0);
    rig_end(&rig);
}
END_TEST

/* ---- names made up -------------------------------------------------------------------------- */

START_TEST(nodes_without_a_cluster_name_agree_on_one_and_a_configured_one_wins)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        bool named = seed % 2;
        struct rig rig;

        rig_init(&rig, seed, 3);
        for (size_t i = named; i < rig.count; i++)
            rig.nodes[i].options.name = NULL;
        rig_start_all(&rig);
        sim_run(rig.sim, 10 * SECOND_NS);
        ck_assert(rig_meshed(&rig));
        for (size_t i = 0; i < rig.count; i++) {
            ck_assert(bytes_equal(cluster_name(rig.nodes[0].cluster),
                                  cluster_name(rig.nodes[i].cluster)));
            ck_assert_int_eq(cluster_name_is_dynamic(rig.nodes[i].cluster), !named);
        }
        ck_assert(!named || bytes_equal(cluster_name(rig.nodes[2].cluster), BYTES("C")));
        rig_end(&rig);
    }
}
END_TEST

/* ---- going down ----------------------------------------------------------------------------- */

START_TEST(a_killed_node_is_down_at_once_and_up_again_after_its_restart)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig rig;

        rig_init(&rig, seed, 3);
        rig_start_all(&rig);
        (void)rig_mesh(&rig, 2 * SECOND_NS);
        rig_kill(&rig.nodes[1], seed % 2 ? SIM_CRASH_KILL : SIM_CRASH_POWER);
        sim_run(rig.sim, 2 * SECOND_NS);
        ck_assert_int_eq(rig.nodes[0].downs, 1);
        ck_assert(rig_meshed(&rig));
        rig_start(&rig.nodes[1]);
        (void)rig_mesh(&rig, 3 * SECOND_NS);
        ck_assert_int_eq(rig.nodes[0].ups, 3);
        rig_end(&rig);
    }
}
END_TEST

START_TEST(a_node_that_comes_back_before_it_was_missed_is_another_one)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig rig;

        rig_init(&rig, seed, 2);
        rig_start_all(&rig);
        (void)rig_mesh(&rig, 2 * SECOND_NS);
        rig_kill(&rig.nodes[1], SIM_CRASH_POWER);
        rig_start(&rig.nodes[1]);
        (void)rig_mesh(&rig, 5 * SECOND_NS);
        ck_assert_int_eq(rig.nodes[0].ups, 2);
        ck_assert_int_eq(rig.nodes[0].downs, 1);
        rig_end(&rig);
    }
}
END_TEST

START_TEST(a_partition_is_noticed_within_the_deadline_and_heals)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        bool one_way = seed % 2;
        struct rig rig;

        rig_init(&rig, seed, 3);
        rig_start_all(&rig);
        (void)rig_mesh(&rig, 2 * SECOND_NS);
        if (one_way)
            sim_cut(rig.sim, 0, 1);
        else
            sim_part(rig.sim, 0, 1);
        sim_run(rig.sim, 2 * SECOND_NS);
        ck_assert(!rig_linked(&rig.nodes[0], &rig.nodes[1]));
        ck_assert(!rig_linked(&rig.nodes[1], &rig.nodes[0]));
        ck_assert(rig_linked(&rig.nodes[2], &rig.nodes[1]));
        sim_run(rig.sim, (int64_t)(seed * 10) * SECOND_NS);
        sim_join(rig.sim, 0, 1);
        (void)rig_mesh(&rig, 40 * SECOND_NS);
        rig_end(&rig);
    }
}
END_TEST

/* Only the third knows where both are. */
START_TEST(nodes_that_gave_each_other_up_are_brought_together_by_gossip)
{
    struct rig rig;

    rig_init(&rig, 3, 3);
    rig.nodes[0].options.routes_count = 0;
    rig.nodes[1].options.routes_count = 1;
    rig.nodes[2].options.routes_count = 1;
    rig_start_all(&rig);
    (void)rig_mesh(&rig, 3 * SECOND_NS);
    sim_part(rig.sim, 1, 2);
    sim_run(rig.sim, 300 * SECOND_NS);
    ck_assert(!rig_linked(&rig.nodes[1], &rig.nodes[2]));
    ck_assert_uint_eq(rig_logged(&rig.nodes[2], "Error trying to connect to route 10.0.0.2"), 1);
    sim_join(rig.sim, 1, 2);
    (void)rig_mesh(&rig, 10 * SECOND_NS);
    rig_end(&rig);
}
END_TEST

START_TEST(slow_networks_and_broken_connections_end_in_a_mesh_again)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig rig;

        rig_init(&rig, seed, 3);
        rig_start_all(&rig);
        for (int i = 0; i < 20; i++) {
            size_t a = prng_below(sim_prng(rig.sim), 3), b = prng_below(sim_prng(rig.sim), 3);

            sim_delay(rig.sim, a, b, 0,
                      (int64_t)prng_below(sim_prng(rig.sim), 100) * MILLISECOND_NS);
            sim_reset(rig.sim, a, b);
            sim_run(rig.sim, (int64_t)prng_below(sim_prng(rig.sim), 1000) * MILLISECOND_NS);
        }
        (void)rig_mesh(&rig, 40 * SECOND_NS);
        for (size_t i = 0; i < rig.count; i++)
            ck_assert_int_eq(rig.nodes[i].ups - rig.nodes[i].downs, 2);
        rig_end(&rig);
    }
}
END_TEST

START_TEST(a_process_that_stood_still_does_not_take_its_peers_for_dead)
{
    struct rig rig;

    rig_init(&rig, 1, 2);
    rig.nodes[1].options.deadline_ns = 60 * SECOND_NS; /* this one is patient */
    rig_start_all(&rig);
    (void)rig_mesh(&rig, 2 * SECOND_NS);
    sim_pause(rig.sim, 0, 10 * SECOND_NS);
    sim_run(rig.sim, 20 * SECOND_NS);
    ck_assert_int_eq(rig.nodes[0].downs + rig.nodes[1].downs, 0);
    sim_pause(rig.sim, 1, 10 * SECOND_NS);
    sim_run(rig.sim, 5 * SECOND_NS);
    ck_assert_int_eq(rig.nodes[0].downs, 1); /* but the other one for what it is */
    rig_end(&rig);
}
END_TEST

START_TEST(stopping_sends_what_is_queued_and_ends)
{
    struct rig rig;

    rig_init(&rig, 1, 2);
    rig_start_all(&rig);
    (void)rig_mesh(&rig, 2 * SECOND_NS);
    ck_assert(rig_send(&rig.nodes[0], &rig.nodes[1], CLUSTER_DATA, BYTES("last words")));
    cluster_stop(rig.nodes[0].cluster);
    io_wake(sim_node_io(rig.sim, 0));
    sim_run(rig.sim, SECOND_NS);
    ck_assert(cluster_stopped(rig.nodes[0].cluster));
    ck_assert(bytes_equal(buf_bytes(&rig.nodes[1].got), BYTES("01 last words\n")));
    ck_assert_int_eq(rig.nodes[1].downs, 1);
    ck_assert_int_eq(rig.nodes[0].downs, 1);
    rig_end(&rig);
}
END_TEST

/* ---- frames --------------------------------------------------------------------------------- */

START_TEST(frames_of_a_class_arrive_once_and_in_order_whatever_the_network_does)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_faults faults = sim_faults_none();
        struct buf expected[CLUSTER_CLASSES];
        struct rig_node *from, *to;
        struct rig rig;

        rig_init(&rig, seed, 2);
        faults.net_tiny = 200000;
        faults.sock_buffer = 512;
        faults.net_max_ns = 300000;
        sim_set_faults(rig.sim, 0, &faults);
        sim_set_faults(rig.sim, 1, &faults);
        rig_start_all(&rig);
        (void)rig_mesh(&rig, 10 * SECOND_NS);
        from = &rig.nodes[seed % 2];
        to = &rig.nodes[1 - seed % 2];
        for (int class = 0; class < CLUSTER_CLASSES; class ++)
            buf_init(&expected[class], 1u << 20);
        for (int i = 0; i < 100; i++) {
            enum cluster_class class = prng_below(sim_prng(rig.sim), CLUSTER_CLASSES);
            char text[300];
            int size = (int)prng_below(sim_prng(rig.sim), 250);

            snprintf(text, sizeof(text), "%d %0*d", i, size, 0);
            ck_assert(buf_print(&expected[class], "%zu%u %s\n", from->index, class, text));
            ck_assert(rig_send(from, to, class, bytes_of_text(text)));
            if (i % 7 == 0)
                sim_run(rig.sim, MILLISECOND_NS);
        }
        sim_run(rig.sim, 10 * SECOND_NS);
        for (int class = 0; class < CLUSTER_CLASSES; class ++) {
            struct bytes rest = buf_bytes(&to->got), want = buf_bytes(&expected[class]);

            while (rest.size > 0) {
                size_t line = bytes_find(rest, '\n') + 1;

                if (rest.at[1] == '0' + class) {
                    ck_assert(bytes_starts(want, bytes_take(rest, line)));
                    want = bytes_skip(want, line);
                }
                rest = bytes_skip(rest, line);
            }
            ck_assert_uint_eq(want.size, 0);
            buf_deinit(&expected[class]);
        }
        rig_end(&rig);
    }
}
END_TEST

START_TEST(a_class_that_is_not_read_holds_up_no_other_and_loses_nothing)
{
    static uint8_t large[100000];
    struct bytes body = bytes_of(large, sizeof(large));
    struct rig_node *from, *to;
    struct rig rig;
    size_t room;

    memset(large, 'x', sizeof(large));
    rig_init(&rig, 1, 2);
    rig_start_all(&rig);
    (void)rig_mesh(&rig, 2 * SECOND_NS);
    from = &rig.nodes[0];
    to = &rig.nodes[1];
    cluster_pause(to->cluster, rig_id(from), CLUSTER_DATA);
    room = cluster_room(from->cluster, rig_id(to), CLUSTER_DATA);
    for (int i = 0; i < 10; i++)
        ck_assert(rig_send(from, to, CLUSTER_DATA, body));
    ck_assert_uint_lt(cluster_room(from->cluster, rig_id(to), CLUSTER_DATA), room - 10 * body.size);
    sim_run(rig.sim, 5 * SECOND_NS);
    ck_assert(rig_send(from, to, CLUSTER_CONTROL, BYTES("vote")));
    ck_assert(rig_send(from, to, CLUSTER_MESSAGES, BYTES("hello")));
    sim_run(rig.sim, SECOND_NS / 10);
    ck_assert_uint_eq(to->got.size, sizeof("00 vote\n02 hello\n") - 1);
    cluster_resume(to->cluster, rig_id(from), CLUSTER_DATA);
    io_wake(sim_node_io(rig.sim, 1));
    sim_run(rig.sim, 5 * SECOND_NS);
    ck_assert_uint_eq(to->got.size, sizeof("00 vote\n02 hello\n") - 1 + 10 * (body.size + 4));
    ck_assert_uint_eq(cluster_room(from->cluster, rig_id(to), CLUSTER_DATA), room);
    ck_assert_int_eq(to->downs, 0);
    rig_end(&rig);
}
END_TEST

START_TEST(a_full_queue_refuses_and_a_full_control_queue_ends_the_link)
{
    static uint8_t large[100000];
    struct bytes body = bytes_of(large, sizeof(large));
    struct rig_node *from, *to;
    struct rig rig;
    int sent = 0;

    rig_init(&rig, 1, 2);
    rig_start_all(&rig);
    (void)rig_mesh(&rig, 2 * SECOND_NS);
    from = &rig.nodes[0];
    to = &rig.nodes[1];
    while (rig_send(from, to, CLUSTER_MESSAGES, body))
        sent++;
    ck_assert_int_eq(sent, (1 << 20) / (int)(body.size + FRAME_HEAD));
    ck_assert(rig_send(from, to, CLUSTER_MESSAGES, BYTES("a small one fits")));
    ck_assert(rig_send(from, to, CLUSTER_DATA, body));
    while (rig_send(from, to, CLUSTER_CONTROL, body))
        ;
    ck_assert(!rig_send(from, to, CLUSTER_DATA, body));
    sim_run(rig.sim, SECOND_NS / 2);
    ck_assert_int_eq(from->downs, 1);
    (void)rig_mesh(&rig, 5 * SECOND_NS);
    rig_end(&rig);
}
END_TEST

START_TEST(nothing_is_sent_to_who_is_not_there)
{
    struct rig rig;

    rig_init(&rig, 1, 2);
    rig_start(&rig.nodes[0]);
    ck_assert(!rig_send(&rig.nodes[0], &rig.nodes[1], CLUSTER_CONTROL, BYTES("x")));
    ck_assert_uint_eq(cluster_room(rig.nodes[0].cluster, 17, CLUSTER_DATA), 0);
    ck_assert_ptr_null(cluster_node(rig.nodes[0].cluster, 17));
    rig_end(&rig);
}
END_TEST

START_TEST(a_peer_that_breaks_the_rules_is_dropped_and_met_again)
{
    struct rig rig;

    rig_init(&rig, 1, 2);
    rig_start_all(&rig);
    (void)rig_mesh(&rig, 2 * SECOND_NS);
    cluster_drop(rig.nodes[0].cluster, rig_id(&rig.nodes[1]), "it lies");
    io_wake(sim_node_io(rig.sim, 0));
    sim_run(rig.sim, MILLISECOND_NS);
    ck_assert_int_eq(rig.nodes[0].downs, 1);
    ck_assert_uint_eq(rig_logged(&rig.nodes[0], "it lies"), 1);
    (void)rig_mesh(&rig, 2 * SECOND_NS);
    rig_end(&rig);
}
END_TEST

START_TEST(the_transport_of_raft_carries_both_of_its_classes)
{
    struct bytes pieces[] = {BYTES("ap"), BYTES("pend")};
    struct transport transport;
    struct rig_node *to;
    struct rig rig;

    rig_init(&rig, 1, 2);
    rig_start_all(&rig);
    to = &rig.nodes[1];
    cluster_subscribe(to->cluster, CLUSTER_RAFT, rig_got, to);
    (void)rig_mesh(&rig, 2 * SECOND_NS);
    transport = cluster_transport(rig.nodes[0].cluster);
    ck_assert(transport.send(transport.owner, rig_id(to), TRANSPORT_DATA, pieces, 2));
    ck_assert(!transport.send(transport.owner, 5, TRANSPORT_DATA, pieces, 2));
    ck_assert_uint_gt(transport.room(transport.owner, rig_id(to)), 64u << 20);
    ck_assert_uint_eq(transport.room(transport.owner, 5), 0);
    sim_run(rig.sim, SECOND_NS);
    ck_assert(transport.send(transport.owner, rig_id(to), TRANSPORT_CONTROL, pieces, 2));
    sim_run(rig.sim, SECOND_NS);
    ck_assert(bytes_equal(buf_bytes(&to->got), BYTES("01 append\n00 append\n")));
    rig_end(&rig);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        nodes_that_start_together_are_a_mesh_of_one_link_per_pair_within_two_seconds,
        one_known_node_is_enough_to_find_all_others,
        a_node_that_starts_late_is_found_by_those_that_wait_for_it,
        a_route_to_itself_and_several_to_one_node_make_no_second_link,
        a_node_says_what_it_is_and_how_far_away,
        another_cluster_name_is_refused_with_a_line_on_both_sides,
        another_server_of_the_same_name_is_refused_with_a_line_on_both_sides,
        a_second_server_of_a_peers_name_is_refused_and_the_first_stays,
        wrong_credentials_are_refused_and_right_ones_are_not,
        a_route_without_credentials_uses_those_that_are_asked_of_others,
        what_is_no_node_is_turned_away_in_time_with_one_line,
        strangers_that_say_nothing_are_bounded_in_number,
        nodes_without_a_cluster_name_agree_on_one_and_a_configured_one_wins,
        a_killed_node_is_down_at_once_and_up_again_after_its_restart,
        a_node_that_comes_back_before_it_was_missed_is_another_one,
        a_partition_is_noticed_within_the_deadline_and_heals,
        nodes_that_gave_each_other_up_are_brought_together_by_gossip,
        slow_networks_and_broken_connections_end_in_a_mesh_again,
        a_process_that_stood_still_does_not_take_its_peers_for_dead,
        stopping_sends_what_is_queued_and_ends,
        frames_of_a_class_arrive_once_and_in_order_whatever_the_network_does,
        a_class_that_is_not_read_holds_up_no_other_and_loses_nothing,
        a_full_queue_refuses_and_a_full_control_queue_ends_the_link,
        nothing_is_sent_to_who_is_not_there,
        a_peer_that_breaks_the_rules_is_dropped_and_met_again,
        the_transport_of_raft_carries_both_of_its_classes,
    };

    return UNIT_RUN_PLAIN("cluster_links", tests);
}
