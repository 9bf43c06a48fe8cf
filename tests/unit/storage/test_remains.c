/*
 * What a cut leaves behind: durable batches that never happened after all go from the files and the
 * journal when something is erased, and a crash on the way loses nothing that counts.
 */
#include <stdio.h>
#include <string.h>

#include "base/io_sim.h"
#include "storage/log.h"
#include "storage/record.h"
#include "storage/store.h"
#include "tests/unit/unit.h"

#define LOG_ID      7u
#define MILLI       INT64_C(1000000)
#define BATCHES     12u
#define BEYOND      100u
#define TERM        4u
#define NEEDLE_SIZE 64u

static struct {
    struct sim *sim;
    size_t node;
    struct io *io;
    struct store *store;
    struct log *log;
    uint64_t durable, recovered, lost, block;
    bool ended;
    enum err err;
    unsigned reports;
    uint8_t kept; /* what is cut is behind it */
    uint32_t journal_max;
    unsigned steps; /* after so many it crashes */
    bool early;     /* it did before what it was to crash in was done */
} w;

#define SEEDS 8u

typedef void scene_fn(uint64_t seed);

/* ---- a log ----------------------------------------------------------------------------------- */

static void on_durable(void *owner, const struct log_batch *batch)
{
    (void)owner;
    ck_assert_uint_eq(batch->index, w.durable + 1);
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
    (void)bytes;
    w.lost += last - first + 1;
}

static void on_below(void *context, uint64_t first, uint64_t last)
{
    (void)context;
    (void)first;
    (void)last;
}

static enum err on_block(void *context, const struct log_block *block)
{
    (void)context;
    w.block = block->index;
    return OK;
}

static void on_cut_short(void *context)
{
    (void)context;
    ck_abort_msg("it takes a file for one that something else has cut");
}

static void on_report(void *context, const char *text)
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

static void open_all(bool first)
{
    static const uint8_t incarnation[16] = "incarnation-0001";
    static const struct log_events events = {on_durable, on_failed};
    struct log_recovery recovery = {on_recovered,       on_lost,
                                    .block = on_block,  .gone = on_below,
                                    .unread = on_below, .cut_short = on_cut_short};
    struct store_options options = {.segment_size = 16 << 10,
                                    .journal_file_size = 64 << 10,
                                    .journal_batch_max = w.journal_max,
                                    .ahead_min = 1 << 20,
                                    .reserve = UINT64_MAX,
                                    .report = on_report};
    struct store_error error;

    w.io = sim_node_io(w.sim, w.node);
    ck_assert_int_eq(store_open(w.io, "data", &options, &w.store, &error), OK);
    if (first)
        ck_assert_int_eq(log_prepare(w.store, LOG_ID, incarnation, bytes_of(NULL, 0)), OK);
    w.recovered = w.lost = w.block = 0;
    ck_assert_int_eq(log_open(w.store, LOG_ID, &recovery, &events, NULL, &w.log), OK);
    w.durable = log_durable(w.log);
    io_set_flush(w.io, flush, NULL);
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

/* Three or so stand in a file; each is filled with its `fill`. */
static void append(uint8_t fill)
{
    uint64_t next = log_appended(w.log) + 1;

    memset(record_begin(log_gather(w.log), 1, 0, 4500), fill, 4500);
    record_end(log_gather(w.log), 4500);
    ck_assert_uint_eq(log_seal(w.log, TERM, 1, 1), next);
    io_wake(w.io);
    while (w.durable < next)
        ck_assert(sim_step(w.sim));
}

/* Twelve durable batches, of which the first five are committed, or all but the last one. The
 * journal has them all, and a start writes them anew, or none. */
static void begin(uint64_t seed)
{
    memset(&w, 0, sizeof w);
    w.journal_max = seed % 4 < 2 ? 64 << 10 : 1;
    w.kept = seed % 8 < 4 ? 5 : BATCHES - 1;
    w.sim = sim_create(seed);
    w.node = sim_node_add(w.sim);
    open_all(true);
    for (uint8_t i = 1; i <= BATCHES; i++)
        append(i);
    log_set_committed(w.log, w.kept);
}

static void cut(void)
{
    log_cut(w.log, w.kept);
    w.durable = w.kept;
}

/* ---- looking for bytes -----------------------------------------------------------------------
 */

static char searched[128];
static uint8_t needle_fill;
static unsigned found_in;

static void search_entry(void *context, const char *name, bool directory)
{
    uint8_t needle[NEEDLE_SIZE];
    char path[256];
    struct bytes content;

    (void)context;
    memset(needle, needle_fill, sizeof needle);
    snprintf(path, sizeof path, "%s/%s", searched, name);
    found_in += !directory && sim_durable(w.sim, w.node, path, &content) &&
                memmem(content.at, content.size, needle, sizeof needle) != NULL;
}

/* In how many files of the log and the journal, as they are on the platter. */
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

/* All that counts is there; of what was cut nothing is. */
static void check_files(void)
{
    for (uint8_t i = 1; i <= w.kept; i++)
        ck_assert_uint_ge(files_with(i), 1);
    for (uint8_t i = w.kept + 1; i <= BATCHES; i++)
        ck_assert_uint_eq(files_with(i), 0);
}

/* ---- erasing --------------------------------------------------------------------------------- */

static void on_erased(struct log_erase_op *op, enum err err)
{
    (void)op;
    w.ended = true;
    w.err = err;
}

static struct log_erase_op op;

static void begin_erasing(void)
{
    op = (struct log_erase_op){.done = on_erased};
    w.ended = false;
    log_erase(w.log, &op);
}

static void erase(void)
{
    begin_erasing();
    sim_run(w.sim, 5000 * MILLI);
    ck_assert(w.ended);
    ck_assert_int_eq(w.err, OK);
    ck_assert(!log_remains(w.log));
}

START_TEST(what_was_durable_when_it_was_cut_goes)
{
    begin(1);
    ck_assert_uint_ge(files_with(w.kept + 1), 1);
    cut();
    ck_assert(log_remains(w.log));
    append(200); /* its file says what was cut */
    erase();
    check_files();
    ck_assert_uint_ge(files_with(200), 1);
    crash(SIM_CRASH_POWER);
    ck_assert_uint_eq(w.recovered, w.kept + 1);
    ck_assert_uint_eq(w.lost, 0);
    check_files();
    end();
}
END_TEST

START_TEST(what_no_file_says_was_cut_goes_when_one_does)
{
    begin(1);
    cut();
    erase();
    check_files();
    append(200);
    crash(SIM_CRASH_POWER);
    ck_assert_uint_eq(w.recovered, w.kept + 1);
    ck_assert_uint_eq(w.lost, 0);
    end();
}
END_TEST

static void crash_on_the_way(uint64_t seed)
{
    for (unsigned i = 0; i < w.steps && !w.ended; i++)
        ck_assert(sim_step(w.sim));
    w.early = !w.ended;
    crash(seed % 2 == 0 ? SIM_CRASH_POWER : SIM_CRASH_KILL);
}

/* Until it comes to that in no seed any more. */
static void at_each_step(scene_fn *scene)
{
    bool early = true;

    for (unsigned steps = 1; early; steps++) {
        early = false;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            begin(seed);
            w.steps = steps;
            scene(seed);
            early = early || w.early;
            end();
        }
    }
}

/* What was cut is all there, or gone and erased by the next life. */
static void crash_in_erasing(uint64_t seed)
{
    cut();
    begin_erasing();
    crash_on_the_way(seed);
    ck_assert_uint_eq(w.lost, 0);
    ck_assert(w.recovered == w.kept || w.recovered == BATCHES);
    if (w.recovered == BATCHES) {
        log_set_committed(w.log, w.kept);
        cut();
    }
    append(200);
    if (log_remains(w.log))
        erase();
    check_files();
    crash(SIM_CRASH_POWER);
    ck_assert_uint_eq(w.recovered, w.kept + 1);
    ck_assert_uint_eq(w.lost, 0);
}

START_TEST(a_crash_on_the_way_loses_nothing_and_the_next_life_goes_on)
{
    at_each_step(crash_in_erasing);
}
END_TEST

/* Of what counts in the file in which the cut is one cannot be read any more. */
START_TEST(nothing_goes_from_a_file_of_which_nobody_knows_where_it_ends)
{
    struct places_mark *mark;
    char path[128];
    uint64_t at;

    begin(1);
    cut();
    append(200);
    mark = (struct places_mark *)places_find(&w.log->places, w.kept);
    at = mark->place & UINT32_MAX;
    snprintf(path, sizeof path, "data/logs/%016x/%016llx.seg", LOG_ID,
             (unsigned long long)log_file_id(w.log, (uint32_t)(mark->place >> 32)));
    ck_assert(sim_flip(w.sim, w.node, path, at + 20, 3));
    erase();
    ck_assert_uint_eq(w.reports, 1);
    ck_assert_uint_eq(files_with(w.kept), 1);
    ck_assert_uint_eq(files_with(BATCHES), 0); /* it stood in another file */
    end();
}
END_TEST

static void on_written(struct log_block_op *block, enum err err)
{
    (void)block;
    ck_assert_int_eq(err, OK);
    w.ended = true;
}

static void write_block(uint64_t index)
{
    struct log_block_op block = {
        .index = index, .term = TERM, .body = BYTES("the state"), .done = on_written};

    w.ended = false;
    log_block_write(w.log, &block);
    sim_run(w.sim, 1000 * MILLI);
    ck_assert(w.ended);
}

static const struct log_file *file_of(uint64_t index)
{
    return w.log->files[places_find(&w.log->places, index)->place >> 32];
}

START_TEST(a_file_is_not_packed_with_what_was_cut)
{
    begin(1);
    cut();
    append(200);
    append(201);
    append(202);
    log_set_committed(w.log, w.durable);
    write_block(w.durable - 1);
    write_block(w.durable);
    log_floor_set(w.log, w.durable);
    log_pack(w.log);
    sim_run(w.sim, 5000 * MILLI);
    ck_assert_ptr_nonnull(file_of(1)->pack);
    ck_assert_ptr_null(file_of(w.kept)->pack);
    erase();
    log_pack(w.log);
    sim_run(w.sim, 5000 * MILLI);
    ck_assert_ptr_nonnull(file_of(w.kept)->pack);
    for (uint8_t i = w.kept + 1; i <= BATCHES; i++)
        ck_assert_uint_eq(files_with(i), 0);
    end();
}
END_TEST

/* ---- blocks of other replicas ----------------------------------------------------------------
 */

static struct log_take_op taking;

static void on_taken(struct log_take_op *take, enum err err)
{
    (void)take;
    ck_assert_int_eq(err, OK);
    w.ended = true;
}

static void begin_taking(void)
{
    taking = (struct log_take_op){.index = BEYOND,
                                  .term = TERM,
                                  .body = BYTES("the state"),
                                  .local = BYTES("places"),
                                  .cut = w.kept,
                                  .done = on_taken};
    w.ended = false;
    log_take(w.log, &taking);
}

START_TEST(what_is_cut_for_the_block_of_another_replica_goes)
{
    begin(1);
    begin_taking();
    sim_run(w.sim, 1000 * MILLI);
    ck_assert(w.ended);
    w.durable = BEYOND;
    ck_assert(log_remains(w.log));
    erase();
    check_files();
    end();
}
END_TEST

static unsigned taken_early;

static void crash_in_taking(uint64_t seed)
{
    begin_taking();
    crash_on_the_way(seed);
    ck_assert(w.block == 0 || w.block == BEYOND);
    ck_assert_uint_eq(log_durable(w.log), w.block == 0 ? BATCHES : BEYOND);
    if (w.block == 0)
        return;
    ck_assert(log_remains(w.log));
    if (w.early)
        taken_early++;
    erase();
    check_files();
    crash(SIM_CRASH_POWER);
    ck_assert_uint_eq(log_durable(w.log), BEYOND);
    append(200);
    crash(SIM_CRASH_POWER);
    ck_assert_uint_eq(log_durable(w.log), BEYOND + 1);
    check_files();
}

/* A start does not read what the block stands for, and finds it all the same. */
START_TEST(it_goes_after_a_start_too_whenever_that_is)
{
    taken_early = 0;
    at_each_step(crash_in_taking);
    ck_assert_uint_gt(taken_early, SEEDS); /* before the file behind it was there */
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_was_durable_when_it_was_cut_goes,
        what_no_file_says_was_cut_goes_when_one_does,
        a_crash_on_the_way_loses_nothing_and_the_next_life_goes_on,
        a_file_is_not_packed_with_what_was_cut,
        nothing_goes_from_a_file_of_which_nobody_knows_where_it_ends,
        what_is_cut_for_the_block_of_another_replica_goes,
        it_goes_after_a_start_too_whenever_that_is,
    };

    return UNIT_RUN_PLAIN("remains", tests);
}
