/* State blocks, the floor, and files that are removed, in whole logs. */
#include <stdio.h>

#include "base/heap.h"
#include "storage/hash.h"
#include "storage/segment.h"
#include "tests/unit/storage/shard.h"
#include "tests/unit/unit.h"

static struct shard s;

/* What recovery tells beyond the shard's. */
static uint64_t block_index, gone_first, gone_last, below_last;
static unsigned gone_calls;
static uint8_t block_body[64];
static size_t block_body_size;
static enum err block_refused; /* of those above it the owner says that */
static uint64_t block_refused_above = UINT64_MAX;
static uint64_t unread_last;

static enum err told_block(void *context, const struct log_block *block)
{
    (void)context;
    if (block->index > block_refused_above)
        return block_refused;
    block_index = block->index;
    block_body_size = block->body.size;
    memcpy(block_body, block->body.at, block->body.size < 64 ? block->body.size : 64);
    ck_assert_mem_eq(block->hash.at, s.hashes[block->index].at, 16);
    return OK;
}

static void told_unread(void *context, uint64_t first, uint64_t last)
{
    (void)context;
    ck_assert_uint_gt(first, unread_last);
    unread_last = last;
    s.recovered += last - first + 1;
}

static void told_gone(void *context, uint64_t first, uint64_t last)
{
    (void)context;
    gone_calls++;
    gone_first = first;
    gone_last = last;
}

static void told_batch(void *context, const struct log_batch *batch)
{
    if (batch->below)
        below_last = batch->index;
    else
        ck_assert_uint_gt(batch->index, block_index);
    shard_recovered(context, batch);
}

static log_place behind[20]; /* of the batches that became durable in this life */

static void told_durable(void *owner, const struct log_batch *batch)
{
    if (batch->index < 20)
        behind[batch->index] = log_batch_behind(batch);
    shard_durable(owner, batch);
}

static void open_log(void)
{
    static const struct log_events events = {told_durable, shard_failed};
    struct log_recovery recovery = {told_batch, shard_lost, &s, told_block, told_gone};

    block_index = below_last = gone_first = gone_last = 0;
    gone_calls = 0;
    s.recovered = 0;
    s.lost_calls = 0;
    ck_assert_int_eq(log_open(s.store, SHARD_LOG, &recovery, &events, &s, &s.log), OK);
    s.durable = log_durable(s.log);
}

static void reopen(void)
{
    shard_reopen_store(&s);
    open_log();
}

static enum err block_err;
static bool block_told;

static void block_done(struct log_block_op *op, enum err err)
{
    (void)op;
    block_told = true;
    block_err = err;
}

static log_place block_behind; /* of the next block */

static void write_block(uint64_t index, const char *body)
{
    static struct log_block_op op;

    op = (struct log_block_op){.index = index,
                               .term = 1,
                               .hash = s.hashes[index],
                               .behind = block_behind,
                               .body = bytes_of_text(body),
                               .done = block_done};
    block_behind = 0;
    block_told = false;
    log_set_committed(s.log, log_durable(s.log));
    log_block_write(s.log, &op);
    ck_assert(!block_told);
    shard_settle(&s);
    ck_assert(block_told);
    ck_assert_int_eq(block_err, OK);
    ck_assert_uint_eq(log_block_newest(s.log), index);
}

/* Files of two or three batches each. */
static void many_files(unsigned batches)
{
    shard_begin(&s);
    shard_close(&s);
    s.options.segment_size = 16 << 10;
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    open_log();
    for (unsigned i = 1; i <= batches; i++)
        shard_append(&s, 5000, (uint8_t)i);
    shard_settle(&s);
}

static unsigned count_files(unsigned *can_go)
{
    struct log_file_info info;
    unsigned count = 0;

    *can_go = 0;
    for (uint32_t i = 0; log_file_next(s.log, i, &info); i = info.ordinal + 1) {
        count++;
        *can_go += info.droppable;
    }
    return count;
}

START_TEST(a_block_is_handed_out_first_and_batches_say_on_which_side_they_are)
{
    many_files(10);
    ck_assert_uint_eq(log_block_newest(s.log), 0);
    write_block(6, "state at six");
    shard_append(&s, 100, 1);
    reopen();
    ck_assert_uint_eq(block_index, 6);
    ck_assert_uint_eq(block_body_size, 12);
    ck_assert_mem_eq(block_body, "state at six", 12);
    ck_assert_uint_eq(below_last, 6);
    ck_assert_uint_eq(s.recovered, 11);
    ck_assert_uint_eq(log_block_newest(s.log), 6);
    ck_assert_uint_ge(log_committed(s.log), 6);
    shard_end(&s);
}
END_TEST

START_TEST(only_files_below_the_floor_and_the_older_block_can_go)
{
    unsigned can_go;

    many_files(12);
    ck_assert_uint_ge(count_files(&can_go), 6);
    ck_assert_uint_eq(can_go, 0);
    write_block(6, "one");
    log_floor_set(s.log, 6);
    ck_assert_uint_eq(log_floor(s.log), 6);
    count_files(&can_go);
    ck_assert_uint_eq(can_go, 0); /* there is one block only */
    ck_assert_int_eq(log_file_drop(s.log, 0), ERR_BUSY);

    write_block(9, "two");
    count_files(&can_go);
    ck_assert_uint_eq(can_go, 3); /* 1..6: what the older one has */
    ck_assert_int_eq(log_file_drop(s.log, 99), ERR_NOT_FOUND);
    ck_assert_int_eq(log_file_drop(s.log, 1), OK);
    ck_assert_int_eq(log_file_drop(s.log, 1), ERR_NOT_FOUND);
    shard_settle(&s);
    shard_end(&s);
}
END_TEST

START_TEST(what_a_removed_file_had_is_gone_and_not_lost)
{
    struct buf out;
    uint64_t bytes;

    many_files(12);
    write_block(6, "one");
    write_block(9, "two");
    log_floor_set(s.log, 9);
    bytes = log_bytes(s.log);
    ck_assert_int_eq(log_file_drop(s.log, 1), OK); /* 3 and 4 */
    ck_assert_uint_lt(log_bytes(s.log), bytes);
    shard_settle(&s);
    buf_init(&out, LOG_CONTENT_MAX);
    ck_assert_int_eq(log_batch_read_now(s.log, 3, &out), ERR_NOT_FOUND);
    ck_assert_int_eq(log_batch_read_now(s.log, 5, &out), OK);
    for (int life = 0; life < 2; life++) {
        reopen();
        ck_assert_uint_eq(s.lost_calls, 0);
        ck_assert_uint_eq(gone_calls, 1);
        ck_assert_uint_eq(gone_first, 3);
        ck_assert_uint_eq(gone_last, 4);
        ck_assert_uint_eq(s.recovered, 10);
        ck_assert_int_eq(log_batch_read_now(s.log, 4, &out), ERR_NOT_FOUND);
        ck_assert_int_eq(log_batch_read_now(s.log, 5, &out), OK);
    }
    log_floor_set(s.log, 9);
    ck_assert_int_eq(log_file_drop(s.log, 0), OK);
    reopen();
    ck_assert_uint_eq(gone_first, 1);
    ck_assert_uint_eq(gone_last, 4);
    ck_assert_uint_eq(shard_append(&s, 10, 1), 13);
    buf_deinit(&out);
    shard_end(&s);
}
END_TEST

/* The file that named the cut of the one before it is removed: what was cut stays so. */
START_TEST(what_was_cut_stays_void_when_the_file_that_said_so_is_removed)
{
    struct log_hash hash;
    struct log_file_info info;

    shard_begin(&s);
    for (unsigned i = 1; i <= 4; i++)
        shard_append(&s, 100, (uint8_t)i);
    log_cut(s.log, 2);
    s.durable = 2;
    for (unsigned i = 3; i <= 6; i++) {
        shard_append(&s, 100, (uint8_t)(10 * i));
        if (i == 4)
            log_roll(s.log);
    }
    hash = s.hashes[5];
    write_block(5, "one");
    write_block(6, "two");
    log_floor_set(s.log, 6);
    ck_assert(log_file_next(s.log, 1, &info));
    ck_assert_uint_eq(info.first, 3);
    ck_assert_uint_eq(info.last, 4);
    ck_assert(info.droppable);
    ck_assert_int_eq(log_file_drop(s.log, 1), OK);
    reopen();
    ck_assert_uint_eq(s.lost_calls, 0);
    ck_assert_uint_eq(gone_first, 3);
    ck_assert_uint_eq(gone_last, 4);
    ck_assert_uint_eq(s.recovered, 4);
    ck_assert(hash_equal(&s.hashes[5], &hash));
    shard_end(&s);
}
END_TEST

/* A block comes between a cut and the file that names it, and then a crash. */
START_TEST(what_a_cut_took_back_is_not_lost_behind_a_block)
{
    for (uint64_t cut = 3; cut <= 8; cut++) {
        many_files(12);
        log_cut(s.log, cut);
        write_block(cut, "at the cut");
        for (unsigned life = 0; life < 3; life++) {
            reopen();
            ck_assert_uint_eq(s.lost_calls, 0);
            ck_assert_uint_eq(gone_calls, 0);
            ck_assert_uint_eq(s.durable, 12); /* nothing on the disk said otherwise */
            ck_assert_uint_eq(s.recovered, 12);
        }
        ck_assert_uint_eq(shard_append(&s, 100, 99), s.durable);
        reopen();
        ck_assert_uint_eq(s.lost_calls, 0);
        ck_assert_uint_eq(s.recovered, s.durable);
        shard_end(&s);
    }
}
END_TEST

START_TEST(a_damaged_block_is_passed_over_and_the_older_one_tells_all)
{
    char path[160];

    many_files(12);
    write_block(6, "one");
    write_block(9, "two");
    log_floor_set(s.log, 9);
    ck_assert_int_eq(log_file_drop(s.log, 0), OK);
    ck_assert_int_eq(log_file_drop(s.log, 2), OK);
    ck_assert_int_eq(log_file_drop(s.log, 3), ERR_BUSY); /* 7 and 8 */
    shard_close(&s);
    snprintf(path, sizeof path, "%s/data/logs/%016x/%016x.blk", s.root, SHARD_LOG, 9);
    ck_assert_int_eq(truncate(path, 4100), 0);
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    open_log();
    ck_assert_uint_eq(block_index, 6);
    ck_assert_uint_eq(s.lost_calls, 0);
    ck_assert_uint_eq(gone_calls, 2);
    ck_assert_uint_eq(s.recovered, 8);
    write_block(10, "three");
    reopen();
    ck_assert_uint_eq(block_index, 10);
    shard_end(&s);
}
END_TEST

START_TEST(a_missing_file_above_the_block_is_lost)
{
    char path[512];
    struct log_file_info info;

    many_files(12);
    write_block(4, "one");
    ck_assert(log_file_next(s.log, 3, &info));
    ck_assert_uint_eq(info.first, 7);
    shard_close(&s);
    snprintf(path, sizeof path, "%s/data/logs/%016x/%016llx.seg", s.root, SHARD_LOG,
             (unsigned long long)(2ull << 32 | 3)); /* the first one is of the first boot */
    ck_assert_int_eq(unlink(path), 0);
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    open_log();
    ck_assert_uint_eq(s.lost_calls, 1);
    ck_assert_uint_eq(s.lost_first, 7);
    ck_assert_uint_eq(s.lost_last, 8);
    ck_assert_uint_eq(gone_calls, 0);
    shard_end(&s);
}
END_TEST

/* As open_log, for an owner that leaves files unread. */
static enum err open_unread(void)
{
    static const struct log_events events = {told_durable, shard_failed};
    struct log_recovery recovery = {told_batch, shard_lost, &s, told_block, told_gone, told_unread};
    enum err err;

    block_index = below_last = unread_last = 0;
    s.recovered = 0;
    s.lost_calls = 0;
    err = log_open(s.store, SHARD_LOG, &recovery, &events, &s, &s.log);
    if (err == OK)
        s.durable = log_durable(s.log);
    return err;
}

static void damage(const char *name, off_t at)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof path, "%s/data/logs/%016x/%s", s.root, SHARD_LOG, name);
    file = fopen(path, "r+");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, at, SEEK_SET), 0);
    ck_assert_int_eq(fwrite("damage!", 7, 1, file), 1);
    fclose(file);
}

START_TEST(files_that_the_block_speaks_for_are_not_read)
{
    char name[64];

    many_files(12);
    write_block(9, "nine");
    reopen(); /* the journal has nothing to mend it with */
    shard_close(&s);
    snprintf(name, sizeof name, "%016llx.seg", (unsigned long long)(2ull << 32 | 2)); /* 5 and 6 */
    damage(name, 5000);
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    ck_assert_int_eq(open_unread(), OK);
    ck_assert_uint_eq(block_index, 9);
    ck_assert_uint_eq(s.lost_calls, 0);
    ck_assert_uint_eq(unread_last, 8); /* 9 stands in a file with 10 */
    ck_assert_uint_eq(below_last, 9);
    ck_assert_uint_eq(s.recovered, 12);
    ck_assert_uint_eq(shard_append(&s, 100, 1), 13);
    shard_settle(&s);
    reopen(); /* who reads all finds the damage */
    ck_assert_uint_eq(s.lost_calls, 1);
    shard_end(&s);
}
END_TEST

static void open_again(void)
{
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    ck_assert_int_eq(open_unread(), OK);
}

/* 9 and 10 stand in the fifth file: from the header on, and from behind[9] on. */
static void block_amid_a_file(const char **name)
{
    static char text[64];

    many_files(10);
    block_behind = behind[9];
    write_block(9, "nine");
    shard_close(&s);
    snprintf(text, sizeof text, "%016llx.seg", (unsigned long long)(2ull << 32 | 4));
    *name = text;
}

START_TEST(of_a_file_with_the_blocks_end_in_it_only_what_is_above_is_read)
{
    const char *name;

    block_amid_a_file(&name);
    open_again(); /* the journal has nothing to mend it with */
    shard_close(&s);
    damage(name, SEGMENT_HEADER + 1000); /* in 9 */
    open_again();
    ck_assert_uint_eq(block_index, 9);
    ck_assert_uint_eq(s.lost_calls, 0);
    ck_assert_uint_eq(unread_last, 9);
    ck_assert_uint_eq(below_last, 0);
    ck_assert_uint_eq(s.recovered, 10);
    ck_assert_uint_eq(shard_append(&s, 100, 1), 11); /* behind 10, in that file */
    shard_settle(&s);
    shard_close(&s);
    open_again();
    ck_assert_uint_eq(s.recovered, 11);
    ck_assert_uint_eq(s.lost_calls, 0);
    reopen(); /* who reads all finds the damage */
    ck_assert_uint_eq(s.lost_calls, 1);
    ck_assert_uint_eq(s.lost_first, 9);
    ck_assert_uint_eq(s.lost_last, 9);
    shard_end(&s);
}
END_TEST

START_TEST(what_is_damaged_behind_the_blocks_end_is_lost)
{
    const char *name;

    block_amid_a_file(&name);
    open_again();
    shard_close(&s);
    damage(name, (off_t)(behind[9] & UINT32_MAX) + 1000);
    open_again();
    ck_assert_uint_eq(s.lost_calls, 1);
    ck_assert_uint_eq(s.lost_first, 10);
    ck_assert_uint_eq(s.lost_last, 10);
    ck_assert_uint_eq(shard_append(&s, 100, 1), 11);
    shard_end(&s);
}
END_TEST

START_TEST(a_file_that_ends_before_the_blocks_end_is_read_from_its_beginning)
{
    const char *name;
    char path[512];

    block_amid_a_file(&name);
    open_again();
    shard_close(&s);
    snprintf(path, sizeof path, "%s/data/logs/%016x/%s", s.root, SHARD_LOG, name);
    ck_assert_int_eq(truncate(path, SEGMENT_HEADER + 4096), 0);
    open_again();
    ck_assert_uint_eq(unread_last, 8);
    ck_assert_uint_eq(s.lost_calls, 1);
    ck_assert_uint_eq(s.lost_first, 9);
    ck_assert_uint_eq(s.lost_last, 9);
    ck_assert_uint_eq(log_durable(s.log), 9); /* 10 is gone with its end */
    shard_end(&s);
}
END_TEST

START_TEST(a_log_that_ends_with_its_block_goes_on_behind_it)
{
    many_files(12);
    log_roll(s.log);
    shard_append(&s, 100, 1);
    shard_settle(&s);
    write_block(12, "twelve");
    shard_close(&s);
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    ck_assert_int_eq(open_unread(), OK);
    ck_assert_uint_eq(unread_last, 12);
    ck_assert_uint_eq(below_last, 0);
    ck_assert_uint_eq(log_durable(s.log), 13);
    ck_assert_uint_eq(shard_append(&s, 100, 1), 14);
    shard_settle(&s);
    reopen();
    ck_assert_uint_eq(s.recovered, 14);
    ck_assert_uint_eq(s.lost_calls, 0);
    shard_end(&s);
}
END_TEST

START_TEST(a_block_that_its_owner_cannot_read_is_passed_over)
{
    many_files(12);
    write_block(6, "one");
    write_block(9, "two");
    shard_close(&s);
    block_refused = ERR_CORRUPT;
    block_refused_above = 6;
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    ck_assert_int_eq(open_unread(), OK);
    ck_assert_uint_eq(block_index, 6);
    ck_assert_uint_eq(s.recovered, 12);
    shard_close(&s);
    block_refused_above = 0; /* the log is whole: it needs none */
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    ck_assert_int_eq(open_unread(), OK);
    ck_assert_uint_eq(block_index, 0);
    ck_assert_uint_eq(s.recovered, 12);
    block_refused_above = UINT64_MAX;
    shard_end(&s);
}
END_TEST

START_TEST(a_log_without_its_beginning_and_without_a_block_is_refused)
{
    many_files(12);
    write_block(6, "one");
    write_block(9, "two");
    log_floor_set(s.log, 9);
    ck_assert_int_eq(log_file_drop(s.log, 0), OK);
    shard_settle(&s);
    shard_close(&s);
    block_refused = ERR_CORRUPT;
    block_refused_above = 0;
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    ck_assert_int_eq(open_unread(), ERR_CORRUPT);
    block_refused_above = UINT64_MAX; /* nothing was changed */
    ck_assert_int_eq(open_unread(), OK);
    ck_assert_uint_eq(block_index, 9);
    shard_end(&s);
}
END_TEST

/* ---- records moved together ---- */

static bool keep_told;

static void keep_done(struct log_keep_op *op, enum err err)
{
    (void)op;
    keep_told = true;
    ck_assert_int_eq(err, OK);
}

static uint32_t keep(const char *records)
{
    static struct log_keep_op op;

    op = (struct log_keep_op){.records = bytes_of_text(records), .done = keep_done};
    keep_told = false;
    log_keep(s.log, &op);
    ck_assert(!keep_told);
    shard_settle(&s);
    ck_assert(keep_told);
    return op.ordinal;
}

static void check_kept(uint32_t ordinal, const char *records)
{
    char at[64] = {0};

    ck_assert_int_eq(
        log_read_now(s.log, (uint64_t)ordinal << 32 | LOG_KEEP_HEAD, at, sizeof at - 1),
        (int64_t)strlen(records));
    ck_assert_str_eq(at, records);
}

static uint64_t keep_id; /* looked for when the log is opened */
static uint32_t keep_ordinal;

static enum err told_block_with_keep(void *context, const struct log_block *block)
{
    keep_ordinal = log_block_ordinal(block, keep_id);
    return told_block(context, block);
}

static void reopen_with_keep(void)
{
    static const struct log_events events = {shard_durable, shard_failed};
    struct log_recovery recovery = {told_batch, shard_lost, &s, told_block_with_keep, told_gone};

    s.recovered = 0;
    ck_assert_int_eq(log_open(s.store, SHARD_LOG, &recovery, &events, &s, &s.log), OK);
    s.durable = log_durable(s.log);
}

START_TEST(what_was_moved_together_is_found_by_its_files_name_in_a_later_life)
{
    struct log_file_info info;
    uint32_t ordinal;

    many_files(12);
    (void)keep("first");
    ordinal = keep("what lives");
    check_kept(ordinal, "what lives");
    keep_id = log_file_id(s.log, ordinal);
    write_block(9, "nine");
    ck_assert_int_eq(log_keep_drop(s.log, LOG_KEEP_FIRST), OK);
    ck_assert_int_eq(log_keep_drop(s.log, LOG_KEEP_FIRST), ERR_NOT_FOUND);
    shard_settle(&s);
    shard_reopen_store(&s);
    reopen_with_keep();
    ck_assert_uint_eq(s.recovered, 12);
    ck_assert_uint_eq(s.lost_calls, 0);
    ck_assert_uint_eq(keep_ordinal, LOG_KEEP_FIRST);
    check_kept(keep_ordinal, "what lives");
    ck_assert(log_keep_next(s.log, LOG_KEEP_FIRST, &info));
    ck_assert(!log_keep_next(s.log, info.ordinal + 1, &info));
    ck_assert_uint_eq(shard_append(&s, 100, 1), 13);
    shard_end(&s);
}
END_TEST

START_TEST(a_file_of_moved_records_that_is_damaged_is_not_there)
{
    char name[64];

    many_files(12);
    keep_id = log_file_id(s.log, keep("what lives"));
    write_block(9, "nine");
    shard_close(&s);
    snprintf(name, sizeof name, "%016llx.kep", (unsigned long long)keep_id);
    damage(name, 20);
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    reopen_with_keep();
    ck_assert_uint_eq(keep_ordinal, LOG_FILE_NONE);
    ck_assert_uint_eq(s.recovered, 12);
    shard_end(&s);
}
END_TEST

static enum err skip_err;
static bool skip_told;

static void skip_done(struct log_skip_op *op, enum err err)
{
    (void)op;
    skip_told = true;
    skip_err = err;
}

static void skip_to(uint64_t index)
{
    static struct log_skip_op op;

    op = (struct log_skip_op){.index = index, .term = 4, .done = skip_done};
    memset(op.hash.at, 0x33, 16);
    memset(s.hashes[index].at, 0x33, 16);
    skip_told = false;
    log_skip(s.log, &op);
    ck_assert(!skip_told);
    ck_assert(!log_ready(s.log));
    ck_assert_uint_eq(log_append_room(s.log), 0);
    shard_settle(&s);
    ck_assert(skip_told);
    ck_assert_int_eq(skip_err, OK);
    ck_assert_uint_eq(log_appended(s.log), index);
    ck_assert_uint_eq(log_durable(s.log), index);
    s.durable = index;
}

START_TEST(a_log_that_is_too_far_behind_goes_on_behind_a_block_of_others)
{
    struct buf out;

    many_files(4);
    skip_to(100);
    ck_assert_uint_eq(log_term_last(s.log), 4);
    write_block(100, "from the leader");
    buf_init(&out, LOG_CONTENT_MAX);
    ck_assert_int_eq(log_batch_read_now(s.log, 50, &out), ERR_NOT_FOUND);
    ck_assert_int_eq(log_batch_read_now(s.log, 4, &out), OK);
    reopen(); /* before anything stands behind it */
    ck_assert_uint_eq(block_index, 100);
    ck_assert_uint_eq(log_durable(s.log), 100);
    for (unsigned i = 101; i <= 110; i++) {
        struct buf *batch = log_gather(s.log);

        memset(record_begin(batch, 1, 0, 50), 7, 50);
        record_end(batch, 50);
        ck_assert_uint_eq(log_seal(s.log, 4, 5, 1), i);
        shard_settle(&s);
    }
    for (int life = 0; life < 2; life++) {
        reopen();
        ck_assert_uint_eq(s.lost_calls, 0);
        ck_assert_uint_eq(gone_first, 5);
        ck_assert_uint_eq(gone_last, 100);
        ck_assert_uint_eq(s.recovered, 14);
        ck_assert_uint_eq(log_durable(s.log), 110);
        ck_assert_int_eq(log_batch_read_now(s.log, 50, &out), ERR_NOT_FOUND);
        ck_assert_int_eq(log_batch_read_now(s.log, 105, &out), OK);
    }
    buf_deinit(&out);
    shard_end(&s);
}
END_TEST

START_TEST(what_was_skipped_counts_as_lost_until_there_is_a_block)
{
    many_files(4);
    skip_to(100);
    reopen();
    ck_assert_uint_eq(s.lost_calls, 1);
    ck_assert_uint_eq(s.lost_first, 5);
    ck_assert_uint_eq(s.lost_last, 100);
    ck_assert_uint_eq(log_durable(s.log), 100);
    write_block(100, "it came at last");
    reopen();
    ck_assert_uint_eq(s.lost_calls, 0);
    ck_assert_uint_eq(gone_last, 100);
    shard_end(&s);
}
END_TEST

START_TEST(a_block_on_its_way_is_told_although_the_log_is_closed)
{
    static struct log_block_op op;

    many_files(3);
    op = (struct log_block_op){
        .index = 2, .hash = s.hashes[2], .body = BYTES("body"), .done = block_done};
    block_told = false;
    log_block_write(s.log, &op);
    log_close(s.log);
    s.log = NULL;
    shard_settle(&s);
    ck_assert(block_told);
    open_log();
    ck_assert_uint_eq(block_index, 2);
    shard_end(&s);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_block_is_handed_out_first_and_batches_say_on_which_side_they_are,
        only_files_below_the_floor_and_the_older_block_can_go,
        what_a_removed_file_had_is_gone_and_not_lost,
        what_was_cut_stays_void_when_the_file_that_said_so_is_removed,
        what_a_cut_took_back_is_not_lost_behind_a_block,
        a_damaged_block_is_passed_over_and_the_older_one_tells_all,
        files_that_the_block_speaks_for_are_not_read,
        of_a_file_with_the_blocks_end_in_it_only_what_is_above_is_read,
        what_is_damaged_behind_the_blocks_end_is_lost,
        a_file_that_ends_before_the_blocks_end_is_read_from_its_beginning,
        a_log_that_ends_with_its_block_goes_on_behind_it,
        a_block_that_its_owner_cannot_read_is_passed_over,
        a_log_without_its_beginning_and_without_a_block_is_refused,
        what_was_moved_together_is_found_by_its_files_name_in_a_later_life,
        a_file_of_moved_records_that_is_damaged_is_not_there,
        a_missing_file_above_the_block_is_lost,
        a_log_that_is_too_far_behind_goes_on_behind_a_block_of_others,
        what_was_skipped_counts_as_lost_until_there_is_a_block,
        a_block_on_its_way_is_told_although_the_log_is_closed,
    };

    return UNIT_RUN_PLAIN("log_space", tests);
}
