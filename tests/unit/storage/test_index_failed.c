/* The disk that holds scratch memory fails under an index, at any place and in any call: the call
 * comes back, the process lives, until then each answer is right, and from then on there is none.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/heap.h"
#include "base/prng.h"
#include "base/scratch.h"
#include "storage/index_cache.h"
#include "storage/index_capture.h"
#include "storage/index_count.h"
#include "storage/index_here.h"
#include "tests/unit/unit.h"

#define MESSAGES 30000u
#define SUBJECTS 5000u
#define CALLS    24u

struct broken {
    struct scratch *scratch;
    struct index_cache cache;
    struct index *index;
    uint64_t added;
    unsigned subject_of[MESSAGES * 2 + 1]; /* plus 1; 0: it was removed */
    struct prng prng;
};

static struct scratch *create(void)
{
    char directory[] = "/tmp/test_index_failed.XXXXXX";
    struct scratch *scratch;
    int fd;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    fd = open(directory, O_RDONLY | O_DIRECTORY);
    scratch = scratch_create(fd);
    ck_assert_ptr_nonnull(scratch);
    close(fd);
    ck_assert_int_eq(rmdir(directory), 0);
    return scratch;
}

static struct bytes subject_text(unsigned number, char text[64])
{
    return bytes_of(text, (size_t)snprintf(text, 64, "orders.%u.a-subject-of-some-size", number));
}

static void add(struct broken *b)
{
    unsigned subject = (unsigned)prng_below(&b->prng, SUBJECTS);
    uint64_t sequence = b->added + 1;
    char text[64];
    const struct index_entry entry = {
        .sequence = sequence,
        .time_ns = (int64_t)sequence,
        .place = sequence * 100,
        .record_size = 50,
        .stored_size = 40,
        .subject = subject_text(subject, text),
    };

    index_add(b->index, &entry);
    b->added = sequence;
    b->subject_of[sequence] = subject + 1;
}

static void take(struct broken *b, uint64_t sequence)
{
    bool there = b->subject_of[sequence] != 0;
    bool removed = index_remove(b->index, sequence, NULL);

    ck_assert(removed == there || index_failed(b->index));
    b->subject_of[sequence] = 0;
}

static void broken_init(struct broken *b, uint64_t seed, uint64_t limit)
{
    *b = (struct broken){.cache = {.limit = limit}};
    b->scratch = create();
    b->index = index_create(3);
    index_use(b->index, b->scratch, &b->cache, INDEX_BITS);
    prng_seed(&b->prng, seed);
    while (b->added < MESSAGES) {
        add(b);
        if (b->added > 3000 && prng_chance(&b->prng, 1, 5))
            take(b, b->added - prng_below(&b->prng, 3000));
    }
    ck_assert(!index_failed(b->index));
}

/* What it has on the heap is given back, of what it has in scratch memory nothing is looked at. */
static void broken_deinit(struct broken *b)
{
    index_destroy(b->index);
    scratch_destroy(b->scratch);
}

static void check_entry(const struct broken *b, bool found, const struct index_entry *entry)
{
    char text[64];
    struct bytes subject;

    if (!found || index_failed(b->index))
        return;
    ck_assert_uint_ge(entry->sequence, 1);
    ck_assert_uint_le(entry->sequence, b->added);
    ck_assert_uint_ne(b->subject_of[entry->sequence], 0);
    ck_assert_uint_eq(entry->place, entry->sequence * 100);
    subject = subject_text(b->subject_of[entry->sequence] - 1, text);
    /* Reading it may fail by itself. */
    ck_assert(bytes_equal(subject, entry->subject) || index_failed(b->index));
}

static void seen(void *context, const struct index_entry *entry)
{
    struct broken *b = context;
    struct index_entry other;

    b->subject_of[entry->sequence] = 0;
    (void)index_next(b->index, NULL, entry->sequence, &other); /* it may ask */
}

static void said(void *context, struct bytes subject, const struct index_subject *counts)
{
    struct broken *b = context;

    ck_assert_uint_gt(counts->count, 0);
    ck_assert(bytes_starts(subject, BYTES("orders.")) || index_failed(b->index));
}

static bool same_place(void *context, struct index_entry *entry)
{
    (void)context;
    (void)entry;
    return true;
}

static void capture(struct broken *b, unsigned pieces)
{
    struct index_capture *capture;
    struct buf messages;
    bool more;

    buf_init(&messages, SIZE_MAX);
    capture = index_capture_begin(b->index, &messages);
    (void)index_capture_name(capture);
    (void)index_capture_step(capture, 1);
    take(b, 1 + prng_below(&b->prng, b->added)); /* in the midst of it */
    more = index_capture_step(capture, pieces);
    ck_assert(more || !index_failed(b->index));
    index_capture_end(capture);
    buf_deinit(&messages);
}

/* One that is made where it fails: it is told, and given up. */
static void restore(struct broken *b)
{
    struct index *source = index_create(3), *restored = index_create(4);
    struct buf pieces, places;
    struct index_capture *capture;

    for (uint64_t i = 1; i <= 4000; i++) {
        char text[64];
        const struct index_entry entry = {.sequence = i,
                                          .place = i * 100,
                                          .record_size = 50,
                                          .subject = subject_text((unsigned)(i * 7 % 3000), text)};

        index_add(source, &entry);
    }
    buf_init(&pieces, SIZE_MAX);
    buf_init(&places, SIZE_MAX);
    capture = index_capture_begin(source, &pieces);
    while (index_capture_step(capture, 16))
        ;
    ck_assert(index_capture_places(capture, &places));
    index_capture_end(capture);
    index_use(restored, b->scratch, &b->cache, INDEX_BITS);
    if (index_restore(restored, buf_bytes(&pieces), buf_bytes(&places), false, same_place, NULL) !=
        OK)
        ck_assert(index_failed(restored));
    index_destroy(restored);
    index_destroy(source);
    buf_deinit(&pieces);
    buf_deinit(&places);
}

static void here(struct broken *b, uint64_t sequence, struct bytes subject)
{
    struct index_here ask;

    index_here_begin(&ask, b->scratch, 5);
    index_here_get(b->index, sequence, &ask);
    index_here_subject(b->index, subject, sequence, &ask);
    (void)index_here_next(b->index, NULL, sequence, &ask);
    ck_assert(!index_failed(b->index) || ask.broken);
}

static void count(struct broken *b, const struct index_filter *filter, uint64_t sequence)
{
    struct index_count counting;
    uint64_t next = sequence, found = 0;

    index_count_begin(&counting, b->index, filter, sequence, 0);
    while (!index_count_part(&counting, 500))
        ;
    while (!index_count_walk(b->index, filter, 0, 500, &next, &found))
        ;
    (void)index_pending(b->index, filter, sequence);
    (void)index_pending_last(b->index, filter, sequence, b->added);
}

static void call(struct broken *b, unsigned which)
{
    uint64_t sequence = 1 + prng_below(&b->prng, b->added);
    unsigned number = (unsigned)prng_below(&b->prng, SUBJECTS);
    char text[64];
    struct bytes literal = subject_text(number, text),
                 wild[] = {BYTES("orders.4*9.>"), BYTES("orders.*.>")};
    struct index_filter one = {&literal, 1, true}, many = {&wild[number % 2], 1, false};
    struct index_entry entry;
    struct index_subject subject;
    log_place place;
    uint32_t size;

    switch (which) {
    case 0: check_entry(b, index_get(b->index, sequence, &entry), &entry); break;
    case 1: check_entry(b, index_next(b->index, NULL, sequence, &entry), &entry); break;
    case 2: check_entry(b, index_next(b->index, &one, sequence, &entry), &entry); break;
    case 3: check_entry(b, index_next(b->index, &many, sequence, &entry), &entry); break;
    case 4: check_entry(b, index_previous(b->index, &one, sequence, &entry), &entry); break;
    case 5: check_entry(b, index_previous(b->index, &many, sequence, &entry), &entry); break;
    case 6: check_entry(b, index_first_at(b->index, (int64_t)sequence, &entry), &entry); break;
    case 7: (void)index_place(b->index, sequence, &place, &size); break;
    case 8: index_subject(b->index, literal, &subject); break;
    case 9: (void)index_is_last(b->index, sequence, b->added); break;
    case 10: count(b, &one, sequence); break;
    case 11: count(b, &many, sequence); break;
    case 12: index_subjects(b->index, &many, said, b); break;
    case 13: (void)index_purge(b->index, &one, sequence, seen, b); break;
    case 14: (void)index_purge(b->index, NULL, sequence / 16, seen, b); break;
    case 15: take(b, sequence); break;
    case 16: add(b); break;
    case 17:
        for (unsigned i = 0; i < 3000; i++)
            add(b);
        break;
    case 18:
        if (b->subject_of[sequence] != 0)
            index_move(b->index, sequence, sequence * 100);
        break;
    case 19: capture(b, (unsigned)prng_below(&b->prng, 40)); break;
    case 20: restore(b); break;
    case 21: here(b, sequence, literal); break;
    case 22: index_expect(b->index, &literal, 1); break;
    case 23:
        (void)index_first(b->index);
        (void)index_last(b->index);
        break;
    default: abort();
    }
}

static void check_gone(struct broken *b)
{
    struct index_entry entry;

    ck_assert_uint_eq(index_count(b->index) + index_bytes(b->index), 0);
    ck_assert_uint_eq(index_subject_count(b->index), 0);
    ck_assert_uint_eq(index_first(b->index) + index_last(b->index), 0);
    ck_assert(!index_next(b->index, NULL, 1, &entry));
    ck_assert(!index_get(b->index, b->added, &entry));
}

/* Of it all, or of what is behind a place in it. */
static void run(uint64_t seed, unsigned which, uint64_t limit, bool all)
{
    struct broken *b = HEAP_NEW(struct broken);
    uint64_t most;

    broken_init(b, seed, limit);
    most = scratch_space(b->scratch) - (1 << 20); /* behind it stands something */
    scratch_break(b->scratch, all ? 0 : prng_below(&b->prng, most) / 4096 * 4096);
    for (unsigned i = 0; i < 50 && b->added < MESSAGES * 2 - 8000; i++)
        call(b, which < CALLS ? which : (unsigned)prng_below(&b->prng, CALLS));
    if (index_failed(b->index))
        check_gone(b);
    for (unsigned i = 0; i < CALLS; i++)
        call(b, i);
    (void)index_purge(b->index, NULL, UINT64_MAX, seen, b);
    ck_assert(index_failed(b->index));
    check_gone(b);
    broken_deinit(b);
    heap_give(b);
}

START_TEST(each_call_comes_back_when_all_is_gone)
{
    for (unsigned which = 0; which < CALLS; which++) {
        run(which, which, 0, true);
        run(which, which, UINT64_C(1) << 30, true);
    }
}
END_TEST

START_TEST(each_call_comes_back_when_some_is_gone)
{
    for (unsigned which = 0; which < CALLS; which++) {
        run(which, which, 0, false);
        run(which, which, UINT64_C(1) << 30, false);
    }
}
END_TEST

START_TEST(any_calls_in_any_order)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        run(seed, CALLS, seed % 3 * (UINT64_C(1) << 18), false);
}
END_TEST

/* A disk that gives back zeros, and no error: rows say whose they are. */
START_TEST(rows_of_zeros_are_a_failure)
{
    struct broken *b = HEAP_NEW(struct broken);
    struct index_entry entry;

    broken_init(b, 1, UINT64_C(1) << 30);
    scratch_blank(b->scratch);
    for (uint64_t i = 2; i < 2000 && !index_failed(b->index); i++) {
        bool found = index_get(b->index, i, &entry);

        ck_assert(!found || index_failed(b->index));
        ck_assert(found || b->subject_of[i] == 0 || index_failed(b->index));
    }
    ck_assert(index_failed(b->index));
    check_gone(b);
    broken_deinit(b);
    heap_give(b);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        rows_of_zeros_are_a_failure,
        each_call_comes_back_when_all_is_gone,
        each_call_comes_back_when_some_is_gone,
        any_calls_in_any_order,
    };
    const TTest *aborting[] = {NULL};

    return unit_run("index_failed", tests, UNIT_COUNT(tests), aborting, 0);
}
