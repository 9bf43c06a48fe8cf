/*
 * index_memory: where an index gets memory from that counts (storage/index_cache.h). Private to
 * storage/index*.c. A piece is on the heap or lent by scratch memory; its owner keeps which, and
 * its size, and uses it all the same.
 */
#ifndef STORAGE_INDEX_MEMORY_H
#define STORAGE_INDEX_MEMORY_H

#include "base/scratch.h"
#include "storage/index_cache.h"

struct index_memory {
    struct scratch *scratch;   /* NULL: all is on the heap */
    struct index_cache *cache; /* NULL: nothing counts */
};

/* On the heap within the limit, or when scratch memory has no room or the piece is larger than its
 * largest; else lent. What is in it is anything. */
void *index_memory_take(const struct index_memory *memory, size_t size, bool *lent);
void index_memory_give(const struct index_memory *memory, void *at, size_t size, bool lent);
/* To another size, on the heap as it was; at = NULL, before = 0: a new one. */
void *index_memory_resize(const struct index_memory *memory, void *at, size_t before, size_t after);
/* What is on the heap is lent from now on, and is there; NULL: there is no room, all is as before.
 */
void *index_memory_move(const struct index_memory *memory, void *at, size_t size);

/* Of memory on the heap that came from elsewhere. */
static inline void index_memory_count(const struct index_memory *memory, size_t before,
                                      size_t after)
{
    if (memory->cache != NULL)
        memory->cache->held += (uint64_t)after - before;
}

/* Is it time to move something? A part is kept free, so that what is new has room. */
static inline bool index_memory_pressed(const struct index_memory *memory)
{
    const struct index_cache *cache = memory->cache;

    return cache != NULL && memory->scratch != NULL &&
           cache->held > cache->limit - cache->limit / 16;
}

#endif
