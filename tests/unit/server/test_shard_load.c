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
        home_takes_all_while_it_is_not_busy,
        another_is_begun_when_all_are_busy_and_there_may_be_more,
        of_those_that_are_about_as_busy_the_one_with_fewer_connections_takes_it,
        some_go_from_a_shard_that_stays_too_busy_to_one_that_is_idle,
        nobody_goes_when_it_passes_or_nobody_is_idle,
        a_quota_of_time_counts_as_so_many_cores,
    };

    return UNIT_RUN_PLAIN("shard_load", tests);
}
