/*
 * exhausted: messages that were delivered as often as allowed and never acked. They are no longer
 * pending, but a late ack still counts, streams that keep messages until they are acked keep these,
 * and `num_redelivered` tells how many there are (reference consumers 6.6).
 */
#ifndef CONSUMERS_EXHAUSTED_H
#define CONSUMERS_EXHAUSTED_H

#include "base/map64.h"

struct exhausted_entry {
    uint64_t sequence;
    uint32_t deliveries;
};

struct exhausted {
    struct map64 map; /* sequence to deliveries */
    uint64_t lowest;  /* no entry is below */
};

void exhausted_init(struct exhausted *exhausted, uint64_t seed);
void exhausted_deinit(struct exhausted *exhausted);

/* `sequence` is not there. */
void exhausted_add(struct exhausted *exhausted, uint64_t sequence, uint32_t deliveries);
/* How often it was delivered; 0: it is none of them. */
uint32_t exhausted_deliveries(const struct exhausted *exhausted, uint64_t sequence);
bool exhausted_has(const struct exhausted *exhausted, uint64_t sequence);
/* False: it was not there. */
bool exhausted_remove(struct exhausted *exhausted, uint64_t sequence);
/* The lowest sequence if it is <= up_to, else 0. Cheap while nothing is that low. */
uint64_t exhausted_lowest(struct exhausted *exhausted, uint64_t up_to);

static inline uint64_t exhausted_count(const struct exhausted *exhausted)
{
    return exhausted->map.count;
}

/* Copies all entries, by rising sequence; the caller gives it back (heap_give). */
struct exhausted_entry *exhausted_sorted(const struct exhausted *exhausted);

#endif
