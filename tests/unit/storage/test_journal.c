/* How large the journal is, over a simulated disk: as much as its logs need. */
#include "storage/journal.h"
#include "tests/unit/storage/world.h"

#define LOGS_MAX  20u
#define FULL_SIZE (16ull << 20)

static struct log *logs[LOGS_MAX];
static uint64_t durable[LOGS_MAX];

static struct {
    uint64_t total, largest;
} journal; /* its files */

static void begin(unsigned count)
{
    world_create(1, (struct store_options){.reserve = UINT64_MAX});
    ck_assert_int_eq(world_open_store(), OK);
    for (unsigned i = 0; i < count; i++) {
        durable[i] = 0;
        logs[i] = world_other(i + 1, &durable[i]);
    }
}

static void append(unsigned log, size_t size)
{
    world_seal_in(logs[log], size, 'x');
}

/* One batch of each log, all on the disk when this returns. */
static void append_all(unsigned count, uint64_t index, size_t size)
{
    for (unsigned i = 0; i < count; i++)
        append(i, size);
    for (unsigned i = 0; i < count; i++)
        while (durable[i] < index)
            world_step();
}

static void add_file(void *context, const char *name, bool directory)
{
    char path[64];
    struct io_file *file;
    uint64_t size;

    (void)context;
    ck_assert(!directory);
    snprintf(path, sizeof path, "data/journal/%s", name);
    ck_assert_int_eq(io_open(w.io, path, IO_READ, &file), OK);
    ck_assert_int_eq(io_size(w.io, file, &size), OK);
    io_close(w.io, file);
    journal.total += size;
    journal.largest = size > journal.largest ? size : journal.largest;
}

static void measure(void)
{
    journal.total = journal.largest = 0;
    ck_assert_int_eq(io_list(w.io, "data/journal", add_file, NULL), OK);
}

START_TEST(of_one_log_it_stays_small)
{
    begin(1);
    for (uint64_t i = 1; i <= 4000; i++) /* 32 MiB of records */
        append_all(1, i, 5000);
    measure();
    ck_assert_uint_eq(journal.total, JOURNAL_FIRST_SIZE + JOURNAL_SECOND_SIZE);
    world_end();
}
END_TEST

START_TEST(of_many_it_has_a_file_of_full_size)
{
    begin(LOGS_MAX);
    for (uint64_t i = 1; i <= 100; i++)
        append_all(LOGS_MAX, i, 5000);
    measure();
    ck_assert_uint_eq(journal.largest, FULL_SIZE);
    world_end();
}
END_TEST

START_TEST(that_become_many_it_has_one_too)
{
    begin(LOGS_MAX);
    for (uint64_t i = 1; i <= 1000; i++)
        append_all(1, i, 5000);
    measure();
    ck_assert_uint_eq(journal.total, JOURNAL_FIRST_SIZE + JOURNAL_SECOND_SIZE);
    for (uint64_t i = 1; i <= 100; i++) {
        for (unsigned log = 1; log < LOGS_MAX; log++)
            append(log, 5000);
        while (durable[LOGS_MAX - 1] < i)
            world_step();
    }
    measure();
    ck_assert_uint_eq(journal.largest, FULL_SIZE);
    world_end();
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        of_one_log_it_stays_small,
        of_many_it_has_a_file_of_full_size,
        that_become_many_it_has_one_too,
    };

    return UNIT_RUN_PLAIN("journal", tests);
}
