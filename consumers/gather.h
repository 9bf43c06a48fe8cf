/*
 * gather: sequences of one turn, collected into runs and sorted when they are to be written.
 */
#ifndef CONSUMERS_GATHER_H
#define CONSUMERS_GATHER_H

#include "base/bytes.h"
#include "consumers/progress.h"

struct gather {
    struct run *runs;
    size_t count, capacity;
    bool disordered;
};

void gather_deinit(struct gather *gather);
void gather_clear(struct gather *gather);
void gather_add(struct gather *gather, uint64_t sequence);
/* Rising runs that neither touch nor overlap. */
void gather_sort(struct gather *gather);

/* The last sequence added, 0 if none. */
static inline uint64_t gather_last(const struct gather *gather)
{
    return gather->count == 0 ? 0 : gather->runs[gather->count - 1].last;
}

/* The last run reaches up to `sequence` now: whoever asks knows that what it spans may be in it. */
static inline void gather_extend(struct gather *gather, uint64_t sequence)
{
    assert(gather->count > 0);
    assert(sequence > gather->runs[gather->count - 1].last);
    gather->runs[gather->count - 1].last = sequence;
}

#endif
