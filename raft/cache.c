#include "raft/cache.h"

#include "base/heap.h"
#include "storage/batch.h"

#define RING_FIRST 16u

void cache_init(struct cache *cache, size_t bound)
{
    *cache = (struct cache){.bound = bound};
}

static struct cached *slot(const struct cache *cache, uint32_t number)
{
    return &cache->ring[(cache->at + number) & (cache->capacity - 1)];
}

static void drop(struct cache *cache, struct cached *entry)
{
    cache->bytes -= log_content_bytes(entry->content).size;
    log_content_drop(entry->content);
    *entry = (struct cached){0};
}

static void drop_oldest(struct cache *cache)
{
    drop(cache, slot(cache, 0));
    cache->at = (cache->at + 1) & (cache->capacity - 1);
    cache->first++;
    cache->count--;
}

static void clear(struct cache *cache)
{
    while (cache->count > 0)
        drop_oldest(cache);
}

void cache_deinit(struct cache *cache)
{
    clear(cache);
    heap_give(cache->ring);
    *cache = (struct cache){0};
}

static void grow(struct cache *cache)
{
    uint32_t capacity = cache->capacity == 0 ? RING_FIRST : cache->capacity * 2;
    struct cached *ring = heap_take(capacity * sizeof *ring);

    for (uint32_t i = 0; i < cache->count; i++)
        ring[i] = *slot(cache, i);
    heap_give(cache->ring);
    cache->ring = ring;
    cache->at = 0;
    cache->capacity = capacity;
}

void cache_add(struct cache *cache, uint64_t index, struct log_content *content)
{
    if (cache->count > 0 && index != cache->first + cache->count)
        clear(cache);
    if (cache->count == 0)
        cache->first = index;
    if (cache->count == cache->capacity)
        grow(cache);
    *slot(cache, cache->count) = (struct cached){.content = log_content_hold(content)};
    cache->count++;
    cache->bytes += log_content_bytes(content).size;
}

struct cached *cache_find(const struct cache *cache, uint64_t index)
{
    if (index < cache->first || index - cache->first >= cache->count)
        return NULL;
    return slot(cache, (uint32_t)(index - cache->first));
}

struct log_batch cached_batch(const struct cached *cached)
{
    struct bytes bytes = log_content_bytes(cached->content);
    struct batch_content content;
    enum err err = batch_content_peek(bytes, &content);

    assert(err == OK); /* it was sealed here, checked when it was appended, or in a good batch */
    (void)err;
    return (struct log_batch){
        .index = content.index,
        .term = content.term,
        .time_ns = content.time_ns,
        .record_count = content.record_count,
        .records = content.records,
        .content = bytes,
        .hash = log_content_hash(cached->content),
        .records_place = cached->place,
    };
}

void cache_cut(struct cache *cache, uint64_t index)
{
    while (cache->count > 0 && cache->first + cache->count - 1 > index) {
        drop(cache, slot(cache, cache->count - 1));
        cache->count--;
    }
}

void cache_trim(struct cache *cache, uint64_t keep)
{
    while (cache->count > 0 && cache->bytes > cache->bound && cache->first <= keep)
        drop_oldest(cache);
}

void cache_drop(struct cache *cache, uint64_t done)
{
    while (cache->count > 0 && cache->first <= done)
        drop_oldest(cache);
}
