/* What a disk has lost of a stream, as far as it is known. */
#include "server/stream/lost.h"
#include "tests/unit/unit.h"

START_TEST(each_is_counted_once_and_they_rise)
{
    static const uint64_t sequences[] = {5, 9, 1, 5, 7, 9, 1};
    struct lost lost = {0};

    for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++)
        ck_assert(lost_add(&lost, sequences[i], 10) == (i != 3 && i != 5 && i != 6));
    ck_assert_uint_eq(lost.count, 4);
    ck_assert_uint_eq(lost.bytes, 40);
    for (size_t i = 1; i < lost.count; i++)
        ck_assert_uint_lt(lost.at[i - 1], lost.at[i]);
    ck_assert(lost_has(&lost, 7));
    ck_assert(!lost_has(&lost, 8));
    lost_deinit(&lost);
    ck_assert_uint_eq(lost.count, 0);
}
END_TEST

START_TEST(there_is_an_end_to_what_is_kept)
{
    struct lost lost = {0};

    for (uint64_t i = 0; i < LOST_MAX; i++)
        ck_assert(lost_add(&lost, LOST_MAX - i, 1));
    ck_assert(!lost_add(&lost, LOST_MAX + 1, 1));
    ck_assert(!lost_add(&lost, 3, 1));
    ck_assert_uint_eq(lost.count, LOST_MAX);
    ck_assert_uint_eq(lost.bytes, LOST_MAX);
    lost_deinit(&lost);
}
END_TEST

START_TEST(what_is_whole_again_is_not_counted_any_more)
{
    struct lost lost = {0};

    for (uint64_t i = 1; i <= 5; i++)
        ck_assert(lost_add(&lost, 2 * i, 10));
    ck_assert(!lost_remove(&lost, 5, 10));
    ck_assert(lost_remove(&lost, 6, 10));
    ck_assert(!lost_remove(&lost, 6, 10));
    ck_assert(!lost_has(&lost, 6));
    ck_assert_uint_eq(lost.bytes, 40);
    ck_assert_uint_eq(lost_from(&lost, 5), 2);
    ck_assert_uint_eq(lost.at[lost_from(&lost, 5)], 8);
    ck_assert_uint_eq(lost_from(&lost, 11), lost.count);
    lost.bytes = 5; /* what more was counted is not known any more */
    ck_assert(lost_remove(&lost, 2, 10));
    ck_assert_uint_eq(lost.bytes, 0);
    lost_deinit(&lost);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {each_is_counted_once_and_they_rise, there_is_an_end_to_what_is_kept,
                            what_is_whole_again_is_not_counted_any_more};

    return UNIT_RUN_PLAIN("lost", tests);
}
