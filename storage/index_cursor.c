/* Walking over the messages of the index. */
#include "storage/index_blocks_priv.h"

uint64_t index_cursor_sequence(const struct index_blocks *blocks, struct index_cursor cursor)
{
    const struct index_block *block = block_at(blocks, cursor.block);

    return block_base(blocks, block) +
           (block->cold != NULL ? cursor.slot : block->slots[cursor.slot].offset);
}

void index_cursor_read(const struct index_blocks *blocks, struct index_cursor cursor,
                       struct index_slot *slot)
{
    const struct index_block *block = block_at(blocks, cursor.block);

    if (block->cold != NULL)
        cold_read(blocks, block, cursor.slot, slot);
    else
        *slot = block->slots[cursor.slot];
}

uint32_t index_cursor_subject(const struct index_blocks *blocks, struct index_cursor cursor)
{
    const struct index_block *block = block_at(blocks, cursor.block);

    return block->cold != NULL ? cold_row(blocks, block, cursor.slot)->subject
                               : block->slots[cursor.slot].subject;
}

uint64_t index_cursor_after(const struct index_blocks *blocks, struct index_cursor cursor)
{
    const struct index_block *block = block_at(blocks, cursor.block);

    return block->cold != NULL
               ? index_cold_after(block->cold, block_base(blocks, block), cursor.slot)
               : block->slots[cursor.slot].after;
}

/* From a place that may be dead or behind the block's end to the first live one. */
static bool settle_up(const struct index_blocks *blocks, struct index_cursor *cursor)
{
    for (; cursor->block < blocks->count; cursor->block++, cursor->slot = 0) {
        const struct index_block *block = block_at(blocks, cursor->block);

        if (block->cold != NULL) {
            cursor->slot = index_cold_up(block->cold, cursor->slot);
            if (cursor->slot != INDEX_COLD_NONE)
                return true;
            continue;
        }
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
    const struct index_block *block;

    *cursor =
        (struct index_cursor){.block = block_lower_bound(blocks, block_number(blocks, sequence))};
    if (cursor->block < blocks->count) {
        block = block_at(blocks, cursor->block);
        if (block->number == block_number(blocks, sequence))
            cursor->slot = block->cold != NULL
                               ? block_offset(blocks, sequence)
                               : slot_lower_bound(block, block_offset(blocks, sequence));
    }
    return settle_up(blocks, cursor);
}

bool index_cursor_next(const struct index_blocks *blocks, struct index_cursor *cursor)
{
    cursor->slot++;
    return settle_up(blocks, cursor);
}

/* The live one before it in its block; false: it is the first. */
static bool step_down(const struct index_block *block, struct index_cursor *cursor)
{
    uint32_t offset;

    if (block->cold != NULL) {
        offset =
            cursor->slot == 0 ? INDEX_COLD_NONE : index_cold_down(block->cold, cursor->slot - 1);
        if (offset == INDEX_COLD_NONE)
            return false;
        cursor->slot = offset;
        return true;
    }
    if (cursor->slot == block->start)
        return false;
    do {
        cursor->slot--;
    } while (!block->slots[cursor->slot].live); /* ends at `start`, which is live */
    return true;
}

bool index_cursor_previous(const struct index_blocks *blocks, struct index_cursor *cursor)
{
    if (step_down(block_at(blocks, cursor->block), cursor))
        return true;
    if (cursor->block == 0)
        return false;
    cursor->block--;
    cursor->slot = last_slot(block_at(blocks, cursor->block));
    return true;
}

bool index_cursor_down(const struct index_blocks *blocks, uint64_t sequence,
                       struct index_cursor *cursor)
{
    if (blocks->count == 0)
        return false;
    if (!index_cursor_up(blocks, sequence, cursor)) {
        cursor->block = blocks->count - 1;
        cursor->slot = last_slot(block_at(blocks, cursor->block));
        return true;
    }
    if (index_cursor_sequence(blocks, *cursor) == sequence)
        return true;
    return index_cursor_previous(blocks, cursor);
}

static int64_t last_time(const struct index_block *block)
{
    return block->cold != NULL ? block->cold->time_last : block->slots[block->count - 1].time_ns;
}

/* The first slot of a hot block, dead or not, whose time is not before it, or block->count. */
static uint32_t hot_at_time(const struct index_block *block, int64_t time_ns)
{
    uint32_t low = 0, high = block->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (block->slots[middle].time_ns < time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool index_cursor_at_time(const struct index_blocks *blocks, int64_t time_ns,
                          struct index_cursor *cursor)
{
    size_t low = 0, high = blocks->count;
    const struct index_block *block;

    while (low < high) { /* the first block that ends at or after the time */
        size_t middle = low + (high - low) / 2;

        if (last_time(block_at(blocks, middle)) < time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == blocks->count)
        return false;
    block = block_at(blocks, low);
    *cursor = (struct index_cursor){.block = low};
    cursor->slot = block->cold != NULL ? index_cold_at_time(block->cold, time_ns)
                                       : hot_at_time(block, time_ns);
    return settle_up(blocks, cursor); /* all that lives in it may be before the time */
}
