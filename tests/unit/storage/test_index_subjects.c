#include <stdio.h>

#include "base/heap.h"
#include "base/prng.h"
#include "base/scratch.h"
#include "storage/index.h"
#include "storage/index_subjects.h"
#include "tests/unit/unit.h"

/* ---- all of it, against an array ------------------------------------------------------------ */

#define WORLD 600u /* subjects that there may be */

struct world {
    struct index_subjects subjects;
    struct scratch *scratch;
    struct index_cache cache;
    uint32_t ids[WORLD]; /* or INDEX_SUBJECT_NONE */
    uint64_t count;
    struct prng prng;
};

/* Of any size, some larger than a page of the smallest kind; always the same for a number. */
static struct bytes subject_of(uint32_t number, char out[256])
{
    size_t size = (size_t)snprintf(out, 256, "%u.", number);

    while (size < number % 7 * (number % 11 == 0 ? 30 : 5))
        out[size++] = (char)('a' + number % 26);
    return bytes_of(out, size);
}

static void come(struct world *world, uint32_t number)
{
    struct index_name name = {.first = number + 1, .last = number + 1, .count = 1};
    char text[256];
    uint32_t id = index_subjects_intern(&world->subjects, subject_of(number, text));

    if (world->ids[number] != INDEX_SUBJECT_NONE) {
        ck_assert_uint_eq(id, world->ids[number]);
        return;
    }
    for (uint32_t i = 0; i < WORLD; i++)
        ck_assert_uint_ne(world->ids[i], id);
    name.id = world->ids[number] = id;
    index_names_write(&world->subjects.names, &name);
    world->count++;
}

static void go(struct world *world, uint32_t number)
{
    char text[256];
    struct bytes retired;

    if (world->ids[number] == INDEX_SUBJECT_NONE)
        return;
    retired = index_subjects_retire(&world->subjects, world->ids[number]);
    ck_assert(bytes_equal(retired, subject_of(number, text)));
    world->ids[number] = INDEX_SUBJECT_NONE;
    world->count--;
}

static void check_one(struct world *world, uint32_t number)
{
    char text[256];
    struct bytes subject = subject_of(number, text);
    uint64_t hash = index_subjects_hash(&world->subjects, subject);
    struct index_name name;
    uint32_t id = world->ids[number];

    ck_assert_uint_eq(index_subjects_find(&world->subjects, subject), id);
    ck_assert(index_subjects_is(&world->subjects, id, subject) == (id != INDEX_SUBJECT_NONE));
    if (id == INDEX_SUBJECT_NONE)
        return;
    ck_assert_uint_eq(index_subjects_guess(&world->subjects, hash), id); /* 2^32 hashes */
    ck_assert_uint_eq(index_subjects_guess_last(&world->subjects, id), number + 1);
    ck_assert(bytes_equal(index_subjects_text(&world->subjects, id), subject));
    index_names_read(&world->subjects.names, id, &name);
    ck_assert_uint_eq(name.first, number + 1);
    ck_assert_uint_eq(name.count, 1);
}

static void check_all(struct world *world)
{
    uint64_t used = 0;

    ck_assert_uint_eq(world->subjects.count, world->count);
    for (uint32_t number = 0; number < WORLD; number++)
        check_one(world, number);
    for (uint32_t id = 0; id < world->subjects.names.limit; id++) {
        used += index_subjects_used(&world->subjects, id);
        ck_assert(!index_subjects_is(&world->subjects, id, BYTES(""))); /* nobody is */
    }
    ck_assert_uint_eq(used, world->count);
}

/* In pages of 32 << bits, of which the scratch memory (bits > 0) refuses one of `refuse`; at most
 * `limit` bytes in memory, of what can be lent. */
static void live(uint64_t seed, unsigned bits, unsigned refuse, uint64_t limit)
{
    struct world *world = HEAP_NEW(struct world);
    uint32_t most = WORLD, lent = 0;

    world->scratch = scratch_create_twin(seed, refuse);
    world->cache.limit = limit;
    prng_seed(&world->prng, seed);
    index_subjects_init(&world->subjects, seed);
    if (bits > 0)
        index_subjects_use(&world->subjects,
                           (struct index_memory){.scratch = world->scratch, .cache = &world->cache},
                           bits);
    for (uint32_t i = 0; i < WORLD; i++)
        world->ids[i] = INDEX_SUBJECT_NONE;
    for (unsigned step = 0; step < 6000; step++) {
        uint32_t number = (uint32_t)prng_below(&world->prng, most);

        if (step % 1000 == 0) /* sometimes few, so that it empties and begins anew */
            most = prng_chance(&world->prng, 1, 3) ? 3 : WORLD;
        if (prng_chance(&world->prng, step / 1000 % 2 == 0 ? 1 : 3, 4))
            go(world, number);
        else
            come(world, number);
        if (world->cache.held > limit)
            lent += index_subjects_cool(&world->subjects);
        check_one(world, (uint32_t)prng_below(&world->prng, WORLD));
        if (step % 50 == 0)
            check_all(world);
    }
    for (uint32_t number = 0; number < WORLD; number++)
        go(world, number);
    ck_assert((lent > 0) == (bits > 0 && limit < UINT64_MAX && refuse != 1));
    ck_assert_uint_eq(world->cache.held + world->cache.lent, 0);
    ck_assert_uint_eq(scratch_space(world->scratch), 0);
    index_subjects_deinit(&world->subjects);
    scratch_destroy(world->scratch);
    heap_give(world);
}

START_TEST(subjects_that_come_and_go_are_found_as_in_an_array)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        for (unsigned bits = 0; bits <= 5; bits++)
            live(seed, bits, 0, UINT64_MAX);
        live(seed, 2, (unsigned)(seed % 3) + 1, UINT64_MAX);
        for (unsigned bits = 1; bits <= 5; bits++)
            live(seed, bits, 0, seed % 3 * 3000);
        live(seed, 2, (unsigned)(seed % 3) + 1, seed % 3 * 3000);
    }
}
END_TEST

/* ---- what it costs -------------------------------------------------------------------------- */

static uint64_t slots_of(const struct index_tags *tags, uint32_t *largest)
{
    uint64_t slots = 0;

    *largest = 0;
    for (uint32_t i = 0; i < tags->part_count; i++) {
        slots += tags->parts[i].capacity;
        if (tags->parts[i].count > *largest)
            *largest = tags->parts[i].count;
    }
    return slots;
}

START_TEST(no_addition_moves_more_than_a_part_of_the_subjects)
{
    struct index_tags tags;
    uint32_t largest, most = 0;

    index_tags_init(&tags);
    for (uint32_t id = 0; id < 300000; id++) {
        uint32_t parts = tags.part_count;

        index_tags_add(&tags, id * 2654435761u, id);
        ck_assert(tags.part_count <= parts + 1);
        if (id % 1000 == 0) {
            (void)slots_of(&tags, &largest);
            most = largest > most ? largest : most;
        }
    }
    ck_assert_uint_le(most, 3 * INDEX_TAGS_MEAN);
    for (uint32_t id = 0; id < 300000; id++) {
        struct index_tags_look look;

        index_tags_begin(&tags, id * 2654435761u, &look);
        ck_assert_uint_eq(index_tags_next(&look), id + 1);
        ck_assert_uint_eq(index_tags_next(&look), 0);
    }
    index_tags_deinit(&tags);
}
END_TEST

START_TEST(a_subject_costs_36_bytes_of_memory_at_most)
{
    struct scratch *scratch = scratch_create_twin(1, 0);
    struct index_subjects subjects;
    uint32_t largest;

    index_subjects_init(&subjects, 7);
    index_subjects_use(&subjects, (struct index_memory){.scratch = scratch}, INDEX_BITS);
    for (uint32_t number = 1; number <= 200000; number++) {
        char text[256];
        uint64_t bytes;

        (void)index_subjects_intern(&subjects, subject_of(number, text));
        if (number % 10000 != 0)
            continue;
        bytes = slots_of(&subjects.tags, &largest) * sizeof(struct index_tag);
        bytes += number * sizeof(struct index_record) + INDEX_TEXT_PAGE;
        bytes += subjects.texts.page_capacity * sizeof(struct index_text_page);
        ck_assert_uint_le(bytes, number * UINT64_C(36) + 2 * INDEX_TEXT_PAGE);
    }
    ck_assert_uint_gt(scratch_space(scratch), 0);
    index_subjects_deinit(&subjects);
    ck_assert_uint_eq(scratch_space(scratch), 0);
    scratch_destroy(scratch);
}
END_TEST

/* Of two pages one finds no space at first. */
START_TEST(texts_that_found_no_space_go_to_scratch_memory_later)
{
    struct scratch *scratch = scratch_create_twin(1, 2);
    struct index_subjects subjects;
    uint32_t left = 0;

    index_subjects_init(&subjects, 7);
    index_subjects_use(&subjects, (struct index_memory){.scratch = scratch}, 4);
    for (uint32_t number = 1; number <= 20000; number++) {
        char text[256];

        (void)index_subjects_intern(&subjects, subject_of(number, text));
    }
    for (uint32_t i = 0; i < subjects.texts.page_count; i++)
        left += !subjects.texts.pages[i].cold;
    ck_assert_uint_gt(subjects.texts.page_count, 500);
    ck_assert_uint_le(left, subjects.texts.page_count / 3);
    index_subjects_deinit(&subjects);
    scratch_destroy(scratch);
}
END_TEST

/* The newest of many that come and go, as the subjects of a work queue do, and few that stay. */
START_TEST(texts_of_subjects_that_went_take_no_space_for_long)
{
    struct scratch *scratch = scratch_create_twin(1, 0);
    struct index_subjects subjects;
    uint32_t queue[1000];

    index_subjects_init(&subjects, 7);
    index_subjects_use(&subjects, (struct index_memory){.scratch = scratch}, INDEX_BITS);
    for (uint32_t i = 0; i < 300000; i++) {
        char text[256];
        size_t size = (size_t)snprintf(text, sizeof text, "some.longer.subject.%u", i);

        if (i >= 1000 && i % 1000 != 0)
            (void)index_subjects_retire(&subjects, queue[i % 1000]);
        queue[i % 1000] = index_subjects_intern(&subjects, bytes_of(text, size));
    }
    ck_assert_uint_eq(subjects.count, 1299);
    ck_assert_uint_le(subjects.names.limit, 1300);
    ck_assert_uint_le(scratch_space(scratch), 2 * 1300 * 32 + 2 * INDEX_TEXT_PAGE);
    for (uint32_t i = 0; i < 1000; i++)
        (void)index_subjects_retire(&subjects, queue[i]);
    ck_assert_uint_le(slots_of(&subjects.tags, &(uint32_t){0}), 299 * 4);
    index_subjects_deinit(&subjects);
    scratch_destroy(scratch);
}
END_TEST

/* ---- single promises ------------------------------------------------------------------------ */

START_TEST(subjects_of_one_hash_are_told_apart)
{
    struct index_tags tags;
    struct index_tags_look look;
    uint64_t found = 0;

    index_tags_init(&tags);
    index_tags_begin(&tags, 5, &look);
    ck_assert_uint_eq(index_tags_next(&look), 0);
    for (uint32_t id = 0; id < 20; id++) {
        index_tags_add(&tags, UINT32_MAX, id); /* at the end: goes on at the beginning */
        index_tags_add(&tags, 0, 100 + id);
    }
    index_tags_remove(&tags, UINT32_MAX, 7);
    index_tags_begin(&tags, UINT32_MAX, &look);
    for (uint32_t id_plus_1; (id_plus_1 = index_tags_next(&look)) != 0;)
        found |= UINT64_C(1) << (id_plus_1 - 1);
    ck_assert_uint_eq(found, ((1u << 20) - 1) & ~(1u << 7));
    index_tags_deinit(&tags);
}
END_TEST

START_TEST(counts_and_ranges_beyond_32_bits_are_exact_and_narrow_again)
{
    const struct index_name cases[] = {
        {.first = 1, .last = UINT32_MAX, .count = 3},
        {.first = 1, .last = UINT64_C(1) << 32, .count = 3},
        {.first = 1, .last = UINT64_MAX - 1, .count = UINT64_C(1) << 40},
        {.first = 1, .last = UINT32_MAX, .count = UINT32_MAX - 1},
        {.first = 1, .last = UINT32_MAX, .count = UINT32_MAX},
        {.first = 5, .last = 9, .count = 2},
    };
    struct index_names names;
    uint32_t id;

    index_names_init(&names, 1);
    (void)index_names_take(&names);
    id = index_names_take(&names);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct index_name in = cases[i], out;

        in.id = id;
        index_names_write(&names, &in);
        index_names_read(&names, id, &out);
        ck_assert_uint_eq(out.first, in.first);
        ck_assert_uint_eq(out.last, in.last);
        ck_assert_uint_eq(out.count, in.count);
        ck_assert_uint_eq(out.id, id);
        if (in.last == UINT64_MAX - 1)
            continue;
        ck_assert_uint_eq(index_names_newest(&names, id, in.last + 7), in.last);
        index_names_read(&names, id, &out);
        ck_assert_uint_eq(out.first, in.first);
        ck_assert_uint_eq(out.last, in.last + 7);
        ck_assert_uint_eq(out.count, in.count + 1);
    }
    ck_assert_uint_eq(names.wide.count, 0);
    index_names_give(&names, id);
    ck_assert_uint_eq(index_names_take(&names), id);
    index_names_deinit(&names);
}
END_TEST

static void add(struct index *index, uint64_t sequence, const char *subject)
{
    struct index_entry entry = {.sequence = sequence, .subject = bytes_of_text(subject)};

    index_add(index, &entry);
}

static void check_subject(const struct index *index, const char *subject, uint64_t first,
                          uint64_t last, uint64_t count)
{
    struct index_subject counts;

    index_subject(index, bytes_of_text(subject), &counts);
    ck_assert_uint_eq(counts.first, first);
    ck_assert_uint_eq(counts.last, last);
    ck_assert_uint_eq(counts.count, count);
}

START_TEST(a_subject_far_apart_is_one_subject)
{
    struct index *index = index_create(1);
    const uint64_t far = UINT64_C(1) << 40;

    add(index, 1, "a");
    add(index, 2, "b");
    add(index, far, "a");
    add(index, far + 1, "a");
    check_subject(index, "a", 1, far + 1, 3);
    ck_assert(index_remove(index, 1, NULL));
    check_subject(index, "a", far, far + 1, 2);
    add(index, 2 * far, "a");
    check_subject(index, "a", far, 2 * far, 3);
    ck_assert_uint_eq(index_purge(index, NULL, UINT64_MAX, NULL, NULL), 4);
    check_subject(index, "a", 0, 0, 0);
    index_destroy(index);
}
END_TEST

START_TEST(hints_that_are_wrong_change_nothing)
{
    struct bytes hints[] = {BYTES("b"), BYTES("a"), BYTES("c"), BYTES("a"), BYTES("a"), BYTES("b")};
    struct index *index = index_create(1);

    add(index, 1, "a");
    add(index, 2, "b");
    index_expect(index, hints, 6);
    add(index, 3, "a");                      /* b was expected, */
    ck_assert(index_remove(index, 1, NULL)); /* a, whose id is */
    ck_assert(index_remove(index, 3, NULL)); /* nobody's now */
    add(index, 4, "c");
    add(index, 5, "a");
    add(index, 6, "b");
    add(index, 7, "a");
    check_subject(index, "a", 5, 7, 2);
    check_subject(index, "b", 2, 6, 2);
    check_subject(index, "c", 4, 4, 1);
    ck_assert_uint_eq(index_purge(index, NULL, UINT64_MAX, NULL, NULL), 5);
    add(index, 8, "b"); /* expected, but its id is gone with all */
    check_subject(index, "b", 8, 8, 1);
    ck_assert_uint_eq(index_subject_count(index), 1);
    index_destroy(index);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        subjects_that_come_and_go_are_found_as_in_an_array,
        no_addition_moves_more_than_a_part_of_the_subjects,
        a_subject_costs_36_bytes_of_memory_at_most,
        texts_that_found_no_space_go_to_scratch_memory_later,
        texts_of_subjects_that_went_take_no_space_for_long,
        subjects_of_one_hash_are_told_apart,
        counts_and_ranges_beyond_32_bits_are_exact_and_narrow_again,
        a_subject_far_apart_is_one_subject,
        hints_that_are_wrong_change_nothing,
    };

    return UNIT_RUN_PLAIN("index_subjects", tests);
}
