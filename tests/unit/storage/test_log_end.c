/* Where a log ends, said by a file of its own: what a start found wrong with the end of the newest
 * one is found by no later start, whenever the power fails. */
#include "base/io_sim.h"
#include "storage/log.h"
#include "storage/paths.h"
#include "storage/record.h"
#include "tests/unit/unit.h"

#define LOG_ID  7u
#define BATCHES 3u

struct world {
    struct sim *sim;
    size_t node;
    struct io *io;
    struct store *store;
    struct log *log;
    uint64_t durable, recovered, lost;
    unsigned cut_short;
    uint64_t newest; /* the id of the newest file */
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
    ck_abort_msg("a batch failed: %s", err_text(err));
}

static void on_recovered(void *context, const struct log_batch *batch)
{
    (void)context;
    w.recovered = batch->index;
}

static void on_lost(void *context, uint64_t first, uint64_t last, uint64_t bytes)
{
    (void)context;
    (void)first;
    (void)last;
    (void)bytes;
    w.lost++;
}

static void on_cut_short(void *context)
{
    (void)context;
    w.cut_short++;
}

static void flush(void *context)
{
    (void)context;
    store_flush(w.store);
}

static void start(void)
{
    static const struct log_events events = {on_durable, on_failed};
    struct log_recovery recovery = {
        .batch = on_recovered, .lost = on_lost, .cut_short = on_cut_short};
    struct store_error error;

    w.recovered = w.lost = w.cut_short = 0;
    w.io = sim_node_io(w.sim, w.node);
    ck_assert_int_eq(store_open(w.io, "data", &(struct store_options){0}, &w.store, &error), OK);
    ck_assert_int_eq(log_open(w.store, LOG_ID, &recovery, &events, NULL, &w.log), OK);
    w.durable = log_durable(w.log);
    io_set_flush(w.io, flush, NULL);
}

static void crash(void)
{
    if (!sim_crashed(w.sim, w.node))
        sim_crash(w.sim, w.node, SIM_CRASH_POWER);
    store_forget(w.store);
    sim_restart(w.sim, w.node);
}

static void pass(void)
{
    sim_run(w.sim, INT64_C(1000000000));
}

static void append(void)
{
    uint64_t before = w.durable;
    uint8_t *body = record_begin(log_gather(w.log), 1, 0, 10000);

    memset(body, 'x', 10000);
    record_end(log_gather(w.log), 10000);
    (void)log_seal(w.log, 1, 1, 1);
    io_wake(w.io);
    pass();
    ck_assert_uint_eq(w.durable, before + 1);
}

static void found(void *context, const char *name, bool directory)
{
    uint64_t id;

    (void)context;
    if (!directory && path_read_segment(name, &id) && id > w.newest)
        w.newest = id;
}

/* The server is down, and its newest file loses its end, `back` bytes of it. */
static void cut_file(uint64_t back)
{
    struct io_file *file;
    uint64_t size;

    w.io = sim_node_io(w.sim, w.node);
    w.newest = 0;
    ck_assert_int_eq(io_list(w.io, path_log("data", LOG_ID).text, found, NULL), OK);
    ck_assert_int_eq(
        io_open(w.io, path_segment("data", LOG_ID, w.newest).text, IO_READ | IO_WRITE, &file), OK);
    ck_assert_int_eq(io_size(w.io, file, &size), OK);
    ck_assert_int_eq(io_truncate(w.io, file, size - back), OK);
    ck_assert_int_eq(io_sync(w.io, file), OK);
    io_close(w.io, file);
}

#define BEHIND 1000u                  /* so much of the end is room that was never written */
#define WITHIN ((64u << 10) - 30000u) /* the last batch is there in part, and in the journal */

/* Some batches, and a start that finds the newest file cut short. */
static void begin(uint64_t seed, uint64_t back)
{
    static const uint8_t incarnation[16] = "incarnation-0001";
    struct store_error error;

    w = (struct world){.sim = sim_create(seed)};
    w.node = sim_node_add(w.sim);
    w.io = sim_node_io(w.sim, w.node);
    ck_assert_int_eq(store_open(w.io, "data", &(struct store_options){0}, &w.store, &error), OK);
    ck_assert_int_eq(log_prepare(w.store, LOG_ID, incarnation, bytes_of(NULL, 0)), OK);
    store_forget(w.store);
    sim_crash(w.sim, w.node, SIM_CRASH_KILL);
    sim_restart(w.sim, w.node);
    start();
    for (unsigned i = 0; i < BATCHES; i++)
        append();
    crash();
    cut_file(back);
    start();
    ck_assert_uint_eq(w.cut_short, 1);
    ck_assert_uint_eq(w.recovered, BATCHES);
}

static void end(void)
{
    store_forget(w.store);
    sim_destroy(w.sim);
}

static void say(void)
{
    log_end_say(w.log);
    io_wake(w.io);
    pass();
}

START_TEST(a_file_that_was_cut_short_is_told_until_another_one_follows)
{
    begin(1, WITHIN);
    crash();
    start();
    ck_assert_uint_eq(w.cut_short, 1);
    ck_assert(log_end_unsaid(w.log));
    say();
    ck_assert(!log_end_unsaid(w.log));
    for (unsigned life = 0; life < 2; life++) {
        crash();
        start();
        ck_assert_uint_eq(w.cut_short, 0);
        ck_assert_uint_eq(w.lost, 0);
        ck_assert_uint_eq(w.recovered, BATCHES);
        ck_assert(!log_end_unsaid(w.log));
    }
    append();
    crash();
    start();
    ck_assert_uint_eq(w.recovered, BATCHES + 1);
    end();
}
END_TEST

START_TEST(the_file_that_says_so_may_be_cut_short_itself)
{
    begin(2, BEHIND);
    say();
    crash();
    cut_file(1000);
    start();
    ck_assert_uint_eq(w.cut_short, 1);
    ck_assert(log_end_unsaid(w.log));
    end();
}
END_TEST

/* False: saying it was over before that. */
static bool power_fails_at(uint64_t operation, uint64_t back)
{
    bool said;

    begin(3 + operation, back);
    sim_crash_after(w.sim, w.node, SIM_CRASH_POWER, operation);
    log_end_say(w.log);
    if (!sim_crashed(w.sim, w.node))
        io_wake(w.io);
    pass();
    said = !sim_crashed(w.sim, w.node);
    ck_assert(!said || !log_end_unsaid(w.log));
    crash();
    start();
    ck_assert_uint_eq(w.recovered, BATCHES);
    ck_assert_uint_eq(w.lost, 0);
    ck_assert(!said || w.cut_short == 0);
    ck_assert(log_end_unsaid(w.log) == (w.cut_short != 0));
    append();
    crash();
    start();
    ck_assert_uint_eq(w.recovered, BATCHES + 1);
    ck_assert_uint_eq(w.cut_short, 0);
    end();
    return !said;
}

START_TEST(the_power_may_fail_at_any_operation_of_saying_so)
{
    for (unsigned within = 0; within < 2; within++) {
        uint64_t operation = 1;

        while (power_fails_at(operation, within ? WITHIN : BEHIND))
            operation++;
        ck_assert_uint_gt(operation, 3);
    }
}
END_TEST

START_TEST(a_disk_that_is_full_is_asked_again)
{
    begin(4, BEHIND);
    sim_set_capacity(w.sim, w.node, 1);
    say();
    ck_assert(log_end_unsaid(w.log));
    say();
    ck_assert(log_end_unsaid(w.log));
    sim_set_capacity(w.sim, w.node, UINT64_C(1) << 30);
    say();
    ck_assert(!log_end_unsaid(w.log));
    crash();
    start();
    ck_assert_uint_eq(w.cut_short, 0);
    ck_assert_uint_eq(w.recovered, BATCHES);
    end();
}
END_TEST

START_TEST(what_was_cut_comes_back_unless_it_is_said_that_it_was)
{
    for (unsigned life = 0; life < 2; life++) {
        begin(5, BEHIND);
        say();
        append();
        log_cut(w.log, BATCHES);
        ck_assert(log_end_unsaid(w.log));
        if (life == 1)
            say();
        ck_assert(log_end_unsaid(w.log) == (life == 0));
        crash();
        start();
        ck_assert_uint_eq(w.recovered, BATCHES + (life == 0));
        end();
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_file_that_was_cut_short_is_told_until_another_one_follows,
        the_file_that_says_so_may_be_cut_short_itself,
        the_power_may_fail_at_any_operation_of_saying_so,
        a_disk_that_is_full_is_asked_again,
        what_was_cut_comes_back_unless_it_is_said_that_it_was,
    };

    return UNIT_RUN_PLAIN("log_end", tests);
}
