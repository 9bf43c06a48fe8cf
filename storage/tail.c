#include "storage/tail.h"

#include "base/heap.h"

#define CAPACITY_FIRST 4u

static uint32_t place(const struct tail *tail, uint32_t number)
{
    return (tail->begin + number) & (tail->capacity - 1);
}

static void grow(struct tail *tail)
{
    uint32_t capacity = tail->capacity > 0 ? 2 * tail->capacity : CAPACITY_FIRST;
    struct tail_entry *at = heap_resize(NULL, capacity * sizeof at[0]);

    for (uint32_t i = 0; i < tail->count; i++)
        at[i] = tail->at[place(tail, i)];
    heap_give(tail->at);
    tail->at = at;
    tail->capacity = capacity;
    tail->begin = 0;
}

void tail_begin(struct tail *tail, uint64_t index, struct tail_entry entry)
{
    if (tail->capacity == 0)
        grow(tail);
    tail->begin = 0;
    tail->count = 1;
    tail->last = index;
    tail->at[0] = entry;
}

void tail_deinit(struct tail *tail)
{
    heap_give(tail->at);
    *tail = (struct tail){};
}

void tail_add(struct tail *tail, struct tail_entry entry)
{
    assert(tail->count > 0);
    if (tail->count == TAIL_MAX)
        tail_forget(tail, tail_first(tail) + 1);
    if (tail->count == tail->capacity)
        grow(tail);
    tail->at[place(tail, tail->count++)] = entry;
    tail->last++;
}

void tail_lose(struct tail *tail, uint64_t index, struct tail_entry entry)
{
    assert(index > tail->last);
    if (index - tail->last > TAIL_MAX) {
        tail_begin(tail, index, entry);
        return;
    }
    while (tail->last + 1 < index)
        tail_add(tail, (struct tail_entry){.term = entry.term});
    tail_add(tail, entry);
}

uint64_t tail_first(const struct tail *tail)
{
    return tail->last + 1 - tail->count;
}

const struct tail_entry *tail_at(const struct tail *tail, uint64_t index)
{
    assert(index >= tail_first(tail));
    assert(index <= tail->last);
    return &tail->at[place(tail, (uint32_t)(index - tail_first(tail)))];
}

void tail_cut(struct tail *tail, uint64_t index)
{
    assert(index >= tail_first(tail));
    assert(index <= tail->last);
    tail->count -= (uint32_t)(tail->last - index);
    tail->last = index;
}

void tail_forget(struct tail *tail, uint64_t index)
{
    uint64_t first = tail_first(tail);
    uint32_t gone;

    if (index <= first)
        return;
    if (index > tail->last)
        index = tail->last;
    gone = (uint32_t)(index - first);
    tail->begin = place(tail, gone);
    tail->count -= gone;
}
