/* What the server does by itself while the disk refuses every write. */
#include "tests/unit/server/stream_world.h"

/* As many operations as a few dozen tries take: each writes, ends a file and begins another. */
#define OPS_MAX 500u

static struct world world;

static void refuse(bool refuses)
{
    struct sim_faults faults = sim_faults_none();

    if (refuses)
        faults.write_error = 1000000;
    sim_heal(world.sim, 0);
    sim_set_faults(world.sim, 0, &faults);
}

/* What is due comes to be due while the disk refuses: so many operations of it in ten seconds. */
static uint64_t ops_refused(void)
{
    uint64_t before;

    refuse(true);
    before = sim_disk_ops(world.sim, 0);
    sim_run(world.sim, 10 * SECOND);
    return sim_disk_ops(world.sim, 0) - before;
}

START_TEST(an_expiry_that_is_refused_waits_and_comes_when_the_disk_is_well)
{
    struct peer *peer = start_with_stream(&world, 1, ",\"max_age\":1000000000");
    uint64_t ops;

    say_publish(&world, peer, "s.a", "in.ack", "old");
    ops = ops_refused();
    ck_assert_uint_eq(index_count(stream_of(&world)->state.index), 1);
    ck_assert_uint_gt(ops, 0);
    ck_assert_uint_lt(ops, OPS_MAX);
    refuse(false);
    sim_run(world.sim, 2 * SECOND);
    ck_assert_uint_eq(index_count(stream_of(&world)->state.index), 0);
    world_deinit(&world);
}
END_TEST

START_TEST(a_schedule_that_is_refused_waits_and_fires_when_the_disk_is_well)
{
    static const char schedule[] =
        "NATS/1.0\r\nNats-Schedule: @every 1s\r\nNats-Schedule-Target: s.b\r\n\r\n";
    struct peer *peer =
        start_with_stream(&world, 1, ",\"allow_msg_schedules\":true,\"allow_rollup_hdrs\":true");
    char line[300];
    uint64_t ops;

    snprintf(line, sizeof line, "HPUB s.a in.ack %zu %zu\r\n%s\r\n", sizeof schedule - 1,
             sizeof schedule - 1, schedule);
    peer_say(&world, peer, line);
    ck_assert_uint_eq(index_count(stream_of(&world)->state.index), 1);
    ops = ops_refused();
    ck_assert_uint_eq(index_count(stream_of(&world)->state.index), 1);
    ck_assert_uint_gt(ops, 0);
    ck_assert_uint_lt(ops, OPS_MAX);
    refuse(false);
    sim_run(world.sim, 3 * SECOND);
    ck_assert_uint_ge(index_count(stream_of(&world)->state.index), 2);
    world_deinit(&world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        an_expiry_that_is_refused_waits_and_comes_when_the_disk_is_well,
        a_schedule_that_is_refused_waits_and_fires_when_the_disk_is_well,
    };

    return UNIT_RUN_PLAIN("refused", tests);
}
