/* Whoever has asked whether a look-up is in memory, and has had brought what was not, touches
 * nothing else: the twin's pieces cannot be touched until they were brought. */
#include <errno.h>
#include <stdio.h>

#include "base/prng.h"
#include "base/scratch.h"
#include "storage/index_cache.h"
#include "storage/index_here.h"
#include "tests/unit/unit.h"

#define MESSAGES 8000u
#define SUBJECTS 3000u
#define OLD      (MESSAGES - (1u << INDEX_BITS)) /* not of the newest range */
#define SECOND   INT64_C(1000000000)
#define ROUNDS   100

struct hidden {
    struct scratch *scratch;
    struct index_cache cache;
    struct index *index;
    int64_t now_ns;
    unsigned rounds; /* of the last question */
};

static struct bytes subject_of(unsigned number, char text[64])
{
    return bytes_of(text, (size_t)snprintf(text, 64, "orders.%u.a-subject-of-some-size", number));
}

static void hidden_init(struct hidden *h, unsigned bits, uint64_t limit)
{
    struct prng prng;

    *h = (struct hidden){.cache = {.limit = limit}, .now_ns = 5 * SECOND};
    h->scratch = scratch_create_twin(1, 0);
    scratch_twin_hides(h->scratch);
    h->index = index_create(3);
    index_use(h->index, h->scratch, &h->cache, bits);
    prng_seed(&prng, 9);
    for (unsigned i = 1; i <= MESSAGES; i++) {
        char text[64];
        const struct index_entry entry = {
            .sequence = i,
            .time_ns = i,
            .place = i * 100,
            .record_size = 50,
            .stored_size = 40,
            .subject = subject_of((unsigned)prng_below(&prng, SUBJECTS), text),
        };

        index_add(h->index, &entry);
        if (i > 100 && prng_chance(&prng, 1, 7))
            (void)index_remove(h->index, i - 1 - prng_below(&prng, 90), NULL);
    }
}

static void hidden_deinit(struct hidden *h)
{
    scratch_twin_hide(h->scratch, false);
    index_destroy(h->index);
    scratch_destroy(h->scratch);
}

static struct index_here ask(const struct hidden *h)
{
    struct index_here here = {0};

    index_here_begin(&here, h->scratch, h->now_ns);
    return here;
}

/* As a worker does. True: everything was here. */
static bool bring(struct hidden *h, const struct index_here *here, int result)
{
    for (unsigned i = 0; i < here->count; i++)
        scratch_brought(h->scratch, here->away[i], result, h->now_ns);
    h->rounds++;
    ck_assert_uint_le(h->rounds, ROUNDS);
    return index_all_here(here);
}

static void hide(struct hidden *h)
{
    scratch_twin_hide(h->scratch, true);
    h->rounds = 0;
}

static bool ask_get(struct hidden *h, uint64_t sequence)
{
    struct index_here here = ask(h);

    index_here_get(h->index, sequence, &here);
    return bring(h, &here, 0);
}

static bool get(struct hidden *h, uint64_t sequence, struct index_entry *entry)
{
    hide(h);
    while (!ask_get(h, sequence))
        ;
    return index_get(h->index, sequence, entry);
}

static const unsigned bits_of[] = {6, INDEX_BITS};

/* With all of it lent, and with what is not in rows and texts held. */
static void each(void (*check)(struct hidden *h))
{
    for (size_t i = 0; i < 2 * UNIT_COUNT(bits_of); i++) {
        struct hidden h;

        hidden_init(&h, bits_of[i / 2], i % 2 == 0 ? 0 : UINT64_C(1) << 30);
        check(&h);
        hidden_deinit(&h);
    }
}

static void check_get(struct hidden *h)
{
    struct index_entry entry;
    unsigned found = 0, most = 0;

    for (uint64_t sequence = 1; sequence <= OLD; sequence += 67) {
        if (!get(h, sequence, &entry))
            continue;
        ck_assert_uint_eq(entry.place, sequence * 100);
        ck_assert(bytes_starts(entry.subject, BYTES("orders.")));
        most = h->rounds > most ? h->rounds : most;
        found++;
    }
    ck_assert_uint_gt(found, 70);
    ck_assert_uint_le(most, 5); /* the links, the row, the name, the text, and that all is here */
    ck_assert_uint_gt(most, 1);
    hide(h);
    (void)ask_get(h, MESSAGES); /* nothing of the newest is asked */
    ck_assert_uint_eq(h->rounds, 1);
}

START_TEST(a_message_is_found_by_its_sequence_without_touching_what_was_not_brought)
{
    each(check_get);
}
END_TEST

/* What is asked about then ends at the newest range, which is hidden here, too. */
static bool is_new(struct hidden *h, struct bytes subject)
{
    struct index_subject counts;

    index_subject(h->index, subject, &counts);
    return counts.last > OLD;
}

static void check_subject(struct hidden *h)
{
    for (unsigned i = 0; i <= SUBJECTS; i += 61) {
        char text[64];
        struct bytes subject = subject_of(i, text);
        const struct index_filter filter = {.subjects = &subject, .count = 1};
        struct index_entry last, first;
        struct index_here here;
        bool found;

        hide(h);
        do {
            here = ask(h);
            index_here_subject(h->index, subject, UINT64_MAX, &here);
        } while (!bring(h, &here, 0));
        if (is_new(h, subject))
            continue;
        found = index_previous(h->index, &filter, UINT64_MAX, &last);
        if (found)
            ck_assert(bytes_equal(last.subject, subject));
        hide(h);
        do {
            here = ask(h);
            index_here_subject(h->index, subject, 0, &here);
        } while (!bring(h, &here, 0));
        ck_assert(index_next(h->index, &filter, 0, &first) == found);
        if (found)
            ck_assert_uint_le(first.sequence, last.sequence);
    }
}

START_TEST(so_are_the_first_and_the_last_of_a_subject)
{
    each(check_subject);
}
END_TEST

/* One who asks as often as he is told to. */
static void check_walk(struct hidden *h)
{
    uint64_t from = 1, to = 0, seen = 0;
    struct index_entry entry;
    struct index_here here;

    for (;; from = entry.sequence + 1) {
        if (from > to) {
            hide(h);
            do {
                here = ask(h);
                to = index_here_next(h->index, NULL, from, &here);
            } while (!bring(h, &here, 0));
            ck_assert_uint_ge(to, from);
        }
        if (to == UINT64_MAX || !index_next(h->index, NULL, from, &entry))
            break;
        ck_assert_uint_eq(entry.place, entry.sequence * 100);
        seen++;
    }
    ck_assert_uint_gt(seen, index_count(h->index) / 2);
}

START_TEST(so_is_all_that_a_reader_comes_by_who_goes_on)
{
    each(check_walk);
}
END_TEST

/* What is published to again, and with a limit what leaves for it. Whatever is old is hidden; what
 * is newest is a range that was begun for the purpose. */
static void check_add(struct hidden *h, uint64_t limit)
{
    uint64_t sequence = MESSAGES + 1;

    for (unsigned i = 0; i <= SUBJECTS; i += 29, sequence++) {
        char text[64];
        const struct index_entry entry = {
            .sequence = sequence,
            .time_ns = MESSAGES,
            .place = sequence * 100,
            .record_size = 50,
            .stored_size = 40,
            .subject = subject_of(i * 2, text), /* half of them are new */
        };
        struct index_subject counts;
        struct index_here here;

        index_expect(h->index, &entry.subject, 0); /* no guess of before */
        index_subject(h->index, entry.subject, &counts);
        if (counts.last > OLD) /* of the newest range nothing is asked, nor hidden from it */
            continue;
        hide(h);
        do {
            here = ask(h);
            index_here_add(h->index, entry.subject, limit, &here);
        } while (!bring(h, &here, 0));
        index_add(h->index, &entry);
        index_subject(h->index, entry.subject, &counts);
        ck_assert_uint_eq(counts.last, sequence);
        if (limit != 0 && counts.count > limit)
            ck_assert(index_remove(h->index, counts.first, NULL));
        scratch_twin_hide(h->scratch, false);
    }
}

static void check_add_unlimited(struct hidden *h)
{
    check_add(h, 0);
}

static void check_add_limited(struct hidden *h)
{
    check_add(h, 1);
}

START_TEST(so_is_what_publishing_to_a_subject_reads)
{
    each(check_add_unlimited);
    each(check_add_limited);
}
END_TEST

static bool removable(struct hidden *h, uint64_t sequence)
{
    struct index_entry entry;
    struct index_subject counts;

    if (!index_get(h->index, sequence, &entry))
        return false;
    index_subject(h->index, entry.subject, &counts);
    return counts.last <= OLD;
}

static void check_remove(struct hidden *h)
{
    unsigned removed = 0;

    for (uint64_t sequence = 1; sequence <= OLD; sequence += 11) {
        struct index_here here;

        if (!removable(h, sequence))
            continue;
        hide(h);
        do {
            here = ask(h);
            index_here_remove(h->index, sequence, &here);
        } while (!bring(h, &here, 0));
        ck_assert(index_remove(h->index, sequence, NULL));
        scratch_twin_hide(h->scratch, false);
        removed++;
    }
    ck_assert_uint_gt(removed, 50);
}

START_TEST(so_is_what_removing_a_message_reads)
{
    each(check_remove);
}
END_TEST

/* In pieces, as limits and ages remove them. */
static void check_front(struct hidden *h)
{
    struct index_front front;
    uint64_t removed = 0, count = index_count(h->index);

    do {
        struct index_here here;
        struct index_entry entry;

        hide(h);
        do {
            here = ask(h);
            front = (struct index_front){
                .from = 1, .messages = 300, .bytes = 40 * 320, .until_ns = OLD - 3000};
            index_here_front(h->index, &front, &here);
        } while (!bring(h, &here, 0));
        ck_assert(!front.newest);
        ck_assert_uint_le(front.messages, 320);
        ck_assert_uint_eq(front.bytes, 40 * front.messages);
        for (uint64_t i = 0; i < front.messages; i++, removed++)
            ck_assert(index_remove(h->index, index_first(h->index), &entry));
        ck_assert(front.messages == 0 || entry.sequence == front.last);
        ck_assert(index_next(h->index, NULL, 1, &entry)); /* is it due? */
    } while (front.messages != 0);
    scratch_twin_hide(h->scratch, false);
    ck_assert_uint_gt(index_first(h->index), OLD - 3000);
    ck_assert_uint_eq(removed, count - index_count(h->index));
}

START_TEST(so_is_what_leaves_from_the_front)
{
    each(check_front);
}
END_TEST

START_TEST(without_scratch_memory_nothing_is_ever_away)
{
    struct index *index = index_create(1);
    const struct index_entry entry = {.sequence = 1, .place = 1, .subject = BYTES("a")};
    struct index_front front = {.from = 1, .messages = 5, .until_ns = INT64_MAX};
    struct index_here here = {0};

    index_add(index, &entry);
    index_here_get(index, 1, &here);
    index_here_subject(index, BYTES("a"), 0, &here);
    ck_assert_uint_eq(index_here_next(index, NULL, 1, &here), UINT64_MAX);
    index_here_add(index, BYTES("a"), 1, &here);
    index_here_remove(index, 1, &here);
    index_here_front(index, &front, &here);
    ck_assert_uint_eq(front.messages, 1);
    ck_assert_uint_eq(front.last, 1);
    ck_assert(index_all_here(&here));
    index_destroy(index);
}
END_TEST

START_TEST(what_cannot_be_brought_is_broken_for_a_moment_and_is_then_tried_again)
{
    struct hidden h;
    struct index_here here;
    struct index_entry entry;

    hidden_init(&h, 7, 0);
    hide(&h);
    here = ask(&h);
    index_here_get(h.index, 3, &here);
    ck_assert(!bring(&h, &here, -EIO));
    here = ask(&h);
    index_here_get(h.index, 3, &here);
    ck_assert(here.broken);
    ck_assert(!index_all_here(&here));
    h.now_ns += 3 * SECOND;
    here = ask(&h);
    index_here_get(h.index, 3, &here);
    ck_assert(!here.broken);
    ck_assert_uint_gt(here.count, 0);
    (void)get(&h, 3, &entry);
    hidden_deinit(&h);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_message_is_found_by_its_sequence_without_touching_what_was_not_brought,
        so_are_the_first_and_the_last_of_a_subject,
        so_is_all_that_a_reader_comes_by_who_goes_on,
        so_is_what_publishing_to_a_subject_reads,
        so_is_what_removing_a_message_reads,
        so_is_what_leaves_from_the_front,
        without_scratch_memory_nothing_is_ever_away,
        what_cannot_be_brought_is_broken_for_a_moment_and_is_then_tried_again,
    };

    return UNIT_RUN_PLAIN("index_here", tests);
}
