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

int main(void)
{
    const TTest *tests[] = {each_is_counted_once_and_they_rise, there_is_an_end_to_what_is_kept};

    return UNIT_RUN_PLAIN("lost", tests);
}
