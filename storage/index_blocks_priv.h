/*
 * Where a sequence is in the blocks of the index: for who looks it up and changes it
 * (index_blocks.c) and who walks over them (index_cursor.c). Private to both. Inline: each look at
 * a message comes here.
 */
#ifndef STORAGE_INDEX_BLOCKS_PRIV_H
#define STORAGE_INDEX_BLOCKS_PRIV_H

#include <stdlib.h>

#include "base/scratch.h"
#include "storage/index_blocks.h"

static inline uint64_t block_number(const struct index_blocks *blocks, uint64_t sequence)
{
    return sequence >> blocks->bits;
}

static inline uint16_t block_offset(const struct index_blocks *blocks, uint64_t sequence)
{
    return (uint16_t)(sequence & ((UINT64_C(1) << blocks->bits) - 1));
}

static inline struct index_block *block_at(const struct index_blocks *blocks, size_t i)
{
    assert(i < blocks->count);
    return &blocks->at[blocks->head + i];
}

static inline uint64_t block_base(const struct index_blocks *blocks,
                                  const struct index_block *block)
{
    return block->number << blocks->bits;
}

/* The first block at or above `number`, or blocks->count. Without gaps the guess is right. */
static inline size_t block_lower_bound(const struct index_blocks *blocks, uint64_t number)
{
    size_t low = 0, high = blocks->count;
    uint64_t guess;

    if (blocks->count == 0 || number <= block_at(blocks, 0)->number)
        return 0;
    guess = number - block_at(blocks, 0)->number;
    if (guess < high) {
        if (block_at(blocks, (size_t)guess)->number == number)
            return (size_t)guess;
        high = (size_t)guess; /* with gaps it lies further to the front, never behind */
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (block_at(blocks, middle)->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first slot of a hot block at or above `offset`, dead or not, or block->count. */
static inline uint32_t slot_lower_bound(const struct index_block *block, uint16_t offset)
{
    uint32_t low = 0, high = block->count;
    uint32_t guess;

    if (offset <= block->slots[0].offset)
        return 0;
    guess = (uint32_t)(offset - block->slots[0].offset);
    if (guess < high) {
        if (block->slots[guess].offset == offset)
            return guess;
        high = guess;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (block->slots[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Of a live offset. One that is another's is of a disk that has lost what was written without
 * saying so: the same as one that says it cannot read it. */
static inline const struct index_row *cold_row(const struct index_blocks *blocks,
                                               const struct index_block *block, uint32_t offset)
{
    const struct index_row *row = index_cold_at(block->cold, offset);

    if (row != NULL)
        return row;
    guard_fail(scratch_failed(blocks->memory.scratch));
    abort(); /* nobody calls from outside of a frame */
}

static inline void cold_read(const struct index_blocks *blocks, const struct index_block *block,
                             uint32_t offset, struct index_slot *slot)
{
    const union map64_value *before;
    uint64_t base = block_base(blocks, block);

    index_cold_read(block->cold, cold_row(blocks, block, offset), base, offset, slot);
    if (block->cold->changed == 0)
        return;
    before = map64_find(&blocks->befores, base + offset);
    if (before != NULL)
        slot->before = before->number;
}

static inline uint32_t last_slot(const struct index_block *block)
{
    return block->cold != NULL ? index_cold_down(block->cold, INDEX_BLOCK_SPAN - 1)
                               : block->count - 1;
}

#endif
