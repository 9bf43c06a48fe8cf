/* A segment read a piece at a time: what is found does not depend on where the pieces begin. */
#include <string.h>

#include "base/io_sim.h"
#include "storage/batch.h"
#include "storage/scan.h"
#include "tests/unit/unit.h"

#define PIECE (256u << 10)
#define SIZE  (3u * PIECE + BATCH_BLOCK)

struct world {
    struct sim *sim;
    size_t node;
    struct io *io;
    struct io_file *file;
    struct scan scan;
};

static struct world w;

/* A file of that size of which nothing was written. */
static void begin(uint64_t size)
{
    w = (struct world){.sim = sim_create(1)};
    w.node = sim_node_add(w.sim);
    w.io = sim_node_io(w.sim, w.node);
    ck_assert_int_eq(io_open(w.io, "file", IO_READ | IO_WRITE | IO_CREATE, &w.file), OK);
    ck_assert_int_eq(io_truncate(w.io, w.file, size), OK);
    scan_begin(&w.scan, w.io, w.file, NULL, size);
}

static void write_at(uint64_t offset, const void *at, size_t size)
{
    ck_assert_int_eq(io_write_all(w.io, w.file, offset, bytes_of(at, size)), OK);
}

static void end(void)
{
    scan_end(&w.scan);
    io_close(w.io, w.file);
    sim_destroy(w.sim);
}

static bool zeros_from(uint64_t position)
{
    bool zeros;

    ck_assert_int_eq(scan_only_zeros(&w.scan, position, &zeros), OK);
    return zeros;
}

START_TEST(what_is_asked_for_is_there_unless_the_file_ends)
{
    static uint8_t content[SIZE];
    struct bytes b;

    begin(SIZE - 100);
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (uint8_t)(i * 7 + i / 251);
    write_at(0, content, SIZE - 100);
    for (uint64_t position = 0; position < SIZE; position += 4099) {
        size_t need = position % 3 == 0 ? 48 : PIECE + 5, rest;

        ck_assert_int_eq(scan_at(&w.scan, position, need, &b), OK);
        rest = position < SIZE - 100 ? SIZE - 100 - position : 0;
        ck_assert_uint_ge(b.size, need < rest ? need : rest);
        ck_assert_uint_le(b.size, rest);
        ck_assert_int_eq(memcmp(b.at, content + position, b.size), 0);
    }
    ck_assert_int_eq(scan_at(&w.scan, SIZE, 1, &b), OK);
    ck_assert_uint_eq(b.size, 0);
    end();
}
END_TEST

START_TEST(room_that_was_never_written_is_zeros)
{
    begin(SIZE);
    ck_assert(zeros_from(0));
    ck_assert(zeros_from(SIZE - 1));
    ck_assert(zeros_from(SIZE));
    ck_assert_uint_eq(w.scan.capacity, 0); /* and is not read */
    end();
}
END_TEST

/* One byte anywhere, looked for from before it, at it, and behind it. */
START_TEST(a_byte_is_found_wherever_it_is)
{
    static const uint64_t at[] = {0,     1,         BATCH_BLOCK - 1, BATCH_BLOCK, PIECE - 1,
                                  PIECE, PIECE + 1, 2 * PIECE,       SIZE - 2,    SIZE - 1};

    for (size_t i = 0; i < UNIT_COUNT(at); i++) {
        begin(SIZE);
        write_at(at[i], "x", 1);
        ck_assert(!zeros_from(0));
        ck_assert(!zeros_from(at[i]));
        ck_assert(at[i] == 0 || !zeros_from(at[i] - 1));
        ck_assert(zeros_from(at[i] + 1));
        end();
    }
}
END_TEST

START_TEST(another_file_is_not_taken_for_the_one_before)
{
    struct io_file *other;
    struct bytes b;

    begin(BATCH_BLOCK);
    write_at(0, "first", 5);
    ck_assert_int_eq(scan_at(&w.scan, 0, 5, &b), OK);
    ck_assert_int_eq(io_open(w.io, "other", IO_READ | IO_WRITE | IO_CREATE, &other), OK);
    ck_assert_int_eq(io_write_all(w.io, other, 0, bytes_of("second", 6)), OK);
    scan_begin(&w.scan, w.io, other, NULL, 6);
    ck_assert_int_eq(scan_at(&w.scan, 0, 5, &b), OK);
    ck_assert_uint_eq(b.size, 6);
    ck_assert_int_eq(memcmp(b.at, "second", 6), 0);
    io_close(w.io, other);
    end();
}
END_TEST

START_TEST(after_a_failed_read_nothing_is_in_memory)
{
    struct sim_faults faults = sim_faults_none();
    struct bytes b;

    begin(2 * BATCH_BLOCK);
    write_at(0, "x", 1);
    faults.read_error = 1000000;
    sim_set_faults(w.sim, w.node, &faults);
    ck_assert_int_ne(scan_at(&w.scan, 0, 1, &b), OK);
    faults.read_error = 0;
    sim_set_faults(w.sim, w.node, &faults);
    sim_heal(w.sim, w.node);
    ck_assert_int_eq(scan_at(&w.scan, 0, 1, &b), OK);
    ck_assert_int_eq(b.at[0], 'x');
    end();
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_is_asked_for_is_there_unless_the_file_ends,
        room_that_was_never_written_is_zeros,
        a_byte_is_found_wherever_it_is,
        another_file_is_not_taken_for_the_one_before,
        after_a_failed_read_nothing_is_in_memory,
    };

    return UNIT_RUN_PLAIN("scan", tests);
}
