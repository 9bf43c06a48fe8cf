/* Where a log ends, said by a file of its own: what a start found wrong with the end of the newest
 * one is found by no later start, whenever the power fails. */
#include "storage/paths.h"
#include "tests/unit/storage/world.h"

#define BATCHES 3u

static uint64_t newest; /* the id of the newest file */

static void crash(void)
{
    world_crash(SIM_CRASH_POWER);
}

static void pass(void)
{
    sim_run(w.sim, SECOND);
}

static void append(void)
{
    uint64_t before = w.durable;

    world_seal(10000, 'x');
    pass();
    ck_assert_uint_eq(w.durable, before + 1);
}

static void found(void *context, const char *name, bool directory)
{
    uint64_t id;

    (void)context;
    if (!directory && path_read_segment(name, &id) && id > newest)
        newest = id;
}

/* The server is down, and its newest file loses its end, `back` bytes of it. */
static void cut_file(uint64_t back)
{
    struct io_file *file;
    uint64_t size;

    w.io = sim_node_io(w.sim, w.node);
    newest = 0;
    ck_assert_int_eq(io_list(w.io, path_log("data", WORLD_LOG).text, found, NULL), OK);
    ck_assert_int_eq(
        io_open(w.io, path_segment("data", WORLD_LOG, newest).text, IO_READ | IO_WRITE, &file), OK);
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
    world_create(seed, (struct store_options){0});
    world_prepare();
    world_crash(SIM_CRASH_KILL);
    world_open();
    for (unsigned i = 0; i < BATCHES; i++)
        append();
    crash();
    cut_file(back);
    world_open();
    ck_assert_uint_eq(w.cut_short, 1);
    ck_assert_uint_eq(w.recovered, BATCHES);
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
    world_open();
    ck_assert_uint_eq(w.cut_short, 1);
    ck_assert(log_end_unsaid(w.log));
    say();
    ck_assert(!log_end_unsaid(w.log));
    for (unsigned life = 0; life < 2; life++) {
        crash();
        world_open();
        ck_assert_uint_eq(w.cut_short, 0);
        ck_assert_uint_eq(w.lost, 0);
        ck_assert_uint_eq(w.recovered, BATCHES);
        ck_assert(!log_end_unsaid(w.log));
    }
    append();
    crash();
    world_open();
    ck_assert_uint_eq(w.recovered, BATCHES + 1);
    world_end();
}
END_TEST

START_TEST(the_file_that_says_so_may_be_cut_short_itself)
{
    begin(2, BEHIND);
    say();
    crash();
    cut_file(1000);
    world_open();
    ck_assert_uint_eq(w.cut_short, 1);
    ck_assert(log_end_unsaid(w.log));
    world_end();
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
    world_open();
    ck_assert_uint_eq(w.recovered, BATCHES);
    ck_assert_uint_eq(w.lost, 0);
    ck_assert(!said || w.cut_short == 0);
    ck_assert(log_end_unsaid(w.log) == (w.cut_short != 0));
    append();
    crash();
    world_open();
    ck_assert_uint_eq(w.recovered, BATCHES + 1);
    ck_assert_uint_eq(w.cut_short, 0);
    world_end();
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
    world_open();
    ck_assert_uint_eq(w.cut_short, 0);
    ck_assert_uint_eq(w.recovered, BATCHES);
    world_end();
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
        world_open();
        ck_assert_uint_eq(w.recovered, BATCHES + (life == 0));
        world_end();
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
