/* A log that is opened in steps over a disk that has nothing in memory, and that dies meanwhile. */
#include "base/io_sim.h"
#include "storage/log.h"
#include "storage/record.h"
#include "storage/store.h"
#include "tests/unit/unit.h"

#define LOG_ID  7u
#define BATCHES 12u
#define BODY    100000u /* pieces that are read end within some */

struct world {
    struct sim *sim;
    size_t node;
    struct io *io;
    struct store *store;
    struct log *log;
    uint64_t durable, recovered, lost;
    bool blocked;
    struct log_hash hash;
    unsigned waits;
};

static struct world w;

static void on_durable(void *owner, const struct log_batch *batch)
{
    (void)owner;
    w.durable = batch->index;
    w.hash = batch->hash;
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
    w.hash = batch->hash;
}

static void on_lost(void *context, uint64_t first, uint64_t last, uint64_t bytes)
{
    (void)context;
    (void)first;
    (void)last;
    (void)bytes;
    w.lost++;
}

static enum err on_block(void *context, const struct log_block *block)
{
    (void)context;
    ck_assert_mem_eq(block->body.at, "state", 5);
    return OK;
}

static const struct log_events events = {on_durable, on_failed};
static const struct log_recovery recovery = {
    .batch = on_recovered, .lost = on_lost, .block = on_block};

static void flush(void *context)
{
    (void)context;
    store_flush(w.store);
}

static bool open_store(void)
{
    struct store_options options = {.segment_size = 4 << 20, .journal_file_size = 64 << 10};
    struct store_error error;

    w.io = sim_node_io(w.sim, w.node);
    w.recovered = w.lost = w.waits = 0;
    if (store_open(w.io, "data", &options, &w.store, &error) != OK)
        return false;
    io_set_flush(w.io, flush, NULL);
    return true;
}

static void is_ready(void *context)
{
    (void)context;
}

/* False: a crash struck. */
static bool open_in_steps(void)
{
    struct log_pace pace = {.work = 1, .ready = is_ready};
    struct log_opening *opening =
        log_opening_begin(w.store, LOG_ID, &recovery, &events, NULL, &pace);
    enum err err = ERR_AGAIN;

    while (err == ERR_AGAIN && !sim_crashed(w.sim, w.node)) {
        err = log_opening_step(opening, &w.log);
        w.waits += log_opening_waits(opening);
        while (log_opening_waits(opening) && !sim_crashed(w.sim, w.node))
            ck_assert(sim_step(w.sim));
    }
    log_opening_end(opening);
    return err == OK && !sim_crashed(w.sim, w.node);
}

static void append(void)
{
    uint64_t before = w.durable;
    uint8_t *body = record_begin(log_gather(w.log), 1, 0, BODY);

    memset(body, 'x', BODY);
    record_end(log_gather(w.log), BODY);
    (void)log_seal(w.log, 1, 1, 1);
    io_wake(w.io);
    while (w.durable == before)
        ck_assert(sim_step(w.sim));
}

static void block_done(struct log_block_op *op, enum err err)
{
    (void)op;
    ck_assert_int_eq(err, OK);
    w.blocked = true;
}

static void write_block(void)
{
    static struct log_block_op op;

    op = (struct log_block_op){
        .index = w.durable, .term = 1, .hash = w.hash, .body = BYTES("state"), .done = block_done};
    log_set_committed(w.log, w.durable);
    log_block_write(w.log, &op);
    while (!w.blocked)
        ck_assert(sim_step(w.sim));
}

static void crash(enum sim_crash_mode mode)
{
    if (!sim_crashed(w.sim, w.node))
        sim_crash(w.sim, w.node, mode);
    store_forget(w.store);
    sim_restart(w.sim, w.node);
}

/* All batches are durable, the block is of the second; the process has died. */
static void begin(uint64_t seed)
{
    static const uint8_t incarnation[16] = "incarnation-0001";
    struct sim_faults faults = sim_faults_none();

    w = (struct world){.sim = sim_create(seed)};
    w.node = sim_node_add(w.sim);
    ck_assert(open_store());
    ck_assert_int_eq(log_prepare(w.store, LOG_ID, incarnation, bytes_of(NULL, 0)), OK);
    ck_assert_int_eq(log_open(w.store, LOG_ID, &recovery, &events, NULL, &w.log), OK);
    for (unsigned i = 1; i <= BATCHES; i++) {
        append();
        if (i == 2)
            write_block();
    }
    crash(SIM_CRASH_KILL);
    faults.read_now_again = 1000000;
    sim_set_faults(w.sim, w.node, &faults);
}

static void end(void)
{
    store_forget(w.store);
    sim_destroy(w.sim);
}

static void is_whole(void)
{
    ck_assert_uint_eq(w.recovered, BATCHES);
    ck_assert_uint_eq(log_durable(w.log), BATCHES);
    ck_assert_uint_eq(w.lost, 0);
}

START_TEST(what_is_not_in_memory_is_read_by_the_loop)
{
    begin(1);
    ck_assert(open_store());
    ck_assert(open_in_steps());
    is_whole();
    ck_assert_uint_ge(w.waits, 2 + BATCHES * BODY / (300 << 10)); /* the block, the syncs */
    w.durable = log_durable(w.log);
    append();
    ck_assert_uint_eq(w.durable, BATCHES + 1);
    end();
}
END_TEST

/* The process, or the power, goes at the `operation`th disk operation of an opening. False: the
 * opening had come to its end before. */
static bool dies_at(uint64_t operation, enum sim_crash_mode mode)
{
    bool opened;

    begin(operation);
    ck_assert(open_store());
    sim_crash_after(w.sim, w.node, mode, operation);
    opened = open_in_steps();
    crash(mode);
    ck_assert(open_store());
    ck_assert(open_in_steps());
    is_whole();
    end();
    return !opened;
}

START_TEST(an_opening_that_dies_at_any_disk_operation_leaves_the_log_as_it_was)
{
    for (uint64_t operation = 1; dies_at(operation, SIM_CRASH_KILL); operation++)
        ck_assert_uint_lt(operation, 10000);
    for (uint64_t operation = 1; dies_at(operation, SIM_CRASH_POWER); operation++)
        ck_assert_uint_lt(operation, 10000);
}
END_TEST

/* Gives up one that has begun, after so many steps. True: the disk was busy with it. */
static bool give_up_after(unsigned steps)
{
    struct log_pace pace = {.work = 1, .ready = is_ready};
    struct log_opening *opening =
        log_opening_begin(w.store, LOG_ID, &recovery, &events, NULL, &pace);
    struct log *log;
    bool waited;

    for (unsigned i = 0; i < steps; i++) {
        ck_assert_int_eq(log_opening_step(opening, &log), ERR_AGAIN);
        while (i + 1 < steps && log_opening_waits(opening))
            ck_assert(sim_step(w.sim));
    }
    waited = log_opening_waits(opening);
    log_opening_end(opening);
    return waited;
}

/* What a worker writes anew it must not write into a log that goes on. */
START_TEST(a_log_is_not_opened_while_the_disk_is_busy_with_one_that_was_given_up)
{
    unsigned busy = 0;

    for (unsigned steps = 1; steps < 20; steps++) {
        begin(steps);
        ck_assert(open_store());
        if (give_up_after(steps)) {
            struct log_pace pace = {.work = 1, .ready = is_ready};
            struct log_opening *opening =
                log_opening_begin(w.store, LOG_ID, &recovery, &events, NULL, &pace);

            busy++;
            ck_assert_int_eq(log_opening_step(opening, &w.log), ERR_BUSY);
            log_opening_end(opening);
            ck_assert_int_eq(log_open(w.store, LOG_ID, &recovery, &events, NULL, &w.log), ERR_BUSY);
            while (!store_idle(w.store))
                ck_assert(sim_step(w.sim));
        }
        ck_assert(open_in_steps());
        is_whole();
        w.durable = log_durable(w.log);
        append();
        crash(SIM_CRASH_POWER);
        ck_assert(open_store());
        ck_assert(open_in_steps());
        ck_assert_uint_eq(w.recovered, BATCHES + 1);
        end();
    }
    ck_assert_uint_ge(busy, 3);
}
END_TEST

START_TEST(a_store_is_not_idle_before_what_was_given_up_has_come_to_its_end)
{
    unsigned given_up = 0;

    begin(3);
    ck_assert(open_store());
    for (unsigned steps = 1; steps < 20; steps++) {
        given_up += give_up_after(steps);
        while (!store_idle(w.store))
            ck_assert(sim_step(w.sim));
    }
    ck_assert_uint_ge(given_up, 3);
    ck_assert_int_eq(log_open(w.store, LOG_ID, &recovery, &events, NULL, &w.log), OK);
    is_whole();
    end();
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_is_not_in_memory_is_read_by_the_loop,
        an_opening_that_dies_at_any_disk_operation_leaves_the_log_as_it_was,
        a_log_is_not_opened_while_the_disk_is_busy_with_one_that_was_given_up,
        a_store_is_not_idle_before_what_was_given_up_has_come_to_its_end,
    };

    return UNIT_RUN_PLAIN("log_opening_cold", tests);
}
