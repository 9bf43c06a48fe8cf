/*
 * What is written ahead (docs/flights.md), over a disk whose syncs take long and whose writes do
 * not: batch 2 is in the air and batch 3 stands behind it, written, each too large for the journal.
 */
#include <stdio.h>
#include <string.h>

#include "base/io_sim.h"
#include "storage/flaws.h"
#include "storage/log.h"
#include "storage/record.h"
#include "storage/store.h"
#include "tests/unit/unit.h"

#define LOG_ID    7u
#define SIZE      9000u
#define SEEDS     40u
#define MILLI     INT64_C(1000000)
#define SYNC_NS   (5 * MILLI)
#define CERTAINLY 1000000u

struct world {
    struct sim *sim;
    size_t node;
    struct io *io;
    struct store *store;
    struct log *log;
    uint64_t flaws;
    uint32_t ahead_min, journal_max;
    bool erased;
    enum err err;
    uint64_t durable, recovered, lost;
    bool may_fail, failed;
    unsigned cut_short; /* a start took a file for one that something else had cut */
    log_place places[32];
    uint32_t sizes[32];
    uint8_t fills[32]; /* of the record that was recovered, or is durable */
};

static struct world w;

static void note(const struct log_batch *batch)
{
    ck_assert_uint_lt(batch->index, 32);
    w.places[batch->index] = batch->records_place;
    w.sizes[batch->index] = (uint32_t)batch->records.size;
    w.fills[batch->index] = batch->records.at[batch->records.size - 16];
}

static void on_durable(void *owner, const struct log_batch *batch)
{
    (void)owner;
    ck_assert_uint_eq(batch->index, w.durable + 1);
    w.durable = batch->index;
    note(batch);
}

static void on_other_durable(void *owner, const struct log_batch *batch)
{
    *(uint64_t *)owner = batch->index;
}

static void on_other_recovered(void *context, const struct log_batch *batch)
{
    (void)context;
    (void)batch;
    ck_abort_msg("it is new");
}

static void on_failed(void *owner, enum err err)
{
    (void)owner;
    if (!w.may_fail)
        ck_abort_msg("a batch failed: %s", err_text(err));
    w.failed = true;
}

static void on_recovered(void *context, const struct log_batch *batch)
{
    (void)context;
    w.recovered = batch->index;
    note(batch);
}

static void on_lost(void *context, uint64_t first, uint64_t last, uint64_t bytes)
{
    (void)context;
    (void)bytes;
    w.lost += last - first + 1;
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

static void open_log(void)
{
    static const struct log_events events = {on_durable, on_failed};
    struct log_recovery recovery = {on_recovered, on_lost, NULL, .cut_short = on_cut_short};

    w.recovered = 0;
    w.lost = 0;
    ck_assert_int_eq(log_open(w.store, LOG_ID, &recovery, &events, NULL, &w.log), OK);
    w.durable = log_durable(w.log);
}

static void open_all(bool first)
{
    static const uint8_t incarnation[16] = "incarnation-0001";
    struct store_options options = {.segment_size = 256 << 10,
                                    .journal_file_size = 64 << 10,
                                    .journal_batch_max = w.journal_max,
                                    .ahead_min = w.ahead_min,
                                    .reserve = UINT64_MAX,
                                    .flaws = w.flaws};
    struct store_error error;

    w.io = sim_node_io(w.sim, w.node);
    ck_assert_int_eq(store_open(w.io, "data", &options, &w.store, &error), OK);
    if (first)
        ck_assert_int_eq(log_prepare(w.store, LOG_ID, incarnation, bytes_of(NULL, 0)), OK);
    open_log();
    io_set_flush(w.io, flush, NULL);
}

static void disk(int64_t ns, uint32_t sync_error, uint32_t write_error)
{
    struct sim_faults faults = sim_faults_none();

    faults.disk_min_ns = faults.disk_max_ns = ns;
    faults.sync_error = sync_error;
    faults.write_error = write_error;
    sim_set_faults(w.sim, w.node, &faults);
}

static void step(void)
{
    ck_assert(sim_step(w.sim));
}

static void gather(size_t size, uint8_t fill)
{
    uint8_t *body = record_begin(log_gather(w.log), 1, 0, size);

    memset(body, fill, size);
    record_end(log_gather(w.log), size);
}

static void seal(size_t size, uint8_t fill)
{
    gather(size, fill);
    (void)log_seal(w.log, 1, 1, 1);
    io_wake(w.io);
}

static void settle(uint64_t durable)
{
    while (w.durable < durable)
        step();
}

/* Batch 1 is durable. */
static void begin_world(uint64_t seed, uint64_t flaws, uint32_t ahead_min, uint32_t journal_max)
{
    w = (struct world){.sim = sim_create(seed),
                       .flaws = flaws,
                       .ahead_min = ahead_min,
                       .journal_max = journal_max};
    w.node = sim_node_add(w.sim);
    open_all(true);
    seal(100, 1);
    settle(1);
}

/* Batch 1 is durable and the sync of batch 2 is under way. */
static void begin_syncing(uint64_t seed, uint64_t flaws, uint32_t ahead_min)
{
    begin_world(seed, flaws, ahead_min, 1);
    disk(SYNC_NS, 0, 0);
    seal(SIZE, 2);
    while (w.log->phase != LOG_SYNCING)
        step();
    disk(1000, 0, 0);
}

static void begin(uint64_t seed, uint64_t flaws)
{
    begin_syncing(seed, flaws, 1);
    seal(SIZE, 3);
    while (w.log->ahead->segment != WITNESS_DONE)
        step();
    ck_assert_int_eq(w.log->phase, LOG_SYNCING);
    ck_assert_uint_eq(w.durable, 1);
}

static void crash(enum sim_crash_mode mode)
{
    sim_crash(w.sim, w.node, mode);
    store_forget(w.store);
    sim_restart(w.sim, w.node);
    open_all(false);
}

static void end(void)
{
    store_forget(w.store);
    sim_destroy(w.sim);
}

static void check_fills(uint64_t last)
{
    for (uint64_t i = 1; i <= last; i++)
        ck_assert_uint_eq(w.fills[i], i);
}

/* ---- what is durable -------------------------------------------------------------------------
 */

/* How many of what was told as durable right when batch 2 was are missing after a power cut. */
static uint64_t lacks_after_first_sync(uint64_t flaws)
{
    uint64_t lacks = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t durable;

        begin(seed, flaws);
        disk(SYNC_NS, 0, 0);
        settle(2);
        durable = w.durable;
        crash(SIM_CRASH_POWER);
        lacks += w.recovered < durable ? durable - w.recovered : 0;
        ck_assert_uint_eq(w.lost, 0);
        check_fills(w.recovered);
        end();
    }
    return lacks;
}

START_TEST(what_is_written_ahead_is_durable_when_a_sync_of_its_own_has_ended)
{
    ck_assert_uint_eq(lacks_after_first_sync(0), 0);
    ck_assert_uint_gt(lacks_after_first_sync(FLAW_AHEAD_SYNCED), 0);
}
END_TEST

START_TEST(both_are_durable_in_order_in_one_file)
{
    begin(1, 0);
    settle(3);
    ck_assert_uint_eq(w.places[2] >> 32, w.places[3] >> 32);
    crash(SIM_CRASH_POWER);
    ck_assert_uint_eq(w.recovered, 3);
    check_fills(3);
    end();
}
END_TEST

START_TEST(what_is_sealed_during_a_write_ahead_follows_in_the_same_flight)
{
    begin_syncing(1, 0, 1);
    disk(MILLI, 0, 0);
    seal(SIZE, 3);
    while (w.log->ahead->segment != WITNESS_WAITING)
        step();
    seal(SIZE, 4);
    seal(SIZE, 5);
    while (w.log->ahead->batches.count < 3)
        step();
    ck_assert_uint_eq(w.durable, 1);
    settle(5);
    crash(SIM_CRASH_POWER);
    ck_assert_uint_eq(w.recovered, 5);
    check_fills(5);
    end();
}
END_TEST

/* ---- holes ------------------------------------------------------------------------------------
 */

/* The power goes before either is durable: *holes counts the times when only batch 3 was whole on
 * the platter. Returns what is told as lost. */
static uint64_t lost_in_the_air(uint64_t flaws)
{
    uint64_t lost = 0;

    for (uint64_t seed = 1; seed <= 10 * SEEDS; seed++) {
        begin(seed, flaws);
        crash(SIM_CRASH_POWER);
        lost += w.lost;
        ck_assert_uint_ge(w.recovered, 1);
        if (flaws == 0) {
            uint64_t recovered = w.recovered;

            check_fills(recovered);
            crash(SIM_CRASH_POWER); /* once answered from, it stays */
            ck_assert_uint_eq(w.recovered, recovered);
            seal(SIZE, (uint8_t)(recovered + 1));
            settle(recovered + 1);
            crash(SIM_CRASH_POWER); /* what stood behind a hole does not come back */
            ck_assert_uint_eq(w.recovered, recovered + 1);
            ck_assert_uint_eq(w.lost, 0);
            check_fills(recovered + 1);
        }
        end();
    }
    return lost;
}

START_TEST(a_batch_whole_behind_one_that_the_power_took_never_happened)
{
    ck_assert_uint_eq(lost_in_the_air(0), 0);
    ck_assert_uint_gt(lost_in_the_air(FLAW_AHEAD_PROVES), 0);
}
END_TEST

/* ---- failures ---------------------------------------------------------------------------------
 */

/* The sync of batch 2 fails with batch 3 written, later ones do not; then the power goes. */
static uint64_t lacks_after_failed_sync(uint64_t flaws)
{
    uint64_t lacks = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed, flaws);
        disk(1000, CERTAINLY, 0);
        while (!store_doubts(w.store, LOG_ID))
            step();
        disk(1000, 0, 0);
        settle(3);
        crash(SIM_CRASH_POWER);
        lacks += 3 - w.recovered;
        end();
    }
    return lacks;
}

START_TEST(a_failed_sync_takes_back_what_was_written_ahead_too)
{
    ck_assert_uint_eq(lacks_after_failed_sync(0), 0);
    ck_assert_uint_gt(lacks_after_failed_sync(FLAW_AHEAD_BELIEVED), 0);
}
END_TEST

START_TEST(a_failed_sync_waits_for_the_write_ahead_before_both_go_to_a_new_file)
{
    begin_syncing(1, 0, 1);
    disk(2 * SYNC_NS, CERTAINLY, 0);
    seal(SIZE, 3);
    while (!w.log->active->condemned)
        step();
    ck_assert_int_eq(w.log->ahead->segment, WITNESS_WAITING);
    ck_assert_int_eq(w.log->phase, LOG_SYNCING);
    disk(1000, 0, 0);
    settle(3);
    ck_assert_uint_eq(w.places[2] >> 32, 1);
    ck_assert_uint_eq(w.places[3] >> 32, 1);
    crash(SIM_CRASH_POWER);
    ck_assert_uint_eq(w.recovered, 3);
    check_fills(3);
    end();
}
END_TEST

START_TEST(a_failed_write_ahead_leaves_the_batch_before_it_and_goes_to_a_new_file)
{
    begin_syncing(1, 0, 1);
    disk(1000, 0, CERTAINLY);
    seal(SIZE, 3);
    while (w.log->ahead->segment != WITNESS_FAILED)
        step();
    disk(1000, 0, 0);
    ck_assert_uint_eq(w.durable, 1);
    settle(3);
    ck_assert_uint_eq(w.places[2] >> 32, 0);
    ck_assert_uint_eq(w.places[3] >> 32, 1);
    crash(SIM_CRASH_POWER);
    ck_assert_uint_eq(w.recovered, 3);
    ck_assert_uint_eq(w.lost, 0);
    check_fills(3);
    end();
}
END_TEST

static void erase(uint8_t *record, uint32_t size)
{
    (void)record;
    (void)size;
}

/* The journal has batch 5, the write to its file fails. False: that came first. */
static bool fail_write_behind_journal(uint64_t seed)
{
    begin_world(seed, 0, 1, 32 << 10);
    w.may_fail = true;
    for (uint64_t i = 2; i <= 4; i++) {
        seal(40000, (uint8_t)i);
        settle(i);
    }
    seal(SIZE, 5);
    while (w.log->phase != LOG_WRITING)
        step();
    while (w.log->phase == LOG_WRITING && w.log->flight->segment == WITNESS_WAITING &&
           w.log->flight->journal == WITNESS_WAITING)
        step();
    if (w.log->phase != LOG_WRITING || w.log->flight->segment != WITNESS_WAITING)
        return false;
    disk(1000, 0, CERTAINLY);
    return true;
}

static void on_erased(struct log_erase_op *op, enum err err)
{
    (void)op;
    w.erased = true;
    w.err = err;
}

/* ---- erasing ----------------------------------------------------------------------------------
 */

#define NEEDLE_SIZE 64u

static char searched[128]; /* below it a file with the bytes is looked for */
static uint8_t needle_fill;
static unsigned found_in;

static bool has_needle(struct bytes content)
{
    uint8_t needle[NEEDLE_SIZE];

    memset(needle, needle_fill, sizeof needle);
    return memmem(content.at, content.size, needle, sizeof needle) != NULL;
}

/* As the system would hand it out. */
static bool file_has_needle(const char *path)
{
    static uint8_t at[256 << 10];
    struct io_file *file;
    uint64_t size;
    bool has;

    ck_assert_int_eq(io_open(w.io, path, IO_READ, &file), OK);
    ck_assert_int_eq(io_size(w.io, file, &size), OK);
    ck_assert_uint_le(size, sizeof at);
    ck_assert_int_eq(io_read_all(w.io, file, 0, at, size), OK);
    has = has_needle(bytes_of(at, size));
    io_close(w.io, file);
    return has;
}

static void search_entry(void *context, const char *name, bool directory)
{
    char path[256];
    struct bytes content;

    (void)context;
    if (directory)
        return;
    snprintf(path, sizeof path, "%s/%s", searched, name);
    found_in += file_has_needle(path) ||
                (sim_durable(w.sim, w.node, path, &content) && has_needle(content));
}

/* In how many files of the log and the journal, as they are on the platter, the batch's bytes are.
 */
static unsigned files_with(uint8_t fill)
{
    found_in = 0;
    needle_fill = fill;
    snprintf(searched, sizeof searched, "data/journal");
    ck_assert_int_eq(io_list(w.io, searched, search_entry, NULL), OK);
    snprintf(searched, sizeof searched, "data/logs/%016x", LOG_ID);
    ck_assert_int_eq(io_list(w.io, searched, search_entry, NULL), OK);
    return found_in;
}

static void blank(uint8_t *record, uint32_t size)
{
    memset(record + 16, 0, size - 16);
}

static enum err erase_batch(uint64_t index)
{
    struct log_erased first = {w.places[index], w.sizes[index]};
    struct log_erase_op op = {.at = &first, .count = 1, .erase = blank, .done = on_erased};

    w.erased = false;
    log_erase(w.log, &op);
    sim_run(w.sim, 10000 * MILLI);
    ck_assert(w.erased);
    return w.err;
}

/* Its file is condemned, and it stands in the next one, too. */
START_TEST(what_a_failed_sync_left_in_its_file_is_erased_there_too)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed, 0);
        disk(1000, CERTAINLY, 0);
        while (!store_doubts(w.store, LOG_ID))
            step();
        disk(1000, 0, 0);
        settle(3);
        ck_assert_int_eq(erase_batch(3), OK);
        ck_assert_uint_eq(files_with(3), 0);
        end();
    }
}
END_TEST

/* The start writes it once more behind the end of the file whose write failed. */
START_TEST(what_a_redo_wrote_behind_the_end_of_a_file_is_erased_there_too)
{
    unsigned count = 0;

    for (uint64_t seed = 1; seed <= 10 * SEEDS; seed++) {
        if (fail_write_behind_journal(seed)) {
            while (w.log->phase == LOG_WRITING)
                step();
            disk(1000, 0, 0);
            w.may_fail = false;
            settle(5);
            crash(SIM_CRASH_KILL);
            ck_assert_uint_eq(w.recovered, 5);
            ck_assert_uint_eq(w.places[5] >> 32, 1);
            ck_assert_int_eq(erase_batch(5), OK);
            ck_assert_uint_eq(files_with(5), 0);
            count++;
        }
        end();
    }
    ck_assert_uint_gt(count, 2 * SEEDS);
}
END_TEST

/* A file of the journal has batch 2; a write to it fails. False: the other one was first. */
static bool fail_journal_file(uint64_t seed)
{
    begin_world(seed, 0, 1 << 20, 32 << 10);
    sim_run(w.sim, 1000 * MILLI);
    seal(SIZE, 2);
    settle(2);
    seal(SIZE, 3);
    while (w.log->phase != LOG_WRITING)
        step();
    while (w.log->phase == LOG_WRITING && w.log->flight->segment == WITNESS_WAITING)
        step();
    if (w.log->phase != LOG_WRITING || w.log->flight->journal != WITNESS_WAITING)
        return false;
    disk(1000, 0, CERTAINLY);
    while (w.log->phase == LOG_WRITING)
        step();
    disk(1000, 0, 0);
    settle(3);
    return true;
}

START_TEST(what_stands_in_a_failed_journal_file_is_erased_there_too)
{
    unsigned count = 0;

    for (uint64_t seed = 1; seed <= 10 * SEEDS; seed++) {
        if (fail_journal_file(seed)) {
            seal(40000, 4); /* nothing needs that file any more */
            settle(4);
            ck_assert_uint_eq(files_with(2), 2);
            ck_assert_int_eq(erase_batch(2), OK);
            ck_assert_uint_eq(files_with(2), 0);
            count++;
        }
        end();
    }
    ck_assert_uint_gt(count, 2 * SEEDS);
}
END_TEST

/* Before it something was in the journal only, which must not be held for ever. */
START_TEST(a_file_whose_write_failed_is_synced_all_the_same)
{
    struct log_erase_op op = {.count = 1, .erase = erase, .done = on_erased};
    struct log_erased first;

    begin_world(1, 0, 1, 1000);
    sim_run(w.sim, 1000 * MILLI); /* the journal has a file by then */
    seal(100, 2);
    settle(2);
    ck_assert_uint_ne(w.log->files[0]->cover.held, 0);
    disk(1000, 0, CERTAINLY);
    seal(SIZE, 3);
    while (!store_doubts(w.store, LOG_ID))
        step();
    disk(1000, 0, 0);
    settle(3);
    ck_assert_uint_eq(w.places[3] >> 32, 1);
    first = (struct log_erased){w.places[3], w.sizes[3]};
    op.at = &first;
    log_erase(w.log, &op);
    sim_run(w.sim, 10000 * MILLI);
    ck_assert(w.erased);
    ck_assert_int_eq(w.err, OK);
    end();
}
END_TEST

/* A sync fails with something written ahead, the process is killed before it has done anything
 * about it: memory has both, marked as clean. What is found then is found after a power cut, too.
 */
static uint64_t lacks_after_kill(uint64_t flaws)
{
    uint64_t lacks = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t answered;

        begin(seed, flaws);
        disk(1000, CERTAINLY, 0);
        while (!w.log->files[0]->condemned)
            step();
        disk(1000, 0, 0);
        crash(SIM_CRASH_KILL);
        answered = w.recovered;
        crash(SIM_CRASH_POWER);
        lacks += answered > w.recovered ? answered - w.recovered : 0;
        ck_assert_uint_eq(w.lost, 0);
        end();
    }
    return lacks;
}

START_TEST(recovery_writes_anew_all_that_no_mark_covers)
{
    ck_assert_uint_eq(lacks_after_kill(0), 0);
    ck_assert_uint_gt(lacks_after_kill(FLAW_REWRITE_LAST_ONLY), 0);
}
END_TEST

/* ---- cuts, closing ----------------------------------------------------------------------------
 */

static void cut_and_go_on(uint64_t index)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed, 0);
        log_cut(w.log, index);
        if (w.durable > index)
            w.durable = index;
        for (uint64_t i = index + 1; i <= 4; i++)
            seal(SIZE, (uint8_t)(i + 10));
        settle(4);
        ck_assert_uint_eq(w.places[index + 1] >> 32, 1); /* behind the cut: a new file */
        if (seed % 2 == 0)
            crash(SIM_CRASH_POWER);
        for (uint64_t i = 1; i <= 4; i++)
            ck_assert_uint_eq(w.fills[i], i <= index ? i : i + 10);
        end();
    }
}

START_TEST(a_cut_voids_what_is_written_ahead)
{
    cut_and_go_on(2);
}
END_TEST

START_TEST(a_cut_voids_what_is_in_the_air_and_what_is_written_ahead)
{
    cut_and_go_on(1);
}
END_TEST

START_TEST(a_cut_of_what_was_durable_voids_all_that_follows)
{
    cut_and_go_on(0);
}
END_TEST

/* Small and large batches of another log move the journal on. */
static void others_go_on(unsigned count)
{
    static const struct log_events events = {on_other_durable, on_failed};
    static const uint8_t incarnation[16] = "incarnation-0002";
    struct log_recovery recovery = {on_other_recovered, on_lost, NULL};
    uint64_t durable = 0;
    struct log *other;

    ck_assert_int_eq(log_prepare(w.store, LOG_ID + 1, incarnation, bytes_of(NULL, 0)), OK);
    ck_assert_int_eq(log_open(w.store, LOG_ID + 1, &recovery, &events, &durable, &other), OK);
    for (unsigned i = 0; i < count; i++) { /* that of before is needed no more, and not yet gone */
        size_t size = i % 6 == 4 ? 40000 : SIZE;

        memset(record_begin(log_gather(other), 1, 0, size), 1, size);
        record_end(log_gather(other), size);
        (void)log_seal(other, 1, 1, 1);
        io_wake(w.io);
        while (durable <= i)
            step();
    }
}

/* A small batch behind three large ones, in space that the file has had since its last sync, is
 * taken back while it is on its way: the journal has it, and the power may take that space. */
START_TEST(what_a_cut_took_back_is_not_missed_in_its_file)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin_world(seed, 0, 1, 32 << 10);
        for (uint64_t i = 2; i <= 4; i++) {
            seal(40000, (uint8_t)i);
            settle(i);
        }
        seal(SIZE, 5);
        while (w.log->phase != LOG_WRITING)
            step();
        log_cut(w.log, 4);
        while (w.log->phase != LOG_IDLE)
            step();
        others_go_on(6);
        crash(SIM_CRASH_POWER);
        ck_assert_uint_eq(w.cut_short, 0);
        ck_assert_uint_eq(w.lost, 0);
        ck_assert_uint_ge(w.recovered, 4); /* no file names the cut yet */
        check_fills(w.recovered);
        end();
    }
}
END_TEST

static void go_on_and_start_again(unsigned more)
{
    disk(1000, 0, 0);
    sim_run(w.sim, 2000 * MILLI); /* the journal tries again to make its next file */
    others_go_on(4 + more);
    crash(SIM_CRASH_POWER);
    ck_assert_uint_eq(w.cut_short, 0);
    ck_assert_uint_eq(w.lost, 0);
    ck_assert_uint_ge(w.recovered, 4);
    check_fills(w.recovered);
}

/* Nor can a new file be made: the log ends with the one whose write failed. */
START_TEST(what_a_failed_write_left_in_the_journal_is_not_missed_in_its_file)
{
    unsigned count = 0;

    for (uint64_t seed = 1; seed <= 10 * SEEDS; seed++) {
        if (fail_write_behind_journal(seed)) {
            while (!w.failed)
                step();
            go_on_and_start_again((unsigned)(seed % 12));
            count++;
        }
        end();
    }
    ck_assert_uint_gt(count, 2 * SEEDS);
}
END_TEST

START_TEST(what_a_cut_took_back_whose_write_failed_is_not_missed_in_its_file)
{
    unsigned count = 0;

    for (uint64_t seed = 1; seed <= 10 * SEEDS; seed++) {
        if (fail_write_behind_journal(seed)) {
            log_cut(w.log, 4);
            while (w.log->phase != LOG_IDLE)
                step();
            go_on_and_start_again((unsigned)(seed % 12));
            count++;
        }
        end();
    }
    ck_assert_uint_gt(count, 2 * SEEDS);
}
END_TEST

START_TEST(closing_tells_nothing_more_and_ends_when_both_writes_have)
{
    begin_syncing(1, 0, 1);
    disk(2 * SYNC_NS, 0, 0);
    seal(SIZE, 3);
    while (w.log->ahead->segment != WITNESS_WAITING)
        step();
    log_close(w.log);
    while (!store_idle(w.store))
        step();
    ck_assert_uint_eq(w.durable, 1);
    open_log();
    ck_assert_uint_ge(w.recovered, 1);
    check_fills(w.recovered);
    end();
}
END_TEST

/* ---- what goes ahead --------------------------------------------------------------------------
 */

/* A batch of that size is sealed when the sync of batch 2, too large for the journal, is under way
 * or, alone, some time later: is the journal to have it? */
static bool journal_takes(size_t size, bool alone)
{
    bool takes;

    begin_world(1, 0, 1 << 20, 32 << 10);
    sim_run(w.sim, 1000 * MILLI); /* the journal has a file by then */
    seal(40000, 2);
    if (alone)
        settle(2);
    if (alone)
        sim_run(w.sim, 10 * MILLI);
    else
        while (w.log->phase != LOG_SYNCING)
            step();
    seal(size, 3);
    while (w.log->phase != LOG_WRITING || w.durable < 2)
        step();
    takes = w.log->flight->journal != WITNESS_NONE;
    settle(3);
    end();
    return takes;
}

START_TEST(what_is_sent_when_a_sync_has_ended_has_one_too_unless_it_is_small)
{
    ck_assert(journal_takes(SIZE, true));
    ck_assert(!journal_takes(SIZE, false));
    ck_assert(journal_takes(4000, false));
}
END_TEST

START_TEST(little_waits_for_the_sync_that_is_under_way)
{
    begin_syncing(1, 0, SIZE + 1000);
    seal(SIZE, 3);
    gather(100, 4);
    ck_assert(!log_ready_ahead(w.log));
    while (w.durable == 1) {
        step();
        ck_assert_uint_eq(w.log->ahead->batches.count, 0);
    }
    settle(3);
    end();
}
END_TEST

START_TEST(much_may_be_sealed_while_a_large_write_is_on_its_way_and_room_is_left)
{
    begin_syncing(1, 0, SIZE);
    ck_assert(!log_ready(w.log));
    gather(SIZE, 3);
    ck_assert(log_ready_ahead(w.log));
    (void)log_seal(w.log, 1, 1, 1);
    gather(SIZE, 4);
    ck_assert(log_ready_ahead(w.log));
    gather(LOG_WAITING_MAX, 4);
    ck_assert(!log_ready_ahead(w.log));
    log_gather_drop(w.log);
    settle(3);
    gather(SIZE, 4);
    ck_assert(!log_ready_ahead(w.log)); /* it is simply ready */
    ck_assert(log_ready(w.log));
    end();
}
END_TEST

START_TEST(nothing_goes_ahead_into_a_file_that_ends)
{
    begin_syncing(1, 0, 1);
    log_roll(w.log);
    seal(SIZE, 3);
    while (w.durable == 1) {
        step();
        ck_assert_uint_eq(w.log->ahead->batches.count, 0);
    }
    settle(3);
    ck_assert_uint_eq(w.places[3] >> 32, 1);
    end();
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_is_written_ahead_is_durable_when_a_sync_of_its_own_has_ended,
        both_are_durable_in_order_in_one_file,
        what_is_sealed_during_a_write_ahead_follows_in_the_same_flight,
        a_batch_whole_behind_one_that_the_power_took_never_happened,
        a_failed_sync_takes_back_what_was_written_ahead_too,
        a_failed_sync_waits_for_the_write_ahead_before_both_go_to_a_new_file,
        a_failed_write_ahead_leaves_the_batch_before_it_and_goes_to_a_new_file,
        a_file_whose_write_failed_is_synced_all_the_same,
        what_a_failed_sync_left_in_its_file_is_erased_there_too,
        what_a_redo_wrote_behind_the_end_of_a_file_is_erased_there_too,
        what_stands_in_a_failed_journal_file_is_erased_there_too,
        recovery_writes_anew_all_that_no_mark_covers,
        a_cut_voids_what_is_written_ahead,
        a_cut_voids_what_is_in_the_air_and_what_is_written_ahead,
        a_cut_of_what_was_durable_voids_all_that_follows,
        what_a_cut_took_back_is_not_missed_in_its_file,
        what_a_failed_write_left_in_the_journal_is_not_missed_in_its_file,
        what_a_cut_took_back_whose_write_failed_is_not_missed_in_its_file,
        closing_tells_nothing_more_and_ends_when_both_writes_have,
        what_is_sent_when_a_sync_has_ended_has_one_too_unless_it_is_small,
        little_waits_for_the_sync_that_is_under_way,
        much_may_be_sealed_while_a_large_write_is_on_its_way_and_room_is_left,
        nothing_goes_ahead_into_a_file_that_ends,
    };

    return UNIT_RUN_PLAIN("flights", tests);
}
