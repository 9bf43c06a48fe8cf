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

int main(void)
{
    const TTest *tests[] = {
        a_time_counts_in_the_first_bucket_that_does_not_end_before_it,
        the_extremes_have_a_bucket_too,
    };

    return UNIT_RUN_PLAIN("latency", tests);
}
