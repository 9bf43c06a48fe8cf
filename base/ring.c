#include "base/ring.h"

#include "base/heap.h"

#define CAPACITY_FIRST 8u

static void check(const struct ring *ring)
{
    assert(ring->count <= ring->capacity);
    assert(ring->count <= ring->limit);
    assert(ring->capacity == 0 || ring->first < ring->capacity);
}

void ring_init(struct ring *ring, size_t item_size, size_t limit)
{
    assert(item_size > 0);
    *ring = (struct ring){.item_size = item_size, .limit = limit};
}

void ring_deinit(struct ring *ring)
{
    heap_give(ring->at);
    ring_init(ring, ring->item_size, ring->limit);
}

void ring_clear(struct ring *ring)
{
    ring->first = 0;
    ring->count = 0;
}

static uint8_t *slot(const struct ring *ring, size_t place)
{
    return ring->at + (place & (ring->capacity - 1)) * ring->item_size;
}

/* The items move to the start of the new memory in order. */
static void grow(struct ring *ring)
{
    size_t capacity = ring->capacity == 0 ? CAPACITY_FIRST : ring->capacity * 2;
    size_t until_end = ring->capacity - ring->first;
    uint8_t *at;

    assert(ring->count == ring->capacity);
    assert(capacity <= SIZE_MAX / ring->item_size);
    at = heap_resize(NULL, capacity * ring->item_size);
    if (ring->count > 0) {
        memcpy(at, slot(ring, ring->first), until_end * ring->item_size);
        memcpy(at + until_end * ring->item_size, ring->at, ring->first * ring->item_size);
    }
    heap_give(ring->at);
    ring->at = at;
    ring->capacity = capacity;
    ring->first = 0;
}

static bool make_room(struct ring *ring)
{
    check(ring);
    if (ring->count == ring->limit)
        return false;
    if (ring->count == ring->capacity)
        grow(ring);
    ring->count++;
    return true;
}

void *ring_push(struct ring *ring)
{
    if (!make_room(ring))
        return NULL;
    return memset(ring_at(ring, ring->count - 1), 0, ring->item_size);
}

void *ring_push_front(struct ring *ring)
{
    if (!make_room(ring))
        return NULL;
    ring->first = (ring->first - 1) & (ring->capacity - 1);
    return memset(ring_at(ring, 0), 0, ring->item_size);
}

void *ring_first(const struct ring *ring)
{
    return ring->count == 0 ? NULL : ring_at(ring, 0);
}

void *ring_at(const struct ring *ring, size_t index)
{
    assert(index < ring->count);
    return slot(ring, ring->first + index);
}

void ring_drop(struct ring *ring)
{
    assert(ring->count > 0);
    ring->first = (ring->first + 1) & (ring->capacity - 1);
    ring->count--;
    check(ring);
}

bool ring_pop(struct ring *ring, void *item)
{
    if (ring->count == 0)
        return false;
    memcpy(item, ring_at(ring, 0), ring->item_size);
    ring_drop(ring);
    return true;
}
