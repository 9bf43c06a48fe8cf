/* Logs that are held in memory: the same promises as of those on a disk, until they are closed. */
#include "storage/memory.h"

#include "tests/unit/storage/contents.h"
#include "tests/unit/unit.h"

static struct shard s;

static enum err open_made(void)
{
    static const struct log_events events = {shard_durable, shard_failed};
    struct log_recovery recovery = {shard_recovered, shard_lost, &s};
    enum err err = log_open(s.store, SHARD_LOG, &recovery, &events, &s, &s.log);

    if (err == OK)
        s.durable = log_durable(s.log);
    return err;
}

/* The shard's store with a log in memory in the place of the one on the disk. */
static void begin(struct bytes bootstrap)
{
    shard_begin(&s);
    shard_close(&s);
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    ck_assert_int_eq(store_quarantine(s.store, SHARD_LOG), OK);
    s.recovered = 0;
    ck_assert_int_eq(log_make_memory(s.store, SHARD_LOG, shard_incarnation, bootstrap), OK);
    ck_assert_int_eq(open_made(), OK);
    ck_assert(log_in_memory(s.log));
}

static void no_entry(void *context, uint64_t log_id)
{
    (void)context;
    ck_abort_msg("log %llu is on the disk", (unsigned long long)log_id);
}

static void read_body(uint64_t index, size_t size, uint8_t fill)
{
    static uint8_t at[200000];
    struct record record;
    int64_t count = log_read_now(s.log, s.places[index], at, sizeof at);

    ck_assert_int_gt(count, (int64_t)size);
    ck_assert_int_eq(record_peek(bytes_of(at, (size_t)count), &record), OK);
    ck_assert_uint_ge(record.body.size, size);
    for (size_t i = 0; i < size; i++)
        ck_assert_uint_eq(record.body.at[i], fill);
}

START_TEST(what_is_appended_is_told_in_a_later_turn_and_reads_back)
{
    begin(bytes_of(NULL, 0));
    for (unsigned i = 1; i <= 300; i++) {
        ck_assert_uint_eq(shard_seal(&s, i * 37, (uint8_t)i), i);
        ck_assert_uint_eq(s.durable, i - 1); /* not from within the call */
        store_flush(s.store);
        ck_assert_uint_eq(s.durable, i - 1);
        ck_assert_int_eq(io_turn(s.io, 0), OK);
        ck_assert_uint_eq(s.durable, i);
    }
    for (unsigned i = 1; i <= 300; i++)
        read_body(i, i * 37, (uint8_t)i);
    ck_assert_int_eq(store_list(s.store, no_entry, NULL), OK);
    shard_end(&s);
}
END_TEST

START_TEST(the_bootstrap_is_recovered_as_the_first_batch)
{
    struct log_hash none = {};
    struct sealed first = seal_of(1, 1, none, 500, 9);

    begin(first.content);
    ck_assert_uint_eq(s.recovered, 1);
    ck_assert_uint_eq(log_durable(s.log), 1);
    ck_assert_uint_eq(log_appended(s.log), 1);
    ck_assert_mem_eq(s.hashes[1].at, first.hash.at, sizeof first.hash.at);
    read_body(1, 500, 9);
    shard_append(&s, 100, 3);
    read_body(2, 100, 3);
    buf_deinit(&first.batch);
    shard_end(&s);
}
END_TEST

START_TEST(a_bootstrap_of_another_incarnation_is_refused)
{
    struct log_hash none = {};
    struct sealed first = seal_of(1, 1, none, 500, 9);

    begin(bytes_of(NULL, 0));
    ck_assert_int_eq(
        log_make_memory(s.store, 99, (const uint8_t *)"incarnation-0002", first.content),
        ERR_CORRUPT);
    ck_assert_int_eq(log_make_memory(s.store, 99, shard_incarnation, first.content), OK);
    ck_assert_int_eq(log_make_memory(s.store, 99, shard_incarnation, first.content), ERR_EXISTS);
    ck_assert_int_eq(log_make_memory(s.store, SHARD_LOG, shard_incarnation, first.content),
                     ERR_EXISTS);
    buf_deinit(&first.batch);
    shard_end(&s);
}
END_TEST

START_TEST(contents_sealed_elsewhere_are_appended_and_whole_batches_read_back)
{
    struct log_hash previous = {};
    struct buf out;

    begin(bytes_of(NULL, 0));
    for (uint64_t i = 1; i <= 50; i++) {
        struct sealed sealed = seal_of(3, i, previous, 60000, (uint8_t)i);

        ck_assert_int_eq(log_append(s.log, sealed.content), OK);
        previous = sealed.hash;
        buf_deinit(&sealed.batch);
        ck_assert_int_eq(io_turn(s.io, 0), OK);
    }
    ck_assert_uint_eq(log_durable(s.log), 50);
    for (uint64_t i = 1; i <= 50; i++) {
        buf_init(&out, 1u << 20);
        ck_assert_int_eq(log_batch_read_now(s.log, i, &out), OK);
        ck_assert_int_eq(memcmp(batch_content_hash(buf_bytes(&out)).at, s.hashes[i].at, 16), 0);
        buf_deinit(&out);
    }
    shard_end(&s);
}
END_TEST

START_TEST(what_is_cut_never_happened_and_others_take_its_indexes)
{
    begin(bytes_of(NULL, 0));
    for (unsigned i = 1; i <= 10; i++)
        shard_append(&s, 100, (uint8_t)i);
    shard_seal(&s, 100, 77); /* waits */
    log_cut(s.log, 4);
    s.durable = 4;
    ck_assert_uint_eq(log_appended(s.log), 4);
    shard_settle(&s);
    ck_assert_uint_eq(log_durable(s.log), 4);
    shard_append(&s, 100, 99);
    read_body(4, 100, 4);
    read_body(5, 100, 99);
    shard_end(&s);
}
END_TEST

static void block_done(struct log_block_op *op, enum err err)
{
    (void)op;
    ck_assert_int_eq(err, OK);
}

static void write_block(uint64_t index)
{
    struct log_block_op op = {.index = index,
                              .term = 1,
                              .hash = s.hashes[index],
                              .body = BYTES("state"),
                              .done = block_done};

    log_set_committed(s.log, index);
    log_block_write(s.log, &op);
    shard_settle(&s);
    ck_assert_uint_eq(log_block_newest(s.log), index);
}

START_TEST(files_below_the_floor_give_their_memory_back)
{
    struct log_file_info info;
    uint64_t before;

    begin(bytes_of(NULL, 0));
    for (unsigned i = 1; i <= 100; i++)
        shard_append(&s, 100000, (uint8_t)i);
    before = log_bytes(s.log);
    ck_assert_uint_gt(before, 100 * 100000);
    ck_assert_uint_lt(before, 100 * 110000);
    write_block(60);
    write_block(70);
    log_floor_set(s.log, 70);
    for (uint32_t i = 0; log_file_next(s.log, i, &info); i = info.ordinal + 1) {
        if (info.droppable)
            ck_assert_int_eq(log_file_drop(s.log, info.ordinal), OK);
    }
    ck_assert_uint_lt(log_bytes(s.log), 40 * 110000);
    ck_assert_uint_gt(log_bytes(s.log), 30 * 100000);
    for (unsigned i = 71; i <= 100; i++)
        read_body(i, 100000, (uint8_t)i);
    shard_append(&s, 10, 1);
    shard_end(&s);
}
END_TEST

static unsigned told;
static int64_t told_count;

static void read_done(struct log_read *read, int64_t result)
{
    (void)read;
    told++;
    told_count = result;
}

START_TEST(a_read_that_waits_is_told_in_a_later_turn)
{
    struct log_read read = {.done = read_done};
    uint8_t at[64];

    told = 0;
    begin(bytes_of(NULL, 0));
    shard_append(&s, 1000, 5);
    log_read(s.log, &read, s.places[1], at, sizeof at);
    ck_assert_uint_eq(told, 0);
    ck_assert(!store_idle(s.store));
    shard_settle(&s);
    ck_assert_uint_eq(told, 1);
    ck_assert_int_eq(told_count, sizeof at);
    shard_end(&s);
}
END_TEST

START_TEST(a_closed_log_is_gone_and_nobody_is_told_of_what_waited)
{
    begin(bytes_of(NULL, 0));
    shard_append(&s, 100, 1);
    shard_seal(&s, 100, 2);
    log_close(s.log);
    s.log = NULL;
    shard_settle(&s);
    ck_assert_uint_eq(s.durable, 1);
    ck_assert_int_eq(open_made(), ERR_NOT_FOUND);
    shard_end(&s);
}
END_TEST

static void removed(void *context, enum err err)
{
    *(enum err *)context = err;
}

static void voted(struct store_vote_op *op, enum err err)
{
    (void)op;
    ck_assert_int_eq(err, OK);
}

static bool nobody(void *context, uint64_t log_id)
{
    (void)context;
    (void)log_id;
    return false;
}

static void votes_are_kept(uint64_t damaged)
{
    struct store_vote_op op = {
        .log_id = SHARD_LOG, .vote = {.term = 5, .damaged = damaged}, .done = voted};
    struct store_vote vote;
    enum err err = OK;

    begin(bytes_of(NULL, 0));
    store_vote(s.store, &op);
    shard_settle(&s);
    shard_reopen_store(&s);
    ck_assert_int_eq(open_made(), ERR_NOT_FOUND);
    ck_assert(store_vote_found(s.store, SHARD_LOG, &vote));
    ck_assert_uint_eq(vote.term, 5);
    store_remove(s.store, SHARD_LOG, removed, &err);
    shard_settle(&s);
    ck_assert_int_eq(err, ERR_NOT_FOUND);
    ck_assert(!store_vote_found(s.store, SHARD_LOG, &vote));
    shard_reopen_store(&s); /* it may be found again: then nobody knows the log any more */
    store_votes_select(s.store, nobody, NULL);
    ck_assert(!store_vote_found(s.store, SHARD_LOG, &vote));
    shard_end(&s);
}

START_TEST(its_votes_are_kept_until_it_is_removed)
{
    votes_are_kept(STORE_DAMAGED_ALL);
}
END_TEST

/* A crash before there is a log again makes no vote undone. */
START_TEST(the_votes_of_a_log_that_is_to_be_made_anew_are_kept)
{
    votes_are_kept(STORE_DAMAGED_ANEW);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_is_appended_is_told_in_a_later_turn_and_reads_back,
        the_bootstrap_is_recovered_as_the_first_batch,
        a_bootstrap_of_another_incarnation_is_refused,
        contents_sealed_elsewhere_are_appended_and_whole_batches_read_back,
        what_is_cut_never_happened_and_others_take_its_indexes,
        files_below_the_floor_give_their_memory_back,
        a_read_that_waits_is_told_in_a_later_turn,
        a_closed_log_is_gone_and_nobody_is_told_of_what_waited,
        its_votes_are_kept_until_it_is_removed,
        the_votes_of_a_log_that_is_to_be_made_anew_are_kept,
    };

    return UNIT_RUN_PLAIN("memory", tests);
}
