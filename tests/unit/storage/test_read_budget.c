/* Replays beside publishers, on disks that are sums. */
#include <stdio.h>
#include <stdlib.h>

#include "base/prng.h"
#include "storage/read_budget.h"
#include "tests/unit/unit.h"

#define US     INT64_C(1000)
#define MS     INT64_C(1000000)
#define SECOND INT64_C(1000000000)

static struct read_budget b;
static int64_t now = SECOND;

static void sync_takes(int64_t ns)
{
    now += ns;
    read_budget_synced(&b, SYNC_OF_JOURNAL, now - ns, now);
}

/* One that had a read beside it. */
static void sync_beside(int64_t ns)
{
    while (!read_budget_take(&b, 4096, now))
        now += MS;
    sync_takes(ns);
    read_budget_give(&b, 4096, now - ns, now);
}

static void some_alone(int64_t ns)
{
    for (int i = 0; i < 100; i++) {
        now += US;
        sync_takes(ns);
    }
}

START_TEST(without_traffic_reads_are_whole_and_many)
{
    ck_assert(!read_budget_live(&b, now));
    ck_assert_uint_eq(read_budget_piece(&b, 1 << 20, now), 1 << 20);
    ck_assert(read_budget_take(&b, 1 << 20, now));
    ck_assert(read_budget_take(&b, 1 << 20, now));
    ck_assert(!read_budget_take(&b, 1 << 20, now));
    read_budget_give(&b, 1 << 20, now, now + SECOND);
    ck_assert(read_budget_take(&b, 1 << 20, now + SECOND));
}
END_TEST

START_TEST(traffic_lasts_a_second_beyond_the_last_sync)
{
    sync_takes(MS);
    ck_assert(read_budget_live(&b, now + READ_BUDGET_LIVE_NS - 1));
    ck_assert(!read_budget_live(&b, now + READ_BUDGET_LIVE_NS));
    ck_assert_uint_eq(read_budget_piece(&b, 1 << 20, now), READ_BUDGET_PIECE);
}
END_TEST

START_TEST(syncs_that_take_longer_beside_reads_narrow_the_window_to_a_floor)
{
    some_alone(MS);
    for (int i = 0; i < 1000; i++)
        sync_beside(3 * MS);
    ck_assert_uint_eq(b.window, READ_BUDGET_MIN);
    /* One may go all the same, and then there is a rest, which ends. */
    ck_assert(b.rests_until_ns > now);
    ck_assert(!read_budget_take(&b, READ_BUDGET_PIECE, now));
    ck_assert_int_le(b.rests_until_ns - now, READ_BUDGET_REST_NS);
    ck_assert_int_le(read_budget_again(&b, now), b.rests_until_ns);
    now = b.rests_until_ns + 2 * READ_BUDGET_REST_NS; /* also a pause */
    ck_assert(read_budget_take(&b, READ_BUDGET_PIECE, now));
    ck_assert(!read_budget_take(&b, READ_BUDGET_PIECE, now));
}
END_TEST

START_TEST(syncs_that_take_as_long_as_alone_widen_it)
{
    some_alone(MS);
    for (int i = 0; i < 100000; i++)
        sync_beside(MS);
    ck_assert_uint_eq(b.window, READ_BUDGET_MAX);
}
END_TEST

/* Few that take very long are hardly seen in a mean. */
START_TEST(one_slow_sync_in_fifty_beside_reads_narrows_it)
{
    some_alone(MS);
    for (int i = 0; i < 10000; i++)
        sync_beside(i % 50 == 0 ? 10 * MS : MS);
    ck_assert_uint_lt(b.window, READ_BUDGET_PIECE);
}
END_TEST

START_TEST(as_many_slow_ones_as_alone_leave_it_wide)
{
    for (int i = 0; i < 10000; i++) {
        now += US;
        sync_takes(i % 50 == 0 ? 10 * MS : MS);
    }
    for (int i = 0; i < 100000; i++)
        sync_beside(i % 50 == 0 ? 10 * MS : MS);
    ck_assert_uint_eq(b.window, READ_BUDGET_MAX);
}
END_TEST

START_TEST(what_a_sync_takes_alone_is_measured_again)
{
    int64_t paused;

    some_alone(MS);
    for (int i = 0; i < 1000; i++)
        sync_beside(3 * MS);
    ck_assert_uint_eq(b.window, READ_BUDGET_MIN);
    /* From now on others have the disk for themselves, too: 3 ms is what a sync takes. */
    for (int i = 0; i < 20000 && b.window < READ_BUDGET_MAX; i++) {
        if (read_budget_take(&b, 4096, now)) {
            sync_takes(3 * MS);
            read_budget_give(&b, 4096, now - 3 * MS, now);
        } else {
            sync_takes(3 * MS);
        }
    }
    ck_assert_uint_eq(b.window, READ_BUDGET_MAX);
    /* A pause ends without any sync. */
    paused = now;
    while (!read_budget_take(&b, 4096, now))
        now = read_budget_again(&b, now);
    ck_assert_int_le(now - paused, 3 * READ_BUDGET_REST_NS);
}
END_TEST

START_TEST(each_kind_of_sync_has_its_own_measure)
{
    some_alone(MS);
    for (int i = 0; i < 10000; i++) { /* of which one has eight mebibytes to write */
        if (!read_budget_take(&b, 4096, now)) {
            now += MS;
            read_budget_synced(&b, SYNC_OF_SEGMENT, now - 20 * MS, now);
            continue;
        }
        now += 20 * MS;
        read_budget_synced(&b, SYNC_OF_SEGMENT, now - 20 * MS, now);
        read_budget_give(&b, 4096, now - 20 * MS, now);
    }
    ck_assert_uint_gt(b.window, READ_BUDGET_FIRST);
}
END_TEST

/* ---- a disk --------------------------------------------------------------------------------- */

/* One thing after the other, in the order they come. A publisher syncs, thinks and syncs again; ten
 * replays ask for 128 KiB each, all the time. */
struct disk {
    int64_t sync_ns;
    int64_t jitter_ns; /* of some syncs, at most */
    int64_t bytes_a_ms;
    int64_t read_ns; /* of each, whatever its size */
    int64_t tick_ns; /* one sync in sixty that comes upon reads waits so long for the processor */
    bool open;       /* everybody may read what he likes */
};

#define REPLAYS 10u
#define ASKED   (128u << 10)
#define SYNCS   8192u

struct run {
    const struct disk *disk;
    struct prng prng;
    int64_t free_ns; /* the disk's */
    struct replay {
        size_t left, piece; /* piece 0: it waits */
        int64_t begun_ns, ends_ns;
    } replays[REPLAYS];
    unsigned turn;
    uint64_t bytes;
    int64_t took[SYNCS];
};

static void replay_begin(struct run *run, struct replay *replay, int64_t at_ns)
{
    size_t piece = run->disk->open ? replay->left : read_budget_piece(&b, replay->left, at_ns);

    if (!run->disk->open && !read_budget_take(&b, piece, at_ns))
        return;
    replay->piece = piece;
    replay->begun_ns = at_ns;
    run->free_ns = (run->free_ns > at_ns ? run->free_ns : at_ns) + run->disk->read_ns +
                   (int64_t)piece * MS / run->disk->bytes_a_ms;
    replay->ends_ns = run->free_ns;
}

static void replays_begin(struct run *run, int64_t at_ns)
{
    for (unsigned i = 0; i < REPLAYS; i++) {
        struct replay *replay = &run->replays[(run->turn + i) % REPLAYS];

        if (replay->piece == 0)
            replay_begin(run, replay, at_ns);
    }
}

static void replay_end(struct run *run, struct replay *replay)
{
    if (!run->disk->open)
        read_budget_give(&b, replay->piece, replay->begun_ns, replay->ends_ns);
    run->bytes += replay->piece;
    replay->left -= replay->piece;
    if (replay->left == 0) {
        replay->left = ASKED;
        run->turn++;
    }
    replay->piece = 0;
}

/* What replays do until then. */
static void replays_until(struct run *run, int64_t until_ns)
{
    int64_t at_ns = now;

    while (at_ns < until_ns) {
        struct replay *next = NULL;
        int64_t wake_ns = run->disk->open ? until_ns : read_budget_again(&b, at_ns);

        replays_begin(run, at_ns);
        for (unsigned i = 0; i < REPLAYS; i++)
            if (run->replays[i].piece > 0 &&
                (next == NULL || run->replays[i].ends_ns < next->ends_ns))
                next = &run->replays[i];
        if (next != NULL && next->ends_ns <= until_ns && next->ends_ns <= wake_ns) {
            at_ns = next->ends_ns > at_ns ? next->ends_ns : at_ns;
            replay_end(run, next);
        } else {
            at_ns = wake_ns < until_ns ? wake_ns : until_ns;
        }
    }
    now = until_ns;
}

static bool reads_under_way(const struct run *run)
{
    for (unsigned i = 0; i < REPLAYS; i++)
        if (run->replays[i].piece > 0)
            return true;
    return false;
}

static int64_t sync_run(struct run *run, bool replays)
{
    int64_t begun_ns = now;
    int64_t takes_ns = run->disk->sync_ns;
    int64_t ends_ns;

    if (prng_below(&run->prng, 20) == 0)
        takes_ns += (int64_t)prng_below(&run->prng, (uint64_t)run->disk->jitter_ns + 1);
    if (run->disk->tick_ns > 0 && reads_under_way(run) && prng_below(&run->prng, 60) == 0)
        takes_ns += run->disk->tick_ns;
    run->free_ns = (run->free_ns > now ? run->free_ns : now) + takes_ns;
    ends_ns = run->free_ns;
    if (replays)
        replays_until(run, ends_ns);
    now = ends_ns;
    read_budget_synced(&b, SYNC_OF_JOURNAL, begun_ns, now);
    if (replays)
        replays_until(run, now + 60 * US);
    else
        now += 60 * US;
    return ends_ns - begun_ns;
}

static int compare(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, c = *(const int64_t *)y;

    return a < c ? -1 : a > c;
}

static int64_t p99(struct run *run, bool replays)
{
    for (unsigned i = 0; i < SYNCS; i++)
        run->took[i] = sync_run(run, replays);
    qsort(run->took, SYNCS, sizeof run->took[0], compare);
    return run->took[SYNCS * 99 / 100];
}

struct outcome {
    double times; /* p99 beside replays, of that alone */
    double bytes_a_ms;
    double share; /* of what the disk reads when nobody syncs */
};

static struct outcome run_disk(const struct disk *disk)
{
    static struct run run;
    int64_t alone, beside, begun;
    double reads_a_ms;

    b = (struct read_budget){};
    now = SECOND;
    run = (struct run){.disk = disk};
    prng_seed(&run.prng, 1);
    for (unsigned i = 0; i < REPLAYS; i++)
        run.replays[i].left = ASKED;
    alone = p99(&run, false);
    begun = now;
    run.bytes = 0;
    beside = p99(&run, true);
    reads_a_ms = (double)READ_BUDGET_PIECE / ((double)disk->read_ns / MS +
                                              (double)READ_BUDGET_PIECE / (double)disk->bytes_a_ms);
    return (struct outcome){
        .times = (double)beside / (double)alone,
        .bytes_a_ms = (double)run.bytes * MS / (double)(now - begun),
        .share = (double)run.bytes * MS / (double)(now - begun) / reads_a_ms,
    };
}

static const struct disk disks[] = {
    {.sync_ns = 100 * US, .jitter_ns = 300 * US, .bytes_a_ms = 1000000, .read_ns = 50 * US},
    {.sync_ns = 200 * US, .jitter_ns = 4 * MS, .bytes_a_ms = 500000, .read_ns = 100 * US},
    {.sync_ns = 4 * MS, .jitter_ns = 4 * MS, .bytes_a_ms = 200000, .read_ns = 500 * US},
    {.sync_ns = 8 * MS, .jitter_ns = 20 * MS, .bytes_a_ms = 100000, .read_ns = 4 * MS},
    {.sync_ns = 2 * MS, .jitter_ns = 0, .bytes_a_ms = 60000, .read_ns = MS},
    {.sync_ns = 150 * US,
     .jitter_ns = 200 * US,
     .bytes_a_ms = 1000000,
     .read_ns = 50 * US,
     .tick_ns = 4 * MS},
};

START_TEST(ten_replays_leave_publishers_within_twice_their_p99)
{
    for (size_t i = 0; i < sizeof disks / sizeof disks[0]; i++) {
        struct disk disk = disks[i];
        struct outcome budget = run_disk(&disk);
        struct outcome open;

        disk.open = true;
        open = run_disk(&disk);
        if (getenv("SHOW") != NULL)
            fprintf(stderr,
                    "disk %zu: p99 %.2fx, %.0f bytes a ms (%.2f); without a budget %.2fx, %.0f\n",
                    i, budget.times, budget.bytes_a_ms, budget.share, open.times, open.bytes_a_ms);
        ck_assert_double_le(budget.times, 2.0);
        ck_assert_double_ge(budget.share, 1.0 / 25);
        ck_assert_double_ge(open.times, 2.0); /* else the disk shows nothing */
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        without_traffic_reads_are_whole_and_many,
        traffic_lasts_a_second_beyond_the_last_sync,
        syncs_that_take_longer_beside_reads_narrow_the_window_to_a_floor,
        syncs_that_take_as_long_as_alone_widen_it,
        one_slow_sync_in_fifty_beside_reads_narrows_it,
        as_many_slow_ones_as_alone_leave_it_wide,
        what_a_sync_takes_alone_is_measured_again,
        each_kind_of_sync_has_its_own_measure,
        ten_replays_leave_publishers_within_twice_their_p99,
    };

    return UNIT_RUN_PLAIN("read budget", tests);
}
