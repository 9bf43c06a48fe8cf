/* Votes through whole stores. */
#include <fcntl.h>

#include "tests/unit/storage/shard.h"
#include "tests/unit/unit.h"

#define LOGS 10000u

static struct shard s;
static struct store_vote_op ops[LOGS];
static unsigned done_ok, done_failed;

static void vote_done(struct store_vote_op *op, enum err err)
{
    (void)op;
    if (err == OK)
        done_ok++;
    else
        done_failed++;
}

static void vote(struct store_vote_op *op, uint64_t log_id, uint64_t term, uint64_t node)
{
    *op = (struct store_vote_op){
        .log_id = log_id,
        .vote = {.term = term, .node = node, .incarnation = node * 3, .damaged = term / 2},
        .done = vote_done};
    store_vote(s.store, op);
}

static void check_vote(uint64_t log_id, uint64_t term, uint64_t node)
{
    struct store_vote found;

    ck_assert(store_vote_found(s.store, log_id, &found));
    ck_assert_uint_eq(found.term, term);
    ck_assert_uint_eq(found.node, node);
    ck_assert_uint_eq(found.incarnation, node * 3);
    ck_assert_uint_eq(found.damaged, term / 2);
}

/* Votes are kept for logs that are there: directories are enough. */
static void make_directory(uint64_t log_id)
{
    char path[160];

    snprintf(path, sizeof path, "%s/data/logs/%016llx", s.root, (unsigned long long)log_id);
    (void)mkdir(path, 0755);
}

START_TEST(a_vote_is_found_after_a_start_and_the_newest_counts)
{
    struct store_vote found;

    shard_begin(&s);
    ck_assert(!store_vote_found(s.store, SHARD_LOG, &found));
    done_ok = 0;
    vote(&ops[0], SHARD_LOG, 3, 77);
    ck_assert_uint_eq(done_ok, 0); /* never from inside the call */
    ck_assert(!store_vote_found(s.store, SHARD_LOG, &found));
    vote(&ops[1], SHARD_LOG, 4, 78);
    shard_settle(&s);
    ck_assert_uint_eq(done_ok, 2);
    check_vote(SHARD_LOG, 4, 78);
    for (int life = 0; life < 3; life++) {
        shard_reopen(&s);
        check_vote(SHARD_LOG, 4, 78);
    }
    vote(&ops[0], SHARD_LOG, 5, 79);
    shard_settle(&s);
    shard_reopen(&s);
    check_vote(SHARD_LOG, 5, 79);
    shard_end(&s);
}
END_TEST

/* Many passes over small journal files. */
START_TEST(a_vote_outlives_the_journal_file_that_it_was_written_to)
{
    shard_begin(&s);
    shard_close(&s);
    s.options.journal_file_size = 32 << 10;
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    ck_assert_int_eq(shard_open_log(&s), OK);
    for (unsigned i = 0; i < 20; i++)
        make_directory(100 + i);
    for (unsigned i = 0; i < 20; i++)
        vote(&ops[i], 100 + i, 7, 1000 + i);
    shard_settle(&s);
    for (int life = 0; life < 3; life++) {
        for (unsigned i = 0; i < 100; i++)
            shard_append(&s, 100, (uint8_t)i);
        vote(&ops[0], 100, 8 + (uint64_t)life, 2000);
        shard_settle(&s);
        for (unsigned i = 0; i < 100; i++)
            shard_append(&s, 100, (uint8_t)i);
        shard_reopen(&s);
        check_vote(100, 8 + (uint64_t)life, 2000);
        for (unsigned i = 1; i < 20; i++)
            check_vote(100 + i, 7, 1000 + i);
    }
    {
        char path[160];

        snprintf(path, sizeof path, "%s/data/journal/9.jnl", s.root);
        ck_assert_int_ne(access(path, F_OK), 0); /* files were used again */
    }
    shard_end(&s);
}
END_TEST

START_TEST(ten_thousand_logs_vote_at_once)
{
    unsigned turns = 0;

    shard_begin(&s);
    for (unsigned i = 0; i < LOGS; i += 50)
        make_directory(100 + i);
    for (uint64_t term = 1; term <= 5; term++) {
        done_ok = 0;
        for (unsigned i = 0; i < LOGS; i++)
            vote(&ops[i], 100 + i, term, i + 1);
        for (turns = 0; turns < 10000 && done_ok < LOGS; turns++)
            ck_assert_int_eq(io_turn(s.io, 1000000000), OK);
        ck_assert_uint_eq(done_ok, LOGS);
        ck_assert_uint_lt(turns, 1000);
        for (unsigned i = 0; i < 20; i++)
            shard_append(&s, 100000, (uint8_t)i);
    }
    for (unsigned i = 0; i < LOGS; i++)
        check_vote(100 + i, 5, i + 1);
    shard_reopen(&s);
    for (unsigned i = 0; i < LOGS; i += 50)
        check_vote(100 + i, 5, i + 1);
    shard_end(&s);
}
END_TEST

static enum err removed;

static void removal_done(void *context, enum err err)
{
    (void)context;
    removed = err;
}

START_TEST(the_votes_of_removed_logs_go)
{
    struct store_vote found;
    char path[160];

    shard_begin(&s);
    make_directory(100);
    make_directory(101);
    make_directory(102);
    for (unsigned i = 0; i < 3; i++)
        vote(&ops[i], 100 + i, 2, 5);
    shard_settle(&s);
    removed = ERR_BUSY;
    store_remove(s.store, 100, removal_done, NULL);
    ck_assert_int_eq(store_quarantine(s.store, 101), OK);
    shard_settle(&s);
    ck_assert_int_eq(removed, OK);
    ck_assert(!store_vote_found(s.store, 100, &found));
    ck_assert(!store_vote_found(s.store, 101, &found));
    check_vote(102, 2, 5);
    shard_close(&s);
    snprintf(path, sizeof path, "%s/data/logs/%016x", s.root, 102);
    ck_assert_int_eq(rmdir(path), 0);
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    for (unsigned i = 0; i < 3; i++)
        ck_assert(!store_vote_found(s.store, 100 + i, &found));
    shard_end(&s);
}
END_TEST

START_TEST(a_journal_file_with_a_damaged_header_keeps_its_votes)
{
    char path[160];
    int fd;

    shard_begin(&s);
    vote(&ops[0], SHARD_LOG, 9, 1);
    shard_settle(&s);
    shard_close(&s);
    snprintf(path, sizeof path, "%s/data/journal/0.jnl", s.root);
    fd = open(path, O_WRONLY);
    ck_assert_int_eq(pwrite(fd, "x", 1, 30), 1);
    close(fd);
    for (int life = 0; life < 2; life++) {
        shard_world(&s);
        ck_assert_int_eq(shard_open_store(&s), OK);
        ck_assert_int_eq(shard_open_log(&s), OK);
        check_vote(SHARD_LOG, 9, 1);
        shard_close(&s);
    }
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    shard_end(&s);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_vote_is_found_after_a_start_and_the_newest_counts,
        a_vote_outlives_the_journal_file_that_it_was_written_to,
        ten_thousand_logs_vote_at_once,
        the_votes_of_removed_logs_go,
        a_journal_file_with_a_damaged_header_keeps_its_votes,
    };

    return UNIT_RUN_PLAIN("votes", tests);
}
