/*
 * map64: a hash map from any 64-bit key to a 64-bit value or a pointer. Open addressing, grows by
 * doubling, no tombstones (removal shifts back). The seed keeps a client who chooses keys from
 * choosing collisions.
 */
#ifndef BASE_MAP64_H
#define BASE_MAP64_H

#include "base/bytes.h"

union map64_value {
    uint64_t number;
    void *pointer;
};

struct map64_slot {
    uint64_t key;
    union map64_value value;
};

struct map64 {
    struct map64_slot *slots;
    uint64_t *used;  /* one bit per slot, since every key is a key */
    size_t capacity; /* 0 or a power of two from 64 */
    size_t count;
    uint64_t seed;
};

void map64_init(struct map64 *map, uint64_t seed);
void map64_deinit(struct map64 *map); /* forgets all; can be used again */

/* The value, to be read or changed, good until the next put or remove; NULL: absent. */
union map64_value *map64_find(const struct map64 *map, uint64_t key);
/* The value of the key, a zeroed new one if it was absent. The same promise. */
union map64_value *map64_put(struct map64 *map, uint64_t key);
/* False when it was absent; else *value is what it had (`value` may be NULL: nobody asks). */
bool map64_remove(struct map64 *map, uint64_t key, union map64_value *value);

/* The pointer of the key, NULL if absent: for maps of pointers that are never NULL. */
void *map64_pointer(const struct map64 *map, uint64_t key);

/*
 * Walks all in no order: for (size_t at = 0; (slot = map64_next(map, &at)) != NULL;)
 * Values may be changed meanwhile, the map not.
 */
struct map64_slot *map64_next(const struct map64 *map, size_t *at);

#endif
