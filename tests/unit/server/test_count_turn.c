/* What a whole server promises while it counts what is left for a consumer: nobody but who asked
 * waits for it. One message is counted in a turn here. */
#include "consumers/machine.h"
#include "tests/unit/server/stream_world.h"

#define EACH 100u

static struct world world;
static struct peer *peer;

/* Messages of s.a, s.b and s.c.<n> in turn. */
static void begin(uint64_t seed)
{
    static struct lines lines;
    char subject[16];

    world_init(&world, seed);
    world.options.jetstream = true;
    world.options.sim.count_part = 1;
    world_start(&world);
    peer = peer_connect(&world, 0, 4222);
    settle(&world);
    peer_say(&world, peer, "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB in.* 1\r\n");
    say_publish(&world, peer, "$JS.API.STREAM.CREATE.S", "in.api",
                "{\"name\":\"S\",\"subjects\":[\"s.>\"]}");
    for (unsigned i = 0; i < EACH; i++) {
        lines_publish(&lines, "s.a", "in.p", "x");
        lines_publish(&lines, "s.b", "in.p", "x");
        snprintf(subject, sizeof subject, "s.c.%u", i);
        lines_publish(&lines, subject, "in.p", "x");
    }
    lines_say(&lines, &world, peer);
    buf_clear(&peer->in);
}

#define CREATE(more)                                                                               \
    "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"C\",\"ack_policy\":\"explicit\"," more  \
    "}}"

static uint64_t parts; /* of the next count: how many turns it took */

/* One turn of the stream after the other, until what is counted is. */
static void count_to_the_end(void)
{
    struct stream *stream = stream_of(&world);

    for (parts = 0; stream->uncounted.size > 0; parts++) {
        ck_assert_uint_lt(parts, 4 * EACH);
        stream_count_turn(stream);
    }
}

static struct consumer *consumer_c(void)
{
    return stream_consumer(stream_of(&world), BYTES("C"));
}

START_TEST(a_turn_does_no_more_than_a_part)
{
    begin(1);
    say_publish(&world, peer, "$JS.API.CONSUMER.CREATE.S.C", "in.c",
                CREATE("\"filter_subject\":\"s.c.*\""));
    ck_assert(peer_has(peer, "consumer_create_response"));
    ck_assert(peer_has(peer, "\"num_pending\":100,"));
    count_forget(consumer_c());
    ck_assert(!consumer_is_counted(consumer_c()));
    count_to_the_end();
    ck_assert_uint_ge(parts, 3 * EACH);
    ck_assert_uint_eq(consumer_c()->count, EACH);
    world_deinit(&world);
}
END_TEST

/* Both are asked for in one go with publishes, before and behind. */
START_TEST(what_is_told_is_right_while_messages_come_and_go)
{
    static struct lines lines;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        begin(seed);
        lines_publish(&lines, "s.c.1000", "in.p", "x");
        lines_publish(&lines, "$JS.API.CONSUMER.CREATE.S.C", "in.c",
                      CREATE("\"filter_subject\":\"s.c.*\""));
        lines_publish(&lines, "s.c.1001", "in.q", "x");
        lines_publish(&lines, "$JS.API.STREAM.PURGE.S", "in.u", "{\"filter\":\"s.c.7\"}");
        lines_publish(&lines, "$JS.API.CONSUMER.INFO.S.C", "in.i", "");
        lines_say(&lines, &world, peer);
        ck_assert(peer_has(peer, "consumer_create_response"));
        ck_assert(peer_has(peer, "consumer_info_response"));
        ck_assert(peer_has(peer, "stream_purge_response"));
        buf_clear(&peer->in);
        say_publish(&world, peer, "$JS.API.CONSUMER.INFO.S.C", "in.i", "");
        ck_assert(peer_has(peer, "\"num_pending\":101,"));
        buf_clear(&peer->in);
        say_publish(&world, peer, "$JS.API.CONSUMER.MSG.NEXT.S.C", "in.m", "1");
        ck_assert(peer_has(peer, "$JS.ACK.S.C.1.3.1."));
        ck_assert(peer_has(peer, ".100 1\r\nx\r\n"));
        world_deinit(&world);
    }
}
END_TEST

static unsigned looks;

static void look(struct stream_glance *glance, struct stream *stream)
{
    looks++;
    if (!stream_glance_counts(stream, glance, consumer_c()))
        ck_assert_uint_eq(consumer_c()->counted_to, COUNTED_ALL);
}

START_TEST(who_looks_waits_for_the_count)
{
    struct stream_glance glance = {.done = look};

    begin(2);
    say_publish(&world, peer, "$JS.API.CONSUMER.CREATE.S.C", "in.c",
                CREATE("\"filter_subject\":\"s.c.*\""));
    count_forget(consumer_c());
    looks = 0;
    stream_glance(stream_of(&world), &glance);
    ck_assert_uint_eq(looks, 1);
    ck_assert_uint_lt(consumer_c()->counted_to, COUNTED_ALL);
    say_publish(&world, peer, "s.c.x", "in.p", "x"); /* it waits for nothing of this */
    settle(&world);
    ck_assert_uint_eq(looks, 2);
    ck_assert_uint_eq(consumer_c()->count, EACH + 1);
    world_deinit(&world);
}
END_TEST

START_TEST(a_consumer_that_goes_meanwhile_is_not_found)
{
    static struct lines lines;

    begin(3);
    say_publish(&world, peer, "$JS.API.CONSUMER.CREATE.S.C", "in.c",
                CREATE("\"filter_subject\":\"s.c.*\""));
    count_forget(consumer_c());
    buf_clear(&peer->in);
    lines_publish(&lines, "$JS.API.CONSUMER.INFO.S.C", "in.i", "");
    lines_publish(&lines, "$JS.API.CONSUMER.DELETE.S.C", "in.d", "");
    lines_say(&lines, &world, peer);
    ck_assert(peer_has(peer, "consumer_delete_response"));
    ck_assert(peer_has(peer, "consumer_info_response"));
    say_publish(&world, peer, "$JS.API.CONSUMER.INFO.S.C", "in.i", "");
    ck_assert(peer_has(peer, "\"err_code\":10014"));
    world_deinit(&world);
}
END_TEST

START_TEST(a_list_waits_for_all_that_it_shows)
{
    static struct lines lines;
    char subject[40], body[200];

    begin(4);
    for (unsigned i = 0; i < 5; i++) {
        snprintf(subject, sizeof subject, "$JS.API.CONSUMER.CREATE.S.C%u", i);
        snprintf(body, sizeof body,
                 "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"C%u\","
                 "\"ack_policy\":\"explicit\",\"filter_subject\":\"s.*\"}}",
                 i);
        lines_publish(&lines, subject, "in.c", body);
    }
    lines_publish(&lines, "$JS.API.CONSUMER.LIST.S", "in.l", "");
    lines_say(&lines, &world, peer);
    buf_clear(&peer->in);
    world_kill(&world); /* nothing is counted any more */
    peer = peer_connect(&world, 1, 4222);
    settle(&world);
    peer_say(&world, peer, "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB in.* 1\r\n");
    say_publish(&world, peer, "$JS.API.CONSUMER.LIST.S", "in.l", "");
    ck_assert_uint_eq(told(peer, "\"num_pending\":200,"), 5);
    world_deinit(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_turn_does_no_more_than_a_part,    what_is_told_is_right_while_messages_come_and_go,
        who_looks_waits_for_the_count,      a_consumer_that_goes_meanwhile_is_not_found,
        a_list_waits_for_all_that_it_shows,
    };

    return UNIT_RUN_PLAIN("count_turn", tests);
}
