/*
 * io_promises: what base/io.h promises of files, work, timers and wake-ups, whoever stands behind
 * it. A test program gives a world and lists IO_PROMISES among its tests.
 */
#ifndef TESTS_UNIT_BASE_IO_PROMISES_H
#define TESTS_UNIT_BASE_IO_PROMISES_H

#include <stdio.h>

#include "base/heap.h"
#include "base/io.h"
#include "base/owner.h"
#include "tests/unit/unit.h"

/* Given by the test program: a fresh world with an empty root, and its end. */
static struct io *world_begin(void);
static void world_end(struct io *io);

#define SECOND INT64_C(1000000000)

/* ---- helpers -------------------------------------------------------------------------------- */

struct request {
    struct io_op op;
    int64_t result;
    int done;
};

static void request_done(struct io_op *op, int64_t result)
{
    struct request *r = owner_of(op, struct request, op);

    r->result = result;
    r->done++;
}

static struct request request_new(void)
{
    return (struct request){.op = {.done = request_done}};
}

static void turn(struct io *io)
{
    ck_assert_int_eq(io_turn(io, SECOND), OK);
}

static int64_t await(struct io *io, struct request *r)
{
    ck_assert(r->op.busy);
    ck_assert_int_eq(r->done, 0); /* never from inside the call that starts it */
    while (r->done == 0)
        turn(io);
    ck_assert(!r->op.busy);
    ck_assert_int_eq(r->done, 1);
    return r->result;
}

static struct io_file *file_open(struct io *io, const char *path, unsigned flags)
{
    struct io_file *file = NULL;

    ck_assert_int_eq(io_open(io, path, flags, &file), OK);
    ck_assert_ptr_nonnull(file);
    return file;
}

static struct io_file *file_create(struct io *io, const char *path, unsigned flags)
{
    return file_open(io, path, IO_READ | IO_WRITE | IO_CREATE | flags);
}

static void file_expect(struct io *io, struct io_file *file, uint64_t offset, struct bytes expected)
{
    uint8_t *got = heap_take(expected.size);

    ck_assert_int_eq(io_read_all(io, file, offset, got, expected.size), OK);
    ck_assert(memcmp(got, expected.at, expected.size) == 0);
    heap_give(got);
}

static uint64_t file_size(struct io *io, struct io_file *file)
{
    uint64_t size = UINT64_MAX;

    ck_assert_int_eq(io_size(io, file, &size), OK);
    return size;
}

static uint8_t *aligned_block(size_t size, uint8_t fill)
{
    uint8_t *at = aligned_alloc(IO_DIRECT_ALIGN, size);

    memset(at, fill, size);
    return at;
}

struct names {
    char text[256];
};

static void names_add(void *context, const char *name, bool directory)
{
    struct names *names = context;
    size_t used = strlen(names->text);

    snprintf(names->text + used, sizeof(names->text) - used, "%s%s ", name, directory ? "/" : "");
}

static void expect_names(struct io *io, const char *path, const char *expected)
{
    struct names names = {0};

    ck_assert_int_eq(io_list(io, path, names_add, &names), OK);
    ck_assert_str_eq(names.text, expected);
}

/* ---- blocking file calls -------------------------------------------------------------------- */

START_TEST(what_is_written_gently_is_there_as_a_whole_and_syncs)
{
    static uint8_t text[(2u << 20) + 7];
    struct io *io = world_begin();
    struct io_file *file = file_create(io, "a", 0);

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 31 >> 7);
    ck_assert_int_eq(io_write_gently(io, file, 5, bytes_of(text, sizeof text)), OK);
    ck_assert_int_eq(io_write_gently(io, file, 0, (struct bytes){0}), OK);
    ck_assert_uint_eq(file_size(io, file), 5 + sizeof text);
    ck_assert_int_eq(io_sync(io, file), OK);
    file_expect(io, file, 5, bytes_of(text, sizeof text));
    io_close(io, file);
    world_end(io);
}
END_TEST

START_TEST(what_is_written_is_read_back_and_beyond_it_are_zeros)
{
    struct io *io = world_begin();
    struct io_file *file = file_create(io, "a", 0);

    ck_assert_int_eq(io_write_all(io, file, 3, BYTES("abc")), OK);
    ck_assert_uint_eq(file_size(io, file), 6);
    file_expect(io, file, 0, BYTES("\0\0\0abc\0\0\0\0"));
    file_expect(io, file, 100, BYTES("\0\0"));
    ck_assert_int_eq(io_sync(io, file), OK);
    io_close(io, file);

    file = file_open(io, "a", IO_READ);
    file_expect(io, file, 3, BYTES("abc"));
    io_close(io, file);
    world_end(io);
}
END_TEST

/* Steps over all that may be something else than zeros. */
static void expect_zeros_between(struct io *io, struct io_file *file, uint64_t from, uint64_t to)
{
    while (from < to) {
        uint8_t at[4096];
        size_t size = to - from < sizeof at ? (size_t)(to - from) : sizeof at;

        ck_assert_int_eq(io_read_all(io, file, from, at, size), OK);
        for (size_t i = 0; i < size; i++)
            ck_assert_uint_eq(at[i], 0);
        from += size;
    }
}

START_TEST(data_is_found_behind_space_that_was_never_written)
{
    struct io *io = world_begin();
    struct io_file *file = file_create(io, "a", 0);
    uint64_t found = 77;

    ck_assert_int_eq(io_find_data(io, file, 0, &found), OK);
    ck_assert_uint_eq(found, 0);
    ck_assert_int_eq(io_find_data(io, file, 5, &found), OK);
    ck_assert_uint_eq(found, 5);
    ck_assert_int_eq(io_allocate(io, file, 0, 1u << 20), OK);
    ck_assert_int_eq(io_write_all(io, file, 700001, BYTES("abc")), OK);
    io_read_ahead(io, file, false);
    for (int synced = 0; synced < 2; synced++) {
        ck_assert_int_eq(io_find_data(io, file, 0, &found), OK);
        ck_assert_uint_le(found, 700001);
        expect_zeros_between(io, file, 0, found);
        ck_assert_int_eq(io_find_data(io, file, 700002, &found), OK);
        ck_assert_uint_eq(found, 700002);
        ck_assert_int_eq(io_find_data(io, file, 720896, &found), OK);
        ck_assert_uint_ge(found, 720896);
        ck_assert_uint_le(found, 1u << 20);
        expect_zeros_between(io, file, 720896, found);
        ck_assert_int_eq(io_sync(io, file), OK);
    }
    io_read_ahead(io, file, true);
    io_close(io, file);
    world_end(io);
}
END_TEST

START_TEST(create_wants_a_new_name_and_open_an_old_one)
{
    struct io *io = world_begin();
    struct io_file *file;

    ck_assert_int_eq(io_open(io, "a", IO_READ, &file), ERR_NOT_FOUND);
    io_close(io, file_create(io, "a", 0));
    ck_assert_int_eq(io_open(io, "a", IO_WRITE | IO_CREATE, &file), ERR_EXISTS);
    ck_assert_int_eq(io_open(io, "no/a", IO_WRITE | IO_CREATE, &file), ERR_NOT_FOUND);
    world_end(io);
}
END_TEST

START_TEST(names_are_made_moved_listed_in_order_and_removed)
{
    struct io *io = world_begin();

    ck_assert_int_eq(io_mkdir(io, "d"), OK);
    ck_assert_int_eq(io_mkdir(io, "d"), OK);
    ck_assert_int_eq(io_mkdir(io, "d/z"), OK);
    io_close(io, file_create(io, "d/b", 0));
    io_close(io, file_create(io, "d/B", 0));
    io_close(io, file_create(io, "d/a", 0));
    expect_names(io, "d", "B a b z/ ");
    expect_names(io, ".", "d/ ");

    ck_assert_int_eq(io_rename(io, "d/a", "d/z/a"), OK);
    ck_assert_int_eq(io_rename(io, "d/b", "d/B"), OK);
    expect_names(io, "d", "B z/ ");
    expect_names(io, "d/z", "a ");
    ck_assert_int_eq(io_rename(io, "d/b", "d/c"), ERR_NOT_FOUND);

    ck_assert_int_eq(io_rename(io, "d/z", "d/y"), OK);
    expect_names(io, "d/y", "a ");
    ck_assert_int_eq(io_rmdir(io, "d/y"), ERR_EXISTS);
    ck_assert_int_eq(io_unlink(io, "d/y/a"), OK);
    ck_assert_int_eq(io_unlink(io, "d/y/a"), ERR_NOT_FOUND);
    ck_assert_int_eq(io_rmdir(io, "d/y"), OK);
    ck_assert_int_eq(io_sync_dir(io, "d"), OK);
    ck_assert_int_eq(io_sync_dir(io, "."), OK);
    ck_assert_int_eq(io_sync_dir(io, "gone"), ERR_NOT_FOUND);
    expect_names(io, "d", "B ");
    world_end(io);
}
END_TEST

#define SYNCING 150 /* more than are under way at a time */

START_TEST(many_syncs_at_once_have_a_result_each)
{
    struct io *io = world_begin();
    struct io_syncing items[SYNCING + 2] = {};
    char name[16];

    ck_assert_int_eq(io_mkdir(io, "d"), OK);
    for (int i = 0; i < SYNCING; i++) {
        snprintf(name, sizeof name, "d/%d", i);
        ck_assert_int_eq(io_open(io, name, IO_READ | IO_WRITE | IO_CREATE, &items[i].file), OK);
        ck_assert_int_eq(io_write_all(io, items[i].file, 0, bytes_of("x", 1)), OK);
        items[i].err = ERR_BUSY;
    }
    items[SYNCING] = (struct io_syncing){.path = "gone", .err = ERR_BUSY};
    items[SYNCING + 1] = (struct io_syncing){.path = "d", .err = ERR_BUSY};
    io_sync_all(io, items, SYNCING + 2);
    for (int i = 0; i < SYNCING; i++) {
        ck_assert_int_eq(items[i].err, OK);
        io_close(io, items[i].file);
    }
    ck_assert_int_eq(items[SYNCING].err, ERR_NOT_FOUND);
    ck_assert_int_eq(items[SYNCING + 1].err, OK);
    ck_assert_int_eq(io_syncing_result(items, SYNCING), OK);
    ck_assert_int_eq(io_syncing_result(items, SYNCING + 2), ERR_NOT_FOUND);
    io_sync_all(io, items, 0);
    world_end(io);
}
END_TEST

START_TEST(an_unlinked_file_lives_until_it_is_closed)
{
    struct io *io = world_begin();
    struct io_file *file = file_create(io, "a", 0);

    ck_assert_int_eq(io_unlink(io, "a"), OK);
    ck_assert_int_eq(io_write_all(io, file, 0, BYTES("still")), OK);
    file_expect(io, file, 0, BYTES("still"));
    expect_names(io, ".", "");
    io_close(io, file);
    world_end(io);
}
END_TEST

START_TEST(allocated_space_reads_as_zeros_and_truncation_releases_it)
{
    struct io *io = world_begin();
    struct io_file *file = file_create(io, "a", 0);

    ck_assert_int_eq(io_write_all(io, file, 0, BYTES("abcdef")), OK);
    ck_assert_int_eq(io_allocate(io, file, 0, 10000), OK);
    ck_assert_uint_eq(file_size(io, file), 10000);
    file_expect(io, file, 0, BYTES("abcdef\0\0"));
    file_expect(io, file, 9990, BYTES("\0\0\0\0\0\0\0\0\0\0"));

    ck_assert_int_eq(io_truncate(io, file, 3), OK);
    ck_assert_uint_eq(file_size(io, file), 3);
    ck_assert_int_eq(io_allocate(io, file, 0, 8), OK);
    file_expect(io, file, 0, BYTES("abc\0\0\0\0\0"));
    io_close(io, file);
    world_end(io);
}
END_TEST

START_TEST(a_lock_has_one_holder)
{
    struct io *io = world_begin();

    ck_assert_int_eq(io_lock(io, "lock"), OK);
    ck_assert_int_eq(io_lock(io, "lock"), ERR_BUSY);
    world_end(io);
}
END_TEST

START_TEST(space_is_reported)
{
    struct io *io = world_begin();
    uint64_t available = 0, total = 0;

    ck_assert_int_eq(io_space(io, &available, &total), OK);
    ck_assert_uint_gt(available, 0);
    ck_assert_uint_ge(total, available);
    world_end(io);
}
END_TEST

/* ---- operations of the loop ----------------------------------------------------------------- */

START_TEST(operations_write_sync_and_read)
{
    struct io *io = world_begin();
    struct io_file *file = file_create(io, "a", 0);
    struct request r = request_new();
    char got[8] = {0};

    io_fallocate(io, &r.op, file, 0, 100);
    ck_assert_int_eq(await(io, &r), 0);
    ck_assert_uint_eq(file_size(io, file), 100);

    r = request_new();
    io_write(io, &r.op, file, 2, BYTES("hello"));
    ck_assert_int_eq(await(io, &r), 5);
    r = request_new();
    io_fsync(io, &r.op, file);
    ck_assert_int_eq(await(io, &r), 0);

    r = request_new();
    io_read(io, &r.op, file, 2, got, 5);
    ck_assert_int_eq(await(io, &r), 5);
    ck_assert_str_eq(got, "hello");

    r = request_new();
    io_read(io, &r.op, file, 97, got, 8);
    ck_assert_int_eq(await(io, &r), 3); /* short at the end */
    io_close(io, file);
    world_end(io);
}
END_TEST

START_TEST(durable_writes_work_whether_the_file_is_direct_or_not)
{
    for (int direct = 0; direct < 2; direct++) {
        struct io *io = world_begin();
        struct io_file *file = file_create(io, "j", direct ? IO_DIRECT : 0);
        uint8_t *block = aligned_block(8192, 'x');
        struct request r = request_new();

        ck_assert_int_eq(io_allocate(io, file, 0, 65536), OK);
        io_write_durable(io, &r.op, file, 4096, bytes_of(block, 8192));
        ck_assert_int_eq(await(io, &r), 8192);

        memset(block, 0, 8192);
        r = request_new();
        io_read(io, &r.op, file, 4096, block, 8192);
        ck_assert_int_eq(await(io, &r), 8192);
        ck_assert_int_eq(block[0], 'x');
        ck_assert_int_eq(block[8191], 'x');
        io_close(io, file);
        free(block);
        world_end(io);
    }
}
END_TEST

START_TEST(read_now_gives_what_is_in_memory_or_asks_to_wait)
{
    struct io *io = world_begin();
    struct io_file *file = file_create(io, "a", 0);
    int found = 0;
    char got[4];

    ck_assert_int_eq(io_write_all(io, file, 0, BYTES("abcd")), OK);
    for (int i = 0; i < 100; i++) {
        int64_t result = io_read_now(io, file, 1, got, 3);

        ck_assert(result == 3 || result == -EAGAIN);
        if (result == 3) {
            ck_assert(memcmp(got, "bcd", 3) == 0);
            found++;
        }
    }
    ck_assert_int_gt(found, 0);
    io_close(io, file);
    world_end(io);
}
END_TEST

START_TEST(more_operations_than_the_queue_holds_all_end)
{
    enum { COUNT = 1000 };
    struct io *io = world_begin();
    struct io_file *file = file_create(io, "a", 0);
    struct request *requests = heap_take(COUNT * sizeof(*requests));
    uint8_t *got = heap_take(COUNT);
    int done = 0;

    for (int i = 0; i < COUNT; i++)
        got[i] = (uint8_t)i;
    ck_assert_int_eq(io_write_all(io, file, 0, bytes_of(got, COUNT)), OK);
    memset(got, 0, COUNT);
    for (int i = 0; i < COUNT; i++) {
        requests[i] = request_new();
        io_read(io, &requests[i].op, file, (uint64_t)i, got + i, 1);
    }
    while (done < COUNT) {
        turn(io);
        done = 0;
        for (int i = 0; i < COUNT; i++)
            done += requests[i].done;
    }
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(requests[i].result, 1);
        ck_assert_int_eq(got[i], (uint8_t)i);
    }
    io_close(io, file);
    heap_give(requests);
    heap_give(got);
    world_end(io);
}
END_TEST

/* ---- time, work, wake-ups ------------------------------------------------------------------- */

struct alarm {
    struct timer timer;
    struct io *io;
    int64_t fired_ns;
};

static void alarm_fire(struct timer *timer)
{
    struct alarm *alarm = owner_of(timer, struct alarm, timer);

    alarm->fired_ns = io_now(alarm->io);
}

START_TEST(a_turn_waits_for_the_nearest_timer_and_fires_it_not_early)
{
    struct io *io = world_begin();
    struct alarm near = {.timer.fire = alarm_fire, .io = io};
    struct alarm far = {.timer.fire = alarm_fire, .io = io};
    int64_t from = io_now(io);

    timers_arm(io_timers(io), &far.timer, from + 3600 * SECOND);
    timers_arm(io_timers(io), &near.timer, from + SECOND / 20);
    for (int i = 0; near.fired_ns == 0 && i < 10; i++)
        ck_assert_int_eq(io_turn(io, 1000 * SECOND), OK);
    ck_assert_int_ge(near.fired_ns, from + SECOND / 20);
    ck_assert_int_lt(near.fired_ns, from + 10 * SECOND);
    ck_assert_int_eq(far.fired_ns, 0);
    timers_cancel(io_timers(io), &far.timer);
    world_end(io);
}
END_TEST

struct sum {
    struct io_work work;
    struct io *io;
    int number;
    int result;
    int *done;
};

static void sum_run(struct io_work *work, struct io *io)
{
    struct sum *sum = owner_of(work, struct sum, work);
    struct io_file *file;
    char name[16];

    snprintf(name, sizeof(name), "w%d", sum->number);
    if (io_open(io, name, IO_WRITE | IO_CREATE, &file) != OK)
        return;
    if (io_write_all(io, file, 0, bytes_of_text(name)) == OK)
        sum->result = sum->number * 2;
    io_close(io, file);
}

static void sum_done(struct io_work *work)
{
    struct sum *sum = owner_of(work, struct sum, work);

    (*sum->done)++;
}

START_TEST(work_may_block_and_its_end_is_told_on_the_turn)
{
    enum { COUNT = 50 };
    struct io *io = world_begin();
    struct sum sums[COUNT];
    int done = 0;

    for (int i = 0; i < COUNT; i++) {
        sums[i] =
            (struct sum){.work = {.run = sum_run, .done = sum_done}, .number = i, .done = &done};
        io_work(io, &sums[i].work);
    }
    ck_assert_int_eq(done, 0);
    while (done < COUNT)
        turn(io);
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(sums[i].result, 2 * i);
    world_end(io);
}
END_TEST

struct hooks {
    int flushed;
    int woken;
};

static void hooks_flush(void *context)
{
    ((struct hooks *)context)->flushed++;
}

static void hooks_woken(void *context)
{
    ((struct hooks *)context)->woken++;
}

START_TEST(each_turn_flushes_once_and_a_wake_calls_the_hook_once)
{
    struct io *io = world_begin();
    struct hooks hooks = {0};

    io_set_flush(io, hooks_flush, &hooks);
    io_set_wake(io, hooks_woken, &hooks);
    ck_assert_int_eq(io_turn(io, 0), OK);
    ck_assert_int_eq(hooks.flushed, 1);
    ck_assert_int_eq(hooks.woken, 0);
    io_wake(io);
    io_wake(io);
    ck_assert_int_eq(hooks.woken, 0);
    for (int i = 0; hooks.woken == 0 && i < 10; i++)
        ck_assert_int_eq(io_turn(io, 1000 * SECOND), OK);
    ck_assert_int_eq(io_turn(io, 0), OK);
    ck_assert_int_eq(hooks.woken, 1);
    world_end(io);
}
END_TEST

START_TEST(clocks_go_forward_and_random_bytes_differ)
{
    struct io *io = world_begin();
    int64_t before = io_now(io);
    uint8_t a[16], b[16];

    ck_assert_int_eq(io_turn(io, SECOND / 100), OK);
    io_clock_refresh(io);
    ck_assert_int_ge(io_now(io), before);
    ck_assert_int_gt(io_wall(io), INT64_C(1500000000) * SECOND);
    io_random(io, a, sizeof(a));
    io_random(io, b, sizeof(b));
    ck_assert(memcmp(a, b, sizeof(a)) != 0);
    world_end(io);
}
END_TEST

#define IO_PROMISES                                                                                \
    what_is_written_gently_is_there_as_a_whole_and_syncs,                                          \
        what_is_written_is_read_back_and_beyond_it_are_zeros,                                      \
        data_is_found_behind_space_that_was_never_written,                                         \
        create_wants_a_new_name_and_open_an_old_one,                                               \
        names_are_made_moved_listed_in_order_and_removed, many_syncs_at_once_have_a_result_each,   \
        an_unlinked_file_lives_until_it_is_closed,                                                 \
        allocated_space_reads_as_zeros_and_truncation_releases_it, a_lock_has_one_holder,          \
        space_is_reported, operations_write_sync_and_read,                                         \
        durable_writes_work_whether_the_file_is_direct_or_not,                                     \
        read_now_gives_what_is_in_memory_or_asks_to_wait,                                          \
        more_operations_than_the_queue_holds_all_end,                                              \
        a_turn_waits_for_the_nearest_timer_and_fires_it_not_early,                                 \
        work_may_block_and_its_end_is_told_on_the_turn,                                            \
        each_turn_flushes_once_and_a_wake_calls_the_hook_once,                                     \
        clocks_go_forward_and_random_bytes_differ

#endif
