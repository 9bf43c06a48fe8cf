#include "storage/block.h"

#include <fcntl.h>

#include "base/heap.h"
#include "storage/hash.h"
#include "tests/unit/storage/shard.h"
#include "tests/unit/unit.h"

static struct shard s; /* for its directory and io */

static struct block block_of(uint64_t index, struct bytes body)
{
    static struct block_file files[] = {{.id = 5, .first = 1, .last = 10, .end = 4711},
                                        {.id = 7, .first = 11, .last = UINT64_MAX}};
    struct block block = {.log_id = SHARD_LOG,
                          .index = index,
                          .term = 3,
                          .files = files,
                          .file_count = 2,
                          .body = body};

    memcpy(block.incarnation, shard_incarnation, 16);
    memset(block.hash.at, 0x5a, 16);
    return block;
}

static void write_one(uint64_t index, uint64_t keep)
{
    struct block block = block_of(index, BYTES("some state, as its owner likes it"));

    ck_assert_int_eq(block_write(s.io, "data", &block, keep), OK);
}

START_TEST(what_was_written_is_read_back)
{
    struct block written, read;
    uint8_t *large = malloc(3 << 20);

    shard_begin(&s);
    memset(large, 0x77, 3 << 20);
    for (unsigned i = 0; i < 2; i++) {
        written = block_of(100 + i, i == 0 ? bytes_of(large, 3 << 20) : bytes_of(NULL, 0));
        ck_assert_int_eq(block_write(s.io, "data", &written, 0), OK);
        ck_assert_int_eq(block_read(s.io, "data", SHARD_LOG, 100 + i, &read), OK);
        ck_assert(bytes_equal(read.body, written.body));
        ck_assert_uint_eq(read.index, 100 + i);
        ck_assert_uint_eq(read.term, 3);
        ck_assert_mem_eq(read.hash.at, written.hash.at, 16);
        ck_assert_mem_eq(read.incarnation, shard_incarnation, 16);
        ck_assert_uint_eq(read.file_count, 2);
        ck_assert_mem_eq(read.files, written.files, 2 * sizeof read.files[0]);
        ck_assert_ptr_eq(block_find_file(&read, 7), &read.files[1]);
        ck_assert_ptr_null(block_find_file(&read, 6));
        block_free(&read);
    }
    free(large);
    shard_end(&s);
}
END_TEST

START_TEST(two_are_kept)
{
    uint64_t indexes[8];
    unsigned count;

    shard_begin(&s);
    write_one(10, 0);
    write_one(200, 10);
    write_one(3000, 200);
    ck_assert_int_eq(block_list(s.io, "data", SHARD_LOG, indexes, 8, &count), OK);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(indexes[0], 3000);
    ck_assert_uint_eq(indexes[1], 200);
    ck_assert_int_eq(block_list(s.io, "data", SHARD_LOG, indexes, 1, &count), OK);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(indexes[0], 3000);
    shard_end(&s);
}
END_TEST

static enum err read_changed(const char *path, off_t at, uint8_t flip)
{
    struct block read;
    uint8_t byte;
    int fd = open(path, O_RDWR);
    enum err err;

    ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
    byte ^= flip;
    ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    err = block_read(s.io, "data", SHARD_LOG, 9, &read);
    byte ^= flip;
    ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
    return err;
}

START_TEST(no_flipped_bit_passes)
{
    char path[160];
    struct stat st;
    struct block read;

    shard_begin(&s);
    write_one(9, 0);
    snprintf(path, sizeof path, "%s/data/logs/%016x/%016x.blk", s.root, SHARD_LOG, 9);
    ck_assert_int_eq(stat(path, &st), 0);
    for (off_t at = 0; at < st.st_size; at += at < 200 || at > 4090 ? 1 : 37)
        ck_assert_int_eq(read_changed(path, at, 0x10), ERR_CORRUPT);
    ck_assert_int_eq(truncate(path, st.st_size - 1), 0);
    ck_assert_int_eq(block_read(s.io, "data", SHARD_LOG, 9, &read), ERR_CORRUPT);
    ck_assert_int_eq(truncate(path, 100), 0);
    ck_assert_int_eq(block_read(s.io, "data", SHARD_LOG, 9, &read), ERR_CORRUPT);
    ck_assert_int_eq(block_read(s.io, "data", SHARD_LOG, 8, &read), ERR_NOT_FOUND);
    shard_end(&s);
}
END_TEST

START_TEST(a_block_under_another_name_is_not_that_block)
{
    char from[160], to[160];
    struct block read;

    shard_begin(&s);
    write_one(9, 0);
    snprintf(from, sizeof from, "%s/data/logs/%016x/%016x.blk", s.root, SHARD_LOG, 9);
    snprintf(to, sizeof to, "%s/data/logs/%016x/%016x.blk", s.root, SHARD_LOG, 10);
    ck_assert_int_eq(rename(from, to), 0);
    ck_assert_int_eq(block_read(s.io, "data", SHARD_LOG, 10, &read), ERR_CORRUPT);
    shard_end(&s);
}
END_TEST

START_TEST(a_newer_format_is_told_from_damage)
{
    uint8_t at[4096];
    char path[160];
    uint64_t checksum;
    struct block read;
    int fd;

    shard_begin(&s);
    write_one(9, 0);
    snprintf(path, sizeof path, "%s/data/logs/%016x/%016x.blk", s.root, SHARD_LOG, 9);
    fd = open(path, O_RDWR);
    ck_assert_int_eq(pread(fd, at, sizeof at, 0), sizeof at);
    at[16] = 2;
    checksum = hash_64(bytes_of(at + 8, sizeof at - 8));
    memcpy(at, &checksum, 8);
    ck_assert_int_eq(pwrite(fd, at, sizeof at, 0), sizeof at);
    close(fd);
    ck_assert_int_eq(block_read(s.io, "data", SHARD_LOG, 9, &read), ERR_VERSION);
    shard_end(&s);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_was_written_is_read_back,
        two_are_kept,
        no_flipped_bit_passes,
        a_block_under_another_name_is_not_that_block,
        a_newer_format_is_told_from_damage,
    };

    return UNIT_RUN_PLAIN("block", tests);
}
