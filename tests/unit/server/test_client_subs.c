#include "server/clients/client_subs.h"

#include <stdio.h>

#include "base/prng.h"
#include "tests/unit/unit.h"

#define SIDS 600u

/* Subscriptions beside a plain array of the same. */
struct world {
    struct client_subs_pool pool;
    struct client_subs subs;
    struct client_sub *model[SIDS];
};

/* Numbers that follow each other, some with gaps, some that look like numbers, and words. */
static struct bytes sid_of(uint32_t i, char text[32])
{
    static const char *const odd[] = {"0",
                                      "00",
                                      "01",
                                      "-1",
                                      "+1",
                                      "1a",
                                      "a1",
                                      "",
                                      " ",
                                      "1.0",
                                      "999999999999999999",
                                      "1000000000000000000",
                                      "99999999999999999999999"};

    if (i < UNIT_COUNT(odd))
        return bytes_of_text(odd[i]);
    if (i < 300)
        snprintf(text, 32, "%u", i);
    else if (i < 500)
        snprintf(text, 32, "%u", i * 3);
    else
        snprintf(text, 32, "sid%u", i);
    return bytes_of_text(text);
}

static void assert_is_the_model(const struct world *world)
{
    static bool met[SIDS];
    struct client_sub *sub;
    uint32_t count = 0;
    char text[32];

    memset(met, 0, sizeof(met));
    for (uint32_t i = 0; i < SIDS; i++)
        ck_assert_ptr_eq(client_subs_find(&world->subs, &world->pool, sid_of(i, text)),
                         world->model[i]);
    for (struct client_subs_walk at = {0};
         (sub = client_subs_next(&world->subs, &world->pool, &at)) != NULL; count++) {
        uint32_t i = (uint32_t)sub->max;

        ck_assert_ptr_eq(world->model[i], sub);
        ck_assert(bytes_equal(client_sub_sid(sub), sid_of(i, text)));
        ck_assert(!met[i]);
        met[i] = true;
    }
    ck_assert_uint_eq(count, world->subs.count);
    for (uint32_t i = 0; i < SIDS; i++)
        ck_assert(met[i] == (world->model[i] != NULL));
}

static void add(struct world *world, uint32_t i)
{
    char text[32];

    world->model[i] = client_subs_add(&world->subs, &world->pool, sid_of(i, text));
    ck_assert_uint_eq(world->model[i]->max, 0);
    ck_assert_uint_eq(world->model[i]->delivered, 0);
    world->model[i]->max = i;
}

static void drop(struct world *world, uint32_t i)
{
    client_subs_remove(&world->subs, &world->pool, world->model[i]);
    world->model[i] = NULL;
}

START_TEST(any_sids_in_any_order_are_found_as_in_a_plain_array)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        static struct world world;
        struct prng prng;
        uint32_t i = 0;

        world = (struct world){.pool.seed = seed};
        prng_seed(&prng, seed);
        for (int step = 0; step < 6000; step++) {
            bool adding = prng_chance(&prng, step / 1500 % 2 == 0 ? 4 : 1, 5);

            /* Mostly the one that follows. */
            i = prng_chance(&prng, 3, 4) ? (i + 1) % SIDS : (uint32_t)prng_below(&prng, SIDS);
            if (adding && world.model[i] == NULL)
                add(&world, i);
            else if (!adding && world.model[i] != NULL)
                drop(&world, i);
            if (step % 300 == 0)
                assert_is_the_model(&world);
        }
        if (seed % 2 == 0)
            for (i = 0; i < SIDS; i++)
                if (world.model[i] != NULL)
                    drop(&world, i);
        client_subs_remove_all(&world.subs, &world.pool);
        ck_assert_uint_eq(world.pool.slab.blocks, 0);
        client_subs_pool_deinit(&world.pool);
    }
}
END_TEST

static struct client_sub *add_number(struct world *world, uint64_t number)
{
    char text[32];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    return client_subs_add(&world->subs, &world->pool, bytes_of_text(text));
}

START_TEST(sids_that_count_take_no_table_and_start_anew_when_none_is_left)
{
    struct world world = {0};

    for (uint64_t i = 0; i < 100000; i++)
        (void)add_number(&world, 77 + i);
    ck_assert_uint_eq(world.subs.others.count, 0);
    ck_assert_uint_eq(world.subs.taken, 100000);
    client_subs_remove_all(&world.subs, &world.pool);
    for (uint64_t i = 0; i < 5000; i++)
        client_subs_remove(&world.subs, &world.pool, add_number(&world, i));
    ck_assert_uint_eq(world.subs.numbers, 0);
    for (uint64_t i = 0; i < 5000; i++)
        (void)add_number(&world, 7 + i);
    ck_assert_uint_eq(world.subs.others.count, 0);
    client_subs_remove_all(&world.subs, &world.pool);
    ck_assert_ptr_null(world.subs.rows);
    client_subs_pool_deinit(&world.pool);
}
END_TEST

START_TEST(a_client_that_counts_on_and_keeps_few_does_not_grow)
{
    struct world world = {0};

    for (uint64_t i = 0; i < 4; i++)
        (void)add_number(&world, i);
    for (uint64_t i = 4; i < 100000; i++)
        client_subs_remove(&world.subs, &world.pool, add_number(&world, i));
    ck_assert_uint_le(world.subs.numbers, 64);
    ck_assert_uint_eq(world.subs.count, 4);
    client_subs_remove_all(&world.subs, &world.pool);
    client_subs_pool_deinit(&world.pool);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        any_sids_in_any_order_are_found_as_in_a_plain_array,
        sids_that_count_take_no_table_and_start_anew_when_none_is_left,
        a_client_that_counts_on_and_keeps_few_does_not_grow,
    };

    return UNIT_RUN_PLAIN("client_subs", tests);
}
