/* A log over the simulated disk: what only crashes and a disk that does things by parts can show.
 */
#include "base/heap.h"
#include "storage/flaws.h"
#include "tests/unit/storage/world.h"

static struct {
    log_place place; /* of the newest batch */
    uint32_t size;
    struct log_hash hash;
    bool ended;
    enum err err;
} last;

static void note(const struct log_batch *batch)
{
    last.place = batch->records_place;
    last.size = (uint32_t)batch->records.size;
    last.hash = batch->hash;
}

static void begin(uint64_t seed, uint64_t flaws)
{
    world_create(seed, (struct store_options){.segment_size = 64 << 10,
                                              .journal_file_size = 64 << 10,
                                              .flaws = flaws});
    w.seen = note;
    world_begin();
}

static void append(size_t size)
{
    world_append(size, 'x');
}

/* ---- F3 ------------------------------------------------------------------------------------- */

/* Killed at the `operation`th disk operation of a batch, recovered, and then the power goes.
 * Returns how many batches the second recovery lacks of the first. */
static uint64_t recover_twice(uint64_t seed, uint64_t operation, uint64_t flaws)
{
    uint64_t answered;

    begin(seed, flaws);
    append(100);
    sim_crash_after(w.sim, w.node, SIM_CRASH_KILL, operation);
    world_seal(3000, 'x');
    while (!sim_crashed(w.sim, w.node) && sim_step(w.sim))
        continue;
    world_crash(SIM_CRASH_KILL);
    world_open();
    ck_assert_uint_eq(w.lost, 0);
    answered = w.recovered; /* from here on it is answered from */
    ck_assert_uint_ge(answered, 1);
    world_crash(SIM_CRASH_POWER);
    world_open();
    ck_assert_uint_eq(w.lost, 0);
    answered -= w.recovered < answered ? w.recovered : answered;
    world_end();
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

/* ---- reads ---------------------------------------------------------------------------------- */

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
        log_read(w.log, &read, last.place, bytes, last.size);
        while (read_result == -1)
            world_step();
        ck_assert_int_eq(read_result, last.size);
        ck_assert_int_eq(bytes[last.size - 1 - 8], 'x');
        world_end();
    }
    heap_give(bytes);
}
END_TEST

/* ---- a file that is written anew ------------------------------------------------------------ */

#define BATCHES 7u

static void on_block(struct log_block_op *op, enum err err)
{
    (void)op;
    ck_assert_int_eq(err, OK);
    last.ended = true;
}

static void write_block(void)
{
    static struct log_block_op op;

    op = (struct log_block_op){
        .index = w.durable, .term = 1, .hash = last.hash, .body = BYTES("x"), .done = on_block};
    log_set_committed(w.log, w.durable);
    last.ended = false;
    log_block_write(w.log, &op);
    while (!last.ended)
        world_step();
}

static void on_erase(uint8_t *record, uint32_t size)
{
    (void)record;
    (void)size;
}

static void on_erased(struct log_erase_op *op, enum err err)
{
    (void)op;
    last.ended = true;
    last.err = err;
}

/* The first file has one batch that is on the disk and two that only the journal has; its first
 * record is at *first. */
static void half_synced(uint64_t seed, struct log_erased *first)
{
    begin(seed, 0);
    append(2000);
    *first = (struct log_erased){last.place, last.size};
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
        world_step();
    faults.sync_error = faults.sync_evicts = 0;
    sim_set_faults(w.sim, w.node, &faults);
    sim_run(w.sim, 3000 * MILLI);
}

static void check_all_is_there(void)
{
    world_crash(SIM_CRASH_POWER);
    world_open();
    ck_assert_uint_eq(w.lost, 0);
    ck_assert_uint_eq(w.recovered, BATCHES);
    world_end();
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
        last.ended = false;
        log_erase(w.log, &op);
        lose_pages(seed);
        ck_assert(last.ended);
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
    last.ended = false;
    log_erase(w.log, &op);
    sim_run(w.sim, 1000 * MILLI);
    ck_assert(last.ended);
    ck_assert_int_eq(last.err, OK);
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
