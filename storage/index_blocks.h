/*
 * index_blocks: the messages of an index by sequence. Private to storage/index*.c.
 *
 * A block holds the sequences of one aligned range of INDEX_BLOCK_SPAN; a block without messages
 * does not exist, so neither a gap in the sequences nor what has been removed costs memory for
 * long:
 *
 *     directory   [number 0][number 1][number 7]     in rising order, found by guess or bisection
 *     block       dead dead LIVE dead LIVE           offsets rise; the first and the last are live
 *                           ^start          ^count   (from start on)
 *
 * Removal leaves a dead slot; a block that is more than half dead is packed. Links between messages
 * are sequences, not positions, so packing breaks none. A slot's address is good until the next
 * append or removal.
 */
#ifndef STORAGE_INDEX_BLOCKS_H
#define STORAGE_INDEX_BLOCKS_H

#include "base/bytes.h"

#define INDEX_BLOCK_BITS 10u
#define INDEX_BLOCK_SPAN (1u << INDEX_BLOCK_BITS)

struct index_slot {
    int64_t time_ns;
    uint64_t place;
    uint64_t before, after; /* neighbours of the same subject, as sequences; 0: none */
    uint32_t record_size;
    uint32_t stored_size;
    uint32_t subject; /* id in the subject table */
    uint16_t offset;  /* of the sequence within the block's range */
    bool live;
};
static_assert(sizeof(struct index_slot) == 48, "what one message costs");

struct index_block {
    uint64_t number; /* sequence >> INDEX_BLOCK_BITS */
    struct index_slot *slots;
    uint32_t start, count, capacity, live;
};

struct index_blocks {
    struct index_block *at; /* directory; blocks are at[head] .. at[head + count - 1] */
    size_t head, count, capacity;
};

/* A live message while walking. */
struct index_cursor {
    size_t block; /* from head */
    uint32_t slot;
};

void index_blocks_init(struct index_blocks *blocks);
void index_blocks_deinit(struct index_blocks *blocks); /* leaves it as init does */

/* A slot for a sequence higher than every one present; live, the rest is for the caller to fill. */
struct index_slot *index_blocks_append(struct index_blocks *blocks, uint64_t sequence);
/* NULL: not present. */
struct index_slot *index_blocks_find(const struct index_blocks *blocks, uint64_t sequence);
/* The sequence must be present (asserted). */
void index_blocks_remove(struct index_blocks *blocks, uint64_t sequence);

uint64_t index_blocks_first(const struct index_blocks *blocks); /* 0: empty */
uint64_t index_blocks_last(const struct index_blocks *blocks);
/* How many are present with a lower sequence; walks the directory's nearer end. */
uint64_t index_blocks_below(const struct index_blocks *blocks, uint64_t sequence, uint64_t total);

/* The first at or above / the last at or below; false: none. */
bool index_cursor_up(const struct index_blocks *blocks, uint64_t sequence,
                     struct index_cursor *cursor);
bool index_cursor_down(const struct index_blocks *blocks, uint64_t sequence,
                       struct index_cursor *cursor);
/* The first whose time is not before `time_ns`; times do not fall with the sequence. */
bool index_cursor_at_time(const struct index_blocks *blocks, int64_t time_ns,
                          struct index_cursor *cursor);
/* Onwards; false at the end. Nothing may have changed since the cursor was set. */
bool index_cursor_next(const struct index_blocks *blocks, struct index_cursor *cursor);
bool index_cursor_previous(const struct index_blocks *blocks, struct index_cursor *cursor);

static inline const struct index_slot *index_cursor_slot(const struct index_blocks *blocks,
                                                         struct index_cursor cursor)
{
    return &blocks->at[blocks->head + cursor.block].slots[cursor.slot];
}

static inline uint64_t index_cursor_sequence(const struct index_blocks *blocks,
                                             struct index_cursor cursor)
{
    const struct index_block *block = &blocks->at[blocks->head + cursor.block];

    return (block->number << INDEX_BLOCK_BITS) + block->slots[cursor.slot].offset;
}

#endif
