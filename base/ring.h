/*
 * ring: a queue of items of one size, in one block of memory that doubles up to a limit. Items are
 * copied in and out; pointers to items are good until the next push.
 */
#ifndef BASE_RING_H
#define BASE_RING_H

#include "base/bytes.h"

/* Embed it. Others read count. */
struct ring {
    uint8_t *at;
    size_t item_size;
    size_t capacity; /* in items: 0 or a power of two */
    size_t first;    /* the place of the oldest */
    size_t count;
    size_t limit; /* count never passes it */
};

/* `item_size` > 0. */
void ring_init(struct ring *ring, size_t item_size, size_t limit);
void ring_deinit(struct ring *ring);
/* Empty, memory kept. */
void ring_clear(struct ring *ring);

/* A new zeroed item at the end, to be filled in place; NULL at the limit, then nothing changed. */
void *ring_push(struct ring *ring);
/* The same at the front: for what was taken out and could not be done. */
void *ring_push_front(struct ring *ring);

/* The oldest item, NULL when empty. */
void *ring_first(const struct ring *ring);
/* The item `index` places behind the oldest; index < count. */
void *ring_at(const struct ring *ring, size_t index);

/* Drops the oldest; there must be one. */
void ring_drop(struct ring *ring);
/* Copies the oldest to `item` and drops it; false when empty. */
bool ring_pop(struct ring *ring, void *item);

#endif
