/*
 * What a cut leaves behind: durable batches that never happened after all go from the files and the
 * journal when something is erased, and a crash on the way loses nothing that counts.
 */
#include "tests/unit/storage/world.h"

#define BATCHES 12u
#define BEYOND  100u
#define TERM    4u
#define SEEDS   8u

static struct {
    uint64_t block; /* that the last start found */
    bool ended;
    enum err err;
    unsigned reports;
    uint8_t kept;   /* what is cut is behind it */
    unsigned steps; /* after so many it crashes */
    bool early;     /* it did before what it was to crash in was done */
} now;

typedef void scene_fn(uint64_t seed);

/* ---- a log ----------------------------------------------------------------------------------- */

static void on_below(void *context, uint64_t first, uint64_t last)
{
    (void)context;
    (void)first;
    (void)last;
}

static enum err on_block(void *context, const struct log_block *block)
{
    (void)context;
    now.block = block->index;
    return OK;
}

static void on_report(void *context, const char *text)
{
    (void)context;
    (void)text;
    now.reports++;
}

static void start_again(void)
{
    now.block = 0;
    world_open();
    ck_assert_uint_eq(w.cut_short, 0);
}

static void crash(enum sim_crash_mode mode)
{
    world_crash(mode);
    start_again();
}

/* Three or so stand in a file; each is filled with its `fill`. */
static void append(uint8_t fill)
{
    world_append(4500, fill);
}

/* Twelve durable batches, of which the first five are committed, or all but the last one. The
 * journal has them all, and a start writes them anew, or none. */
static void begin(uint64_t seed)
{
    struct store_options options = {.segment_size = 16 << 10,
                                    .journal_file_size = 64 << 10,
                                    .journal_batch_max = seed % 4 < 2 ? 64 << 10 : 1,
                                    .ahead_min = 1 << 20,
                                    .reserve = UINT64_MAX,
                                    .report = on_report};

    memset(&now, 0, sizeof now);
    now.kept = seed % 8 < 4 ? 5 : BATCHES - 1;
    world_create(seed, options);
    w.recovery = (struct log_recovery){.block = on_block, .gone = on_below, .unread = on_below};
    w.term = TERM;
    world_begin();
    for (uint8_t i = 1; i <= BATCHES; i++)
        append(i);
    log_set_committed(w.log, now.kept);
}

static void cut(void)
{
    log_cut(w.log, now.kept);
    w.durable = now.kept;
}

/* All that counts is there; of what was cut nothing is. */
static void check_files(void)
{
    for (uint8_t i = 1; i <= now.kept; i++)
        ck_assert_uint_ge(world_files_with(i), 1);
    for (uint8_t i = now.kept + 1; i <= BATCHES; i++)
        ck_assert_uint_eq(world_files_with(i), 0);
}

/* ---- erasing --------------------------------------------------------------------------------- */

static void on_erased(struct log_erase_op *op, enum err err)
{
    (void)op;
    now.ended = true;
    now.err = err;
}

static struct log_erase_op op;

static void begin_erasing(void)
{
    op = (struct log_erase_op){.done = on_erased};
    now.ended = false;
    log_erase(w.log, &op);
}

static void erase(void)
{
    begin_erasing();
    sim_run(w.sim, 5000 * MILLI);
    ck_assert(now.ended);
    ck_assert_int_eq(now.err, OK);
    ck_assert(!log_remains(w.log));
}

START_TEST(what_was_durable_when_it_was_cut_goes)
{
    begin(1);
    ck_assert_uint_ge(world_files_with(now.kept + 1), 1);
    cut();
    ck_assert(log_remains(w.log));
    append(200); /* its file says what was cut */
    erase();
    check_files();
    ck_assert_uint_ge(world_files_with(200), 1);
    crash(SIM_CRASH_POWER);
    ck_assert_uint_eq(w.recovered, now.kept + 1);
    ck_assert_uint_eq(w.lost, 0);
    check_files();
    world_end();
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
    ck_assert_uint_eq(w.recovered, now.kept + 1);
    ck_assert_uint_eq(w.lost, 0);
    world_end();
}
END_TEST

static void crash_on_the_way(uint64_t seed)
{
    for (unsigned i = 0; i < now.steps && !now.ended; i++)
        ck_assert(sim_step(w.sim));
    now.early = !now.ended;
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
            now.steps = steps;
            scene(seed);
            early = early || now.early;
            world_end();
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
    ck_assert(w.recovered == now.kept || w.recovered == BATCHES);
    if (w.recovered == BATCHES) {
        log_set_committed(w.log, now.kept);
        cut();
    }
    append(200);
    if (log_remains(w.log))
        erase();
    check_files();
    crash(SIM_CRASH_POWER);
    ck_assert_uint_eq(w.recovered, now.kept + 1);
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
    mark = (struct places_mark *)places_find(&w.log->places, now.kept);
    at = mark->place & UINT32_MAX;
    snprintf(path, sizeof path, "data/logs/%016x/%016llx.seg", WORLD_LOG,
             (unsigned long long)log_file_id(w.log, (uint32_t)(mark->place >> 32)));
    ck_assert(sim_flip(w.sim, w.node, path, at + 20, 3));
    erase();
    ck_assert_uint_eq(now.reports, 1);
    ck_assert_uint_eq(world_files_with(now.kept), 1);
    ck_assert_uint_eq(world_files_with(BATCHES), 0); /* it stood in another file */
    world_end();
}
END_TEST

static void on_written(struct log_block_op *block, enum err err)
{
    (void)block;
    ck_assert_int_eq(err, OK);
    now.ended = true;
}

static void write_block(uint64_t index)
{
    struct log_block_op block = {
        .index = index, .term = TERM, .body = BYTES("the state"), .done = on_written};

    now.ended = false;
    log_block_write(w.log, &block);
    sim_run(w.sim, 1000 * MILLI);
    ck_assert(now.ended);
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
    ck_assert_ptr_null(file_of(now.kept)->pack);
    erase();
    log_pack(w.log);
    sim_run(w.sim, 5000 * MILLI);
    ck_assert_ptr_nonnull(file_of(now.kept)->pack);
    for (uint8_t i = now.kept + 1; i <= BATCHES; i++)
        ck_assert_uint_eq(world_files_with(i), 0);
    world_end();
}
END_TEST

/* ---- blocks of other replicas --------------------------------------------------------------- */

static struct log_take_op taking;

static void on_taken(struct log_take_op *take, enum err err)
{
    (void)take;
    ck_assert_int_eq(err, OK);
    now.ended = true;
}

static void begin_taking(void)
{
    taking = (struct log_take_op){.index = BEYOND,
                                  .term = TERM,
                                  .body = BYTES("the state"),
                                  .local = BYTES("places"),
                                  .cut = now.kept,
                                  .done = on_taken};
    now.ended = false;
    log_take(w.log, &taking);
}

START_TEST(what_is_cut_for_the_block_of_another_replica_goes)
{
    begin(1);
    begin_taking();
    sim_run(w.sim, 1000 * MILLI);
    ck_assert(now.ended);
    w.durable = BEYOND;
    ck_assert(log_remains(w.log));
    erase();
    check_files();
    world_end();
}
END_TEST

static unsigned taken_early;

static void crash_in_taking(uint64_t seed)
{
    begin_taking();
    crash_on_the_way(seed);
    ck_assert(now.block == 0 || now.block == BEYOND);
    ck_assert_uint_eq(log_durable(w.log), now.block == 0 ? BATCHES : BEYOND);
    if (now.block == 0)
        return;
    ck_assert(log_remains(w.log));
    if (now.early)
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
