#include <stdio.h>

#include "base/heap.h"
#include "base/prng.h"
#include "base/scratch.h"
#include "base/subject.h"
#include "base/subject_set.h"
#include "storage/index_cache.h"
#include "storage/index_count.h"
#include "storage/index_slot.h"
#include "tests/unit/unit.h"

/* ---- a naive index: an array of all messages ever, walked from end to end ------------------- */

#define MODEL_MAX 6000

struct model {
    struct model_message {
        uint64_t sequence;
        int64_t time_ns;
        uint32_t stored_size;
        char subject[24];
        bool live;
    } at[MODEL_MAX];
    size_t count;
    uint64_t last;
    int64_t time_ns;
};

static const char *const words[] = {"a", "b", "cc", "d"};

static void random_subject(struct prng *prng, char out[24], unsigned variety)
{
    snprintf(out, 24, "%s.%s.%u", words[prng_below(prng, 4)], words[prng_below(prng, 4)],
             (unsigned)prng_below(prng, variety));
}

static bool matches(const struct index_filter *filter, const char *subject)
{
    if (filter->count == 0)
        return true;
    for (size_t i = 0; i < filter->count; i++) {
        if (subject_matches(filter->subjects[i], bytes_of_text(subject)))
            return true;
    }
    return false;
}

static void add(struct index *index, struct model *model, uint64_t sequence, const char *subject,
                uint32_t size)
{
    struct model_message *message = &model->at[model->count++];
    struct index_entry entry = {.sequence = sequence,
                                .time_ns = model->time_ns,
                                .place = sequence * 3,
                                .record_size = size + 1,
                                .stored_size = size,
                                .subject = bytes_of_text(subject)};

    *message = (struct model_message){
        .sequence = sequence, .time_ns = model->time_ns, .stored_size = size, .live = true};
    snprintf(message->subject, sizeof message->subject, "%s", subject);
    model->last = sequence;
    index_add(index, &entry);
}

static void check_entry(const struct model_message *message, const struct index_entry *entry)
{
    ck_assert_uint_eq(entry->sequence, message->sequence);
    ck_assert_int_eq(entry->time_ns, message->time_ns);
    ck_assert_uint_eq(entry->place, message->sequence * 3);
    ck_assert_uint_eq(entry->stored_size, message->stored_size);
    ck_assert_uint_eq(entry->record_size, message->stored_size + 1);
    ck_assert(bytes_equal(entry->subject, bytes_of_text(message->subject)));
}

static bool newest_of_subject(const struct model *model, size_t i, uint64_t up_to)
{
    for (size_t k = i + 1; k < model->count && model->at[k].sequence <= up_to; k++) {
        if (model->at[k].live && strcmp(model->at[k].subject, model->at[i].subject) == 0)
            return false;
    }
    return true;
}

static void check_sums(const struct index *index, const struct model *model)
{
    uint64_t count = 0, bytes = 0, first = 0, last = 0;

    for (size_t i = 0; i < model->count; i++) {
        if (!model->at[i].live)
            continue;
        count++;
        bytes += model->at[i].stored_size;
        first = first == 0 ? model->at[i].sequence : first;
        last = model->at[i].sequence;
    }
    ck_assert_uint_eq(index_count(index), count);
    ck_assert_uint_eq(index_bytes(index), bytes);
    ck_assert_uint_eq(index_first(index), first);
    ck_assert_uint_eq(index_last(index), last);
}

/* However small the parts are. */
static void check_count(const struct index *index, const struct index_filter *filter, uint64_t from,
                        uint64_t snapshot, uint64_t expected)
{
    for (uint64_t most = 1; most <= 4; most += 3) {
        struct index_count count;

        index_count_begin(&count, index, filter, from, snapshot);
        while (!index_count_part(&count, most))
            continue;
        ck_assert_uint_eq(count.count, expected);
    }
}

static void check_walks(const struct index *index, const struct model *model,
                        const struct index_filter *filter, uint64_t from, uint64_t up_to)
{
    const struct model_message *next = NULL, *previous = NULL;
    uint64_t pending = 0, pending_last = 0, above = 0;
    struct index_entry entry;

    for (size_t i = 0; i < model->count; i++) {
        const struct model_message *message = &model->at[i];

        if (!message->live || !matches(filter, message->subject))
            continue;
        if (message->sequence >= from) {
            next = next == NULL ? message : next;
            pending++;
            above += message->sequence > up_to;
            if (message->sequence <= up_to && newest_of_subject(model, i, up_to))
                pending_last++;
        }
        if (message->sequence <= up_to)
            previous = message;
    }
    ck_assert(index_next(index, filter, from, &entry) == (next != NULL));
    if (next != NULL)
        check_entry(next, &entry);
    ck_assert(index_previous(index, filter, up_to, &entry) == (previous != NULL));
    if (previous != NULL)
        check_entry(previous, &entry);
    ck_assert_uint_eq(index_pending(index, filter, from), pending);
    ck_assert_uint_eq(index_pending_last(index, filter, from, up_to), pending_last);
    check_count(index, filter, from, 0, pending);
    check_count(index, filter, from, up_to, pending_last + above);
}

static void check_message(const struct index *index, const struct model *model, size_t i,
                          uint64_t up_to)
{
    const struct model_message *message = &model->at[i];
    struct index_subject expected = {0}, counts;
    struct index_entry entry;
    log_place place;
    uint32_t size;

    ck_assert(index_get(index, message->sequence, &entry) == message->live);
    ck_assert(index_place(index, message->sequence, &place, &size) == message->live);
    if (message->live) {
        check_entry(message, &entry);
        ck_assert(place == entry.place && size == entry.record_size);
    }
    ck_assert(index_is_last(index, message->sequence, up_to) ==
              (message->live && message->sequence <= up_to && newest_of_subject(model, i, up_to)));
    for (size_t k = 0; k < model->count; k++) {
        if (!model->at[k].live || strcmp(model->at[k].subject, message->subject) != 0)
            continue;
        expected.count++;
        expected.first = expected.first == 0 ? model->at[k].sequence : expected.first;
        expected.last = model->at[k].sequence;
    }
    index_subject(index, bytes_of_text(message->subject), &counts);
    ck_assert_uint_eq(counts.count, expected.count);
    ck_assert_uint_eq(counts.first, expected.first);
    ck_assert_uint_eq(counts.last, expected.last);
}

static void check_time(const struct index *index, const struct model *model, int64_t time_ns)
{
    const struct model_message *first = NULL;
    struct index_entry entry;

    for (size_t i = 0; i < model->count && first == NULL; i++) {
        if (model->at[i].live && model->at[i].time_ns >= time_ns)
            first = &model->at[i];
    }
    ck_assert(index_first_at(index, time_ns, &entry) == (first != NULL));
    if (first != NULL)
        check_entry(first, &entry);
}

struct counted {
    const struct index_filter *filter;
    uint64_t subjects, messages;
};

static void count_subject(void *context, struct bytes subject, const struct index_subject *counts)
{
    struct counted *counted = context;
    char text[24] = {0};

    memcpy(text, subject.at, subject.size);
    ck_assert(matches(counted->filter, text));
    counted->subjects++;
    counted->messages += counts->count;
}

/* ---- random histories ----------------------------------------------------------------------- */

static size_t random_filter(struct prng *prng, struct bytes out[3], char texts[3][24])
{
    size_t count = prng_below(prng, 4);

    for (size_t i = 0; i < count; i++) {
        const char *a = words[prng_below(prng, 4)], *b = words[prng_below(prng, 4)];

        switch (prng_below(prng, 6)) {
        case 0: snprintf(texts[i], 24, "%s.*.%u", a, (unsigned)prng_below(prng, 4)); break;
        case 1: snprintf(texts[i], 24, "%s.>", a); break;
        case 2: snprintf(texts[i], 24, "*.%s.*", b); break;
        case 3: snprintf(texts[i], 24, prng_chance(prng, 1, 8) ? ">" : "*.*.1"); break;
        default: snprintf(texts[i], 24, "%s.%s.%u", a, b, (unsigned)prng_below(prng, 4)); break;
        }
        out[i] = bytes_of_text(texts[i]);
    }
    return count;
}

static void purge(struct prng *prng, struct index *index, struct model *model);

static void change(struct prng *prng, struct index *index, struct model *model, unsigned variety)
{
    char subject[24];
    size_t i;

    switch (prng_below(prng, 12)) {
    case 0: /* a gap, small or huge */
        model->last +=
            prng_chance(prng, 1, 20) ? UINT64_C(1) << prng_below(prng, 50) : prng_below(prng, 3000);
        break;
    case 1:
    case 2:
    case 3: /* any message goes */
        if (model->count == 0)
            return;
        i = prng_below(prng, model->count);
        ck_assert(index_remove(index, model->at[i].sequence, NULL) == model->at[i].live);
        model->at[i].live = false;
        return;
    case 4: /* the oldest go */
        for (i = 0; i < model->count && prng_chance(prng, 7, 8); i++) {
            struct index_entry removed;

            if (!model->at[i].live)
                continue;
            ck_assert(index_remove(index, model->at[i].sequence, &removed));
            check_entry(&model->at[i], &removed);
            model->at[i].live = false;
        }
        return;
    case 5:
        if (prng_chance(prng, 1, 40))
            purge(prng, index, model);
        return;
    default: break;
    }
    model->time_ns += (int64_t)prng_below(prng, 3);
    random_subject(prng, subject, variety);
    if (prng_chance(prng, 1, 4)) /* a hint changes nothing */
        index_expect(index, &(struct bytes){(const uint8_t *)subject, strlen(subject)}, 1);
    add(index, model, model->last + 1, subject, (uint32_t)prng_below(prng, 1000));
}

struct purging {
    struct model *model;
    const struct index_filter *filter;
    const struct index *index;
    uint64_t below, count;
};

static void purged(void *context, const struct index_entry *entry)
{
    struct purging *purging = context;
    struct index_entry ignored;

    purging->count++;
    for (size_t i = 0; i < purging->model->count; i++) {
        struct model_message *message = &purging->model->at[i];

        if (message->sequence != entry->sequence)
            continue;
        ck_assert(message->live);
        ck_assert(message->sequence < purging->below);
        ck_assert(matches(purging->filter, message->subject));
        check_entry(message, entry);
        message->live = false;
    }
    ck_assert(!index_get(purging->index, entry->sequence, &ignored));
}

static void purge(struct prng *prng, struct index *index, struct model *model)
{
    struct bytes subjects[3];
    char texts[3][24];
    struct index_filter filter = {.subjects = subjects,
                                  .count = random_filter(prng, subjects, texts)};
    struct purging purging = {
        .model = model, .filter = &filter, .index = index, .below = UINT64_MAX};
    uint64_t expected = 0;

    if (prng_chance(prng, 1, 2) && model->count > 0)
        purging.below = model->at[prng_below(prng, model->count)].sequence;
    for (size_t i = 0; i < model->count; i++)
        expected += model->at[i].live && model->at[i].sequence < purging.below &&
                    matches(&filter, model->at[i].subject);
    if (prng_chance(prng, 1, 2)) {
        ck_assert_uint_eq(index_purge(index, &filter, purging.below, purged, &purging), expected);
        ck_assert_uint_eq(purging.count, expected);
        return;
    }
    ck_assert_uint_eq(index_purge(index, &filter, purging.below, NULL, NULL), expected);
    for (size_t i = 0; i < model->count; i++) {
        if (model->at[i].sequence < purging.below && matches(&filter, model->at[i].subject))
            model->at[i].live = false;
    }
}

static void compare(struct prng *prng, const struct index *index, const struct model *model)
{
    struct bytes subjects[3];
    char texts[3][24];
    struct index_filter filter = {.subjects = subjects,
                                  .count = random_filter(prng, subjects, texts)};
    struct counted counted = {.filter = &filter};
    struct subject_set *set = NULL;
    uint64_t from = 0, up_to = UINT64_MAX;
    size_t i = prng_below(prng, model->count);

    if (filter.count > 0 && prng_chance(prng, 1, 2))
        filter.set = set = subject_set_create(filter.subjects, filter.count);
    if (prng_chance(prng, 7, 8))
        from = model->at[prng_below(prng, model->count)].sequence + prng_below(prng, 2);
    if (prng_chance(prng, 7, 8))
        up_to = model->at[prng_below(prng, model->count)].sequence;
    check_sums(index, model);
    check_walks(index, model, &filter, from, up_to);
    check_message(index, model, i, up_to);
    check_time(index, model, model->at[i].time_ns + (int64_t)prng_below(prng, 2));
    index_subjects(index, &filter, count_subject, &counted);
    ck_assert_uint_eq(counted.messages, index_pending(index, &filter, 0));
    if (filter.count == 0)
        ck_assert_uint_eq(counted.subjects, index_subject_count(index));
    subject_set_destroy(set);
}

/* Sums are held together: what is lent is not held as well. */
static void check_cache(const struct index *index, const struct index_cache *cache)
{
    if (index_count(index) == 0) { /* all of it has been given back */
        ck_assert_uint_eq(cache->held, 0);
        ck_assert_uint_eq(cache->lent, 0);
    }
    if (cache->limit == UINT64_MAX)
        ck_assert_uint_eq(cache->lent, 0);
}

/* In ranges of 2^bits sequences, of which the scratch memory refuses one of `refuse`; at most
 * `limit` bytes in memory. What was lent at most. */
static uint64_t run_limited(uint64_t seed, unsigned variety, unsigned steps, unsigned bits,
                            unsigned refuse, uint64_t limit)
{
    struct index_cache cache = {.limit = limit};
    uint64_t lent = 0;
    struct scratch *scratch = scratch_create_twin(seed, refuse);
    struct model *model = HEAP_NEW(struct model);
    struct index *index = index_create(seed);
    struct prng prng;

    if (bits > 0)
        index_use(index, scratch, &cache, bits);
    prng_seed(&prng, seed);
    for (unsigned step = 0; step < steps && model->count < MODEL_MAX; step++) {
        change(&prng, index, model, variety);
        check_cache(index, &cache);
        lent = cache.lent > lent ? cache.lent : lent;
        if (model->count > 0 && prng_chance(&prng, 1, 8))
            compare(&prng, index, model);
    }
    index_destroy(index);
    ck_assert_uint_eq(cache.held + cache.lent, 0);
    ck_assert_uint_eq(scratch_space(scratch), 0);
    scratch_destroy(scratch);
    heap_give(model);
    return lent;
}

static void run_cold(uint64_t seed, unsigned variety, unsigned steps, unsigned bits,
                     unsigned refuse)
{
    ck_assert_uint_eq(run_limited(seed, variety, steps, bits, refuse, UINT64_MAX), 0);
}

static void run(uint64_t seed, unsigned variety, unsigned steps)
{
    run_cold(seed, variety, steps, 0, 0);
}

START_TEST(what_is_in_scratch_memory_is_found_as_by_looking_at_every_message)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        for (unsigned bits = 1; bits <= 6; bits++)
            run_cold(seed, seed % 2 == 0 ? 4 : 1000, 1200, bits, 0);
    }
    for (uint64_t seed = 100; seed <= 102; seed++)
        run_cold(seed, 3, 9000, INDEX_BITS, 0);
}
END_TEST

START_TEST(scratch_memory_that_refuses_changes_no_answer)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        run_cold(seed, 4, 1500, 3, (unsigned)(seed % 4) + 1);
}
END_TEST

START_TEST(what_finds_no_room_in_memory_is_found_as_by_looking_at_every_message)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        for (unsigned bits = 1; bits <= 6; bits++) {
            unsigned variety = seed % 2 == 0 ? 4 : 1000;
            uint64_t limits[] = {0, 300, 4000, 20000};
            unsigned refuse = seed % 3 == 0 ? 3 : 0;

            ck_assert_uint_gt(
                run_limited(seed, variety, 1200, bits, refuse, limits[(seed + bits) % 4]), 0);
        }
    }
    for (uint64_t seed = 100; seed <= 102; seed++)
        (void)run_limited(seed, 3, 9000, INDEX_BITS, 0, 0);
    (void)run_limited(1, 4, 1200, 3, 1, 0); /* nothing is lent, all of it is beyond the limit */
}
END_TEST

/* With as many subjects as messages and with few; the newest range and pages that are not whole
 * stay. */
static void hold_to(uint64_t limit, uint64_t subjects)
{
    struct index_cache cache = {.limit = limit};
    struct scratch *scratch = scratch_create_twin(1, 0);
    struct index *index = index_create(1);
    uint64_t newest = (INDEX_BLOCK_SPAN * sizeof(struct index_slot)) + (160u << 10);

    index_use(index, scratch, &cache, INDEX_BITS);
    for (uint64_t sequence = 1; sequence <= 200000; sequence++) {
        char text[24];
        size_t size = (size_t)snprintf(text, sizeof text, "%u", (unsigned)(sequence % subjects));
        struct index_entry entry = {
            .sequence = sequence, .stored_size = 1, .subject = bytes_of(text, size)};

        index_add(index, &entry);
        ck_assert_uint_le(cache.held, limit + newest);
        if (limit > newest && sequence % INDEX_BLOCK_SPAN == INDEX_BLOCK_SPAN / 2)
            ck_assert_uint_eq(index_cache_excess(&cache), 0);
    }
    ck_assert_uint_gt(cache.lent, 0);
    for (uint64_t sequence = 1; sequence <= 200000; sequence++) {
        ck_assert(index_is_last(index, sequence, UINT64_MAX) == (sequence + subjects > 200000));
        ck_assert(index_remove(index, sequence, NULL));
    }
    ck_assert_uint_eq(cache.held + cache.lent, 0);
    index_destroy(index);
    scratch_destroy(scratch);
}

START_TEST(no_more_memory_is_held_than_allowed_but_for_the_newest_range)
{
    hold_to(0, 150000);
    hold_to(0, 50);
    hold_to(512 << 10, 150000);
    hold_to(512 << 10, 50);
    hold_to(2 << 20, 150000);
}
END_TEST

/* The older of two indexes took all there was; the younger has what it needs all the same. */
START_TEST(indexes_that_share_a_cache_give_back_what_each_took)
{
    struct index_cache cache = {.limit = 6000};
    struct scratch *scratch = scratch_create_twin(1, 4);
    struct index *older = index_create(1), *younger = index_create(2);

    index_use(older, scratch, &cache, 4);
    index_use(younger, scratch, &cache, 4);
    for (uint64_t sequence = 1; sequence <= 2000; sequence++) {
        struct index_entry entry = {
            .sequence = sequence, .stored_size = 1, .subject = BYTES("a.subject")};

        index_add(sequence <= 1000 ? older : younger, &entry);
    }
    ck_assert_uint_gt(cache.lent, 0);
    index_destroy(older);
    ck_assert_uint_gt(cache.held, 0);
    ck_assert_uint_gt(cache.lent, 0);
    ck_assert_uint_eq(index_purge(younger, NULL, UINT64_MAX, NULL, NULL), 1000);
    ck_assert_uint_eq(cache.held + cache.lent, 0);
    index_destroy(younger);
    ck_assert_uint_eq(scratch_space(scratch), 0);
    scratch_destroy(scratch);
}
END_TEST

/* Random deletes in the middle: what is before a message changes, again and again. */
static void remove_in_random_order(uint64_t seed, unsigned flaws)
{
    struct index_cache cache = {.limit = seed % 4 * 3000};
    struct scratch *scratch = scratch_create_twin(seed, 0);
    struct model *model = HEAP_NEW(struct model);
    struct index *index = index_create(seed);
    struct prng prng;

    prng_seed(&prng, seed);
    index_use(index, scratch, &cache, 5);
    index_flaw(index, flaws);
    for (uint64_t sequence = 1; sequence <= 600; sequence++)
        add(index, model, sequence, prng_chance(&prng, 1, 4) ? "a.b.1" : "a.b.2", 1);
    for (unsigned left = 600; left > 0;) {
        size_t i = prng_below(&prng, 600);

        if (!model->at[i].live)
            continue;
        ck_assert(index_remove(index, model->at[i].sequence, NULL));
        model->at[i].live = false;
        left--;
        if (left % 8 == 0 && flaws == 0)
            compare(&prng, index, model);
    }
    ck_assert_uint_eq(scratch_space(scratch), 0);
    index_destroy(index);
    scratch_destroy(scratch);
    heap_give(model);
}

START_TEST(messages_removed_in_random_order_leave_the_rest_linked)
{
    for (uint64_t seed = 1; seed <= 10; seed++)
        remove_in_random_order(seed, 0);
}
END_TEST

START_TEST(a_range_that_forgets_what_changed_in_it_is_noticed)
{
    for (uint64_t seed = 1; seed <= 10; seed++)
        remove_in_random_order(seed, INDEX_FLAW_BEFORE_LOST);
}
END_TEST

START_TEST(few_subjects_are_found_as_by_looking_at_every_message)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        run(seed, 4, 1500);
}
END_TEST

START_TEST(many_subjects_are_found_as_by_looking_at_every_message)
{
    for (uint64_t seed = 1; seed <= 30; seed++)
        run(seed, 1000, 1500);
}
END_TEST

START_TEST(long_histories_are_found_as_by_looking_at_every_message)
{
    for (uint64_t seed = 1; seed <= 4; seed++)
        run(seed, 3, 9000);
}
END_TEST

/* ---- single promises ------------------------------------------------------------------------ */

START_TEST(an_empty_index_has_nothing_and_says_so)
{
    struct index *index = index_create(1);
    struct bytes subject = BYTES("a.*");
    struct index_filter filter = {.subjects = &subject, .count = 1};
    struct index_entry entry;
    struct index_subject counts;

    ck_assert_uint_eq(index_count(index), 0);
    ck_assert_uint_eq(index_first(index), 0);
    ck_assert_uint_eq(index_last(index), 0);
    ck_assert(!index_get(index, 0, &entry));
    ck_assert(!index_next(index, &filter, 0, &entry));
    ck_assert(!index_previous(index, NULL, UINT64_MAX, &entry));
    ck_assert(!index_first_at(index, INT64_MIN, &entry));
    ck_assert(!index_remove(index, 1, NULL));
    ck_assert_uint_eq(index_pending(index, &filter, 0), 0);
    ck_assert_uint_eq(index_purge(index, NULL, UINT64_MAX, NULL, NULL), 0);
    index_subject(index, subject, &counts);
    ck_assert_uint_eq(counts.count, 0);
    index_destroy(index);
}
END_TEST

START_TEST(a_published_subject_that_looks_like_a_wildcard_is_only_itself)
{
    struct model *model = HEAP_NEW(struct model);
    struct index *index = index_create(1);
    struct index_subject counts;

    add(index, model, 1, "a.*", 1);
    add(index, model, 2, "a.b", 1);
    index_subject(index, BYTES("a.*"), &counts);
    ck_assert_uint_eq(counts.count, 1);
    ck_assert_uint_eq(counts.last, 1);
    index_destroy(index);
    heap_give(model);
}
END_TEST

START_TEST(the_removed_subject_stays_readable_until_the_next_change)
{
    struct model *model = HEAP_NEW(struct model);
    struct index *index = index_create(1);
    struct index_entry removed;

    add(index, model, 1, "only.one", 1);
    ck_assert(index_remove(index, 1, &removed));
    ck_assert_uint_eq(index_subject_count(index), 0);
    ck_assert(bytes_equal(removed.subject, BYTES("only.one")));
    index_destroy(index);
    heap_give(model);
}
END_TEST

START_TEST(a_sequence_at_the_end_of_the_range_is_a_sequence)
{
    struct model *model = HEAP_NEW(struct model);
    struct index *index = index_create(1);
    struct index_entry entry;

    add(index, model, 1, "a", 1);
    add(index, model, UINT64_MAX - 1, "a", 1);
    ck_assert(index_next(index, NULL, 2, &entry));
    ck_assert_uint_eq(entry.sequence, UINT64_MAX - 1);
    ck_assert(!index_next(index, NULL, UINT64_MAX, &entry));
    ck_assert_uint_eq(index_pending(index, NULL, 2), 1);
    index_destroy(index);
    heap_give(model);
}
END_TEST

/* So rare that trying the subjects is cheaper than looking at the messages between. */
START_TEST(a_rare_subject_is_found_from_far_away)
{
    struct model *model = HEAP_NEW(struct model);
    struct index *index = index_create(1);
    struct bytes subjects[2] = {BYTES("b.*"), BYTES("b.z")};
    struct index_filter filter = {.subjects = subjects, .count = 2};

    for (uint64_t sequence = 1; sequence <= 5000; sequence++)
        add(index, model, sequence, sequence == 10 || sequence == 4000 ? "b.y" : "a.x", 1);
    for (uint64_t from = 3480; from < 3500; from++) { /* it is the next after a long look */
        check_walks(index, model, &filter, from, UINT64_MAX);
        check_walks(index, model, &filter, 0, 3999 - (from - 3480) + 520);
    }
    for (uint64_t from = 0; from <= 5000; from += 7) {
        check_walks(index, model, &filter, from, UINT64_MAX);
        check_walks(index, model, &filter, 0, from);
        check_walks(index, model, &filter, from, 4100);
    }
    index_destroy(index);
    heap_give(model);
}
END_TEST

START_TEST(a_sequence_is_added_once_and_in_order)
{
    struct model *model = HEAP_NEW(struct model);
    struct index *index = index_create(1);

    add(index, model, 5, "a", 1);
    (void)index_remove(index, 5, NULL);
    add(index, model, 5, "a", 1); /* also when the index is empty again */
}
END_TEST

/* Many subjects, many messages of one, many messages: none is looked at whole in one part. */
START_TEST(a_part_of_a_count_is_bounded)
{
    static const struct {
        const char *filter;
        uint64_t from, snapshot, parts_min;
    } cases[] = {
        {"s.*", 0, 0, 40},
        {"one", 2000, 0, 9},
        {"*", 2000, 0, 19},
        {"s.*", 0, 4000, 40},
    };
    struct index *index = index_create(7);
    char subject[16];

    for (uint64_t sequence = 1; sequence <= 8000; sequence++) {
        snprintf(subject, sizeof subject, sequence % 2 == 0 ? "one" : "s.%u", (unsigned)sequence);
        index_add(index, &(struct index_entry){.sequence = sequence,
                                               .time_ns = (int64_t)sequence,
                                               .place = sequence,
                                               .record_size = 9,
                                               .stored_size = 8,
                                               .subject = bytes_of_text(subject)});
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes text = bytes_of_text(cases[i].filter);
        struct index_filter filter = {.subjects = &text, .count = 1};
        struct index_count count;
        uint64_t parts = 1;

        index_count_begin(&count, index, &filter, cases[i].from, cases[i].snapshot);
        while (!index_count_part(&count, 100))
            parts++;
        ck_assert_uint_ge(parts, cases[i].parts_min);
        ck_assert_uint_le(parts, 90);
    }
    index_destroy(index);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_part_of_a_count_is_bounded,
        few_subjects_are_found_as_by_looking_at_every_message,
        many_subjects_are_found_as_by_looking_at_every_message,
        long_histories_are_found_as_by_looking_at_every_message,
        what_is_in_scratch_memory_is_found_as_by_looking_at_every_message,
        scratch_memory_that_refuses_changes_no_answer,
        what_finds_no_room_in_memory_is_found_as_by_looking_at_every_message,
        no_more_memory_is_held_than_allowed_but_for_the_newest_range,
        indexes_that_share_a_cache_give_back_what_each_took,
        messages_removed_in_random_order_leave_the_rest_linked,
        an_empty_index_has_nothing_and_says_so,
        a_published_subject_that_looks_like_a_wildcard_is_only_itself,
        the_removed_subject_stays_readable_until_the_next_change,
        a_sequence_at_the_end_of_the_range_is_a_sequence,
        a_rare_subject_is_found_from_far_away,
    };
    const TTest *aborting[] = {a_sequence_is_added_once_and_in_order,
                               a_range_that_forgets_what_changed_in_it_is_noticed};

    return UNIT_RUN("index", tests, aborting);
}
