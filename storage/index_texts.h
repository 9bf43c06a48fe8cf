/*
 * index_texts: the texts of an index's subjects, in pages. Private to storage/index*.c.
 *
 * Texts are added to one open page in memory. A page that is full goes to scratch memory, if there
 * is any and it takes the page (of those that it refused one is tried again now and then). A text
 * stands behind its subject's id, so a page of which less than half is needed can be emptied by
 * its owner: each text that is still somebody's is added again, and the page is given up.
 *
 * So a text costs 6 bytes and itself, of memory without scratch memory and else of disk, at most
 * twice. A text too large for a page has one of its own, which stays in memory.
 */
#ifndef STORAGE_INDEX_TEXTS_H
#define STORAGE_INDEX_TEXTS_H

#include "base/bytes.h"
#include "storage/index_memory.h"

#define INDEX_TEXT_PAGE SCRATCH_PIECE_MAX
#define INDEX_TEXT_NONE UINT32_MAX
static_assert(INDEX_TEXT_PAGE <= UINT16_MAX, "an offset is 16 bits");

/* Where a text is; a place of nothing else as long as the text is there. */
struct index_text {
    uint32_t page;
    uint16_t offset, size;
};

struct index_text_page {
    const uint8_t *at;   /* NULL: the number is free */
    uint32_t size, live; /* bytes, with what stands before each text; of a free one: the next */
    uint32_t capacity;   /* of one in memory */
    bool cold;           /* in scratch memory */
};

struct index_texts {
    struct index_memory memory; /* without scratch memory everything stays in memory */
    struct index_text_page *pages;
    uint32_t page_count, page_capacity;
    uint32_t free; /* a number, or INDEX_TEXT_NONE */
    uint32_t open; /* the page that takes texts, or INDEX_TEXT_NONE */
    uint32_t page_size;
    uint32_t retry; /* the page that is tried again next */
};

void index_texts_init(struct index_texts *texts);
/* There are no texts. Smaller pages are for simulations. */
void index_texts_use(struct index_texts *texts, struct index_memory memory, uint32_t page_size);
void index_texts_deinit(struct index_texts *texts); /* forgets all texts; can be used again */

/* Is there room for it in the open page? With none open there is. */
bool index_texts_room(const struct index_texts *texts, size_t size);
/* The open page takes no more. Returns its number when it is to be emptied, INDEX_TEXT_NONE: there
 * is nothing to do. */
uint32_t index_texts_seal(struct index_texts *texts);
/* There is room (asserted). Other texts in the open page may move. */
struct index_text index_texts_add(struct index_texts *texts, uint32_t id, struct bytes text);
/* It is not needed any more. True: its page is to be emptied. */
bool index_texts_drop(struct index_texts *texts, struct index_text text);

/* Emptying: each text of a page that is not open, needed or not, from *offset = 0 on. */
bool index_texts_next(const struct index_texts *texts, uint32_t page, uint32_t *offset,
                      uint32_t *id, struct index_text *text);
void index_texts_free(struct index_texts *texts, uint32_t page);

static inline struct bytes index_texts_at(const struct index_texts *texts, struct index_text text)
{
    return bytes_of(texts->pages[text.page].at + text.offset, text.size);
}

static inline bool index_text_same(struct index_text a, struct index_text b)
{
    return a.page == b.page && a.offset == b.offset;
}

#endif
