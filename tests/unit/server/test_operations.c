/* Operations of a whole server's stream: which of them share a batch, and that nobody starves. */
#include "tests/unit/server/stream_world.h"

#define CONFIG(more) "{\"stream_name\":\"S\",\"config\":{\"ack_policy\":\"explicit\"" more "}}"
#define CREATED      "consumer_create_response\",\"stream_name\""

static void lines_create(struct lines *lines, const char *name, const char *more)
{
    char subject[64], body[300];

    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.CREATE.S.%s", name);
    snprintf(body, sizeof body, CONFIG(",\"durable_name\":\"%s\"%s"), name, more);
    lines_publish(lines, subject, "in.c", body);
}

static void lines_delete(struct lines *lines, const char *name)
{
    char subject[64];

    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.DELETE.S.%s", name);
    lines_publish(lines, subject, "in.d", "");
}

START_TEST(consumers_that_are_asked_for_together_cost_one_batch)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 1, "");
    static struct lines lines;
    uint64_t before = batches(&world);
    char name[16];

    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "C%d", i);
        lines_create(&lines, name, "");
    }
    lines_say(&lines, &world, peer);
    ck_assert_uint_eq(told(peer, CREATED), 100);
    ck_assert_uint_eq(stream_consumer_count(stream_of(&world)), 100);
    ck_assert_uint_le(batches(&world), before + 2); /* bytes may arrive in two pieces */
    before = batches(&world);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "C%d", i);
        lines_delete(&lines, name);
    }
    lines_say(&lines, &world, peer);
    ck_assert_uint_eq(told(peer, "\"success\":true"), 100);
    ck_assert_uint_eq(stream_consumer_count(stream_of(&world)), 0);
    ck_assert_uint_le(batches(&world), before + 2);
    world_deinit(&world);
}
END_TEST

START_TEST(the_limit_of_consumers_holds_within_a_batch)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 2, ",\"max_consumers\":3");
    static struct lines lines;

    lines_create(&lines, "A", "");
    lines_say(&lines, &world, peer);
    lines_create(&lines, "B", "");
    lines_delete(&lines, "A");
    lines_create(&lines, "C", "");
    lines_create(&lines, "D", "");
    lines_create(&lines, "E", "");
    lines_say(&lines, &world, peer);
    ck_assert_uint_eq(told(peer, CREATED), 4);
    ck_assert_uint_eq(told(peer, "\"err_code\":10026"), 1);
    ck_assert_ptr_null(stream_consumer(stream_of(&world), BYTES("E")));
    world_deinit(&world);
}
END_TEST

START_TEST(operations_on_one_name_happen_in_their_order)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 3, "");
    static struct lines lines;

    lines_create(&lines, "A", "");
    lines_create(&lines, "A", ""); /* it is there */
    lines_delete(&lines, "A");
    lines_delete(&lines, "A"); /* it is gone */
    lines_create(&lines, "A", ",\"max_waiting\":7");
    lines_say(&lines, &world, peer);
    ck_assert_uint_eq(told(peer, CREATED), 3);
    ck_assert_uint_eq(told(peer, "\"success\":true"), 1);
    ck_assert_uint_eq(told(peer, "\"err_code\":10014"), 1);
    ck_assert_int_eq(consumer_config(stream_consumer(stream_of(&world), BYTES("A")))->max_waiting,
                     7);
    world_deinit(&world);
}
END_TEST

START_TEST(positions_of_consumers_made_together_are_those_of_what_was_before)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 4, "");
    static struct lines lines;

    lines_publish(&lines, "s.a", "in.p", "1");
    lines_create(&lines, "A", ",\"deliver_policy\":\"new\"");
    lines_create(&lines, "B", ",\"deliver_policy\":\"last\"");
    lines_say(&lines, &world, peer);
    ck_assert_uint_eq(consumer_position(stream_consumer(stream_of(&world), BYTES("A"))), 2);
    ck_assert_uint_eq(consumer_position(stream_consumer(stream_of(&world), BYTES("B"))), 1);
    world_deinit(&world);
}
END_TEST

START_TEST(everyone_in_a_batch_that_the_disk_refuses_is_told)
{
    struct sim_faults faults = sim_faults_none();
    struct world world;
    struct peer *peer = start_with_stream(&world, 5, "");
    static struct lines lines;

    faults.write_error = 1000000;
    sim_set_faults(world.sim, world.server_node, &faults);
    lines_create(&lines, "A", "");
    lines_create(&lines, "B", "");
    lines_say(&lines, &world, peer);
    ck_assert_uint_eq(told(peer, "\"err_code\":10012"), 2);
    ck_assert_uint_eq(stream_consumer_count(stream_of(&world)), 0);
    ck_assert_uint_eq(stream_consumer_count_tail(stream_of(&world)), 0);
    faults.write_error = 0;
    sim_set_faults(world.sim, world.server_node, &faults);
    lines_create(&lines, "A", "");
    lines_say(&lines, &world, peer);
    ck_assert_uint_eq(told(peer, CREATED), 1);
    world_deinit(&world);
}
END_TEST

/* The next leader's log says what came of it, and this one counts what is applied. */
START_TEST(who_leads_no_more_counts_no_consumers_on_their_way)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 7, "");
    struct stream *stream = stream_of(&world);
    static struct lines lines;
    struct bytes text;

    lines_create(&lines, "A", "");
    text = bytes_of_text(lines.text);
    peer->sending = text;
    io_sock_send(peer->io, peer->sock, &text, 1);
    for (int i = 0; i < 100000 && stream->ops_flying.count == 0; i++)
        sim_run(world.sim, 1000);
    ck_assert_uint_eq(stream_consumer_count_tail(stream), 1);
    stream_operations_follow(stream);
    ck_assert_uint_eq(stream_consumer_count_tail(stream), 0);
    settle(&world);
    ck_assert_uint_eq(stream_consumer_count(stream), 1);
    ck_assert_uint_eq(stream_consumer_count_tail(stream), 1);
    world_deinit(&world);
}
END_TEST

/* The ack would stand behind the reset, of a message that nobody was given since. */
START_TEST(an_ack_that_comes_with_a_reset_leaves_no_record_behind_it)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 8, "");
    static struct lines lines;
    char ack[100];
    const uint8_t *at;

    lines_create(&lines, "A", ",\"deliver_policy\":\"all\"");
    lines_publish(&lines, "s.a", "in.p", "x");
    lines_say(&lines, &world, peer);
    lines_publish(&lines, "$JS.API.CONSUMER.MSG.NEXT.S.A", "in.m", "");
    lines_say(&lines, &world, peer);
    at = memmem(peer->in.at, peer->in.size, "$JS.ACK.", 8);
    ck_assert_ptr_nonnull(at);
    snprintf(ack, sizeof ack, "%.*s", (int)strcspn((const char *)at, " \r"), (const char *)at);
    lines_publish(&lines, "$JS.API.CONSUMER.RESET.S.A", "in.r", "{\"seq\":1}");
    lines_publish(&lines, ack, "in.a", "");
    lines_say(&lines, &world, peer);
    ck_assert(peer_has(peer, "consumer_reset_response"));
    ck_assert(!logged(&world, "unreadable consumer record"));
    ck_assert_uint_eq(consumer_position(stream_consumer(stream_of(&world), BYTES("A"))), 1);
    world_deinit(&world);
}
END_TEST

static struct peer *start_small(struct world *world, uint64_t seed)
{
    struct peer *peer;

    world_init(world, seed);
    world->options.jetstream = true;
    world->options.sim.segment_size = 32 << 10;
    world->options.sim.block_bytes = 4096;
    world_start(world);
    peer = peer_connect(world, 0, 4222);
    settle(world);
    peer_say(world, peer, "CONNECT {\"verbose\":false}\r\nSUB in.* 1\r\n");
    return peer;
}

/* Segments are filled and left, and with them blocks written. */
static void fill(struct world *world, struct peer *peer)
{
    static struct lines lines;
    char payload[1001];

    memset(payload, 'x', 1000);
    payload[1000] = 0;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 40; i++)
            lines_publish(&lines, "s.a", "in.p", payload);
        lines_say(&lines, world, peer);
    }
}

static bool kept(struct world *world, log_place place)
{
    struct log_file_info info;

    return log_keep_next(replica_log(stream_of(world)->replica), (uint32_t)(place >> 32), &info) &&
           info.ordinal == place >> 32;
}

/* Its message has left the stream, and the file in which it stands is read from nevertheless. */
START_TEST(a_kept_file_stays_while_a_delivery_reads_from_it)
{
    struct world world;
    struct peer *peer = start_small(&world, 10);
    struct outbox_item item = {.kind = OUTBOX_STORED, .sequence = 1, .to = BYTES("in.m")};
    struct consumer_shell *shell;
    struct index_entry entry;

    say_publish(&world, peer, "$JS.API.STREAM.CREATE.S", "in.s",
                "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"max_msgs_per_subject\":1}");
    say_publish(&world, peer, "$JS.API.CONSUMER.CREATE.S.A", "in.c",
                CONFIG(",\"durable_name\":\"A\",\"filter_subject\":\"s.none\""));
    say_publish(&world, peer, "s.kept", "in.p", "kept");
    fill(&world, peer);
    ck_assert(index_get(stream_of(&world)->state.index, 1, &entry));
    ck_assert_uint_ge(entry.place >> 32, LOG_KEEP_FIRST);
    shell = stream_consumer_shell(stream_of(&world), BYTES("A"));
    item.index = entry.place;
    item.look = entry.record_size;
    ck_assert(outbox_add(&consumer_lane(shell)->deliveries, &item));
    say_publish(&world, peer, "$JS.API.STREAM.MSG.DELETE.S", "in.d", "{\"seq\":1}");
    fill(&world, peer);
    ck_assert(kept(&world, entry.place));
    buf_clear(&peer->in);
    stream_consumer_mark(shell);
    say_publish(&world, peer, "s.b", "in.p", "");
    ck_assert(peer_has(peer, "kept"));
    fill(&world, peer);
    ck_assert(!kept(&world, entry.place));
    world_deinit(&world);
}
END_TEST

/* A block brings the config without an effect that tells of it. */
START_TEST(consumers_hear_of_a_new_retention_after_a_start_from_a_block)
{
    struct world world;
    static struct lines lines;
    struct peer *peer;
    char payload[1001];
    uint32_t revision;

    memset(payload, 'x', 1000);
    payload[1000] = 0;
    peer = start_small(&world, 9);
    say_publish(&world, peer, "$JS.API.STREAM.CREATE.S", "in.s",
                "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"retention\":\"interest\"}");
    say_publish(&world, peer, "$JS.API.CONSUMER.CREATE.S.A", "in.c",
                "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"A\","
                "\"ack_policy\":\"none\"}}");
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < 40; i++)
            lines_publish(&lines, "s.a", "in.p", payload);
        lines_say(&lines, &world, peer);
    }
    world_kill(&world);
    peer = peer_connect(&world, 1, 4222);
    settle(&world);
    peer_say(&world, peer, "CONNECT {\"verbose\":false}\r\nSUB in.* 1\r\n");
    revision = consumer_revision(stream_consumer(stream_of(&world), BYTES("A")));
    say_publish(&world, peer, "$JS.API.STREAM.UPDATE.S", "in.u",
                "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"retention\":\"limits\"}");
    ck_assert(peer_has(peer, "stream_update_response"));
    ck_assert(!peer_has(peer, "err_code"));
    ck_assert_uint_eq(consumer_revision(stream_consumer(stream_of(&world), BYTES("A"))),
                      revision + 1);
    world_deinit(&world);
}
END_TEST

/* Each deletes a message: none may share a batch. */
START_TEST(publishes_go_on_between_operations_that_never_end)
{
    struct world world;
    struct peer *peer = start_with_stream(&world, 6, "");
    static struct lines lines;
    char body[40];
    const uint8_t *at;

    for (int i = 0; i < 50; i++)
        lines_publish(&lines, "s.a", "in.p", "x");
    lines_say(&lines, &world, peer);
    buf_clear(&peer->in);
    for (int i = 1; i <= 50; i++) {
        snprintf(body, sizeof body, "{\"seq\":%d}", i);
        lines_publish(&lines, "$JS.API.STREAM.MSG.DELETE.S", "in.d", body);
    }
    lines_publish(&lines, "s.a", "in.p", "y");
    lines_say(&lines, &world, peer);
    ck_assert_uint_eq(told(peer, "\"success\":true"), 50);
    at = memmem(peer->in.at, peer->in.size, "\"seq\":51}", strlen("\"seq\":51}"));
    ck_assert_ptr_nonnull(at);
    buf_consume(&peer->in, (size_t)(at - peer->in.at));
    ck_assert_uint_gt(told(peer, "\"success\":true"), 25); /* it did not wait for all of them */
    world_deinit(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        consumers_that_are_asked_for_together_cost_one_batch,
        the_limit_of_consumers_holds_within_a_batch,
        operations_on_one_name_happen_in_their_order,
        positions_of_consumers_made_together_are_those_of_what_was_before,
        everyone_in_a_batch_that_the_disk_refuses_is_told,
        who_leads_no_more_counts_no_consumers_on_their_way,
        an_ack_that_comes_with_a_reset_leaves_no_record_behind_it,
        a_kept_file_stays_while_a_delivery_reads_from_it,
        consumers_hear_of_a_new_retention_after_a_start_from_a_block,
        publishes_go_on_between_operations_that_never_end,
    };

    return UNIT_RUN_PLAIN("operations", tests);
}
