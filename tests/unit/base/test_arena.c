#include "base/arena.h"

#include <stdalign.h>

#include "base/prng.h"
#include "tests/unit/unit.h"

START_TEST(memory_is_zeroed_and_aligned_even_when_used_before)
{
    struct arena arena;
    struct prng prng;

    prng_seed(&prng, 1);
    arena_init(&arena, 1 << 20);
    for (int turn = 0; turn < 20; turn++) {
        for (int i = 0; i < 100; i++) {
            size_t size = prng_below(&prng, 3000);
            uint8_t *at = arena_take(&arena, size);

            ck_assert_ptr_nonnull(at);
            ck_assert_uint_eq((uintptr_t)at % alignof(max_align_t), 0);
            for (size_t k = 0; k < size; k++)
                ck_assert_uint_eq(at[k], 0);
            memset(at, 0xff, size);
        }
        arena_reset(&arena);
    }
    arena_deinit(&arena);
}
END_TEST

START_TEST(pieces_do_not_overlap)
{
    uint8_t *pieces[1000];
    size_t sizes[1000];
    struct arena arena;
    struct prng prng;

    prng_seed(&prng, 2);
    arena_init(&arena, 8 << 20);
    for (size_t i = 0; i < 1000; i++) {
        sizes[i] = prng_below(&prng, prng_chance(&prng, 1, 50) ? 100000 : 100);
        pieces[i] = arena_take(&arena, sizes[i]);
        ck_assert_ptr_nonnull(pieces[i]);
        memset(pieces[i], (int)(i & 0xff), sizes[i]);
    }
    for (size_t i = 0; i < 1000; i++) {
        for (size_t k = 0; k < sizes[i]; k++)
            ck_assert_uint_eq(pieces[i][k], i & 0xff);
    }
    arena_deinit(&arena);
}
END_TEST

START_TEST(beyond_the_limit_there_is_nothing_until_a_reset)
{
    struct arena arena;

    arena_init(&arena, 1024);
    ck_assert_ptr_null(arena_take(&arena, 1025));
    ck_assert_ptr_nonnull(arena_take(&arena, 1000));
    ck_assert_ptr_null(arena_take(&arena, 100));
    ck_assert_ptr_null(arena_copy(&arena, BYTES("0123456789012345678901234567890123456789")).at);
    ck_assert_ptr_nonnull(arena_take(&arena, 10));
    ck_assert_uint_le(arena.used, 1024);
    arena_reset(&arena);
    ck_assert_uint_eq(arena.used, 0);
    ck_assert_ptr_nonnull(arena_take(&arena, 1024));
    arena_deinit(&arena);
}
END_TEST

START_TEST(sizes_that_overflow_are_refused)
{
    struct arena arena;

    arena_init(&arena, SIZE_MAX);
    ck_assert_ptr_null(arena_take(&arena, SIZE_MAX));
    ck_assert_ptr_null(arena_take(&arena, SIZE_MAX - 20));
    ck_assert_ptr_null(ARENA_ARRAY(&arena, uint64_t, SIZE_MAX / 8 + 2));
    ck_assert_ptr_null(arena_copy(&arena, bytes_of("", SIZE_MAX)).at);
    arena_deinit(&arena);
}
END_TEST

START_TEST(a_steady_turn_comes_to_use_the_same_block_again)
{
    struct arena arena;
    void *first = NULL;

    arena_init(&arena, 1 << 20);
    for (int turn = 0; turn < 10; turn++) {
        void *at = arena_take(&arena, 100);

        if (turn >= 5 && first != NULL)
            ck_assert_ptr_eq(at, first);
        first = at;
        for (int i = 0; i < 500; i++)
            ck_assert_ptr_nonnull(arena_take(&arena, 100));
        if (turn >= 5)
            ck_assert_ptr_eq(arena.first, arena.last);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
}
END_TEST

START_TEST(a_huge_block_is_not_kept)
{
    struct arena arena;

    arena_init(&arena, 64 << 20);
    ck_assert_ptr_nonnull(arena_take(&arena, 32 << 20));
    arena_reset(&arena);
    ck_assert_ptr_null(arena.first);

    ck_assert_ptr_nonnull(arena_take(&arena, 10));
    ck_assert_ptr_nonnull(arena_take(&arena, 32 << 20));
    arena_reset(&arena);
    ck_assert_ptr_nonnull(arena.first);
    ck_assert_ptr_eq(arena.first, arena.last);
    ck_assert_ptr_nonnull(arena_take(&arena, 10));
    arena_deinit(&arena);
}
END_TEST

START_TEST(a_copy_has_a_zero_behind_it)
{
    struct arena arena;
    struct bytes copy;

    arena_init(&arena, 4096);
    memset(arena_take(&arena, 4000), 0xff, 4000);
    arena_reset(&arena);
    copy = arena_copy(&arena, BYTES("subject"));
    ck_assert(bytes_equal(copy, BYTES("subject")));
    ck_assert_uint_eq(copy.at[7], 0);
    copy = arena_copy(&arena, bytes_of(NULL, 0));
    ck_assert_ptr_nonnull(copy.at);
    ck_assert_uint_eq(copy.at[0], 0);
    arena_deinit(&arena);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        memory_is_zeroed_and_aligned_even_when_used_before,
        pieces_do_not_overlap,
        beyond_the_limit_there_is_nothing_until_a_reset,
        sizes_that_overflow_are_refused,
        a_steady_turn_comes_to_use_the_same_block_again,
        a_huge_block_is_not_kept,
        a_copy_has_a_zero_behind_it,
    };

    return UNIT_RUN_PLAIN("arena", tests);
}
