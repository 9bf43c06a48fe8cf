/* A log over the simulated disk: what only crashes and a disk that does things by parts can show.
 */
#include "base/heap.h"
#include "base/io_sim.h"
#include "storage/flaws.h"
#include "storage/log.h"
#include "storage/record.h"
#include "storage/store.h"
#include "tests/unit/unit.h"

#define LOG_ID 7u

struct world {
    struct sim *sim;
    size_t node;
    struct io *io;
    struct store *store;
    struct log *log;
    uint64_t flaws;
    uint64_t durable, recovered, lost;
    log_place place;
    uint32_t place_size;
    struct log_hash hash;
    bool ended;
    enum err err;
};

static struct world w;

static void on_durable(void *owner, const struct log_batch *batch)
{
    (void)owner;
    w.durable = batch->index;
    w.place = batch->records_place;
    w.place_size = (uint32_t)batch->records.size;
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
}

static void on_lost(void *context, uint64_t first, uint64_t last, uint64_t bytes)
{
    (void)context;
    (void)first;
    (void)last;
    (void)bytes;
    w.lost++;
}

static void flush(void *context)
{
    (void)context;
    store_flush(w.store);
}

/* False: a crash struck. */
static bool open_all(bool first)
{
    static const struct log_events events = {on_durable, on_failed};
    static const uint8_t incarnation[16] = "incarnation-0001";
    struct log_recovery recovery = {on_recovered, on_lost, NULL};
    struct store_options options = {
        .segment_size = 64 << 10, .journal_file_size = 64 << 10, .flaws = w.flaws};
    struct store_error error;

    w.recovered = 0;
    w.io = sim_node_io(w.sim, w.node);
    if (store_open(w.io, "data", &options, &w.store, &error) != OK)
        return false;
    if (first)
        ck_assert_int_eq(log_prepare(w.store, LOG_ID, incarnation, bytes_of(NULL, 0)), OK);
    if (log_open(w.store, LOG_ID, &recovery, &events, NULL, &w.log) != OK)
        return false;
    w.durable = log_durable(w.log);
    io_set_flush(w.io, flush, NULL);
    return true;
}

static void begin(uint64_t seed, uint64_t flaws)
{
    w = (struct world){.sim = sim_create(seed), .flaws = flaws};
    w.node = sim_node_add(w.sim);
    ck_assert(open_all(true));
}

static void end(void)
{
    store_forget(w.store);
    sim_destroy(w.sim);
}

static void seal(size_t size)
{
    uint8_t *body = record_begin(log_gather(w.log), 1, 0, size);

    memset(body, 'x', size);
    record_end(log_gather(w.log), size);
    (void)log_seal(w.log, 1, 1, 1);
    io_wake(w.io);
}

static void append(size_t size)
{
    uint64_t before = w.durable;

    seal(size);
    while (w.durable == before)
        ck_assert(sim_step(w.sim));
}

static void crash(enum sim_crash_mode mode)
{
    if (!sim_crashed(w.sim, w.node))
        sim_crash(w.sim, w.node, mode);
    store_forget(w.store);
    sim_restart(w.sim, w.node);
}

/* ---- F3
 * ------------------------------------------------------------------------------------------ */

/* Killed at the `operation`th disk operation of a batch, recovered, and then the power goes.
 * Returns how many batches the second recovery lacks of the first. */
static uint64_t recover_twice(uint64_t seed, uint64_t operation, uint64_t flaws)
{
    uint64_t answered;

    begin(seed, flaws);
    append(100);
    sim_crash_after(w.sim, w.node, SIM_CRASH_KILL, operation);
    seal(3000);
    while (!sim_crashed(w.sim, w.node) && sim_step(w.sim))
        continue;
    crash(SIM_CRASH_KILL);
    ck_assert(open_all(false));
    answered = w.recovered; /* from here on it is answered from */
    ck_assert_uint_ge(answered, 1);
    crash(SIM_CRASH_POWER);
    ck_assert(open_all(false));
    ck_assert_uint_eq(w.lost, 0);
    answered -= w.recovered < answered ? w.recovered : answered;
    end();
    return answered;
}

static uint64_t recover_twice_everywhere(uint64_t flaws)
{
    uint64_t missing = 0;

    for (uint64_t seed = 1; seed <= 30; seed++) {
        for (uint64_t operation = 1; operation <= 4; operation++)
            missing += recover_twice(seed, operation, flaws);
    }
    return missing;
}

START_TEST(what_a_recovery_has_handed_out_survives_a_power_cut_right_after_it)
{
    ck_assert_uint_eq(recover_twice_everywhere(0), 0);
    ck_assert_uint_gt(recover_twice_everywhere(FLAW_SKIP_RECOVERY_SYNC), 0);
}
END_TEST

/* ---- reads
 * --------------------------------------------------------------------------------------- */

static int64_t read_result;

static void on_read(struct log_read *read, int64_t result)
{
    (void)read;
    read_result = result;
}

START_TEST(a_read_that_the_system_does_in_parts_is_whole)
{
    struct sim_faults faults = sim_faults_none();
    struct log_read read = {.done = on_read};
    uint8_t *bytes = heap_take(40000);

    faults.short_count = 1000000;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        begin(seed, 0);
        append(30000);
        sim_set_faults(w.sim, w.node, &faults);
        read_result = -1;
        log_read(w.log, &read, w.place, bytes, w.place_size);
        while (read_result == -1)
            ck_assert(sim_step(w.sim));
        ck_assert_int_eq(read_result, w.place_size);
        ck_assert_int_eq(bytes[w.place_size - 1 - 8], 'x');
        end();
    }
    heap_give(bytes);
}
END_TEST

/* ---- a file that is written anew
 * --------------------------------------------------------------------------------------- */

#define MILLI   INT64_C(1000000)
#define BATCHES 7u

static void on_block(struct log_block_op *op, enum err err)
{
    (void)op;
    ck_assert_int_eq(err, OK);
    w.ended = true;
}

static void write_block(void)
{
    static struct log_block_op op;

    op = (struct log_block_op){
        .index = w.durable, .term = 1, .hash = w.hash, .body = BYTES("x"), .done = on_block};
    log_set_committed(w.log, w.durable);
    w.ended = false;
    log_block_write(w.log, &op);
    while (!w.ended)
        ck_assert(sim_step(w.sim));
}

static void on_erase(uint8_t *record, uint32_t size)
{
    (void)record;
    (void)size;
}

static void on_erased(struct log_erase_op *op, enum err err)
{
    (void)op;
    w.ended = true;
    w.err = err;
}

/* The first file has one batch that is on the disk and two that only the journal has; its first
 * record is at *first. */
static void half_synced(uint64_t seed, struct log_erased *first)
{
    begin(seed, 0);
    append(2000);
    *first = (struct log_erased){w.place, w.place_size};
    log_file_sync(w.log->files[0], true);
    sim_run(w.sim, 100 * MILLI);
    append(2000);
    append(2000);
    log_roll(w.log);
    append(2000);
    append(2000);
    write_block();
    append(2000);
    write_block();
    log_floor_set(w.log, 4);
    append(2000);
    ck_assert_uint_eq(w.durable, BATCHES);
    ck_assert(w.log->files[0] != w.log->active);
    ck_assert_uint_ne(w.log->files[0]->cover.held, 0);
}

/* Its next sync fails and takes the pages along, some time after something has begun. */
static void lose_pages(uint64_t seed)
{
    struct sim_faults faults = sim_faults_none();
    struct log_file *file = w.log->files[0];
    int steps = 0;

    faults.work_max_ns = 30 * MILLI;
    faults.sync_error = faults.sync_evicts = 1000000;
    sim_set_faults(w.sim, w.node, &faults);
    sim_run(w.sim, (int64_t)(seed % 40) * MILLI);
    if (!file->syncing && !file->condemned && file->pack == NULL)
        log_file_sync(file, true);
    for (; file->syncing && steps < 10000; steps++)
        ck_assert(sim_step(w.sim));
    faults.sync_error = faults.sync_evicts = 0;
    sim_set_faults(w.sim, w.node, &faults);
    sim_run(w.sim, 3000 * MILLI);
}

static void check_all_is_there(void)
{
    crash(SIM_CRASH_POWER);
    ck_assert(open_all(false));
    ck_assert_uint_eq(w.lost, 0);
    ck_assert_uint_eq(w.recovered, BATCHES);
    end();
}

START_TEST(a_file_whose_sync_fails_while_it_is_packed_loses_nothing)
{
    struct log_erased first;

    for (uint64_t seed = 1; seed <= 200; seed++) {
        half_synced(seed, &first);
        log_pack(w.log);
        lose_pages(seed);
        check_all_is_there();
    }
}
END_TEST

START_TEST(a_file_whose_sync_fails_while_some_of_it_is_erased_loses_nothing)
{
    struct log_erase_op op = {.count = 1, .erase = on_erase, .done = on_erased};
    struct log_erased first;

    for (uint64_t seed = 1; seed <= 200; seed++) {
        half_synced(seed, &first);
        op.at = &first;
        w.ended = false;
        log_erase(w.log, &op);
        lose_pages(seed);
        ck_assert(w.ended);
        check_all_is_there();
    }
}
END_TEST

/* Nothing fails: it is synced first, and then it is done. */
START_TEST(a_file_that_only_the_journal_has_is_packed_and_erased_once_it_is_synced)
{
    struct log_erase_op op = {.count = 1, .erase = on_erase, .done = on_erased};
    struct log_erased first;

    half_synced(1, &first);
    log_pack(w.log);
    sim_run(w.sim, 1000 * MILLI);
    ck_assert_ptr_nonnull(w.log->files[0]->pack);
    op.at = &first;
    w.ended = false;
    log_erase(w.log, &op);
    sim_run(w.sim, 1000 * MILLI);
    ck_assert(w.ended);
    ck_assert_int_eq(w.err, OK);
    check_all_is_there();
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_a_recovery_has_handed_out_survives_a_power_cut_right_after_it,
        a_read_that_the_system_does_in_parts_is_whole,
        a_file_whose_sync_fails_while_it_is_packed_loses_nothing,
        a_file_whose_sync_fails_while_some_of_it_is_erased_loses_nothing,
        a_file_that_only_the_journal_has_is_packed_and_erased_once_it_is_synced,
    };

    return UNIT_RUN_PLAIN("crashes", tests);
}
