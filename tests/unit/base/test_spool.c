#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/prng.h"
#include "base/spool.h"
#include "tests/unit/unit.h"

#define MOST (5 * SPOOL_HEAP_MAX / 2)

static int directory(void)
{
    int at = open("/tmp", O_RDONLY | O_DIRECTORY);

    ck_assert_int_ge(at, 0);
    return at;
}

/* Bytes of this process that are neither in a file nor in the page cache. */
static size_t anonymous(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    size_t kib = 0;

    ck_assert_ptr_nonnull(status);
    while (fgets(line, sizeof line, status) != NULL && sscanf(line, "RssAnon: %zu", &kib) != 1)
        continue;
    fclose(status);
    return kib << 10;
}

/* Random pieces, some of them replaced; files may not grow beyond `limit`. */
static void run(uint64_t seed, int at, size_t limit)
{
    struct spool *spool = spool_create(at);
    struct rlimit before, now;
    struct buf expected;
    struct prng prng;
    uint8_t piece[30000];
    bool sizes = true;

    prng_seed(&prng, seed);
    buf_init(&expected, SIZE_MAX);
    (void)getrlimit(RLIMIT_FSIZE, &before);
    now = (struct rlimit){.rlim_cur = limit, .rlim_max = before.rlim_max};
    (void)setrlimit(RLIMIT_FSIZE,
                    &now); /* for what tells of failures as well: none before the end */
    while (expected.size < MOST) {
        size_t size = prng_below(&prng, sizeof piece), from;

        memset(piece, (int)prng_below(&prng, 256), size);
        spool_add(spool, bytes_of(piece, size));
        (void)buf_add(&expected, bytes_of(piece, size));
        sizes = sizes && spool_size(spool) == expected.size;
        size = prng_below(&prng, size + 1);
        from = prng_below(&prng, expected.size - size + 1);
        memset(piece, (int)prng_below(&prng, 256), size);
        spool_set(spool, from, bytes_of(piece, size));
        memcpy(expected.at + from, piece, size);
    }
    (void)setrlimit(RLIMIT_FSIZE, &before);
    ck_assert(sizes);
    ck_assert(bytes_equal(spool_bytes(spool), buf_bytes(&expected)));
    ck_assert_ptr_eq(spool_bytes(spool).at, spool_bytes(spool).at);
    spool_destroy(spool);
    buf_deinit(&expected);
}

START_TEST(what_was_added_is_read_in_one_piece)
{
    int at = directory();

    signal(SIGXFSZ, SIG_IGN);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        run(seed, at, RLIM_INFINITY);
        run(seed, -1, RLIM_INFINITY);
    }
    close(at);
}
END_TEST

START_TEST(a_disk_without_space_changes_no_byte)
{
    int at = directory();

    signal(SIGXFSZ, SIG_IGN);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        run(seed, at, 1000);                                         /* none at all */
        run(seed, at, SPOOL_HEAP_MAX + seed * (SPOOL_HEAP_MAX / 4)); /* then no more */
    }
    close(at);
}
END_TEST

START_TEST(many_bytes_cost_little_memory)
{
    int at = directory();
    struct spool *spool = spool_create(at);
    size_t size = (size_t)256 << 10, before = anonymous();
    uint8_t *piece = heap_take(size);
    uint64_t sum = 0;

    for (unsigned i = 0; i < 400; i++) {
        memset(piece, (int)i + 1, size);
        spool_add(spool, bytes_of(piece, size));
    }
    ck_assert_uint_eq(spool_bytes(spool).size, 400 * size);
    for (size_t i = 0; i < 400 * size; i += 4096)
        sum += spool_bytes(spool).at[i];
    ck_assert_uint_gt(sum, 0);
    ck_assert_uint_lt(anonymous(), before + 4 * SPOOL_HEAP_MAX);
    heap_give(piece);
    spool_destroy(spool);
    close(at);
}
END_TEST

START_TEST(a_buffer_becomes_a_spool_with_what_it_has)
{
    struct spool *spool;
    struct buf buf;

    buf_init(&buf, 10);
    (void)BUF_ADD(&buf, "abc");
    spool = spool_of(&buf);
    ck_assert_uint_eq(buf.size, 0);
    spool_add(spool, BYTES("defghijklmnop"));
    spool_set(spool, 1, BYTES("XY"));
    ck_assert(bytes_equal(spool_bytes(spool), BYTES("aXYdefghijklmnop")));
    spool_destroy(spool);
    buf_deinit(&buf);
    spool_destroy(NULL);
}
END_TEST

/* Descriptors are given out from the lowest: it has the one behind. */
START_TEST(a_disk_that_does_not_give_back_is_said_and_ends_nothing)
{
    int at = directory(), behind = dup(at);
    struct spool *spool = spool_create(at);
    size_t size = 3 * SPOOL_HEAP_MAX;
    uint8_t *piece = heap_take(size);
    struct bytes back;

    close(behind);
    memset(piece, 7, size);
    spool_add(spool, bytes_of(piece, size));
    back = spool_bytes(spool);
    ck_assert_uint_eq(back.at[0], 7);
    ck_assert_int_eq(*spool_failed(spool), 0);
    ck_assert_int_eq(ftruncate(behind, (off_t)SPOOL_HEAP_MAX), 0);
    ck_assert_uint_eq(back.at[SPOOL_HEAP_MAX - 1], 7);
    ck_assert_int_eq(*spool_failed(spool), 0);
    ck_assert_uint_eq(back.at[size - 1], 0);
    ck_assert_int_ne(*spool_failed(spool), 0);
    heap_give(piece);
    spool_destroy(spool);
    close(at);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_was_added_is_read_in_one_piece,
        a_disk_without_space_changes_no_byte,
        many_bytes_cost_little_memory,
        a_buffer_becomes_a_spool_with_what_it_has,
        a_disk_that_does_not_give_back_is_said_and_ends_nothing,
    };

    return UNIT_RUN_PLAIN("spool", tests);
}
