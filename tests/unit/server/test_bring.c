/* What a whole server does with what its index has on the disk alone: it is brought by a worker,
 * and who asked waits for it and gets the same; what cannot be read is an answer. What is hidden
 * cannot be touched before it was brought: the process would die of it. */
#include "base/scratch.h"
#include "tests/unit/server/stream_world.h"

#define MESSAGES 3000
#define GET      "$JS.API.DIRECT.GET.S"
#define API_GET  "$JS.API.STREAM.MSG.GET.S"

static struct peer *start_full(struct world *world, uint64_t seed)
{
    struct peer *peer = start_with_stream(world, seed, ",\"allow_direct\":true");
    struct lines lines = {.size = 0};

    for (int i = 1; i <= MESSAGES; i++) {
        lines_publish(&lines, i % 3 == 0 ? "s.third" : "s.other", "in.ack", "x");
        if (i % 500 == 0)
            lines_say(&lines, world, peer);
    }
    settle(world);
    sim_run(world->sim, 5 * SECOND);
    ck_assert_uint_eq(stream_of(world)->state.last_seq, MESSAGES);
    buf_clear(&peer->in);
    return peer;
}

/* From here on what was not asked for within two seconds is away, or broken. */
static void forget(struct world *world, unsigned away, unsigned broken)
{
    scratch_twin_forgets(stream_of(world)->state.scratch, away, broken);
    sim_run(world->sim, 3 * SECOND);
}

static void ask(struct world *world, struct peer *peer, const char *subject, const char *body)
{
    say_publish(world, peer, subject, "in.got", body);
}

START_TEST(who_asks_for_an_old_message_waits_until_it_is_brought)
{
    struct world world;
    struct peer *peer = start_full(&world, 1);

    forget(&world, 1, 0);
    ask(&world, peer, GET, "{\"seq\":7}");
    ask(&world, peer, GET, "{\"last_by_subj\":\"s.third\"}");
    ask(&world, peer, GET, "{\"next_by_subj\":\"s.third\",\"seq\":1}");
    ask(&world, peer, GET, "{\"seq\":2999}");
    sim_run(world.sim, 2 * SECOND);
    ck_assert(peer_has(peer, "Nats-Sequence: 7\r\n"));
    ck_assert(peer_has(peer, "Nats-Sequence: 3000\r\n"));
    ck_assert(peer_has(peer, "Nats-Sequence: 3\r\n"));
    ck_assert(peer_has(peer, "Nats-Sequence: 2999\r\n"));
    buf_clear(&peer->in);
    sim_run(world.sim, 3 * SECOND);
    ask(&world, peer, API_GET, "{\"seq\":8}");
    ask(&world, peer, API_GET, "{\"seq\":9}");
    sim_run(world.sim, 2 * SECOND);
    ck_assert(peer_has(peer, "\"seq\":8"));
    ck_assert(peer_has(peer, "\"seq\":9"));
    world_deinit(&world);
}
END_TEST

START_TEST(so_do_batches_and_consumers_which_get_all_in_order)
{
    static const char *const makes[] = {
        "{\"stream_name\":\"S\",\"config\":{\"deliver_subject\":\"in.all\",\"ack_policy\":\"none\"}"
        "}",
        "{\"stream_name\":\"S\",\"config\":{\"deliver_subject\":\"in.all\",\"ack_policy\":\"all\","
        "\"durable_name\":\"D\",\"max_ack_pending\":-1}}",
    };
    struct world world;
    struct peer *peer = start_full(&world, 2);

    forget(&world, 1, 0);
    ask(&world, peer, GET, "{\"batch\":5000,\"seq\":1}");
    sim_run(world.sim, 30 * SECOND);
    ck_assert_uint_eq(told(peer, "Nats-Sequence: "), MESSAGES);
    ck_assert_uint_eq(told(peer, "NATS/1.0 204 EOB"), 1);
    for (int i = 0; i < 2; i++) {
        buf_clear(&peer->in);
        sim_run(world.sim, 3 * SECOND);
        say_publish(&world, peer,
                    i == 0 ? "$JS.API.CONSUMER.CREATE.S" : "$JS.API.CONSUMER.DURABLE.CREATE.S.D",
                    "in.api", makes[i]);
        sim_run(world.sim, 60 * SECOND);
        ck_assert_uint_ge(told(peer, "MSG s."), MESSAGES);
        ck_assert_uint_ge(told(peer, " $JS.ACK.S."), MESSAGES);
    }
    world_deinit(&world);
}
END_TEST

/* And the server goes on, as does everything that needs nothing of it. */
START_TEST(what_cannot_be_read_is_an_answer_and_is_tried_again)
{
    struct world world;
    struct peer *peer = start_full(&world, 3);

    forget(&world, 1, 1);
    ask(&world, peer, GET, "{\"seq\":7}");
    ask(&world, peer, GET, "{\"batch\":5,\"seq\":7}");
    ask(&world, peer, API_GET, "{\"seq\":8}");
    say_publish(&world, peer, "$JS.API.CONSUMER.CREATE.S", "in.api",
                "{\"stream_name\":\"S\",\"config\":{\"deliver_subject\":\"in.all\","
                "\"ack_policy\":\"none\",\"idle_heartbeat\":1000000000}}");
    say_publish(&world, peer, "s.new", "in.ack", "x");
    sim_run(world.sim, SECOND);
    ck_assert_uint_eq(told(peer, "NATS/1.0 500 Index Unreadable"), 2);
    ck_assert(peer_has(peer, "\"err_code\":10051"));
    ck_assert_uint_eq(told(peer, "MSG s."), 0);
    ck_assert(peer_has(peer, "\"seq\":3001"));
    ck_assert(logged(&world, "index cannot be read"));

    buf_clear(&peer->in);
    forget(&world, 1, 0);
    ask(&world, peer, GET, "{\"seq\":7}");
    sim_run(world.sim, 60 * SECOND);
    ck_assert_uint_eq(told(peer, "Nats-Sequence: 7\r\n"), 1);
    ck_assert_uint_eq(told(peer, " $JS.ACK.S."), MESSAGES + 1);
    world_deinit(&world);
}
END_TEST

/* Message i of a stream whose scratch memory hides, on a subject of its own of so many. */
static struct peer *start_hiding(struct world *world, uint64_t seed, const char *members,
                                 int subjects)
{
    struct peer *peer = start_with_stream(world, seed, members);
    struct lines lines = {.size = 0};

    scratch_twin_hides(stream_of(world)->state.scratch);
    for (int i = 0; i < MESSAGES; i++) {
        char subject[64];

        snprintf(subject, sizeof subject, "s.a-subject-that-takes-some-room.%d", i % subjects);
        lines_publish(&lines, subject, "in.ack", "x");
        if (i % 250 == 249)
            lines_say(&lines, world, peer);
    }
    settle(world);
    sim_run(world->sim, 5 * SECOND);
    ck_assert_uint_eq(stream_of(world)->state.last_seq, MESSAGES);
    scratch_twin_hide(stream_of(world)->state.scratch, true);
    buf_clear(&peer->in);
    return peer;
}

static void end_hiding(struct world *world)
{
    scratch_twin_hide(stream_of(world)->state.scratch, false);
    world_deinit(world);
}

START_TEST(a_publish_waits_for_its_subject_and_what_leaves_for_it)
{
    static const char *const members[] = {",\"max_msgs_per_subject\":2", ",\"max_msgs\":3000",
                                          ",\"max_bytes\":200000"};

    for (unsigned i = 0; i < UNIT_COUNT(members); i++) {
        struct world world;
        struct peer *peer = start_hiding(&world, 5 + i, members[i], MESSAGES / 2);
        struct lines lines = {.size = 0};
        const struct stream_state *state = &stream_of(&world)->state;
        uint64_t before = state->first_seq;
        uint64_t waited = stream_of(&world)->waiting_taken;

        for (int k = 0; k < 200; k++) {
            char subject[64];

            snprintf(subject, sizeof subject, "s.a-subject-that-takes-some-room.%d", k * 3);
            lines_publish(&lines, subject, "in.ack", "x");
        }
        lines_say(&lines, &world, peer);
        sim_run(world.sim, 5 * SECOND);
        ck_assert_uint_eq(told(peer, "\"seq\":"), 200);
        ck_assert_uint_gt(stream_of(&world)->waiting_taken, waited);
        ck_assert_uint_eq(state->last_seq, MESSAGES + 200);
        ck_assert_uint_gt(state->first_seq, before);
        ck_assert_uint_le(index_count(state->index), MESSAGES + 200 * (i == 2));
        ck_assert(i != 2 || index_bytes(state->index) <= 200000);
        end_hiding(&world);
    }
}
END_TEST

START_TEST(so_does_an_age)
{
    struct world world;
    const struct stream *stream;

    (void)start_hiding(&world, 9, ",\"max_age\":60000000000", 7);
    stream = stream_of(&world);
    ck_assert_uint_eq(index_count(stream->state.index), MESSAGES);
    sim_run(world.sim, 70 * SECOND);
    ck_assert_uint_eq(index_count(stream->state.index), 0);
    ck_assert_uint_eq(stream->state.first_seq, MESSAGES + 1);
    end_hiding(&world);
}
END_TEST

START_TEST(so_does_what_is_delivered_again)
{
    struct world world;
    struct peer *peer = start_hiding(&world, 11, "", MESSAGES / 2);
    struct scratch *scratch = stream_of(&world)->state.scratch;

    scratch_twin_hide(scratch, false);
    say_publish(&world, peer, "$JS.API.CONSUMER.DURABLE.CREATE.S.D", "in.api",
                "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"D\","
                "\"deliver_subject\":\"in.all\",\"ack_policy\":\"explicit\","
                "\"ack_wait\":20000000000,\"max_ack_pending\":100}}");
    sim_run(world.sim, 5 * SECOND);
    ck_assert_uint_eq(told(peer, " $JS.ACK.S.D.1."), 100);
    scratch_twin_hide(scratch, true);
    sim_run(world.sim, 20 * SECOND);
    ck_assert_uint_eq(told(peer, " $JS.ACK.S.D.2."), 100);
    end_hiding(&world);
}
END_TEST

START_TEST(so_does_a_count_with_wildcards)
{
    struct world world;
    struct peer *peer = start_hiding(&world, 13, "", MESSAGES / 2);
    struct scratch *scratch = stream_of(&world)->state.scratch;

    stream_of(&world)->view.count_part = 100;
    say_publish(&world, peer, "$JS.API.CONSUMER.DURABLE.CREATE.S.D", "in.api",
                "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"D\","
                "\"filter_subject\":\"s.*.*\",\"ack_policy\":\"explicit\"}}");
    sim_run(world.sim, 5 * SECOND);
    ck_assert(peer_has(peer, "\"num_pending\":3000"));
    scratch_twin_hide(scratch, true);
    end_hiding(&world);
}
END_TEST

struct scrubbed {
    uint64_t bytes;
    unsigned steps, nothing;
    bool end;
};

static void step_done(void *owner, uint64_t bytes, bool end)
{
    struct scrubbed *scrubbed = owner;

    scrubbed->bytes += bytes;
    scrubbed->nothing += bytes == 0 && !end;
    scrubbed->steps++;
    scrubbed->end = end;
}

START_TEST(so_does_the_background_check)
{
    struct world world;
    struct scrubbed scrubbed = {0};
    struct scrub *scrub = scrub_create(step_done, &scrubbed);

    (void)start_hiding(&world, 12, "", 7);
    for (unsigned i = 0; i < 1000 && !scrubbed.end; i++) {
        ck_assert_uint_eq(scrubbed.steps, i);
        scrub_step(scrub, stream_of(&world));
        sim_run(world.sim, SECOND / 100);
    }
    ck_assert(scrubbed.end);
    ck_assert_uint_gt(scrubbed.nothing, 0);
    ck_assert_uint_gt(scrub->sequence, MESSAGES);
    ck_assert_uint_ge(scrubbed.bytes, MESSAGES * 40);
    ck_assert_uint_eq(scrub->damaged, 0);
    scrub_destroy(scrub);
    end_hiding(&world);
}
END_TEST

/* As does the loop, as it always did: a stream whose disk cannot be read goes on, or fails as a
 * whole (docs/index.md). */
START_TEST(who_publishes_does_not_wait_for_what_cannot_be_read)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 10, ",\"max_msgs\":2000");
    struct lines lines = {.size = 0};

    for (int i = 0; i < 2000; i++) {
        lines_publish(&lines, "s.a", "", "x");
        if (i % 500 == 499)
            lines_say(&lines, &world, peer);
    }
    settle(&world);
    forget(&world, 1, 1);
    for (int i = 0; i < 100; i++)
        lines_publish(&lines, "s.a", "in.ack", "x");
    lines_say(&lines, &world, peer);
    sim_run(world.sim, SECOND);
    ck_assert_uint_eq(told(peer, "\"seq\":"), 100);
    ck_assert_uint_eq(stream_of(&world)->state.first_seq, 101);
    world_deinit(&world);
}
END_TEST

/* Not by deciding again and again that nothing goes. */
START_TEST(an_age_does_not_wait_for_what_cannot_be_read)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 14, ",\"max_age\":60000000000");
    const struct stream *stream = stream_of(&world);
    struct lines lines = {.size = 0};
    uint64_t logged_before;

    for (int i = 0; i < MESSAGES; i++) {
        lines_publish(&lines, "s.a", "", "x");
        if (i % 500 == 499)
            lines_say(&lines, &world, peer);
    }
    settle(&world);
    forget(&world, 1, 1);
    logged_before = replica_applied(stream->replica);
    sim_run(world.sim, 70 * SECOND);
    ck_assert_uint_eq(index_count(stream->state.index), 0);
    ck_assert_uint_le(replica_applied(stream->replica), logged_before + 20);
    world_deinit(&world);
}
END_TEST

START_TEST(a_stream_that_goes_says_so_to_who_waits)
{
    struct world world;
    struct peer *peer = start_full(&world, 4);
    struct lines lines = {.size = 0};

    forget(&world, 1, 0);
    lines_publish(&lines, API_GET, "in.got", "{\"seq\":8}");
    lines_publish(&lines, GET, "in.got", "{\"seq\":8}");
    lines_publish(&lines, "$JS.API.STREAM.DELETE.S", "in.gone", "");
    lines_say(&lines, &world, peer);
    sim_run(world.sim, 5 * SECOND);
    ck_assert(peer_has(peer, "stream_delete_response"));
    ck_assert(peer_has(peer, "stream_msg_get_response"));
    world_deinit(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        who_asks_for_an_old_message_waits_until_it_is_brought,
        so_do_batches_and_consumers_which_get_all_in_order,
        what_cannot_be_read_is_an_answer_and_is_tried_again,
        a_publish_waits_for_its_subject_and_what_leaves_for_it,
        so_does_an_age,
        so_does_what_is_delivered_again,
        so_does_a_count_with_wildcards,
        so_does_the_background_check,
        who_publishes_does_not_wait_for_what_cannot_be_read,
        an_age_does_not_wait_for_what_cannot_be_read,
        a_stream_that_goes_says_so_to_who_waits,
    };

    return UNIT_RUN_PLAIN("bring", tests);
}
