#include "server/stream/lost.h"

#include <string.h>

#include "base/heap.h"

void lost_deinit(struct lost *lost)
{
    heap_give(lost->at);
    *lost = (struct lost){0};
}

/* How many are below it. */
static size_t rank(const struct lost *lost, uint64_t sequence)
{
    size_t low = 0, high = lost->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (lost->at[middle] < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool lost_has(const struct lost *lost, uint64_t sequence)
{
    size_t at = rank(lost, sequence);

    return at < lost->count && lost->at[at] == sequence;
}

size_t lost_from(const struct lost *lost, uint64_t sequence)
{
    return rank(lost, sequence);
}

bool lost_remove(struct lost *lost, uint64_t sequence, uint64_t bytes)
{
    size_t at = rank(lost, sequence);

    if (at == lost->count || lost->at[at] != sequence)
        return false;
    lost->count--;
    memmove(&lost->at[at], &lost->at[at + 1], (lost->count - at) * sizeof lost->at[0]);
    lost->bytes -= bytes < lost->bytes ? bytes : lost->bytes;
    return true;
}

bool lost_add(struct lost *lost, uint64_t sequence, uint64_t bytes)
{
    size_t at = rank(lost, sequence);

    if (at < lost->count && lost->at[at] == sequence)
        return false;
    if (lost->count == LOST_MAX)
        return false;
    if (lost->count == lost->capacity) {
        lost->capacity = lost->capacity == 0 ? 16 : 2 * lost->capacity;
        lost->at = heap_resize(lost->at, lost->capacity * sizeof lost->at[0]);
    }
    if (at < lost->count)
        memmove(&lost->at[at + 1], &lost->at[at], (lost->count - at) * sizeof lost->at[0]);
    lost->at[at] = sequence;
    lost->count++;
    lost->bytes += bytes;
    return true;
}
