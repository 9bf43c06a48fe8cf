#include "server/resolver/jwt_cache.h"

#include "base/heap.h"

struct jwt_cached {
    struct jwt_cached *older, *newer;
    int64_t until_ns;
    char name[NKEY_TEXT_SIZE];
};

static struct bytes key_of(const void *item)
{
    return bytes_of(((const struct jwt_cached *)item)->name, NKEY_TEXT_SIZE);
}

/* ---- the order ------------------------------------------------------------------------------ */

static void link_newest(struct jwt_cache *cache, struct jwt_cached *cached)
{
    cached->older = cache->newest;
    cached->newer = NULL;
    if (cache->newest != NULL)
        cache->newest->newer = cached;
    else
        cache->oldest = cached;
    cache->newest = cached;
}

static void unlink_it(struct jwt_cache *cache, struct jwt_cached *cached)
{
    if (cached->older != NULL)
        cached->older->newer = cached->newer;
    else
        cache->oldest = cached->newer;
    if (cached->newer != NULL)
        cached->newer->older = cached->older;
    else
        cache->newest = cached->older;
}

static void take_out(struct jwt_cache *cache, struct jwt_cached *cached)
{
    (void)table_remove(&cache->all, key_of(cached)); /* it is there */
    unlink_it(cache, cached);
    heap_give(cached);
    assert((cache->all.count == 0) == (cache->oldest == NULL));
    assert((cache->oldest == NULL) == (cache->newest == NULL));
}

/* ---- all of them ---------------------------------------------------------------------------- */

void jwt_cache_init(struct jwt_cache *cache, size_t limit, uint64_t seed)
{
    assert(limit > 0);
    *cache = (struct jwt_cache){.limit = limit};
    table_init(&cache->all, key_of, seed);
}

void jwt_cache_deinit(struct jwt_cache *cache)
{
    while (cache->oldest != NULL)
        take_out(cache, cache->oldest);
    table_deinit(&cache->all);
}

/* ---- one of them ---------------------------------------------------------------------------- */

void jwt_cache_put(struct jwt_cache *cache, struct bytes name, int64_t until_ns)
{
    struct jwt_cached *cached = table_find(&cache->all, name);

    assert(name.size == NKEY_TEXT_SIZE);
    if (cached != NULL) {
        unlink_it(cache, cached);
    } else {
        cached = HEAP_NEW(struct jwt_cached);
        memcpy(cached->name, name.at, NKEY_TEXT_SIZE);
        table_add(&cache->all, cached);
    }
    cached->until_ns = until_ns;
    link_newest(cache, cached);
}

void jwt_cache_drop(struct jwt_cache *cache, struct bytes name)
{
    struct jwt_cached *cached = table_find(&cache->all, name);

    if (cached != NULL)
        take_out(cache, cached);
}

bool jwt_cache_has(const struct jwt_cache *cache, struct bytes name)
{
    return table_find(&cache->all, name) != NULL;
}

/* ---- those that go -------------------------------------------------------------------------- */

bool jwt_cache_evict(struct jwt_cache *cache, char out[static NKEY_TEXT_SIZE])
{
    if (cache->all.count <= cache->limit)
        return false;
    memcpy(out, cache->oldest->name, NKEY_TEXT_SIZE);
    take_out(cache, cache->oldest);
    return true;
}

size_t jwt_cache_expire(struct jwt_cache *cache, int64_t now_ns, char (*out)[NKEY_TEXT_SIZE],
                        size_t room)
{
    struct jwt_cached *cached = cache->oldest, *newer;
    size_t count = 0;

    for (; cached != NULL && count < room; cached = newer) {
        newer = cached->newer;
        if (cached->until_ns > now_ns)
            continue;
        memcpy(out[count++], cached->name, NKEY_TEXT_SIZE);
        take_out(cache, cached);
    }
    return count;
}
