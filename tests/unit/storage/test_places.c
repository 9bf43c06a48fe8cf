#include "storage/places.h"

#include "tests/unit/unit.h"

static uint64_t place_of(uint64_t file, uint64_t offset)
{
    return file << 32 | offset;
}

START_TEST(a_walk_from_the_mark_before_meets_every_batch)
{
    struct places places = {};
    uint64_t offset = 4096, file = 0;

    for (uint64_t i = 1; i <= 10000; i++) {
        const struct places_mark *mark;

        if (offset > 1 << 20) {
            file++;
            offset = 4096;
        }
        places_add(&places, i, place_of(file, offset));
        mark = places_find(&places, i);
        ck_assert_ptr_nonnull(mark);
        ck_assert_uint_le(mark->index, i);
        ck_assert_uint_eq(mark->place >> 32, file);
        ck_assert_uint_lt(place_of(file, offset) - mark->place, PLACES_STEP);
        offset += i % 100 == 0 ? 200000 : 1000;
    }
    ck_assert_uint_lt(places.count, 10000 / 20);
    ck_assert_ptr_null(places_find(&places, 0));
    ck_assert_uint_eq(places_find(&places, 1)->index, 1);
    places_deinit(&places);
}
END_TEST

START_TEST(a_lost_range_is_between_two_marks)
{
    struct places places = {};

    places_add(&places, 1, place_of(0, 4096));
    places_miss(&places, 2, PLACES_LOST);
    places_add(&places, 7, place_of(0, 5000));
    places_add(&places, 8, place_of(0, 5100));
    ck_assert_uint_eq(places_find(&places, 1)->place, 4096);
    ck_assert_uint_eq(places_find(&places, 2)->place, 0);
    ck_assert_uint_eq(places_find(&places, 6)->place, 0);
    ck_assert_uint_eq(places_find(&places, 7)->place, 5000);
    ck_assert_uint_eq(places_find(&places, 8)->place, 5000);
    places_deinit(&places);
}
END_TEST

START_TEST(what_a_removed_file_had_is_gone_and_the_rest_is_found)
{
    struct places places = {};

    for (uint64_t i = 1; i <= 30; i++)
        places_add(&places, i, place_of(i / 10, 4096 + i * (PLACES_STEP / 2)));
    places_remove(&places, 10, 19);
    ck_assert_uint_eq(places_find(&places, 9)->place >> 32, 0);
    ck_assert_uint_eq(places_find(&places, 10)->place, PLACES_GONE);
    ck_assert_uint_eq(places_find(&places, 19)->place, PLACES_GONE);
    ck_assert_uint_eq(places_find(&places, 20)->index, 20);
    ck_assert_uint_eq(places_find(&places, 20)->place >> 32, 2);
    places_remove(&places, 1, 9);
    ck_assert_uint_eq(places_find(&places, 1)->place, PLACES_GONE);
    ck_assert_uint_eq(places_find(&places, 29)->place >> 32, 2);
    places_deinit(&places);
}
END_TEST

START_TEST(what_was_cut_is_not_found)
{
    struct places places = {};

    for (uint64_t i = 1; i <= 10; i++)
        places_add(&places, i, place_of(0, i * PLACES_STEP));
    places_cut(&places, 4);
    ck_assert_uint_eq(places_find(&places, 9)->index, 4);
    places_add(&places, 5, place_of(1, 4096));
    ck_assert_uint_eq(places_find(&places, 9)->place, place_of(1, 4096));
    places_cut(&places, 0);
    ck_assert_ptr_null(places_find(&places, 9));
    places_deinit(&places);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_walk_from_the_mark_before_meets_every_batch,
        a_lost_range_is_between_two_marks,
        what_a_removed_file_had_is_gone_and_the_rest_is_found,
        what_was_cut_is_not_found,
    };

    return UNIT_RUN_PLAIN("places", tests);
}
