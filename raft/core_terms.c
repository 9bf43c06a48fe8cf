#include "raft/core_terms.h"

#include <assert.h>
#include <string.h>

#include "base/heap.h"

static void terms_check(const struct terms *terms)
{
    assert(terms->floor <= terms->last);
    assert((terms->count == 0) == (terms->floor == terms->last));
    assert(terms->count <= terms->capacity);
}

void terms_init(struct terms *terms, uint64_t floor, uint64_t floor_term)
{
    terms->floor = terms->last = floor;
    terms->floor_term = floor_term;
    terms->count = 0;
}

void terms_deinit(struct terms *terms)
{
    heap_give(terms->runs);
    *terms = (struct terms){0};
}

/* How many runs begin at or before `index`. */
static uint32_t runs_until(const struct terms *terms, uint64_t index)
{
    uint32_t low = 0, high = terms->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (terms->runs[middle].first <= index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t terms_at(const struct terms *terms, uint64_t index)
{
    if (index == terms->floor)
        return terms->floor_term;
    if (index < terms->floor || index > terms->last)
        return 0;
    return terms->runs[runs_until(terms, index) - 1].term;
}

uint64_t terms_last(const struct terms *terms)
{
    return terms->count == 0 ? terms->floor_term : terms->runs[terms->count - 1].term;
}

uint64_t terms_find(const struct terms *terms, uint64_t index, uint64_t term)
{
    if (index > terms->last)
        index = terms->last;
    for (uint32_t i = runs_until(terms, index); i > 0; i--) {
        const struct terms_run *run = &terms->runs[i - 1];

        if (run->term == 0)
            return 0;
        if (run->term <= term)
            return index;
        index = run->first - 1;
    }
    return index == terms->floor && terms->floor_term <= term ? index : 0;
}

static void add_run(struct terms *terms, uint64_t first, uint64_t term)
{
    if (terms->count == terms->capacity) {
        terms->capacity = terms->capacity == 0 ? 4 : terms->capacity * 2;
        terms->runs = heap_resize(terms->runs, terms->capacity * sizeof *terms->runs);
    }
    terms->runs[terms->count++] = (struct terms_run){first, term};
}

void terms_append(struct terms *terms, uint64_t index, uint64_t term)
{
    assert(index > terms->last);
    assert(term > 0);

    if (index > terms->last + 1)
        add_run(terms, terms->last + 1, 0);
    if (terms->count == 0 || terms->runs[terms->count - 1].term != term)
        add_run(terms, index, term);
    terms->last = index;
    terms_check(terms);
}

void terms_cut(struct terms *terms, uint64_t index)
{
    assert(index >= terms->floor);

    if (index >= terms->last)
        return;
    terms->count = runs_until(terms, index);
    terms->last = index;
    terms_check(terms);
}

static void drop_oldest(struct terms *terms, uint32_t count)
{
    terms->count -= count;
    memmove(terms->runs, terms->runs + count, terms->count * sizeof *terms->runs);
}

void terms_floor(struct terms *terms, uint64_t index, uint64_t term)
{
    uint32_t until;

    assert(index >= terms->floor);
    assert(index <= terms->last);

    until = runs_until(terms, index);
    terms->floor = index;
    terms->floor_term = term;
    if (index == terms->last) {
        terms->count = 0;
    } else if (until > 0) {
        /* The run that holds `index` may go on behind it. */
        if (until < terms->count && terms->runs[until].first == index + 1) {
            drop_oldest(terms, until);
        } else {
            drop_oldest(terms, until - 1);
            terms->runs[0].first = index + 1;
        }
    }
    terms_check(terms);
}

void terms_forget(struct terms *terms, uint64_t committed)
{
    uint32_t until;

    if (terms->count < 2 * TERMS_RUNS_KEPT)
        return;
    until = runs_until(terms, committed); /* the last of these may hold uncommitted entries */
    if (until <= TERMS_RUNS_KEPT + 1)
        return;
    drop_oldest(terms, until - TERMS_RUNS_KEPT - 1);
    terms->runs[0] = (struct terms_run){terms->floor + 1, 0};
    terms_check(terms);
}
