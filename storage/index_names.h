/*
 * index_names: the subjects of an index by id, 24 bytes each. Private to storage/index*.c.
 *
 * Ids are given out in order, and again when their subject has gone. Records stand in pages of
 * 2^bits, so a million subjects cost no turn more than one page and now and then the list of pages;
 * the first page begins small. When there is no room in memory pages are lent (index_memory.h):
 * the oldest first of those that no message has come to for a while.
 *
 * A subject whose first message is 2^32 sequences or more below its last, or that has as many
 * messages, is *wide*: what does not fit stands in a map.
 */
#ifndef STORAGE_INDEX_NAMES_H
#define STORAGE_INDEX_NAMES_H

#include "base/map64.h"
#include "storage/index_memory.h"
#include "storage/index_name.h"
#include "storage/index_texts.h"

#define INDEX_NAMES_BITS 10u              /* of a page; fewer for simulations */
#define INDEX_IDS_MAX    (UINT32_MAX - 1) /* id + 1 must be a number, too */
#define INDEX_WIDE       UINT32_MAX

struct index_record {
    uint64_t last;
    uint32_t below; /* step from last down to first; INDEX_WIDE: both this and count are */
    uint32_t count;
    struct index_text text; /* of one not in use offset 0, and for page the next free id + 1 */
};
static_assert(sizeof(struct index_record) == 24, "what one subject costs, but for its tag");

struct index_names_page {
    struct index_record *at;
    bool lent;
    bool touched; /* since it was looked at for lending */
};

struct index_names {
    struct index_names_page *pages;
    uint32_t page_count, page_capacity;
    unsigned bits;
    uint32_t first_capacity; /* records of the first page */
    uint32_t limit;          /* all ids are lower */
    uint32_t free_plus_1;
    uint32_t hand; /* the page that may be lent next */
    struct index_memory memory;
    struct map64 wide; /* id -> what does not fit */
};

void index_names_init(struct index_names *names, uint64_t seed);
/* There are none yet. */
void index_names_use(struct index_names *names, struct index_memory memory, unsigned bits);
void index_names_deinit(struct index_names *names); /* forgets all; can be used again */
/* Looks at some pages, in turn, until one is lent that was not. False: none was. */
bool index_names_cool(struct index_names *names);

/* An id with a zeroed record. There is one: the caller has fewer than INDEX_IDS_MAX. */
uint32_t index_names_take(struct index_names *names);
void index_names_give(struct index_names *names, uint32_t id);

static inline struct index_record *index_names_at(const struct index_names *names, uint32_t id)
{
    return &names->pages[id >> names->bits].at[id & ((UINT32_C(1) << names->bits) - 1)];
}

void index_names_read(const struct index_names *names, uint32_t id, struct index_name *name);
void index_names_write(struct index_names *names, const struct index_name *name);
/* It has a new last message; the same as reading, changing and writing. Returns the last before, 0:
 * it had none. */
uint64_t index_names_newest(struct index_names *names, uint32_t id, uint64_t sequence);

#endif
