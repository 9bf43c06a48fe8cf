#include "storage/index_texts.h"

#define PAGES_FIRST 2u
#define OPEN_FIRST  64u

/* Stands before each text, unaligned. */
struct head {
    uint32_t id;
    uint16_t size;
} __attribute__((packed));
static_assert(sizeof(struct head) == 6, "what a text costs beside itself");

static uint32_t entry_size(size_t text)
{
    return (uint32_t)(sizeof(struct head) + text);
}

void index_texts_init(struct index_texts *texts)
{
    *texts = (struct index_texts){
        .free = INDEX_TEXT_NONE, .open = INDEX_TEXT_NONE, .page_size = INDEX_TEXT_PAGE};
}

void index_texts_use(struct index_texts *texts, struct index_memory memory, uint32_t page_size)
{
    assert(texts->page_count == 0);
    assert(page_size > 0 && page_size <= INDEX_TEXT_PAGE);
    texts->memory = memory;
    texts->page_size = page_size;
}

static void give_memory(struct index_texts *texts, struct index_text_page *page)
{
    if (page->cold)
        scratch_give(texts->memory.scratch, page->at, page->size);
    else
        index_memory_give(&texts->memory, (void *)page->at, page->capacity, false);
    page->at = NULL;
}

void index_texts_deinit(struct index_texts *texts)
{
    for (uint32_t i = 0; i < texts->page_count; i++) {
        if (texts->pages[i].at != NULL)
            give_memory(texts, &texts->pages[i]);
    }
    index_memory_give(&texts->memory, texts->pages, texts->page_capacity * sizeof texts->pages[0],
                      false);
    *texts = (struct index_texts){.memory = texts->memory,
                                  .free = INDEX_TEXT_NONE,
                                  .open = INDEX_TEXT_NONE,
                                  .page_size = texts->page_size};
}

/* ---- pages ---------------------------------------------------------------------------------- */

static bool wasteful(const struct index_text_page *page)
{
    return page->live < page->size / 2 || page->live == 0;
}

static uint32_t take_number(struct index_texts *texts)
{
    uint32_t number = texts->free;

    if (number != INDEX_TEXT_NONE) {
        texts->free = texts->pages[number].live;
        return number;
    }
    assert(texts->page_count < INDEX_TEXT_NONE);
    if (texts->page_count == texts->page_capacity) {
        uint32_t more = texts->page_capacity == 0 ? PAGES_FIRST : texts->page_capacity * 2;

        texts->pages = index_memory_resize(&texts->memory, texts->pages,
                                           texts->page_capacity * sizeof texts->pages[0],
                                           more * sizeof texts->pages[0]);
        texts->page_capacity = more;
    }
    return texts->page_count++;
}

static uint32_t page_create(struct index_texts *texts, uint32_t capacity)
{
    uint32_t number = take_number(texts);

    texts->pages[number] = (struct index_text_page){
        .at = index_memory_resize(&texts->memory, NULL, 0, capacity), .capacity = capacity};
    return number;
}

void index_texts_free(struct index_texts *texts, uint32_t page)
{
    assert(page != texts->open);
    give_memory(texts, &texts->pages[page]);
    texts->pages[page] = (struct index_text_page){.live = texts->free};
    texts->free = page;
}

/* Tries, but for a page that is being emptied: somebody reads it. */
static void freeze(struct index_texts *texts, struct index_text_page *page)
{
    const uint8_t *piece;

    if (texts->memory.scratch == NULL || page->at == NULL || page->cold || wasteful(page) ||
        page->size > texts->page_size)
        return;
    piece = scratch_put(texts->memory.scratch, bytes_of(page->at, page->size));
    if (piece == NULL)
        return;
    index_memory_give(&texts->memory, (void *)page->at, page->capacity, false);
    page->at = piece;
    page->capacity = 0;
    page->cold = true;
}

uint32_t index_texts_seal(struct index_texts *texts)
{
    uint32_t sealed = texts->open;

    assert(sealed != INDEX_TEXT_NONE);
    texts->open = INDEX_TEXT_NONE;
    if (wasteful(&texts->pages[sealed]))
        return sealed;
    freeze(texts, &texts->pages[sealed]);
    if (texts->retry >= texts->page_count)
        texts->retry = 0;
    freeze(texts, &texts->pages[texts->retry++]);
    return INDEX_TEXT_NONE;
}

/* ---- texts ---------------------------------------------------------------------------------- */

static void write_entry(struct index_text_page *page, uint32_t id, struct bytes text)
{
    struct head head = {.id = id, .size = (uint16_t)text.size};
    uint8_t *at = (uint8_t *)page->at + page->size;

    memcpy(at, &head, sizeof head);
    if (text.size > 0)
        memcpy(at + sizeof head, text.at, text.size);
    page->size += entry_size(text.size);
    page->live += entry_size(text.size);
}

/* The open page of a small stream is small. */
static struct index_text_page *open_page(struct index_texts *texts, uint32_t room)
{
    struct index_text_page *page;
    uint32_t capacity;

    if (texts->open == INDEX_TEXT_NONE) {
        capacity = texts->page_count == 0 ? OPEN_FIRST : texts->page_size;
        capacity = capacity < texts->page_size ? capacity : texts->page_size;
        texts->open = page_create(texts, capacity);
    }
    page = &texts->pages[texts->open];
    capacity = page->capacity;
    while (capacity < page->size + room)
        capacity = capacity < texts->page_size / 2 ? capacity * 2 : texts->page_size;
    if (capacity != page->capacity) {
        page->at = index_memory_resize(&texts->memory, (void *)page->at, page->capacity, capacity);
        page->capacity = capacity;
    }
    return page;
}

bool index_texts_room(const struct index_texts *texts, size_t size)
{
    return texts->open == INDEX_TEXT_NONE || entry_size(size) > texts->page_size ||
           entry_size(size) <= texts->page_size - texts->pages[texts->open].size;
}

struct index_text index_texts_add(struct index_texts *texts, uint32_t id, struct bytes text)
{
    struct index_text place = {.size = (uint16_t)text.size};
    struct index_text_page *page;

    assert(text.size <= UINT16_MAX);
    assert(index_texts_room(texts, text.size));
    if (entry_size(text.size) > texts->page_size) {
        place.page = page_create(texts, entry_size(text.size));
        page = &texts->pages[place.page];
    } else {
        page = open_page(texts, entry_size(text.size));
        place.page = texts->open;
    }
    place.offset = (uint16_t)(page->size + sizeof(struct head));
    write_entry(page, id, text);
    return place;
}

bool index_texts_drop(struct index_texts *texts, struct index_text text)
{
    struct index_text_page *page = &texts->pages[text.page];

    assert(page->live >= entry_size(text.size));
    page->live -= entry_size(text.size);
    if (text.page != texts->open)
        return wasteful(page);
    if (page->live == 0)
        page->size = 0;
    return false;
}

bool index_texts_next(const struct index_texts *texts, uint32_t page, uint32_t *offset,
                      uint32_t *id, struct index_text *text)
{
    const struct index_text_page *from = &texts->pages[page];
    struct head head;

    if (*offset == from->size)
        return false;
    memcpy(&head, from->at + *offset, sizeof head);
    *id = head.id;
    *text = (struct index_text){
        .page = page, .offset = (uint16_t)(*offset + sizeof head), .size = head.size};
    *offset += entry_size(head.size);
    assert(*offset <= from->size);
    return true;
}
