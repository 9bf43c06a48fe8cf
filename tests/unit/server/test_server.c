/* A whole server without JetStream on the simulated network: its turns, ends and monitoring. */
#include "tests/unit/server/world.h"

START_TEST(clients_talk_through_a_server)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct peer *publisher, *subscriber;
        struct world world;

        world_init(&world, seed);
        world_start(&world);
        publisher = peer_connect(&world, 0, 4222);
        subscriber = peer_connect(&world, 1, 4222);
        settle(&world);
        ck_assert(peer_has(subscriber, "INFO {"));
        peer_say(&world, subscriber, "CONNECT {\"verbose\":false}\r\nSUB a.* 7\r\nPING\r\n");
        ck_assert(peer_has(subscriber, "PONG\r\n"));
        peer_say(&world, publisher, "CONNECT {\"verbose\":false}\r\nPUB a.b 5\r\nhello\r\n");
        ck_assert(peer_has(subscriber, "MSG a.b 7 5\r\nhello\r\n"));
        ck_assert(logged(&world, "[INF] Listening for client connections on 127.0.0.1:4222\n"));
        ck_assert(logged(&world, "[INF] Server is ready\n"));
        world_deinit(&world);
    }
}
END_TEST

START_TEST(an_error_is_read_before_the_connection_ends)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world world;
        struct peer *peer;

        world_init(&world, seed);
        world_start(&world);
        peer = peer_connect(&world, 0, 4222);
        peer_say(&world, peer, "CONNECT {\"protocol\":2}\r\n");
        ck_assert(peer_has(peer, "-ERR 'invalid client protocol'\r\n"));
        ck_assert(peer->ended);
        ck_assert(logged(&world, "Client connection closed: Bad Client Protocol Version"));
        world_deinit(&world);
    }
}
END_TEST

START_TEST(connections_beyond_the_limit_are_told_so)
{
    struct world world;
    struct peer *third;

    world_init(&world, 3);
    world.options.max_connections = 2;
    world_start(&world);
    (void)peer_connect(&world, 0, 4222);
    (void)peer_connect(&world, 1, 4222);
    settle(&world);
    third = peer_connect(&world, 2, 4222);
    settle(&world);
    ck_assert(peer_has(third, "INFO {"));
    ck_assert(peer_has(third, "-ERR 'maximum connections exceeded'\r\n"));
    ck_assert(third->ended);
    ck_assert(!world.peers[0].ended && !world.peers[1].ended);

    io_sock_close(world.peers[0].io, world.peers[0].sock, false);
    settle(&world);
    third = peer_connect(&world, 2, 4222);
    settle(&world);
    ck_assert(!third->ended);
    world_deinit(&world);
}
END_TEST

START_TEST(a_silent_client_is_pinged_and_at_last_given_up)
{
    struct world world;
    struct peer *peer;

    world_init(&world, 4);
    world.options.ping_interval_ns = 10 * SECOND;
    world_start(&world);
    peer = peer_connect(&world, 0, 4222);
    peer_say(&world, peer, "CONNECT {\"verbose\":false}\r\n");
    ck_assert(!peer_has(peer, "PING\r\n"));
    sim_run(world.sim, 3 * SECOND);
    ck_assert(peer_has(peer, "PING\r\n"));
    sim_run(world.sim, 30 * SECOND);
    ck_assert(peer_has(peer, "-ERR 'Stale Connection'\r\n"));
    ck_assert(peer->ended);
    world_deinit(&world);
}
END_TEST

/* Bytes for a peer that takes none: a subscription of its own and what is published to it. */
static char *flood(size_t messages, size_t size)
{
    char *text = malloc(messages * (size + 40) + 100), *at = text;

    at += sprintf(at, "CONNECT {\"verbose\":false}\r\n");
    for (size_t i = 0; i < messages; i++) {
        at += sprintf(at, "PUB a %zu\r\n", size);
        memset(at, 'x', size);
        at += size;
        at += sprintf(at, "\r\n");
    }
    return text;
}

START_TEST(who_takes_nothing_is_closed_at_the_write_deadline_without_a_word)
{
    char *text = flood(100, 10000);
    struct peer *slow, *publisher;
    struct world world;

    world_init(&world, 5);
    world_start(&world);
    slow = peer_connect(&world, 0, 4222);
    peer_say(&world, slow, "CONNECT {\"verbose\":false}\r\nSUB a 1\r\n");
    io_sock_pause(slow->io, slow->sock);
    publisher = peer_connect(&world, 1, 4222);
    peer_say(&world, publisher, text);
    sim_run(world.sim, 5 * SECOND);
    ck_assert(!logged(&world, "Slow Consumer"));
    sim_run(world.sim, 15 * SECOND);
    ck_assert(logged(&world, "Client connection closed: Slow Consumer (Write Deadline)"));
    ck_assert(!publisher->ended);
    io_sock_resume(slow->io, slow->sock);
    settle(&world);
    ck_assert(!peer_has(slow, "-ERR"));
    world_deinit(&world);
    free(text);
}
END_TEST

START_TEST(a_producer_is_held_back_rather_than_its_receiver_lost)
{
    char *text = flood(3000, 1000);
    struct peer *slow, *publisher;
    struct world world;

    world_init(&world, 6);
    world.options.max_pending = 1 << 20;
    world_start(&world);
    slow = peer_connect(&world, 0, 4222);
    peer_say(&world, slow, "CONNECT {\"verbose\":false}\r\nSUB a 1\r\n");
    publisher = peer_connect(&world, 1, 4222);
    peer_say(&world, publisher, text);
    sim_run(world.sim, 60 * SECOND);
    ck_assert(!slow->ended);
    ck_assert_uint_gt(slow->in.size, 3000 * 1000);
    world_deinit(&world);
    free(text);
}
END_TEST

#define MANY 10000

/* Counted, and by name, in no group and in one. */
static char *many_subs(void)
{
    char *text = malloc(MANY * 40 + 100), *at = text;

    at += sprintf(at, "CONNECT {\"verbose\":false}\r\n");
    for (int i = 0; i < MANY; i++)
        at += sprintf(at, "SUB many.%d%s %s%d\r\n", i, i % 3 == 0 ? " crew" : "",
                      i % 4 == 0 ? "s" : "", i);
    return text;
}

static size_t subscriptions(const struct world *world)
{
    return router_subscriptions(server_router(world->server));
}

/* Until there are so many again. Returns in how many parts the others went. */
static int count_parts(struct world *world, size_t until)
{
    size_t before = subscriptions(world), left = before;
    int parts = 0;

    for (; left > until && sim_step(world->sim); before = left) {
        left = subscriptions(world);
        ck_assert_uint_le(before - left, 2048);
        parts += left < before;
    }
    ck_assert_uint_eq(left, until);
    return parts;
}

START_TEST(many_subscriptions_of_one_that_goes_end_in_parts_and_it_gets_nothing_meanwhile)
{
    char *text = many_subs();
    struct peer *gone, *other;
    struct world world;
    size_t before;

    world_init(&world, 14);
    world_start(&world);
    gone = peer_connect(&world, 0, 4222);
    peer_say(&world, gone, text);
    other = peer_connect(&world, 1, 4222);
    peer_say(&world, other,
             "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n"
             "SUB back 1\r\n");
    before = subscriptions(&world) - MANY;
    io_sock_close(gone->io, gone->sock, false);
    ck_assert_int_ge(count_parts(&world, before), MANY / 2048);

    peer_say(&world, other, "PUB many.9998 back 0\r\n\r\nPUB many.9999 back 0\r\n\r\n");
    ck_assert(peer_has(other, "Nats-Subject: many.9998\r\n"));
    ck_assert(peer_has(other, "Nats-Subject: many.9999\r\n"));
    gone = peer_connect(&world, 0, 4222); /* it comes back, and goes while it is being ended */
    peer_say(&world, gone, text);
    ck_assert_uint_eq(subscriptions(&world), before + MANY);
    io_sock_close(gone->io, gone->sock, false);
    while (subscriptions(&world) == before + MANY)
        ck_assert(sim_step(world.sim));
    world_deinit(&world);
    free(text);
}
END_TEST

START_TEST(stopping_sends_what_is_waiting_and_closes_all)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world world;
        struct peer *peer;

        world_init(&world, seed);
        world_start(&world);
        peer = peer_connect(&world, 0, 4222);
        (void)peer_connect(&world, 1, 4222);
        peer_say(&world, peer, "CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPUB a 2\r\nhi\r\n");
        server_stop(world.server, 5 * SECOND);
        sim_run(world.sim, 2 * SECOND);
        ck_assert(server_stopped(world.server));
        ck_assert(peer_has(peer, "MSG a 1 2\r\nhi\r\n"));
        ck_assert(!peer_has(peer, "-ERR"));
        ck_assert(peer->ended && world.peers[1].ended);
        ck_assert(logged(&world, "Client connection closed: Server Shutdown"));
        ck_assert(logged(&world, "[INF] Server Exiting..\n"));
        world_deinit(&world);
    }
}
END_TEST

START_TEST(stopping_is_bounded_by_its_deadline)
{
    char *text = flood(100, 10000);
    struct peer *slow, *publisher;
    struct world world;

    world_init(&world, 8);
    world_start(&world);
    slow = peer_connect(&world, 0, 4222);
    peer_say(&world, slow, "CONNECT {\"verbose\":false}\r\nSUB a 1\r\n");
    io_sock_pause(slow->io, slow->sock);
    publisher = peer_connect(&world, 1, 4222);
    peer_say(&world, publisher, text);
    server_stop(world.server, 3 * SECOND);
    sim_run(world.sim, 4 * SECOND);
    ck_assert(server_stopped(world.server));
    world_deinit(&world);
    free(text);
}
END_TEST

/* ---- monitoring ----------------------------------------------------------------------------- */

static struct peer *ask(struct world *world, const char *request)
{
    struct peer *peer = peer_connect(world, 3, server_http_port(world->server));

    peer_say(world, peer, request);
    return peer;
}

START_TEST(monitoring_answers_what_it_has_and_refuses_the_rest)
{
    struct world world;
    struct peer *peer;

    world_init(&world, 9);
    world.options.http_port = 8222;
    world_start(&world);
    ck_assert(logged(&world, "[INF] Starting http monitor on 127.0.0.1:8222\n"));

    peer = ask(&world, "GET /healthz?js-enabled-only=1 HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert(peer_has(peer, "HTTP/1.1 200 OK\r\n"));
    ck_assert(peer_has(peer, "\r\n\r\n{\"status\":\"ok\"}"));
    ck_assert(peer->ended);
    peer = ask(&world, "GET /varz HTTP/1.1\r\n\r\n");
    ck_assert(peer_has(peer, "Content-Type: application/json\r\n"));
    ck_assert(peer_has(peer, "\n  \"version\": \"" NATS_VERSION "\",\n"));
    ck_assert(peer_has(peer, "\n  \"jetstream\": {},\n"));
    peer = ask(&world, "HEAD /healthz HTTP/1.1\r\n\r\n");
    ck_assert(peer_has(peer, "Content-Length: 15\r\n"));
    ck_assert(!peer_has(peer, "status"));
    peer = ask(&world, "GET /nothing HTTP/1.1\r\n\r\n");
    ck_assert(peer_has(peer, "HTTP/1.1 404 Not Found\r\n"));
    ck_assert(peer_has(peer, "404 page not found\n"));
    peer = ask(&world, "BAD\r\n\r\n");
    ck_assert(peer_has(peer, "HTTP/1.1 400 Bad Request\r\n"));
    peer = ask(&world, "GET /healthz?stream=S HTTP/1.1\r\n\r\n");
    ck_assert(peer_has(peer, "HTTP/1.1 400 "));
    ck_assert(peer_has(peer, "\\\"account\\\" must not be empty when checking stream health"));
    world_deinit(&world);
}
END_TEST

START_TEST(a_monitoring_request_is_bounded_in_size_and_time)
{
    char *text = malloc(10001);
    struct world world;
    struct peer *peer;

    memset(text, 'x', 10000);
    text[10000] = 0;
    world_init(&world, 10);
    world.options.http_port = 8222;
    world_start(&world);
    peer = ask(&world, text);
    ck_assert(peer->ended);
    ck_assert(!peer_has(peer, "200"));
    peer = ask(&world, "GET /varz HTTP/1.1\r\n");
    ck_assert(!peer->ended);
    sim_run(world.sim, 6 * SECOND);
    ck_assert(peer->ended);
    ck_assert_uint_eq(peer->in.size, 0);
    world_deinit(&world);
    free(text);
}
END_TEST

START_TEST(a_port_in_use_is_said_and_leaves_nothing_behind)
{
    struct world world;
    struct server *second = NULL;

    world_init(&world, 11);
    world_start(&world);
    ck_assert_int_eq(server_start(sim_node_io(world.sim, world.server_node), &world.options,
                                  &world.logger, &second),
                     ERR_BUSY);
    ck_assert_ptr_null(second);
    ck_assert(logged(&world, "[FTL] Error listening on port: 127.0.0.1:4222, \"listen tcp "
                             "127.0.0.1:4222: bind: address already in use\"\n"));
    world_deinit(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        clients_talk_through_a_server,
        an_error_is_read_before_the_connection_ends,
        connections_beyond_the_limit_are_told_so,
        a_silent_client_is_pinged_and_at_last_given_up,
        who_takes_nothing_is_closed_at_the_write_deadline_without_a_word,
        a_producer_is_held_back_rather_than_its_receiver_lost,
        many_subscriptions_of_one_that_goes_end_in_parts_and_it_gets_nothing_meanwhile,
        stopping_sends_what_is_waiting_and_closes_all,
        stopping_is_bounded_by_its_deadline,
        monitoring_answers_what_it_has_and_refuses_the_rest,
        a_monitoring_request_is_bounded_in_size_and_time,
        a_port_in_use_is_said_and_leaves_nothing_behind,
    };

    return UNIT_RUN_PLAIN("server", tests);
}
