/* Who wants to know something of all streams right after a start, or changes what holds for them,
 * waits for the opening in steps, a while at most; and nobody else does. */
#include "server/jetstream/jetstream_late_priv.h"
#include "tests/unit/server/late_world.h"

/* Workers and with them the opening take so long. */
static void slow_workers(struct world *world, int64_t ns)
{
    struct sim_faults faults = sim_faults_none();

    faults.work_min_ns = faults.work_max_ns = ns;
    sim_set_faults(world->sim, world->server_node, &faults);
    for (unsigned i = 1; i < SERVER_SHARDS; i++)
        sim_set_faults(world->sim, world->shards.nodes[i], &faults);
}

static void send_text(struct peer *peer, const char *text)
{
    struct bytes b = bytes_of_text(text);

    io_sock_send(peer->io, peer->sock, &b, 1);
}

static struct peer *get(struct world *world, int n, const char *text)
{
    struct peer *peer = peer_connect(world, n, HTTP_PORT);

    sim_run(world->sim, SECOND / 100);
    send_text(peer, text);
    return peer;
}

/* A client of the system account, as all are here, that answers itself. */
static struct peer *other_client(struct world *world)
{
    struct peer *peer = peer_connect(world, 1, 4222);

    sim_run(world->sim, SECOND / 100);
    send_text(peer, "CONNECT {\"verbose\":false}\r\nSUB o 1\r\n");
    return peer;
}

static void is_served(struct world *world, struct peer *peer)
{
    buf_clear(&peer->in);
    send_text(peer, "PUB o 1\r\nx\r\n");
    sim_run(world->sim, SECOND / 20);
    ck_assert(peer_has(peer, "MSG o 1 1\r\nx"));
}

static const char *const asks[] = {
    "GET /jsz HTTP/1.1\r\n\r\n",
    "GET /varz HTTP/1.1\r\n\r\n",
    "GET /metrics HTTP/1.1\r\n\r\n",
    "GET /healthz HTTP/1.1\r\n\r\n",
};

#define ASKS (sizeof asks / sizeof asks[0])

START_TEST(monitoring_waits_while_others_are_served)
{
    static const char *const answers[ASKS] = {"\"messages\": 15", "\"jetstream\": {",
                                              "nats_stream_messages", "{\"status\":\"ok\"}"};

    for (size_t i = 0; i < ASKS; i++) {
        struct world world;
        struct peer *peer, *other;

        start_late_of(&world, 1, with_monitoring);
        other = other_client(&world);
        slow_workers(&world, SECOND / 10);
        peer = get(&world, 2, asks[i]);
        sim_run(world.sim, SECOND / 10);
        ck_assert_uint_eq(peer->in.size, 0);
        ck_assert_uint_lt(open_count(&world), STREAMS);
        is_served(&world, other);
        sim_run(world.sim, 3 * SECOND);
        ck_assert_uint_eq(open_count(&world), STREAMS);
        ck_assert(peer_has(peer, "HTTP/1.1 200 OK"));
        if (i != 2 && !peer_has(peer, answers[i]))
            ck_abort_msg("%s: %.*s", asks[i], BYTES_ARG(buf_bytes(&peer->in)));
        world_deinit(&world);
    }
}
END_TEST

START_TEST(monitoring_does_not_wait_for_ever)
{
    for (size_t i = 0; i < ASKS; i++) {
        struct world world;
        struct peer *peer;

        start_late_of(&world, 1, with_monitoring);
        slow_workers(&world, 60 * SECOND);
        peer = get(&world, 2, asks[i]);
        sim_run(world.sim, 2 * SECOND);
        ck_assert_uint_eq(peer->in.size, 0);
        sim_run(world.sim, 2 * SECOND);
        ck_assert_uint_lt(open_count(&world), STREAMS);
        ck_assert(peer_has(peer, "HTTP/1.1 503 Service Unavailable"));
        if (!peer_has(peer, "streams are being opened since the start"))
            ck_abort_msg("%s: %.*s", asks[i], BYTES_ARG(buf_bytes(&peer->in)));
        world_deinit(&world);
    }
}
END_TEST

START_TEST(what_is_no_matter_of_streams_is_answered_at_once)
{
    static const char *const those[] = {
        "GET /healthz?js-server-only=true HTTP/1.1\r\n\r\n",
        "GET /healthz?js-enabled-only=true HTTP/1.1\r\n\r\n",
        "GET /connz HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof those / sizeof those[0]; i++) {
        struct world world;
        struct peer *peer;

        start_late_of(&world, 1, with_monitoring);
        slow_workers(&world, 60 * SECOND);
        peer = get(&world, 2, those[i]);
        sim_run(world.sim, SECOND);
        ck_assert(peer_has(peer, "HTTP/1.1 200 OK"));
        world_deinit(&world);
    }
}
END_TEST

static const char *const system_asks[] = {
    "PUB $SYS.REQ.SERVER.PING.JSZ in.r 0\r\n\r\n",
    "PUB $SYS.REQ.ACCOUNT.$G.JSZ in.r 0\r\n\r\n",
    "PUB $SYS.REQ.SERVER.PING.VARZ in.r 0\r\n\r\n",
};

#define SYSTEM_ASKS (sizeof system_asks / sizeof system_asks[0])

START_TEST(the_system_account_waits_while_others_are_served)
{
    for (size_t i = 0; i < SYSTEM_ASKS; i++) {
        struct world world;
        struct peer *peer, *other;

        start_late_of(&world, 1, with_system);
        peer = come_in(&world);
        other = other_client(&world);
        slow_workers(&world, SECOND / 10);
        send_text(peer, system_asks[i]);
        sim_run(world.sim, SECOND / 10);
        ck_assert_uint_eq(told(peer, "MSG in.r"), 0);
        is_served(&world, other);
        send_text(peer, "PUB $SYS.REQ.SERVER.PING.IDZ in.i 0\r\n\r\n");
        sim_run(world.sim, SECOND / 20);
        ck_assert_uint_eq(told(peer, "MSG in.i"), 1); /* it does not stand behind */
        ck_assert_uint_eq(told(peer, "MSG in.r"), 0);
        sim_run(world.sim, 3 * SECOND);
        ck_assert_uint_eq(told(peer, "MSG in.r"), 1);
        ck_assert(!peer_has(peer, "\"error\""));
        world_deinit(&world);
    }
}
END_TEST

START_TEST(the_system_account_does_not_wait_for_ever)
{
    for (size_t i = 0; i < SYSTEM_ASKS; i++) {
        struct world world;
        struct peer *peer;

        start_late_of(&world, 1, with_system);
        peer = come_in(&world);
        slow_workers(&world, 60 * SECOND);
        send_text(peer, system_asks[i]);
        sim_run(world.sim, 4 * SECOND);
        ck_assert_uint_eq(told(peer, "streams are being opened since the start"), 1);
        world_deinit(&world);
    }
}
END_TEST

START_TEST(statistics_without_streams_are_said_when_that_takes_long)
{
    struct world world;
    struct peer *peer;

    start_late_of(&world, 1, with_system);
    peer = come_in(&world);
    slow_workers(&world, 60 * SECOND);
    send_text(peer, "PUB $SYS.REQ.SERVER.PING.STATSZ in.r 0\r\n\r\n");
    sim_run(world.sim, 4 * SECOND);
    ck_assert_uint_eq(told(peer, "MSG in.r"), 1);
    ck_assert(peer_has(peer, "\"statsz\""));
    ck_assert(!peer_has(peer, "\"jetstream\":{"));
    world_deinit(&world);
}
END_TEST

static void reload(struct world *world)
{
    char reason[SERVER_RELOAD_REASON_SIZE];

    if (!server_reload(world->server, &world->options, reason))
        ck_abort_msg("%s", reason);
}

static void with_unlimited_account(struct world *world, struct peer *peer)
{
    with_account_limit(world, peer);
    account_alone.jetstream.limits.store_max = -1;
}

/* While streams are closed; they stay so, and what is lowered counts what they have. */
START_TEST(a_reload_opens_nothing_and_its_limits_count_what_is_closed)
{
    for (unsigned turns = 0; turns < 24; turns += 6) {
        struct world world;
        struct peer *peer;
        unsigned open;

        start_late_of(&world, 1, with_unlimited_account);
        peer = come_in(&world);
        if (turns > 0)
            (void)in_the_middle(&world, peer, KNOCK, turns);
        open = open_count(&world);
        account_alone.jetstream.limits.store_max = (int64_t)(16 * STORED + 1);
        reload(&world);
        ck_assert_uint_eq(open_count(&world), open);
        ask(&world, peer, "A.x", "new");
        settle(&world);
        if (turns == 0) {
            ck_assert(peer_has(peer, "\"seq\":6}"));
            ask(&world, peer, "B.x", "new");
        }
        ck_assert_uint_eq(told(peer, "\"err_code\":10002"), 1); /* there was room for one */
        ck_assert_uint_eq(open_count(&world), STREAMS);
        world_deinit(&world);
    }
}
END_TEST

/* Every place of an opening in steps: asked at once, and nothing is lost. */
START_TEST(an_update_and_a_delete_wait_for_the_steps)
{
    static const char *const changes[] = {
        "PUB $JS.API.STREAM.UPDATE.B in.c 50\r\n"
        "{\"name\":\"B\",\"subjects\":[\"B.>\"],\"max_msgs\":100    }\r\n",
        "PUB $JS.API.STREAM.DELETE.B in.c 0\r\n\r\n",
    };

    for (unsigned i = 0; i < 2; i++) {
        for (unsigned turns = 0; turns < 40; turns += 8) {
            struct world world;
            struct peer *peer, *other;

            start_late_of(&world, 1, NULL);
            peer = come_in(&world);
            other = other_client(&world);
            slow_workers(&world, SECOND / 10);
            (void)in_the_middle(&world, peer, KNOCK, turns);
            send_text(peer, changes[i]);
            is_served(&world, other);
            ck_assert_uint_eq(told(peer, "MSG in.c"), 0);
            sim_run(world.sim, 5 * SECOND);
            if (told(peer, "\"seq\":6}") != 1 ||
                told(peer, i == 0 ? "stream_update_response" : "\"success\":true") != 1)
                ck_abort_msg("%.*s", BYTES_ARG(buf_bytes(&peer->in)));
            ck_assert(!peer_has(peer, "\"error\""));
            world_deinit(&world);
        }
    }
}
END_TEST

/* What is asked of all waits for one that wants for descriptors, with what is behind it of the same
 * client. */
START_TEST(requests_of_others_do_not_stand_behind_those_that_wait)
{
    struct world world;
    struct peer *peer, *other;

    start_late(&world, NULL);
    peer = come_in(&world);
    other = other_client(&world);
    ask(&world, peer, "$JS.API.STREAM.INFO.A", "");
    no_more_files(&world);
    send_text(peer,
              "PUB $JS.API.STREAM.LIST in.l 0\r\n\r\nPUB $JS.API.STREAM.INFO.A in.i 0\r\n\r\n");
    sim_run(world.sim, SECOND);
    ck_assert_uint_eq(told(peer, "MSG in."), 1); /* of before */
    buf_clear(&other->in);
    send_text(other, "PUB $JS.API.STREAM.INFO.A o 0\r\n\r\nPUB $JS.API.CONSUMER.NAMES.A o 0\r\n\r\n"
                     "PUB $JS.API.STREAM.PURGE.A o 0\r\n\r\n");
    sim_run(world.sim, SECOND);
    ck_assert_uint_eq(told(other, "MSG o 1"), 3);
    ck_assert(peer_has(other, "\"purged\":5"));
    send_text(other, "PUB $JS.API.INFO o 0\r\n\r\nPUB $JS.API.STREAM.INFO.A o 0\r\n\r\n");
    sim_run(world.sim, SECOND);
    ck_assert_uint_eq(told(other, "MSG o 1"), 3); /* now it waits, too */
    ck_assert_uint_eq(told(peer, "MSG in."), 1);
    files_again(&world);
    ck_assert_uint_eq(told(other, "MSG o 1"), 5);
    ck_assert_uint_eq(told(peer, "MSG in.l"), 1);
    ck_assert_uint_eq(told(peer, "MSG in.i"), 1);
    world_deinit(&world);
}
END_TEST

/* A request that was behind another is looked at when its stream's lane has just opened that, and
 * home has not heard of it. */
START_TEST(a_stream_may_be_asked_for_when_its_lane_has_just_opened_it)
{
    for (unsigned i = 0; SERVER_SHARDS > 1 && i < STREAMS; i++) {
        struct jetstream *jetstream;
        struct catalogue_entry *entry;
        struct world world;
        struct peer *peer;

        start_late(&world, NULL);
        peer = come_in(&world);
        jetstream = world.server->jetstream;
        entry = entry_of(&world, names[i]);
        ck_assert(!jetstream_known(jetstream)); /* all are opened, and this one was not asked for */
        while (entry->late != NULL && !entry->late->over)
            ck_assert(sim_step(world.sim));
        if (jetstream_lane(jetstream, entry)->shard > 0) {
            ck_assert_ptr_nonnull(entry->late);
            ck_assert(!jetstream_need(jetstream, router_account_default(world.server->router),
                                      entry->config.name));
        }
        settle(&world);
        ck_assert_uint_eq(open_count(&world), STREAMS);
        ask(&world, peer, "A.x", "new");
        ck_assert(peer_has(peer, "\"seq\":6}"));
        world_deinit(&world);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        monitoring_waits_while_others_are_served,
        monitoring_does_not_wait_for_ever,
        what_is_no_matter_of_streams_is_answered_at_once,
        the_system_account_waits_while_others_are_served,
        the_system_account_does_not_wait_for_ever,
        statistics_without_streams_are_said_when_that_takes_long,
        a_reload_opens_nothing_and_its_limits_count_what_is_closed,
        an_update_and_a_delete_wait_for_the_steps,
        requests_of_others_do_not_stand_behind_those_that_wait,
        a_stream_may_be_asked_for_when_its_lane_has_just_opened_it,
    };

    return UNIT_RUN_PLAIN("late_waits", tests);
}
