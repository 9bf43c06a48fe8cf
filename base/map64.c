#include "base/map64.h"

#include "base/heap.h"

#define CAPACITY_FIRST 64u /* one word of bits */

void map64_init(struct map64 *map, uint64_t seed)
{
    *map = (struct map64){.seed = seed};
}

void map64_deinit(struct map64 *map)
{
    heap_give(map->slots);
    heap_give(map->used);
    map64_init(map, map->seed);
}

static bool used(const struct map64 *map, size_t place)
{
    return map->used[place / 64] >> (place % 64) & 1;
}

static void set_used(struct map64 *map, size_t place, bool is_used)
{
    uint64_t bit = UINT64_C(1) << (place % 64);

    if (is_used)
        map->used[place / 64] |= bit;
    else
        map->used[place / 64] &= ~bit;
}

static size_t home(const struct map64 *map, uint64_t key)
{
    return (size_t)bytes_hash(bytes_of(&key, sizeof(key)), map->seed) & (map->capacity - 1);
}

/* The place of `key`, or the empty one where it would go. There is one: the map is never full. */
static size_t probe(const struct map64 *map, uint64_t key)
{
    size_t place = home(map, key);

    while (used(map, place) && map->slots[place].key != key)
        place = (place + 1) & (map->capacity - 1);
    return place;
}

static void grow(struct map64 *map)
{
    struct map64 old = *map;
    struct map64_slot *slot;

    map->capacity = old.capacity == 0 ? CAPACITY_FIRST : old.capacity * 2;
    map->slots = heap_take(map->capacity * sizeof(*map->slots));
    map->used = heap_take(map->capacity / 8);
    for (size_t at = 0; (slot = map64_next(&old, &at)) != NULL;) {
        size_t place = probe(map, slot->key);

        map->slots[place] = *slot;
        set_used(map, place, true);
    }
    map64_deinit(&old);
}

union map64_value *map64_find(const struct map64 *map, uint64_t key)
{
    size_t place;

    if (map->count == 0)
        return NULL;
    place = probe(map, key);
    return used(map, place) ? &map->slots[place].value : NULL;
}

union map64_value *map64_put(struct map64 *map, uint64_t key)
{
    union map64_value *found = map64_find(map, key);
    size_t place;

    if (found != NULL)
        return found;
    /* At most three quarters full: probes stay short and one always ends. */
    if (map->count >= map->capacity / 4 * 3)
        grow(map);
    place = probe(map, key);
    assert(!used(map, place));
    map->slots[place] = (struct map64_slot){.key = key};
    set_used(map, place, true);
    map->count++;
    return &map->slots[place].value;
}

/* Moves up what was pushed past the gap, until nothing behind it belongs at or before it. */
static void close_gap(struct map64 *map, size_t gap)
{
    size_t mask = map->capacity - 1;

    for (size_t i = (gap + 1) & mask; used(map, i); i = (i + 1) & mask) {
        if (((i - home(map, map->slots[i].key)) & mask) >= ((i - gap) & mask)) {
            map->slots[gap] = map->slots[i];
            gap = i;
        }
    }
    set_used(map, gap, false);
}

bool map64_remove(struct map64 *map, uint64_t key, union map64_value *value)
{
    size_t place;

    if (map->count == 0)
        return false;
    place = probe(map, key);
    if (!used(map, place))
        return false;
    if (value != NULL)
        *value = map->slots[place].value;
    close_gap(map, place);
    map->count--;
    return true;
}

void *map64_pointer(const struct map64 *map, uint64_t key)
{
    union map64_value *value = map64_find(map, key);

    return value == NULL ? NULL : value->pointer;
}

struct map64_slot *map64_next(const struct map64 *map, size_t *at)
{
    for (; *at < map->capacity; (*at)++) {
        if (used(map, *at))
            return &map->slots[(*at)++];
    }
    return NULL;
}
