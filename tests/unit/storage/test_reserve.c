/* What publishes leave of the disk, over a simulated one that fills up. */
#include "storage/reserve.h"
#include "tests/unit/storage/world.h"

#define KEEP (16ull << 20)
#define DISK (64ull << 20)

static struct {
    unsigned reports;
    unsigned journal_files; /* that were listed */
    bool syncs_fail;
    unsigned votes; /* that were taken */
} now;

static void report(void *context, const char *text)
{
    (void)context;
    (void)text;
    now.reports++;
}

static void begin_with_journal(uint64_t keep, uint64_t journal_file_size)
{
    struct store_options options = {
        .journal_file_size = journal_file_size, .reserve = keep, .report = report};

    memset(&now, 0, sizeof now);
    world_create(1, options);
    w.may_fail = true;
    sim_set_capacity(w.sim, w.node, DISK);
    world_begin();
}

static void begin(uint64_t keep)
{
    begin_with_journal(keep, 64 << 10);
}

/* One batch, which is on the disk or refused when this returns. */
static bool append(size_t size)
{
    uint64_t before = w.durable;
    unsigned failures = w.failures;

    world_seal(size, 'x');
    while (w.durable == before && w.failures == failures)
        world_step();
    if (w.durable == before && !now.syncs_fail)
        ck_assert_int_eq(w.failed, ERR_NO_SPACE);
    return w.durable > before;
}

static uint64_t used(void)
{
    uint64_t available, total;

    ck_assert_int_eq(io_space(w.io, &available, &total), OK);
    return total - available;
}

/* Another program takes all but so much. */
static void leave(uint64_t available)
{
    sim_set_capacity(w.sim, w.node, used() + available);
    sim_run(w.sim, SECOND);
    io_wake(w.io); /* the time is the turn's */
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
    ck_assert_uint_eq(now.reports, 1);
    leave(KEEP + 1); /* a little more would be a little less soon */
    ck_assert(!store_admits(w.store, 1));
    leave(2 * KEEP);
    ck_assert(store_admits(w.store, 1));
    ck_assert(!store_space(w.store).scarce);
    ck_assert_uint_eq(now.reports, 2);
    world_end();
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
    world_end();
}
END_TEST

START_TEST(what_comes_between_two_looks_is_counted)
{
    begin(KEEP);
    leave(2 * KEEP);
    ck_assert(store_admits(w.store, KEEP / 2));
    ck_assert(!store_admits(w.store, KEEP));
    world_end();
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
    world_end();
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
    world_end();
}
END_TEST

START_TEST(a_start_on_a_full_disk_has_what_it_needs_and_is_scarce)
{
    begin(KEEP);
    ck_assert(append(1000));
    sim_set_capacity(w.sim, w.node, used());
    world_crash(SIM_CRASH_KILL);
    world_open();
    ck_assert_uint_eq(w.lost, 0);
    ck_assert_uint_eq(w.durable, 1);
    ck_assert(!store_admits(w.store, 1));
    ck_assert(append(1000));
    world_end();
}
END_TEST

START_TEST(a_store_that_keeps_nothing_admits_everything)
{
    begin(UINT64_MAX);
    leave(0);
    ck_assert(store_admits(w.store, DISK));
    while (append(64 << 10)) /* as much as the journal and the segment had */
        ck_assert_uint_lt(w.durable, 1000);
    world_end();
}
END_TEST

/* The journal fills many a file while one sync is under way. */
static void slow_syncs(uint32_t sync_error)
{
    struct sim_faults faults = sim_faults_none();

    faults.sync_ns = SECOND / 2;
    faults.sync_error = sync_error;
    now.syncs_fail = sync_error > 0;
    sim_set_faults(w.sim, w.node, &faults);
}

static void note_file(void *context, const char *name, bool directory)
{
    (void)context;
    (void)name;
    now.journal_files += !directory;
}

static unsigned journal_files(void)
{
    now.journal_files = 0;
    ck_assert_int_eq(io_list(w.io, "data/journal", note_file, NULL), OK);
    return now.journal_files;
}

START_TEST(a_scarce_disk_gives_the_journal_no_third_file_and_batches_go_on)
{
    begin(KEEP);
    ck_assert(append(1000));
    leave(KEEP - 1);
    slow_syncs(0);
    for (unsigned i = 0; i < 100; i++) /* eight to a file: what acks and deletes write */
        ck_assert(append(5000));
    ck_assert_uint_eq(journal_files(), 2);
    world_end();
}
END_TEST

static void on_vote(struct store_vote_op *op, enum err err)
{
    (void)op;
    ck_assert_int_eq(err, OK);
    now.votes++;
}

/* What its files have cannot be synced any more in this life. */
START_TEST(a_scarce_disk_gives_the_journal_another_file_if_votes_found_no_room)
{
    struct store_vote_op op;

    begin(KEEP);
    ck_assert(append(1000));
    leave(KEEP - 1);
    slow_syncs(1000000);
    for (unsigned i = 0; i < 100 && w.failures == 0; i++)
        (void)append(5000);
    slow_syncs(0);
    for (unsigned i = 0; i < 40; i++) {
        op = (struct store_vote_op){.log_id = WORLD_LOG, .vote = {.term = i}, .done = on_vote};
        store_vote(w.store, &op);
        io_wake(w.io);
        sim_run(w.sim, 2 * SECOND);
        ck_assert_uint_eq(now.votes, i + 1);
    }
    world_end();
}
END_TEST

START_TEST(a_disk_that_is_not_scarce_gives_it_more)
{
    begin(KEEP);
    ck_assert(append(1000));
    slow_syncs(0);
    for (unsigned i = 0; i < 100; i++)
        ck_assert(append(5000));
    ck_assert_uint_gt(journal_files(), 2);
    world_end();
}
END_TEST

/* Neither the journal's next file nor the segment's next half is taken from what is kept. */
START_TEST(publishes_that_fill_the_disk_leave_what_is_kept)
{
    begin_with_journal(KEEP, KEEP / 2);
    slow_syncs(0);
    while (store_admits(w.store, 64 << 10)) {
        ck_assert(append(64 << 10));
        ck_assert_uint_lt(w.durable, 1000);
    }
    ck_assert_uint_gt(w.durable, 200);
    sim_run(w.sim, 10 * SECOND);
    ck_assert_uint_ge(store_space(w.store).available, KEEP - KEEP / 8);
    world_end();
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
        a_scarce_disk_gives_the_journal_no_third_file_and_batches_go_on,
        a_scarce_disk_gives_the_journal_another_file_if_votes_found_no_room,
        a_disk_that_is_not_scarce_gives_it_more,
        publishes_that_fill_the_disk_leave_what_is_kept,
    };

    return UNIT_RUN_PLAIN("reserve", tests);
}
