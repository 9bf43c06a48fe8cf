/*
 * What is written ahead (docs/flights.md), over a disk whose syncs take long and whose writes do
 * not: batch 2 is in the air and batch 3 stands behind it, written, each too large for the journal.
 */
#include "storage/flaws.h"
#include "tests/unit/storage/world.h"

#define SIZE      9000u
#define SEEDS     40u
#define SYNC_NS   (5 * MILLI)
#define CERTAINLY 1000000u

/* Of each batch that was recovered, or is durable. */
static struct {
    log_place places[32];
    uint32_t sizes[32];
    uint8_t fills[32];
} batches;

static struct {
    bool ended;
    enum err err;
} erasing;

static void note(const struct log_batch *batch)
{
    ck_assert_uint_lt(batch->index, 32);
    batches.places[batch->index] = batch->records_place;
    batches.sizes[batch->index] = (uint32_t)batch->records.size;
    batches.fills[batch->index] = batch->records.at[batch->records.size - 16];
}

static void disk(int64_t ns, uint32_t sync_error, uint32_t write_error)
{
    struct sim_faults faults = sim_faults_none();

    faults.disk_min_ns = faults.disk_max_ns = ns;
    faults.sync_error = sync_error;
    faults.write_error = write_error;
    sim_set_faults(w.sim, w.node, &faults);
}

/* Batch 1 is durable. */
static void begin_world(uint64_t seed, uint64_t flaws, uint32_t ahead_min, uint32_t journal_max)
{
    struct store_options options = {.segment_size = 256 << 10,
                                    .journal_file_size = 64 << 10,
                                    .journal_batch_max = journal_max,
                                    .ahead_min = ahead_min,
                                    .reserve = UINT64_MAX,
                                    .flaws = flaws};

    world_create(seed, options);
    w.seen = note;
    world_begin();
    world_append(100, 1);
}

/* Batch 1 is durable and the sync of batch 2 is under way. */
static void begin_syncing(uint64_t seed, uint64_t flaws, uint32_t ahead_min)
{
    begin_world(seed, flaws, ahead_min, 1);
    disk(SYNC_NS, 0, 0);
    world_seal(SIZE, 2);
    while (w.log->phase != LOG_SYNCING)
        world_step();
    disk(1000, 0, 0);
}

static void begin(uint64_t seed, uint64_t flaws)
{
    begin_syncing(seed, flaws, 1);
    world_seal(SIZE, 3);
    while (w.log->ahead->segment != WITNESS_DONE)
        world_step();
    ck_assert_int_eq(w.log->phase, LOG_SYNCING);
    ck_assert_uint_eq(w.durable, 1);
}

static void crash(enum sim_crash_mode mode)
{
    world_crash(mode);
    world_open();
}

static void check_fills(uint64_t last)
{
    for (uint64_t i = 1; i <= last; i++)
        ck_assert_uint_eq(batches.fills[i], i);
}

/* ---- what is durable ------------------------------------------------------------------------ */

/* How many of what was told as durable right when batch 2 was are missing after a power cut. */
static uint64_t lacks_after_first_sync(uint64_t flaws)
{
    uint64_t lacks = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t durable;

        begin(seed, flaws);
        disk(SYNC_NS, 0, 0);
        world_settle(2);
        durable = w.durable;
        crash(SIM_CRASH_POWER);
        lacks += w.recovered < durable ? durable - w.recovered : 0;
        ck_assert_uint_eq(w.lost, 0);
        check_fills(w.recovered);
        world_end();
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
    world_settle(3);
    ck_assert_uint_eq(batches.places[2] >> 32, batches.places[3] >> 32);
    crash(SIM_CRASH_POWER);
    ck_assert_uint_eq(w.recovered, 3);
    check_fills(3);
    world_end();
}
END_TEST

START_TEST(what_is_sealed_during_a_write_ahead_follows_in_the_same_flight)
{
    begin_syncing(1, 0, 1);
    disk(MILLI, 0, 0);
    world_seal(SIZE, 3);
    while (w.log->ahead->segment != WITNESS_WAITING)
        world_step();
    world_seal(SIZE, 4);
    world_seal(SIZE, 5);
    while (w.log->ahead->batches.count < 3)
        world_step();
    ck_assert_uint_eq(w.durable, 1);
    world_settle(5);
    crash(SIM_CRASH_POWER);
    ck_assert_uint_eq(w.recovered, 5);
    check_fills(5);
    world_end();
}
END_TEST

/* ---- holes ---------------------------------------------------------------------------------- */

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
            world_seal(SIZE, (uint8_t)(recovered + 1));
            world_settle(recovered + 1);
            crash(SIM_CRASH_POWER); /* what stood behind a hole does not come back */
            ck_assert_uint_eq(w.recovered, recovered + 1);
            ck_assert_uint_eq(w.lost, 0);
            check_fills(recovered + 1);
        }
        world_end();
    }
    return lost;
}

START_TEST(a_batch_whole_behind_one_that_the_power_took_never_happened)
{
    ck_assert_uint_eq(lost_in_the_air(0), 0);
    ck_assert_uint_gt(lost_in_the_air(FLAW_AHEAD_PROVES), 0);
}
END_TEST

/* ---- failures ------------------------------------------------------------------------------- */

/* The sync of batch 2 fails with batch 3 written, later ones do not; then the power goes. */
static uint64_t lacks_after_failed_sync(uint64_t flaws)
{
    uint64_t lacks = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed, flaws);
        disk(1000, CERTAINLY, 0);
        while (!store_doubts(w.store, WORLD_LOG))
            world_step();
        disk(1000, 0, 0);
        world_settle(3);
        crash(SIM_CRASH_POWER);
        lacks += 3 - w.recovered;
        world_end();
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
    world_seal(SIZE, 3);
    while (!w.log->active->condemned)
        world_step();
    ck_assert_int_eq(w.log->ahead->segment, WITNESS_WAITING);
    ck_assert_int_eq(w.log->phase, LOG_SYNCING);
    disk(1000, 0, 0);
    world_settle(3);
    ck_assert_uint_eq(batches.places[2] >> 32, 1);
    ck_assert_uint_eq(batches.places[3] >> 32, 1);
    crash(SIM_CRASH_POWER);
    ck_assert_uint_eq(w.recovered, 3);
    check_fills(3);
    world_end();
}
END_TEST

START_TEST(a_failed_write_ahead_leaves_the_batch_before_it_and_goes_to_a_new_file)
{
    begin_syncing(1, 0, 1);
    disk(1000, 0, CERTAINLY);
    world_seal(SIZE, 3);
    while (w.log->ahead->segment != WITNESS_FAILED)
        world_step();
    disk(1000, 0, 0);
    ck_assert_uint_eq(w.durable, 1);
    world_settle(3);
    ck_assert_uint_eq(batches.places[2] >> 32, 0);
    ck_assert_uint_eq(batches.places[3] >> 32, 1);
    crash(SIM_CRASH_POWER);
    ck_assert_uint_eq(w.recovered, 3);
    ck_assert_uint_eq(w.lost, 0);
    check_fills(3);
    world_end();
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
        world_seal(40000, (uint8_t)i);
        world_settle(i);
    }
    world_seal(SIZE, 5);
    while (w.log->phase != LOG_WRITING)
        world_step();
    while (w.log->phase == LOG_WRITING && w.log->flight->segment == WITNESS_WAITING &&
           w.log->flight->journal == WITNESS_WAITING)
        world_step();
    if (w.log->phase != LOG_WRITING || w.log->flight->segment != WITNESS_WAITING)
        return false;
    disk(1000, 0, CERTAINLY);
    return true;
}

static void on_erased(struct log_erase_op *op, enum err err)
{
    (void)op;
    erasing.ended = true;
    erasing.err = err;
}

/* ---- erasing -------------------------------------------------------------------------------- */

static void blank(uint8_t *record, uint32_t size)
{
    memset(record + 16, 0, size - 16);
}

static enum err erase_batch(uint64_t index)
{
    struct log_erased first = {batches.places[index], batches.sizes[index]};
    struct log_erase_op op = {.at = &first, .count = 1, .erase = blank, .done = on_erased};

    erasing.ended = false;
    log_erase(w.log, &op);
    sim_run(w.sim, 10000 * MILLI);
    ck_assert(erasing.ended);
    return erasing.err;
}

/* Its file is condemned, and it stands in the next one, too. */
START_TEST(what_a_failed_sync_left_in_its_file_is_erased_there_too)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed, 0);
        disk(1000, CERTAINLY, 0);
        while (!store_doubts(w.store, WORLD_LOG))
            world_step();
        disk(1000, 0, 0);
        world_settle(3);
        ck_assert_int_eq(erase_batch(3), OK);
        ck_assert_uint_eq(world_files_with(3), 0);
        world_end();
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
                world_step();
            disk(1000, 0, 0);
            w.may_fail = false;
            world_settle(5);
            crash(SIM_CRASH_KILL);
            ck_assert_uint_eq(w.recovered, 5);
            ck_assert_uint_eq(batches.places[5] >> 32, 1);
            ck_assert_int_eq(erase_batch(5), OK);
            ck_assert_uint_eq(world_files_with(5), 0);
            count++;
        }
        world_end();
    }
    ck_assert_uint_gt(count, 2 * SEEDS);
}
END_TEST

/* A file of the journal has batch 2; a write to it fails. False: the other one was first. */
static bool fail_journal_file(uint64_t seed)
{
    begin_world(seed, 0, 1 << 20, 32 << 10);
    sim_run(w.sim, 1000 * MILLI);
    world_seal(SIZE, 2);
    world_settle(2);
    world_seal(SIZE, 3);
    while (w.log->phase != LOG_WRITING)
        world_step();
    while (w.log->phase == LOG_WRITING && w.log->flight->segment == WITNESS_WAITING)
        world_step();
    if (w.log->phase != LOG_WRITING || w.log->flight->journal != WITNESS_WAITING)
        return false;
    disk(1000, 0, CERTAINLY);
    while (w.log->phase == LOG_WRITING)
        world_step();
    disk(1000, 0, 0);
    world_settle(3);
    return true;
}

START_TEST(what_stands_in_a_failed_journal_file_is_erased_there_too)
{
    unsigned count = 0;

    for (uint64_t seed = 1; seed <= 10 * SEEDS; seed++) {
        if (fail_journal_file(seed)) {
            world_seal(40000, 4); /* nothing needs that file any more */
            world_settle(4);
            ck_assert_uint_eq(world_files_with(2), 2);
            ck_assert_int_eq(erase_batch(2), OK);
            ck_assert_uint_eq(world_files_with(2), 0);
            count++;
        }
        world_end();
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
    world_seal(100, 2);
    world_settle(2);
    ck_assert_uint_ne(w.log->files[0]->cover.held, 0);
    disk(1000, 0, CERTAINLY);
    world_seal(SIZE, 3);
    while (!store_doubts(w.store, WORLD_LOG))
        world_step();
    disk(1000, 0, 0);
    world_settle(3);
    ck_assert_uint_eq(batches.places[3] >> 32, 1);
    first = (struct log_erased){batches.places[3], batches.sizes[3]};
    op.at = &first;
    log_erase(w.log, &op);
    sim_run(w.sim, 10000 * MILLI);
    ck_assert(erasing.ended);
    ck_assert_int_eq(erasing.err, OK);
    world_end();
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
            world_step();
        disk(1000, 0, 0);
        crash(SIM_CRASH_KILL);
        answered = w.recovered;
        crash(SIM_CRASH_POWER);
        lacks += answered > w.recovered ? answered - w.recovered : 0;
        ck_assert_uint_eq(w.lost, 0);
        world_end();
    }
    return lacks;
}

START_TEST(recovery_writes_anew_all_that_no_mark_covers)
{
    ck_assert_uint_eq(lacks_after_kill(0), 0);
    ck_assert_uint_gt(lacks_after_kill(FLAW_REWRITE_LAST_ONLY), 0);
}
END_TEST

/* ---- cuts, closing -------------------------------------------------------------------------- */

static void cut_and_go_on(uint64_t index)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed, 0);
        log_cut(w.log, index);
        if (w.durable > index)
            w.durable = index;
        for (uint64_t i = index + 1; i <= 4; i++)
            world_seal(SIZE, (uint8_t)(i + 10));
        world_settle(4);
        ck_assert_uint_eq(batches.places[index + 1] >> 32, 1); /* behind the cut: a new file */
        if (seed % 2 == 0)
            crash(SIM_CRASH_POWER);
        for (uint64_t i = 1; i <= 4; i++)
            ck_assert_uint_eq(batches.fills[i], i <= index ? i : i + 10);
        world_end();
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
    uint64_t durable = 0;
    struct log *other = world_other(WORLD_LOG + 1, &durable);

    for (unsigned i = 0; i < count; i++) { /* that of before is needed no more, and not yet gone */
        size_t size = i % 6 == 4 ? 40000 : SIZE;

        world_seal_in(other, size, 1);
        while (durable <= i)
            world_step();
    }
}

/* A small batch behind three large ones, in space that the file has had since its last sync, is
 * taken back while it is on its way: the journal has it, and the power may take that space. */
START_TEST(what_a_cut_took_back_is_not_missed_in_its_file)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin_world(seed, 0, 1, 32 << 10);
        for (uint64_t i = 2; i <= 4; i++) {
            world_seal(40000, (uint8_t)i);
            world_settle(i);
        }
        world_seal(SIZE, 5);
        while (w.log->phase != LOG_WRITING)
            world_step();
        log_cut(w.log, 4);
        while (w.log->phase != LOG_IDLE)
            world_step();
        others_go_on(6);
        crash(SIM_CRASH_POWER);
        ck_assert_uint_eq(w.cut_short, 0);
        ck_assert_uint_eq(w.lost, 0);
        ck_assert_uint_ge(w.recovered, 4); /* no file names the cut yet */
        check_fills(w.recovered);
        world_end();
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
            while (w.failures == 0)
                world_step();
            go_on_and_start_again((unsigned)(seed % 12));
            count++;
        }
        world_end();
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
                world_step();
            go_on_and_start_again((unsigned)(seed % 12));
            count++;
        }
        world_end();
    }
    ck_assert_uint_gt(count, 2 * SEEDS);
}
END_TEST

START_TEST(closing_tells_nothing_more_and_ends_when_both_writes_have)
{
    begin_syncing(1, 0, 1);
    disk(2 * SYNC_NS, 0, 0);
    world_seal(SIZE, 3);
    while (w.log->ahead->segment != WITNESS_WAITING)
        world_step();
    log_close(w.log);
    while (!store_idle(w.store))
        world_step();
    ck_assert_uint_eq(w.durable, 1);
    ck_assert_int_eq(world_open_log(), OK);
    ck_assert_uint_ge(w.recovered, 1);
    check_fills(w.recovered);
    world_end();
}
END_TEST

/* ---- what goes ahead ------------------------------------------------------------------------ */

/* A batch of that size is sealed when the sync of batch 2, too large for the journal, is under way
 * or, alone, some time later: is the journal to have it? */
static bool journal_takes(size_t size, bool alone)
{
    bool takes;

    begin_world(1, 0, 1 << 20, 32 << 10);
    sim_run(w.sim, 1000 * MILLI); /* the journal has a file by then */
    world_seal(40000, 2);
    if (alone)
        world_settle(2);
    if (alone)
        sim_run(w.sim, 10 * MILLI);
    else
        while (w.log->phase != LOG_SYNCING)
            world_step();
    world_seal(size, 3);
    while (w.log->phase != LOG_WRITING || w.durable < 2)
        world_step();
    takes = w.log->flight->journal != WITNESS_NONE;
    world_settle(3);
    world_end();
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
    world_seal(SIZE, 3);
    world_gather(w.log, 100, 4);
    ck_assert(!log_ready_ahead(w.log));
    while (w.durable == 1) {
        world_step();
        ck_assert_uint_eq(w.log->ahead->batches.count, 0);
    }
    world_settle(3);
    world_end();
}
END_TEST

START_TEST(much_may_be_sealed_while_a_large_write_is_on_its_way_and_room_is_left)
{
    begin_syncing(1, 0, SIZE);
    ck_assert(!log_ready(w.log));
    world_gather(w.log, SIZE, 3);
    ck_assert(log_ready_ahead(w.log));
    (void)log_seal(w.log, 1, 1, 1);
    world_gather(w.log, SIZE, 4);
    ck_assert(log_ready_ahead(w.log));
    world_gather(w.log, LOG_WAITING_MAX, 4);
    ck_assert(!log_ready_ahead(w.log));
    log_gather_drop(w.log);
    world_settle(3);
    world_gather(w.log, SIZE, 4);
    ck_assert(!log_ready_ahead(w.log)); /* it is simply ready */
    ck_assert(log_ready(w.log));
    world_end();
}
END_TEST

START_TEST(nothing_goes_ahead_into_a_file_that_ends)
{
    begin_syncing(1, 0, 1);
    log_roll(w.log);
    world_seal(SIZE, 3);
    while (w.durable == 1) {
        world_step();
        ck_assert_uint_eq(w.log->ahead->batches.count, 0);
    }
    world_settle(3);
    ck_assert_uint_eq(batches.places[3] >> 32, 1);
    world_end();
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
