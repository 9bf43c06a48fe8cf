#include "storage/index_tags.h"

#include "base/heap.h"

#define TAGS_FIRST 8u

void index_tags_init(struct index_tags *tags)
{
    *tags = (struct index_tags){0};
}

void index_tags_deinit(struct index_tags *tags)
{
    for (uint32_t i = 0; i < tags->part_count; i++)
        heap_give(tags->parts[i].tags);
    heap_give(tags->parts);
    *tags = (struct index_tags){0};
}

/* ---- parts -------------------------------------------------------------------------------------
 */

/* At most four fifths full: walks stay short and each ends. */
static bool full(const struct index_tags_part *part)
{
    return part->count >= part->capacity / 5 * 4;
}

static void place(struct index_tags_part *part, struct index_tag tag)
{
    uint32_t at = index_tags_home(part->capacity, tag.hash);

    while (part->tags[at].id_plus_1 != 0)
        at = at + 1 == part->capacity ? 0 : at + 1;
    part->tags[at] = tag;
    part->count++;
}

static struct index_tags_part part_create(uint32_t capacity)
{
    capacity = capacity < TAGS_FIRST ? TAGS_FIRST : capacity;
    return (struct index_tags_part){.tags = heap_take(capacity * sizeof(struct index_tag)),
                                    .capacity = capacity};
}

static void part_resize(struct index_tags_part *part, uint32_t capacity)
{
    struct index_tags_part old = *part;

    *part = part_create(capacity);
    for (uint32_t i = 0; i < old.capacity; i++) {
        if (old.tags[i].id_plus_1 != 0)
            place(part, old.tags[i]);
    }
    assert(part->count == old.count);
    heap_give(old.tags);
}

static uint32_t roomy(uint32_t count)
{
    return count + count / 2;
}

/* The next part in order gives those with the round's bit to a new one. */
static void split(struct index_tags *tags)
{
    struct index_tags_part old = tags->parts[tags->part_count - tags->round], *low, *high;
    uint32_t moving = 0;

    if (tags->part_count == tags->part_capacity) {
        tags->part_capacity *= 2;
        tags->parts = heap_resize(tags->parts, tags->part_capacity * sizeof tags->parts[0]);
    }
    low = &tags->parts[tags->part_count - tags->round];
    high = &tags->parts[tags->part_count];
    for (uint32_t i = 0; i < old.capacity; i++)
        moving += old.tags[i].id_plus_1 != 0 && (old.tags[i].hash & tags->round) != 0;
    *low = part_create(roomy(old.count - moving));
    *high = part_create(roomy(moving));
    for (uint32_t i = 0; i < old.capacity; i++) {
        if (old.tags[i].id_plus_1 != 0)
            place((old.tags[i].hash & tags->round) != 0 ? high : low, old.tags[i]);
    }
    heap_give(old.tags);
    if (++tags->part_count == tags->round * 2)
        tags->round *= 2;
}

/* ---- changes -----------------------------------------------------------------------------------
 */

static void make_room(struct index_tags *tags, uint32_t hash)
{
    struct index_tags_part *part;

    if (tags->part_count == 0) {
        tags->parts = HEAP_NEW(struct index_tags_part);
        tags->part_count = tags->part_capacity = tags->round = 1;
    }
    if (tags->count >= (uint64_t)tags->part_count * INDEX_TAGS_MEAN)
        split(tags);
    part = index_tags_part(tags, hash);
    if (full(part))
        part_resize(part, part->capacity +
                              (part->capacity < 4 * TAGS_FIRST ? TAGS_FIRST : part->capacity / 4));
}

void index_tags_add(struct index_tags *tags, uint32_t hash, uint32_t id)
{
    assert(id < UINT32_MAX);
    make_room(tags, hash);
    place(index_tags_part(tags, hash), (struct index_tag){.hash = hash, .id_plus_1 = id + 1});
    tags->count++;
}

static uint32_t distance(const struct index_tags_part *part, uint32_t from, uint32_t to)
{
    return to >= from ? to - from : to + part->capacity - from;
}

/* Moves up what was pushed past the gap, until nothing behind it belongs at or before it. */
static void close_gap(struct index_tags_part *part, uint32_t gap)
{
    uint32_t at = gap;

    for (;;) {
        at = at + 1 == part->capacity ? 0 : at + 1;
        if (part->tags[at].id_plus_1 == 0)
            break;
        if (distance(part, index_tags_home(part->capacity, part->tags[at].hash), at) >=
            distance(part, gap, at)) {
            part->tags[gap] = part->tags[at];
            gap = at;
        }
    }
    part->tags[gap] = (struct index_tag){0};
}

void index_tags_remove(struct index_tags *tags, uint32_t hash, uint32_t id)
{
    struct index_tags_part *part = index_tags_part(tags, hash);
    uint32_t at = index_tags_home(part->capacity, hash);

    while (part->tags[at].id_plus_1 != id + 1) {
        assert(part->tags[at].id_plus_1 != 0);
        at = at + 1 == part->capacity ? 0 : at + 1;
    }
    close_gap(part, at);
    part->count--;
    tags->count--;
    if (part->capacity > 4 * TAGS_FIRST && part->count < part->capacity / 4)
        part_resize(part, roomy(part->count)); /* a purge gives memory back */
}
