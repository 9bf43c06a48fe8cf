#include "server/stream/overlay.h"

#include "base/heap.h"

#define ENTRIES_FIRST 16u
#define TEXTS_KEPT    65536u /* memory kept when the overlay is empty */

/* One subject of the entries in the table. */
struct subject_item {
    struct overlay_subject counts;
    uint64_t rollup; /* sequence of the newest roll-up, 0: none */
    size_t entries;  /* of this subject that are not applied */
    uint32_t size;
    uint8_t text[];
};

/* One id: its newest entry. */
struct id_item {
    uint64_t sequence;
    uint32_t size;
    uint8_t text[];
};

static struct bytes subject_key(const void *item)
{
    const struct subject_item *subject = item;

    return bytes_of(subject->text, subject->size);
}

static struct bytes id_key(const void *item)
{
    const struct id_item *id = item;

    return bytes_of(id->text, id->size);
}

void overlay_init(struct overlay *overlay, uint64_t seed)
{
    *overlay = (struct overlay){0};
    buf_init(&overlay->texts, SIZE_MAX);
    table_init(&overlay->subjects, subject_key, seed);
    table_init(&overlay->ids, id_key, seed);
}

static void free_items(struct table *table)
{
    size_t at = 0;
    void *item;

    while ((item = table_next(table, &at)) != NULL)
        heap_give(item);
    table_deinit(table);
}

void overlay_clear(struct overlay *overlay)
{
    free_items(&overlay->subjects);
    free_items(&overlay->ids);
    overlay->head = 0;
    overlay->count = 0;
    overlay->bytes = 0;
    overlay->rollups = 0;
    overlay->hashed_subjects = 0;
    overlay->hashed_ids = 0;
    overlay->texts_from += overlay->texts.size;
    buf_clear(&overlay->texts);
}

void overlay_deinit(struct overlay *overlay)
{
    overlay_clear(overlay);
    buf_deinit(&overlay->texts);
    heap_give(overlay->entries);
    overlay->entries = NULL;
    overlay->capacity = 0;
}

/* ---- entries --------------------------------------------------------------------------------- */

static struct overlay_entry *entry_at(const struct overlay *overlay, size_t i)
{
    assert(i < overlay->count);
    return &overlay->entries[(overlay->head + i) & (overlay->capacity - 1)];
}

static struct bytes text_at(const struct overlay *overlay, uint64_t text, size_t size)
{
    assert(text >= overlay->texts_from);
    assert(text - overlay->texts_from + size <= overlay->texts.size);
    return bytes_of(overlay->texts.at + (text - overlay->texts_from), size);
}

struct bytes overlay_entry_subject(const struct overlay *overlay, const struct overlay_entry *entry)
{
    return text_at(overlay, entry->text, entry->subject_size);
}

struct bytes overlay_entry_id(const struct overlay *overlay, const struct overlay_entry *entry)
{
    return text_at(overlay, entry->text + entry->subject_size, entry->id_size);
}

const struct overlay_entry *overlay_last(const struct overlay *overlay)
{
    return overlay->count == 0 ? NULL : entry_at(overlay, overlay->count - 1);
}

const struct overlay_entry *overlay_at_or_after(const struct overlay *overlay, uint64_t sequence)
{
    size_t low = 0, high = overlay->count;

    while (low < high) { /* sequences rise in the ring */
        size_t middle = low + (high - low) / 2;

        if (entry_at(overlay, middle)->sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low == overlay->count ? NULL : entry_at(overlay, low);
}

static void grow(struct overlay *overlay)
{
    size_t capacity = overlay->capacity == 0 ? ENTRIES_FIRST : overlay->capacity * 2;
    struct overlay_entry *entries = heap_resize(NULL, capacity * sizeof *entries);

    for (size_t i = 0; i < overlay->count; i++)
        entries[i] = *entry_at(overlay, i);
    heap_give(overlay->entries);
    overlay->entries = entries;
    overlay->capacity = capacity;
    overlay->head = 0;
}

/* Texts of dropped entries go when they are at least half of the buffer: each byte moves once or
 * so. */
static void drop_texts(struct overlay *overlay)
{
    uint64_t needed = overlay->count == 0 ? overlay->texts_from + overlay->texts.size
                                          : entry_at(overlay, 0)->text;
    size_t dead = (size_t)(needed - overlay->texts_from);

    if (dead < overlay->texts.size - dead)
        return;
    overlay->texts_from += dead;
    buf_consume(&overlay->texts, dead);
    if (overlay->count == 0 && overlay->texts.capacity > TEXTS_KEPT)
        buf_release(&overlay->texts);
}

void overlay_add(struct overlay *overlay, uint64_t sequence, int64_t time_ns, uint32_t stored_size,
                 struct bytes subject, struct bytes id, bool rollup)
{
    const struct overlay_entry *last = overlay_last(overlay);
    uint64_t text = overlay->texts_from + overlay->texts.size;
    bool fits;

    assert(subject.size <= UINT16_MAX);
    assert(id.size <= UINT16_MAX);
    assert(last == NULL || sequence > last->sequence);
    assert(last == NULL || time_ns >= last->time_ns);

    if (overlay->count == overlay->capacity)
        grow(overlay);
    fits = buf_add(&overlay->texts, subject) && buf_add(&overlay->texts, id);
    assert(fits); /* the batch that it mirrors is bounded */
    (void)fits;
    overlay->count++;
    *entry_at(overlay, overlay->count - 1) = (struct overlay_entry){
        .sequence = sequence,
        .time_ns = time_ns,
        .text = text,
        .stored_size = stored_size,
        .subject_size = (uint16_t)subject.size,
        .id_size = (uint16_t)id.size,
        .rollup = rollup,
    };
    overlay->bytes += stored_size;
    overlay->rollups += rollup;
}

/* ---- subjects -------------------------------------------------------------------------------- */

static void subject_add(struct overlay *overlay, const struct overlay_entry *entry)
{
    struct bytes subject = overlay_entry_subject(overlay, entry);
    struct subject_item *item = table_find(&overlay->subjects, subject);

    if (item == NULL) {
        item = heap_take(sizeof *item + subject.size);
        item->size = (uint32_t)subject.size;
        memcpy(item->text, subject.at, subject.size);
        table_add(&overlay->subjects, item);
    }
    item->entries++;
    item->counts.last = entry->sequence;
    item->counts.count++;
    if (entry->rollup) {
        item->counts.count = 1;
        item->counts.rolled_up = true;
        item->rollup = entry->sequence;
    }
}

static void subject_drop(struct overlay *overlay, const struct overlay_entry *entry)
{
    struct subject_item *item =
        table_find(&overlay->subjects, overlay_entry_subject(overlay, entry));

    assert(item != NULL);
    assert(item->entries > 0);
    if (--item->entries == 0) {
        table_remove(&overlay->subjects, subject_key(item));
        heap_give(item);
        return;
    }
    if (entry->sequence >= item->rollup) /* else a later roll-up has taken it out of the count */
        item->counts.count--;
    if (entry->sequence == item->rollup) { /* applied: what is applied now is what it left */
        item->counts.rolled_up = false;
        item->rollup = 0;
    }
}

void overlay_subject(struct overlay *overlay, struct bytes subject, struct overlay_subject *out)
{
    const struct subject_item *item;

    for (; overlay->hashed_subjects < overlay->count; overlay->hashed_subjects++)
        subject_add(overlay, entry_at(overlay, overlay->hashed_subjects));
    item = table_find(&overlay->subjects, subject);
    *out = item == NULL ? (struct overlay_subject){0} : item->counts;
}

/* ---- ids ------------------------------------------------------------------------------------- */

static void id_add(struct overlay *overlay, const struct overlay_entry *entry)
{
    struct bytes id = overlay_entry_id(overlay, entry);
    struct id_item *item;

    if (id.size == 0)
        return;
    item = table_find(&overlay->ids, id);
    if (item == NULL) {
        item = heap_take(sizeof *item + id.size);
        item->size = (uint32_t)id.size;
        memcpy(item->text, id.at, id.size);
        table_add(&overlay->ids, item);
    }
    item->sequence = entry->sequence;
}

static void id_drop(struct overlay *overlay, const struct overlay_entry *entry)
{
    struct bytes id = overlay_entry_id(overlay, entry);
    struct id_item *item;

    if (id.size == 0)
        return;
    item = table_find(&overlay->ids, id);
    if (item == NULL || item->sequence != entry->sequence)
        return; /* the id has a newer entry */
    table_remove(&overlay->ids, id);
    heap_give(item);
}

const struct overlay_entry *overlay_id(struct overlay *overlay, struct bytes id)
{
    const struct overlay_entry *entry;
    const struct id_item *item;

    for (; overlay->hashed_ids < overlay->count; overlay->hashed_ids++)
        id_add(overlay, entry_at(overlay, overlay->hashed_ids));
    item = table_find(&overlay->ids, id);
    if (item == NULL)
        return NULL;
    entry = overlay_at_or_after(overlay, item->sequence);
    assert(entry != NULL);
    assert(entry->sequence == item->sequence);
    return entry;
}

/* ---- dropping -------------------------------------------------------------------------------- */

static void drop_first(struct overlay *overlay)
{
    const struct overlay_entry *entry = entry_at(overlay, 0);

    if (overlay->hashed_subjects > 0) {
        subject_drop(overlay, entry);
        overlay->hashed_subjects--;
    }
    if (overlay->hashed_ids > 0) {
        id_drop(overlay, entry);
        overlay->hashed_ids--;
    }
    overlay->bytes -= entry->stored_size;
    overlay->rollups -= entry->rollup;
    overlay->head = (overlay->head + 1) & (overlay->capacity - 1);
    overlay->count--;
}

/* What the tables know of those that go is not taken out one by one: they learn anew when asked. */
void overlay_cut(struct overlay *overlay, size_t count)
{
    assert(count <= overlay->count);
    if (count == overlay->count)
        return;
    while (overlay->count > count) {
        const struct overlay_entry *entry = entry_at(overlay, overlay->count - 1);

        overlay->bytes -= entry->stored_size;
        overlay->rollups -= entry->rollup;
        overlay->texts.size = (size_t)(entry->text - overlay->texts_from);
        overlay->count--;
    }
    free_items(&overlay->subjects);
    free_items(&overlay->ids);
    overlay->hashed_subjects = 0;
    overlay->hashed_ids = 0;
}

void overlay_drop(struct overlay *overlay, uint64_t sequence)
{
    if (overlay->count == 0 || entry_at(overlay, 0)->sequence > sequence)
        return;
    while (overlay->count > 0 && entry_at(overlay, 0)->sequence <= sequence)
        drop_first(overlay);
    drop_texts(overlay);
}
