#include "storage/block.h"

#include <fcntl.h>

#include "base/heap.h"
#include "base/prng.h"
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

START_TEST(what_the_disk_did_not_give_back_becomes_no_block)
{
    struct block block = block_of(7, BYTES("zeros stand for what is missing")), read;
    guard_failed failed = 0;

    shard_begin(&s);
    block.failed[1] = &failed;
    ck_assert_int_eq(block_write(s.io, "data", &block, 0), OK);
    block.index = 8;
    failed = 1;
    ck_assert_int_eq(block_write(s.io, "data", &block, 7), ERR_IO);
    ck_assert_int_eq(block_read(s.io, "data", SHARD_LOG, 8, &read), ERR_NOT_FOUND);
    ck_assert_int_eq(block_read(s.io, "data", SHARD_LOG, 7, &read), OK);
    block_free(&read);
    shard_end(&s);
}
END_TEST

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
    for (unsigned i = 0; i < 2; i++) {
        at[16] = i == 0 ? 2 : 1;
        at[20] = i == 0 ? 0 : 4; /* a feature that is not known */
        checksum = hash_64(bytes_of(at + 8, sizeof at - 8));
        memcpy(at, &checksum, 8);
        ck_assert_int_eq(pwrite(fd, at, sizeof at, 0), sizeof at);
        ck_assert_int_eq(block_read(s.io, "data", SHARD_LOG, 9, &read), ERR_VERSION);
    }
    close(fd);
    shard_end(&s);
}
END_TEST

/* ---- compressed ----------------------------------------------------------------------------- */

enum what { TEXT, NOISE, MIXED };

static uint8_t *filled(size_t size, enum what what)
{
    uint8_t *at = malloc(size + 1);
    struct prng prng;

    prng_seed(&prng, size);
    for (size_t i = 0; i < size; i++)
        at[i] = what == NOISE || (what == MIXED && i / 100000 % 2 == 1)
                    ? (uint8_t)prng_next(&prng)
                    : (uint8_t)("block "[i % 6]);
    return at;
}

static void write_parts(struct bytes body, struct bytes local, struct block *written)
{
    *written = block_of(9, body);
    written->local = local;
    ck_assert_int_eq(block_write(s.io, "data", written, 0), OK);
}

static off_t file_size(char path[160])
{
    struct stat st;

    snprintf(path, 160, "%s/data/logs/%016x/%016x.blk", s.root, SHARD_LOG, 9);
    ck_assert_int_eq(stat(path, &st), 0);
    return st.st_size;
}

static void check_pieces(struct bytes body, size_t step)
{
    uint8_t *at = malloc(step);

    for (size_t offset = 0; offset <= body.size; offset += step) {
        struct block block = {.log_id = SHARD_LOG, .index = 9};
        uint64_t body_size;
        size_t count;

        ck_assert_int_eq(
            block_read_piece(s.io, "data", &block, offset, at, step, &count, &body_size), OK);
        ck_assert_uint_eq(body_size, body.size);
        ck_assert_uint_eq(count, body.size - offset < step ? body.size - offset : step);
        ck_assert_mem_eq(at, body.at + offset, count);
    }
    free(at);
}

/* Frames are of 256 KiB: sizes around them, and what does not become smaller. */
START_TEST(what_is_large_is_compressed_and_read_back)
{
    static const size_t sizes[] = {0, 1, 1000, 262143, 262144, 262145, 700000};
    char path[160];

    shard_begin(&s);
    for (unsigned i = 0; i < 7 * 7 * 3; i++) {
        uint8_t *body = filled(sizes[i % 7], i / 49), *local = filled(sizes[i / 7 % 7], i / 49);
        size_t raw = sizes[i % 7] + sizes[i / 7 % 7];
        struct block written, read;

        write_parts(bytes_of(body, sizes[i % 7]), bytes_of(local, sizes[i / 7 % 7]), &written);
        ck_assert_int_eq(block_read(s.io, "data", SHARD_LOG, 9, &read), OK);
        ck_assert(bytes_equal(read.body, written.body));
        ck_assert(bytes_equal(read.local, written.local));
        ck_assert_uint_eq(read.features, raw < BLOCK_PACK_MIN ? 0 : BLOCK_PACKED);
        ck_assert_uint_eq(read.stored, written.stored);
        ck_assert_uint_le(read.stored, raw);
        ck_assert_uint_le((uint64_t)file_size(path),
                          BLOCK_HEADER + 2 * BLOCK_FILE_SIZE + 6 * 8 + read.stored);
        if (raw >= 262143 && i / 49 == TEXT)
            ck_assert_uint_lt(read.stored, raw / 100);
        block_free(&read);
        check_pieces(written.body, 100000);
        free(body);
        free(local);
    }
    shard_end(&s);
}
END_TEST

START_TEST(no_flipped_bit_of_what_is_compressed_passes)
{
    uint8_t *body = filled(600000, TEXT), *local = filled(3000, MIXED), *bytes;
    struct block written, parsed;
    char path[160];
    off_t size;
    int fd;

    shard_begin(&s);
    write_parts(bytes_of(body, 600000), bytes_of(local, 3000), &written);
    size = file_size(path);
    ck_assert_int_lt(size, 8000);
    bytes = malloc((size_t)size);
    fd = open(path, O_RDONLY);
    ck_assert_int_eq(pread(fd, bytes, (size_t)size, 0), size);
    close(fd);
    ck_assert_int_eq(block_parse(bytes_of(bytes, (size_t)size), &parsed), OK);
    ck_assert_uint_eq(parsed.stored, written.stored);
    heap_give(parsed.files);
    for (off_t at = 0; at < size; at += at < 200 || at > 4090 ? 1 : 37) {
        ck_assert_int_eq(read_changed(path, at, 0x10), ERR_CORRUPT);
        bytes[at] ^= 0x10;
        ck_assert_int_eq(block_parse(bytes_of(bytes, (size_t)size), &parsed), ERR_CORRUPT);
        bytes[at] ^= 0x10;
    }
    for (size_t cut = 0; cut < (size_t)size; cut += 61)
        ck_assert_int_eq(block_parse(bytes_of(bytes, cut), &parsed), ERR_CORRUPT);
    ck_assert_int_eq(truncate(path, size - 1), 0);
    ck_assert_int_eq(block_read(s.io, "data", SHARD_LOG, 9, &parsed), ERR_CORRUPT);
    free(body);
    free(local);
    free(bytes);
    shard_end(&s);
}
END_TEST

/* Whoever gets the body as it is sees by its hash that it is not what it was. */
START_TEST(a_piece_of_what_is_damaged_is_zeros)
{
    uint8_t *body = filled(600000, TEXT), *at = malloc(600000), zeros[1000] = {0}, byte;
    struct block written, block;
    uint64_t body_size;
    char path[160];
    size_t count;
    int fd;

    shard_begin(&s);
    for (unsigned where = 0; where < 2; where++) { /* the second frame, the table */
        write_parts(bytes_of(body, 600000), bytes_of(NULL, 0), &written);
        (void)file_size(path);
        fd = open(path, O_RDWR);
        ck_assert_int_ge(fd, 0);
        block = (struct block){.log_id = SHARD_LOG, .index = 9};
        {
            off_t table = BLOCK_HEADER + 2 * BLOCK_FILE_SIZE;
            uint32_t first;

            ck_assert_int_eq(pread(fd, &first, 4, table), 4);
            off_t flip = where == 0 ? table + 3 * 8 + (off_t)first : table + 9;

            ck_assert_int_eq(pread(fd, &byte, 1, flip), 1);
            byte ^= 1;
            ck_assert_int_eq(pwrite(fd, &byte, 1, flip), 1);
        }
        close(fd);
        ck_assert_int_eq(block_read_piece(s.io, "data", &block, 0, at, 600000, &count, &body_size),
                         OK);
        ck_assert_uint_eq(count, 600000);
        ck_assert_mem_eq(at + 262144, zeros, sizeof zeros);
        if (where == 0) {
            ck_assert_mem_eq(at, body, 262144);
            ck_assert_mem_eq(at + 524288, body + 524288, 600000 - 524288);
        } else {
            ck_assert_mem_eq(at, zeros, sizeof zeros);
        }
    }
    free(body);
    free(at);
    shard_end(&s);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_the_disk_did_not_give_back_becomes_no_block,
        what_was_written_is_read_back,
        two_are_kept,
        no_flipped_bit_passes,
        a_block_under_another_name_is_not_that_block,
        a_newer_format_is_told_from_damage,
        what_is_large_is_compressed_and_read_back,
        no_flipped_bit_of_what_is_compressed_passes,
        a_piece_of_what_is_damaged_is_zeros,
    };

    return UNIT_RUN_PLAIN("block", tests);
}
