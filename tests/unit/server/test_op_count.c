/* What a consumer wants after its filters or its position have changed is counted in parts. */
#include "consumers/machine.h"
#include "tests/unit/server/stream_world.h"

#define CONFIG(more) "{\"stream_name\":\"S\",\"config\":{\"ack_policy\":\"explicit\"" more "}}"
#define ALL          ",\"durable_name\":\"C\",\"deliver_policy\":\"all\""
#define LASTS                                                                                      \
    ",\"durable_name\":\"C\",\"deliver_policy\":\"last_per_subject\",\"filter_subject\":\"s.>\""
#define EACH 20u

/* Messages of s.a, s.b and s.c.<n> in turn, and a consumer C. */
static struct peer *start_counting(struct world *world, uint64_t seed, const char *config)
{
    static struct lines lines;
    struct peer *peer;
    char subject[16];

    world_init(world, seed);
    world->options.jetstream = true;
    world->options.sim.count_part = 1;
    world_start(world);
    peer = peer_connect(world, 0, 4222);
    settle(world);
    peer_say(world, peer, "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB in.* 1\r\n");
    say_publish(world, peer, "$JS.API.STREAM.CREATE.S", "in.api",
                "{\"name\":\"S\",\"subjects\":[\"s.>\"]}");
    for (unsigned i = 0; i < EACH; i++) {
        lines_publish(&lines, "s.a", "in.p", "x");
        lines_publish(&lines, "s.b", "in.p", "x");
        snprintf(subject, sizeof subject, "s.c.%u", i);
        lines_publish(&lines, subject, "in.p", "x");
    }
    lines_say(&lines, world, peer);
    say_publish(world, peer, "$JS.API.CONSUMER.CREATE.S.C", "in.c", config);
    ck_assert(peer_has(peer, "consumer_create_response"));
    buf_clear(&peer->in);
    return peer;
}

static void is_pending(const struct peer *peer, const char *type, unsigned count)
{
    char text[40];

    ck_assert(peer_has(peer, type));
    snprintf(text, sizeof text, "\"num_pending\":%u,", count);
    ck_assert_msg(peer_has(peer, text), "not %s in %.*s", text, BYTES_ARG(buf_bytes(&peer->in)));
}

static bool counted(struct world *world)
{
    const struct consumer *consumer = stream_consumer(stream_of(world), BYTES("C"));

    return consumer->counted_to == COUNTED_ALL;
}

START_TEST(new_filters_are_counted_before_they_are_decided)
{
    static const struct {
        const char *filter;
        unsigned count;
    } cases[] = {
        {",\"filter_subject\":\"s.c.*\"", EACH},
        {",\"filter_subjects\":[\"s.a\",\"s.c.*\"]", 2 * EACH},
        {",\"filter_subject\":\"s.b\"", EACH},
        {",\"filter_subject\":\"s.none\"", 0},
        {"", 3 * EACH},
    };
    struct world world;
    struct peer *peer = start_counting(&world, 1, CONFIG(ALL ",\"filter_subject\":\"s.a\""));
    char body[300];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(body, sizeof body, CONFIG(ALL "%s"), cases[i].filter);
        say_publish(&world, peer, "$JS.API.CONSUMER.CREATE.S.C", "in.c", body);
        is_pending(peer, "consumer_create_response", cases[i].count);
        buf_clear(&peer->in);
    }
    world_deinit(&world);
}
END_TEST

START_TEST(what_is_left_behind_a_reset_is_counted_before_it_is_decided)
{
    struct world world;
    struct peer *peer = start_counting(&world, 2, CONFIG(ALL ",\"filter_subject\":\"s.*\""));

    say_publish(&world, peer, "$JS.API.CONSUMER.RESET.S.C", "in.r", "{\"seq\":31}");
    is_pending(peer, "consumer_reset_response", EACH);
    buf_clear(&peer->in);
    say_publish(&world, peer, "$JS.API.CONSUMER.RESET.S.C", "in.r", "{\"seq\":2}");
    is_pending(peer, "consumer_reset_response", 2 * EACH - 1);
    buf_clear(&peer->in);
    say_publish(&world, peer, "$JS.API.CONSUMER.RESET.S.C", "in.r", "{\"seq\":1000}");
    is_pending(peer, "consumer_reset_response", 0);
    world_deinit(&world);
}
END_TEST

START_TEST(of_a_snapshot_the_newest_of_each_subject_count)
{
    struct world world;
    struct peer *peer = start_counting(&world, 3, CONFIG(LASTS));

    lines_say(&(struct lines){.text = "PUB s.b in.p 0\r\n\r\n"}, &world, peer);
    say_publish(&world, peer, "$JS.API.CONSUMER.CREATE.S.C", "in.c",
                CONFIG(",\"durable_name\":\"C\",\"deliver_policy\":\"last_per_subject\","
                       "\"filter_subjects\":[\"s.a\",\"s.b\"]"));
    is_pending(peer, "consumer_create_response", 3); /* and what came since */
    world_deinit(&world);
}
END_TEST

static unsigned done_count;
static uint16_t done_error;

static void note_done(struct stream_op *op, struct stream *stream)
{
    (void)stream;
    done_error = op->error;
    done_count++;
}

static uint64_t checks;

static uint16_t count_check(struct stream_op *op, struct stream *stream)
{
    (void)op;
    (void)stream;
    checks++;
    return 0;
}

/* Each turn does one part, the check is not asked again, publishes wait, and its count is the
 * consumer's. */
START_TEST(a_turn_does_no_more_than_a_part)
{
    struct world world;
    struct peer *peer = start_counting(&world, 4, CONFIG(ALL ",\"filter_subject\":\"s.*\""));
    struct stream *stream = stream_of(&world);
    struct stream_op op = {.kind = STREAM_OP_CONSUMER_RESET,
                           .own = true,
                           .check = count_check,
                           .done = note_done,
                           .name = BYTES("C"),
                           .sequence = 7};

    done_count = 0;
    stream_submit(stream, &op);
    for (unsigned turn = 1; turn <= 10; turn++) {
        stream_operations(stream);
        ck_assert_ptr_eq(stream->counting.op, &op);
        ck_assert_uint_eq(stream->ops_flying.count, 0);
        ck_assert_uint_eq(checks, 1);
    }
    ck_assert(stream_operations_busy(stream));
    settle(&world);
    ck_assert_uint_eq(done_count, 1);
    ck_assert_uint_eq(done_error, 0);
    ck_assert_ptr_null(stream->counting.op);
    ck_assert(counted(&world));
    say_publish(&world, peer, "$JS.API.CONSUMER.INFO.S.C", "in.i", "");
    is_pending(peer, "consumer_info_response", 2 * (EACH - 2));
    world_deinit(&world);
}
END_TEST

START_TEST(whoever_leads_no_more_counts_no_more)
{
    struct world world;
    struct peer *peer = start_counting(&world, 5, CONFIG(ALL));
    struct stream *stream = stream_of(&world);
    struct stream_op op = {.kind = STREAM_OP_CONSUMER_RESET,
                           .own = true,
                           .done = note_done,
                           .name = BYTES("C"),
                           .sequence = 7};

    (void)peer;
    say_publish(&world, peer, "$JS.API.CONSUMER.CREATE.S.C", "in.c",
                CONFIG(ALL ",\"filter_subject\":\"s.*\""));
    done_count = 0;
    stream_submit(stream, &op);
    stream_operations(stream);
    ck_assert_ptr_eq(stream->counting.op, &op);
    stream_operations_follow(stream);
    ck_assert_ptr_null(stream->counting.op);
    ck_assert_uint_eq(done_count, 1);
    ck_assert_uint_eq(done_error, 10008);
    settle(&world);
    world_deinit(&world);
}
END_TEST

/* An ordered reader may go while it is counted for: it leaves no trace in the log. */
START_TEST(a_consumer_that_goes_meanwhile_is_asked_for_again)
{
    struct world world;
    struct peer *peer =
        start_counting(&world, 6,
                       "{\"stream_name\":\"S\",\"config\":{\"name\":\"C\",\"ack_policy\":\"none\","
                       "\"filter_subject\":\"s.*\",\"inactive_threshold\":600000000000}}");
    struct stream *stream = stream_of(&world);
    struct stream_op op = {.kind = STREAM_OP_CONSUMER_RESET,
                           .own = true,
                           .check = count_check,
                           .done = note_done,
                           .name = BYTES("C"),
                           .sequence = 7};

    (void)peer;
    checks = 0;
    stream_submit(stream, &op);
    stream_operations(stream);
    ck_assert(stream_op_counts(stream, &op));
    stream_consumer_drop(stream, stream_consumer_shell(stream, BYTES("C")), true);
    ck_assert(!stream_op_counts(stream, &op));
    stream_operations_follow(stream);
    settle(&world);
    world_deinit(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        new_filters_are_counted_before_they_are_decided,
        what_is_left_behind_a_reset_is_counted_before_it_is_decided,
        of_a_snapshot_the_newest_of_each_subject_count,
        a_turn_does_no_more_than_a_part,
        whoever_leads_no_more_counts_no_more,
        a_consumer_that_goes_meanwhile_is_asked_for_again,
    };

    return UNIT_RUN_PLAIN("op_count", tests);
}
