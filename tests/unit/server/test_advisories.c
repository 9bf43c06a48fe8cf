/* What a whole server tells those who listen to its events. */
#include "base/text.h"
#include "tests/unit/server/stream_world.h"

#define CREATE(name)       "$JS.API.CONSUMER.CREATE.S." name
#define CONFIG(name, more) "{\"stream_name\":\"S\",\"config\":{\"name\":\"" name "\"," more "}}"

/* The peer that asks and one that listens to events. */
static struct peer *start(struct world *world, uint64_t seed, struct peer **listener)
{
    struct peer *peer = start_with_stream(world, seed, "");

    *listener = peer_connect(world, 1, 4222);
    settle(world);
    peer_say(world, *listener, "CONNECT {\"verbose\":false}\r\nSUB $JS.EVENT.> 1\r\n");
    buf_clear(&(*listener)->in);
    return peer;
}

START_TEST(the_end_of_an_inactive_consumer_is_told)
{
    struct world world;
    struct peer *listener;
    struct peer *peer = start(&world, 1, &listener);

    say_publish(&world, peer, CREATE("E"), "in.c",
                CONFIG("E", "\"ack_policy\":\"explicit\",\"inactive_threshold\":1000000000"));
    say_publish(&world, peer, CREATE("M"), "in.c",
                CONFIG("M", "\"ack_policy\":\"none\",\"mem_storage\":true,"
                            "\"inactive_threshold\":1000000000"));
    ck_assert_uint_eq(told(listener, "ADVISORY.CONSUMER.CREATED.S."), 2);
    ck_assert_uint_eq(told(listener, "ADVISORY.CONSUMER.DELETED.S."), 0);
    sim_run(world.sim, 5 * SECOND);
    ck_assert_uint_eq(told(listener, "ADVISORY.CONSUMER.DELETED.S.E"), 1);
    ck_assert_uint_eq(told(listener, "ADVISORY.CONSUMER.DELETED.S.M"), 1);
    world_deinit(&world);
}
END_TEST

START_TEST(a_pause_and_its_end_say_until_when)
{
    struct world world;
    struct peer *listener;
    struct peer *peer = start(&world, 2, &listener);
    char body[100], until[TEXT_TIME_MAX + 1] = "";

    say_publish(&world, peer, CREATE("D"), "in.c",
                CONFIG("D", "\"durable_name\":\"D\",\"ack_policy\":\"explicit\""));
    text_time(until, jetstream_log_now(world.server->jetstream) + 10 * SECOND);
    snprintf(body, sizeof body, "{\"pause_until\":\"%s\"}", until);
    say_publish(&world, peer, "$JS.API.CONSUMER.PAUSE.S.D", "in.c", body);
    snprintf(body, sizeof body, "\"paused\":true,\"pause_until\":\"%s\"}", until);
    ck_assert_uint_eq(told(listener, body), 1);
    /* An update keeps the pause, and says so. */
    say_publish(&world, peer, CREATE("D"), "in.c",
                CONFIG("D", "\"durable_name\":\"D\",\"ack_policy\":\"explicit\","
                            "\"description\":\"other\""));
    ck_assert_uint_eq(told(listener, body), 2);
    sim_run(world.sim, 11 * SECOND);
    snprintf(body, sizeof body, "\"paused\":false,\"pause_until\":\"%s\"}", until);
    ck_assert_uint_eq(told(listener, body), 1);
    world_deinit(&world);
}
END_TEST

START_TEST(the_audit_says_who_asked)
{
    struct world world;
    struct peer *listener;
    struct peer *peer = start(&world, 3, &listener);

    peer_say(&world, peer,
             "CONNECT {\"verbose\":false,\"headers\":true,\"name\":\"n\\u00e9\",\"lang\":\"c\","
             "\"version\":\"1.2\"}\r\nSUB in.* 1\r\n");
    say_publish(&world, peer, "$JS.API.STREAM.INFO.S", "in.i", "");
    ck_assert_uint_eq(told(listener, "\"client\":{\"start\":\""), 1);
    ck_assert_uint_eq(told(listener, "\"id\":4,\"acc\":\"$G\",\"name\":\"n\303\251\","
                                     "\"lang\":\"c\",\"ver\":\"1.2\",\"rtt\":"),
                      1);
    ck_assert_uint_eq(told(listener, "\"kind\":\"Client\",\"client_type\":\"nats\"},"
                                     "\"subject\":\"$JS.API.STREAM.INFO.S\""),
                      1);
    world_deinit(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        the_end_of_an_inactive_consumer_is_told,
        a_pause_and_its_end_say_until_when,
        the_audit_says_who_asked,
    };

    return UNIT_RUN_PLAIN("advisories", tests);
}
