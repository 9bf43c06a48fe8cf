#include <stdio.h>

#include "base/heap.h"
#include "base/prng.h"
#include "server/stream/overlay.h"
#include "tests/unit/unit.h"

static struct overlay overlay;

static void begin(void)
{
    overlay_init(&overlay, 3);
}

static void add(uint64_t sequence, const char *subject, const char *id, bool rollup)
{
    overlay_add(&overlay, sequence, (int64_t)sequence, 10, bytes_of_text(subject),
                bytes_of_text(id), rollup);
}

static void check_subject(const char *subject, uint64_t last, uint64_t count, bool rolled_up)
{
    struct overlay_subject found;

    overlay_subject(&overlay, bytes_of_text(subject), &found);
    ck_assert_uint_eq(found.last, last);
    ck_assert_uint_eq(found.count, count);
    ck_assert(found.rolled_up == rolled_up);
}

START_TEST(what_is_added_is_seen_until_it_is_applied)
{
    begin();
    ck_assert_ptr_null(overlay_last(&overlay));
    add(5, "a", "i1", false);
    add(6, "b", "", false);
    ck_assert_uint_eq(overlay_last(&overlay)->sequence, 6);
    ck_assert_uint_eq(overlay.bytes, 20);
    check_subject("a", 5, 1, false);
    check_subject("c", 0, 0, false);
    ck_assert_uint_eq(overlay_id(&overlay, BYTES("i1"))->sequence, 5);
    ck_assert_int_eq(overlay_id(&overlay, BYTES("i1"))->time_ns, 5);
    ck_assert_ptr_null(overlay_id(&overlay, BYTES("i2")));
    overlay_drop(&overlay, 5);
    check_subject("a", 0, 0, false);
    check_subject("b", 6, 1, false);
    ck_assert_ptr_null(overlay_id(&overlay, BYTES("i1")));
    ck_assert_uint_eq(overlay.bytes, 10);
    overlay_drop(&overlay, 6);
    ck_assert_uint_eq(overlay.count, 0);
    overlay_deinit(&overlay);
}
END_TEST

START_TEST(a_roll_up_hides_what_came_before_until_it_is_applied)
{
    begin();
    add(1, "a", "", false);
    add(2, "a", "", false);
    check_subject("a", 2, 2, false);
    add(3, "a", "", true);
    add(4, "a", "", false);
    check_subject("a", 4, 2, true);
    overlay_drop(&overlay, 1);
    check_subject("a", 4, 2, true);
    overlay_drop(&overlay, 3);
    check_subject("a", 4, 1, false);
    overlay_deinit(&overlay);
}
END_TEST

START_TEST(what_never_happened_is_forgotten_whole)
{
    begin();
    add(1, "a", "i", true);
    check_subject("a", 1, 1, true);
    overlay_clear(&overlay);
    check_subject("a", 0, 0, false);
    ck_assert_ptr_null(overlay_id(&overlay, BYTES("i")));
    add(1, "b", "j", false); /* the sequence is free again */
    ck_assert(bytes_equal(overlay_entry_subject(&overlay, overlay_last(&overlay)), BYTES("b")));
    ck_assert(bytes_equal(overlay_entry_id(&overlay, overlay_last(&overlay)), BYTES("j")));
    overlay_deinit(&overlay);
}
END_TEST

START_TEST(additions_without_questions_hash_nothing)
{
    begin();
    for (uint64_t sequence = 1; sequence <= 1000; sequence++)
        add(sequence, "a.b", "id", false);
    overlay_drop(&overlay, 500);
    ck_assert_uint_eq(overlay.subjects.count, 0);
    ck_assert_uint_eq(overlay.ids.count, 0);
    check_subject("a.b", 1000, 500, false);
    overlay_deinit(&overlay);
}
END_TEST

START_TEST(memory_follows_what_is_in_flight)
{
    begin();
    for (uint64_t sequence = 1; sequence <= 200000; sequence++) {
        add(sequence, "some.subject.of.usual.length", "", false);
        overlay_drop(&overlay, sequence - (sequence < 50 ? 0 : 50));
        ck_assert_uint_le(overlay.texts.size, 8000);
        ck_assert_uint_le(overlay.capacity, 64);
    }
    overlay_deinit(&overlay);
}
END_TEST

START_TEST(sequences_rise)
{
    begin();
    add(2, "a", "", false);
    add(2, "a", "", false);
}
END_TEST

/* ---- against a list ------------------------------------------------------------------------- */

struct model {
    struct {
        unsigned subject, id;
        bool rollup;
    } at[3000];
    uint64_t first, last;
};

static void name(char out[16], const char *prefix, unsigned number)
{
    snprintf(out, 16, "%s%u", prefix, number);
}

static void compare(const struct model *model, struct prng *prng)
{
    unsigned wanted = (unsigned)prng_below(prng, 6), wanted_id = 1 + (unsigned)prng_below(prng, 8);
    uint64_t last = 0, count = 0, id = 0;
    bool rolled_up = false;
    char text[16];
    const struct overlay_entry *entry;

    for (uint64_t sequence = model->first; sequence <= model->last; sequence++) {
        if (model->at[sequence].id == wanted_id)
            id = sequence;
        if (model->at[sequence].subject != wanted)
            continue;
        last = sequence;
        count = model->at[sequence].rollup ? 1 : count + 1;
        rolled_up |= model->at[sequence].rollup;
    }
    name(text, "s.", wanted);
    check_subject(text, last, count, rolled_up);
    name(text, "id", wanted_id);
    entry = overlay_id(&overlay, bytes_of_text(text));
    ck_assert_uint_eq(entry == NULL ? 0 : entry->sequence, id);
    ck_assert_uint_eq(overlay.count, model->last + 1 - model->first);
}

static void run(uint64_t seed)
{
    struct model *model = HEAP_NEW(struct model);
    struct prng prng;
    char subject[16], id[16] = "";

    prng_seed(&prng, seed);
    begin();
    model->first = 1;
    while (model->last < 2999) {
        unsigned at = (unsigned)prng_below(&prng, 6), number = (unsigned)prng_below(&prng, 12);
        bool rollup = prng_chance(&prng, 1, 6);

        model->last++;
        model->at[model->last].subject = at;
        model->at[model->last].id = number <= 8 ? number : 0;
        model->at[model->last].rollup = rollup;
        name(subject, "s.", at);
        id[0] = 0;
        if (model->at[model->last].id != 0)
            name(id, "id", number);
        overlay_add(&overlay, model->last, (int64_t)model->last, 1, bytes_of_text(subject),
                    bytes_of_text(id), rollup);
        if (prng_chance(&prng, 1, 5)) {
            model->first += prng_below(&prng, model->last + 2 - model->first);
            overlay_drop(&overlay, model->first - 1);
        }
        if (prng_chance(&prng, 1, 10)) {
            model->last -= prng_below(&prng, model->last + 2 - model->first);
            overlay_cut(&overlay, model->last + 1 - model->first);
        }
        if (prng_chance(&prng, 1, 200)) {
            overlay_clear(&overlay);
            model->first = model->last + 1;
        }
        if (prng_chance(&prng, 1, 3))
            compare(model, &prng);
    }
    overlay_deinit(&overlay);
    heap_give(model);
}

START_TEST(subjects_and_ids_are_seen_as_by_looking_at_every_entry)
{
    for (uint64_t seed = 1; seed <= 100; seed++)
        run(seed);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_is_added_is_seen_until_it_is_applied,
        a_roll_up_hides_what_came_before_until_it_is_applied,
        what_never_happened_is_forgotten_whole,
        additions_without_questions_hash_nothing,
        memory_follows_what_is_in_flight,
        subjects_and_ids_are_seen_as_by_looking_at_every_entry,
    };
    const TTest *aborting[] = {sequences_rise};

    return UNIT_RUN("overlay", tests, aborting);
}
