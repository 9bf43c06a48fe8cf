/* Clients of a further shard whom somebody on the first one lets in. */
#define WORLD_SHARDS 2u

#include "server/config/config.h"
#include "tests/text_source.h"
#include "tests/unit/server/cluster_world.h"

#define SHARDS_LOOK (500 * MS) /* nothing else has a shard turn so soon (SHARD_LOOK_NS) */

static const char text[] =
    "accounts { AUTH: { users: [ {user: auth, password: pwd} ] }, APP: {} }\n"
    "authorization { timeout: 60, auth_callout { account: AUTH, auth_users: [ auth ],\n"
    "  issuer: ADFB2JXYTXOJEL6LNAXDREUGRX35BOLZI3B4PFFAC7IRPR3OA4QNKBN2 } }\n";

static void come(struct world *world, struct talker *t, const char *user)
{
    t->io = sim_node_io(world->sim, world->clients_node);
    buf_init(&t->in, 1u << 20);
    buf_init(&t->out, 1u << 20);
    buf_init(&t->flight, 1u << 20);
    t->sock =
        sim_connect(world->sim, t->io, world->servers[0].node, CLIENT_PORT, &talker_events, t);
    sayf(t, "CONNECT {\"verbose\":false,\"user\":\"%s\",\"pass\":\"pwd\"}\r\nPING\r\n", user);
}

/* What is published when the turn has sent what it had is not left for whatever turn comes next. */
START_TEST(who_lets_others_in_is_asked_at_once)
{
    const struct config_source source = text_source(text);

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct talker *passes, *authority, *bob;
        struct config config;
        struct world world;
        int64_t asked_ns;

        world_init(&world, seed, 1);
        config_init(&config, &world.servers[0].options);
        ck_assert(config_load(&config, &source, "f"));
        world.servers[0].options.auth = config.options.auth;
        world_start(&world, 0);
        passes = &world.talkers[0]; /* the other shard's */
        authority = &world.talkers[1];
        bob = &world.talkers[2];
        come(&world, passes, "auth");
        await(&world, passes, "PONG");
        come(&world, authority, "auth");
        await(&world, authority, "PONG");
        say(authority, "SUB $SYS.REQ.USER.AUTH 1\r\n");
        in_step(&world, authority);
        rest(&world);
        asked_ns = sim_now(world.sim);
        come(&world, bob, "bob");
        await(&world, authority, "MSG $SYS.REQ.USER.AUTH");
        ck_assert_int_lt(sim_now(world.sim) - asked_ns, SHARDS_LOOK);
        world_end(&world);
        config_deinit(&config);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        who_lets_others_in_is_asked_at_once,
    };

    return UNIT_RUN_PLAIN("callout_shards", tests);
}
