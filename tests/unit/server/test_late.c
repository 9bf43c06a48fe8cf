/* What server/jetstream/jetstream_late.c promises: streams are opened after a start, and nobody can
 * tell. */
#include "tests/unit/server/late_world.h"

/* Asked of one stream, and this one only is opened. */
static void opens_only_b(struct world *world, struct peer *peer, const char *subject,
                         const char *body, const char *answer)
{
    ck_assert_uint_eq(open_count(world), 0);
    ask(world, peer, subject, body);
    if (!peer_has(peer, answer))
        ck_abort_msg("%s: %.*s", subject, BYTES_ARG(buf_bytes(&peer->in)));
    ck_assert(is_open(world, "B"));
    ck_assert_uint_eq(open_count(world), 1);
}

START_TEST(whatever_is_asked_of_one_stream_is_answered_while_the_others_are_closed)
{
    static const struct {
        const char *subject, *body, *answer;
    } rows[] = {
        {"B.x", "new", "\"seq\":6}"},
        {"$JS.API.STREAM.INFO.B", "", "\"messages\":5"},
        {"$JS.API.STREAM.MSG.GET.B", "{\"seq\":5}", "\"seq\":5"},
        {"$JS.API.STREAM.PURGE.B", "", "\"purged\":5"},
        {"$JS.API.DIRECT.GET.B", "{\"seq\":3}", "Nats-Sequence: 3"},
        {"$JS.API.DIRECT.GET.B.B.x", "", "Nats-Sequence: 5"},
        {"$JS.API.CONSUMER.INFO.B.c", "", "\"num_pending\":5"},
        {"$JS.API.CONSUMER.NAMES.B", "", "\"consumers\":[\"c\"]"},
        {"$JS.API.CONSUMER.MSG.NEXT.B.c", "1", "old"},
        {"$JS.API.CONSUMER.MSG.NEXT.B.none", "1", "503"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world world;
        struct peer *peer;

        start_late(&world, NULL);
        peer = come_in(&world);
        opens_only_b(&world, peer, rows[i].subject, rows[i].body, rows[i].answer);
        world_deinit(&world);
    }
}
END_TEST

static void take_one(struct world *world, struct peer *peer)
{
    ask(world, peer, "$JS.API.CONSUMER.MSG.NEXT.B.c", "1");
    ck_assert(peer_has(peer, "$JS.ACK.B.c.1.1.1"));
}

START_TEST(an_ack_from_before_the_start_is_confirmed_and_counts)
{
    struct world world;
    struct peer *peer;

    start_late(&world, take_one);
    peer = come_in(&world);
    opens_only_b(&world, peer, "$JS.ACK.B.c.1.1.1.1.4", "+ACK", "MSG in.r 1 0");
    ask(&world, peer, "$JS.API.CONSUMER.INFO.B.c", "");
    ck_assert(peer_has(peer, "\"ack_floor\":{\"consumer_seq\":1,\"stream_seq\":1"));
    world_deinit(&world);
}
END_TEST

START_TEST(what_arrives_before_a_stream_is_open_is_stored_in_its_order)
{
    struct lines lines = {.size = 0};
    char reply[16], body[16], wanted[60];
    struct world world;
    struct peer *peer;

    start_late(&world, NULL);
    peer = come_in(&world);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(reply, sizeof reply, "in.%u", i);
        snprintf(body, sizeof body, "body%u.", i);
        lines_publish(&lines, i % 2 == 0 ? "B.x" : "A.x", reply, body);
    }
    lines_say(&lines, &world, peer);
    ck_assert_uint_eq(open_count(&world), 2);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(reply, sizeof reply, "\"seq\":%u}", 6 + i / 2);
        ck_assert(told(peer, reply) == 2);
    }
    for (unsigned i = 0; i < 100; i += 7) {
        snprintf(body, sizeof body, "{\"seq\":%u}", 6 + i / 2);
        ask(&world, peer, i % 2 == 0 ? "$JS.API.DIRECT.GET.B" : "$JS.API.DIRECT.GET.A", body);
        snprintf(wanted, sizeof wanted, "body%u.", i);
        ck_assert(peer_has(peer, wanted));
    }
    world_deinit(&world);
}
END_TEST

START_TEST(what_is_said_of_all_streams_is_said_when_all_are_open)
{
    static const struct {
        const char *subject, *answer;
    } rows[] = {
        {"$JS.API.INFO", "\"streams\":3,\"consumers\":3"},
        {"$JS.API.STREAM.NAMES", "\"streams\":[\"A\",\"B\",\"C\"]"},
        {"$JS.API.STREAM.LIST", "\"total\":3"},
    };
    struct world world;
    struct peer *peer;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        start_late(&world, NULL);
        peer = come_in(&world);
        ck_assert_uint_eq(open_count(&world), 0);
        ask(&world, peer, rows[i].subject, "");
        ck_assert(peer_has(peer, rows[i].answer));
        ck_assert_uint_eq(open_count(&world), STREAMS);
        ck_assert_uint_eq(told(peer, "\"messages\":5"), i == 2 ? STREAMS : 0);
        world_deinit(&world);
    }
}
END_TEST

START_TEST(what_is_asked_behind_a_question_about_all_comes_after_it)
{
    struct lines lines = {.size = 0};
    struct world world;
    struct peer *peer;

    start_late(&world, NULL);
    peer = come_in(&world);
    lines_publish(&lines, "$JS.API.STREAM.CREATE.D", "in.d", "{\"name\":\"D\"}");
    lines_publish(&lines, "$JS.API.STREAM.INFO.A", "in.a", "");
    lines_publish(&lines, "$JS.API.STREAM.DELETE.B", "in.b", "");
    lines_say(&lines, &world, peer);
    ck_assert(peer_has(peer, "MSG in.d"));
    ck_assert(peer_has(peer, "MSG in.a"));
    ck_assert(peer_has(peer, "stream_delete_response\",\"success\":true"));
    ck_assert_ptr_null(entry_of(&world, "B"));
    ask(&world, peer, "$JS.API.STREAM.NAMES", "");
    ck_assert(peer_has(peer, "\"streams\":[\"A\",\"C\",\"D\"]"));
    world_deinit(&world);
}
END_TEST

START_TEST(they_are_opened_without_being_asked_for)
{
    struct world world;

    start_late(&world, NULL);
    settle(&world);
    ck_assert_uint_eq(open_count(&world), 0);
    sim_run(world.sim, 3601 * SECOND);
    ck_assert_uint_eq(open_count(&world), STREAMS);
    world_deinit(&world);
}
END_TEST

static void grow_a(struct world *world, struct peer *peer)
{
    struct lines lines = {.size = 0};

    for (unsigned i = 0; i < 500; i++)
        lines_publish(&lines, "A.x", "in.r", "more");
    lines_say(&lines, world, peer);
    ck_assert(peer_has(peer, "\"seq\":505}"));
    for (unsigned i = 0; i < 500; i++)
        lines_publish(&lines, "A.x", "in.r", "more");
    lines_say(&lines, world, peer);
    world->options.sim.late_pause_ns = 0;
}

START_TEST(a_heavy_one_comes_last_unless_it_is_asked_for)
{
    struct world world;
    struct peer *peer;

    start_late_of(&world, 4 << 10, grow_a);
    sim_run(world.sim, SECOND / 20);
    ck_assert_uint_eq(open_count(&world), 2);
    ck_assert(!is_open(&world, "A"));
    sim_run(world.sim, SECOND / 2);
    ck_assert(is_open(&world, "A"));
    world.options.sim.late_pause_ns = 3600 * SECOND;
    world_kill(&world);
    peer = come_in(&world);
    ask(&world, peer, "$JS.API.STREAM.INFO.A", "");
    ck_assert(peer_has(peer, "\"messages\":1005"));
    ck_assert_uint_eq(open_count(&world), 1);
    world_deinit(&world);
}
END_TEST

static void grow_a_and_wait(struct world *world, struct peer *peer)
{
    grow_a(world, peer);
    world->options.sim.late_pause_ns = 3600 * SECOND;
    world->options.sim.late_heavy = 0;
    world->options.sim.late_at_once = 64 << 10;
}

/* It has no state block that says so, but what stands above it is much. */
START_TEST(one_that_turns_out_to_be_heavy_is_opened_in_steps)
{
    struct world world;
    struct peer *peer;
    unsigned steps = 0;

    start_late(&world, grow_a_and_wait);
    peer = come_in(&world);
    ask(&world, peer, "$JS.API.STREAM.INFO.B", "");
    ck_assert(is_open(&world, "B")); /* in one */
    buf_clear(&peer->in);
    io_sock_send(peer->io, peer->sock, &BYTES("PUB $JS.API.STREAM.INFO.A in.r 0\r\n\r\n"), 1);
    while (!is_open(&world, "A")) {
        ck_assert(sim_step(world.sim));
        steps += is_in_steps(&world, "A");
    }
    ck_assert_uint_gt(steps, 5);
    settle(&world);
    ck_assert(peer_has(peer, "\"messages\":1005"));
    ck_assert_uint_eq(open_count(&world), 2);
    world_deinit(&world);
}
END_TEST

START_TEST(a_heavy_one_is_known_wherever_its_log_is)
{
    struct world world;

    start_late_in(&world, 3, 4 << 10, grow_a);
    ck_assert_ptr_ne(jetstream_lane(world.server->jetstream, entry_of(&world, "A")),
                     world.server->jetstream->home);
    sim_run(world.sim, SECOND / 20);
    ck_assert_uint_eq(open_count(&world), 2);
    ck_assert(!is_open(&world, "A"));
    world_deinit(&world);
}
END_TEST

static void begin_restore(struct world *world, struct peer *peer)
{
    ask(world, peer, "$JS.API.STREAM.RESTORE.R",
        "{\"config\":{\"name\":\"R\",\"subjects\":[\"R.>\"]},\"state\":{}}");
    ck_assert(peer_has(peer, "stream_restore_response"));
    ck_assert(!peer_has(peer, "error"));
}

START_TEST(one_whose_restore_was_cut_short_takes_nothing)
{
    struct world world;
    struct peer *peer;

    start_late(&world, begin_restore);
    peer = come_in(&world);
    ck_assert_ptr_nonnull(entry_of(&world, "R"));
    ask(&world, peer, "R.x", "new");
    ck_assert(!peer_has(peer, "\"seq\":"));
    ck_assert(peer_has(peer, "NATS/1.0 503"));
    world_deinit(&world);
}
END_TEST

START_TEST(a_crash_between_them_loses_nothing)
{
    static const char *const publishes[] = {"B.x", "C.x", "A.x"};
    struct world world;
    struct peer *peer;

    start_late(&world, NULL);
    for (unsigned i = 0; i < STREAMS; i++) {
        peer = come_in(&world);
        ask(&world, peer, publishes[i], "new");
        ck_assert(peer_has(peer, "\"seq\":6}"));
        ck_assert_uint_eq(open_count(&world), 1);
        world_kill(&world);
    }
    peer = come_in(&world);
    ask(&world, peer, "$JS.API.STREAM.LIST", "");
    ck_assert_uint_eq(told(peer, "\"messages\":6"), STREAMS);
    world_deinit(&world);
}
END_TEST

static void found_segment(void *context, const char *name, bool directory)
{
    (void)directory;
    (void)path_read_segment(name, context);
}

/* The disk does not give back what B's log began with. */
static void spoil_b(struct world *world, struct peer *peer)
{
    struct io *io = sim_node_io(world->sim, world->server_node);
    struct catalogue_entry *entry = entry_of(world, "B");
    unsigned lane = jetstream_lane(world->server->jetstream, entry)->number;
    struct path further = path_lane("millrace", lane);
    const char *dir = lane > 0 ? further.text : "millrace";
    uint64_t id = entry->assigned.id, segment = 0;

    (void)peer;
    ck_assert_int_eq(io_list(io, path_log(dir, id).text, found_segment, &segment), OK);
    ck_assert(
        sim_unreadable(world->sim, world->server_node, path_segment(dir, id, segment).text, 0));
}

START_TEST(whoever_waits_for_one_that_cannot_be_opened_hears_that_nobody_is_there)
{
    struct jetstream_trouble trouble;
    struct world world;
    struct peer *peer;

    start_late(&world, spoil_b);
    peer = come_in(&world);
    ask(&world, peer, "B.x", "new");
    ck_assert(logged(&world, "Stream 'B' could not be opened"));
    ck_assert(peer_has(peer, "NATS/1.0 503"));
    ask(&world, peer, "B.x", "new"); /* it stays so */
    ck_assert(peer_has(peer, "NATS/1.0 503"));
    ask(&world, peer, "A.x", "new");
    ck_assert(peer_has(peer, "\"seq\":6}"));
    ck_assert(jetstream_trouble(world.server->jetstream, false, &trouble));
    ask(&world, peer, "$JS.API.STREAM.CREATE.B", "{\"name\":\"B\"}");
    ck_assert(peer_has(peer, "stream is offline"));
    world_deinit(&world);
}
END_TEST

struct watched {
    struct world *world;
    bool told, listened;
};

static void watch_line(void *context, struct bytes line)
{
    struct watched *watched = context;
    struct router *router = watched->world->server->router;

    log_line(watched->world, line);
    if (memmem(line.at, line.size, "could not be opened", 19) == NULL)
        return;
    watched->told = true;
    watched->listened = router_interest(router, router_account_default(router), BYTES("B.x"));
}

/* A client of another shard, which does not wait for this one, would hear that nobody is there. */
START_TEST(somebody_listens_while_one_is_opened)
{
    struct watched watched;
    struct world world;
    struct peer *peer;

    if (SERVER_SHARDS > 1)
        return; /* the line is home's, of what another shard has done before */
    start_late(&world, spoil_b);
    peer = come_in(&world);
    watched = (struct watched){.world = &world};
    world.logger.line = watch_line;
    world.logger.context = &watched;
    ask(&world, peer, "B.x", "new");
    ck_assert(watched.told);
    ck_assert(watched.listened);
    ck_assert(peer_has(peer, "NATS/1.0 503"));
    world_deinit(&world);
}
END_TEST

START_TEST(the_system_account_hears_of_all_streams)
{
    static const struct {
        const char *subject, *answer;
    } rows[] = {
        {"$SYS.REQ.SERVER.PING.JSZ", "\"messages\":15"},
        {"$SYS.REQ.SERVER.PING.STATSZ", "\"jetstream\""},
        {"$SYS.REQ.SERVER.PING", "\"jetstream\""},
        {"$SYS.REQ.ACCOUNT.$G.JSZ", "in.r"},
    };
    struct world world;
    struct peer *peer;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        start_late(&world, with_system);
        peer = come_in(&world);
        ck_assert_uint_eq(open_count(&world), 0);
        ask(&world, peer, rows[i].subject, "");
        if (!peer_has(peer, rows[i].answer))
            ck_abort_msg("%s: %.*s", rows[i].subject, BYTES_ARG(buf_bytes(&peer->in)));
        ck_assert_msg(open_count(&world) == STREAMS, "%s", rows[i].subject);
        world_deinit(&world);
    }
}
END_TEST

START_TEST(a_publish_that_a_limit_counts_waits_for_all_that_is_counted)
{
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct lines lines = {.size = 0};
        struct world world;
        struct peer *peer;

        start_late(&world, limits[i]);
        peer = come_in(&world);
        ck_assert_uint_eq(open_count(&world), 0);
        lines_publish(&lines, "B.x", "in.b", "new");
        lines_publish(&lines, "A.x", "in.a", "new");
        lines_publish(&lines, "B.x", "in.b", "new");
        lines_say(&lines, &world, peer);
        ck_assert_uint_eq(open_count(&world), STREAMS);
        ck_assert_uint_eq(told(peer, "\"seq\":6}"), 1); /* there is room for one */
        ck_assert_uint_eq(told(peer, i == 0 ? "\"err_code\":10023" : "\"err_code\":10002"), 2);
        ask(&world, peer, "$JS.API.STREAM.PURGE.C", "");
        ask(&world, peer, "A.x", "new");
        ck_assert(peer_has(peer, "\"stream\":\"A\",\"seq\":"));
        world_deinit(&world);
    }
}
END_TEST

START_TEST(what_no_limit_counts_is_answered_before_all_are_open)
{
    static const struct {
        const char *subject, *body, *answer;
    } rows[] = {
        {"$JS.API.STREAM.INFO.B", "", "\"messages\":5"},
        {"$JS.API.STREAM.MSG.GET.B", "{\"seq\":5}", "\"seq\":5"},
        {"$JS.API.DIRECT.GET.B", "{\"seq\":3}", "Nats-Sequence: 3"},
        {"$JS.API.CONSUMER.MSG.NEXT.B.c", "1", "old"},
        {"$JS.API.CONSUMER.CREATE.B.d", "{\"stream_name\":\"B\",\"config\":{\"name\":\"d\"}}",
         "consumer_create_response\",\"stream_name\":\"B\""},
        {"$JS.API.STREAM.PURGE.B", "", "\"purged\":5"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world world;
        struct peer *peer;

        start_late(&world, limits[i % 2]);
        peer = come_in(&world);
        opens_only_b(&world, peer, rows[i].subject, rows[i].body, rows[i].answer);
        world_deinit(&world);
    }
}
END_TEST

/* What it reserves it may have only if all that there is leaves room for it. */
START_TEST(a_stream_that_reserves_waits_for_all_that_is_counted)
{
    struct lines lines = {.size = 0};
    struct world world;
    struct peer *peer;

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        start_late(&world, limits[i]);
        peer = come_in(&world);
        lines_publish(&lines, "$JS.API.STREAM.CREATE.D", "in.d",
                      "{\"name\":\"D\",\"max_bytes\":1000}");
        lines_publish(&lines, "$JS.API.STREAM.CREATE.E", "in.d",
                      "{\"name\":\"E\",\"max_bytes\":400}");
        lines_say(&lines, &world, peer);
        ck_assert_uint_eq(open_count(&world), STREAMS);
        ck_assert_uint_eq(told(peer, "\"err_code\":10047"), 1);
        ck_assert_uint_eq(told(peer, "\"did_create\":true"), 1);
        world_deinit(&world);
    }
}
END_TEST

static void with_schedule(struct world *world, struct peer *peer)
{
    with_server_limit(world, peer);
    world->options.jetstream_options.store_max = 1 << 20;
    ask(world, peer, "$JS.API.STREAM.CREATE.T",
        "{\"name\":\"T\",\"subjects\":[\"T.>\"],\"allow_msg_schedules\":true}");
    ck_assert(peer_has(peer, "did_create"));
    peer_say(world, peer,
             "HPUB T.s in.r 65 68\r\nNATS/1.0\r\nNats-Schedule: @every 1s\r\n"
             "Nats-Schedule-Target: T.t\r\n\r\nabc\r\n");
    if (!peer_has(peer, "\"seq\":1}"))
        ck_abort_msg("%.*s", BYTES_ARG(buf_bytes(&peer->in)));
}

START_TEST(a_schedule_that_is_due_fires_when_what_is_counted_is_known)
{
    struct world world;
    struct peer *peer;

    start_late(&world, with_schedule);
    peer = come_in(&world);
    ask(&world, peer, "$JS.API.STREAM.INFO.T", "");
    sim_run(world.sim, 5 * SECOND);
    ck_assert_uint_eq(open_count(&world), STREAMS);
    ask(&world, peer, "$JS.API.STREAM.MSG.GET.T", "{\"last_by_subj\":\"T.t\"}");
    ck_assert(peer_has(peer, "\"subject\":\"T.t\""));
    world_deinit(&world);
}
END_TEST

static void with_little_room(struct world *world, struct peer *peer)
{
    (void)peer;
    world->options.sim.late_room = 2000;
}

/* Lines that arrive together, for two streams: what the doors have no room for is told so, and what
 * they keep is stored. */
START_TEST(what_all_doors_together_have_no_room_for_is_refused_with_an_answer)
{
    struct lines lines = {.size = 0};
    unsigned stored = 0, refused;
    char reply[16], wanted[60];
    struct world world;
    struct peer *peer;

    start_late_of(&world, 1, with_little_room); /* they are opened over several turns */
    peer = come_in(&world);
    for (unsigned i = 0; i < 40; i++) {
        snprintf(reply, sizeof reply, "in.%u", i);
        lines_publish(&lines, i % 2 == 0 ? "B.x" : "A.x", reply, "a body of some size");
    }
    lines_say(&lines, &world, peer);
    refused = told(peer, "NATS/1.0 429 Too Many Requests");
    ck_assert_uint_eq(told(peer, "\"err_code\":10167"), refused);
    for (unsigned i = 6; i < 46; i++) {
        snprintf(wanted, sizeof wanted, "\"seq\":%u}", i);
        stored += told(peer, wanted);
    }
    ck_assert_uint_gt(stored, 2);
    ck_assert_uint_gt(refused, 2);
    ck_assert_uint_eq(stored + refused, 40);
    ask(&world, peer, "B.x", "afterwards there is room");
    ck_assert(peer_has(peer, "\"stream\":\"B\",\"seq\":"));
    ck_assert_uint_eq(world.server->jetstream->late.room.bytes, 0);
    world_deinit(&world);
}
END_TEST

START_TEST(one_that_wants_for_descriptors_is_opened_when_there_are_some)
{
    struct jetstream_trouble trouble;
    struct world world;
    struct peer *peer;

    start_late(&world, NULL);
    peer = come_in(&world);
    no_more_files(&world);
    ask(&world, peer, "B.x", "new");
    ck_assert(logged(&world, "Stream 'B' can not be opened yet: too many open files"));
    ck_assert(jetstream_trouble(world.server->jetstream, false, &trouble));
    ask(&world, peer, "$JS.API.STREAM.INFO.B", "");
    if (!peer_has(peer, "stream is offline"))
        ck_abort_msg("%.*s", BYTES_ARG(buf_bytes(&peer->in)));
    ask(&world, peer, "B.x", "more");
    sim_run(world.sim, 5 * SECOND);
    ck_assert_uint_eq(told(peer, "MSG "), 0); /* they wait */
    ck_assert(!is_open(&world, "B"));
    files_again(&world);
    ck_assert(is_open(&world, "B"));
    ck_assert(logged(&world, "Stream 'B' is open now"));
    ck_assert(peer_has(peer, "\"seq\":6}"));
    ck_assert(peer_has(peer, "\"seq\":7}"));
    ck_assert(jetstream_trouble(world.server->jetstream, false, &trouble));
    ck_assert_uint_eq(trouble.stream.size, 0); /* but that others are closed */
    ask(&world, peer, "$JS.API.STREAM.INFO.B", "");
    ck_assert(peer_has(peer, "\"messages\":7"));
    world_deinit(&world);
}
END_TEST

START_TEST(whoever_asks_for_all_waits_for_one_that_wants_for_descriptors)
{
    struct world world;
    struct peer *peer;

    start_late(&world, NULL);
    peer = come_in(&world);
    ask(&world, peer, "$JS.API.STREAM.INFO.A", "");
    no_more_files(&world);
    ask(&world, peer, "$JS.API.STREAM.LIST", "");
    ck_assert(jetstream_known(world.server->jetstream)); /* that it cannot be opened yet */
    ck_assert_uint_eq(open_count(&world), 1);
    sim_run(world.sim, 5 * SECOND);
    ck_assert_uint_eq(told(peer, "MSG "), 0);
    files_again(&world);
    ck_assert_uint_eq(told(peer, "\"messages\":5"), STREAMS);
    world_deinit(&world);
}
END_TEST

START_TEST(one_that_wants_for_them_for_long_is_given_up)
{
    struct jetstream_trouble trouble;
    struct world world;
    struct peer *peer;

    start_late(&world, NULL);
    peer = come_in(&world);
    no_more_files(&world);
    ask(&world, peer, "B.x", "new");
    sim_run(world.sim, 21 * SECOND);
    ck_assert(logged(&world, "Stream 'B' could not be opened: too many open files"));
    ck_assert(peer_has(peer, "NATS/1.0 503"));
    files_again(&world);
    ck_assert(jetstream_trouble(world.server->jetstream, false, &trouble));
    ask(&world, peer, "A.x", "new");
    ck_assert(peer_has(peer, "\"seq\":6}"));
    world.options.sim.late_pause_ns = 0;
    world_kill(&world);
    settle(&world);
    ck_assert_uint_eq(open_count(&world), STREAMS);
    world_deinit(&world);
}
END_TEST

START_TEST(a_limit_is_kept_while_one_that_counts_wants_for_descriptors)
{
    struct world world;
    struct peer *peer;

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        start_late(&world, limits[i]);
        peer = come_in(&world);
        ask(&world, peer, "$JS.API.STREAM.INFO.A", "");
        ask(&world, peer, "$JS.API.STREAM.INFO.C", "");
        no_more_files(&world);
        ask(&world, peer, "A.x", "new");
        sim_run(world.sim, 5 * SECOND);
        ck_assert_uint_eq(told(peer, "MSG "), 0);
        say_publish(&world, peer, "C.x", "in.r", "new");
        files_again(&world);
        ck_assert_uint_eq(told(peer, "\"seq\":6}"), 1);
        ck_assert_uint_eq(told(peer, "\"error\""), 1);
        world_deinit(&world);
    }
}
END_TEST

/* In a simulated server each shard's loop has descriptors of its own. */
#define SHARED_DESCRIPTORS (SERVER_SHARDS == 1)

#define CROWD        60
#define CROWD_OF_ALL 90

/* Where there are few descriptors those of streams that are still closed are kept for them. */
START_TEST(clients_do_not_take_the_files_of_streams)
{
    static struct peer crowd[CROWD];
    unsigned refused = 0;
    struct peer *first;
    struct world world;

    if (!SHARED_DESCRIPTORS)
        return;
    start_late(&world, NULL);
    sim_set_descriptors(world.sim, world.server_node, CROWD_OF_ALL);
    first = come_in(&world);
    for (unsigned i = 0; i < CROWD; i++) {
        crowd[i] = (struct peer){.io = sim_node_io(world.sim, world.peers_node)};
        buf_init(&crowd[i].in, 1 << 20);
        crowd[i].sock =
            sim_connect(world.sim, crowd[i].io, world.server_node, 4222, &peer_events, &crowd[i]);
    }
    settle(&world);
    for (unsigned i = 0; i < CROWD; i++)
        refused += peer_has(&crowd[i], "-ERR 'maximum connections exceeded'");
    ck_assert_uint_gt(refused, 10);
    ck_assert_uint_lt(refused, CROWD - 10);
    ck_assert(logged(&world, "Open files are limited to 90: no more than "));
    ask(&world, first, "$JS.API.STREAM.LIST", "");
    ck_assert_uint_eq(told(first, "\"messages\":5"), STREAMS);
    ck_assert(!logged(&world, "can not be opened yet"));
    ask(&world, first, "$JS.API.STREAM.CREATE.D", "{\"name\":\"D\",\"subjects\":[\"D.>\"]}");
    ck_assert(peer_has(first, "did_create")); /* and there is room for more */
    ask(&world, first, "D.x", "new");
    ck_assert(peer_has(first, "\"seq\":1}"));
    world_deinit(&world);
    for (unsigned i = 0; i < CROWD; i++)
        buf_deinit(&crowd[i].in);
}
END_TEST

static void all_are_there(struct world *world)
{
    struct peer *peer = come_in(world);

    ask(world, peer, "$JS.API.STREAM.LIST", "");
    ck_assert_uint_eq(told(peer, "\"messages\":5") + told(peer, "\"messages\":6"), STREAMS);
    ask(world, peer, "$JS.API.CONSUMER.NAMES.B", "");
    ck_assert(peer_has(peer, "\"consumers\":[\"c\"]"));
}

static uint64_t descriptors; /* for the process, from the start on */

static void with_few_descriptors(struct world *world, struct peer *peer)
{
    with_monitoring(world, peer);
    sim_set_descriptors(world->sim, world->server_node, descriptors);
}

static void whoever_looks_sees_it(struct world *world, struct peer *peer, unsigned open)
{
    struct peer *probe = peer_connect(world, 2, HTTP_PORT);
    char wanted[60];

    sim_run(world->sim, SECOND / 100);
    io_sock_send(probe->io, probe->sock, &BYTES("GET /healthz?details=1 HTTP/1.1\r\n\r\n"), 1);
    settle(world);
    ck_assert(peer_has(probe, "503 Service Unavailable"));
    ck_assert_uint_eq(told(probe, "could not be opened: too many open files"), STREAMS - open);
    for (unsigned i = 0; i < STREAMS; i++) {
        snprintf(wanted, sizeof wanted, "\"stream\":\"%s\"", names[i]);
        ck_assert_uint_eq(told(probe, wanted), !is_open(world, names[i]));
    }
    ask(world, peer, "$SYS.REQ.SERVER.PING.HEALTHZ", "");
    ck_assert(peer_has(peer, "too many open files"));
}

/* Where the files of streams alone are more than the process may open. */
START_TEST(streams_leave_descriptors_for_whoever_looks_after_them)
{
    unsigned some = 0;

    if (!SHARED_DESCRIPTORS)
        return;
    for (descriptors = 34; descriptors < 60; descriptors += 2) {
        struct world world;
        struct peer *peer;
        unsigned open;

        start_late(&world, with_few_descriptors);
        peer = come_in(&world);
        ask(&world, peer, "$SYS.REQ.SERVER.PING.JSZ", "");
        sim_run(world.sim, 12 * SECOND);
        open = open_count(&world);
        if (open < STREAMS) {
            some += open > 0;
            ck_assert(logged(&world, "is kept for clients"));
            ck_assert(logged(&world, "could not be opened: too many open files"));
            whoever_looks_sees_it(&world, peer, open);
        }
        sim_set_descriptors(world.sim, world.server_node, 0);
        world.options.auth = (struct auth_options){0};
        world_kill(&world);
        all_are_there(&world);
        world_deinit(&world);
    }
    ck_assert_uint_gt(some, 0);
}
END_TEST

/* ---- over several turns --------------------------------------------------------------------- */

START_TEST(others_are_served_while_one_is_opened)
{
    struct world world;
    struct peer *peer, *other;

    start_late_of(&world, 1, NULL);
    peer = come_in(&world);
    other = peer_connect(&world, 1, 4222);
    settle(&world);
    peer_say(&world, other, "CONNECT {\"verbose\":false}\r\nSUB in.* 1\r\n");
    ask(&world, other, "A.x", "new"); /* it is open from here on */
    ck_assert(in_the_middle(&world, peer, KNOCK, 0));
    buf_clear(&other->in);
    io_sock_send(other->io, other->sock, &BYTES("PING\r\n"), 1);
    while (!peer_has(other, "PONG"))
        ck_assert(sim_step(world.sim));
    ck_assert(SERVER_SHARDS > 1 || is_under_way(&world)); /* the same loop */
    settle(&world);
    ck_assert(peer_has(peer, "\"seq\":6}"));
    world_deinit(&world);
}
END_TEST

START_TEST(a_crash_in_the_middle_leaves_everything_as_it_was)
{
    struct world world;
    bool middle = true;

    start_late_of(&world, 1, NULL);
    for (unsigned turns = 0; middle; turns++) {
        middle = in_the_middle(&world, come_in(&world), KNOCK, turns);
        world_kill(&world);
        if (turns % 8 != 0 && middle)
            continue;
        all_are_there(&world);
        world_kill(&world);
    }
    world_deinit(&world);
}
END_TEST

START_TEST(a_stop_in_the_middle_leaves_everything_as_it_was)
{
    static const char *const asks[] = {KNOCK, "PUB $JS.API.STREAM.INFO.B in.r 0\r\n\r\n"};

    for (unsigned i = 0; i < 8; i++) {
        struct world world;

        start_late_of(&world, 1, NULL);
        (void)in_the_middle(&world, come_in(&world), asks[i % 2], i * 5);
        server_stop(world.server, 5 * SECOND);
        sim_run(world.sim, 6 * SECOND);
        ck_assert(server_stopped(world.server));
        world_kill(&world);
        all_are_there(&world);
        world_deinit(&world);
    }
}
END_TEST

START_TEST(a_disk_that_is_full_in_the_middle_costs_nothing)
{
    for (unsigned turns = 0; turns < 30; turns += 3) {
        struct world world;
        struct peer *peer;

        start_late_of(&world, 1, NULL);
        peer = come_in(&world);
        (void)in_the_middle(&world, peer, KNOCK, turns);
        sim_set_capacity(world.sim, world.server_node, 1);
        sim_run(world.sim, 3 * SECOND);
        sim_set_capacity(world.sim, world.server_node, 1 << 30);
        if (turns % 2 == 0) {
            world_kill(&world);
            all_are_there(&world);
        } else {
            settle(&world);
            ask(&world, peer, "$JS.API.STREAM.LIST", "");
            ck_assert_uint_eq(told(peer, "\"messages\":5") + told(peer, "\"messages\":6"), STREAMS);
        }
        world_deinit(&world);
    }
}
END_TEST

START_TEST(a_stream_that_is_deleted_in_the_middle_is_gone)
{
    for (unsigned i = 0; i < 4; i++) {
        struct world world;
        struct peer *peer;

        start_late_of(&world, 1, NULL);
        peer = come_in(&world);
        (void)in_the_middle(&world, peer, KNOCK "PUB $JS.API.STREAM.DELETE.B in.r 0\r\n\r\n",
                            i * 5);
        settle(&world);
        ck_assert(peer_has(peer, "\"success\":true"));
        ask(&world, peer, "$JS.API.STREAM.NAMES", "");
        ck_assert(peer_has(peer, "\"streams\":[\"A\",\"C\"]"));
        world_deinit(&world);
    }
}
END_TEST

START_TEST(log_time_does_not_fall_when_one_is_opened)
{
    int64_t before_ns, now_ns;
    struct world world;
    struct peer *peer;

    start_late(&world, NULL);
    before_ns = jetstream_log_now(world.server->jetstream);
    peer = come_in(&world);
    ask(&world, peer, "B.x", "new");
    now_ns = jetstream_log_now(world.server->jetstream);
    ck_assert(now_ns >= before_ns);
    ck_assert(now_ns >= stream_applied(entry_of(&world, "B")->stream)->log_time_ns);
    world_deinit(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        whatever_is_asked_of_one_stream_is_answered_while_the_others_are_closed,
        an_ack_from_before_the_start_is_confirmed_and_counts,
        what_arrives_before_a_stream_is_open_is_stored_in_its_order,
        what_is_said_of_all_streams_is_said_when_all_are_open,
        what_is_asked_behind_a_question_about_all_comes_after_it,
        they_are_opened_without_being_asked_for,
        a_heavy_one_comes_last_unless_it_is_asked_for,
        one_that_turns_out_to_be_heavy_is_opened_in_steps,
        a_heavy_one_is_known_wherever_its_log_is,
        one_whose_restore_was_cut_short_takes_nothing,
        a_crash_between_them_loses_nothing,
        whoever_waits_for_one_that_cannot_be_opened_hears_that_nobody_is_there,
        somebody_listens_while_one_is_opened,
        the_system_account_hears_of_all_streams,
        a_publish_that_a_limit_counts_waits_for_all_that_is_counted,
        what_no_limit_counts_is_answered_before_all_are_open,
        a_stream_that_reserves_waits_for_all_that_is_counted,
        a_schedule_that_is_due_fires_when_what_is_counted_is_known,
        what_all_doors_together_have_no_room_for_is_refused_with_an_answer,
        one_that_wants_for_descriptors_is_opened_when_there_are_some,
        whoever_asks_for_all_waits_for_one_that_wants_for_descriptors,
        one_that_wants_for_them_for_long_is_given_up,
        a_limit_is_kept_while_one_that_counts_wants_for_descriptors,
        clients_do_not_take_the_files_of_streams,
        streams_leave_descriptors_for_whoever_looks_after_them,
        others_are_served_while_one_is_opened,
        a_crash_in_the_middle_leaves_everything_as_it_was,
        a_stop_in_the_middle_leaves_everything_as_it_was,
        a_disk_that_is_full_in_the_middle_costs_nothing,
        a_stream_that_is_deleted_in_the_middle_is_gone,
        log_time_does_not_fall_when_one_is_opened,
    };

    return UNIT_RUN_PLAIN("late", tests);
}
