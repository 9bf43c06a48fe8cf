/*
 * arena: memory that lives for one turn or one request and is freed whole. Blocks are chained and
 * double in size; arena_reset keeps one, in the end one that holds a usual turn, so that a steady
 * turn allocates nothing. A block of more than 1 MiB is not kept.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/bytes.h"

struct arena_block;

struct arena {
    struct arena_block *first;
    struct arena_block *last;
    size_t used;  /* handed out since the last reset */
    size_t limit; /* arena_take returns NULL beyond */
};

void arena_init(struct arena *arena, size_t limit);
void arena_deinit(struct arena *arena);
void arena_reset(struct arena *arena);

/* Zeroed, aligned for any type, good until reset; NULL at the limit. */
void *arena_take(struct arena *arena, size_t size);
/* A copy, with a zero behind it that is not counted; .at is NULL at the limit. */
struct bytes arena_copy(struct arena *arena, struct bytes b);

/* `count` items of `size`; NULL also when the product does not fit. */
void *arena_take_array(struct arena *arena, size_t size, size_t count);

#define ARENA_NEW(arena, type)          ((type *)arena_take((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_take_array((arena), sizeof(type), (count)))

#endif
