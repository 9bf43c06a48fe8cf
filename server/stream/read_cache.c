#include "server/stream/read_cache.h"

#include "base/heap.h"

static_assert((READ_CACHE_BLOCKS & (READ_CACHE_BLOCKS - 1)) == 0, "slots are found by a mask");

void read_cache_init(struct read_cache *cache)
{
    *cache = (struct read_cache){0};
}

void read_cache_deinit(struct read_cache *cache)
{
    heap_give(cache->memory);
    cache->memory = NULL;
}

uint64_t read_cache_log(struct read_cache *cache)
{
    return ++cache->log_last; /* from 1: no block is of log 0 */
}

/* Blocks that follow each other in a log do so here, so that a record over several is in one piece.
 */
static size_t slot_of(uint64_t log, uint64_t number)
{
    return (size_t)((log * UINT64_C(0x9e3779b97f4a7c15) >> 32) + number) & (READ_CACHE_BLOCKS - 1);
}

/* Does the block hold the bytes up to `to`? */
static bool holds(const struct read_cache_block *block, uint64_t log, uint64_t number, log_place to)
{
    uint64_t start = number * READ_CACHE_BLOCK;
    uint64_t needed = to - start < READ_CACHE_BLOCK ? to - start : READ_CACHE_BLOCK;

    return block->log == log && block->number == number && block->size >= needed;
}

/* Notes that the block was asked for. True: not for the first time. */
static bool asked_before(struct read_cache_block *block, uint64_t log, uint64_t number)
{
    if (block->log == log && block->number == number)
        return true;
    *block = (struct read_cache_block){.log = log, .number = number};
    return false;
}

struct bytes read_cache_find(struct read_cache *cache, uint64_t log, log_place place, size_t size,
                             struct read_cache_room *room)
{
    uint64_t first = place / READ_CACHE_BLOCK;
    uint64_t count = (place + size - 1) / READ_CACHE_BLOCK - first + 1;
    size_t slot = slot_of(log, first);
    bool here = cache->memory != NULL, before = true;

    assert(size > 0);
    *room = (struct read_cache_room){0};
    if (count > READ_CACHE_SPAN || slot + count > READ_CACHE_BLOCKS)
        return bytes_of(NULL, 0);
    for (uint64_t i = 0; i < count && here; i++)
        here = holds(&cache->blocks[slot + i], log, first + i, place + size);
    if (here)
        return bytes_of(cache->memory + slot * READ_CACHE_BLOCK + place % READ_CACHE_BLOCK, size);

    for (uint64_t i = 0; i < count; i++)
        before = asked_before(&cache->blocks[slot + i], log, first + i) && before;
    if (!before)
        return bytes_of(NULL, 0);
    if (cache->memory == NULL)
        cache->memory = heap_take((size_t)READ_CACHE_BLOCKS * READ_CACHE_BLOCK);
    room->at = cache->memory + slot * READ_CACHE_BLOCK;
    room->place = first * READ_CACHE_BLOCK;
    room->size = count * READ_CACHE_BLOCK;
    for (uint64_t i = 0; i < count; i++)
        cache->blocks[slot + i].size = 0; /* until it is read */
    return bytes_of(NULL, 0);
}

void read_cache_keep(struct read_cache *cache, uint64_t log, const struct read_cache_room *room,
                     size_t size)
{
    uint64_t number = room->place / READ_CACHE_BLOCK;
    size_t slot = slot_of(log, number);

    assert(size <= room->size);
    for (; size > 0; number++, slot++) {
        size_t part = size < READ_CACHE_BLOCK ? size : READ_CACHE_BLOCK;

        assert(cache->blocks[slot].number == number);
        cache->blocks[slot].size = (uint32_t)part;
        size -= part;
    }
}
