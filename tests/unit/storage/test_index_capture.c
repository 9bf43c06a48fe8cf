/* What an index holds is taken down in steps while it goes on changing, and put back. */
#include "storage/index_capture.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/prng.h"
#include "base/scratch.h"
#include "base/varint.h"
#include "storage/index_cache.h"
#include "tests/unit/unit.h"

#define MESSAGES_MAX 12000u

struct message {
    uint64_t sequence;
    int64_t time_ns;
    log_place place;
    uint32_t record_size, stored_size;
    char subject[32];
};

struct held {
    struct message *at;
    size_t count;
};

static struct prng prng;
static uint64_t sequence;

static void add(struct index *index, unsigned variety)
{
    char subject[32];
    struct index_entry entry;

    sequence += prng_chance(&prng, 1, 50) ? 1 + prng_below(&prng, 3000) : 1;
    snprintf(subject, sizeof subject, "s.%u", (unsigned)prng_below(&prng, variety));
    entry = (struct index_entry){
        .sequence = sequence,
        .time_ns = (int64_t)(sequence * 1000 + prng_below(&prng, 900)),
        .place = prng_next(&prng) >> 20,
        .record_size = 40 + (uint32_t)prng_below(&prng, 100000),
        .stored_size = 22 + (uint32_t)prng_below(&prng, 100000),
        .subject = bytes_of_text(subject),
    };
    index_add(index, &entry);
}

static void remove_some(struct index *index, unsigned count)
{
    struct index_entry entry;

    while (count-- > 0 && index_count(index) > 0) {
        uint64_t from = prng_chance(&prng, 1, 2) ? 0 : prng_below(&prng, sequence + 1);

        if (index_next(index, NULL, from, &entry))
            ck_assert(index_remove(index, entry.sequence, NULL));
    }
}

static void move_some(struct index *index, unsigned count)
{
    struct index_entry entry;

    while (count-- > 0 && index_next(index, NULL, prng_below(&prng, sequence + 1), &entry))
        index_move(index, entry.sequence, prng_next(&prng) >> 20);
}

static struct held hold(const struct index *index)
{
    struct held held = {.at = heap_take((index_count(index) + 1) * sizeof *held.at)};
    struct index_entry entry;

    for (uint64_t from = 0; index_next(index, NULL, from, &entry); from = entry.sequence + 1) {
        struct message *message = &held.at[held.count++];

        *message = (struct message){entry.sequence, entry.time_ns, entry.place, entry.record_size,
                                    entry.stored_size};
        memcpy(message->subject, entry.subject.at, entry.subject.size);
    }
    return held;
}

static bool same_place(void *context, struct index_entry *entry)
{
    (void)context;
    (void)entry;
    return true;
}

/* By its sequence. */
static bool original_place(void *context, struct index_entry *entry)
{
    const struct held *held = context;
    size_t low = 0, high = held->count;

    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;

        if (held->at[middle].sequence <= entry->sequence)
            low = middle;
        else
            high = middle;
    }
    entry->place = held->at[low].place;
    return true;
}

static void check_same(const struct held *held, const struct index *index)
{
    struct held now = hold(index);

    ck_assert_uint_eq(now.count, held->count);
    ck_assert_mem_eq(now.at, held->at, now.count * sizeof now.at[0]);
    heap_give(now.at);
}

static void run(uint64_t seed, unsigned variety)
{
    struct scratch *scratch = scratch_create_twin(seed, 8);
    struct index *index = index_create(seed), *restored = index_create(seed + 1);
    struct index_capture *capture;
    struct buf pieces, places;
    struct spool *spool = spool_create(-1), *rows = spool_create(-1);
    struct held held;
    bool more = true, spools = seed % 2 == 0, named;
    struct index_cache cache = {.limit = seed % 5 * 20000}; /* shared by both */

    prng_seed(&prng, seed);
    if (seed % 4 != 0) {
        index_use(index, scratch, &cache, 1 + (unsigned)prng_below(&prng, INDEX_BITS));
        index_use(restored, scratch, &cache, 1 + (unsigned)prng_below(&prng, INDEX_BITS));
    }
    sequence = 0;
    for (size_t i = prng_below(&prng, MESSAGES_MAX); i > 0; i--)
        add(index, variety);
    remove_some(index, (unsigned)prng_below(&prng, (uint32_t)index_count(index) + 1));
    held = hold(index);
    buf_init(&pieces, SIZE_MAX);
    buf_init(&places, SIZE_MAX);
    capture = index_capture_begin(index, &pieces);
    named = seed % 5 != 0 && index_capture_name(capture);
    while (more) {
        for (size_t i = prng_below(&prng, 300); i > 0; i--)
            add(index, variety);
        remove_some(index, (unsigned)prng_below(&prng, 700));
        move_some(index, (unsigned)prng_below(&prng, 20));
        if (prng_chance(&prng, 1, 20))
            (void)index_purge(index, &(struct index_filter){0}, UINT64_MAX, NULL, NULL);
        more = index_capture_step(capture, 1);
        if (spools && (!more || prng_chance(&prng, 1, 2)))
            index_capture_spool(capture, spool, rows);
    }
    ck_assert(index_capture_places(capture, &places));
    index_capture_end(capture);
    if (spools)
        ck_assert_uint_eq(pieces.size + places.size, 0);
    ck_assert_int_eq(index_restore(restored, spools ? spool_bytes(spool) : buf_bytes(&pieces),
                                   spools ? spool_bytes(rows) : buf_bytes(&places), named,
                                   same_place, NULL),
                     OK);
    spool_destroy(spool);
    spool_destroy(rows);
    check_same(&held, restored);
    index_destroy(index);
    index_destroy(restored);
    ck_assert_uint_eq(cache.held + cache.lent, 0);
    ck_assert_uint_eq(scratch_space(scratch), 0);
    scratch_destroy(scratch);
    buf_deinit(&pieces);
    buf_deinit(&places);
    heap_give(held.at);
}

START_TEST(what_an_index_held_is_put_back_whatever_went_on_meanwhile)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        run(seed, seed % 3 == 0 ? 3 : seed % 3 == 1 ? 100 : 100000);
}
END_TEST

/* What is left to take down costs no memory, and the purge itself takes nothing down. */
static void purge_under_way(bool everything)
{
    struct scratch *scratch = scratch_create_twin(1, 0);
    struct index *index = index_create(1), *restored = index_create(2);
    struct index_capture *capture;
    struct index_entry entry;
    struct buf pieces, places;
    struct held held;
    uint64_t space;
    size_t size;

    prng_seed(&prng, 1);
    index_use(index, scratch, NULL, INDEX_BITS);
    sequence = 0;
    while (index_count(index) < 12 * 1024)
        add(index, 1000);
    held = hold(index);
    buf_init(&pieces, SIZE_MAX);
    buf_init(&places, SIZE_MAX);
    capture = index_capture_begin(index, &pieces);
    ck_assert(index_capture_step(capture, 1));
    size = pieces.size;
    space = scratch_space(scratch);
    if (everything) {
        (void)index_purge(index, NULL, UINT64_MAX, NULL, NULL);
        ck_assert_uint_eq(index_count(index), 0);
        add(index, 3);
    } else {
        ck_assert(index_next(index, NULL, held.at[held.count / 2].sequence, &entry));
        ck_assert(index_remove(index, entry.sequence, NULL));
        ck_assert_uint_gt(scratch_space(scratch), space);
    }
    ck_assert_uint_eq(pieces.size, size);
    while (index_capture_step(capture, 1))
        continue;
    ck_assert(index_capture_places(capture, &places));
    index_capture_end(capture);
    ck_assert_uint_eq(index_count(index), everything ? 1 : held.count - 1);
    ck_assert_int_eq(
        index_restore(restored, buf_bytes(&pieces), buf_bytes(&places), false, same_place, NULL),
        OK);
    check_same(&held, restored);
    index_destroy(index);
    index_destroy(restored);
    ck_assert_uint_eq(scratch_space(scratch), 0);
    scratch_destroy(scratch);
    buf_deinit(&pieces);
    buf_deinit(&places);
    heap_give(held.at);
}

START_TEST(what_goes_while_it_is_taken_down_waits_out_of_memory)
{
    purge_under_way(true);
    purge_under_way(false);
}
END_TEST

/* Whatever the numbers of subjects say, a message has its own subject: one that stands for another
 * text than before is not believed. */
START_TEST(numbers_of_subjects_are_not_trusted)
{
    struct index *index = index_create(1);
    struct index_capture *capture;
    struct buf pieces, places, lying;
    struct bytes rest;
    struct held held;

    prng_seed(&prng, 3);
    sequence = 0;
    index_use(index, NULL, NULL, 2);
    for (int i = 0; i < 20000; i++)
        add(index, 5000);
    held = hold(index);
    buf_init(&pieces, SIZE_MAX);
    buf_init(&places, SIZE_MAX);
    buf_init(&lying, SIZE_MAX);
    capture = index_capture_begin(index, &pieces);
    ck_assert(index_capture_name(capture));
    while (index_capture_step(capture, 1))
        continue;
    ck_assert(index_capture_places(capture, &places));
    index_capture_end(capture);
    for (unsigned mask = 1; mask < 64; mask = mask * 2 + 1) {
        struct index *restored = index_create(2);

        /* Nearly every number of the row is one of a few: places, too, which are not looked at. */
        buf_clear(&lying);
        for (rest = buf_bytes(&places); rest.size > 0;) {
            uint64_t value;

            ck_assert(varint_take(&rest, &value));
            (void)varint_add(&lying, value & mask);
        }
        ck_assert_int_eq(index_restore(restored, buf_bytes(&pieces), buf_bytes(&lying), true,
                                       original_place, &held),
                         OK);
        check_same(&held, restored);
        index_destroy(restored);
    }
    buf_deinit(&pieces);
    buf_deinit(&places);
    buf_deinit(&lying);
    heap_give(held.at);
    index_destroy(index);
}
END_TEST

START_TEST(an_empty_index_is_an_empty_one_again)
{
    struct index *index = index_create(1);
    struct index_capture *capture;
    struct buf pieces, places;

    buf_init(&pieces, SIZE_MAX);
    buf_init(&places, SIZE_MAX);
    capture = index_capture_begin(index, &pieces);
    prng_seed(&prng, 1);
    sequence = 0;
    add(index, 3); /* not of it */
    ck_assert(!index_capture_step(capture, 1));
    ck_assert(index_capture_places(capture, &places));
    ck_assert_uint_eq(pieces.size, 0);
    ck_assert_uint_eq(places.size, 0);
    buf_deinit(&pieces);
    buf_deinit(&places);
    index_capture_end(capture);
    index_destroy(index);
}
END_TEST

static bool bounded_place(void *context, struct index_entry *entry)
{
    (void)context;
    return entry->place < UINT64_MAX;
}

/* Whoever goes on behind a message asks for its sequence plus one. */
START_TEST(a_message_with_the_highest_of_all_numbers_is_damage)
{
    struct index *index = index_create(1), *restored = index_create(1);
    struct index_entry entry = {
        .sequence = UINT64_MAX - 1, .record_size = 40, .stored_size = 30, .subject = BYTES("a")};
    struct index_capture *capture;
    struct buf pieces, places;

    index_add(index, &entry);
    buf_init(&pieces, SIZE_MAX);
    buf_init(&places, SIZE_MAX);
    capture = index_capture_begin(index, &pieces);
    while (index_capture_step(capture, 1))
        ;
    (void)index_capture_places(capture, &places);
    index_capture_end(capture);
    ck_assert_int_eq(
        index_restore(restored, buf_bytes(&pieces), buf_bytes(&places), false, same_place, NULL),
        OK);
    index_destroy(restored);
    for (size_t i = 0; i < pieces.size; i++) { /* its step from the first of its piece */
        if (pieces.at[i] != 0xfe || pieces.at[i + 1] != 0x07)
            continue;
        pieces.at[i] = 0xff;
        restored = index_create(1);
        ck_assert_int_eq(index_restore(restored, buf_bytes(&pieces), buf_bytes(&places), false,
                                       same_place, NULL),
                         ERR_CORRUPT);
        index_destroy(restored);
        buf_deinit(&pieces);
        buf_deinit(&places);
        index_destroy(index);
        return;
    }
    ck_abort_msg("its step is not where it should be");
}
END_TEST

START_TEST(damaged_pieces_are_an_answer)
{
    struct index *index = index_create(1);
    struct index_capture *capture;
    struct buf pieces, places;

    prng_seed(&prng, 7);
    sequence = 0;
    for (int i = 0; i < 1500; i++)
        add(index, 40);
    buf_init(&pieces, SIZE_MAX);
    buf_init(&places, SIZE_MAX);
    capture = index_capture_begin(index, &pieces);
    while (index_capture_step(capture, 1))
        ;
    ck_assert(index_capture_places(capture, &places));
    index_capture_end(capture);
    for (int i = 0; i < 3000; i++) {
        struct index *restored = index_create(2);
        size_t at = prng_below(&prng, (uint32_t)pieces.size);
        uint8_t was = pieces.at[at];
        struct bytes cut = bytes_take(buf_bytes(&pieces), i % 2 == 0 ? at : pieces.size);

        pieces.at[at] ^= (uint8_t)(1 + prng_below(&prng, 255));
        if (index_restore(restored, cut, buf_bytes(&places), false, bounded_place, NULL) == OK)
            ck_assert(cut.size == pieces.size); /* what is short has too many places */
        pieces.at[at] = was;
        index_destroy(restored);
    }
    buf_deinit(&pieces);
    buf_deinit(&places);
    index_destroy(index);
}
END_TEST

START_TEST(it_is_put_back_a_thousand_messages_a_step)
{
    struct index *index = index_create(1), *restored = index_create(2);
    struct index_restoring *restoring;
    struct index_capture *capture;
    struct buf pieces, places;
    size_t before = 0;
    enum err err;
    struct held held;

    prng_seed(&prng, 1);
    sequence = 0;
    buf_init(&pieces, SIZE_MAX);
    buf_init(&places, SIZE_MAX);
    for (unsigned i = 0; i < 5000; i++)
        add(index, 100);
    held = hold(index);
    capture = index_capture_begin(index, &pieces);
    while (index_capture_step(capture, 1))
        continue;
    ck_assert(index_capture_places(capture, &places));
    index_capture_end(capture);
    restoring = index_restoring_begin(restored, buf_bytes(&pieces), buf_bytes(&places), false,
                                      same_place, NULL);
    while ((err = index_restoring_step(restoring, 1)) == ERR_AGAIN) {
        ck_assert_uint_gt(index_count(restored), before);
        ck_assert_uint_le(index_count(restored), before + 1024);
        before = index_count(restored);
    }
    ck_assert_int_eq(err, OK);
    index_restoring_end(restoring);
    check_same(&held, restored);
    heap_give(held.at);
    buf_deinit(&pieces);
    buf_deinit(&places);
    index_destroy(index);
    index_destroy(restored);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_goes_while_it_is_taken_down_waits_out_of_memory,
        what_an_index_held_is_put_back_whatever_went_on_meanwhile,
        numbers_of_subjects_are_not_trusted,
        an_empty_index_is_an_empty_one_again,
        a_message_with_the_highest_of_all_numbers_is_damage,
        damaged_pieces_are_an_answer,
        it_is_put_back_a_thousand_messages_a_step,
    };

    return UNIT_RUN_PLAIN("index_capture", tests);
}
