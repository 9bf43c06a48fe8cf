#include "storage/index_tags.h"

#define TAGS_FIRST 8u
#define COOL_LOOKS 16u

void index_tags_init(struct index_tags *tags)
{
    *tags = (struct index_tags){.mean = INDEX_TAGS_MEAN};
}

void index_tags_use(struct index_tags *tags, struct index_memory memory, uint32_t mean)
{
    assert(tags->count == 0);
    assert(mean > 0 && mean <= INDEX_TAGS_MEAN);
    tags->memory = memory;
    tags->mean = mean;
}

static size_t size_of(uint32_t capacity)
{
    return capacity * sizeof(struct index_tag);
}

static void part_free(const struct index_tags *tags, const struct index_tags_part *part)
{
    index_memory_give(&tags->memory, part->tags, size_of(part->capacity), part->lent);
}

void index_tags_deinit(struct index_tags *tags)
{
    for (uint32_t i = 0; i < tags->part_count; i++)
        part_free(tags, &tags->parts[i]);
    index_memory_give(&tags->memory, tags->parts, tags->part_capacity * sizeof tags->parts[0],
                      false);
    *tags = (struct index_tags){.mean = tags->mean, .memory = tags->memory};
}

/* A small part takes more of a piece than it has. */
static bool worth_lending(const struct index_tags *tags, uint32_t capacity)
{
    return capacity >= tags->mean / 4;
}

bool index_tags_cool(struct index_tags *tags)
{
    for (unsigned i = 0; i < COOL_LOOKS && i < tags->part_count; i++) {
        struct index_tags_part *part;
        struct index_tag *moved;

        tags->hand = tags->hand >= tags->part_count ? 0 : tags->hand;
        part = &tags->parts[tags->hand++];
        if (part->lent || !worth_lending(tags, part->capacity))
            continue;
        moved = index_memory_move(&tags->memory, part->tags, size_of(part->capacity));
        if (moved == NULL)
            continue;
        part->tags = moved;
        part->lent = true;
        return true;
    }
    return false;
}

/* ---- parts ---------------------------------------------------------------------------------- */

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

static struct index_tags_part part_create(const struct index_tags *tags, uint32_t capacity)
{
    struct index_tags_part part;
    bool lent = false;

    capacity = capacity < TAGS_FIRST ? TAGS_FIRST : capacity;
    part = (struct index_tags_part){.capacity = capacity};
    if (worth_lending(tags, capacity))
        part.tags = index_memory_take(&tags->memory, size_of(capacity), &lent);
    else
        part.tags = index_memory_resize(&tags->memory, NULL, 0, size_of(capacity));
    part.lent = lent;
    memset(part.tags, 0, size_of(capacity));
    return part;
}

static void part_resize(const struct index_tags *tags, struct index_tags_part *part,
                        uint32_t capacity)
{
    struct index_tags_part old = *part;

    *part = part_create(tags, capacity);
    for (uint32_t i = 0; i < old.capacity; i++) {
        if (old.tags[i].id_plus_1 != 0)
            place(part, old.tags[i]);
    }
    assert(part->count == old.count);
    part_free(tags, &old);
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
        size_t size = tags->part_capacity * sizeof tags->parts[0];

        tags->part_capacity *= 2;
        tags->parts = index_memory_resize(&tags->memory, tags->parts, size, 2 * size);
    }
    low = &tags->parts[tags->part_count - tags->round];
    high = &tags->parts[tags->part_count];
    for (uint32_t i = 0; i < old.capacity; i++)
        moving += old.tags[i].id_plus_1 != 0 && (old.tags[i].hash & tags->round) != 0;
    *low = part_create(tags, roomy(old.count - moving));
    *high = part_create(tags, roomy(moving));
    for (uint32_t i = 0; i < old.capacity; i++) {
        if (old.tags[i].id_plus_1 != 0)
            place((old.tags[i].hash & tags->round) != 0 ? high : low, old.tags[i]);
    }
    part_free(tags, &old);
    if (++tags->part_count == tags->round * 2)
        tags->round *= 2;
}

/* ---- changes -------------------------------------------------------------------------------- */

static void make_room(struct index_tags *tags, uint32_t hash)
{
    struct index_tags_part *part;

    if (tags->part_count == 0) {
        tags->parts = index_memory_resize(&tags->memory, NULL, 0, sizeof(struct index_tags_part));
        tags->parts[0] = (struct index_tags_part){0};
        tags->part_count = tags->part_capacity = tags->round = 1;
    }
    if (tags->count >= (uint64_t)tags->part_count * tags->mean)
        split(tags);
    part = index_tags_part(tags, hash);
    if (full(part))
        part_resize(tags, part,
                    part->capacity +
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
        part_resize(tags, part, roomy(part->count)); /* a purge gives memory back */
}
