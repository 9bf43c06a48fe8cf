#include "base/slab.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"

#define CHUNK_BLOCKS_FIRST    4u
#define CHUNKS_CAPACITY_FIRST 4u
#define NUMBERS_MAX           (1u << (32 - SLAB_UNIT_BITS))
#define STEPS_MAX             128u /* sizes up to here are all multiples of a unit */
#define LARGE                 SLAB_SIZES

static_assert(sizeof(struct slab_chunk) == 24, "what the header says a chunk costs");
static_assert(SLAB_CHUNK_SIZE / SLAB_UNIT < 1u << 10, "units of a chunk");
static_assert(SLAB_SIZES == STEPS_MAX / SLAB_UNIT + 4 * 3, "four sizes to each doubling");

/* A build that looks for wrong accesses is told that nobody has what was given back, but for the
 * link in it. */
#ifdef __has_feature /* clang's word for it */
#if __has_feature(address_sanitizer)
#define WATCHED
#endif
#elif defined(__SANITIZE_ADDRESS__) /* gcc's */
#define WATCHED
#endif
#ifdef WATCHED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size)   ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

/* The least of the sizes that holds `size` bytes. */
static unsigned size_index(size_t size)
{
    unsigned shift;

    if (size <= STEPS_MAX)
        return size == 0 ? 0 : (unsigned)((size - 1) / SLAB_UNIT);
    if (size > SLAB_BLOCK_MAX)
        return LARGE;
    shift = 63u - (unsigned)__builtin_clzll(size - 1) - 2; /* 5: up to 256, in steps of 32 */
    return STEPS_MAX / SLAB_UNIT + (shift - 5) * 4 + (unsigned)((size - 1) >> shift) - 4;
}

static uint32_t size_units(unsigned size)
{
    unsigned step = size - STEPS_MAX / SLAB_UNIT;

    if (size < STEPS_MAX / SLAB_UNIT)
        return size + 1;
    return ((step % 4 + 5) << (step / 4 + 5)) / SLAB_UNIT;
}

/* ---- chunks --------------------------------------------------------------------------------- */

static uint32_t number_take(struct slab *slab)
{
    uint32_t number = slab->unused;

    if (number != 0) {
        slab->unused = slab->chunks[number].after;
        return number;
    }
    if (slab->chunks_next == slab->chunks_capacity) {
        slab->chunks_capacity =
            slab->chunks_capacity == 0 ? CHUNKS_CAPACITY_FIRST : slab->chunks_capacity * 2;
        slab->chunks = heap_resize(slab->chunks, slab->chunks_capacity * sizeof(*slab->chunks));
    }
    if (slab->chunks_next == 0)
        slab->chunks[slab->chunks_next++] = (struct slab_chunk){0};
    if (slab->chunks_next == NUMBERS_MAX) {
        fprintf(stderr, "out of memory: no block beside %u\n", slab->blocks);
        abort();
    }
    return slab->chunks_next++;
}

static void number_give(struct slab *slab, uint32_t number)
{
    slab->chunks[number] = (struct slab_chunk){.after = slab->unused};
    slab->unused = number;
}

static void room_add(struct slab *slab, uint32_t number)
{
    struct slab_chunk *chunk = &slab->chunks[number];
    uint32_t *room = &slab->sizes[chunk->size].room;

    chunk->before = 0;
    chunk->after = *room;
    if (*room != 0)
        slab->chunks[*room].before = number;
    *room = number;
}

static void room_remove(struct slab *slab, uint32_t number)
{
    struct slab_chunk *chunk = &slab->chunks[number];

    if (chunk->before != 0)
        slab->chunks[chunk->before].after = chunk->after;
    else
        slab->sizes[chunk->size].room = chunk->after;
    if (chunk->after != 0)
        slab->chunks[chunk->after].before = chunk->before;
}

static bool has_room(const struct slab_chunk *chunk)
{
    return chunk->freed != 0 || chunk->fresh < chunk->units;
}

static uint8_t *chunk_memory(struct slab *slab, size_t size)
{
    uint8_t *at = heap_resize(NULL, size);

    ASAN_POISON_MEMORY_REGION(at, size);
    slab->bytes += size;
    return at;
}

static void chunk_free(struct slab *slab, uint32_t number, size_t size)
{
    ASAN_UNPOISON_MEMORY_REGION(slab->chunks[number].at, size);
    heap_give(slab->chunks[number].at);
    slab->bytes -= size;
    number_give(slab, number);
}

/* One for as many blocks as there are of its size, within bounds. */
static uint32_t chunk_make(struct slab *slab, unsigned size)
{
    uint32_t number = number_take(slab), units = size_units(size), count = slab->sizes[size].blocks;

    count = count < CHUNK_BLOCKS_FIRST ? CHUNK_BLOCKS_FIRST : count;
    if (count > SLAB_CHUNK_SIZE / SLAB_UNIT / units)
        count = SLAB_CHUNK_SIZE / SLAB_UNIT / units;
    slab->chunks[number] = (struct slab_chunk){
        .at = chunk_memory(slab, count * units * SLAB_UNIT),
        .units = (uint16_t)(count * units) & 0x3ff,
        .size = size & 0x1f,
    };
    room_add(slab, number);
    return number;
}

/* ---- blocks --------------------------------------------------------------------------------- */

/* The size of a chunk for one block stands in front of it. */
static void *take_large(struct slab *slab, size_t size, uint32_t *id)
{
    uint32_t number = number_take(slab);
    size_t whole = (size + 2 * SLAB_UNIT - 1) / SLAB_UNIT * SLAB_UNIT;
    uint8_t *at = chunk_memory(slab, whole);

    ASAN_UNPOISON_MEMORY_REGION(at, SLAB_UNIT + size);
    memcpy(at, &whole, sizeof(whole));
    slab->chunks[number] = (struct slab_chunk){.at = at, .blocks = 1, .size = LARGE};
    *id = number << SLAB_UNIT_BITS | 1;
    return at + SLAB_UNIT;
}

static void give_large(struct slab *slab, uint32_t number)
{
    size_t whole;

    memcpy(&whole, slab->chunks[number].at, sizeof(whole));
    chunk_free(slab, number, whole);
}

void *slab_take(struct slab *slab, size_t size, uint32_t *id)
{
    unsigned index = size_index(size);
    struct slab_chunk *chunk;
    uint32_t number, unit;
    uint8_t *at;

    slab->blocks++;
    slab->sizes[index].blocks++;
    if (index == LARGE)
        return take_large(slab, size, id);
    number = slab->sizes[index].room;
    if (number == 0)
        number = chunk_make(slab, index);
    chunk = &slab->chunks[number];
    unit = chunk->freed != 0 ? chunk->freed - 1u : chunk->fresh;
    at = chunk->at + (size_t)unit * SLAB_UNIT;
    if (chunk->freed != 0)
        memcpy(&chunk->freed, at, sizeof(chunk->freed));
    else
        chunk->fresh = (uint16_t)(chunk->fresh + size_units(index));
    chunk->blocks++;
    if (!has_room(chunk))
        room_remove(slab, number);
    ASAN_UNPOISON_MEMORY_REGION(at, size);
    *id = number << SLAB_UNIT_BITS | unit;
    return at;
}

void slab_give(struct slab *slab, uint32_t id)
{
    uint32_t number = id >> SLAB_UNIT_BITS, unit = id & ((1u << SLAB_UNIT_BITS) - 1);
    struct slab_chunk *chunk = &slab->chunks[number];
    unsigned index = chunk->size;
    uint8_t *at = chunk->at + (size_t)unit * SLAB_UNIT;
    bool had_room;

    assert(number > 0 && number < slab->chunks_next);
    assert(chunk->blocks > 0);
    slab->blocks--;
    slab->sizes[index].blocks--;
    if (index == LARGE) {
        give_large(slab, number);
        return;
    }
    had_room = has_room(chunk);
    ASAN_UNPOISON_MEMORY_REGION(at, SLAB_UNIT);
    memcpy(at, &chunk->freed, sizeof(chunk->freed));
    ASAN_POISON_MEMORY_REGION(at + SLAB_UNIT, (size_units(index) - 1) * SLAB_UNIT);
    chunk->freed = (uint16_t)(unit + 1);
    chunk->blocks--;
    if (!had_room)
        room_add(slab, number);
    if (chunk->blocks == 0 && (chunk->before != 0 || chunk->after != 0)) {
        room_remove(slab, number);
        chunk_free(slab, number, (size_t)chunk->units * SLAB_UNIT);
    }
}

void slab_deinit(struct slab *slab)
{
    for (uint32_t number = 1; number < slab->chunks_next; number++)
        if (slab->chunks[number].at != NULL)
            heap_give(slab->chunks[number].at);
    heap_give(slab->chunks);
    *slab = (struct slab){0};
}
