/* Reading batches by their index. */
#include <fcntl.h>

#include "storage/batch.h"
#include "storage/hash.h"
#include "tests/unit/storage/shard.h"
#include "tests/unit/unit.h"

static struct shard s;
static struct io_op warm_op;
static bool warmed;

static void warm_done(struct io_op *op, int64_t result)
{
    ck_assert_ptr_eq(op, &warm_op);
    ck_assert_int_eq(result, 0);
    warmed = true;
}

static void warm(uint64_t index)
{
    warmed = false;
    warm_op = (struct io_op){.done = warm_done};
    log_batch_warm(s.log, &warm_op, index);
    ck_assert(!warmed); /* never from inside the call */
    while (!warmed)
        ck_assert_int_eq(io_turn(s.io, 1000000), OK);
}

/* Reads it, warm or not, and compares it with what was told when it became durable. */
static void read_checked(uint64_t index)
{
    struct log_hash hash;
    struct buf out;
    enum err err;

    buf_init(&out, LOG_CONTENT_MAX);
    ck_assert(BUF_ADD(&out, "before"));
    err = log_batch_read_now(s.log, index, &out);
    if (err == ERR_AGAIN) {
        ck_assert_uint_eq(out.size, 6);
        warm(index);
        err = log_batch_read_now(s.log, index, &out);
    }
    ck_assert_int_eq(err, OK);
    hash = hash_128(bytes_skip(buf_bytes(&out), 6));
    ck_assert(hash_equal(&hash, &s.hashes[index]));
    buf_deinit(&out);
}

/* Batches of all sizes in several files. */
static void many_batches(unsigned count)
{
    shard_begin(&s);
    shard_close(&s);
    s.options.segment_size = 1 << 20;
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    ck_assert_int_eq(shard_open_log(&s), OK);
    for (unsigned i = 1; i <= count; i++)
        shard_append(&s, i % 100 == 0 ? 700000 : i % 10 == 0 ? 30000 : 10 + 7 * i, (uint8_t)i);
}

START_TEST(every_batch_is_read_by_its_index_in_any_order)
{
    many_batches(600);
    ck_assert_uint_gt(s.places[600] >> 32, 4);
    for (int life = 0; life < 2; life++) {
        for (uint64_t i = 1; i <= 600; i++)
            read_checked(i);
        for (uint64_t i = 600; i > 0; i -= 7) {
            read_checked(i);
            if (i < 8)
                break;
        }
        shard_reopen(&s);
    }
    shard_end(&s);
}
END_TEST

START_TEST(what_was_read_from_the_disk_is_in_memory_afterwards_with_its_neighbours)
{
    struct buf out;

    many_batches(300);
    buf_init(&out, LOG_CONTENT_MAX);
    for (uint64_t i = 1; i <= 300; i++) {
        warm(i);
        buf_clear(&out);
        ck_assert_int_eq(log_batch_read_now(s.log, i, &out), OK);
    }
    buf_deinit(&out);
    shard_end(&s);
}
END_TEST

START_TEST(what_the_log_does_not_have_is_not_found)
{
    struct buf out;

    shard_begin(&s);
    buf_init(&out, LOG_CONTENT_MAX);
    ck_assert_int_eq(log_batch_read_now(s.log, 0, &out), ERR_NOT_FOUND);
    ck_assert_int_eq(log_batch_read_now(s.log, 1, &out), ERR_NOT_FOUND);
    shard_append(&s, 100, 1);
    shard_append(&s, 100, 2);
    ck_assert_int_eq(log_batch_read_now(s.log, 3, &out), ERR_NOT_FOUND);
    shard_seal(&s, 100, 3);
    ck_assert_int_eq(log_batch_read_now(s.log, 3, &out), OK); /* it waits in memory */
    log_cut(s.log, 1);
    ck_assert_int_eq(log_batch_read_now(s.log, 2, &out), ERR_NOT_FOUND);
    ck_assert_int_eq(log_batch_read_now(s.log, 1, &out), OK);
    buf_deinit(&out);
    shard_end(&s);
}
END_TEST

START_TEST(a_buffer_that_may_not_grow_so_far_gets_nothing)
{
    struct buf out;

    shard_begin(&s);
    shard_append(&s, 1000, 1);
    buf_init(&out, 500);
    ck_assert_int_eq(log_batch_read_now(s.log, 1, &out), ERR_FULL);
    ck_assert_uint_eq(out.size, 0);
    buf_deinit(&out);
    shard_end(&s);
}
END_TEST

START_TEST(a_batch_that_rotted_is_told_from_a_good_one)
{
    struct buf out;
    char path[160];
    uint8_t byte = 0x77;
    int fd;

    many_batches(30);
    snprintf(path, sizeof path, "%s/data/logs/%016x/0000000100000001.seg", s.root, SHARD_LOG);
    fd = open(path, O_WRONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)(s.places[17] & UINT32_MAX) + 20), 1);
    close(fd);
    buf_init(&out, LOG_CONTENT_MAX);
    ck_assert_int_eq(log_batch_read_now(s.log, 17, &out), ERR_CORRUPT);
    ck_assert_uint_eq(out.size, 0);
    read_checked(16);
    read_checked(18);

    shard_close(&s);
    for (unsigned n = 0; n < 4; n++) { /* it would write the batch anew */
        snprintf(path, sizeof path, "%s/data/journal/%u.jnl", s.root, n);
        (void)unlink(path);
    }
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    ck_assert_int_eq(shard_open_log(&s), OK);
    ck_assert_uint_eq(s.lost_calls, 1);
    ck_assert_int_eq(log_batch_read_now(s.log, 17, &out), ERR_CORRUPT);
    read_checked(16);
    read_checked(18);
    buf_deinit(&out);
    shard_end(&s);
}
END_TEST

START_TEST(a_read_on_its_way_is_told_although_the_log_is_closed)
{
    many_batches(10);
    warmed = false;
    warm_op = (struct io_op){.done = warm_done};
    log_batch_warm(s.log, &warm_op, 5);
    log_close(s.log);
    s.log = NULL;
    shard_settle(&s);
    ck_assert(warmed);
    shard_end(&s);
}
END_TEST

struct gentle_reader {
    struct log_read read;
    uint8_t *memory;
    int64_t result; /* -1: not yet */
};

static void gentle_done(struct log_read *read, int64_t result)
{
    ((struct gentle_reader *)read)->result = result;
}

START_TEST(a_replay_s_read_gets_all_of_its_bytes_beside_live_traffic)
{
    enum { READS = 8, SIZE = 128 << 10, STEP = 40000 };
    static struct gentle_reader readers[READS];
    static uint8_t expected[SIZE];
    unsigned left = READS;

    many_batches(600); /* a sync is never long ago */
    for (unsigned i = 0; i < READS; i++) {
        readers[i] = (struct gentle_reader){
            .read.done = gentle_done, .memory = calloc(1, SIZE), .result = -1};
        log_read_gently(s.log, &readers[i].read, s.places[20] + (uint64_t)i * STEP,
                        readers[i].memory, SIZE);
        ck_assert_int_eq(readers[i].result, -1); /* never from inside the call */
    }
    for (unsigned i = 1; left > 0; i++) {
        shard_append(&s, 100, (uint8_t)i);
        left = 0;
        for (unsigned r = 0; r < READS; r++)
            left += readers[r].result == -1;
    }
    for (unsigned i = 0; i < READS; i++) {
        ck_assert_int_eq(readers[i].result, SIZE);
        ck_assert_int_eq(log_read_now(s.log, s.places[20] + (uint64_t)i * STEP, expected, SIZE),
                         SIZE);
        ck_assert_mem_eq(readers[i].memory, expected, SIZE);
        free(readers[i].memory);
    }
    shard_end(&s);
}
END_TEST

START_TEST(a_replay_s_read_that_waits_is_told_although_the_log_is_closed)
{
    static struct gentle_reader readers[2];
    static uint8_t memory[2][100 << 10];

    many_batches(600);
    for (unsigned i = 0; i < 2; i++) {
        readers[i] = (struct gentle_reader){.read.done = gentle_done, .result = -1};
        log_read_gently(s.log, &readers[i].read, s.places[20], memory[i], sizeof memory[i]);
    }
    log_close(s.log);
    s.log = NULL;
    shard_settle(&s);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(readers[i].result, sizeof memory[i]);
    shard_end(&s);
}
END_TEST

/* Replays that never pause, of the file in which something is erased. */
struct again_reader {
    struct log_read read;
    uint8_t memory[100 << 10];
    bool stop, stopped;
};

static void again_done(struct log_read *read, int64_t result)
{
    struct again_reader *reader = (struct again_reader *)read;

    ck_assert_int_eq(result, sizeof reader->memory);
    reader->stopped = reader->stop;
    if (!reader->stop)
        log_read_gently(s.log, read, s.places[20], reader->memory, sizeof reader->memory);
}

static bool erased;

static void blank(uint8_t *record, uint32_t size)
{
    memset(record, 0, size);
}

static void on_erased(struct log_erase_op *op, enum err err)
{
    (void)op;
    ck_assert_int_eq(err, OK);
    erased = true;
}

START_TEST(replays_that_never_pause_do_not_hold_up_an_erasure)
{
    enum { READS = 4, APPENDS = 3000 };
    static struct again_reader readers[READS];
    struct log_erased first;
    struct log_erase_op op = {.at = &first, .count = 1, .erase = blank, .done = on_erased};

    many_batches(600);
    first = (struct log_erased){s.places[10], 100};
    for (unsigned i = 0; i < READS; i++) {
        readers[i] = (struct again_reader){.read.done = again_done};
        log_read_gently(s.log, &readers[i].read, s.places[20], readers[i].memory,
                        sizeof readers[i].memory);
    }
    erased = false;
    log_erase(s.log, &op);
    for (unsigned i = 0; i < APPENDS && !erased; i++)
        shard_append(&s, 100, (uint8_t)i);
    ck_assert(erased);
    for (unsigned i = 0; i < READS; i++)
        readers[i].stop = true;
    for (unsigned i = 0; i < READS; i++)
        while (!readers[i].stopped)
            ck_assert_int_eq(io_turn(s.io, 1000000), OK);
    shard_end(&s);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        every_batch_is_read_by_its_index_in_any_order,
        what_was_read_from_the_disk_is_in_memory_afterwards_with_its_neighbours,
        what_the_log_does_not_have_is_not_found,
        a_buffer_that_may_not_grow_so_far_gets_nothing,
        a_batch_that_rotted_is_told_from_a_good_one,
        a_read_on_its_way_is_told_although_the_log_is_closed,
        a_replay_s_read_gets_all_of_its_bytes_beside_live_traffic,
        a_replay_s_read_that_waits_is_told_although_the_log_is_closed,
        replays_that_never_pause_do_not_hold_up_an_erasure,
    };

    return UNIT_RUN_PLAIN("log_read", tests);
}
