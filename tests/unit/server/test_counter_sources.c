/* Counters summed up from the counters of other streams, and what kills leave of the sums. */
#include "server/stream/counter_sources.h"
#include "server/stream/flaws.h"
#include "tests/unit/server/stream_world.h"

#define BURST 30

static struct world world;

static const char *put(const char *sources, const char *from, const char *value, char was[20])
{
    static char text[400];
    struct buf out, before;

    buf_init(&out, SIZE_MAX);
    buf_init(&before, SIZE_MAX);
    counter_sources_put(bytes_of_text(sources), counter_origin_read(bytes_of_text(from)),
                        bytes_of_text(value), &out, &before);
    snprintf(text, sizeof text, "%.*s", BYTES_ARG(buf_bytes(&out)));
    snprintf(was, 20, "%.*s", BYTES_ARG(buf_bytes(&before)));
    buf_deinit(&out);
    buf_deinit(&before);
    return text;
}

START_TEST(what_a_counter_got_is_written_in_order_and_what_it_had_is_known)
{
    char was[20];

    ck_assert_str_eq(put("", "A 1 > > a.x", "5", was), "{\"A\":{\"a.x\":\"5\"}}");
    ck_assert_str_eq(was, "0");
    ck_assert_str_eq(put("{\"A\":{\"a.x\":\"5\"}}", "A 2 > > a.x", "-7", was),
                     "{\"A\":{\"a.x\":\"-7\"}}");
    ck_assert_str_eq(was, "5");
    ck_assert_str_eq(put("{\"B\":{\"y\":\"1\",\"b\":\"2\"}}", "A:hash 2 > > a.x", "3", was),
                     "{\"A:hash\":{\"a.x\":\"3\"},\"B\":{\"b\":\"2\",\"y\":\"1\"}}");
    ck_assert_str_eq(was, "0");
    ck_assert_str_eq(
        put("{\"B\":{\"b\":\"1\"},\"A\":{},\"B\":{\"b\":\"2\"}}", "B 2 > > b", "3", was),
        "{\"A\":{},\"B\":{\"b\":\"3\"}}");
    ck_assert_str_eq(was, "2");
}
END_TEST

START_TEST(only_an_object_of_objects_of_texts_says_what_a_counter_got)
{
    static const char *const good[] = {"", "{}", "{\"A\":{}}", "{\"A\":{\"x\":\"1\"},\"B\":{}}"};
    static const char *const bad[] = {"x", "[]", "{\"A\":5}", "{\"A\":{\"x\":5}}",
                                      "{\"A\":{\"x\":\"1\"}"};

    for (size_t i = 0; i < UNIT_COUNT(good); i++)
        ck_assert_msg(counter_sources_valid(bytes_of_text(good[i])), "%s", good[i]);
    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        ck_assert_msg(!counter_sources_valid(bytes_of_text(bad[i])), "%s", bad[i]);
}
END_TEST

/* ---- a whole server ------------------------------------------------------------------------- */

static void create(struct peer *peer, const char *name, const char *members)
{
    char counter[500];

    snprintf(counter, sizeof counter, "\"allow_msg_counter\":true,%s", members);
    world_create(&world, peer, name, counter);
}

static struct peer *connect(int n)
{
    struct peer *peer = peer_connect(&world, n, 4222);

    settle(&world);
    peer_say(&world, peer, "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB in.* 1\r\n");
    return peer;
}

static void add_many(struct peer *peer, unsigned first, unsigned count)
{
    static struct lines lines;

    lines.size = 0;
    for (unsigned i = first; i < first + count; i++) {
        char headers[60];
        int size = snprintf(headers, sizeof headers, "NATS/1.0\r\nNats-Incr: %d\r\n\r\n",
                            i % 3 == 0 ? -1 : (int)i);

        lines.size +=
            (size_t)snprintf(lines.text + lines.size, sizeof lines.text - lines.size,
                             "HPUB %c.x in.ack %d %d\r\n%s\r\n", "ab"[i % 2], size, size, headers);
    }
    peer->sending = bytes_of(lines.text, lines.size);
    io_sock_send(peer->io, peer->sock, &peer->sending, 1);
}

/* Of the newest message of a stream; 0 when there is none. */
static long long counter_of(const char *name)
{
    struct stream *stream = world_stream(&world, name);
    struct index_entry entry;
    struct stream_message message;
    char text[60];

    if (!index_get(stream->state.index, stream->state.last_seq, &entry))
        return 0;
    ck_assert(stream_read_now(stream, &entry, &message));
    snprintf(text, sizeof text, "%.*s", BYTES_ARG(message.payload));
    ck_assert_uint_gt(strlen(text), strlen("{\"val\":\""));
    return strtoll(text + strlen("{\"val\":\""), NULL, 10);
}

static struct peer *start(uint64_t seed)
{
    struct peer *peer = start_with_stream(&world, seed, "");

    create(peer, "A", "\"subjects\":[\"a.*\"]");
    create(peer, "B", "\"subjects\":[\"b.*\"]");
    create(peer, "T",
           "\"sources\":[{\"name\":\"A\",\"subject_transforms\":[{\"src\":\"a.*\",\"dest\":\"t.$"
           "1\"}]},"
           "{\"name\":\"B\",\"subject_transforms\":[{\"src\":\"b.*\",\"dest\":\"t.$1\"}]}]");
    return peer;
}

START_TEST(a_sum_is_that_of_its_sources_whenever_the_server_is_killed)
{
    for (uint64_t seed = 1; seed <= 15; seed++) {
        struct peer *peer = start(seed);

        for (unsigned round = 0; round < 3; round++) {
            add_many(peer, round * BURST, BURST);
            sim_run(world.sim, (int64_t)(seed * 97 + round * 31) * 10000);
            world_kill(&world);
            peer = connect((int)round + 1);
        }
        sim_run(world.sim, 15 * SECOND);
        ck_assert_int_ne(counter_of("A"), 0);
        ck_assert_int_eq(counter_of("T"), counter_of("A") + counter_of("B"));
        world_deinit(&world);
    }
}
END_TEST

START_TEST(what_did_not_come_is_made_up_for_by_what_comes)
{
    struct peer *peer = start_with_stream(&world, 3, "");

    create(peer, "A", "\"subjects\":[\"a.*\"],\"max_msgs_per_subject\":1");
    for (unsigned i = 0; i < 5; i++) {
        add_many(peer, 10, 1); /* a.x */
        sim_run(world.sim, SECOND / 10);
    }
    create(peer, "T", "\"sources\":[{\"name\":\"A\"}]");
    sim_run(world.sim, SECOND);
    ck_assert_uint_eq(index_count(world_stream(&world, "T")->state.index), 1);
    ck_assert_int_eq(counter_of("T"), 50);
    add_many(peer, 10, 1);
    sim_run(world.sim, SECOND);
    ck_assert_int_eq(counter_of("T"), 60);
    world_deinit(&world);
}
END_TEST

START_TEST(a_sum_that_adds_whole_values_is_noticed)
{
    struct peer *peer = start(2);

    world_stream(&world, "T")->decider.flaws = STREAM_FLAW_COUNTER_WHOLE;
    add_many(peer, 0, BURST);
    sim_run(world.sim, 2 * SECOND);
    ck_assert_int_ne(counter_of("T"), counter_of("A") + counter_of("B"));
    world_deinit(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_a_counter_got_is_written_in_order_and_what_it_had_is_known,
        only_an_object_of_objects_of_texts_says_what_a_counter_got,
        a_sum_is_that_of_its_sources_whenever_the_server_is_killed,
        what_did_not_come_is_made_up_for_by_what_comes,
        a_sum_that_adds_whole_values_is_noticed,
    };

    return UNIT_RUN_PLAIN("counter_sources", tests);
}
