/* A log as a follower's: contents sealed elsewhere, and cuts. */
#include "storage/hash.h"
#include "tests/unit/storage/contents.h"
#include "tests/unit/unit.h"

static struct shard s;

/* Appends `count` contents behind what is there; *hash is the last one's. */
static void append_many(uint64_t term, unsigned count, size_t size, uint8_t fill,
                        struct log_hash *hash)
{
    for (unsigned i = 0; i < count; i++) {
        struct sealed sealed = seal_of(term, log_appended(s.log) + 1, *hash, size, fill);

        ck_assert_int_eq(log_append(s.log, sealed.content), OK);
        *hash = sealed.hash;
        buf_deinit(&sealed.batch);
    }
}

START_TEST(contents_sealed_elsewhere_become_durable_in_order_with_the_same_bytes)
{
    struct log_hash hash = {}, hashes[101];

    shard_begin(&s);
    for (unsigned i = 1; i <= 100; i++) {
        append_many(3, 1, 50 + 31 * i, (uint8_t)i, &hash);
        hashes[i] = hash;
    }
    ck_assert_uint_eq(log_appended(s.log), 100);
    ck_assert_uint_eq(log_term_last(s.log), 3);
    ck_assert_uint_eq(s.durable, 0);
    shard_settle(&s);
    ck_assert_uint_eq(s.durable, 100);
    ck_assert_mem_eq(s.hashes + 1, hashes + 1, 100 * sizeof hashes[0]);
    shard_reopen(&s);
    ck_assert_uint_eq(s.recovered, 100);
    ck_assert_mem_eq(s.hashes + 1, hashes + 1, 100 * sizeof hashes[0]);
    shard_end(&s);
}
END_TEST

START_TEST(a_burst_of_small_contents_is_written_together)
{
    struct log_hash hash = {};
    unsigned turns = 0;

    shard_begin(&s);
    shard_append(&s, 10, 1); /* the journal's first file is there afterwards */
    shard_settle(&s);
    hash = s.hashes[1];
    append_many(1, 1000, 100, 7, &hash);
    while (log_durable(s.log) < 1001 && ++turns < 1000) /* each waits for something */
        ck_assert_int_eq(io_turn(s.io, 1000000000), OK);
    ck_assert_uint_lt(turns, 20); /* not one write each */
    shard_end(&s);
}
END_TEST

START_TEST(what_is_not_the_next_content_is_refused_and_changes_nothing)
{
    struct log_hash hash = {}, wrong = {{1}};
    struct sealed sealed;
    uint8_t *at;

    shard_begin(&s);
    append_many(5, 2, 100, 1, &hash);

    sealed = seal_of(5, 2, hash, 100, 2); /* another index */
    ck_assert_int_eq(log_append(s.log, sealed.content), ERR_CORRUPT);
    buf_deinit(&sealed.batch);
    sealed = seal_of(5, 3, wrong, 100, 2); /* another predecessor */
    ck_assert_int_eq(log_append(s.log, sealed.content), ERR_CORRUPT);
    buf_deinit(&sealed.batch);
    sealed = seal_of(4, 3, hash, 100, 2); /* a term below */
    ck_assert_int_eq(log_append(s.log, sealed.content), ERR_CORRUPT);
    buf_deinit(&sealed.batch);

    sealed = seal_of(5, 3, hash, 100, 2);
    at = (uint8_t *)sealed.content.at;
    for (size_t i = 0; i < sealed.content.size; i++) {
        if (i >= 16 && i < 24) /* a term above is another matter */
            continue;
        if (i >= 48 && i < 56) /* so is the time */
            continue;
        at[i] ^= 0x20;
        ck_assert_int_eq(log_append(s.log, sealed.content), ERR_CORRUPT);
        at[i] ^= 0x20;
    }
    for (size_t size = 0; size < sealed.content.size; size++)
        ck_assert_int_eq(log_append(s.log, bytes_take(sealed.content, size)), ERR_CORRUPT);
    ck_assert_uint_eq(log_appended(s.log), 2);
    ck_assert_int_eq(log_append(s.log, sealed.content), OK);
    buf_deinit(&sealed.batch);
    shard_settle(&s);
    ck_assert_uint_eq(s.durable, 3);
    shard_end(&s);
}
END_TEST

START_TEST(what_waits_is_bounded_and_one_content_of_any_size_goes_alone)
{
    struct log_hash hash = {};
    struct sealed sealed;
    unsigned count = 0;

    shard_begin(&s);
    ck_assert_uint_eq(log_append_room(s.log), LOG_CONTENT_MAX);
    while (log_append_room(s.log) >= 1 << 20) {
        append_many(1, 1, (1 << 20) - 1000, 1, &hash);
        ck_assert_uint_lt(++count, 20);
    }
    sealed = seal_of(1, count + 1, hash, 1 << 20, 1);
    ck_assert_int_eq(log_append(s.log, sealed.content), ERR_FULL);
    buf_deinit(&sealed.batch);
    shard_settle(&s);
    ck_assert_uint_eq(s.durable, count);

    append_many(1, 1, 20 << 20, 2, &hash);
    ck_assert_uint_eq(log_append_room(s.log), 0);
    shard_settle(&s);
    for (unsigned i = 0; i < LOG_WAITING_BATCHES_MAX; i++)
        append_many(1, 1, 8, 1, &hash);
    ck_assert_uint_eq(log_append_room(s.log), 0);
    shard_settle(&s);
    ck_assert_uint_eq(s.durable, count + 1 + LOG_WAITING_BATCHES_MAX);
    shard_end(&s);
}
END_TEST

START_TEST(a_received_content_is_kept_and_not_copied)
{
    struct log_hash hash = {};
    struct sealed sealed;
    struct log_content *content;

    shard_begin(&s);
    sealed = seal_of(1, 1, hash, 1 << 20, 1);
    content = log_content_make(sealed.content.size);
    memcpy(log_content_memory(content), sealed.content.at, sealed.content.size);
    ck_assert_int_eq(log_append_content(s.log, content), OK);
    ck_assert_ptr_eq(log_content_of(s.log, 1), content);
    ck_assert_uint_eq(log_content_index(content), 1);
    shard_settle(&s);
    ck_assert_ptr_null(log_content_of(s.log, 1));
    ck_assert(bytes_equal(log_content_bytes(content), sealed.content));
    buf_deinit(&sealed.batch);
    log_content_drop(content);
    shard_end(&s);
}
END_TEST

START_TEST(a_sealed_content_is_there_at_once_and_stays_as_long_as_it_is_held)
{
    static const size_t sizes[] = {10, 1000, 100000, 3 << 20};

    shard_begin(&s);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t index = shard_seal(&s, sizes[i], (uint8_t)(i + 1));
        struct log_content *content = log_content_hold(log_content_of(s.log, index));
        struct batch_content head;
        struct log_hash hash = log_content_hash(content), hash_then;

        ck_assert_int_eq(batch_content_peek(log_content_bytes(content), &head), OK);
        ck_assert_uint_eq(head.index, index);
        shard_settle(&s);
        ck_assert_uint_eq(s.durable, index);
        hash_then = hash_128(log_content_bytes(content));
        ck_assert(hash_equal(&hash, &hash_then));
        ck_assert(hash_equal(&hash, &s.hashes[index]));
        log_content_drop(content);
    }
    shard_end(&s);
}
END_TEST

/* ---- cuts ----------------------------------------------------------------------------------- */

START_TEST(a_cut_below_what_is_durable_holds_when_something_else_is_durable)
{
    struct log_hash hash = {}, third;

    shard_begin(&s);
    append_many(1, 3, 100, 1, &hash);
    shard_settle(&s);
    third = s.hashes[3];
    append_many(1, 5, 100, 1, &hash);
    shard_settle(&s);
    ck_assert_uint_eq(s.durable, 8);

    log_cut(s.log, 3);
    ck_assert_uint_eq(log_appended(s.log), 3);
    ck_assert_uint_eq(log_durable(s.log), 3);
    shard_reopen(&s);
    ck_assert_uint_eq(s.recovered, 8); /* nothing of the cut was on the disk */

    log_cut(s.log, 3);
    s.durable = 3;
    append_many(2, 2, 100, 9, &third);
    shard_settle(&s);
    ck_assert_uint_eq(s.durable, 5);
    ck_assert_uint_eq(s.places[4] >> 32, 1); /* in a new file */
    for (int life = 0; life < 2; life++) {
        shard_reopen(&s);
        ck_assert_uint_eq(s.recovered, 5);
        ck_assert_uint_eq(s.lost_calls, 0);
        ck_assert(hash_equal(&s.hashes[5], &third));
        ck_assert_uint_eq(log_term_last(s.log), 2);
    }
    shard_end(&s);
}
END_TEST

START_TEST(what_was_on_its_way_when_the_cut_came_is_not_told)
{
    struct log_hash hash = {}, second;

    for (unsigned turns = 0; turns < 12; turns++) { /* waiting, making, writing, syncing, done */
        shard_begin(&s);
        hash = (struct log_hash){};
        append_many(1, 2, 100, 1, &hash);
        second = hash;
        append_many(1, 2, 200 << 10, 1, &hash);
        for (unsigned i = 0; i < turns; i++)
            ck_assert_int_eq(io_turn(s.io, 0), OK);
        log_cut(s.log, 2);
        if (s.durable > 2)
            s.durable = 2;
        ck_assert_uint_eq(log_appended(s.log), 2);
        append_many(2, 1, 100, 7, &second);
        shard_settle(&s);
        ck_assert_uint_eq(s.durable, 3);
        ck_assert(hash_equal(&s.hashes[3], &second));
        shard_reopen(&s);
        ck_assert_uint_eq(s.recovered, 3);
        ck_assert_uint_eq(s.lost_calls, 0);
        ck_assert(hash_equal(&s.hashes[3], &second));
        shard_end(&s);
    }
}
END_TEST

START_TEST(the_log_goes_on_behind_any_number_of_cuts)
{
    struct log_hash hashes[64] = {};
    unsigned last = 0;

    shard_begin(&s);
    for (unsigned round = 1; round < 60; round++) {
        unsigned to = last > round % 7 ? last - round % 7 : 0;
        struct log_hash hash;

        log_cut(s.log, to);
        s.durable = log_durable(s.log);
        hash = hashes[to];
        for (last = to; last < to + 3 && last < 63;) {
            append_many(round, 1, 50, (uint8_t)round, &hash);
            hashes[++last] = hash;
        }
        if (round % 5 != 0)
            shard_settle(&s);
        if (round % 10 == 1) {
            shard_reopen(&s);
            ck_assert_uint_eq(s.recovered, last);
            ck_assert_uint_eq(s.lost_calls, 0);
            ck_assert_mem_eq(s.hashes + 1, hashes + 1, last * sizeof hashes[0]);
        }
    }
    shard_end(&s);
}
END_TEST

/* ---- what is committed ---------------------------------------------------------------------- */

START_TEST(what_was_known_to_be_committed_is_known_after_a_start)
{
    shard_begin(&s);
    shard_append(&s, 10, 1);
    shard_append(&s, 10, 2);
    log_set_committed(s.log, 2);
    ck_assert_uint_eq(log_committed(s.log), 2);
    log_set_committed(s.log, 1);
    ck_assert_uint_eq(log_committed(s.log), 2);
    shard_append(&s, 10, 3); /* says it */
    log_set_committed(s.log, 3);
    shard_reopen(&s);
    ck_assert_uint_eq(log_committed(s.log), 2); /* no later batch */
    shard_end(&s);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        contents_sealed_elsewhere_become_durable_in_order_with_the_same_bytes,
        a_burst_of_small_contents_is_written_together,
        what_is_not_the_next_content_is_refused_and_changes_nothing,
        what_waits_is_bounded_and_one_content_of_any_size_goes_alone,
        a_received_content_is_kept_and_not_copied,
        a_sealed_content_is_there_at_once_and_stays_as_long_as_it_is_held,
        a_cut_below_what_is_durable_holds_when_something_else_is_durable,
        what_was_on_its_way_when_the_cut_came_is_not_told,
        the_log_goes_on_behind_any_number_of_cuts,
        what_was_known_to_be_committed_is_known_after_a_start,
    };

    return UNIT_RUN_PLAIN("follow", tests);
}
