/*
 * Results that are kept: by literal subject, and by stem.
 */
#include "base/heap.h"
#include "server/router/sublist_priv.h"
#include "server/router/sublist_stem.h"

#define CACHE_FIRST   64u
#define SEEN_CAPACITY 8192u /* power of two */

static bool cached_is(const struct sublist *list, const struct match_cached *cached,
                      struct bytes subject)
{
    return cached->generation == list->generation &&
           bytes_equal(bytes_of(cached->subject, cached->subject_size), subject);
}

void sublist_cache_deinit(struct sublist *list)
{
    for (size_t i = 0; i < list->cache_capacity; i++) {
        heap_give(list->cache[i].subject);
        match_deinit(&list->cache[i].match);
    }
    heap_give(list->cache);
    list->last = NULL;
}

static void cache_resize(struct sublist *list, size_t capacity)
{
    sublist_cache_deinit(list);
    list->cache = heap_take(capacity * sizeof(*list->cache));
    list->cache_capacity = capacity;
    list->cache_evicted = 0;
}

/* Is this the second time that the subject is looked for and not found? Forgets by overwriting. */
static bool seen_before(struct sublist *list, uint64_t hash)
{
    uint32_t *seen;

    if (list->seen == NULL)
        list->seen = heap_take(SEEN_CAPACITY * sizeof(*list->seen));
    seen = &list->seen[(hash >> 32) & (SEEN_CAPACITY - 1)];
    if (*seen == (uint32_t)hash)
        return true;
    *seen = (uint32_t)hash;
    return false;
}

static const struct match *cache_add(struct sublist *list, struct bytes subject, uint64_t hash)
{
    struct match_cached *cached;

    if (list->cache_capacity == 0)
        cache_resize(list, CACHE_FIRST);
    if (list->cache_evicted >= list->cache_capacity && list->cache_capacity < SUBLIST_CACHE_MAX)
        cache_resize(list, list->cache_capacity * 2);

    cached = &list->cache[hash & (list->cache_capacity - 1)];
    if (cached->generation == list->generation)
        list->cache_evicted++;
    cached->subject =
        match_grown(cached->subject, &cached->subject_capacity, (uint32_t)subject.size, 1);
    memcpy(cached->subject, subject.at, subject.size);
    cached->subject_size = (uint32_t)subject.size;
    cached->generation = list->generation;
    match_copy(&cached->match, &list->scratch);
    list->last = cached;
    return &cached->match;
}

/* ---- stems ---------------------------------------------------------------------------------- */

void sublist_stems_deinit(struct sublist *list)
{
    for (size_t i = 0; list->stems != NULL && i < STEMS_MAX; i++)
        match_deinit(&list->stems[i].match);
    heap_give(list->stems);
}

static const struct match *stem_find(const struct sublist *list, struct bytes subject)
{
    for (size_t i = 0; list->stems != NULL && i < STEMS_MAX; i++) {
        const struct stem *stem = &list->stems[i];

        if (stem->generation == list->generation && stem_takes(stem, subject))
            return &stem->match;
    }
    return NULL;
}

/* The one that is like it, which is out of date, or else the oldest. */
static struct stem *stem_place(struct sublist *list, const struct stem *like)
{
    if (list->stems == NULL)
        list->stems = heap_take(STEMS_MAX * sizeof(*list->stems));
    for (size_t i = 0; i < STEMS_MAX; i++)
        if (stem_same(&list->stems[i], like))
            return &list->stems[i];
    return &list->stems[list->stem_next++ % STEMS_MAX];
}

/* The result that was just built depends on the first `depth` tokens and on how many there are,
 * unless a filter is literally a subject that begins so. */
static void stem_remember(struct sublist *list, struct bytes subject, uint32_t depth)
{
    struct stem stem, *place;

    if (list->scratch.sets_count == 0 || !stem_cut(&stem, subject, depth) ||
        *sublist_head(list, subject) > 0)
        return;
    place = stem_place(list, &stem);
    stem.generation = list->generation;
    stem.match = place->match; /* its memory */
    match_copy(&stem.match, &list->scratch);
    *place = stem;
}

/* One that is not the last one again. */
[[gnu::noinline]] static const struct match *match_another(struct sublist *list,
                                                           struct bytes subject)
{
    struct match_cached *cached;
    const struct match *match;
    uint32_t depth;
    uint64_t hash;

    match = stem_find(list, subject);
    if (match != NULL)
        return match;
    hash = sublist_text_hash(list, subject);
    if (list->cache_capacity > 0) {
        cached = &list->cache[hash & (list->cache_capacity - 1)];
        if (cached_is(list, cached, subject)) {
            list->last = cached;
            return &cached->match;
        }
    }
    sublist_lock(list);
    match_build(list, &list->scratch, subject, hash);
    depth = list->found_depth;
    sublist_unlock(list);
    stem_remember(list, subject, depth);
    if (subject.size == 0 || subject.size > SUBLIST_SUBJECT_MAX ||
        list->scratch.sets_count > SUBLIST_SETS_MAX || !seen_before(list, hash))
        return &list->scratch;
    return cache_add(list, subject, hash);
}

const struct match *sublist_match(struct sublist *list, struct bytes subject)
{
    const struct match_cached *cached = list->last;

    list->asked++;
    if (cached != NULL && cached_is(list, cached, subject))
        return &cached->match;
    return match_another(list, subject);
}
