#include <stdio.h>

#include "base/heap.h"
#include "base/prng.h"
#include "server/stream/dedup.h"
#include "tests/unit/unit.h"

#define SECOND INT64_C(1000000000)

static struct dedup dedup;

static void begin(int64_t window_ns)
{
    dedup_init(&dedup, 99);
    dedup_window(&dedup, window_ns, 0);
}

START_TEST(an_id_is_found_within_the_window_and_not_after_it)
{
    begin(10 * SECOND);
    dedup_add(&dedup, BYTES("x"), 5, 100 * SECOND);
    ck_assert_uint_eq(dedup_find(&dedup, BYTES("x"), 100 * SECOND), 5);
    ck_assert_uint_eq(dedup_find(&dedup, BYTES("x"), 110 * SECOND - 1), 5);
    ck_assert_uint_eq(dedup_find(&dedup, BYTES("x"), 110 * SECOND), 0);
    ck_assert_uint_eq(dedup_find(&dedup, BYTES("y"), 100 * SECOND), 0);
    dedup_deinit(&dedup);
}
END_TEST

/* Looking, and seeing duplicates, does not make it last longer. */
START_TEST(the_window_begins_with_the_original)
{
    begin(10 * SECOND);
    dedup_add(&dedup, BYTES("x"), 1, 0);
    for (int64_t t = 0; t < 10; t++)
        ck_assert_uint_eq(dedup_find(&dedup, BYTES("x"), t * SECOND), 1);
    ck_assert_uint_eq(dedup_find(&dedup, BYTES("x"), 10 * SECOND), 0);
    dedup_add(&dedup, BYTES("x"), 2, 11 * SECOND);
    ck_assert_uint_eq(dedup_find(&dedup, BYTES("x"), 12 * SECOND), 2);
    dedup_deinit(&dedup);
}
END_TEST

START_TEST(without_a_window_nothing_is_remembered)
{
    begin(0);
    dedup_add(&dedup, BYTES("x"), 1, 0);
    ck_assert_uint_eq(dedup.count, 0);
    ck_assert_uint_eq(dedup_find(&dedup, BYTES("x"), 0), 0);
    dedup_deinit(&dedup);
}
END_TEST

START_TEST(a_narrower_window_forgets_for_good)
{
    begin(10 * SECOND);
    dedup_add(&dedup, BYTES("old"), 1, 0);
    dedup_add(&dedup, BYTES("new"), 2, 2 * SECOND);
    dedup_window(&dedup, SECOND, 2 * SECOND + 1);
    dedup_window(&dedup, 10 * SECOND, 2 * SECOND + 2);
    ck_assert_uint_eq(dedup_find(&dedup, BYTES("old"), 3 * SECOND), 0);
    ck_assert_uint_eq(dedup_find(&dedup, BYTES("new"), 3 * SECOND), 2);
    ck_assert_uint_eq(dedup.count, 1);
    dedup_deinit(&dedup);
}
END_TEST

START_TEST(memory_follows_the_window)
{
    char id[32];

    begin(SECOND);
    for (uint64_t i = 1; i <= 200000; i++) {
        int size = snprintf(id, sizeof id, "id-%llu", (unsigned long long)i);

        dedup_add(&dedup, bytes_of(id, (size_t)size), i, (int64_t)i * SECOND / 1000);
        ck_assert_uint_le(dedup.count,
                          1300); /* a window of 1000, and what its oldest bucket still has */
    }
    dedup_expire(&dedup, 1000 * SECOND);
    ck_assert_uint_eq(dedup.count, 0);
    dedup_deinit(&dedup);
}
END_TEST

/* ---- against a list of everything ----------------------------------------------------------- */

struct model {
    struct {
        unsigned id;
        uint64_t sequence;
        int64_t time_ns;
        bool forgotten;
    } at[3000];
    size_t count;
};

static uint64_t find(const struct model *model, unsigned id, int64_t now_ns, int64_t window_ns)
{
    for (size_t i = model->count; i-- > 0;) {
        if (model->at[i].id == id)
            return !model->at[i].forgotten && now_ns - model->at[i].time_ns < window_ns
                       ? model->at[i].sequence
                       : 0;
    }
    return 0;
}

static void run(uint64_t seed)
{
    struct model *model = HEAP_NEW(struct model);
    struct prng prng;
    uint64_t sequence = 1;
    int64_t now_ns = 0, window_ns = 1000000;

    prng_seed(&prng, seed);
    begin(window_ns);
    while (model->count < 3000) {
        unsigned id = (unsigned)prng_below(&prng, 200);
        struct bytes bytes = bytes_of(&id, sizeof id);
        uint64_t expected = find(model, id, now_ns, window_ns);

        ck_assert_uint_eq(dedup_find(&dedup, bytes, now_ns), expected);
        if (expected == 0) {
            dedup_add(&dedup, bytes, sequence, now_ns);
            model->at[model->count].id = id;
            model->at[model->count].sequence = sequence;
            model->at[model->count++].time_ns = now_ns;
        }
        /* Whole microseconds: the unit in which times are kept. */
        now_ns += (int64_t)prng_below(&prng, 10) * 1000 * (prng_chance(&prng, 1, 100) ? 100 : 1);
        sequence += 1 + prng_below(&prng, 3);
        if (prng_chance(&prng, 1, 10))
            dedup_expire(&dedup, now_ns);
        if (prng_chance(&prng, 1, 300)) {
            int64_t next_ns = (int64_t)(1 + prng_below(&prng, 2000)) * 1000;

            for (size_t i = 0; i < model->count; i++)
                model->at[i].forgotten |=
                    now_ns - model->at[i].time_ns >= (next_ns < window_ns ? next_ns : window_ns);
            window_ns = next_ns;
            dedup_window(&dedup, window_ns, now_ns);
        }
    }
    dedup_deinit(&dedup);
    heap_give(model);
}

START_TEST(ids_are_found_as_by_looking_at_all_that_were_added)
{
    for (uint64_t seed = 1; seed <= 100; seed++)
        run(seed);
}
END_TEST

START_TEST(a_time_between_two_microseconds_is_never_forgotten_early)
{
    begin(SECOND);
    dedup_add(&dedup, BYTES("first"), 1, 0);
    dedup_add(&dedup, BYTES("x"), 2, 1234567);
    ck_assert_uint_eq(dedup_find(&dedup, BYTES("x"), SECOND + 1234566), 2);
    ck_assert_uint_eq(dedup_find(&dedup, BYTES("x"), SECOND + 1235000), 0);
    dedup_deinit(&dedup);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        an_id_is_found_within_the_window_and_not_after_it,
        the_window_begins_with_the_original,
        without_a_window_nothing_is_remembered,
        a_narrower_window_forgets_for_good,
        memory_follows_the_window,
        ids_are_found_as_by_looking_at_all_that_were_added,
        a_time_between_two_microseconds_is_never_forgotten_early,
    };

    return UNIT_RUN_PLAIN("dedup", tests);
}
