/*
 * index_cache: how much memory the indexes of a server may take together, and what they take: one
 * for all of them, on one thread. Its owner reads it; storage/index*.c writes it.
 *
 * Until `held` reaches the limit all of an index that publishing touches is in memory. Then what is
 * oldest of it goes to scratch memory (storage/index_memory.h), some at a time, and what does not
 * find room is there from the beginning. What cannot go is held beyond the limit: a range of
 * messages while it is the newest or has few, pages smaller than a whole one, and what the disk has
 * no room for.
 */
#ifndef STORAGE_INDEX_CACHE_H
#define STORAGE_INDEX_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#define INDEX_CACHE_DEFAULT (UINT64_C(64) << 20)

struct index_cache {
    uint64_t limit;   /* bytes */
    uint64_t held;    /* in memory */
    uint64_t lent;    /* in scratch memory, of what is in memory while there is room */
    bool interrupted; /* by a disk that failed: some of that may be nobody's any more */
};

/* What is held beyond the limit. */
static inline uint64_t index_cache_excess(const struct index_cache *cache)
{
    return cache->held > cache->limit ? cache->held - cache->limit : 0;
}

#endif
