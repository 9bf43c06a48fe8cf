#include "consumers/gather.h"
#include "tests/unit/unit.h"

static void expect(struct gather *gather, const struct run *runs, size_t count)
{
    gather_sort(gather);
    ck_assert_uint_eq(gather->count, count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_eq(gather->runs[i].first, runs[i].first);
        ck_assert_uint_eq(gather->runs[i].last, runs[i].last);
    }
    gather_deinit(gather);
}

START_TEST(neighbours_are_one_run)
{
    struct gather gather = {0};

    for (uint64_t sequence = 5; sequence <= 9; sequence++)
        gather_add(&gather, sequence);
    gather_add(&gather, 11);
    expect(&gather, (const struct run[]){{5, 9}, {11, 11}}, 2);
}
END_TEST

START_TEST(any_order_and_repetition_sort_into_the_same_runs)
{
    static const uint64_t sequences[] = {7, 3, 9, 8, 3, 4, 1, 8, 20, 2};
    struct gather gather = {0};

    for (size_t i = 0; i < UNIT_COUNT(sequences); i++)
        gather_add(&gather, sequences[i]);
    expect(&gather, (const struct run[]){{1, 4}, {7, 9}, {20, 20}}, 3);
}
END_TEST

START_TEST(a_cleared_one_starts_from_nothing)
{
    struct gather gather = {0};

    gather_add(&gather, 9);
    gather_add(&gather, 3);
    gather_clear(&gather);
    ck_assert_uint_eq(gather_last(&gather), 0);
    gather_add(&gather, 4);
    gather_extend(&gather, 10);
    expect(&gather, (const struct run[]){{4, 10}}, 1);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        neighbours_are_one_run,
        any_order_and_repetition_sort_into_the_same_runs,
        a_cleared_one_starts_from_nothing,
    };

    return UNIT_RUN_PLAIN("gather", tests);
}
