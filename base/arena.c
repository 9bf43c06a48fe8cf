#include "base/arena.h"

#include <stdalign.h>

#include "base/heap.h"

#define ALIGN      alignof(max_align_t)
#define BLOCK_MIN  ((size_t)4096)
#define BLOCK_STEP ((size_t)1 << 20) /* blocks double up to here */
#define BLOCK_KEEP ((size_t)1 << 20) /* a larger block does not survive a reset */

struct arena_block {
    struct arena_block *next;
    size_t size; /* of memory */
    size_t used; /* of memory */
    alignas(max_align_t) uint8_t memory[];
};

void arena_init(struct arena *arena, size_t limit)
{
    *arena = (struct arena){.limit = limit};
}

static void give_all_but(struct arena *arena, struct arena_block *kept)
{
    struct arena_block *next;

    for (struct arena_block *block = arena->first; block != NULL; block = next) {
        next = block->next;
        if (block != kept)
            heap_give(block);
    }
    arena->first = kept;
    arena->last = kept;
    arena->used = 0;
}

void arena_deinit(struct arena *arena)
{
    give_all_but(arena, NULL);
}

void arena_reset(struct arena *arena)
{
    struct arena_block *kept = arena->last;

    if (kept != NULL && kept->size > BLOCK_KEEP)
        kept = arena->first->size <= BLOCK_KEEP ? arena->first : NULL;
    give_all_but(arena, kept);
    if (kept != NULL) {
        kept->next = NULL;
        kept->used = 0;
    }
}

static struct arena_block *link_block(struct arena *arena, size_t size)
{
    struct arena_block *block = heap_resize(NULL, sizeof(*block) + size);

    *block = (struct arena_block){.size = size};
    if (arena->last == NULL)
        arena->first = block;
    else
        arena->last->next = block;
    arena->last = block;
    return block;
}

/* Blocks double, so that the newest, which a reset keeps, soon holds a whole turn. */
static struct arena_block *add_block(struct arena *arena, size_t least)
{
    size_t size = arena->last == NULL ? BLOCK_MIN : arena->last->size * 2;

    if (size > BLOCK_STEP)
        size = BLOCK_STEP;
    if (size < BLOCK_MIN)
        size = BLOCK_MIN;
    return link_block(arena, size < least ? least : size);
}

static void *take(struct arena *arena, size_t size)
{
    struct arena_block *block = arena->last;
    size_t whole;
    void *at;

    if (size > SIZE_MAX - sizeof(*block) - ALIGN)
        return NULL;
    whole = (size + ALIGN - 1) & ~(ALIGN - 1);
    if (whole > arena->limit - arena->used)
        return NULL;
    if (block == NULL || whole > block->size - block->used)
        block = add_block(arena, whole);
    at = block->memory + block->used;
    block->used += whole;
    arena->used += whole;
    return at;
}

void *arena_take(struct arena *arena, size_t size)
{
    void *at = take(arena, size);

    if (at != NULL)
        memset(at, 0, size);
    return at;
}

void *arena_take_array(struct arena *arena, size_t size, size_t count)
{
    size_t whole;

    if (__builtin_mul_overflow(size, count, &whole))
        return NULL;
    return arena_take(arena, whole);
}

struct bytes arena_copy(struct arena *arena, struct bytes b)
{
    uint8_t *at = b.size == SIZE_MAX ? NULL : take(arena, b.size + 1);

    if (at == NULL)
        return bytes_of(NULL, 0);
    if (b.size > 0)
        memcpy(at, b.at, b.size);
    at[b.size] = 0;
    return bytes_of(at, b.size);
}
