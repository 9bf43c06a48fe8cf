#include "storage/index_blocks_priv.h"

#define DIRECTORY_FIRST 4u
#define SLOTS_FIRST     8u
#define CHANGED_PART    8u /* a cold block is written anew when so much of it has changed */

/* What is true of a block between any two calls. */
static void block_check(const struct index_block *block)
{
    assert(block->slots != NULL);
    assert(block->live > 0);
    if (block->cold != NULL) {
        assert(block->live <= block->count);
        return;
    }
    assert(block->start < block->count);
    assert(block->count <= block->capacity);
    assert(block->live <= block->count - block->start);
    assert(block->slots[block->start].live);
    assert(block->slots[block->count - 1].live);
}

void index_blocks_init(struct index_blocks *blocks, uint64_t seed)
{
    *blocks = (struct index_blocks){.bits = INDEX_BLOCK_BITS};
    map64_init(&blocks->befores, seed);
}

void index_blocks_use(struct index_blocks *blocks, struct index_memory memory, unsigned bits)
{
    assert(blocks->count == 0);
    assert(bits > 0 && bits <= INDEX_BLOCK_BITS);
    blocks->memory = memory;
    blocks->bits = bits;
}

/* The caller forgets it. */
static void block_free(const struct index_blocks *blocks, const struct index_block *block)
{
    if (block->cold != NULL)
        index_cold_destroy(&blocks->memory, block->cold, block->lent, block->rows, block->count);
    else
        index_memory_give(&blocks->memory, block->slots, block->capacity * sizeof *block->slots,
                          false);
}

static size_t map_size(const struct map64 *map)
{
    return map->capacity * sizeof map->slots[0] + map->capacity / 8;
}

void index_blocks_deinit(struct index_blocks *blocks)
{
    for (size_t i = 0; i < blocks->count; i++)
        block_free(blocks, block_at(blocks, i));
    index_memory_give(&blocks->memory, blocks->at, blocks->capacity * sizeof *blocks->at, false);
    index_memory_count(&blocks->memory, map_size(&blocks->befores), 0);
    map64_deinit(&blocks->befores);
    blocks->at = NULL;
    blocks->head = blocks->count = blocks->capacity = blocks->retry = 0;
    blocks->cooled = 0;
}

/* ---- places --------------------------------------------------------------------------------- */

/* The block that may have the sequence, or NULL. */
static struct index_block *block_of(const struct index_blocks *blocks, uint64_t sequence)
{
    size_t i = block_lower_bound(blocks, block_number(blocks, sequence));
    struct index_block *block;

    if (i == blocks->count)
        return NULL;
    block = block_at(blocks, i);
    return block->number == block_number(blocks, sequence) ? block : NULL;
}

/* Live in a hot block, or NULL. */
static struct index_slot *hot_slot(const struct index_block *block, uint16_t offset)
{
    uint32_t slot = slot_lower_bound(block, offset);

    if (slot == block->count || block->slots[slot].offset != offset)
        return NULL;
    return block->slots[slot].live ? &block->slots[slot] : NULL;
}

bool index_blocks_get(const struct index_blocks *blocks, uint64_t sequence, struct index_slot *slot)
{
    const struct index_block *block = block_of(blocks, sequence);
    uint16_t offset = block_offset(blocks, sequence);
    const struct index_slot *found;

    if (block == NULL)
        return false;
    if (block->cold != NULL) {
        if (!index_cold_live(block->cold, offset))
            return false;
        cold_read(blocks, block, offset, slot);
        return true;
    }
    found = hot_slot(block, offset);
    if (found != NULL)
        *slot = *found;
    return found != NULL;
}

bool index_blocks_stored(const struct index_blocks *blocks, uint64_t sequence,
                         struct index_stored *out)
{
    const struct index_block *block = block_of(blocks, sequence);
    uint16_t offset = block_offset(blocks, sequence);
    const struct index_slot *found;

    if (block == NULL)
        return false;
    if (block->cold != NULL) {
        if (!index_cold_live(block->cold, offset))
            return false;
        index_cold_stored(block->cold, cold_row(blocks, block, offset), out);
        return true;
    }
    found = hot_slot(block, offset);
    if (found == NULL)
        return false;
    *out = (struct index_stored){
        .time_ns = found->time_ns,
        .place = found->place,
        .record_size = found->record_size,
        .stored_size = found->stored_size,
        .subject = found->subject,
    };
    return true;
}

bool index_blocks_after(const struct index_blocks *blocks, uint64_t sequence, uint64_t *after)
{
    const struct index_block *block = block_of(blocks, sequence);
    uint16_t offset = block_offset(blocks, sequence);
    const struct index_slot *found;

    if (block == NULL)
        return false;
    if (block->cold != NULL) {
        if (!index_cold_live(block->cold, offset))
            return false;
        *after = index_cold_after(block->cold, block_base(blocks, block), offset);
        return true;
    }
    found = hot_slot(block, offset);
    if (found != NULL)
        *after = found->after;
    return found != NULL;
}

uint64_t index_blocks_first(const struct index_blocks *blocks)
{
    const struct index_block *block;

    if (blocks->count == 0)
        return 0;
    block = block_at(blocks, 0);
    return index_cursor_sequence(
        blocks, (struct index_cursor){0, block->cold != NULL ? index_cold_up(block->cold, 0)
                                                             : block->start});
}

uint64_t index_blocks_last(const struct index_blocks *blocks)
{
    size_t i = blocks->count - 1;

    if (blocks->count == 0)
        return 0;
    return index_cursor_sequence(blocks, (struct index_cursor){i, last_slot(block_at(blocks, i))});
}

size_t index_blocks_at_or_behind(const struct index_blocks *blocks, uint64_t sequence)
{
    return block_lower_bound(blocks, block_number(blocks, sequence));
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
    size_t i = block_lower_bound(blocks, block_number(blocks, sequence));
    uint16_t offset = block_offset(blocks, sequence);
    const struct index_block *block;
    uint64_t below;
    uint32_t end;

    below =
        i <= blocks->count / 2 ? live_of(blocks, 0, i) : total - live_of(blocks, i, blocks->count);
    if (i == blocks->count)
        return below;
    block = block_at(blocks, i);
    if (block->number != block_number(blocks, sequence))
        return below;
    if (block->cold != NULL)
        return below + index_cold_below(block->cold, offset);
    end = slot_lower_bound(block, offset);
    if (block->live == block->count - block->start) /* none dead: nothing to count */
        return below + (end > block->start ? end - block->start : 0);
    for (uint32_t slot = block->start; slot < end; slot++)
        below += block->slots[slot].live;
    return below;
}

/* ---- to scratch memory and back ------------------------------------------------------------- */

static uint32_t cold_min(const struct index_blocks *blocks)
{
    uint32_t half = (1u << blocks->bits) / 2;

    return half < INDEX_COLD_MIN ? half : INDEX_COLD_MIN;
}

/* Tries; a block that takes messages, or has few, stays hot. */
static void freeze(struct index_blocks *blocks, size_t i)
{
    struct index_block *block = block_at(blocks, i);
    const struct index_row *rows;
    struct index_cold *cold;
    bool lent = false;

    if (blocks->memory.scratch == NULL || block->cold != NULL || i + 1 == blocks->count ||
        block->live < cold_min(blocks))
        return;
    cold =
        index_cold_create(&blocks->memory, block_base(blocks, block), block->slots + block->start,
                          block->count - block->start, &lent, &rows);
    if (cold == NULL)
        return;
    index_memory_give(&blocks->memory, block->slots, block->capacity * sizeof *block->slots, false);
    block->rows = rows;
    block->cold = cold;
    block->lent = lent;
    block->count = block->live; /* what is dead has no row */
    block->dense = block->count == UINT32_C(1) << blocks->bits;
    block->start = block->capacity = 0;
    block_check(block);
}

/* Tries. False: it was not in memory, or stays there. */
static bool cool(const struct index_blocks *blocks, struct index_block *block)
{
    struct index_cold *moved;

    if (block->cold == NULL || block->lent)
        return false;
    moved = index_cold_move(&blocks->memory, block->cold);
    if (moved == NULL)
        return false;
    block->cold = moved;
    block->lent = true;
    return true;
}

/* The newest block is about to have a successor; of the others one is tried again, so that what
 * found no space or was changed does not stay in memory for ever. */
static void freeze_some(struct index_blocks *blocks)
{
    if (blocks->count < 2)
        return;
    freeze(blocks, blocks->count - 2);
    if (blocks->retry >= blocks->count)
        blocks->retry = 0;
    freeze(blocks, blocks->retry);
    if (index_memory_pressed(&blocks->memory))
        (void)cool(blocks, block_at(blocks, blocks->retry));
    blocks->retry++;
}

/* Into memory, with what lives only. */
static void thaw(struct index_blocks *blocks, struct index_block *block)
{
    struct index_cold *cold = block->cold;
    struct index_slot read[INDEX_BLOCK_SPAN], *slots; /* it may be left while it is read */
    uint32_t count = 0;

    for (uint32_t offset = index_cold_up(cold, 0); offset != INDEX_COLD_NONE;
         offset = index_cold_up(cold, offset + 1)) {
        cold_read(blocks, block, offset, &read[count]);
        if (blocks->before_lost)
            index_cold_read(cold, cold_row(blocks, block, offset), block_base(blocks, block),
                            offset, &read[count]);
        count++;
        if (cold->changed > 0)
            (void)map64_remove(&blocks->befores, block_base(blocks, block) + offset, NULL);
    }
    assert(count == block->live);
    slots = index_memory_resize(&blocks->memory, NULL, 0, count * sizeof *slots);
    memcpy(slots, read, count * sizeof *slots);
    index_cold_destroy(&blocks->memory, cold, block->lent, block->rows, block->count);
    block->cold = NULL;
    block->dense = block->lent = false;
    block->slots = slots;
    block->start = 0;
    block->count = block->capacity = count;
    block_check(block);
}

bool index_blocks_cool(struct index_blocks *blocks)
{
    size_t i = block_lower_bound(blocks, blocks->cooled);

    /* The newest one takes messages. Those that find no room, or are written anew, are tried again
     * one by one: who looked at all of them would come late to what is new. */
    for (unsigned looks = 0; looks < INDEX_COOL_LOOKS && i + 1 < blocks->count; looks++, i++) {
        blocks->cooled = block_at(blocks, i)->number + 1;
        if (cool(blocks, block_at(blocks, i)))
            return true;
    }
    return false;
}

/* ---- changes -------------------------------------------------------------------------------- */

static void directory_make_room(struct index_blocks *blocks)
{
    size_t capacity;

    if (blocks->head + blocks->count < blocks->capacity)
        return;
    if (blocks->head > blocks->count) { /* mostly given up at the front: move down */
        memmove(blocks->at, blocks->at + blocks->head, blocks->count * sizeof *blocks->at);
        blocks->head = 0;
        return;
    }
    capacity = blocks->capacity == 0 ? DIRECTORY_FIRST : blocks->capacity * 2;
    blocks->at =
        index_memory_resize(&blocks->memory, blocks->at, blocks->capacity * sizeof *blocks->at,
                            capacity * sizeof *blocks->at);
    blocks->capacity = capacity;
}

static void block_set_capacity(const struct index_blocks *blocks, struct index_block *block,
                               uint32_t capacity)
{
    block->slots =
        index_memory_resize(&blocks->memory, block->slots, block->capacity * sizeof *block->slots,
                            capacity * sizeof *block->slots);
    block->capacity = capacity;
}

/* A new block is as large as the one before it has become: small streams stay small. */
static void block_add(struct index_blocks *blocks, uint64_t number)
{
    uint32_t capacity =
        blocks->count == 0 ? SLOTS_FIRST : block_at(blocks, blocks->count - 1)->capacity;
    struct index_block *block;

    directory_make_room(blocks);
    block = &blocks->at[blocks->head + blocks->count++];
    *block = (struct index_block){.number = number};
    block_set_capacity(blocks, block, capacity < SLOTS_FIRST ? SLOTS_FIRST : capacity);
}

struct index_slot *index_blocks_append(struct index_blocks *blocks, uint64_t sequence)
{
    struct index_block *block;
    struct index_slot *slot;
    bool fresh;

    assert(sequence > index_blocks_last(blocks));

    fresh = blocks->count == 0 ||
            block_at(blocks, blocks->count - 1)->number != block_number(blocks, sequence);
    if (fresh)
        block_add(blocks, block_number(blocks, sequence));
    block = block_at(blocks, blocks->count - 1);
    if (block->count == block->capacity)
        block_set_capacity(blocks, block, block->capacity * 2);

    slot = &block->slots[block->count++];
    *slot = (struct index_slot){.offset = block_offset(blocks, sequence), .live = true};
    block->live++;
    block_check(block);
    if (fresh)
        freeze_some(blocks);
    return slot;
}

/* Frees the block and closes the gap from the directory's nearer end. */
static void block_drop(struct index_blocks *blocks, size_t i)
{
    struct index_block *first = blocks->at + blocks->head;

    block_free(blocks, &first[i]);
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

static void block_pack(const struct index_blocks *blocks, struct index_block *block)
{
    uint32_t kept = 0;

    for (uint32_t i = block->start; i < block->count; i++) {
        if (block->slots[i].live)
            block->slots[kept++] = block->slots[i];
    }
    assert(kept == block->live);
    block->start = 0;
    block->count = kept;
    block_set_capacity(blocks, block, kept < SLOTS_FIRST ? SLOTS_FIRST : kept);
}

/* Packing copies what lives; at least as many removals went before it. */
static bool hot_wasteful(const struct index_block *block)
{
    if (block->capacity <= SLOTS_FIRST)
        return false;
    return block->live < block->count / 2 || block->live < block->capacity / 4;
}

static void hot_remove(const struct index_blocks *blocks, struct index_block *block,
                       uint16_t offset)
{
    struct index_slot *slot = hot_slot(block, offset);

    assert(slot != NULL);
    slot->live = false;
    block->live--;
    if (block->live == 0)
        return;
    while (!block->slots[block->start].live)
        block->start++;
    while (!block->slots[block->count - 1].live)
        block->count--;
    if (hot_wasteful(block))
        block_pack(blocks, block);
}

static void cold_remove(struct index_blocks *blocks, struct index_block *block, uint16_t offset)
{
    struct index_cold *cold = block->cold;

    assert(index_cold_live(cold, offset));
    if (cold->changed > 0 &&
        map64_remove(&blocks->befores, block_base(blocks, block) + offset, NULL))
        cold->changed--;
    cold->live[offset / 64] &= ~(UINT64_C(1) << offset % 64);
    block->live--;
    assert(block->live > 0 || cold->changed == 0);
}

void index_blocks_remove(struct index_blocks *blocks, uint64_t sequence)
{
    size_t i = block_lower_bound(blocks, block_number(blocks, sequence));
    struct index_block *block = block_of(blocks, sequence);

    assert(block != NULL);
    if (block->cold != NULL)
        cold_remove(blocks, block, block_offset(blocks, sequence));
    else
        hot_remove(blocks, block, block_offset(blocks, sequence));
    if (block->live == 0) {
        block_drop(blocks, i);
        return;
    }
    if (block->cold != NULL && block->live < block->cold->count / 2) {
        thaw(blocks, block);
        freeze(blocks, i);
    }
    block_check(block);
}

/* ---- links and places ----------------------------------------------------------------------- */

void index_blocks_prefetch(const struct index_blocks *blocks, uint64_t sequence)
{
    const struct index_block *block = block_of(blocks, sequence);

    if (block != NULL && block->dense)
        __builtin_prefetch(&block->cold->after[block_offset(blocks, sequence)], 1);
}

void index_blocks_set_after(struct index_blocks *blocks, uint64_t sequence, uint64_t after)
{
    struct index_block *block = block_of(blocks, sequence);
    uint16_t offset = block_offset(blocks, sequence);
    struct index_slot *slot;

    assert(block != NULL);
    if (block->cold != NULL) {
        /* Publishing comes here, far from what the processor has at hand: one look suffices. */
        uint32_t row = block->dense ? offset : index_cold_row(block->cold, offset);

        if (blocks->step_lost ||
            index_cold_set_after(block->cold, block_base(blocks, block), offset, row, after))
            return;
        thaw(blocks, block);
    }
    slot = hot_slot(block, offset);
    assert(slot != NULL);
    slot->after = after;
}

static void put_before(struct index_blocks *blocks, uint64_t sequence, uint64_t before)
{
    size_t size = map_size(&blocks->befores);

    map64_put(&blocks->befores, sequence)->number = before;
    index_memory_count(&blocks->memory, size, map_size(&blocks->befores));
}

void index_blocks_set_before(struct index_blocks *blocks, uint64_t sequence, uint64_t before)
{
    struct index_block *block = block_of(blocks, sequence);
    uint16_t offset = block_offset(blocks, sequence);
    struct index_slot *slot;

    assert(block != NULL);
    if (block->cold != NULL) {
        assert(index_cold_live(block->cold, offset));
        if (map64_find(&blocks->befores, sequence) == NULL)
            block->cold->changed++;
        put_before(blocks, sequence, before);
        if (block->cold->changed <= block->cold->count / CHANGED_PART)
            return;
        thaw(blocks, block); /* written anew, with what has changed */
        freeze(blocks, (size_t)(block - block_at(blocks, 0)));
        return;
    }
    slot = hot_slot(block, offset);
    assert(slot != NULL);
    slot->before = before;
}

static void freeze_moved(struct index_blocks *blocks)
{
    size_t i = block_lower_bound(blocks, blocks->moved);

    if (i < blocks->count && block_at(blocks, i)->number == blocks->moved)
        freeze(blocks, i);
}

void index_blocks_set_place(struct index_blocks *blocks, uint64_t sequence, uint64_t place)
{
    struct index_block *block = block_of(blocks, sequence);
    struct index_slot *slot;

    assert(block != NULL);
    if (block->cold != NULL) {
        freeze_moved(blocks); /* messages are moved in their order: one block at a time is hot */
        thaw(blocks, block);
        blocks->moved = block->number;
    }
    slot = hot_slot(block, block_offset(blocks, sequence));
    assert(slot != NULL);
    slot->place = place;
}
