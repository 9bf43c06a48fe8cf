/*
 * index_names: the subjects of an index by id, 24 bytes each. Private to storage/index*.c.
 *
 * Ids are given out in order, and again when their subject has gone. Records never move and are
 * never copied: segment k has room for 4 << k of them, so a million subjects cost no turn more than
 * one allocation, and memory that no id has reached yet is not touched.
 *
 * A subject whose first message is 2^32 sequences or more below its last, or that has as many
 * messages, is *wide*: what does not fit stands in a map.
 */
#ifndef STORAGE_INDEX_NAMES_H
#define STORAGE_INDEX_NAMES_H

#include "base/map64.h"
#include "storage/index_name.h"
#include "storage/index_texts.h"

#define INDEX_SEGMENT_FIRST_BITS 2u
#define INDEX_SEGMENTS           31u
#define INDEX_IDS_MAX            (UINT32_MAX - 1) /* id + 1 must be a number, too */
#define INDEX_WIDE               UINT32_MAX

struct index_record {
    uint64_t last;
    uint32_t below; /* step from last down to first; INDEX_WIDE: both this and count are */
    uint32_t count;
    struct index_text text; /* of one not in use offset 0, and for page the next free id + 1 */
};
static_assert(sizeof(struct index_record) == 24, "what one subject costs, but for its tag");

struct index_names {
    struct index_record *segments[INDEX_SEGMENTS];
    uint32_t limit; /* all ids are lower */
    uint32_t free_plus_1;
    struct map64 wide; /* id -> what does not fit */
};

void index_names_init(struct index_names *names, uint64_t seed);
void index_names_deinit(struct index_names *names); /* as after init */

/* An id with a zeroed record. There is one: the caller has fewer than INDEX_IDS_MAX. */
uint32_t index_names_take(struct index_names *names);
void index_names_give(struct index_names *names, uint32_t id);

static inline struct index_record *index_names_at(const struct index_names *names, uint32_t id)
{
    uint64_t place = (uint64_t)id + (1u << INDEX_SEGMENT_FIRST_BITS);
    unsigned bits = 63u - (unsigned)__builtin_clzll(place);

    return &names->segments[bits - INDEX_SEGMENT_FIRST_BITS][place - (UINT64_C(1) << bits)];
}

void index_names_read(const struct index_names *names, uint32_t id, struct index_name *name);
void index_names_write(struct index_names *names, const struct index_name *name);
/* It has a new last message; the same as reading, changing and writing. Returns the last before, 0:
 * it had none. */
uint64_t index_names_newest(struct index_names *names, uint32_t id, uint64_t sequence);

#endif
