#include "storage/index_names.h"

#include "base/heap.h"

struct wide {
    uint64_t first, count;
};

void index_names_init(struct index_names *names, uint64_t seed)
{
    *names = (struct index_names){0};
    map64_init(&names->wide, seed);
}

void index_names_deinit(struct index_names *names)
{
    struct map64_slot *slot;

    for (size_t at = 0; (slot = map64_next(&names->wide, &at)) != NULL;)
        heap_give(slot->value.pointer);
    map64_deinit(&names->wide);
    for (unsigned i = 0; i < INDEX_SEGMENTS; i++) {
        heap_give(names->segments[i]);
        names->segments[i] = NULL;
    }
    names->limit = names->free_plus_1 = 0;
}

/* ---- ids ---------------------------------------------------------------------------------------
 */

/* The segment of the next new id. */
static void make_room(struct index_names *names)
{
    uint64_t place = (uint64_t)names->limit + (1u << INDEX_SEGMENT_FIRST_BITS);
    unsigned bits = 63u - (unsigned)__builtin_clzll(place);
    struct index_record **segment = &names->segments[bits - INDEX_SEGMENT_FIRST_BITS];

    if (*segment == NULL)
        *segment = heap_resize(NULL, sizeof **segment << bits);
}

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

/* ---- what is known -----------------------------------------------------------------------------
 */

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
    uint64_t before = record->last, step = record->count == 0 ? 0 : sequence - before;
    struct index_name name;

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
