/*
 * Messages that rot on the disk of a server that stands alone: nobody can give them back, so the
 * stream's state says which they are, also after a start that does not read them, until they leave
 * the stream.
 */
#include <stdio.h>

#include "base/io_sim.h"
#include "server/jetstream/jetstream_priv.h"
#include "server/server_priv.h"
#include "server/stream/stream_priv.h"
#include "storage/paths.h"
#include "tests/quiet.h"
#include "tests/sim/client.c" /* a unit test links archives only */
#include "tests/sim/leaks.h"
#include "tests/unit/unit.h"

#define PORT        4222
#define MILLISECOND INT64_C(1000000)
#define MESSAGES    300u

static struct {
    struct sim *sim;
    size_t node, clients;
    struct server *server;
    struct options options;
    struct logger logger;
    struct sim_client client;
    char reply[64], text[200000];
    bool told;
    unsigned delivered;
} s;

static void on_message(void *context, const struct client_message *message)
{
    (void)context;
    s.delivered += bytes_equal(message->subject, BYTES("s.a"));
    if (!bytes_equal(message->subject, bytes_of_text(s.reply)))
        return;
    ck_assert_uint_lt(message->payload.size, sizeof s.text);
    memcpy(s.text, message->payload.at, message->payload.size);
    s.text[message->payload.size] = 0;
    s.told = true;
}

static void run_ms(int64_t ms)
{
    sim_run(s.sim, ms * MILLISECOND);
}

static void start(void)
{
    ck_assert_int_eq(server_start(sim_node_io(s.sim, s.node), &s.options, &s.logger, &s.server),
                     OK);
    while (s.client.sock != NULL) {
        sim_client_drop(&s.client);
        run_ms(1);
    }
    sim_client_connect(&s.client, s.node, PORT, "_R.>");
    run_ms(20);
}

static const char *ask(const char *subject, const char *body)
{
    static unsigned number;

    snprintf(s.reply, sizeof s.reply, "_R.q%u", ++number);
    s.told = false;
    sim_client_publish(&s.client, subject, s.reply, "", bytes_of_text(body));
    for (int i = 0; i < 5000 && !s.told; i++)
        run_ms(1);
    ck_assert_msg(s.told, "%s is not answered", subject);
    return s.text;
}

static void publish(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        sim_client_publish(&s.client, "s.a", "", "", BYTES("a message of some size, as they are"));
        if (i % 5 == 4)
            run_ms(2);
    }
    run_ms(50);
}

static void stop(void)
{
    sim_crash(s.sim, s.node, SIM_CRASH_KILL);
    server_destroy(s.server);
    sim_restart(s.sim, s.node);
}

static void begin(uint64_t seed)
{
    memset(&s, 0, sizeof s);
    s.sim = sim_create(seed);
    s.node = sim_node_add(s.sim);
    s.clients = sim_node_add(s.sim);
    options_default(&s.options);
    snprintf(s.options.host, sizeof s.options.host, "127.0.0.1");
    s.options.port = PORT;
    s.options.jetstream = true;
    s.options.sim.block_bytes = 8 << 10;
    s.options.sim.segment_size = 32 << 10;
    quiet_init(&s.logger);
    sim_client_init(&s.client, s.sim, sim_node_io(s.sim, s.clients), on_message, NULL);
    start();
    ck_assert_ptr_nonnull(strstr(
        ask("$JS.API.STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s.*\"]}"), "\"created\""));
    publish(MESSAGES);
    stop();
    start(); /* the journal has it no more */
    (void)ask("$JS.API.STREAM.INFO.S", "");
}

static void end(void)
{
    server_destroy(s.server);
    sim_destroy(s.sim);
    sim_client_deinit(&s.client);
}

static const struct stream *stream(void)
{
    return catalogue_named(&s.server->jetstream->catalogue, BYTES("$G"), BYTES("S"))->stream;
}

struct spot {
    struct path path;
    uint64_t offset;
    uint32_t size;
};

static struct spot spot_of(uint64_t sequence)
{
    struct index_entry entry;
    struct spot spot;

    ck_assert(index_get(stream_applied(stream())->index, sequence, &entry));
    ck_assert_uint_lt(entry.place >> 32, LOG_KEEP_FIRST);
    spot.path = path_segment(
        "millrace", stream_id(stream()),
        log_file_id(replica_log(stream_replica(stream())), (uint32_t)(entry.place >> 32)));
    spot.offset = entry.place & UINT32_MAX;
    spot.size = entry.record_size;
    return spot;
}

static void rot(const struct spot *spot)
{
    ck_assert(sim_flip(s.sim, s.node, spot->path.text, spot->offset + spot->size / 2, 3));
}

/* What the state says of what is lost, or NULL. */
static const char *lost(void)
{
    return strstr(ask("$JS.API.STREAM.INFO.S", "{\"deleted_details\":true}"), "\"lost\"");
}

START_TEST(what_was_found_is_told_after_a_start_that_does_not_read_it)
{
    struct spot spots[2];

    begin(1);
    spots[0] = spot_of(7);
    spots[1] = spot_of(40);
    stop();
    rot(&spots[0]);
    rot(&spots[1]);
    start();
    ck_assert_ptr_null(lost());
    run_ms(4000); /* the check comes by, and a block notes it */
    ck_assert_ptr_nonnull(strstr(lost(), "\"msgs\":[7,40],"));
    stop();
    start();
    ck_assert_ptr_nonnull(lost());
    ck_assert_ptr_nonnull(strstr(lost(), "\"msgs\":[7,40],"));
    publish(MESSAGES); /* through blocks that come by themselves */
    stop();
    start();
    ck_assert_ptr_nonnull(lost());
    ck_assert_ptr_nonnull(strstr(lost(), "\"msgs\":[7,40],"));
    end();
}
END_TEST

START_TEST(what_leaves_the_stream_is_lost_no_more)
{
    struct spot spots[2];

    begin(2);
    spots[0] = spot_of(7);
    spots[1] = spot_of(40);
    stop();
    rot(&spots[0]);
    rot(&spots[1]);
    start();
    run_ms(4000);
    ck_assert_ptr_nonnull(strstr(ask("$JS.API.STREAM.MSG.DELETE.S", "{\"seq\":7}"), "true"));
    ck_assert_ptr_nonnull(strstr(lost(), "\"msgs\":[40],"));
    stop();
    start();
    ck_assert_ptr_nonnull(strstr(lost(), "\"msgs\":[40],"));
    (void)ask("$JS.API.STREAM.PURGE.S", "");
    ck_assert_ptr_null(lost());
    stop();
    start();
    run_ms(4000);
    ck_assert_ptr_null(lost());
    end();
}
END_TEST

/* Recovery loses the whole batch, and cannot say what was in it: only how much. */
START_TEST(what_recovery_has_lost_is_told_when_a_block_is_above_it)
{
    const struct stream_state *state;
    struct spot spot;
    uint64_t bytes;

    begin(3);
    state = stream_applied(stream());
    spot = spot_of(state->last_seq - 6); /* above the newest block */
    ck_assert_uint_lt(log_block_newest(replica_log(stream_replica(stream()))),
                      replica_applied(stream_replica(stream())) - 1);
    stop();
    rot(&spot);
    start();
    (void)ask("$JS.API.STREAM.INFO.S", "");
    bytes = stream_applied(stream())->lost.bytes;
    ck_assert_uint_gt(bytes, 0);
    publish(2 * MESSAGES);
    stop();
    start();
    (void)ask("$JS.API.STREAM.INFO.S", "");
    ck_assert_uint_eq(stream_applied(stream())->lost.bytes, bytes);
    ck_assert_ptr_nonnull(lost());
    end();
}
END_TEST

/* ---- consumers ------------------------------------------------------------------------------- */

/* The background check stays away; message 40 has rotted, or its file ends before it. */
static void begin_rotten(uint64_t seed, bool cut)
{
    struct io_file *file;
    struct spot spot;

    begin(seed);
    spot = spot_of(40);
    stop();
    s.options.jetstream_options.scrub_rate = 0;
    if (!cut)
        rot(&spot);
    start();
    if (cut) {
        ck_assert_int_eq(
            io_open(sim_node_io(s.sim, s.node), spot.path.text, IO_READ | IO_WRITE, &file), OK);
        ck_assert_int_eq(io_truncate(sim_node_io(s.sim, s.node), file, spot.offset), OK);
        io_close(sim_node_io(s.sim, s.node), file);
    }
    run_ms(4000);
    ck_assert_ptr_null(lost());
}

static void consume(const char *config)
{
    ck_assert_ptr_nonnull(strstr(ask("$JS.API.CONSUMER.CREATE.S.C", config), "\"name\":\"C\""));
    sim_client_publish(&s.client, "$JS.API.CONSUMER.MSG.NEXT.S.C", "_R.deliver", "",
                       BYTES("{\"batch\":60,\"expires\":1000000000}"));
    run_ms(2000);
}

#define PULLED                                                                                     \
    "{\"stream_name\":\"S\",\"config\":{\"name\":\"C\",\"ack_policy\":\"%s\",\"mem_storage\":"     \
    "true}}"
#define PUSHED                                                                                     \
    "{\"stream_name\":\"S\",\"config\":{\"name\":\"C\",\"ack_policy\":\"%s\",\"mem_storage\":"     \
    "true,"                                                                                        \
    "\"deliver_subject\":\"_R.deliver\"}}"

static void found_by(uint64_t seed, bool cut, const char *format, const char *policy,
                     unsigned delivered)
{
    char config[300];

    begin_rotten(seed, cut);
    snprintf(config, sizeof config, format, policy);
    consume(config);
    if (!cut)
        ck_assert_uint_ge(s.delivered, delivered);
    ck_assert_ptr_nonnull(lost());
    ck_assert_ptr_nonnull(strstr(lost(), cut ? "\"msgs\":[40" : "\"msgs\":[40],"));
    end();
}

START_TEST(what_a_consumer_comes_upon_is_noted)
{
    found_by(4, false, PULLED, "explicit", 59);
    found_by(5, false, PULLED, "none", 59);
    found_by(6, false, PUSHED, "explicit", MESSAGES - 1);
    found_by(7, false, PUSHED, "none", MESSAGES - 1); /* each leaves as it is found */
}
END_TEST

START_TEST(what_a_consumer_cannot_read_is_noted)
{
    found_by(8, true, PULLED, "explicit", 0);
    found_by(9, true, PUSHED, "none", 0);
}
END_TEST

/* The disk's bad moment: nothing else looks there again. */
START_TEST(who_waits_for_what_can_be_read_after_all_goes_on)
{
    struct spot spot;

    begin_rotten(10, false);
    spot = spot_of(40);
    (void)ask("$JS.API.STREAM.MSG.GET.S", "{\"seq\":40}");
    ck_assert_ptr_nonnull(lost());
    consume("{\"stream_name\":\"S\",\"config\":{\"name\":\"C\",\"ack_policy\":\"none\","
            "\"mem_storage\":true,\"deliver_subject\":\"_R.deliver\"}}");
    ck_assert_uint_eq(s.delivered, 39);
    run_ms(8000);
    ck_assert_uint_eq(s.delivered, 39);
    rot(&spot); /* the same bit */
    run_ms(16000);
    ck_assert_uint_eq(s.delivered, MESSAGES);
    ck_assert_ptr_null(lost());
    end();
}
END_TEST

START_TEST(what_could_not_be_read_does_not_use_up_max_deliver)
{
    struct spot spot;

    begin_rotten(11, false);
    spot = spot_of(40);
    consume("{\"stream_name\":\"S\",\"config\":{\"name\":\"C\",\"ack_policy\":\"explicit\","
            "\"max_deliver\":1,\"ack_wait\":100000000}}");
    ck_assert_uint_eq(s.delivered, 59);
    run_ms(5000);
    ck_assert_ptr_nonnull(strstr(ask("$JS.API.CONSUMER.INFO.S.C", ""), "\"num_ack_pending\":1,"));
    rot(&spot); /* the same bit */
    sim_client_publish(&s.client, "$JS.API.CONSUMER.MSG.NEXT.S.C", "_R.deliver", "",
                       BYTES("{\"batch\":1,\"expires\":60000000000}"));
    run_ms(1);
    while (stream()->state.lost.count > 0)
        run_ms(100);
    run_ms(3000);
    ck_assert_uint_ge(s.delivered, 60);
    ck_assert_ptr_nonnull(strstr(ask("$JS.API.CONSUMER.INFO.S.C", ""), "\"num_redelivered\":0"));
    end();
}
END_TEST

int main(void)
{
    const TTest *tests[] = {what_was_found_is_told_after_a_start_that_does_not_read_it,
                            what_leaves_the_stream_is_lost_no_more,
                            what_recovery_has_lost_is_told_when_a_block_is_above_it,
                            what_a_consumer_comes_upon_is_noted,
                            what_a_consumer_cannot_read_is_noted,
                            who_waits_for_what_can_be_read_after_all_goes_on,
                            what_could_not_be_read_does_not_use_up_max_deliver};

    return UNIT_RUN_PLAIN("damage", tests);
}
