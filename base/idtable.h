/*
 * idtable: ids that are not 0, found by a 32-bit hash. It knows no keys: whoever looks compares
 * what the ids of that hash stand for, of which nearly always there is one at most. A slot is 8
 * bytes.
 *
 * Slots stand in pages. The first bits of a hash say which page, by a directory of them; the last
 * bits where in it. A full page doubles up to 4 KiB and is then split in two by one more bit, so
 * that nothing is ever done to more than one page, however large the table is: no add takes longer
 * than some microseconds, but for the directory, which doubles: it has 16 bytes to a page. A page
 * that is nearly empty shrinks again; an empty table that was large has no memory.
 *
 * Hashes are to be keyed where a client chooses what is hashed: pages that a key cannot split are
 * merely long.
 */
#ifndef BASE_IDTABLE_H
#define BASE_IDTABLE_H

#include "base/bytes.h"

struct idtable_slot {
    uint32_t hash;
    uint32_t id; /* 0: empty */
};

/* All that is known of a page but for its slots stands in the directory, which stays in the
 * processor's caches as long as anything does: a look misses them once. */
struct idtable_entry {
    struct idtable_slot *slots;
    uint32_t count; /* in the first of the entries of one page; the others do not say */
    uint8_t depth;  /* so many first bits all hashes in the page have in common */
    uint8_t bits;   /* of a slot's place */
};

/* A table of zeros is an empty one. */
struct idtable {
    struct idtable_entry *entries; /* by the first bits; a page may stand in several */
    uint32_t count;
    uint8_t depth; /* how many bits; without pages 0 */
};

void idtable_deinit(struct idtable *table); /* it can be used again */

/* The id is not in it under that hash. */
void idtable_add(struct idtable *table, uint32_t hash, uint32_t id);
/* It is. */
void idtable_remove(struct idtable *table, uint32_t hash, uint32_t id);

/* The ids of a hash:
 * for (struct idtable_look look = idtable_look(table, hash); (id = idtable_like(&look)) != 0;)
 * The table must not change meanwhile. */
struct idtable_look {
    const struct idtable_slot *slots; /* NULL: there are none */
    uint32_t hash;
    uint32_t mask;
    uint32_t at;
};

static inline struct idtable_look idtable_look(const struct idtable *table, uint32_t hash)
{
    struct idtable_look look = {.hash = hash, .at = hash};

    if (table->entries != NULL) {
        const struct idtable_entry *entry = &table->entries[(uint64_t)hash << table->depth >> 32];

        look.slots = entry->slots;
        look.mask = (1u << entry->bits) - 1;
    }
    return look;
}

static inline uint32_t idtable_like(struct idtable_look *look)
{
    if (look->slots == NULL)
        return 0;
    for (;;) {
        const struct idtable_slot *slot = &look->slots[look->at++ & look->mask];

        if (slot->id == 0 || slot->hash == look->hash)
            return slot->id;
    }
}

/* Walks all ids in no order: for (uint64_t at = 0; (id = idtable_next(table, &at)) != 0;)
 * The table must not change meanwhile. */
uint32_t idtable_next(const struct idtable *table, uint64_t *at);

#endif
