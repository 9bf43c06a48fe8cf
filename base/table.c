#include "base/table.h"

#include "base/heap.h"

#define CAPACITY_FIRST 16u

void table_init(struct table *table, table_key_fn *key, uint64_t seed)
{
    assert(key != NULL);
    *table = (struct table){.key = key, .seed = seed};
}

void table_deinit(struct table *table)
{
    heap_give(table->slots);
    *table = (struct table){.key = table->key, .seed = table->seed};
}

/* The slot of `key`, or the empty one where it would go. There is one: the table is never full. */
static struct table_slot *probe(const struct table *table, struct bytes key, uint64_t hash)
{
    size_t mask = table->capacity - 1;

    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        struct table_slot *slot = &table->slots[i];

        if (slot->item == NULL)
            return slot;
        if (slot->hash == hash && bytes_equal(table->key(slot->item), key))
            return slot;
    }
}

void *table_find(const struct table *table, struct bytes key)
{
    if (table->count == 0)
        return NULL;
    return probe(table, key, bytes_hash(key, table->seed))->item;
}

static void place(struct table *table, struct table_slot moved)
{
    size_t mask = table->capacity - 1;
    size_t i = (size_t)moved.hash & mask;

    while (table->slots[i].item != NULL)
        i = (i + 1) & mask;
    table->slots[i] = moved;
}

static void grow(struct table *table)
{
    struct table_slot *old = table->slots;
    size_t old_capacity = table->capacity;

    table->capacity = old_capacity == 0 ? CAPACITY_FIRST : old_capacity * 2;
    table->slots = heap_take(table->capacity * sizeof(*table->slots));
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].item != NULL)
            place(table, old[i]);
    }
    heap_give(old);
}

void table_add(struct table *table, void *item)
{
    struct table_slot *slot;
    struct bytes key;
    uint64_t hash;

    assert(item != NULL);
    /* At most three quarters full: probes stay short and one always ends. */
    if (table->count >= table->capacity / 4 * 3)
        grow(table);

    key = table->key(item);
    hash = bytes_hash(key, table->seed);
    slot = probe(table, key, hash);
    assert(slot->item == NULL);
    *slot = (struct table_slot){.hash = hash, .item = item};
    table->count++;
}

/* Moves up what was pushed past the gap, until nothing behind it belongs at or before it. */
static void close_gap(struct table *table, size_t gap)
{
    size_t mask = table->capacity - 1;

    for (size_t i = (gap + 1) & mask; table->slots[i].item != NULL; i = (i + 1) & mask) {
        size_t home = (size_t)table->slots[i].hash & mask;

        if (((i - home) & mask) >= ((i - gap) & mask)) {
            table->slots[gap] = table->slots[i];
            gap = i;
        }
    }
    table->slots[gap] = (struct table_slot){0};
}

void *table_remove(struct table *table, struct bytes key)
{
    struct table_slot *slot;
    void *item;

    if (table->count == 0)
        return NULL;
    slot = probe(table, key, bytes_hash(key, table->seed));
    item = slot->item;
    if (item == NULL)
        return NULL;
    close_gap(table, (size_t)(slot - table->slots));
    table->count--;
    return item;
}

void *table_next(const struct table *table, size_t *at)
{
    while (*at < table->capacity) {
        void *item = table->slots[(*at)++].item;

        if (item != NULL)
            return item;
    }
    return NULL;
}
