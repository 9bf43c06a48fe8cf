/* How large the journal is, over a simulated disk: as much as its logs need. */
#include <stdio.h>

#include "base/io_sim.h"
#include "storage/journal.h"
#include "storage/log.h"
#include "storage/record.h"
#include "tests/unit/unit.h"

#define LOGS_MAX  20u
#define FULL_SIZE (16ull << 20)

struct world {
    struct sim *sim;
    size_t node;
    struct store *store;
    struct log *logs[LOGS_MAX];
    uint64_t durable[LOGS_MAX];
    uint64_t total, largest; /* of the journal's files */
};

static struct world w;

static void on_durable(void *owner, const struct log_batch *batch)
{
    *(uint64_t *)owner = batch->index;
}

static void on_failed(void *owner, enum err err)
{
    (void)owner;
    ck_abort_msg("a batch failed: %s", err_text(err));
}

static void on_batch(void *context, const struct log_batch *batch)
{
    (void)context;
    (void)batch;
}

static void on_lost(void *context, uint64_t first, uint64_t last, uint64_t bytes)
{
    (void)context;
    (void)bytes;
    ck_abort_msg("lost %llu to %llu", (unsigned long long)first, (unsigned long long)last);
}

static void flush(void *context)
{
    (void)context;
    store_flush(w.store);
}

static void open_log(unsigned i)
{
    static const struct log_events events = {on_durable, on_failed};
    static const uint8_t incarnation[16] = "incarnation-0001";
    struct log_recovery recovery = {on_batch, on_lost, NULL};

    ck_assert_int_eq(log_prepare(w.store, i + 1, incarnation, bytes_of(NULL, 0)), OK);
    ck_assert_int_eq(log_open(w.store, i + 1, &recovery, &events, &w.durable[i], &w.logs[i]), OK);
}

static void begin(unsigned logs)
{
    struct store_options options = {.reserve = UINT64_MAX};
    struct store_error error;
    struct io *io;

    w = (struct world){.sim = sim_create(1)};
    w.node = sim_node_add(w.sim);
    io = sim_node_io(w.sim, w.node);
    ck_assert_int_eq(store_open(io, "data", &options, &w.store, &error), OK);
    for (unsigned i = 0; i < logs; i++)
        open_log(i);
    io_set_flush(io, flush, NULL);
}

static void end(void)
{
    store_forget(w.store);
    sim_destroy(w.sim);
}

static void append(unsigned log, size_t size)
{
    uint8_t *body = record_begin(log_gather(w.logs[log]), 1, 0, size);

    memset(body, 'x', size);
    record_end(log_gather(w.logs[log]), size);
    (void)log_seal(w.logs[log], 1, 1, 1);
    io_wake(sim_node_io(w.sim, w.node));
}

/* One batch of each log, all on the disk when this returns. */
static void append_all(unsigned logs, uint64_t index, size_t size)
{
    for (unsigned i = 0; i < logs; i++)
        append(i, size);
    for (unsigned i = 0; i < logs; i++)
        while (w.durable[i] < index)
            ck_assert(sim_step(w.sim));
}

static void add_file(void *context, const char *name, bool directory)
{
    struct io *io = context;
    char path[64];
    struct io_file *file;
    uint64_t size;

    ck_assert(!directory);
    snprintf(path, sizeof path, "data/journal/%s", name);
    ck_assert_int_eq(io_open(io, path, IO_READ, &file), OK);
    ck_assert_int_eq(io_size(io, file, &size), OK);
    io_close(io, file);
    w.total += size;
    w.largest = size > w.largest ? size : w.largest;
}

static void measure(void)
{
    struct io *io = sim_node_io(w.sim, w.node);

    w.total = w.largest = 0;
    ck_assert_int_eq(io_list(io, "data/journal", add_file, io), OK);
}

START_TEST(of_one_log_it_stays_small)
{
    begin(1);
    for (uint64_t i = 1; i <= 4000; i++) /* 32 MiB of records */
        append_all(1, i, 5000);
    measure();
    ck_assert_uint_eq(w.total, JOURNAL_FIRST_SIZE + JOURNAL_SECOND_SIZE);
    end();
}
END_TEST

START_TEST(of_many_it_has_a_file_of_full_size)
{
    begin(LOGS_MAX);
    for (uint64_t i = 1; i <= 100; i++)
        append_all(LOGS_MAX, i, 5000);
    measure();
    ck_assert_uint_eq(w.largest, FULL_SIZE);
    end();
}
END_TEST

START_TEST(that_become_many_it_has_one_too)
{
    begin(LOGS_MAX);
    for (uint64_t i = 1; i <= 1000; i++)
        append_all(1, i, 5000);
    measure();
    ck_assert_uint_eq(w.total, JOURNAL_FIRST_SIZE + JOURNAL_SECOND_SIZE);
    for (uint64_t i = 1; i <= 100; i++) {
        for (unsigned log = 1; log < LOGS_MAX; log++)
            append(log, 5000);
        while (w.durable[LOGS_MAX - 1] < i)
            ck_assert(sim_step(w.sim));
    }
    measure();
    ck_assert_uint_eq(w.largest, FULL_SIZE);
    end();
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
