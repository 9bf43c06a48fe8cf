/* Blocks of other replicas: taken whole or not at all, whenever it ends, and read for others. */
#include <glob.h>

#include "storage/block.h"
#include "tests/unit/storage/shard.h"
#include "tests/unit/unit.h"

#define BEYOND 100u

static struct shard s;
static uint64_t restored; /* index of the block that the last opening began with */
static char body[64];

static enum err on_block(void *context, const struct log_block *block)
{
    (void)context;
    restored = block->index;
    if (block->body.size < sizeof body) {
        memcpy(body, block->body.at, block->body.size);
        body[block->body.size] = 0;
    }
    return OK;
}

static void on_below(void *context, uint64_t first, uint64_t last)
{
    (void)context;
    (void)first;
    (void)last;
}

static void reopen(void)
{
    static const struct log_events events = {shard_durable, shard_failed};
    struct log_recovery recovery = {shard_recovered,   shard_lost,       &s,
                                    .block = on_block, .gone = on_below, .unread = on_below};

    restored = 0;
    s.recovered = 0;
    s.lost_calls = 0;
    shard_reopen_store(&s);
    ck_assert_int_eq(log_open(s.store, SHARD_LOG, &recovery, &events, &s, &s.log), OK);
    s.durable = log_durable(s.log);
}

static enum err taken;
static bool told;

static void take_done(struct log_take_op *op, enum err err)
{
    (void)op;
    told = true;
    taken = err;
}

static struct log_take_op op;

static void take(uint64_t cut)
{
    op = (struct log_take_op){.index = BEYOND,
                              .term = 4,
                              .body = BYTES("the state"),
                              .local = BYTES("places"),
                              .cut = cut,
                              .done = take_done};
    memset(op.hash.at, 0x33, 16);
    told = false;
    log_take(s.log, &op);
}

/* Three that are committed, and three that nobody else ever agreed to. */
static void begin(void)
{
    shard_begin(&s);
    for (unsigned i = 1; i <= 6; i++)
        shard_append(&s, 50, (uint8_t)i);
    log_set_committed(s.log, 3);
}

START_TEST(what_is_taken_replaces_what_was_not_committed)
{
    begin();
    take(3);
    shard_settle(&s);
    ck_assert(told);
    ck_assert_int_eq(taken, OK);
    ck_assert_uint_eq(log_durable(s.log), BEYOND);
    ck_assert_uint_eq(log_block_newest(s.log), BEYOND);
    reopen();
    ck_assert_uint_eq(restored, BEYOND);
    ck_assert_str_eq(body, "the state");
    ck_assert_uint_eq(log_durable(s.log), BEYOND);
    ck_assert_uint_eq(s.recovered, 0); /* all of it is below the block */
    s.durable = BEYOND;
    memset(s.hashes[BEYOND].at, 0x33, 16);
    shard_end(&s);
}
END_TEST

/* The disk as it is between the block's rename and the new file. */
START_TEST(a_block_without_the_file_behind_it_is_the_state_all_the_same)
{
    struct block block = {
        .log_id = SHARD_LOG, .index = BEYOND, .term = 4, .body = BYTES("the state")};
    struct block_file file = {.first = 1, .last = 3};
    struct buf *batch;

    begin();
    file.id = log_file_id(s.log, 0);
    block.files = &file;
    block.file_count = 1;
    memcpy(block.incarnation, shard_incarnation, 16);
    memset(block.hash.at, 0x33, 16);
    ck_assert_int_eq(block_write(s.io, "data", &block, 0), OK);
    for (int life = 0; life < 2; life++) {
        reopen();
        ck_assert_uint_eq(restored, BEYOND);
        ck_assert_uint_eq(log_durable(s.log), BEYOND + (unsigned)life);
        ck_assert_uint_eq(s.recovered, (unsigned)life); /* never what was not committed */
        if (life > 0)
            break;
        log_floor_set(s.log, BEYOND);
        batch = log_gather(s.log);
        memset(record_begin(batch, 1, 0, 50), 7, 50);
        record_end(batch, 50);
        ck_assert_uint_eq(log_seal(s.log, 4, 5, 1), BEYOND + 1);
        shard_settle(&s);
    }
    shard_end(&s);
}
END_TEST

START_TEST(what_comes_to_be_committed_meanwhile_is_not_cut)
{
    struct buf out;

    begin();
    take(3);
    log_set_committed(s.log, 5);
    shard_settle(&s);
    ck_assert_int_eq(taken, OK);
    buf_init(&out, LOG_CONTENT_MAX);
    ck_assert_int_eq(log_batch_read_now(s.log, 5, &out), OK);
    ck_assert_int_eq(log_batch_read_now(s.log, 6, &out), ERR_NOT_FOUND);
    buf_deinit(&out);
    shard_end(&s);
}
END_TEST

START_TEST(a_log_that_is_closed_meanwhile_takes_no_harm)
{
    for (unsigned turns = 0; turns < 6; turns++) {
        begin();
        take(3);
        for (unsigned i = 0; i < turns; i++)
            ck_assert_int_eq(io_turn(s.io, 1000000), OK);
        log_close(s.log);
        s.log = NULL;
        shard_settle(&s);
        reopen();
        ck_assert(restored == 0 || restored == BEYOND);
        ck_assert_uint_eq(log_durable(s.log), restored == 0 ? 6 : BEYOND);
        shard_end(&s);
    }
}
END_TEST

/* Ten batches in files of two or three each; all above the third were cut, and no file says so. */
static void begin_cut(void)
{
    shard_begin(&s);
    shard_close(&s);
    s.options.segment_size = 16 << 10;
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    reopen();
    for (unsigned i = 1; i <= 10; i++)
        shard_append(&s, 5000, (uint8_t)i);
    log_set_committed(s.log, 3);
    log_cut(s.log, 3);
}

START_TEST(what_was_cut_before_does_not_come_back_behind_a_block_that_is_taken)
{
    unsigned taken_at_once = 0;

    for (unsigned turns = 0; turns < 6; turns++) {
        begin_cut();
        op = (struct log_take_op){
            .index = 5, .term = 4, .body = BYTES("the state"), .cut = 3, .done = take_done};
        log_take(s.log, &op);
        for (unsigned i = 0; i < turns; i++)
            ck_assert_int_eq(io_turn(s.io, 1000000), OK);
        log_close(s.log);
        s.log = NULL;
        shard_settle(&s);
        reopen();
        ck_assert_uint_eq(log_durable(s.log), restored == 0 ? 10 : 5);
        ck_assert_uint_le(s.lost_calls > 0 ? s.lost_last : 0, restored);
        taken_at_once += restored == 5;
        shard_end(&s);
    }
    ck_assert_uint_gt(taken_at_once, 0);
}
END_TEST

/* As if the process had ended before it was made. */
static void remove_newest_file(void)
{
    char pattern[160];
    glob_t found;

    snprintf(pattern, sizeof pattern, "%s/data/logs/*/*.seg", s.root);
    ck_assert_int_eq(glob(pattern, 0, NULL, &found), 0);
    ck_assert_int_eq(unlink(found.gl_pathv[found.gl_pathc - 1]), 0);
    globfree(&found);
}

/* Of ten batches three are committed; four more wait for files of their own when the block is
 * taken, whose writing takes longer than theirs. It is there, and the file behind it is not, when
 * the process ends. */
START_TEST(what_waited_for_a_new_file_does_not_come_back_behind_a_block_that_is_taken)
{
    static uint8_t large[16 << 20];

    begin_cut();
    reopen(); /* nothing on the disk says that they were cut */
    ck_assert_uint_eq(log_durable(s.log), 10);
    log_set_committed(s.log, 3);
    for (unsigned i = 11; i <= 14; i++)
        shard_seal(&s, 9000, (uint8_t)i);
    op = (struct log_take_op){
        .index = 8, .term = 4, .body = bytes_of(large, sizeof large), .cut = 3, .done = take_done};
    log_take(s.log, &op);
    while (!op.written)
        ck_assert_int_eq(io_turn(s.io, 1000000), OK);
    shard_close(&s);
    remove_newest_file();
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    reopen();
    ck_assert_uint_eq(restored, 8);
    ck_assert_uint_le(s.lost_last, 8); /* only what the block says all the same */
    ck_assert_uint_eq(log_durable(s.log), 8);
    ck_assert_uint_eq(s.recovered, 0);
    shard_end(&s);
}
END_TEST

/* ---- pieces ---------------------------------------------------------------------------------- */

static struct buf pieces;
static enum err piece_err;

static void piece_read(struct log_block_read *read, enum err err)
{
    piece_err = err;
    if (err != OK)
        return;
    ck_assert_uint_eq(read->body_size, 9);
    ck_assert_uint_eq(read->term, 4);
    ck_assert(buf_add(&pieces, read->piece));
}

static void read_piece(uint64_t index, uint64_t offset)
{
    struct log_block_read read = {.index = index, .offset = offset, .size = 4, .done = piece_read};

    log_block_read(s.log, &read);
    shard_settle(&s);
    for (int turn = 0; turn < 100000 && s.log != NULL && piece_err == ERR_BUSY; turn++)
        ck_assert_int_eq(io_turn(s.io, 1000000), OK);
}

static void wait_piece(uint64_t index, uint64_t offset)
{
    piece_err = ERR_BUSY;
    read_piece(index, offset);
}

START_TEST(a_body_is_read_in_pieces)
{
    begin();
    take(3);
    shard_settle(&s);
    buf_init(&pieces, 100);
    for (uint64_t at = 0; at < 9; at += 4) {
        wait_piece(BEYOND, at);
        ck_assert_int_eq(piece_err, OK);
    }
    ck_assert(bytes_equal(buf_bytes(&pieces), BYTES("the state")));
    wait_piece(BEYOND, 10);
    ck_assert_int_eq(piece_err, ERR_CORRUPT);
    wait_piece(BEYOND - 1, 0);
    ck_assert_int_eq(piece_err, ERR_NOT_FOUND);
    buf_deinit(&pieces);
    shard_end(&s);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_is_taken_replaces_what_was_not_committed,
        a_block_without_the_file_behind_it_is_the_state_all_the_same,
        what_comes_to_be_committed_meanwhile_is_not_cut,
        a_log_that_is_closed_meanwhile_takes_no_harm,
        what_was_cut_before_does_not_come_back_behind_a_block_that_is_taken,
        what_waited_for_a_new_file_does_not_come_back_behind_a_block_that_is_taken,
        a_body_is_read_in_pieces,
    };

    return UNIT_RUN_PLAIN("log_take", tests);
}
