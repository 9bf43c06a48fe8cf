#include "base/latency.h"

#include "tests/unit/unit.h"

START_TEST(a_time_counts_in_the_first_bucket_that_does_not_end_before_it)
{
    for (unsigned i = 0; i + 1 < LATENCY_BUCKETS; i++) {
        struct latency latency = {0};

        latency_add(&latency, latency_end(i));
        ck_assert_uint_eq(latency.buckets[i], 1);
        latency_add(&latency, latency_end(i) + 1);
        ck_assert_uint_eq(latency.buckets[i + 1], 1);
        ck_assert_uint_eq(latency.count, 2);
    }
}
END_TEST

START_TEST(the_extremes_have_a_bucket_too)
{
    struct latency latency = {0};

    latency_add(&latency, INT64_MIN);
    latency_add(&latency, 0);
    ck_assert_uint_eq(latency.buckets[0], 2);
    ck_assert_uint_eq(latency.sum_ns, 0);
    latency_add(&latency, INT64_MAX);
    ck_assert_uint_eq(latency.buckets[LATENCY_BUCKETS - 1], 1);
    ck_assert_uint_eq(latency.sum_ns, INT64_MAX);
}
END_TEST

START_TEST(what_is_joined_is_all_of_both)
{
    struct latency one = {0}, other = {0}, both = {0};

    for (int64_t ns = 1; ns < INT64_C(1) << 40; ns *= 7) {
        latency_add(ns % 2 == 0 ? &one : &other, ns);
        latency_add(&both, ns);
        latency_add(&other, 3 * ns);
        latency_add(&both, 3 * ns);
    }
    latency_join(&one, &other);
    ck_assert_mem_eq(&one, &both, sizeof both);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_time_counts_in_the_first_bucket_that_does_not_end_before_it,
        the_extremes_have_a_bucket_too,
        what_is_joined_is_all_of_both,
    };

    return UNIT_RUN_PLAIN("latency", tests);
}
