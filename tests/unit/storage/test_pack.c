/* Packed files: what is in them is what was written, whatever happens to the bytes on the disk. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/io_uring.h"
#include "storage/hash.h"
#include "storage/le.h"
#include "storage/pack.h"
#include "storage/paths.h"
#include "tests/unit/storage/shard.h"
#include "tests/unit/unit.h"

#define BATCHES 60u
#define SIZE    6000u

static struct shard s;

/* ---- one file ------------------------------------------------------------------------------- */

#define RAW (3 * PACK_FRAME + 777)

static uint8_t raw[RAW];

/* Something that compresses, something that does not, and zeros. */
static void fill_raw(void)
{
    uint64_t x = 88172645463325252ull;

    memset(raw, 0, sizeof raw);
    for (size_t i = 0; i < PACK_FRAME; i++) {
        raw[i] = (uint8_t)("millrace"[i % 8] + i / 1000);
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        raw[PACK_FRAME + i] = (uint8_t)x;
    }
    memcpy(raw + RAW - 5, "the e", 5);
}

static void make_pack(void)
{
    struct pack_head head = {.log_id = 7, .file_id = 9, .kind = PACK_SEGMENT, .raw_size = RAW};
    struct pack_writer writer;
    struct io_file *from;

    fill_raw();
    directory_make(s.root);
    ck_assert_int_eq(io_uring_create(s.root, NULL, &s.io), OK);
    ck_assert_int_eq(io_mkdir(s.io, "d"), OK);
    ck_assert_int_eq(io_mkdir(s.io, "d/logs"), OK);
    ck_assert_int_eq(io_mkdir(s.io, path_log("d", 7).text), OK);
    ck_assert_int_eq(
        io_open(s.io, path_segment("d", 7, 9).text, IO_READ | IO_WRITE | IO_CREATE, &from), OK);
    ck_assert_int_eq(io_write_all(s.io, from, 0, bytes_of(raw, RAW)), OK);
    ck_assert_int_eq(pack_begin(&writer, s.io, "d", &head, from), OK);
    while (!pack_whole(&writer))
        ck_assert_int_eq(pack_step(&writer, s.io, 1), OK);
    ck_assert_int_eq(pack_end(&writer, s.io), OK);
    io_close(s.io, from);
}

static void end_pack(void)
{
    io_destroy(s.io);
    s.io = NULL;
    directory_remove(s.root);
}

START_TEST(any_piece_of_it_reads_as_in_the_original_and_zeros_behind_its_end)
{
    static uint8_t at[2 * PACK_FRAME + 10], zeros[100];
    struct pack *pack;

    make_pack();
    ck_assert_int_eq(pack_open(s.io, "d", 7, 9, &pack), OK);
    ck_assert_uint_lt(pack->size, RAW / 2);
    for (size_t size = 1; size <= sizeof at; size = size * 3 + 1) {
        for (uint64_t offset = 0; offset + size <= RAW; offset += 9973) {
            ck_assert_int_eq(pack_read(s.io, pack, offset, at, size), OK);
            ck_assert_mem_eq(at, raw + offset, size);
        }
    }
    ck_assert_int_eq(pack_read(s.io, pack, RAW - 5, at, 100), OK);
    ck_assert_mem_eq(at, "the e", 5);
    ck_assert_mem_eq(at + 5, zeros, 95);
    io_close(s.io, pack->file);
    pack_forget(pack);
    end_pack();
}
END_TEST

/* The headers of one that says to be of `raw` bytes, around a table of `frames` rows of zeros. */
static void claim(struct buf *file, uint64_t raw_size, uint32_t frames)
{
    size_t table = (size_t)frames * 16, size = 2 * PACK_HEADER + 2 * table;
    uint8_t *at = buf_reserve(file, size);

    memset(at, 0, size);
    memcpy(at + 8, "MRpack01", 8);
    le_put_u32(at + 16, 1);
    le_put_u64(at + 24, 7);
    le_put_u64(at + 48, 9);
    le_put_u32(at + 56, PACK_SEGMENT);
    le_put_u32(at + 60, PACK_FRAME);
    le_put_u64(at + 64, raw_size);
    le_put_u64(at + 72, PACK_HEADER);
    le_put_u64(at + 80, hash_64(bytes_of(at + PACK_HEADER, table)));
    le_put_u64(at, hash_64(bytes_of(at + 8, PACK_HEADER - 8)));
    memcpy(at + size - PACK_HEADER, at, PACK_HEADER);
    buf_commit(file, size);
}

START_TEST(one_that_says_to_be_of_more_than_it_can_is_damaged_and_takes_no_memory)
{
    static const uint64_t claims[] = {UINT64_C(4) << 30, PACK_RAW_MAX + 1, PACK_RAW_MAX};
    struct pack_head head;
    struct buf file, out;

    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        uint32_t frames = (uint32_t)((claims[i] + PACK_FRAME - 1) / PACK_FRAME);

        buf_init(&file, SIZE_MAX);
        buf_init(&out, SIZE_MAX);
        claim(&file, claims[i], frames);
        ck_assert_int_eq(pack_expand(buf_bytes(&file), &head, &out), ERR_CORRUPT);
        ck_assert_uint_eq(out.capacity, 0);
        buf_deinit(&file);
        buf_deinit(&out);
    }
}
END_TEST

/* Reads all of it frame by frame: right, or said to be damaged. Returns how many were. */
static unsigned read_damaged(void)
{
    static uint8_t at[PACK_FRAME];
    unsigned damaged = 0;
    struct pack *pack;
    enum err err = pack_open(s.io, "d", 7, 9, &pack);

    if (err != OK) {
        ck_assert_int_eq(err, ERR_CORRUPT);
        return UINT32_MAX;
    }
    for (uint64_t offset = 0; offset < RAW; offset += PACK_FRAME) {
        size_t size = RAW - offset < PACK_FRAME ? RAW - offset : PACK_FRAME;

        err = pack_read(s.io, pack, offset, at, size);
        if (err == OK)
            ck_assert_mem_eq(at, raw + offset, size);
        else
            ck_assert_int_eq(err, ERR_CORRUPT);
        damaged += err != OK;
    }
    io_close(s.io, pack->file);
    pack_forget(pack);
    return damaged;
}

START_TEST(one_flipped_byte_costs_at_most_one_frame_and_never_says_something_else)
{
    char path[512];
    struct buf file, out;
    struct pack_head head;
    int fd;

    make_pack();
    snprintf(path, sizeof path, "%s/%s", s.root, path_pack("d", 7, 9).text);
    fd = open(path, O_RDWR);
    ck_assert_int_ge(fd, 0);
    buf_init(&file, 1 << 20);
    buf_init(&out, 1 << 20);
    buf_commit(&file, (size_t)pread(fd, buf_reserve(&file, 1 << 20), 1 << 20, 0));
    ck_assert_int_eq(pack_expand(buf_bytes(&file), &head, &out), OK);
    ck_assert_mem_eq(out.at, raw, RAW);
    for (size_t i = 0; i < file.size; i += i % 4096 < 128 || i > file.size - 4400 ? 1 : 61) {
        uint8_t flipped = file.at[i] ^ (uint8_t)(1u << i % 8);

        ck_assert_int_eq(pwrite(fd, &flipped, 1, (off_t)i), 1);
        ck_assert_uint_le(read_damaged(), 1);
        file.at[i] ^= (uint8_t)(1u << i % 8);
        buf_clear(&out);
        ck_assert_int_eq(pack_expand(buf_bytes(&file), &head, &out), ERR_CORRUPT);
        file.at[i] ^= (uint8_t)(1u << i % 8);
        ck_assert_int_eq(pwrite(fd, &file.at[i], 1, (off_t)i), 1);
    }
    buf_deinit(&file);
    buf_deinit(&out);
    close(fd);
    end_pack();
}
END_TEST

START_TEST(one_that_is_cut_anywhere_is_damaged_and_never_read_beyond)
{
    char path[512];
    struct stat st;

    make_pack();
    snprintf(path, sizeof path, "%s/%s", s.root, path_pack("d", 7, 9).text);
    ck_assert_int_eq(stat(path, &st), 0);
    for (off_t size = st.st_size - 1; size >= 0; size -= size > 5000 ? 997 : 13) {
        ck_assert_int_eq(truncate(path, size), 0);
        ck_assert_uint_gt(read_damaged(), 0);
    }
    end_pack();
}
END_TEST

/* ---- in a log ------------------------------------------------------------------------------- */

static enum err told_block(void *context, const struct log_block *block)
{
    (void)context;
    (void)block;
    return OK;
}

static void told_range(void *context, uint64_t first, uint64_t last)
{
    (void)context;
    (void)first;
    (void)last;
}

static void open_log(bool read_all)
{
    static const struct log_events events = {shard_durable, shard_failed};
    struct log_recovery recovery = {shard_recovered, shard_lost, &s,
                                    told_block,      told_range, read_all ? NULL : told_range};

    s.recovered = 0;
    ck_assert_int_eq(log_open(s.store, SHARD_LOG, &recovery, &events, &s, &s.log), OK);
    s.durable = log_durable(s.log);
}

static void block_done(struct log_block_op *op, enum err err)
{
    (void)op;
    ck_assert_int_eq(err, OK);
}

static void write_block(uint64_t index)
{
    static struct log_block_op op;

    op = (struct log_block_op){
        .index = index, .term = 1, .hash = s.hashes[index], .body = BYTES("x"), .done = block_done};
    log_set_committed(s.log, log_durable(s.log));
    log_block_write(s.log, &op);
    shard_settle(&s);
}

static unsigned count_names(const char *ending)
{
    char command[512];
    unsigned count = 0;
    FILE *pipe;

    snprintf(command, sizeof command, "ls %s/data/logs/*/ | grep -c '%s$'", s.root, ending);
    pipe = popen(command, "r");
    ck_assert_int_eq(fscanf(pipe, "%u", &count), 1);
    pclose(pipe);
    return count;
}

static void wait_packed(unsigned files)
{
    for (int turn = 0; turn < 20000 && count_names(".pak") < files; turn++)
        ck_assert_int_eq(io_turn(s.io, 5000000), OK);
    for (int turn = 0; turn < 20; turn++)
        ck_assert_int_eq(io_turn(s.io, 5000000), OK);
    ck_assert_uint_eq(count_names(".pak"), files);
}

static void shell(const char *what)
{
    char command[1024];

    snprintf(command, sizeof command, "cd %s && %s", s.root, what);
    ck_assert_int_eq(system(command), 0);
}

/* BATCHES batches in files of ten; all but the last files packed. */
static void packed_log(void)
{
    shard_begin(&s);
    shard_close(&s);
    s.options.segment_size = 64 << 10;
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    open_log(true);
    for (unsigned i = 1; i <= BATCHES; i++)
        shard_append(&s, SIZE, (uint8_t)i);
    write_block(BATCHES / 2);
    write_block(BATCHES / 2 + 1);
    log_floor_set(s.log, BATCHES / 2);
    shell("mkdir saved && cp data/logs/*/*.seg saved/");
    log_pack(s.log);
    wait_packed(3);
}

static int64_t read_result;

static void read_done(struct log_read *read, int64_t result)
{
    (void)read;
    read_result = result;
}

static void check_records(uint64_t first)
{
    static uint8_t at[2 * SIZE];

    for (uint64_t i = first; i <= BATCHES; i++) {
        struct log_read read = {.done = read_done};
        struct record record;
        int64_t now = log_read_now(s.log, s.places[i], at, s.sizes[i]);

        if (now == -EAGAIN || (now >= 0 && now < s.sizes[i])) { /* not all of it is in memory */
            read_result = -1;
            log_read(s.log, &read, s.places[i], at, s.sizes[i]);
            while (read_result == -1)
                ck_assert_int_eq(io_turn(s.io, 1000000), OK);
            now = read_result;
        }
        ck_assert_int_eq(now, s.sizes[i]);
        ck_assert_int_eq(record_read(bytes_of(at, s.sizes[i]), &record), OK);
        ck_assert_uint_eq(record.body.at[100], (uint8_t)i);
    }
}

static void warmed(struct io_op *op, int64_t result)
{
    (void)op;
    ck_assert_int_eq(result, 0);
}

static void check_batches(void)
{
    struct buf out;

    buf_init(&out, LOG_CONTENT_MAX);
    for (uint64_t i = 1; i <= BATCHES; i++) {
        enum err err = log_batch_read_now(s.log, i, &out);

        for (unsigned tries = 0; err == ERR_AGAIN && tries < 3; tries++) {
            struct io_op op = {.done = warmed};

            log_batch_warm(s.log, &op, i);
            shard_settle(&s);
            err = log_batch_read_now(s.log, i, &out);
        }
        ck_assert_int_eq(err, OK);
        buf_clear(&out);
    }
    buf_deinit(&out);
}

START_TEST(files_below_the_floor_become_smaller_and_read_the_same)
{
    uint64_t bytes;

    packed_log();
    ck_assert_uint_eq(count_names(".seg"), 4);
    bytes = log_bytes(s.log);
    ck_assert_uint_lt(bytes, 4 * (64u << 10) + 3 * (8u << 10));
    check_records(1);
    check_batches();
    shard_reopen_store(&s);
    open_log(false);
    ck_assert_uint_eq(log_bytes(s.log), bytes);
    check_records(1);
    ck_assert_uint_eq(s.lost_calls, 0);
    shard_reopen_store(&s);
    open_log(true); /* all is walked, packed or not */
    ck_assert_uint_eq(s.recovered, BATCHES);
    check_records(1);
    check_batches();
    ck_assert_uint_eq(s.durable, BATCHES);
    shard_append(&s, SIZE, 1);
    shard_end(&s);
}
END_TEST

START_TEST(a_crash_that_leaves_both_leaves_what_was_written)
{
    packed_log();
    shard_close(&s);
    shell("cp -n saved/*.seg data/logs/*/");
    ck_assert_uint_eq(count_names(".seg"), 7);
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    open_log(false);
    ck_assert_uint_eq(count_names(".seg"), 4);
    check_records(1);
    shard_end(&s);
}
END_TEST

START_TEST(one_that_cannot_be_read_goes_to_quarantine_and_its_original_counts)
{
    packed_log();
    shard_close(&s);
    shell("cp -n saved/*.seg data/logs/*/");
    shell("for f in data/logs/*/*.pak; do truncate -s 4000 $f; done");
    ck_assert_uint_eq(count_names(".pak"), 3);
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    open_log(false);
    ck_assert_uint_eq(count_names(".pak"), 0);
    shell("test $(ls data/quarantine/*-*.pak | wc -l) = 3");
    check_records(1);
    ck_assert_uint_eq(s.lost_calls, 0);
    shard_reopen_store(&s);
    open_log(false);
    check_records(1);
    shard_end(&s);
}
END_TEST

START_TEST(a_packed_file_can_be_dropped)
{
    struct log_file_info info;

    packed_log();
    ck_assert(log_file_next(s.log, 0, &info));
    ck_assert_uint_lt(info.bytes, info.raw);
    ck_assert(info.droppable);
    ck_assert_int_eq(log_file_drop(s.log, 0), OK);
    shard_settle(&s);
    ck_assert_uint_eq(count_names(".pak"), 2);
    shard_end(&s);
}
END_TEST

START_TEST(a_log_can_be_closed_at_any_time_while_it_is_packed)
{
    for (unsigned turns = 0; turns < 40; turns += 3) {
        shard_begin(&s);
        shard_close(&s);
        s.options.segment_size = 64 << 10;
        shard_world(&s);
        ck_assert_int_eq(shard_open_store(&s), OK);
        open_log(true);
        for (unsigned i = 1; i <= BATCHES; i++)
            shard_append(&s, SIZE, (uint8_t)i);
        write_block(BATCHES / 2);
        write_block(BATCHES / 2 + 1);
        log_floor_set(s.log, BATCHES / 2);
        log_pack(s.log);
        for (unsigned i = 0; i < turns; i++)
            ck_assert_int_eq(io_turn(s.io, 2000000), OK);
        shard_reopen_store(&s);
        open_log(true);
        ck_assert_uint_eq(s.recovered, BATCHES);
        ck_assert_uint_eq(s.lost_calls, 0);
        check_records(1);
        shard_end(&s);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        any_piece_of_it_reads_as_in_the_original_and_zeros_behind_its_end,
        one_flipped_byte_costs_at_most_one_frame_and_never_says_something_else,
        one_that_is_cut_anywhere_is_damaged_and_never_read_beyond,
        one_that_says_to_be_of_more_than_it_can_is_damaged_and_takes_no_memory,
        files_below_the_floor_become_smaller_and_read_the_same,
        a_crash_that_leaves_both_leaves_what_was_written,
        one_that_cannot_be_read_goes_to_quarantine_and_its_original_counts,
        a_packed_file_can_be_dropped,
        a_log_can_be_closed_at_any_time_while_it_is_packed,
    };

    return UNIT_RUN_PLAIN("pack", tests);
}
