#include "consumers/pending.h"

#include "base/heap.h"
#include "consumers/pending_order.h"

#define CAPACITY_FIRST 16u
#define CAPACITY_KEPT  4096u /* an empty map gives back more than this */
#define HOLES_IGNORED  64u   /* fewer are not worth moving anything */

void pending_init(struct pending *pending)
{
    *pending = (struct pending){0};
}

void pending_deinit(struct pending *pending)
{
    heap_give(pending->entries);
    heap_give(pending->heap);
    *pending = (struct pending){0};
}

/* What is true between any two calls. */
static void pending_check(const struct pending *pending)
{
    assert(pending->start <= pending->end);
    assert(pending->end <= pending->capacity);
    assert(pending->count <= pending->end - pending->start);
    assert((pending->count == 0) == (pending->start == pending->end));
    assert(pending->redelivered <= pending->count);
    assert(pending->settling <= pending->count);
    assert(pending->queued <= pending->count);
}

static void move_together(struct pending *pending)
{
    size_t to = 0;

    for (size_t from = pending->start; from < pending->end; from++) {
        if (!pending->entries[from].alive)
            continue;
        if (to != from) {
            pending->entries[to] = pending->entries[from];
            pending_order_moved(pending, (uint32_t)from + 1, (uint32_t)to + 1);
        }
        to++;
    }
    assert(to == pending->count);
    pending->start = 0;
    pending->end = to;
}

static void make_room(struct pending *pending)
{
    size_t capacity = pending->capacity;

    move_together(pending);
    if (capacity > 0 && pending->end <= capacity / 2)
        return; /* as many adds as were moved come before the next time */
    capacity = capacity == 0 ? CAPACITY_FIRST : capacity * 2;
    pending->entries = heap_resize(pending->entries, capacity * sizeof(*pending->entries));
    pending->capacity = capacity;
}

uint32_t pending_add(struct pending *pending, uint64_t sequence, uint64_t consumer_sequence,
                     uint32_t deliveries, int64_t time_ns)
{
    assert(sequence > 0);
    assert(pending->count < PENDING_MAX);
    assert(consumer_sequence <= PENDING_CONSUMER_MAX);
    assert(pending->count == 0 || sequence > pending->entries[pending->end - 1].sequence);

    if (pending->end == pending->capacity)
        make_room(pending);
    pending->entries[pending->end++] = (struct pending_entry){
        .sequence = sequence,
        .consumer_sequence = consumer_sequence,
        .time_ns = time_ns,
        .deliveries = deliveries,
        .alive = true,
        .deadline = PENDING_DEADLINE_MAX + 1,
    };
    pending->count++;
    pending->redelivered += deliveries > 1;
    pending_check(pending);
    return (uint32_t)pending->end;
}

static void close_holes(struct pending *pending)
{
    size_t capacity = 2 * pending->count + CAPACITY_FIRST;

    move_together(pending);
    if (pending->capacity > CAPACITY_KEPT && capacity < pending->capacity / 4) {
        pending->entries = heap_resize(pending->entries, capacity * sizeof(*pending->entries));
        pending->capacity = capacity;
    }
}

static void emptied(struct pending *pending)
{
    assert(pending->heap_count == 0);
    pending->start = 0;
    pending->end = 0;
    if (pending->capacity > CAPACITY_KEPT) {
        heap_give(pending->entries);
        pending->entries = NULL;
        pending->capacity = 0;
    }
}

void pending_remove(struct pending *pending, uint32_t place)
{
    struct pending_entry *entry = pending_entry(pending, place);

    assert(entry->alive);
    pending_idle(pending, place);
    pending->redelivered -= entry->deliveries > 1;
    pending->settling -= entry->settling;
    pending->count--;
    entry->alive = false;

    /* Neither end is ever a hole: the first is the floor, the last bounds what may be added. */
    while (pending->start < pending->end && !pending->entries[pending->start].alive)
        pending->start++;
    while (pending->end > pending->start && !pending->entries[pending->end - 1].alive)
        pending->end--;
    if (pending->count == 0)
        emptied(pending);
    else if (pending->end - pending->start > 4 * pending->count + HOLES_IGNORED)
        close_holes(pending);
    pending_check(pending);
}

void pending_delivered(struct pending *pending, uint32_t place, int64_t time_ns)
{
    struct pending_entry *entry = pending_entry(pending, place);

    assert(entry->alive);
    pending->redelivered += entry->deliveries == 1;
    if (entry->deliveries < UINT32_MAX)
        entry->deliveries++;
    entry->time_ns = time_ns;
    entry->delayed = false;
}

void pending_undelivered(struct pending *pending, uint32_t place)
{
    struct pending_entry *entry = pending_entry(pending, place);

    assert(entry->alive);
    pending->redelivered -= entry->deliveries == 2;
    entry->deliveries -= entry->deliveries > 0;
}

void pending_settle(struct pending *pending, uint32_t place, bool settling)
{
    struct pending_entry *entry = pending_entry(pending, place);

    if (settling)
        pending_idle(pending, place);
    pending->settling += (uint64_t)settling - entry->settling;
    entry->settling = settling;
    entry->exhausting = false;
    pending_check(pending);
}

uint32_t pending_at_or_after(const struct pending *pending, uint64_t sequence)
{
    size_t low = pending->start, high = pending->end;

    if (pending->count == 0 || sequence > pending->entries[high - 1].sequence)
        return 0;
    if (sequence <= pending->entries[low].sequence)
        return (uint32_t)low + 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (pending->entries[middle].sequence >= sequence)
            high = middle;
        else
            low = middle + 1;
    }
    while (!pending->entries[low].alive)
        low++; /* ends: the last one lives and is not below */
    return (uint32_t)low + 1;
}

uint32_t pending_find(const struct pending *pending, uint64_t sequence)
{
    uint64_t distance;
    uint32_t place;

    if (pending->count == 0 || sequence < pending->entries[pending->start].sequence)
        return 0;
    distance = sequence - pending->entries[pending->start].sequence;
    if (distance < pending->end - pending->start &&
        pending->entries[pending->start + distance].sequence == sequence)
        place = (uint32_t)(pending->start + distance) + 1;
    else
        place = pending_at_or_after(pending, sequence);
    if (place == 0 || pending_entry(pending, place)->sequence != sequence)
        return 0;
    return pending_entry(pending, place)->alive ? place : 0;
}

uint32_t pending_first(const struct pending *pending)
{
    return pending->count == 0 ? 0 : (uint32_t)pending->start + 1;
}

uint32_t pending_after(const struct pending *pending, uint32_t place)
{
    for (size_t at = place; at < pending->end; at++)
        if (pending->entries[at].alive)
            return (uint32_t)at + 1;
    return 0;
}
