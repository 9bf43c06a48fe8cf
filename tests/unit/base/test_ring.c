#include "base/ring.h"

#include "base/prng.h"
#include "tests/unit/unit.h"

#define LIMIT 100u

struct item {
    uint64_t number;
    uint8_t filler[5];
};

static void assert_model(const struct ring *ring, const uint64_t *model, size_t count)
{
    struct item *first = ring_first(ring);

    ck_assert_uint_eq(ring->count, count);
    ck_assert((first == NULL) == (count == 0));
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_eq(((struct item *)ring_at(ring, i))->number, model[i]);
}

/* The model is an array whose front moves down. In waves, so that rings fill and empty. */
START_TEST(any_sequence_of_calls_leaves_what_a_plain_array_would_hold)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        uint64_t model[LIMIT + 1];
        uint64_t number = 0;
        size_t count = 0;
        struct prng prng;
        struct ring ring;

        prng_seed(&prng, seed);
        ring_init(&ring, sizeof(struct item), LIMIT);
        for (int step = 0; step < 3000; step++) {
            uint64_t choice = prng_below(&prng, 10);
            bool filling = step / 300 % 2 == 0;
            struct item *item, popped;

            if (choice < (filling ? 6 : 2)) {
                item = ring_push(&ring);
                ck_assert((item != NULL) == (count < LIMIT));
                if (item != NULL) {
                    ck_assert_uint_eq(item->number, 0);
                    item->number = model[count++] = ++number;
                }
            } else if (choice < (filling ? 7 : 3)) {
                item = ring_push_front(&ring);
                ck_assert((item != NULL) == (count < LIMIT));
                if (item != NULL) {
                    ck_assert_uint_eq(item->number, 0);
                    memmove(model + 1, model, count++ * sizeof(*model));
                    item->number = model[0] = ++number;
                }
            } else {
                ck_assert(ring_pop(&ring, &popped) == (count > 0));
                if (count > 0) {
                    ck_assert_uint_eq(popped.number, model[0]);
                    memmove(model, model + 1, --count * sizeof(*model));
                }
            }
            assert_model(&ring, model, count);
        }
        ring_deinit(&ring);
    }
}
END_TEST

START_TEST(clearing_keeps_the_memory)
{
    struct ring ring;
    size_t capacity;

    ring_init(&ring, sizeof(int), LIMIT);
    for (int i = 0; i < 50; i++)
        *(int *)ring_push(&ring) = i;
    capacity = ring.capacity;
    ring_clear(&ring);
    ck_assert_ptr_null(ring_first(&ring));
    ck_assert_uint_eq(ring.capacity, capacity);
    *(int *)ring_push(&ring) = 7;
    ck_assert_int_eq(*(int *)ring_first(&ring), 7);
    ring_deinit(&ring);
    ck_assert_uint_eq(ring.count, 0);
    ck_assert_ptr_nonnull(ring_push(&ring)); /* can be used again */
    ring_deinit(&ring);
}
END_TEST

START_TEST(a_limit_of_nothing_takes_nothing)
{
    struct ring ring;

    ring_init(&ring, 1, 0);
    ck_assert_ptr_null(ring_push(&ring));
    ck_assert_ptr_null(ring_push_front(&ring));
    ring_deinit(&ring);
}
END_TEST

START_TEST(dropping_from_an_empty_ring_is_a_bug)
{
    struct ring ring;

    ring_init(&ring, 1, 1);
    ring_drop(&ring);
}
END_TEST

START_TEST(looking_behind_the_end_is_a_bug)
{
    struct ring ring;

    ring_init(&ring, 1, 10);
    ring_push(&ring);
    ring_at(&ring, 1);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {any_sequence_of_calls_leaves_what_a_plain_array_would_hold,
                            clearing_keeps_the_memory, a_limit_of_nothing_takes_nothing};
    const TTest *aborting[] = {dropping_from_an_empty_ring_is_a_bug,
                               looking_behind_the_end_is_a_bug};

    return UNIT_RUN("ring", tests, aborting);
}
