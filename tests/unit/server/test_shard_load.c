/* Which shard takes a connection, and how busy one is said to be. */
#include "server/program/cores.h"
#include "server/shards/shard_load.h"
#include "tests/unit/unit.h"

#define SECOND_NS INT64_C(1000000000)

START_TEST(a_shard_is_as_busy_as_the_share_of_a_moment_that_it_worked)
{
    struct shard_meter meter = {0};

    ck_assert(shard_meter_due(&meter, 5 * SECOND_NS));
    shard_meter_read(&meter, 5 * SECOND_NS,
                     4 * SECOND_NS); /* of what was before nothing is known */
    ck_assert_uint_eq(meter.busy, 0);
    ck_assert(!shard_meter_due(&meter, 5 * SECOND_NS + SHARD_MOMENT_NS - 1));
    ck_assert(shard_meter_due(&meter, 5 * SECOND_NS + SHARD_MOMENT_NS));
    shard_meter_read(&meter, 6 * SECOND_NS, 4 * SECOND_NS + SECOND_NS / 4);
    ck_assert_uint_eq(meter.busy, 250);
    shard_meter_read(&meter, 7 * SECOND_NS, 6 * SECOND_NS); /* two clocks never agree */
    ck_assert_uint_eq(meter.busy, SHARD_SHARE);
    shard_meter_read(&meter, 9 * SECOND_NS, 6 * SECOND_NS);
    ck_assert_uint_eq(meter.busy, 0);
}
END_TEST

START_TEST(one_moment_that_is_idle_counts_for_all_of_the_last)
{
    struct shard_meter meter = {0};
    int64_t now_ns = SECOND_NS, worked_ns = 0;

    shard_meter_read(&meter, now_ns, worked_ns);
    for (unsigned i = 0; i < 3 * SHARD_MOMENTS; i++) {
        bool idle = i == SHARD_MOMENTS + 2;

        ck_assert_uint_eq(shard_meter_lasting(&meter),
                          i < SHARD_MOMENTS                                    ? 0
                          : i > SHARD_MOMENTS + 2 && i < 2 * SHARD_MOMENTS + 3 ? 100
                                                                               : 800);
        now_ns += SECOND_NS;
        worked_ns += idle ? SECOND_NS / 10 : SECOND_NS / 10 * 8;
        shard_meter_read(&meter, now_ns, worked_ns);
    }
}
END_TEST

START_TEST(home_takes_all_while_it_is_not_busy)
{
    struct shard_loads loads = {
        .count = 1, .most = 4, .home = 499, .busy = {900}, .connections = {9999}};

    ck_assert_uint_eq(shard_for_connection(&loads), 0);
    loads.count = 3;
    ck_assert_uint_eq(shard_for_connection(&loads), 0);
}
END_TEST

/* Makes so many one after the other; how many come to each. */
static void make_streams(const struct shard_loads *loads, struct shard_place *places,
                         unsigned count, unsigned streams)
{
    while (streams-- > 0) {
        unsigned to = shard_place_for_stream(loads, places, count);

        ck_assert_uint_lt(to, count);
        places[to].streams++;
        places[to].lately++;
    }
}

START_TEST(streams_are_spread_over_shards_that_are_alike)
{
    struct shard_loads loads = {.count = 3, .most = 3, .busy = {50, 0, 99}};
    struct shard_place places[] = {{.shard = 0}, {.shard = 1}, {.shard = 2, .streams = 4}};

    ck_assert_uint_eq(shard_place_for_stream(&loads, places, 1), 0);
    ck_assert_uint_eq(shard_place_for_stream(&loads, places, 3), 1); /* home is the last */
    make_streams(&loads, places, 3, 8);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(places[i].streams, 4);
}
END_TEST

START_TEST(streams_go_where_least_is_to_do)
{
    struct shard_loads loads = {.count = 2, .most = 2, .busy = {900, 100}};
    struct shard_place places[] = {{.shard = 0}, {.shard = 1, .streams = 500}};

    make_streams(&loads, places, 2, 20);
    ck_assert_uint_eq(places[0].streams, 0);
    ck_assert_uint_eq(places[1].streams, 520);
}
END_TEST

/* Until what they do shows, each counts for something. */
START_TEST(many_that_come_at_once_do_not_all_go_to_the_idle_one)
{
    struct shard_loads loads = {.count = 2, .most = 2, .busy = {900, 100}};
    struct shard_place places[] = {{.shard = 0}, {.shard = 1}};

    make_streams(&loads, places, 2, 200);
    ck_assert_uint_gt(places[0].streams, 50);
    ck_assert_uint_gt(places[1].streams, places[0].streams);
}
END_TEST

START_TEST(several_lanes_of_a_shard_are_as_busy_as_it_is)
{
    struct shard_loads loads = {.count = 2, .most = 2, .busy = {0, 600}};
    struct shard_place places[] = {{.shard = 0}, {.shard = 1}, {.shard = 0}};

    make_streams(&loads, places, 3, 10);
    ck_assert_uint_eq(places[0].streams, 5);
    ck_assert_uint_eq(places[2].streams, 5);
}
END_TEST

START_TEST(a_stream_wants_another_shard_when_all_are_busy)
{
    struct shard_loads loads = {.count = 1, .most = 2, .home = 500, .busy = {500}};

    ck_assert(shard_wanted_for_stream(&loads));
    loads.home = 499; /* a burst */
    ck_assert(!shard_wanted_for_stream(&loads));
    loads = (struct shard_loads){.count = 2, .most = 3, .home = 900, .busy = {900, 499}};
    ck_assert(!shard_wanted_for_stream(&loads));
    loads.busy[1] = 500;
    ck_assert(shard_wanted_for_stream(&loads));
    loads.most = 2;
    ck_assert(!shard_wanted_for_stream(&loads));
}
END_TEST

START_TEST(another_is_begun_when_all_are_busy_and_there_may_be_more)
{
    struct shard_loads loads = {.count = 1, .most = 2, .home = 500, .busy = {500}};

    ck_assert_uint_eq(shard_for_connection(&loads), 1);
    loads.count = 2;
    ck_assert_uint_eq(shard_for_connection(&loads), 1); /* it is there, and idle */
    loads.busy[1] = 900;
    loads.busy[0] = 700;
    ck_assert_uint_eq(shard_for_connection(&loads), 0); /* the least busy of all there may be */
    loads.most = 3;
    ck_assert_uint_eq(shard_for_connection(&loads), 2);
}
END_TEST

START_TEST(of_those_that_are_about_as_busy_the_one_with_fewer_connections_takes_it)
{
    struct shard_loads loads = {
        .count = 4, .most = 4, .home = 800, .busy = {800, 90, 0, 300}, .connections = {5, 6, 7, 1}};

    ck_assert_uint_eq(shard_for_connection(&loads), 1);
    loads.connections[1] = 8;
    ck_assert_uint_eq(shard_for_connection(&loads), 2);
    ck_assert_uint_eq(shard_with_fewest(&loads), 3);
}
END_TEST

START_TEST(some_go_from_a_shard_that_stays_too_busy_to_one_that_is_idle)
{
    struct shard_loads loads = {.count = 2, .most = 2, .busy = {900, 100}};
    struct shard_balance balance = {0};
    struct shard_gift gift;

    for (unsigned i = 1; i < SHARD_LOOKS; i++) {
        ck_assert(shard_balance_look(&balance, &loads, &gift));
        ck_assert_uint_eq(gift.share, 0);
    }
    ck_assert(shard_balance_look(&balance, &loads, &gift));
    ck_assert_uint_eq(gift.from, 0);
    ck_assert_uint_eq(gift.to, 1);
    ck_assert_uint_eq(gift.share, 444);                       /* half of what it has more */
    ck_assert_uint_eq(shard_gift_work(500, gift.share), 222); /* of few that are large, too */
    for (unsigned i = 0; i < SHARD_REST; i++)
        ck_assert(!shard_balance_look(&balance, &loads, &gift));
    ck_assert(shard_balance_look(&balance, &loads, &gift));
    ck_assert_uint_eq(gift.share, 0);
}
END_TEST

START_TEST(nobody_goes_when_it_passes_or_nobody_is_idle)
{
    struct shard_loads loads = {.count = 2, .most = 2, .busy = {900, 500}};
    struct shard_balance balance = {0};
    struct shard_gift gift;

    ck_assert(!shard_balance_look(&balance, &loads, &gift));
    loads.busy[1] = 0;
    for (int i = 0; i < 20; i++) {
        loads.busy[0] = i % 3 == 2 ? 700 : 900;
        if (shard_balance_look(&balance, &loads, &gift))
            ck_assert_uint_eq(gift.share, 0);
    }
    loads.busy[0] = 900;
    loads.busy[1] = 500;
    loads.most = 3;
    while (!shard_balance_look(&balance, &loads, &gift) || gift.share == 0)
        ;
    ck_assert_uint_eq(gift.to, 2); /* that is to be begun */
    ck_assert_uint_eq(gift.share, 500);
}
END_TEST

START_TEST(a_quota_of_time_counts_as_so_many_cores)
{
    ck_assert_uint_eq(program_cores_of_quota(BYTES("max 100000\n")), 0);
    ck_assert_uint_eq(program_cores_of_quota(BYTES("100000 100000\n")), 1);
    ck_assert_uint_eq(program_cores_of_quota(BYTES("150000 100000\n")), 2);
    ck_assert_uint_eq(program_cores_of_quota(BYTES("1000 100000")), 1);
    ck_assert_uint_eq(program_cores_of_quota(BYTES("")), 0);
    ck_assert_uint_eq(program_cores_of_quota(BYTES("100000")), 0);
    ck_assert_uint_eq(program_cores_of_quota(BYTES("0 0\n")), 0);
    ck_assert_uint_ge(program_cores(), 1);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_shard_is_as_busy_as_the_share_of_a_moment_that_it_worked,
        one_moment_that_is_idle_counts_for_all_of_the_last,
        streams_are_spread_over_shards_that_are_alike,
        streams_go_where_least_is_to_do,
        many_that_come_at_once_do_not_all_go_to_the_idle_one,
        several_lanes_of_a_shard_are_as_busy_as_it_is,
        a_stream_wants_another_shard_when_all_are_busy,
        home_takes_all_while_it_is_not_busy,
        another_is_begun_when_all_are_busy_and_there_may_be_more,
        of_those_that_are_about_as_busy_the_one_with_fewer_connections_takes_it,
        some_go_from_a_shard_that_stays_too_busy_to_one_that_is_idle,
        nobody_goes_when_it_passes_or_nobody_is_idle,
        a_quota_of_time_counts_as_so_many_cores,
    };

    return UNIT_RUN_PLAIN("shard_load", tests);
}
