#include "base/slab.h"

#include "base/heap.h"
#include "base/prng.h"
#include "tests/unit/unit.h"

#define BLOCKS 3000u

struct block {
    uint32_t id; /* 0: none */
    uint8_t mark;
    size_t size;
    uint8_t *at;
};

static struct block take(struct slab *slab, size_t size, uint8_t mark)
{
    struct block block = {.mark = mark, .size = size};

    block.at = slab_take(slab, size, &block.id);
    ck_assert_uint_ne(block.id, 0);
    ck_assert_ptr_eq(slab_at(slab, block.id), block.at);
    ck_assert_uint_eq((uintptr_t)block.at % 8, 0);
    memset(block.at, mark, size);
    return block;
}

static void give(struct slab *slab, struct block *block)
{
    ck_assert_ptr_eq(slab_at(slab, block->id), block->at);
    for (size_t i = 0; i < block->size; i++)
        ck_assert_uint_eq(block->at[i], block->mark);
    slab_give(slab, block->id);
    block->id = 0;
}

START_TEST(blocks_of_any_size_keep_their_place_and_bytes_until_they_are_given_back)
{
    static struct block blocks[BLOCKS];

    for (uint64_t seed = 0; seed < 10; seed++) {
        struct slab slab = {0};
        struct prng prng;

        prng_seed(&prng, seed);
        memset(blocks, 0, sizeof(blocks));
        for (int step = 0; step < 30000; step++) {
            struct block *block = &blocks[prng_below(&prng, BLOCKS)];
            size_t size_most = prng_chance(&prng, 1, 20) ? 5000 : 150;

            if (block->id != 0)
                give(&slab, block);
            else if (step < 20000 || prng_chance(&prng, 1, 3))
                *block = take(&slab, prng_below(&prng, size_most), (uint8_t)step);
        }
        for (size_t i = 0; i < BLOCKS; i++)
            if (blocks[i].id != 0)
                give(&slab, &blocks[i]);
        ck_assert_uint_eq(slab.blocks, 0);
        ck_assert_uint_le(slab.bytes, SLAB_SIZES * SLAB_CHUNK_SIZE);
        slab_deinit(&slab);
        ck_assert_uint_eq(slab.bytes, 0);
    }
}
END_TEST

START_TEST(every_size_has_room_for_its_bytes_and_wastes_less_than_a_quarter_beyond_its_unit)
{
    for (size_t size = 0; size <= 2000; size++) {
        struct slab slab = {0};
        struct block blocks[9];
        size_t each;

        for (unsigned i = 0; i < 9; i++)
            blocks[i] = take(&slab, size, (uint8_t)(i + 1));
        each = (size_t)(blocks[1].at - blocks[0].at);
        if (size <= SLAB_BLOCK_MAX) {
            ck_assert_uint_ge(each, size);
            ck_assert_uint_lt(each, (size < 8 ? 8 : size) + 8 + size / 4);
        }
        for (unsigned i = 0; i < 9; i++)
            give(&slab, &blocks[i]);
        slab_deinit(&slab);
    }
}
END_TEST

START_TEST(many_blocks_cost_little_more_than_their_bytes)
{
    struct slab slab = {0};
    uint32_t id;

    for (int i = 0; i < 100000; i++)
        (void)slab_take(&slab, 48, &id);
    ck_assert_uint_lt(slab.bytes + slab.chunks_capacity * sizeof(struct slab_chunk),
                      100000 * 48 * 103 / 100);
    slab_deinit(&slab);
}
END_TEST

START_TEST(what_is_held_is_at_most_a_chunk_for_each_block)
{
    struct slab slab = {0};
    uint32_t *ids = heap_take(100000 * sizeof(*ids));
    uint32_t kept = 0;

    for (int i = 0; i < 100000; i++)
        (void)slab_take(&slab, 64, &ids[i]);
    for (int i = 0; i < 100000; i++) {
        if (i % 100 == 0)
            kept++;
        else
            slab_give(&slab, ids[i]);
    }
    ck_assert_uint_le(slab.bytes, (kept + 1) * SLAB_CHUNK_SIZE);
    for (int i = 0; i < 100000; i += 100)
        slab_give(&slab, ids[i]);
    ck_assert_uint_le(slab.bytes, SLAB_CHUNK_SIZE);
    heap_give(ids);
    slab_deinit(&slab);
}
END_TEST

START_TEST(numbers_of_chunks_are_used_again)
{
    struct slab slab = {0};
    struct block block;

    for (int i = 0; i < 1000; i++) {
        block = take(&slab, 3000, 1);
        give(&slab, &block);
    }
    ck_assert_uint_le(slab.chunks_next, 2);
    slab_deinit(&slab);
}
END_TEST

START_TEST(a_block_that_nobody_took_is_not_given_back)
{
    struct slab slab = {0};
    uint32_t id;

    (void)slab_take(&slab, 8, &id);
    slab_give(&slab, id);
    slab_give(&slab, id);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        blocks_of_any_size_keep_their_place_and_bytes_until_they_are_given_back,
        every_size_has_room_for_its_bytes_and_wastes_less_than_a_quarter_beyond_its_unit,
        many_blocks_cost_little_more_than_their_bytes,
        what_is_held_is_at_most_a_chunk_for_each_block,
        numbers_of_chunks_are_used_again,
    };
    const TTest *aborting[] = {a_block_that_nobody_took_is_not_given_back};

    return UNIT_RUN("slab", tests, aborting);
}
