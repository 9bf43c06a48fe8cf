/*
 * table: a hash table from byte keys to items that carry their own key. Open addressing, grows by
 * doubling, no tombstones (removal shifts back). The table owns only its slots. The seed keeps a
 * client who chooses keys from choosing collisions.
 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include "base/bytes.h"

/* The key of an item, borrowed from it. */
typedef struct bytes table_key_fn(const void *item);

struct table_slot {
    uint64_t hash;
    void *item; /* NULL: empty */
};

struct table {
    struct table_slot *slots;
    size_t capacity; /* 0 or a power of two */
    size_t count;
    uint64_t seed;
    table_key_fn *key;
};

void table_init(struct table *table, table_key_fn *key, uint64_t seed);
void table_deinit(struct table *table); /* frees the slots, not the items */

void *table_find(const struct table *table, struct bytes key); /* NULL: absent */
/* The item's key must be absent (asserted). */
void table_add(struct table *table, void *item);
/* Returns the removed item, NULL if absent. */
void *table_remove(struct table *table, struct bytes key);

/*
 * Walks all items in no order: for (size_t at = 0; (item = table_next(table, &at)) != NULL;)
 * The table must not change meanwhile.
 */
void *table_next(const struct table *table, size_t *at);

#endif
