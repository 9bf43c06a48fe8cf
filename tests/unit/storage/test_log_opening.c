/* A log that is opened in steps is what one that is opened in one go is; and what is not gone
 * through with has changed nothing. */
#include <dirent.h>
#include <fcntl.h>

#include "storage/segment.h"
#include "tests/unit/storage/shard.h"
#include "tests/unit/unit.h"

#define BATCHES 60u
#define PARTS   5u /* in which the owner takes a block */

static struct shard s;

/* ---- what an opening tells ------------------------------------------------------------------ */

struct told {
    enum err err;
    uint64_t batches, last, appended, bytes;
    uint64_t lost_first, lost_last, block_index;
    unsigned cut_short, unread;
    struct log_hash hash; /* of all that was told, in order */
    log_place places;     /* their sum */
};

static struct told told;
static unsigned block_parts; /* taken so far */
static bool block_refused;

static void told_batch(void *context, const struct log_batch *batch)
{
    (void)context;
    told.batches++;
    told.last = batch->index;
    told.places += batch->records_place * batch->index;
    for (unsigned i = 0; i < 16; i++)
        told.hash.at[i] = (uint8_t)(told.hash.at[i] * 31u + batch->hash.at[i]);
}

static void told_lost(void *context, uint64_t first, uint64_t last, uint64_t bytes)
{
    (void)context;
    told.lost_first = first;
    told.lost_last = last;
    told.bytes += bytes;
}

static void told_cut_short(void *context)
{
    (void)context;
    told.cut_short++;
}

static void told_unread(void *context, uint64_t first, uint64_t last)
{
    (void)context;
    told.unread += (unsigned)(last - first + 1);
}

static enum err told_block(void *context, const struct log_block *block)
{
    (void)context;
    ck_assert_uint_gt(block->work, 0);
    ck_assert_uint_eq(block->body.size, 5);
    ck_assert_mem_eq(block->body.at, "state", 5);
    if (block->work < UINT64_MAX && ++block_parts < PARTS)
        return ERR_AGAIN;
    if (block_refused)
        return ERR_CORRUPT;
    told.block_index = block->index;
    return OK;
}

static const struct log_recovery recovery = {
    .batch = told_batch,
    .lost = told_lost,
    .block = told_block,
    .gone = told_unread,
    .unread = told_unread,
    .cut_short = told_cut_short,
};
static const struct log_events events = {shard_durable, shard_failed};

static void begin_telling(void)
{
    told = (struct told){0};
    block_parts = 0;
}

static void note_end(enum err err)
{
    told.err = err;
    if (err != OK)
        return;
    told.appended = log_appended(s.log);
    s.durable = log_durable(s.log);
    told.bytes += log_bytes(s.log);
}

static void open_at_once(void)
{
    begin_telling();
    note_end(log_open(s.store, SHARD_LOG, &recovery, &events, &s, &s.log));
}

static void is_ready(void *context)
{
    ++*(unsigned *)context;
}

/* Up to so many steps; how many it took. */
static unsigned open_in_steps(bool waiting, unsigned most)
{
    unsigned steps = 0, ready = 0, waits = 0;
    struct log_pace pace = {.work = 1, .ready = waiting ? NULL : is_ready, .context = &ready};
    struct log_opening *opening;
    enum err err = ERR_AGAIN;

    begin_telling();
    opening = log_opening_begin(s.store, SHARD_LOG, &recovery, &events, &s, &pace);
    while (err == ERR_AGAIN && steps < most) {
        err = log_opening_step(opening, &s.log);
        steps++;
        if (steps == most)
            break; /* perhaps while it waits */
        ck_assert(!waiting || !log_opening_waits(opening));
        for (waits += log_opening_waits(opening); log_opening_waits(opening);)
            ck_assert_int_eq(io_turn(s.io, 1000000), OK);
    }
    if (most == UINT32_MAX)
        ck_assert_uint_eq(ready, waits);
    log_opening_end(opening);
    note_end(err);
    return steps;
}

static void close_log(void)
{
    if (s.log != NULL && told.err == OK)
        log_close(s.log);
    s.log = NULL;
    shard_settle(&s);
}

static void same(const struct told *other)
{
    ck_assert_int_eq(told.err, other->err);
    ck_assert_uint_eq(told.batches, other->batches);
    ck_assert_uint_eq(told.last, other->last);
    ck_assert_uint_eq(told.appended, other->appended);
    ck_assert_uint_eq(told.bytes, other->bytes);
    ck_assert_uint_eq(told.lost_first, other->lost_first);
    ck_assert_uint_eq(told.lost_last, other->lost_last);
    ck_assert_uint_eq(told.block_index, other->block_index);
    ck_assert_uint_eq(told.cut_short, other->cut_short);
    ck_assert_uint_eq(told.unread, other->unread);
    ck_assert_uint_eq(told.places, other->places);
    ck_assert_mem_eq(told.hash.at, other->hash.at, 16);
}

/* In one go, in steps that wait and in steps that do not; given up at every one of them. */
static struct told open_in_all_ways(void)
{
    struct told at_once;
    unsigned steps;

    shard_reopen_store(&s);
    open_at_once();
    at_once = told;
    for (int waiting = 0; waiting < 2; waiting++) {
        close_log();
        shard_reopen_store(&s);
        steps = open_in_steps(waiting, UINT32_MAX);
        same(&at_once);
        ck_assert_uint_ge(steps, told.batches);
        for (unsigned most = 1; most < steps; most += most < 12 ? 1 : 7) {
            close_log();
            (void)open_in_steps(waiting, most);
            ck_assert_int_eq(told.err, ERR_AGAIN);
        }
        close_log();
        open_at_once();
        same(&at_once);
    }
    return at_once;
}

/* ---- the log -------------------------------------------------------------------------------- */

static bool block_told;

static void block_done(struct log_block_op *op, enum err err)
{
    (void)op;
    ck_assert_int_eq(err, OK);
    block_told = true;
}

static void write_block(uint64_t index)
{
    static struct log_block_op op;

    op = (struct log_block_op){.index = index,
                               .term = 1,
                               .hash = s.hashes[index],
                               .body = bytes_of_text("state"),
                               .done = block_done};
    block_told = false;
    log_set_committed(s.log, log_durable(s.log));
    log_block_write(s.log, &op);
    for (int turn = 0; turn < 100000 && !block_told; turn++)
        ck_assert_int_eq(io_turn(s.io, 1000000), OK);
    ck_assert(block_told);
}

/* Several files; blocks of the batches 20 and 35, if `blocks`. */
static void begin(bool blocks)
{
    shard_begin(&s);
    s.options.segment_size = 128u << 10;
    shard_reopen(&s);
    for (unsigned i = 1; i <= BATCHES; i++) {
        (void)shard_append(&s, 100 + i % 7 * 3000, (uint8_t)i);
        if (blocks && (i == 20 || i == 35))
            write_block(i);
    }
    shard_reopen_store(&s); /* else the journal mends what is spoilt */
}

/* The path of the log's `number`th file of that kind, from 0, or from the end (-1). */
static const char *path_of(const char *kind, int number)
{
    static char path[512];
    char dir[160];
    struct dirent **entries;
    int count, found = 0, there = 0;

    snprintf(dir, sizeof dir, "%s/data/logs/%016x", s.root, SHARD_LOG);
    count = scandir(dir, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++)
        there += strstr(entries[i]->d_name, kind) != NULL;
    for (int i = 0; i < count; i++) {
        if (strstr(entries[i]->d_name, kind) != NULL && found++ == (number + there) % there)
            snprintf(path, sizeof path, "%s/%s", dir, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return path;
}

static void spoil(const char *path, off_t offset)
{
    int fd = open(path, O_RDWR);
    uint8_t byte;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, &byte, 1, offset), 1);
    byte ^= 0x40;
    ck_assert_int_eq(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

START_TEST(steps_find_what_one_go_finds)
{
    struct told all;

    begin(false);
    all = open_in_all_ways();
    ck_assert_uint_eq(all.batches, BATCHES);
    shard_end(&s);
}
END_TEST

START_TEST(a_state_block_is_taken_in_parts)
{
    struct told all;

    begin(true);
    all = open_in_all_ways();
    ck_assert_uint_eq(all.block_index, 35);
    ck_assert_uint_eq(all.last, BATCHES);
    ck_assert_uint_gt(all.unread, 0);
    shard_end(&s);
}
END_TEST

START_TEST(a_damaged_block_is_passed_over_in_steps_too)
{
    begin(true);
    spoil(path_of(".blk", 1), 4096);
    ck_assert_uint_eq(open_in_all_ways().block_index, 20);
    shard_end(&s);
}
END_TEST

START_TEST(a_block_that_is_refused_in_its_last_part_is_passed_over)
{
    begin(true);
    block_refused = true;
    ck_assert_uint_eq(open_in_all_ways().block_index, 0);
    block_refused = false;
    shard_end(&s);
}
END_TEST

START_TEST(damage_in_a_file_is_told_the_same)
{
    begin(false);
    spoil(path_of(".seg", 1), SEGMENT_HEADER + 160);
    ck_assert_uint_gt(open_in_all_ways().lost_first, 0);
    shard_end(&s);
}
END_TEST

START_TEST(a_newest_file_that_was_cut_short_is_told_the_same)
{
    const char *path;
    struct told all;

    begin(true);
    path = path_of(".seg", -1);
    ck_assert_int_eq(truncate(path, SEGMENT_HEADER + 5000), 0);
    all = open_in_all_ways();
    ck_assert_uint_eq(all.cut_short, 1);
    ck_assert_uint_lt(all.last, BATCHES);
    shard_end(&s);
}
END_TEST

START_TEST(a_log_that_is_not_there_is_not_found_in_steps_either)
{
    begin(false);
    shard_reopen_store(&s);
    begin_telling();
    for (int waiting = 0; waiting < 2; waiting++) {
        unsigned ready = 0;
        struct log_pace pace = {.work = 1, .ready = waiting ? NULL : is_ready, .context = &ready};
        struct log_opening *opening =
            log_opening_begin(s.store, SHARD_LOG + 1, &recovery, &events, &s, &pace);
        struct log *log;

        ck_assert_int_eq(log_opening_step(opening, &log), ERR_NOT_FOUND);
        log_opening_end(opening);
    }
    shard_end(&s);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        steps_find_what_one_go_finds,
        a_state_block_is_taken_in_parts,
        a_damaged_block_is_passed_over_in_steps_too,
        a_block_that_is_refused_in_its_last_part_is_passed_over,
        damage_in_a_file_is_told_the_same,
        a_newest_file_that_was_cut_short_is_told_the_same,
        a_log_that_is_not_there_is_not_found_in_steps_either,
    };

    return UNIT_RUN_PLAIN("log_opening", tests);
}
