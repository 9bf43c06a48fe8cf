#include "base/table.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/prng.h"
#include "tests/unit/unit.h"

#define KEYS 500u

struct item {
    char name[16];
    bool present;
    bool seen;
};

static struct bytes item_key(const void *at)
{
    const struct item *item = at;

    return bytes_of_text(item->name);
}

static struct item *items_create(void)
{
    struct item *items = heap_take(KEYS * sizeof(*items));

    for (size_t i = 0; i < KEYS; i++)
        snprintf(items[i].name, sizeof(items[i].name), "key.%zu", i);
    return items;
}

static void assert_walk_is_the_model(const struct table *table, struct item *items)
{
    struct item *item;
    size_t count = 0;

    for (size_t i = 0; i < KEYS; i++)
        items[i].seen = false;
    for (size_t at = 0; (item = table_next(table, &at)) != NULL; count++) {
        ck_assert(item->present && !item->seen);
        item->seen = true;
    }
    ck_assert_uint_eq(count, table->count);
    for (size_t i = 0; i < KEYS; i++)
        ck_assert(items[i].present == items[i].seen);
}

/* The model is one flag per possible key. Up and down in waves, so that tables fill and empty. */
START_TEST(any_sequence_of_calls_finds_what_a_plain_array_would_hold)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct item *items = items_create();
        struct table table;
        struct prng prng;

        prng_seed(&prng, seed);
        table_init(&table, item_key, seed);
        for (int step = 0; step < 10000; step++) {
            struct item *item = &items[prng_below(&prng, KEYS)];
            uint32_t adding = step / 1000 % 2 == 0 ? 4 : 1;
            struct item *want = item->present ? item : NULL;

            ck_assert_ptr_eq(table_find(&table, item_key(item)), want);
            if (prng_chance(&prng, adding, 5)) {
                if (!item->present)
                    table_add(&table, item);
                item->present = true;
            } else {
                ck_assert_ptr_eq(table_remove(&table, item_key(item)), want);
                item->present = false;
            }
            if (step % 100 == 0)
                assert_walk_is_the_model(&table, items);
        }
        for (size_t i = 0; i < KEYS; i++) {
            ck_assert_ptr_eq(table_find(&table, item_key(&items[i])),
                             items[i].present ? &items[i] : NULL);
        }
        table_deinit(&table);
        heap_give(items);
    }
}
END_TEST

/* Real hashes seldom pile up; these all start in the last slots and wrap. */
START_TEST(removal_keeps_crowded_keys_within_reach)
{
    struct item *items = items_create();
    struct item *crowd[6];
    struct table table;

    table_init(&table, item_key, 9);
    for (size_t left = 0; left < 6; left++) {
        size_t found = 0;

        for (size_t i = 0; i < KEYS && found < 6; i++) {
            if (bytes_hash(item_key(&items[i]), 9) % 16 >= 14)
                crowd[found++] = &items[i];
        }
        ck_assert_uint_eq(found, 6);
        for (size_t i = 0; i < 6; i++)
            table_add(&table, crowd[i]);
        ck_assert_uint_eq(table.capacity, 16);
        ck_assert_ptr_eq(table_remove(&table, item_key(crowd[left])), crowd[left]);
        for (size_t i = 0; i < 6; i++)
            ck_assert_ptr_eq(table_find(&table, item_key(crowd[i])), i == left ? NULL : crowd[i]);
        for (size_t i = 0; i < 6; i++)
            table_remove(&table, item_key(crowd[i]));
        ck_assert_uint_eq(table.count, 0);
    }
    table_deinit(&table);
    heap_give(items);
}
END_TEST

START_TEST(an_empty_table_owns_no_memory_and_finds_nothing)
{
    struct table table;
    size_t at = 0;

    table_init(&table, item_key, 1);
    ck_assert_ptr_null(table.slots);
    ck_assert_ptr_null(table_find(&table, BYTES("a")));
    ck_assert_ptr_null(table_remove(&table, BYTES("a")));
    ck_assert_ptr_null(table_next(&table, &at));
    table_deinit(&table);
}
END_TEST

START_TEST(a_table_can_be_used_again_after_deinit)
{
    struct item item = {.name = "a"};
    struct table table;

    table_init(&table, item_key, 1);
    table_add(&table, &item);
    table_deinit(&table);
    ck_assert_ptr_null(table_find(&table, BYTES("a")));
    table_add(&table, &item);
    ck_assert_ptr_eq(table_find(&table, BYTES("a")), &item);
    table_deinit(&table);
}
END_TEST

START_TEST(adding_a_key_twice_is_a_bug)
{
    struct item items[2] = {{.name = "a"}, {.name = "a"}};
    struct table table;

    table_init(&table, item_key, 1);
    table_add(&table, &items[0]);
    table_add(&table, &items[1]);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        any_sequence_of_calls_finds_what_a_plain_array_would_hold,
        removal_keeps_crowded_keys_within_reach,
        an_empty_table_owns_no_memory_and_finds_nothing,
        a_table_can_be_used_again_after_deinit,
    };
    const TTest *aborting[] = {adding_a_key_twice_is_a_bug};

    return UNIT_RUN("table", tests, aborting);
}
