#include "storage/index_memory.h"

#include "base/heap.h"

static void *lend(const struct index_memory *memory, size_t size)
{
    void *at;

    if (memory->scratch == NULL || memory->cache == NULL || size == 0 || size > SCRATCH_PIECE_MAX)
        return NULL;
    at = scratch_lend(memory->scratch, size);
    if (at != NULL)
        memory->cache->lent += size;
    return at;
}

void *index_memory_take(const struct index_memory *memory, size_t size, bool *lent)
{
    const struct index_cache *cache = memory->cache;
    void *at = NULL;

    if (cache != NULL && cache->held + size > cache->limit)
        at = lend(memory, size);
    *lent = at != NULL;
    return at != NULL ? at : index_memory_resize(memory, NULL, 0, size);
}

void index_memory_give(const struct index_memory *memory, void *at, size_t size, bool lent)
{
    if (lent) {
        scratch_give(memory->scratch, at, size);
        assert(memory->cache->lent >= size);
        memory->cache->lent -= size;
        return;
    }
    heap_give(at);
    index_memory_count(memory, size, 0);
}

void *index_memory_resize(const struct index_memory *memory, void *at, size_t before, size_t after)
{
    at = heap_resize(at, after);
    index_memory_count(memory, before, after);
    return at;
}

void *index_memory_move(const struct index_memory *memory, void *at, size_t size)
{
    void *to = lend(memory, size);

    if (to == NULL)
        return NULL;
    memcpy(to, at, size);
    index_memory_give(memory, at, size, false);
    return to;
}
