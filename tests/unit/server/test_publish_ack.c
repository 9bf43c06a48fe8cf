/* What a stream answers to a publish, asked of a whole server in simulated time. */
#include "tests/unit/server/stream_world.h"

START_TEST(an_ack_is_json_whatever_stands_in_the_names_of_stream_and_domain)
{
    struct world world;
    struct peer *peer;

    world_init(&world, 1);
    world.options.jetstream = true;
    world.options.jetstream_options.domain = "d\"1";
    world_start(&world);
    peer = peer_connect(&world, 0, 4222);
    settle(&world);
    peer_say(&world, peer, "CONNECT {\"verbose\":false}\r\nSUB in.* 1\r\n");
    say_publish(&world, peer, "$JS.API.STREAM.CREATE.a\"b", "in.api",
                "{\"name\":\"a\\\"b\",\"subjects\":[\"s\"]}");
    say_publish(&world, peer, "s", "in.ack", "body");
    ck_assert(peer_has(peer, "{\"stream\":\"a\\\"b\",\"domain\":\"d\\\"1\",\"seq\":1}"));
    world_deinit(&world);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {an_ack_is_json_whatever_stands_in_the_names_of_stream_and_domain};

    return UNIT_RUN_PLAIN("publish_ack", tests);
}
