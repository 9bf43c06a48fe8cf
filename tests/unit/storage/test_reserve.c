/* What publishes leave of the disk, over a simulated one that fills up. */
#include "base/heap.h"
#include "base/io_sim.h"
#include "storage/log.h"
#include "storage/record.h"
#include "storage/reserve.h"
#include "tests/unit/unit.h"

#define LOG_ID 7u
#define KEEP   (16ull << 20)
#define DISK   (64ull << 20)
#define SECOND INT64_C(1000000000)

struct world {
    struct sim *sim;
    size_t node;
    struct store *store;
    struct log *log;
    uint64_t durable;
    unsigned failures, reports;
};

static struct world w;

static void on_durable(void *owner, const struct log_batch *batch)
{
    (void)owner;
    w.durable = batch->index;
}

static void on_failed(void *owner, enum err err)
{
    (void)owner;
    ck_assert_int_eq(err, ERR_NO_SPACE);
    w.failures++;
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

static void report(void *context, const char *text)
{
    (void)context;
    (void)text;
    w.reports++;
}

static void flush(void *context)
{
    (void)context;
    store_flush(w.store);
}

static void open_all(uint64_t keep, bool first)
{
    static const struct log_events events = {on_durable, on_failed};
    static const uint8_t incarnation[16] = "incarnation-0001";
    struct log_recovery recovery = {on_batch, on_lost, NULL};
    struct store_options options = {
        .journal_file_size = 64 << 10, .reserve = keep, .report = report};
    struct io *io = sim_node_io(w.sim, w.node);
    struct store_error error;

    ck_assert_msg(store_open(io, "data", &options, &w.store, &error) == OK, "%s", error.text);
    if (first)
        ck_assert_int_eq(log_prepare(w.store, LOG_ID, incarnation, bytes_of(NULL, 0)), OK);
    ck_assert_int_eq(log_open(w.store, LOG_ID, &recovery, &events, NULL, &w.log), OK);
    w.durable = log_durable(w.log);
    io_set_flush(io, flush, NULL);
}

static void begin(uint64_t keep)
{
    w = (struct world){.sim = sim_create(1)};
    w.node = sim_node_add(w.sim);
    sim_set_capacity(w.sim, w.node, DISK);
    open_all(keep, true);
}

static void end(void)
{
    store_forget(w.store);
    sim_destroy(w.sim);
}

/* One batch, which is on the disk or refused when this returns. */
static bool append(size_t size)
{
    uint64_t before = w.durable;
    unsigned failures = w.failures;
    uint8_t *body = record_begin(log_gather(w.log), 1, 0, size);

    memset(body, 'x', size);
    record_end(log_gather(w.log), size);
    (void)log_seal(w.log, 1, 1, 1);
    io_wake(sim_node_io(w.sim, w.node));
    while (w.durable == before && w.failures == failures)
        ck_assert(sim_step(w.sim));
    return w.durable > before;
}

static uint64_t used(void)
{
    uint64_t available, total;

    ck_assert_int_eq(io_space(sim_node_io(w.sim, w.node), &available, &total), OK);
    return total - available;
}

/* Another program takes all but so much. */
static void leave(uint64_t available)
{
    sim_set_capacity(w.sim, w.node, used() + available);
    sim_run(w.sim, SECOND);
    io_wake(sim_node_io(w.sim, w.node)); /* the time is the turn's */
    sim_run(w.sim, SECOND);
    (void)store_admits(w.store, 1);
    sim_run(w.sim, SECOND);
}

START_TEST(publishes_are_refused_below_what_is_kept_and_taken_again_by_itself)
{
    begin(KEEP);
    ck_assert(store_admits(w.store, 1000));
    leave(KEEP - 1);
    ck_assert(!store_admits(w.store, 1));
    ck_assert(store_space(w.store).scarce);
    ck_assert_uint_eq(w.reports, 1);
    leave(KEEP + 1); /* a little more would be a little less soon */
    ck_assert(!store_admits(w.store, 1));
    leave(2 * KEEP);
    ck_assert(store_admits(w.store, 1));
    ck_assert(!store_space(w.store).scarce);
    ck_assert_uint_eq(w.reports, 2);
    end();
}
END_TEST

START_TEST(resuming_needs_nobody_to_publish)
{
    begin(KEEP);
    leave(KEEP - 1);
    ck_assert(!store_admits(w.store, 1));
    sim_set_capacity(w.sim, w.node, DISK);
    sim_run(w.sim, SECOND);
    ck_assert(!store_space(w.store).scarce);
    end();
}
END_TEST

START_TEST(what_comes_between_two_looks_is_counted)
{
    begin(KEEP);
    leave(2 * KEEP);
    ck_assert(store_admits(w.store, KEEP / 2));
    ck_assert(!store_admits(w.store, KEEP));
    end();
}
END_TEST

START_TEST(a_batch_that_finds_the_disk_full_takes_of_the_reserve)
{
    begin(KEEP);
    leave(0);
    for (unsigned i = 0; i < 40; i++) /* far more than the segment had allocated */
        ck_assert(append(64 << 10));
    ck_assert_uint_eq(w.failures, 0);
    ck_assert(!store_admits(w.store, 1));
    end();
}
END_TEST

START_TEST(the_reserve_ends_and_is_filled_again_when_there_is_space)
{
    unsigned first = 0, second = 0;

    begin(KEEP);
    leave(0);
    while (append(64 << 10))
        ck_assert_uint_lt(++first, 1000);
    ck_assert_uint_ge(first, (KEEP / 4 >> 16) - 8);
    sim_set_capacity(w.sim, w.node, DISK);
    sim_run(w.sim, 2 * SECOND);
    ck_assert(store_admits(w.store, 1));
    leave(0);
    while (append(64 << 10))
        ck_assert_uint_lt(++second, 1000);
    ck_assert_uint_ge(second, (KEEP / 4 >> 16) - 8);
    end();
}
END_TEST

START_TEST(a_start_on_a_full_disk_has_what_it_needs_and_is_scarce)
{
    begin(KEEP);
    ck_assert(append(1000));
    sim_set_capacity(w.sim, w.node, used());
    sim_crash(w.sim, w.node, SIM_CRASH_KILL);
    store_forget(w.store);
    sim_restart(w.sim, w.node);
    open_all(KEEP, false);
    ck_assert_uint_eq(w.durable, 1);
    ck_assert(!store_admits(w.store, 1));
    ck_assert(append(1000));
    end();
}
END_TEST

START_TEST(a_store_that_keeps_nothing_admits_everything)
{
    begin(UINT64_MAX);
    leave(0);
    ck_assert(store_admits(w.store, DISK));
    while (append(64 << 10)) /* as much as the journal and the segment had */
        ck_assert_uint_lt(w.durable, 1000);
    end();
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        publishes_are_refused_below_what_is_kept_and_taken_again_by_itself,
        resuming_needs_nobody_to_publish,
        what_comes_between_two_looks_is_counted,
        a_batch_that_finds_the_disk_full_takes_of_the_reserve,
        the_reserve_ends_and_is_filled_again_when_there_is_space,
        a_start_on_a_full_disk_has_what_it_needs_and_is_scarce,
        a_store_that_keeps_nothing_admits_everything,
    };

    return UNIT_RUN_PLAIN("reserve", tests);
}
