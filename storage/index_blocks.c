#include "storage/index_blocks.h"

#include "base/heap.h"

#define DIRECTORY_FIRST 4u
#define SLOTS_FIRST     8u

static uint64_t block_number(uint64_t sequence)
{
    return sequence >> INDEX_BLOCK_BITS;
}

static uint16_t block_offset(uint64_t sequence)
{
    return (uint16_t)(sequence & (INDEX_BLOCK_SPAN - 1));
}

static struct index_block *block_at(const struct index_blocks *blocks, size_t i)
{
    assert(i < blocks->count);
    return &blocks->at[blocks->head + i];
}

/* What is true of a block between any two calls. */
static void block_check(const struct index_block *block)
{
    assert(block->start < block->count);
    assert(block->count <= block->capacity);
    assert(block->live <= block->count - block->start);
    assert(block->slots[block->start].live);
    assert(block->slots[block->count - 1].live);
}

void index_blocks_init(struct index_blocks *blocks)
{
    *blocks = (struct index_blocks){0};
}

void index_blocks_deinit(struct index_blocks *blocks)
{
    for (size_t i = 0; i < blocks->count; i++)
        heap_give(block_at(blocks, i)->slots);
    heap_give(blocks->at);
    *blocks = (struct index_blocks){0};
}

/* ---- places ------------------------------------------------------------------------------------
 */

/* The first block at or above `number`, or blocks->count. Without gaps the guess is right. */
static size_t block_lower_bound(const struct index_blocks *blocks, uint64_t number)
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

/* The first slot at or above `offset`, dead or not, or block->count. */
static uint32_t slot_lower_bound(const struct index_block *block, uint16_t offset)
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

struct index_slot *index_blocks_find(const struct index_blocks *blocks, uint64_t sequence)
{
    size_t i = block_lower_bound(blocks, block_number(sequence));
    struct index_block *block;
    uint32_t slot;

    if (i == blocks->count)
        return NULL;
    block = block_at(blocks, i);
    if (block->number != block_number(sequence))
        return NULL;
    slot = slot_lower_bound(block, block_offset(sequence));
    if (slot == block->count || block->slots[slot].offset != block_offset(sequence))
        return NULL;
    return block->slots[slot].live ? &block->slots[slot] : NULL;
}

uint64_t index_blocks_first(const struct index_blocks *blocks)
{
    if (blocks->count == 0)
        return 0;
    return index_cursor_sequence(blocks, (struct index_cursor){0, block_at(blocks, 0)->start});
}

uint64_t index_blocks_last(const struct index_blocks *blocks)
{
    size_t i = blocks->count - 1;

    if (blocks->count == 0)
        return 0;
    return index_cursor_sequence(blocks, (struct index_cursor){i, block_at(blocks, i)->count - 1});
}

static uint64_t live_of(const struct index_blocks *blocks, size_t from, size_t to)
{
    uint64_t live = 0;

    for (size_t i = from; i < to; i++)
        live += block_at(blocks, i)->live;
    return live;
}

uint64_t index_blocks_below(const struct index_blocks *blocks, uint64_t sequence, uint64_t total)
{
    size_t i = block_lower_bound(blocks, block_number(sequence));
    const struct index_block *block;
    uint64_t below;
    uint32_t end;

    below =
        i <= blocks->count / 2 ? live_of(blocks, 0, i) : total - live_of(blocks, i, blocks->count);
    if (i == blocks->count)
        return below;
    block = block_at(blocks, i);
    if (block->number != block_number(sequence))
        return below;
    end = slot_lower_bound(block, block_offset(sequence));
    if (block->live == block->count - block->start) /* none dead: nothing to count */
        return below + (end > block->start ? end - block->start : 0);
    for (uint32_t slot = block->start; slot < end; slot++)
        below += block->slots[slot].live;
    return below;
}

/* ---- changes -----------------------------------------------------------------------------------
 */

static void directory_make_room(struct index_blocks *blocks)
{
    if (blocks->head + blocks->count < blocks->capacity)
        return;
    if (blocks->head > blocks->count) { /* mostly given up at the front: move down */
        memmove(blocks->at, blocks->at + blocks->head, blocks->count * sizeof *blocks->at);
        blocks->head = 0;
        return;
    }
    blocks->capacity = blocks->capacity == 0 ? DIRECTORY_FIRST : blocks->capacity * 2;
    blocks->at = heap_resize(blocks->at, blocks->capacity * sizeof *blocks->at);
}

static void block_set_capacity(struct index_block *block, uint32_t capacity)
{
    block->slots = heap_resize(block->slots, capacity * sizeof *block->slots);
    block->capacity = capacity;
}

/* A new block is as large as the one before it has become: small streams stay small. */
static struct index_block *block_add(struct index_blocks *blocks, uint64_t number)
{
    uint32_t capacity =
        blocks->count == 0 ? SLOTS_FIRST : block_at(blocks, blocks->count - 1)->capacity;
    struct index_block *block;

    directory_make_room(blocks);
    block = &blocks->at[blocks->head + blocks->count++];
    *block = (struct index_block){.number = number};
    block_set_capacity(block, capacity < SLOTS_FIRST ? SLOTS_FIRST : capacity);
    return block;
}

struct index_slot *index_blocks_append(struct index_blocks *blocks, uint64_t sequence)
{
    struct index_block *block;
    struct index_slot *slot;

    assert(sequence > index_blocks_last(blocks));

    if (blocks->count > 0 && block_at(blocks, blocks->count - 1)->number == block_number(sequence))
        block = block_at(blocks, blocks->count - 1);
    else
        block = block_add(blocks, block_number(sequence));
    if (block->count == block->capacity)
        block_set_capacity(block, block->capacity * 2);

    slot = &block->slots[block->count++];
    *slot = (struct index_slot){.offset = block_offset(sequence), .live = true};
    block->live++;
    block_check(block);
    return slot;
}

/* Frees the block and closes the gap from the directory's nearer end. */
static void block_drop(struct index_blocks *blocks, size_t i)
{
    struct index_block *first = blocks->at + blocks->head;

    heap_give(first[i].slots);
    if (i < blocks->count / 2) {
        memmove(first + 1, first, i * sizeof *first);
        blocks->head++;
    } else {
        memmove(first + i, first + i + 1, (blocks->count - i - 1) * sizeof *first);
    }
    blocks->count--;
    if (blocks->count == 0)
        index_blocks_deinit(blocks);
}

static void block_pack(struct index_block *block)
{
    uint32_t kept = 0;

    for (uint32_t i = block->start; i < block->count; i++) {
        if (block->slots[i].live)
            block->slots[kept++] = block->slots[i];
    }
    assert(kept == block->live);
    block->start = 0;
    block->count = kept;
    block_set_capacity(block, kept < SLOTS_FIRST ? SLOTS_FIRST : kept);
}

/* Packing copies what lives; at least as many removals went before it. */
static bool block_wasteful(const struct index_block *block)
{
    if (block->capacity <= SLOTS_FIRST)
        return false;
    return block->live < block->count / 2 || block->live < block->capacity / 4;
}

void index_blocks_remove(struct index_blocks *blocks, uint64_t sequence)
{
    struct index_slot *slot = index_blocks_find(blocks, sequence);
    size_t i = block_lower_bound(blocks, block_number(sequence));
    struct index_block *block;

    assert(slot != NULL);
    block = block_at(blocks, i);
    slot->live = false;
    block->live--;
    if (block->live == 0) {
        block_drop(blocks, i);
        return;
    }
    while (!block->slots[block->start].live)
        block->start++;
    while (!block->slots[block->count - 1].live)
        block->count--;
    if (block_wasteful(block))
        block_pack(block);
    block_check(block);
}

/* ---- walking
 * ------------------------------------------------------------------------------------- */

/* From a place that may be dead or behind the block's end to the first live one. */
static bool settle_up(const struct index_blocks *blocks, struct index_cursor *cursor)
{
    for (; cursor->block < blocks->count; cursor->block++, cursor->slot = 0) {
        const struct index_block *block = block_at(blocks, cursor->block);

        if (cursor->slot < block->start)
            cursor->slot = block->start;
        while (cursor->slot < block->count && !block->slots[cursor->slot].live)
            cursor->slot++;
        if (cursor->slot < block->count)
            return true;
    }
    return false;
}

bool index_cursor_up(const struct index_blocks *blocks, uint64_t sequence,
                     struct index_cursor *cursor)
{
    *cursor = (struct index_cursor){.block = block_lower_bound(blocks, block_number(sequence))};
    if (cursor->block < blocks->count &&
        block_at(blocks, cursor->block)->number == block_number(sequence))
        cursor->slot = slot_lower_bound(block_at(blocks, cursor->block), block_offset(sequence));
    return settle_up(blocks, cursor);
}

bool index_cursor_next(const struct index_blocks *blocks, struct index_cursor *cursor)
{
    cursor->slot++;
    return settle_up(blocks, cursor);
}

bool index_cursor_previous(const struct index_blocks *blocks, struct index_cursor *cursor)
{
    const struct index_block *block = block_at(blocks, cursor->block);

    if (cursor->slot == block->start) {
        if (cursor->block == 0)
            return false;
        cursor->block--;
        cursor->slot = block_at(blocks, cursor->block)->count - 1; /* always live */
        return true;
    }
    do {
        cursor->slot--;
    } while (!block->slots[cursor->slot].live); /* ends at `start`, which is live */
    return true;
}

bool index_cursor_down(const struct index_blocks *blocks, uint64_t sequence,
                       struct index_cursor *cursor)
{
    if (blocks->count == 0)
        return false;
    if (!index_cursor_up(blocks, sequence, cursor)) {
        cursor->block = blocks->count - 1;
        cursor->slot = block_at(blocks, cursor->block)->count - 1;
        return true;
    }
    if (index_cursor_sequence(blocks, *cursor) == sequence)
        return true;
    return index_cursor_previous(blocks, cursor);
}

bool index_cursor_at_time(const struct index_blocks *blocks, int64_t time_ns,
                          struct index_cursor *cursor)
{
    size_t low = 0, high = blocks->count;
    uint32_t slot_low = 0, slot_high;

    while (low < high) { /* the first block that ends at or after the time */
        size_t middle = low + (high - low) / 2;
        const struct index_block *block = block_at(blocks, middle);

        if (block->slots[block->count - 1].time_ns < time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == blocks->count)
        return false;

    slot_high = block_at(blocks, low)->count;
    while (slot_low < slot_high) {
        uint32_t middle = slot_low + (slot_high - slot_low) / 2;

        if (block_at(blocks, low)->slots[middle].time_ns < time_ns)
            slot_low = middle + 1;
        else
            slot_high = middle;
    }
    *cursor = (struct index_cursor){.block = low, .slot = slot_low};
    return settle_up(blocks, cursor);
}
