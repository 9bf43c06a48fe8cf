#include "base/idtable.h"

#include "base/heap.h"

#define BITS_FIRST 2u
#define BITS_MAX   9u  /* 4 KiB */
#define DEPTH_MAX  20u /* beyond, pages grow */

static_assert(BITS_MAX + DEPTH_MAX <= 32, "no bit of a hash says both page and place");

static uint32_t capacity(const struct idtable_entry *page)
{
    return 1u << page->bits;
}

/* Beyond 13/16 looks for what is absent grow long; they end at an empty slot. */
static bool is_full(const struct idtable_entry *page)
{
    return (page->count + 1) * 16 > capacity(page) * 13;
}

static struct idtable_entry page_make(uint8_t bits, uint8_t depth)
{
    return (struct idtable_entry){
        .slots = heap_take(sizeof(struct idtable_slot) << bits), .bits = bits, .depth = depth};
}

static void page_put(struct idtable_entry *page, struct idtable_slot slot)
{
    uint32_t mask = capacity(page) - 1, i = slot.hash & mask;

    while (page->slots[i].id != 0)
        i = (i + 1) & mask;
    page->slots[i] = slot;
    page->count++;
    assert(page->count < capacity(page));
}

/* ---- the directory -------------------------------------------------------------------------- */

static uint32_t entries(const struct idtable *table)
{
    return 1u << table->depth;
}

/* In how many of them a page of that depth stands. */
static uint32_t times(const struct idtable *table, uint8_t depth)
{
    return 1u << (table->depth - depth);
}

/* The first of those of the page that a hash belongs to. */
static struct idtable_entry *page_of(const struct idtable *table, uint32_t hash)
{
    uint32_t at = (uint32_t)((uint64_t)hash << table->depth >> 32);

    return &table->entries[at & ~(times(table, table->entries[at].depth) - 1)];
}

static void page_set(struct idtable *table, uint32_t hash, struct idtable_entry page)
{
    uint32_t count = times(table, page.depth);
    struct idtable_entry *at = &table->entries[((uint64_t)hash << page.depth >> 32) * count];

    for (uint32_t i = 0; i < count; i++)
        at[i] = page;
}

static void directory_double(struct idtable *table)
{
    uint32_t count = entries(table);

    table->entries = heap_resize(table->entries, (size_t)count * 2 * sizeof(*table->entries));
    for (uint32_t i = count; i-- > 0;)
        table->entries[2 * i] = table->entries[2 * i + 1] = table->entries[i];
    table->depth++;
}

/* ---- pages ---------------------------------------------------------------------------------- */

static void page_resize(struct idtable *table, uint32_t hash, int more_bits)
{
    struct idtable_entry page = *page_of(table, hash);
    struct idtable_entry resized = page_make((uint8_t)(page.bits + more_bits), page.depth);

    for (uint32_t i = 0; i < capacity(&page); i++)
        if (page.slots[i].id != 0)
            page_put(&resized, page.slots[i]);
    page_set(table, hash, resized);
    heap_give(page.slots);
}

static void page_split(struct idtable *table, uint32_t hash)
{
    struct idtable_entry page = *page_of(table, hash);
    uint32_t bit = 1u << (31 - page.depth);
    uint8_t depth = (uint8_t)(page.depth + 1);
    struct idtable_entry halves[] = {page_make(page.bits, depth), page_make(page.bits, depth)};

    if (page.depth == table->depth)
        directory_double(table);
    for (uint32_t i = 0; i < capacity(&page); i++)
        if (page.slots[i].id != 0)
            page_put(&halves[(page.slots[i].hash & bit) != 0], page.slots[i]);
    page_set(table, hash & ~bit, halves[0]);
    page_set(table, hash | bit, halves[1]);
    heap_give(page.slots);
}

/* ---- the table ------------------------------------------------------------------------------ */

static void table_begin(struct idtable *table)
{
    table->entries = heap_take(sizeof(*table->entries));
    table->entries[0] = page_make(BITS_FIRST, 0);
}

void idtable_add(struct idtable *table, uint32_t hash, uint32_t id)
{
    struct idtable_entry *page;

    assert(id != 0);
    if (table->entries == NULL)
        table_begin(table);
    while (is_full(page = page_of(table, hash))) {
        if (page->bits < BITS_MAX || page->depth == DEPTH_MAX)
            page_resize(table, hash, 1);
        else
            page_split(table, hash);
    }
    page_put(page, (struct idtable_slot){.hash = hash, .id = id});
    table->count++;
}

/* Moves up what was pushed past the gap, until nothing behind it belongs at or before it. */
static void close_gap(struct idtable_entry *page, uint32_t gap)
{
    uint32_t mask = capacity(page) - 1;

    for (uint32_t i = (gap + 1) & mask; page->slots[i].id != 0; i = (i + 1) & mask) {
        uint32_t home = page->slots[i].hash & mask;

        if (((i - home) & mask) >= ((i - gap) & mask)) {
            page->slots[gap] = page->slots[i];
            gap = i;
        }
    }
    page->slots[gap] = (struct idtable_slot){0};
}

void idtable_remove(struct idtable *table, uint32_t hash, uint32_t id)
{
    struct idtable_entry *page = page_of(table, hash);
    uint32_t mask = capacity(page) - 1, i = hash & mask;

    while (page->slots[i].id != id) {
        assert(page->slots[i].id != 0);
        i = (i + 1) & mask;
    }
    assert(page->slots[i].hash == hash);
    close_gap(page, i);
    page->count--;
    if (--table->count == 0 && table->depth > 0)
        idtable_deinit(table); /* else what comes and goes alone would make and free it each time */
    else if (page->bits > BITS_FIRST && page->count < capacity(page) / 8)
        page_resize(table, hash, -1);
}

void idtable_deinit(struct idtable *table)
{
    for (uint32_t i = 0; table->entries != NULL && i < entries(table);) {
        heap_give(table->entries[i].slots);
        i += times(table, table->entries[i].depth);
    }
    heap_give(table->entries);
    *table = (struct idtable){0};
}

/* `at`: the entry in its upper half, the next slot in its lower one. */
uint32_t idtable_next(const struct idtable *table, uint64_t *at)
{
    uint32_t entry = (uint32_t)(*at >> 32), i = (uint32_t)*at;

    while (table->entries != NULL && entry < entries(table)) {
        const struct idtable_entry *page = &table->entries[entry];

        while (i < capacity(page)) {
            uint32_t id = page->slots[i++].id;

            if (id != 0) {
                *at = (uint64_t)entry << 32 | i;
                return id;
            }
        }
        entry += times(table, page->depth);
        i = 0;
    }
    *at = (uint64_t)entry << 32;
    return 0;
}
