#include "storage/index_names.h"

#include "base/heap.h"

#define PAGES_FIRST   2u
#define RECORDS_FIRST 4u
#define COOL_LOOKS    16u

struct wide {
    uint64_t first, count;
};

static_assert((sizeof(struct index_record) << INDEX_NAMES_BITS) <= SCRATCH_PIECE_MAX, "one piece");

void index_names_init(struct index_names *names, uint64_t seed)
{
    *names = (struct index_names){.bits = INDEX_NAMES_BITS};
    map64_init(&names->wide, seed);
}

void index_names_use(struct index_names *names, struct index_memory memory, unsigned bits)
{
    assert(names->limit == 0);
    assert(bits > 0 && bits <= INDEX_NAMES_BITS);
    names->memory = memory;
    names->bits = bits;
}

static size_t page_size(const struct index_names *names, uint32_t page)
{
    size_t records = page == 0 ? names->first_capacity : (size_t)1 << names->bits;

    return records * sizeof(struct index_record);
}

void index_names_deinit(struct index_names *names)
{
    struct map64_slot *slot;

    for (size_t at = 0; (slot = map64_next(&names->wide, &at)) != NULL;)
        heap_give(slot->value.pointer);
    map64_deinit(&names->wide);
    for (uint32_t i = 0; i < names->page_count; i++)
        index_memory_give(&names->memory, names->pages[i].at, page_size(names, i),
                          names->pages[i].lent);
    index_memory_give(&names->memory, names->pages, names->page_capacity * sizeof names->pages[0],
                      false);
    names->pages = NULL;
    names->page_count = names->page_capacity = names->first_capacity = 0;
    names->limit = names->free_plus_1 = names->hand = 0;
}

/* ---- pages ---------------------------------------------------------------------------------- */

static void add_page(struct index_names *names)
{
    struct index_names_page *page;
    uint32_t capacity = names->page_capacity == 0 ? PAGES_FIRST : names->page_capacity * 2;

    if (names->page_count == names->page_capacity) {
        names->pages = index_memory_resize(&names->memory, names->pages,
                                           names->page_capacity * sizeof names->pages[0],
                                           capacity * sizeof names->pages[0]);
        names->page_capacity = capacity;
    }
    page = &names->pages[names->page_count];
    *page = (struct index_names_page){0};
    if (names->page_count > 0)
        page->at =
            index_memory_take(&names->memory, page_size(names, names->page_count), &page->lent);
    names->page_count++;
}

/* Of a small stream, so that it stays small. */
static void grow_first(struct index_names *names)
{
    size_t before = page_size(names, 0);
    uint32_t whole = UINT32_C(1) << names->bits;
    uint32_t more = names->first_capacity == 0 ? RECORDS_FIRST : names->first_capacity * 2;

    names->first_capacity = more < whole ? more : whole;
    names->pages[0].at =
        index_memory_resize(&names->memory, names->pages[0].at, before, page_size(names, 0));
}

/* For the next new id. */
static void make_room(struct index_names *names)
{
    if (names->limit >> names->bits == names->page_count)
        add_page(names);
    if (names->page_count == 1 && names->limit == names->first_capacity)
        grow_first(names);
}

/* The newest page is in use, and the first may still grow while it is that. */
bool index_names_cool(struct index_names *names)
{
    for (unsigned i = 0; i < COOL_LOOKS && i + 1 < names->page_count; i++) {
        struct index_names_page *page;
        struct index_record *moved;

        names->hand = names->hand + 1 >= names->page_count ? 0 : names->hand;
        page = &names->pages[names->hand];
        if (!page->lent && !page->touched) {
            moved = index_memory_move(&names->memory, page->at, page_size(names, names->hand));
            names->hand++;
            if (moved == NULL)
                continue;
            page->at = moved;
            page->lent = true;
            return true;
        }
        page->touched = false;
        names->hand++;
    }
    return false;
}

/* ---- ids ------------------------------------------------------------------------------------ */

uint32_t index_names_take(struct index_names *names)
{
    struct index_record *record;
    uint32_t id;

    if (names->free_plus_1 != 0) {
        id = names->free_plus_1 - 1;
        record = index_names_at(names, id);
        names->free_plus_1 = record->text.page;
    } else {
        assert(names->limit < INDEX_IDS_MAX);
        make_room(names);
        id = names->limit++;
        record = index_names_at(names, id);
    }
    *record = (struct index_record){0};
    return id;
}

static void narrow(struct index_names *names, uint32_t id)
{
    union map64_value wide;

    if (map64_remove(&names->wide, id, &wide))
        heap_give(wide.pointer);
}

void index_names_give(struct index_names *names, uint32_t id)
{
    struct index_record *record = index_names_at(names, id);

    assert(id < names->limit);
    if (record->below == INDEX_WIDE)
        narrow(names, id);
    *record = (struct index_record){.text.page = names->free_plus_1};
    names->free_plus_1 = id + 1;
}

/* ---- what is known -------------------------------------------------------------------------- */

void index_names_read(const struct index_names *names, uint32_t id, struct index_name *name)
{
    const struct index_record *record = index_names_at(names, id);
    const struct wide *wide;

    *name = (struct index_name){.id = id, .last = record->last};
    if (record->below != INDEX_WIDE) {
        name->first = record->last - record->below;
        name->count = record->count;
        return;
    }
    wide = map64_pointer(&names->wide, id);
    assert(wide != NULL);
    name->first = wide->first;
    name->count = wide->count;
}

static struct wide *widen(struct index_names *names, uint32_t id)
{
    union map64_value *value = map64_put(&names->wide, id);

    if (value->pointer == NULL)
        value->pointer = HEAP_NEW(struct wide);
    return value->pointer;
}

void index_names_write(struct index_names *names, const struct index_name *name)
{
    struct index_record *record = index_names_at(names, name->id);
    uint64_t below = name->last - name->first;

    assert(name->first <= name->last);
    record->last = name->last;
    if (below < INDEX_WIDE && name->count < UINT32_MAX) {
        if (record->below == INDEX_WIDE)
            narrow(names, name->id);
        record->below = (uint32_t)below;
        record->count = (uint32_t)name->count;
        return;
    }
    *widen(names, name->id) = (struct wide){.first = name->first, .count = name->count};
    record->below = INDEX_WIDE;
    record->count = UINT32_MAX;
}

uint64_t index_names_newest(struct index_names *names, uint32_t id, uint64_t sequence)
{
    struct index_record *record = index_names_at(names, id);
    struct index_names_page *page = &names->pages[id >> names->bits];
    uint64_t before = record->last, step = record->count == 0 ? 0 : sequence - before;
    struct index_name name;

    page->touched = true;
    if (record->below != INDEX_WIDE && step < INDEX_WIDE - record->below &&
        record->count < UINT32_MAX - 1) {
        record->last = sequence;
        record->below += (uint32_t)step;
        return record->count++ == 0 ? 0 : before;
    }
    index_names_read(names, id, &name);
    name.last = sequence;
    name.count++;
    index_names_write(names, &name);
    return before;
}
