/*
 * index_tags: a hash table from 32 bits of a subject's hash to its id, 8 bytes a slot, about 11 a
 * subject. Private to storage/index*.c. What has the same 32 bits is told apart by its owner.
 *
 * The table is many small ones, its parts, so that no turn pays for all: when there are more than
 * `mean` a part, one part is split in two, in order; when a part is four fifths full, it grows by a
 * quarter (linear hashing of parts, open addressing within). A part is in memory or lent
 * (index_memory.h), which is decided when it is made; the rest of them follow in turn:
 *
 *     low bits of the hash     which part      0 1 2 3 | 4 5      parts 0 and 1 have been split,
 *                                              ^round = 4         2 and 3 have twice as many
 *     high bits                where in it     hash * capacity / 2^32, then onwards
 *
 * A slot has all 32 bits, so nothing but the part itself is looked at when it is split, grows, or
 * closes a gap.
 */
#ifndef STORAGE_INDEX_TAGS_H
#define STORAGE_INDEX_TAGS_H

#include "storage/index_memory.h"

#define INDEX_TAGS_MEAN 1024u /* so that a part is seldom larger than a piece */

struct index_tag {
    uint32_t hash;
    uint32_t id_plus_1; /* 0: empty */
};

struct index_tags_part {
    struct index_tag *tags;
    uint32_t capacity;
    uint32_t count : 31;
    uint32_t lent : 1;
};

struct index_tags {
    struct index_tags_part *parts;
    uint32_t part_count, part_capacity;
    uint32_t round; /* part_count when this round of splits began, a power of two */
    uint64_t count;
    uint32_t mean;
    uint32_t hand; /* the part that may be lent next */
    struct index_memory memory;
};

void index_tags_init(struct index_tags *tags);
/* There are none yet. A mean below INDEX_TAGS_MEAN is for simulations. */
void index_tags_use(struct index_tags *tags, struct index_memory memory, uint32_t mean);
void index_tags_deinit(struct index_tags *tags); /* forgets all; can be used again */
/* Looks at some parts, in turn, until one is lent that was not. False: none was. */
bool index_tags_cool(struct index_tags *tags);

void index_tags_add(struct index_tags *tags, uint32_t hash, uint32_t id);
/* It is there (asserted). */
void index_tags_remove(struct index_tags *tags, uint32_t hash, uint32_t id);

/* ---- looking up: all ids that were added with the hash ------------------------------------- */

struct index_tags_look {
    const struct index_tag *tags;
    uint32_t capacity, at, hash;
};

static inline struct index_tags_part *index_tags_part(const struct index_tags *tags, uint32_t hash)
{
    uint32_t part = hash & (tags->round * 2 - 1);

    return &tags->parts[part < tags->part_count ? part : part - tags->round];
}

static inline uint32_t index_tags_home(uint32_t capacity, uint32_t hash)
{
    return (uint32_t)((uint64_t)hash * capacity >> 32);
}

static inline void index_tags_begin(const struct index_tags *tags, uint32_t hash,
                                    struct index_tags_look *look)
{
    const struct index_tags_part *part;

    *look = (struct index_tags_look){.hash = hash};
    if (tags->count == 0)
        return;
    part = index_tags_part(tags, hash);
    look->tags = part->tags;
    look->capacity = part->capacity;
    look->at = index_tags_home(part->capacity, hash);
}

/* An id + 1, or 0: no more. */
static inline uint32_t index_tags_next(struct index_tags_look *look)
{
    if (look->capacity == 0)
        return 0;
    for (;;) {
        const struct index_tag *tag = &look->tags[look->at];

        if (tag->id_plus_1 == 0) /* there is one: it is never full */
            return 0;
        look->at = look->at + 1 == look->capacity ? 0 : look->at + 1;
        if (tag->hash == look->hash)
            return tag->id_plus_1;
    }
}

#endif
