#include "consumers/exhausted.h"

#include <stdlib.h>

#include "base/heap.h"

static struct bytes key_of(const void *item)
{
    const struct exhausted_entry *entry = item;

    return bytes_of(&entry->sequence, sizeof(entry->sequence));
}

void exhausted_init(struct exhausted *exhausted, uint64_t seed)
{
    table_init(&exhausted->table, key_of, seed);
    exhausted->lowest = UINT64_MAX;
}

void exhausted_deinit(struct exhausted *exhausted)
{
    struct exhausted_entry *entry;

    for (size_t at = 0; (entry = table_next(&exhausted->table, &at)) != NULL;)
        heap_give(entry);
    table_deinit(&exhausted->table);
}

void exhausted_add(struct exhausted *exhausted, uint64_t sequence, uint32_t deliveries)
{
    struct exhausted_entry *entry = HEAP_NEW(struct exhausted_entry);

    *entry = (struct exhausted_entry){sequence, deliveries};
    table_add(&exhausted->table, entry);
    if (sequence < exhausted->lowest)
        exhausted->lowest = sequence;
}

bool exhausted_has(const struct exhausted *exhausted, uint64_t sequence)
{
    return table_find(&exhausted->table, bytes_of(&sequence, sizeof(sequence))) != NULL;
}

bool exhausted_remove(struct exhausted *exhausted, uint64_t sequence)
{
    struct exhausted_entry *entry =
        table_remove(&exhausted->table, bytes_of(&sequence, sizeof(sequence)));

    if (entry == NULL)
        return false;
    heap_give(entry);
    return true;
}

uint64_t exhausted_lowest(struct exhausted *exhausted, uint64_t up_to)
{
    struct exhausted_entry *entry;

    if (exhausted->lowest > up_to)
        return 0;
    exhausted->lowest = UINT64_MAX;
    for (size_t at = 0; (entry = table_next(&exhausted->table, &at)) != NULL;)
        if (entry->sequence < exhausted->lowest)
            exhausted->lowest = entry->sequence;
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
    const struct exhausted_entry *entry;
    size_t count = 0;

    for (size_t at = 0; (entry = table_next(&exhausted->table, &at)) != NULL;)
        sorted[count++] = *entry;
    qsort(sorted, count, sizeof(*sorted), by_sequence);
    return sorted;
}
