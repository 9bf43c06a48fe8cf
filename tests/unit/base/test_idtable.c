#include "base/idtable.h"

#include "base/heap.h"
#include "base/prng.h"
#include "tests/unit/unit.h"

#define IDS 5000u

struct model {
    uint32_t hash[IDS];
    bool present[IDS];
};

static bool found(const struct idtable *table, uint32_t hash, uint32_t wanted)
{
    uint32_t id, count = 0;

    for (struct idtable_look look = idtable_look(table, hash); (id = idtable_like(&look)) != 0;)
        count += id == wanted;
    ck_assert_uint_le(count, 1);
    return count == 1;
}

static void assert_is_the_model(const struct idtable *table, const struct model *model)
{
    static bool met[IDS];
    uint32_t id, count = 0;

    memset(met, 0, sizeof(met));
    for (uint64_t at = 0; (id = idtable_next(table, &at)) != 0; count++) {
        ck_assert(!met[id - 1]);
        met[id - 1] = true;
    }
    ck_assert_uint_eq(count, table->count);
    for (uint32_t i = 0; i < IDS; i++) {
        ck_assert(met[i] == model->present[i]);
        ck_assert(found(table, model->hash[i], i + 1) == model->present[i]);
    }
}

/* Hashes that spread, that are equal in threes, that have their first or last bits in common. */
static uint32_t hash_of(struct prng *prng, uint32_t i, uint64_t seed)
{
    uint32_t hash = (uint32_t)prng_next(prng);

    switch (seed % 4) {
    case 0: return hash;
    case 1: return (i / 3) * 2654435761u;
    case 2: return hash >> 14;
    default: return hash << 14 | 77;
    }
}

START_TEST(any_sequence_of_calls_holds_what_a_plain_array_would)
{
    static struct model model;

    for (uint64_t seed = 0; seed < 12; seed++) {
        struct idtable table = {0};
        struct prng prng;

        prng_seed(&prng, seed);
        memset(&model, 0, sizeof(model));
        for (uint32_t i = 0; i < IDS; i++)
            model.hash[i] = hash_of(&prng, i, seed);
        for (int step = 0; step < 30000; step++) {
            uint32_t i = (uint32_t)prng_below(&prng, IDS);
            bool adding = prng_chance(&prng, step / 5000 % 2 == 0 ? 4 : 1, 5);

            if (adding && !model.present[i])
                idtable_add(&table, model.hash[i], i + 1);
            else if (!adding && model.present[i])
                idtable_remove(&table, model.hash[i], i + 1);
            model.present[i] = adding;
            if (step % 1000 == 0)
                assert_is_the_model(&table, &model);
        }
        for (uint32_t i = 0; i < IDS; i++) {
            if (model.present[i])
                idtable_remove(&table, model.hash[i], i + 1);
            model.present[i] = false;
        }
        assert_is_the_model(&table, &model);
        ck_assert_uint_eq(table.depth, 0); /* one page at most, */
        if (table.entries != NULL)         /* and that the smallest */
            ck_assert_uint_le(table.entries[0].bits, 2);
        idtable_deinit(&table);
        ck_assert_ptr_null(table.entries);
    }
}
END_TEST

START_TEST(what_is_absent_is_not_found_however_many_there_are)
{
    for (uint32_t count = 0; count < 1500; count++) {
        struct idtable table = {0};

        for (uint32_t i = 0; i < count; i++)
            idtable_add(&table, i * 2654435761u | 1, i + 1);
        for (uint32_t i = 0; i < 64; i++)
            ck_assert(!found(&table, i * 2654435761u & ~1u, 1));
        idtable_deinit(&table);
    }
}
END_TEST

static size_t memory_of(const struct idtable *table)
{
    size_t size = sizeof(*table->entries) << table->depth;

    for (uint32_t i = 0; table->entries != NULL && i < 1u << table->depth;) {
        size += sizeof(struct idtable_slot) << table->entries[i].bits;
        i += 1u << (table->depth - table->entries[i].depth);
    }
    return size;
}

START_TEST(an_id_costs_less_than_20_bytes_and_what_left_leaves_little_behind)
{
    enum { COUNT = 300000 };
    struct idtable table = {0};
    uint32_t *hashes = heap_take(COUNT * sizeof(*hashes));
    struct prng prng;

    prng_seed(&prng, 1);
    for (uint32_t i = 0; i < COUNT; i++) {
        hashes[i] = (uint32_t)prng_next(&prng);
        idtable_add(&table, hashes[i], i + 1);
        if (i > 1000)
            ck_assert_uint_lt(memory_of(&table) / 22, i);
        i += i > 5000 ? 99 : 0; /* memory_of walks */
    }
    idtable_deinit(&table);
    for (uint32_t i = 0; i < COUNT; i++) {
        hashes[i] = (uint32_t)prng_next(&prng);
        idtable_add(&table, hashes[i], i + 1);
    }
    ck_assert_uint_lt(memory_of(&table), COUNT * UINT64_C(20));
    for (uint32_t i = 1000; i < COUNT; i++)
        idtable_remove(&table, hashes[i], i + 1);
    ck_assert_uint_lt(memory_of(&table), UINT64_C(100) * 1000);
    heap_give(hashes);
    idtable_deinit(&table);
}
END_TEST

/* What an add or a remove may place anew is the page it is about. */
START_TEST(no_page_is_ever_larger_than_4_kib)
{
    enum { COUNT = 300000 };
    struct idtable table = {0};
    struct prng prng;

    prng_seed(&prng, 1);
    for (uint32_t i = 0; i < COUNT; i++)
        idtable_add(&table, (uint32_t)prng_next(&prng), i + 1);
    for (uint32_t i = 0; i < 1u << table.depth; i++)
        ck_assert_uint_le(sizeof(struct idtable_slot) << table.entries[i].bits, 4096);
    ck_assert_uint_ge(table.depth, 9);
    ck_assert_uint_le(table.depth, 12);
    idtable_deinit(&table);
}
END_TEST

START_TEST(an_id_that_is_not_there_is_not_removed)
{
    struct idtable table = {0};

    idtable_add(&table, 5, 1);
    idtable_add(&table, 5, 2);
    idtable_remove(&table, 5, 3);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        any_sequence_of_calls_holds_what_a_plain_array_would,
        what_is_absent_is_not_found_however_many_there_are,
        an_id_costs_less_than_20_bytes_and_what_left_leaves_little_behind,
        no_page_is_ever_larger_than_4_kib,
    };
    const TTest *aborting[] = {an_id_that_is_not_there_is_not_removed};

    return UNIT_RUN("idtable", tests, aborting);
}
