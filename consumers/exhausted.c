#include "consumers/exhausted.h"

#include <stdlib.h>

#include "base/heap.h"

void exhausted_init(struct exhausted *exhausted, uint64_t seed)
{
    map64_init(&exhausted->map, seed);
    exhausted->lowest = UINT64_MAX;
}

void exhausted_deinit(struct exhausted *exhausted)
{
    map64_deinit(&exhausted->map);
}

void exhausted_add(struct exhausted *exhausted, uint64_t sequence, uint32_t deliveries)
{
    assert(!exhausted_has(exhausted, sequence));
    map64_put(&exhausted->map, sequence)->number = deliveries;
    if (sequence < exhausted->lowest)
        exhausted->lowest = sequence;
}

uint32_t exhausted_deliveries(const struct exhausted *exhausted, uint64_t sequence)
{
    const union map64_value *value =
        exhausted->map.count > 0 ? map64_find(&exhausted->map, sequence) : NULL;

    return value != NULL ? (uint32_t)value->number : 0;
}

bool exhausted_has(const struct exhausted *exhausted, uint64_t sequence)
{
    return exhausted->map.count > 0 && map64_find(&exhausted->map, sequence) != NULL;
}

bool exhausted_remove(struct exhausted *exhausted, uint64_t sequence)
{
    return map64_remove(&exhausted->map, sequence, NULL);
}

uint64_t exhausted_lowest(struct exhausted *exhausted, uint64_t up_to)
{
    const struct map64_slot *slot;

    if (exhausted->lowest > up_to)
        return 0;
    exhausted->lowest = UINT64_MAX;
    for (size_t at = 0; (slot = map64_next(&exhausted->map, &at)) != NULL;)
        if (slot->key < exhausted->lowest)
            exhausted->lowest = slot->key;
    return exhausted->lowest <= up_to ? exhausted->lowest : 0;
}

static int by_sequence(const void *a, const void *b)
{
    const struct exhausted_entry *left = a, *right = b;

    return (left->sequence > right->sequence) - (left->sequence < right->sequence);
}

struct exhausted_entry *exhausted_sorted(const struct exhausted *exhausted)
{
    struct exhausted_entry *sorted = heap_take(exhausted_count(exhausted) * sizeof(*sorted));
    const struct map64_slot *slot;
    size_t count = 0;

    for (size_t at = 0; (slot = map64_next(&exhausted->map, &at)) != NULL;)
        sorted[count++] = (struct exhausted_entry){slot->key, (uint32_t)slot->value.number};
    qsort(sorted, count, sizeof(*sorted), by_sequence);
    return sorted;
}
