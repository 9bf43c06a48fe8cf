#include "base/map64.h"

#include "base/prng.h"
#include "tests/unit/unit.h"

#define KEYS 600u

struct model {
    bool present[KEYS];
    uint64_t value[KEYS];
};

/* Keys that are close, far, zero and the largest. */
static uint64_t key_of(size_t i)
{
    return i < KEYS / 2 ? i : UINT64_MAX - (i - KEYS / 2) * UINT64_C(0x100000001);
}

static void assert_walk_is_the_model(const struct map64 *map, const struct model *model)
{
    struct map64_slot *slot;
    size_t count = 0, want = 0;

    for (size_t at = 0; (slot = map64_next(map, &at)) != NULL; count++)
        ck_assert_ptr_eq(map64_find(map, slot->key), &slot->value);
    for (size_t i = 0; i < KEYS; i++) {
        union map64_value *value = map64_find(map, key_of(i));

        ck_assert((value != NULL) == model->present[i]);
        if (value != NULL)
            ck_assert_uint_eq(value->number, model->value[i]);
        want += model->present[i];
    }
    ck_assert_uint_eq(count, want);
    ck_assert_uint_eq(map->count, want);
}

START_TEST(any_sequence_of_calls_holds_what_a_plain_array_would)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct model model = {0};
        struct map64 map;
        struct prng prng;

        prng_seed(&prng, seed);
        map64_init(&map, seed);
        for (int step = 0; step < 10000; step++) {
            size_t i = prng_below(&prng, KEYS);
            uint32_t adding = step / 1000 % 2 == 0 ? 4 : 1;
            union map64_value removed = {0};

            if (prng_chance(&prng, adding, 5)) {
                union map64_value *value = map64_put(&map, key_of(i));

                ck_assert_uint_eq(value->number, model.present[i] ? model.value[i] : 0);
                value->number = model.value[i] = prng_next(&prng);
                model.present[i] = true;
            } else {
                ck_assert(map64_remove(&map, key_of(i), &removed) == model.present[i]);
                ck_assert_uint_eq(removed.number, model.present[i] ? model.value[i] : 0);
                model.present[i] = false;
            }
            if (step % 100 == 0)
                assert_walk_is_the_model(&map, &model);
        }
        assert_walk_is_the_model(&map, &model);
        map64_deinit(&map);
    }
}
END_TEST

START_TEST(an_empty_map_owns_no_memory_and_finds_nothing)
{
    struct map64 map;
    size_t at = 0;

    map64_init(&map, 1);
    ck_assert_ptr_null(map.slots);
    ck_assert_ptr_null(map64_find(&map, 0));
    ck_assert_ptr_null(map64_pointer(&map, 0));
    ck_assert(!map64_remove(&map, 0, NULL));
    ck_assert_ptr_null(map64_next(&map, &at));
    map64_deinit(&map);
}
END_TEST

START_TEST(pointers_come_back)
{
    struct map64 map;
    int thing = 0;

    map64_init(&map, 1);
    map64_put(&map, 5)->pointer = &thing;
    ck_assert_ptr_eq(map64_pointer(&map, 5), &thing);
    ck_assert_ptr_null(map64_pointer(&map, 6));
    ck_assert(map64_remove(&map, 5, NULL));
    ck_assert_ptr_null(map64_pointer(&map, 5));
    map64_deinit(&map);
    map64_put(&map, 5)->number = 1; /* can be used again */
    ck_assert_uint_eq(map.count, 1);
    map64_deinit(&map);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {any_sequence_of_calls_holds_what_a_plain_array_would,
                            an_empty_map_owns_no_memory_and_finds_nothing, pointers_come_back};

    return UNIT_RUN_PLAIN("map64", tests);
}
