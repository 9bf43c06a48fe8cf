#include "consumers/gather.h"

#include <stdlib.h>

#include "base/heap.h"

#define CAPACITY_FIRST 16u

void gather_deinit(struct gather *gather)
{
    heap_give(gather->runs);
    *gather = (struct gather){0};
}

void gather_clear(struct gather *gather)
{
    gather->count = 0;
    gather->disordered = false;
}

void gather_add(struct gather *gather, uint64_t sequence)
{
    uint64_t last = gather_last(gather);

    assert(sequence > 0);
    if (gather->count > 0 && sequence == last + 1) {
        gather_extend(gather, sequence);
        return;
    }
    if (sequence <= last)
        gather->disordered = true;
    if (gather->count == gather->capacity) {
        gather->capacity = gather->capacity == 0 ? CAPACITY_FIRST : gather->capacity * 2;
        gather->runs = heap_resize(gather->runs, gather->capacity * sizeof(*gather->runs));
    }
    gather->runs[gather->count++] = (struct run){sequence, sequence};
}

static int by_first(const void *a, const void *b)
{
    const struct run *left = a, *right = b;

    return (left->first > right->first) - (left->first < right->first);
}

void gather_sort(struct gather *gather)
{
    size_t to = 0;

    if (!gather->disordered)
        return;
    qsort(gather->runs, gather->count, sizeof(*gather->runs), by_first);
    for (size_t i = 1; i < gather->count; i++) {
        struct run *run = &gather->runs[to];

        if (gather->runs[i].first <= run->last + 1) {
            if (gather->runs[i].last > run->last)
                run->last = gather->runs[i].last;
        } else {
            gather->runs[++to] = gather->runs[i];
        }
    }
    gather->count = to + 1;
    gather->disordered = false;
}
