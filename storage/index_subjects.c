#include "storage/index_subjects.h"

#include "base/heap.h"

#define SLOTS_FIRST 8u
#define IDS_FIRST   4u

void index_subjects_init(struct index_subjects *subjects, uint64_t seed)
{
    *subjects = (struct index_subjects){.seed = seed};
}

void index_subjects_deinit(struct index_subjects *subjects)
{
    for (uint32_t id = 0; id < subjects->id_limit; id++)
        heap_give(subjects->names[id]);
    heap_give(subjects->names);
    heap_give(subjects->slots);
    heap_give(subjects->free_ids);
    heap_give(subjects->retired);
    *subjects = (struct index_subjects){.seed = subjects->seed};
}

void index_subjects_clear(struct index_subjects *subjects)
{
    index_subjects_deinit(subjects);
}

void index_subjects_release(struct index_subjects *subjects)
{
    heap_give(subjects->retired);
    subjects->retired = NULL;
}

static size_t home_of(const struct index_subjects *subjects, uint64_t hash)
{
    return (size_t)hash & (subjects->capacity - 1);
}

static uint32_t high_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

/* The slot of the subject, or the empty one where it would go. There is one: it is never full. */
static size_t probe(const struct index_subjects *subjects, struct bytes subject, uint64_t hash)
{
    for (size_t i = home_of(subjects, hash);; i = (i + 1) & (subjects->capacity - 1)) {
        const struct index_name_slot *slot = &subjects->slots[i];

        if (slot->id_plus_1 == 0)
            return i;
        if (slot->hash_high == high_of(hash) &&
            bytes_equal(index_name_text(subjects->names[slot->id_plus_1 - 1]), subject))
            return i;
    }
}

struct index_name *index_subjects_find(const struct index_subjects *subjects, struct bytes subject)
{
    uint32_t id_plus_1;

    if (subjects->count == 0)
        return NULL;
    id_plus_1 =
        subjects->slots[probe(subjects, subject, bytes_hash(subject, subjects->seed))].id_plus_1;
    return id_plus_1 == 0 ? NULL : subjects->names[id_plus_1 - 1];
}

/* ---- adding ------------------------------------------------------------------------------------
 */

static void place(struct index_subjects *subjects, const struct index_name *name)
{
    size_t i = home_of(subjects, name->hash);

    while (subjects->slots[i].id_plus_1 != 0)
        i = (i + 1) & (subjects->capacity - 1);
    subjects->slots[i] =
        (struct index_name_slot){.hash_high = high_of(name->hash), .id_plus_1 = name->id + 1};
}

/* At most three quarters full: probes stay short and one always ends. */
static void make_room(struct index_subjects *subjects)
{
    if (subjects->count < subjects->capacity / 4 * 3)
        return;
    heap_give(subjects->slots);
    subjects->capacity = subjects->capacity == 0 ? SLOTS_FIRST : subjects->capacity * 2;
    subjects->slots = heap_take(subjects->capacity * sizeof *subjects->slots);
    for (uint32_t id = 0; id < subjects->id_limit; id++) {
        if (subjects->names[id] != NULL)
            place(subjects, subjects->names[id]);
    }
}

static uint32_t take_id(struct index_subjects *subjects)
{
    if (subjects->free_count > 0)
        return subjects->free_ids[--subjects->free_count];
    assert(subjects->id_limit < UINT32_MAX - 1);
    if (subjects->id_limit == subjects->id_capacity) {
        subjects->id_capacity = subjects->id_capacity == 0 ? IDS_FIRST : subjects->id_capacity * 2;
        subjects->names =
            heap_resize(subjects->names, subjects->id_capacity * sizeof *subjects->names);
    }
    return subjects->id_limit++;
}

uint64_t index_subjects_hash(const struct index_subjects *subjects, struct bytes subject)
{
    uint64_t hash = bytes_hash(subject, subjects->seed);

    if (subjects->capacity > 0)
        __builtin_prefetch(&subjects->slots[home_of(subjects, hash)]);
    return hash;
}

/* The id that the subject probably has, plus 1. */
static uint32_t guess(const struct index_subjects *subjects, uint64_t hash)
{
    if (subjects->capacity == 0)
        return 0;
    for (size_t i = home_of(subjects, hash);; i = (i + 1) & (subjects->capacity - 1)) {
        const struct index_name_slot *slot = &subjects->slots[i];

        if (slot->id_plus_1 == 0 || slot->hash_high == high_of(hash))
            return slot->id_plus_1;
    }
}

void index_subjects_fetch_place(const struct index_subjects *subjects, uint64_t hash)
{
    uint32_t id_plus_1 = guess(subjects, hash);

    if (id_plus_1 != 0)
        __builtin_prefetch(&subjects->names[id_plus_1 - 1]);
}

void index_subjects_fetch_name(const struct index_subjects *subjects, uint64_t hash)
{
    uint32_t id_plus_1 = guess(subjects, hash);

    if (id_plus_1 != 0) {
        __builtin_prefetch(subjects->names[id_plus_1 - 1], 1);
        __builtin_prefetch(subjects->names[id_plus_1 - 1]->text);
    }
}

uint64_t index_subjects_guess_last(const struct index_subjects *subjects, uint64_t hash)
{
    uint32_t id_plus_1 = guess(subjects, hash);

    return id_plus_1 == 0 ? 0 : subjects->names[id_plus_1 - 1]->last;
}

struct index_name *index_subjects_intern(struct index_subjects *subjects, struct bytes subject)
{
    return index_subjects_intern_hashed(subjects, subject, bytes_hash(subject, subjects->seed));
}

struct index_name *index_subjects_intern_hashed(struct index_subjects *subjects,
                                                struct bytes subject, uint64_t hash)
{
    struct index_name *name;
    size_t i;

    assert(subject.size <= UINT32_MAX);
    make_room(subjects);
    i = probe(subjects, subject, hash);
    if (subjects->slots[i].id_plus_1 != 0)
        return subjects->names[subjects->slots[i].id_plus_1 - 1];

    name = heap_resize(NULL, sizeof *name + subject.size);
    *name =
        (struct index_name){.hash = hash, .id = take_id(subjects), .size = (uint32_t)subject.size};
    if (subject.size > 0)
        memcpy(name->text, subject.at, subject.size);
    subjects->names[name->id] = name;
    subjects->slots[i] =
        (struct index_name_slot){.hash_high = high_of(hash), .id_plus_1 = name->id + 1};
    subjects->count++;
    return name;
}

/* ---- removing ----------------------------------------------------------------------------------
 */

/* Moves up what was pushed past the gap, until nothing behind it belongs at or before it. */
static void close_gap(struct index_subjects *subjects, size_t gap)
{
    size_t mask = subjects->capacity - 1;

    for (size_t i = (gap + 1) & mask; subjects->slots[i].id_plus_1 != 0; i = (i + 1) & mask) {
        const struct index_name *name = subjects->names[subjects->slots[i].id_plus_1 - 1];

        if (((i - home_of(subjects, name->hash)) & mask) >= ((i - gap) & mask)) {
            subjects->slots[gap] = subjects->slots[i];
            gap = i;
        }
    }
    subjects->slots[gap] = (struct index_name_slot){0};
}

static void give_id(struct index_subjects *subjects, uint32_t id)
{
    subjects->names[id] = NULL;
    if (subjects->free_count == subjects->free_capacity) {
        subjects->free_capacity =
            subjects->free_capacity == 0 ? IDS_FIRST : subjects->free_capacity * 2;
        subjects->free_ids =
            heap_resize(subjects->free_ids, subjects->free_capacity * sizeof *subjects->free_ids);
    }
    subjects->free_ids[subjects->free_count++] = id;
}

void index_subjects_retire(struct index_subjects *subjects, struct index_name *name)
{
    assert(name->count == 0);
    assert(subjects->retired == NULL);

    close_gap(subjects, probe(subjects, index_name_text(name), name->hash));
    subjects->count--;
    give_id(subjects, name->id);
    if (subjects->count == 0)
        index_subjects_clear(subjects); /* an emptied stream gives its memory back */
    subjects->retired = name;
}
