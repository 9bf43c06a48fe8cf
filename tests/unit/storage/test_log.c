#include "storage/log.h"

#include "storage/hash.h"
#include "tests/unit/storage/contents.h"
#include "tests/unit/unit.h"

static struct shard s;

START_TEST(what_was_durable_is_recovered_with_the_same_indexes_and_content)
{
    struct log_hash before[101];

    shard_begin(&s);
    for (unsigned i = 1; i <= 100; i++)
        ck_assert_uint_eq(shard_append(&s, 1 + 97 * i, (uint8_t)i), i);
    memcpy(before, s.hashes, sizeof before);
    memset(s.hashes, 0, sizeof s.hashes);

    shard_reopen(&s);
    ck_assert_uint_eq(s.recovered, 100);
    ck_assert_uint_eq(s.lost_calls, 0);
    ck_assert_mem_eq(s.hashes, before, sizeof before);
    ck_assert_uint_eq(log_durable(s.log), 100);
    ck_assert_uint_eq(log_term_last(s.log), 1);
    ck_assert_mem_eq(log_incarnation(s.log), shard_incarnation, 16);
    ck_assert_uint_eq(shard_append(&s, 10, 1), 101);
    shard_end(&s);
}
END_TEST

START_TEST(large_batches_are_synced_in_their_segment_and_small_ones_journaled)
{
    shard_begin(&s);
    shard_append(&s, 10, 1);
    shard_append(&s, 3 << 20, 2);
    shard_append(&s, 20, 3);
    shard_append(&s, 200 << 10, 4);
    shard_reopen(&s);
    ck_assert_uint_eq(s.recovered, 4);
    shard_end(&s);
}
END_TEST

START_TEST(a_full_segment_is_followed_by_another)
{
    shard_begin(&s);
    shard_close(&s);
    s.options.segment_size = 64 << 10;
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    ck_assert_int_eq(shard_open_log(&s), OK);
    for (unsigned i = 1; i <= 50; i++)
        shard_append(&s, 5000, (uint8_t)i);
    shard_append(&s, 300 << 10, 51); /* more than a segment */
    shard_append(&s, 5000, 52);
    ck_assert_uint_gt(s.places[52] >> 32, 4);
    shard_reopen(&s);
    ck_assert_uint_eq(s.recovered, 52);
    ck_assert_uint_eq(s.lost_calls, 0);
    shard_append(&s, 5000, 53);
    shard_reopen(&s);
    ck_assert_uint_eq(s.recovered, 53);
    shard_end(&s);
}
END_TEST

START_TEST(a_journal_file_is_reused_when_its_segments_are_synced)
{
    char path[128];

    shard_begin(&s);
    shard_close(&s);
    s.options.journal_file_size = 64 << 10;
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    ck_assert_int_eq(shard_open_log(&s), OK);
    for (unsigned i = 1; i <= 500; i++)
        shard_append(&s, 100, (uint8_t)i);
    snprintf(path, sizeof path, "%s/data/journal/9.jnl", s.root);
    ck_assert_int_ne(access(path, F_OK), 0); /* 2 MB of records went through 64 KiB files */
    shard_reopen(&s);
    ck_assert_uint_eq(s.recovered, 500);
    shard_end(&s);
}
END_TEST

START_TEST(records_are_read_where_the_batch_said_they_are)
{
    uint8_t bytes[4096];
    struct record record;

    shard_begin(&s);
    for (unsigned i = 1; i <= 20; i++)
        shard_append(&s, 1000, (uint8_t)i);
    for (int life = 0; life < 2; life++) {
        for (unsigned i = 1; i <= 20; i++) {
            int64_t count = log_read_now(s.log, s.places[i], bytes, s.sizes[i]);

            ck_assert_int_eq(count, s.sizes[i]);
            ck_assert_int_eq(record_read(bytes_of(bytes, (size_t)count), &record), OK);
            ck_assert_uint_eq(record.body.at[0], i);
        }
        ck_assert_int_lt(log_read_now(s.log, s.places[20], bytes, sizeof bytes), 2000); /* short */
        shard_reopen(&s);
    }
    shard_end(&s);
}
END_TEST

static struct log_read read_one;
static int64_t read_result;

static void read_done(struct log_read *read, int64_t result)
{
    ck_assert_ptr_eq(read, &read_one);
    read_result = result;
}

START_TEST(a_read_may_wait)
{
    uint8_t bytes[2048];
    struct record record;

    shard_begin(&s);
    shard_append(&s, 1000, 42);
    read_result = -1;
    read_one.done = read_done;
    log_read(s.log, &read_one, s.places[1], bytes, s.sizes[1]);
    while (read_result < 0)
        ck_assert_int_eq(io_turn(s.io, 1000000), OK);
    ck_assert_int_eq(record_read(bytes_of(bytes, (size_t)read_result), &record), OK);
    ck_assert_uint_eq(record.body.at[999], 42);
    shard_end(&s);
}
END_TEST

START_TEST(a_sealed_batch_takes_no_more_and_the_next_gathers_meanwhile)
{
    shard_begin(&s);
    ck_assert(log_ready(s.log));
    shard_seal(&s, 10, 1);
    ck_assert(!log_ready(s.log));
    ck_assert_uint_eq(log_gathered(s.log), 0);
    ck_assert_uint_eq(log_appended(s.log), 1);
    ck_assert_uint_eq(log_durable(s.log), 0);
    ck_assert_ptr_nonnull(record_begin(log_gather(s.log), 1, 0, 8));
    record_end(log_gather(s.log), 8);
    ck_assert_uint_eq(log_gathered(s.log), 24);
    while (!log_ready(s.log))
        ck_assert_int_eq(io_turn(s.io, 1000000), OK);
    ck_assert_uint_eq(log_seal(s.log, 1, 5, 1), 2);
    shard_settle(&s);
    ck_assert_uint_eq(s.durable, 2);
    shard_end(&s);
}
END_TEST

START_TEST(what_was_gathered_can_be_dropped)
{
    shard_begin(&s);
    ck_assert_ptr_nonnull(record_begin(log_gather(s.log), 1, 0, 8));
    record_end(log_gather(s.log), 8);
    log_gather_drop(s.log);
    ck_assert_uint_eq(log_gathered(s.log), 0);
    ck_assert(store_idle(s.store));
    shard_end(&s);
}
END_TEST

START_TEST(closing_drops_what_is_not_durable)
{
    shard_begin(&s);
    shard_append(&s, 10, 1);
    shard_seal(&s, 10, 2);
    log_close(s.log);
    s.log = NULL;
    shard_settle(&s);
    ck_assert_uint_eq(s.durable, 1); /* nothing was called any more */
    ck_assert_int_eq(shard_open_log(&s), OK);
    ck_assert_uint_eq(s.recovered, 1);
    shard_end(&s);
}
END_TEST

START_TEST(a_log_is_opened_once_until_it_is_closed_for_good)
{
    struct log *first;

    shard_begin(&s);
    first = s.log;
    ck_assert_int_eq(shard_open_log(&s), ERR_BUSY);
    shard_seal(&s, 10, 1);
    store_flush(s.store);
    log_close(first);
    ck_assert_int_eq(shard_open_log(&s), ERR_BUSY); /* its write is in flight */
    ck_assert_int_eq(store_quarantine(s.store, SHARD_LOG), ERR_BUSY);
    shard_settle(&s);
    ck_assert_int_eq(shard_open_log(&s), OK);
    shard_end(&s);
}
END_TEST

START_TEST(a_log_is_prepared_once)
{
    shard_begin(&s);
    ck_assert_int_eq(log_prepare(s.store, SHARD_LOG, shard_incarnation, bytes_of(NULL, 0)),
                     ERR_EXISTS);
    shard_end(&s);
}
END_TEST

static enum err open_other(uint64_t log_id, struct log **log)
{
    static const struct log_events events = {shard_durable, shard_failed};
    struct log_recovery recovery = {shard_recovered, shard_lost, &s};

    s.recovered = 0;
    return log_open(s.store, log_id, &recovery, &events, &s, log);
}

START_TEST(a_log_can_be_made_with_its_first_batch)
{
    struct sealed first, second;
    struct log *log;

    shard_begin(&s);
    first = seal_of(1, 1, (struct log_hash){}, 300, 9);
    second = seal_of(1, 2, first.hash, 300, 9);
    ck_assert_int_eq(log_prepare(s.store, 50, shard_incarnation, second.content), ERR_CORRUPT);
    ck_assert_int_eq(log_prepare(s.store, 50, (const uint8_t *)"another incarnat", first.content),
                     ERR_CORRUPT);
    ck_assert_int_eq(open_other(50, &log), ERR_NOT_FOUND);

    ck_assert_int_eq(log_prepare(s.store, 50, shard_incarnation, first.content), OK);
    ck_assert_int_eq(log_prepare(s.store, 50, shard_incarnation, first.content), ERR_EXISTS);
    ck_assert_int_eq(open_other(50, &log), OK);
    ck_assert_uint_eq(s.recovered, 1);
    ck_assert_uint_eq(log_durable(log), 1);
    ck_assert_uint_eq(log_committed(log), 1);
    ck_assert(hash_equal(&s.hashes[1], &first.hash));
    s.durable = 1;
    ck_assert_int_eq(log_append(log, second.content), OK);
    shard_settle(&s);
    ck_assert_uint_eq(s.durable, 2);
    log_close(log);
    buf_deinit(&first.batch);
    buf_deinit(&second.batch);
    shard_end(&s);
}
END_TEST

static struct log_preparing preparing_of(uint64_t id, struct bytes bootstrap, struct bytes second)
{
    struct log_preparing log = {.id = id, .bootstrap = bootstrap, .second = second};

    memcpy(log.incarnation, shard_incarnation, sizeof log.incarnation);
    return log;
}

START_TEST(a_log_can_be_made_with_its_first_two_batches)
{
    struct log_preparing made[20], *logs[20];
    struct sealed first, second, third;
    struct log *log;

    shard_begin(&s);
    first = seal_of(1, 1, (struct log_hash){}, 300, 9);
    second = seal_of(1, 2, first.hash, 5000, 9);
    third = seal_of(2, 3, second.hash, 300, 9);
    for (unsigned i = 0; i < 20; i++) {
        made[i] = preparing_of(50 + i, first.content, second.content);
        logs[i] = &made[i];
    }
    made[17].second = first.content; /* does not follow */
    made[18].bootstrap = bytes_of(NULL, 0);
    log_prepare_all(s.store, logs, 20);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(made[i].err, i == 17 || i == 18 ? ERR_CORRUPT : OK);
    ck_assert_int_eq(open_other(50 + 17, &log), ERR_NOT_FOUND);
    log_prepare_all(s.store, logs, 1);
    ck_assert_int_eq(made[0].err, ERR_EXISTS);

    ck_assert_int_eq(open_other(50 + 19, &log), OK);
    ck_assert_uint_eq(s.recovered, 2);
    ck_assert_uint_eq(log_durable(log), 2);
    ck_assert(hash_equal(&s.hashes[2], &second.hash));
    s.durable = 2;
    ck_assert_int_eq(log_append(log, third.content), OK);
    shard_settle(&s);
    ck_assert_uint_eq(s.durable, 3);
    log_close(log);
    buf_deinit(&first.batch);
    buf_deinit(&second.batch);
    buf_deinit(&third.batch);
    shard_end(&s);
}
END_TEST

START_TEST(what_a_cut_short_preparation_left_is_completed)
{
    char path[160];
    FILE *file;

    shard_begin(&s);
    log_close(s.log);
    s.log = NULL;
    shard_settle(&s);
    snprintf(path, sizeof path, "%s/data/logs/00000000000000aa", s.root);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    strcat(path, "/0000000100000099.seg");
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(ftruncate(fileno(file), 65536), 0);
    fclose(file);

    {
        static const struct log_events events = {shard_durable, shard_failed};
        struct log_recovery recovery = {shard_recovered, shard_lost, &s};

        ck_assert_int_eq(log_open(s.store, 0xaa, &recovery, &events, &s, &s.log), ERR_NOT_FOUND);
        ck_assert_int_eq(log_prepare(s.store, 0xaa, shard_incarnation, bytes_of(NULL, 0)), OK);
        ck_assert_int_eq(log_open(s.store, 0xaa, &recovery, &events, &s, &s.log), OK);
        s.durable = 0;
        shard_append(&s, 10, 1);
    }
    shard_end(&s);
}
END_TEST

static void count_log(void *context, uint64_t log_id)
{
    ck_assert_uint_eq(log_id, SHARD_LOG);
    ++*(int *)context;
}

static void removed(void *context, enum err err)
{
    ck_assert_int_eq(err, OK);
    ++*(int *)context;
}

START_TEST(a_removed_log_is_gone_and_its_id_can_be_used_again)
{
    int count = 0, done = 0;

    shard_begin(&s);
    ck_assert_int_eq(store_list(s.store, count_log, &count), OK);
    ck_assert_int_eq(count, 1);
    shard_append(&s, 10, 1);
    shard_seal(&s, 10, 1);
    store_flush(s.store);
    log_close(s.log);
    s.log = NULL;
    store_remove(s.store, SHARD_LOG, removed, &done);
    shard_settle(&s);
    ck_assert_int_eq(done, 1);
    ck_assert_int_eq(store_list(s.store, count_log, &count), OK);
    ck_assert_int_eq(count, 1);
    ck_assert_int_eq(shard_open_log(&s), ERR_NOT_FOUND);
    ck_assert_int_eq(log_prepare(s.store, SHARD_LOG, shard_incarnation, bytes_of(NULL, 0)), OK);
    shard_reopen_store(&s); /* with entries of the removed log in the journal */
    ck_assert_int_eq(shard_open_log(&s), OK);
    ck_assert_uint_eq(s.recovered, 0);
    shard_end(&s);
}
END_TEST

START_TEST(a_removal_that_was_cut_short_is_completed_at_the_next_start)
{
    char from[160], to[160];
    int count = 0;

    shard_begin(&s);
    shard_append(&s, 10, 1);
    shard_close(&s);
    snprintf(from, sizeof from, "%s/data/logs/%016x", s.root, SHARD_LOG);
    snprintf(to, sizeof to, "%s/data/logs/%016x.gone", s.root, SHARD_LOG);
    ck_assert_int_eq(rename(from, to), 0);
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    ck_assert_int_ne(access(to, F_OK), 0);
    ck_assert_int_eq(store_list(s.store, count_log, &count), OK);
    ck_assert_int_eq(count, 0);
    shard_end(&s);
}
END_TEST

START_TEST(a_quarantined_log_is_kept_and_not_listed)
{
    char path[160];
    int count = 0;

    shard_begin(&s);
    log_close(s.log);
    s.log = NULL;
    shard_settle(&s);
    ck_assert_int_eq(store_quarantine(s.store, SHARD_LOG), OK);
    ck_assert_int_eq(store_quarantine(s.store, SHARD_LOG), ERR_NOT_FOUND);
    ck_assert_int_eq(store_list(s.store, count_log, &count), OK);
    ck_assert_int_eq(count, 0);
    snprintf(path, sizeof path, "%s/data/quarantine/%016x", s.root, SHARD_LOG);
    ck_assert_int_eq(access(path, F_OK), 0);
    shard_end(&s);
}
END_TEST

START_TEST(idle_logs_cost_no_buffers)
{
    static const struct log_events events = {shard_durable, shard_failed};
    struct log_recovery recovery = {shard_recovered, shard_lost, &s};
    struct log *logs[200];

    shard_begin(&s);
    for (unsigned i = 0; i < 200; i++) {
        ck_assert_int_eq(log_prepare(s.store, 100 + i, shard_incarnation, bytes_of(NULL, 0)), OK);
        ck_assert_int_eq(log_open(s.store, 100 + i, &recovery, &events, &s, &logs[i]), OK);
        ck_assert_uint_eq(log_gathered(logs[i]), 0);
        ck_assert_uint_le(log_bytes(logs[i]), 64 << 10);
    }
    for (unsigned i = 0; i < 200; i++)
        log_close(logs[i]);
    shard_end(&s);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_was_durable_is_recovered_with_the_same_indexes_and_content,
        large_batches_are_synced_in_their_segment_and_small_ones_journaled,
        a_full_segment_is_followed_by_another,
        a_journal_file_is_reused_when_its_segments_are_synced,
        records_are_read_where_the_batch_said_they_are,
        a_read_may_wait,
        a_sealed_batch_takes_no_more_and_the_next_gathers_meanwhile,
        what_was_gathered_can_be_dropped,
        closing_drops_what_is_not_durable,
        a_log_is_opened_once_until_it_is_closed_for_good,
        a_log_is_prepared_once,
        a_log_can_be_made_with_its_first_batch,
        a_log_can_be_made_with_its_first_two_batches,
        what_a_cut_short_preparation_left_is_completed,
        a_removed_log_is_gone_and_its_id_can_be_used_again,
        a_removal_that_was_cut_short_is_completed_at_the_next_start,
        a_quarantined_log_is_kept_and_not_listed,
        idle_logs_cost_no_buffers,
    };

    return UNIT_RUN_PLAIN("log", tests);
}
