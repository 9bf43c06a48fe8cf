#include "server/router/elsewhere.h"

#include "base/heap.h"

#define GROUPS_FIRST 4u

void elsewhere_init(struct elsewhere_cache *cache, struct account_family *family, unsigned self,
                    uint64_t seed)
{
    assert(self < family->count);
    *cache = (struct elsewhere_cache){.family = family, .self = self, .seed = seed};
}

void elsewhere_deinit(struct elsewhere_cache *cache)
{
    for (size_t i = 0; i < ELSEWHERE_CACHE && cache->kept != NULL; i++) {
        heap_give(cache->kept[i].groups);
        buf_deinit(&cache->kept[i].names);
        buf_deinit(&cache->kept[i].subject);
    }
    heap_give(cache->kept);
    match_deinit(&cache->scratch);
}

/* ---- looking -------------------------------------------------------------------------------- */

struct look {
    struct elsewhere *into;
    unsigned shard;
};

const struct elsewhere_group *elsewhere_group(const struct elsewhere *elsewhere, struct bytes name)
{
    for (uint32_t i = 0; i < elsewhere->groups_count; i++) {
        const struct elsewhere_group *group = &elsewhere->groups[i];

        if (bytes_equal(elsewhere_name(elsewhere, group), name))
            return group;
    }
    return NULL;
}

bool elsewhere_stream(const struct elsewhere *elsewhere, unsigned *shard)
{
    if (elsewhere->sinks == 0)
        return false;
    *shard = (unsigned)__builtin_ctzll(elsewhere->sinks);
    return true;
}

static struct elsewhere_group *group_add(struct elsewhere *elsewhere, struct bytes name)
{
    struct elsewhere_group *group;

    if (elsewhere->groups_count == elsewhere->groups_capacity) {
        elsewhere->groups_capacity =
            elsewhere->groups_capacity == 0 ? GROUPS_FIRST : elsewhere->groups_capacity * 2;
        elsewhere->groups =
            heap_resize(elsewhere->groups, elsewhere->groups_capacity * sizeof(*elsewhere->groups));
    }
    group = &elsewhere->groups[elsewhere->groups_count++];
    *group = (struct elsewhere_group){
        .name_at = (uint32_t)elsewhere->names.size,
        .name_size = (uint32_t)name.size,
    };
    (void)buf_add(&elsewhere->names, name); /* it has no limit */
    return group;
}

static void see(void *context, const struct match *match)
{
    struct look *look = context;

    if (match->plain_count > 0)
        look->into->plain |= UINT64_C(1) << look->shard;
    for (uint32_t i = 0; i < match->plain_count; i++) {
        unsigned kind = match->sets[i]->kind;

        if (kind == SUB_SINK || kind == SUB_GUEST)
            look->into->sinks |= UINT64_C(1) << look->shard;
        if (kind != SUB_SINK)
            look->into->others |= UINT64_C(1) << look->shard;
    }
    for (uint32_t i = 0; i < match->group_count; i++) {
        const struct match_group *from = &match->groups[i];
        struct bytes name = sub_set_queue(match->sets[from->first]);
        struct elsewhere_group *group = (struct elsewhere_group *)elsewhere_group(look->into, name);

        if (group == NULL)
            group = group_add(look->into, name);
        group->members += from->members;
        group->shards[look->shard] += from->members;
    }
}

/* The counter is read first: what changes meanwhile is looked for again. */
static void look_all(struct elsewhere_cache *cache, struct elsewhere *into, struct bytes subject,
                     uint64_t news)
{
    struct account_family *family = cache->family;
    struct look look = {.into = into};

    into->plain = 0;
    into->sinks = 0;
    into->others = 0;
    into->groups_count = 0;
    into->news = news;
    buf_clear(&into->names);
    buf_clear(&into->subject);
    (void)buf_add(&into->subject, subject); /* it has no limit */
    for (unsigned i = 0; i < family->count; i++) {
        look.shard = i;
        if (i != cache->self)
            sublist_look(&family->members[i]->subs, subject, &cache->scratch, see, &look);
    }
}

static bool is_of(const struct elsewhere *elsewhere, uint64_t news, struct bytes subject)
{
    return elsewhere->news == news && bytes_equal(buf_bytes(&elsewhere->subject), subject);
}

static void make_room(struct elsewhere_cache *cache)
{
    cache->kept = heap_take(ELSEWHERE_CACHE * sizeof(*cache->kept));
    for (size_t i = 0; i < ELSEWHERE_CACHE; i++) {
        buf_init(&cache->kept[i].names, SIZE_MAX / 2);
        buf_init(&cache->kept[i].subject, SIZE_MAX / 2);
    }
}

const struct elsewhere *elsewhere_look(struct elsewhere_cache *cache, struct bytes subject)
{
    uint64_t news = atomic_load(&cache->family->news);
    struct elsewhere *kept = cache->last;

    if (kept != NULL && is_of(kept, news, subject))
        return kept;
    if (cache->kept == NULL)
        make_room(cache);
    kept = &cache->kept[bytes_hash(subject, cache->seed) & (ELSEWHERE_CACHE - 1)];
    if (!is_of(kept, news, subject))
        look_all(cache, kept, subject, news);
    cache->last = kept;
    return kept;
}

struct bytes elsewhere_name(const struct elsewhere *elsewhere, const struct elsewhere_group *group)
{
    return bytes_of(elsewhere->names.at + group->name_at, group->name_size);
}

unsigned elsewhere_shard_at(const struct elsewhere_group *group, uint32_t place)
{
    unsigned shard = 0;

    assert(place < group->members);
    while (place >= group->shards[shard])
        place -= group->shards[shard++];
    return shard;
}

bool elsewhere_literal(const struct elsewhere_cache *cache, struct bytes subject,
                       struct bytes queue)
{
    for (unsigned i = 0; i < cache->family->count; i++)
        if (i != cache->self &&
            sublist_look_literal(&cache->family->members[i]->subs, subject, queue))
            return true;
    return false;
}
