/* Recovery of whole stores from files that were changed by hand. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "storage/batch.h"
#include "storage/hash.h"
#include "storage/segment.h"
#include "tests/unit/storage/shard.h"
#include "tests/unit/unit.h"

static struct shard s;

#define HEAD 152u

/* ---- the files ------------------------------------------------------------------------------ */

static char *log_dir(void)
{
    static char path[160];

    snprintf(path, sizeof path, "%s/data/logs/%016x", s.root, SHARD_LOG);
    return path;
}

/* The path of the log's `number`th segment, from 0. */
static char *segment_path(unsigned number)
{
    static char path[512];
    struct dirent **entries;
    int count = scandir(log_dir(), &entries, NULL, alphasort);
    unsigned found = 0;

    path[0] = 0;
    for (int i = 0; i < count; i++) {
        if (strstr(entries[i]->d_name, ".seg") != NULL && found++ == number)
            snprintf(path, sizeof path, "%s/%s", log_dir(), entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return path[0] != 0 ? path : NULL;
}

static void change(const char *path, off_t offset, const void *at, size_t size)
{
    int fd = open(path, O_WRONLY);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, at, size, offset), (ssize_t)size);
    close(fd);
}

static void look(const char *path, off_t offset, void *at, size_t size)
{
    int fd = open(path, O_RDONLY);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, at, size, offset), (ssize_t)size);
    close(fd);
}

static void flip(const char *path, off_t offset)
{
    uint8_t byte;

    look(path, offset, &byte, 1);
    byte ^= 0x20;
    change(path, offset, &byte, 1);
}

/* Without the journal nothing is written anew. */
static void remove_journal(void)
{
    char path[160];

    for (unsigned n = 0; n < 10; n++) {
        snprintf(path, sizeof path, "%s/data/journal/%u.jnl", s.root, n);
        (void)unlink(path);
    }
}

static off_t batch_offset(uint64_t index)
{
    return (off_t)((s.places[index] & UINT32_MAX) - HEAD);
}

static void start(void)
{
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    ck_assert_int_eq(shard_open_log(&s), OK);
}

/* A log of three batches, closed, without a journal. */
static void three_batches(size_t last_size)
{
    shard_begin(&s);
    shard_append(&s, 3000, 1);
    shard_append(&s, 100, 2);
    shard_append(&s, last_size, 3);
    shard_close(&s);
    remove_journal();
}

/* ---- damage --------------------------------------------------------------------------------- */

START_TEST(damage_in_the_middle_is_lost_and_reported_and_the_rest_is_kept)
{
    three_batches(100);
    flip(segment_path(0), batch_offset(2) + HEAD + 40);
    for (int life = 0; life < 3; life++) {
        start();
        ck_assert_uint_eq(s.recovered, 2);
        ck_assert_uint_eq(s.lost_calls, 1);
        ck_assert_uint_eq(s.lost_first, 2);
        ck_assert_uint_eq(s.lost_last, 2);
        ck_assert_uint_eq((off_t)s.lost_bytes, batch_offset(3) - batch_offset(2));
        shard_close(&s);
        remove_journal();
    }
    shard_end(&s);
}
END_TEST

START_TEST(a_damaged_last_batch_is_lost_its_index_is_not_used_again_and_its_bytes_are_kept)
{
    uint8_t before[200], after[200];

    three_batches(100);
    flip(segment_path(0), batch_offset(3) + HEAD + 40);
    look(segment_path(0), batch_offset(3), before, sizeof before);
    start();
    ck_assert_uint_eq(s.recovered, 2);
    ck_assert_uint_eq(s.lost_calls, 1);
    ck_assert_uint_eq(s.lost_first, 3);
    ck_assert_uint_eq(s.lost_last, 3);
    ck_assert_uint_eq(shard_append(&s, 50, 4), 4);
    shard_reopen(&s);
    ck_assert_uint_eq(s.recovered, 3);
    ck_assert_uint_eq(s.lost_first, 3);
    ck_assert_uint_eq(log_durable(s.log), 4);
    look(segment_path(0), batch_offset(3), after, sizeof after);
    ck_assert_mem_eq(before, after, sizeof before);
    shard_end(&s);
}
END_TEST

START_TEST(damaged_batches_at_the_end_are_all_lost_and_none_of_their_indexes_is_used_again)
{
    three_batches(100);
    flip(segment_path(0), batch_offset(2) + HEAD + 40);
    flip(segment_path(0), batch_offset(3) + HEAD + 40);
    start();
    ck_assert_uint_eq(s.recovered, 1);
    ck_assert_uint_eq(s.lost_calls, 2);
    ck_assert_uint_eq(s.lost_last, 3);
    ck_assert_uint_eq(shard_append(&s, 50, 4), 4);
    shard_reopen(&s);
    ck_assert_uint_eq(s.recovered, 2);
    ck_assert_uint_eq(log_durable(s.log), 4);
    shard_end(&s);
}
END_TEST

/* What a replica with peers does: from the first lost one on everything is taken anew. */
START_TEST(a_damaged_log_can_be_cut_before_what_is_lost_however_much_is_committed_behind_it)
{
    struct log_hash second;

    shard_begin(&s);
    for (unsigned i = 1; i <= 500; i++) {
        shard_append(&s, 100, (uint8_t)i);
        log_set_committed(s.log, i);
    }
    second = s.hashes[2];
    shard_close(&s);
    remove_journal();
    flip(segment_path(0), batch_offset(3) + HEAD + 40);
    flip(segment_path(0), batch_offset(30) + HEAD + 40);
    start();
    ck_assert_uint_eq(s.lost_calls, 2);
    ck_assert_uint_eq(log_durable(s.log), 500);
    log_cut(s.log, 2);
    ck_assert_uint_eq(log_appended(s.log), 2);
    s.durable = 2;
    for (unsigned i = 3; i <= 10; i++)
        ck_assert_uint_eq(shard_append(&s, 100, 7), i);
    shard_reopen(&s);
    ck_assert_uint_eq(s.lost_calls, 0);
    ck_assert_uint_eq(s.recovered, 10);
    ck_assert(hash_equal(&s.hashes[2], &second));
    shard_end(&s);
}
END_TEST

/* Every byte of the envelope and content of the last batch: never cut off in silence. */
START_TEST(no_flipped_byte_of_a_batch_goes_unreported)
{
    off_t begin, end;

    three_batches(100);
    begin = batch_offset(3);
    end = begin + HEAD + s.sizes[3];
    for (off_t at = begin; at < end; at += 3) {
        flip(segment_path(0), at);
        start();
        ck_assert_uint_eq(s.recovered, 2);
        ck_assert_uint_eq(s.lost_calls, 1);
        ck_assert_uint_eq(s.lost_first, 3);
        shard_close(&s);
        remove_journal();
        flip(segment_path(0), at);
    }
    start();
    ck_assert_uint_eq(s.recovered, 3);
    shard_end(&s);
}
END_TEST

START_TEST(a_damaged_header_of_the_only_segment_is_told_by_its_batches)
{
    three_batches(100);
    flip(segment_path(0), 100);
    start();
    ck_assert_uint_eq(s.recovered, 3);
    ck_assert_uint_eq(s.lost_calls, 0);
    ck_assert_uint_eq(shard_append(&s, 10, 4), 4);
    ck_assert_uint_eq(s.places[4] >> 32, 1); /* it takes no more batches */
    shard_reopen(&s);
    ck_assert_uint_eq(s.recovered, 4);
    shard_end(&s);
}
END_TEST

START_TEST(a_log_whose_files_tell_nothing_is_not_opened_and_not_changed)
{
    shard_begin(&s);
    shard_close(&s);
    flip(segment_path(0), 40);
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    ck_assert_int_eq(shard_open_log(&s), ERR_CORRUPT);
    ck_assert_int_eq(log_prepare(s.store, SHARD_LOG, shard_incarnation, bytes_of(NULL, 0)),
                     ERR_EXISTS);
    s.log = NULL;
    shard_close(&s);
    flip(segment_path(0), 40);
    start();
    shard_end(&s);
}
END_TEST

START_TEST(a_missing_file_in_the_middle_is_a_lost_range)
{
    shard_begin(&s);
    shard_close(&s);
    s.options.segment_size = 16 << 10;
    start();
    for (unsigned i = 1; i <= 12; i++)
        shard_append(&s, 5000, (uint8_t)i);
    ck_assert_uint_eq(s.places[5] >> 32, 2);
    shard_close(&s);
    remove_journal();
    ck_assert_int_eq(unlink(segment_path(2)), 0);
    start();
    ck_assert_uint_eq(s.recovered, 10);
    ck_assert_uint_eq(s.lost_calls, 1);
    ck_assert_uint_eq(s.lost_first, 5);
    ck_assert_uint_eq(s.lost_last, 6);
    ck_assert_uint_eq(shard_append(&s, 10, 4), 13);
    shard_end(&s);
}
END_TEST

/* ---- torn ----------------------------------------------------------------------------------- */

START_TEST(a_torn_tail_ends_its_file_and_the_log_goes_on_in_a_new_one)
{
    static const uint8_t zeros[1024];
    uint8_t before[9000], after[9000];

    three_batches(9000);
    change(segment_path(0), (batch_offset(3) + 4096) & ~511, zeros, 512);
    change(segment_path(0), (batch_offset(3) + 9000) & ~511, zeros, 1024);
    look(segment_path(0), batch_offset(3), before, sizeof before);
    start();
    ck_assert_uint_eq(s.recovered, 2);
    ck_assert_uint_eq(s.lost_calls, 0);
    ck_assert_uint_eq(shard_append(&s, 9000, 9), 3);
    ck_assert_uint_eq(s.places[3] >> 32, 1);
    look(segment_path(0), batch_offset(2) + (off_t)(HEAD + s.sizes[2] + 8), after, sizeof after);
    ck_assert_mem_eq(before, after, sizeof before); /* not overwritten */
    shard_reopen(&s);
    ck_assert_uint_eq(s.recovered, 3);
    ck_assert_uint_eq(s.lost_calls, 0);
    ck_assert_uint_eq(s.places[3] >> 32, 1);
    shard_end(&s);
}
END_TEST

/* A redo may write the batch behind the cut again: it stays void. */
START_TEST(what_lies_behind_a_cut_stays_void_even_if_it_is_whole_again)
{
    static const uint8_t zeros[1024];
    uint8_t *whole = malloc(16384);
    off_t begin;
    struct log_hash hash;

    three_batches(9000);
    begin = batch_offset(3);
    look(segment_path(0), begin, whole, 9500);
    change(segment_path(0), (begin + 4096) & ~511, zeros, 1024);
    start();
    ck_assert_uint_eq(shard_append(&s, 50, 77), 3);
    hash = s.hashes[3];
    shard_close(&s);
    remove_journal();
    change(segment_path(0), begin, whole, 9500);
    start();
    ck_assert_uint_eq(s.recovered, 3);
    ck_assert_uint_eq(s.lost_calls, 0);
    ck_assert(hash_equal(&s.hashes[3], &hash));
    free(whole);
    shard_end(&s);
}
END_TEST

/* ---- the journal ---------------------------------------------------------------------------- */

START_TEST(what_only_the_journal_holds_is_written_to_its_segment)
{
    static const uint8_t zeros[4096];

    shard_begin(&s);
    shard_append(&s, 10, 0); /* before the first journal file is made */
    shard_settle(&s);
    shard_append(&s, 100, 1);
    shard_append(&s, 200, 2);
    shard_append(&s, 300, 3);
    shard_close(&s);
    change(segment_path(0), batch_offset(2), zeros, 3000); /* as if it had never been synced */
    start();
    ck_assert_uint_eq(s.recovered, 4);
    ck_assert_uint_eq(s.lost_calls, 0);
    shard_end(&s);
}
END_TEST

/* The power goes before the file system has written down how long the file became: the journal's
 * batches then belong behind its end, and no allocation is there for them. */
START_TEST(a_segment_whose_length_went_back_with_the_power_is_whole_and_ends_with_a_block)
{
    struct stat found;

    shard_begin(&s);
    shard_append(&s, 10, 0);
    shard_settle(&s);
    shard_append(&s, 60000, 1);
    shard_append(&s, 60000, 2);
    shard_append(&s, 60000, 3);
    shard_close(&s);
    ck_assert_int_eq(truncate(segment_path(0), SEGMENT_SPACE_LEAST), 0);
    for (int life = 0; life < 2; life++) {
        start();
        ck_assert_uint_eq(s.recovered, 4);
        ck_assert_uint_eq(s.lost_calls, 0);
        ck_assert_uint_eq(s.cut_short_calls, 0);
        ck_assert_int_eq(stat(segment_path(0), &found), 0);
        ck_assert_int_eq(found.st_size % BATCH_BLOCK, 0);
        shard_close(&s);
    }
    shard_end(&s);
}
END_TEST

/* Else what redo brings back would hide that more is gone. */
START_TEST(a_segment_that_was_cut_short_stays_so_whatever_the_journal_brings_back)
{
    shard_begin(&s);
    shard_append(&s, 10, 0);
    shard_settle(&s);
    shard_append(&s, 60000, 1);
    shard_append(&s, 60000, 2);
    shard_close(&s);
    ck_assert_int_eq(truncate(segment_path(0), batch_offset(2) + 1000), 0);
    start();
    ck_assert_uint_eq(s.cut_short_calls, 1);
    shard_end(&s);
}
END_TEST

static void voted(struct store_vote_op *op, enum err err)
{
    (void)op;
    ck_assert_int_eq(err, OK);
}

/* So much goes through the journal that it wants the segments synced that it begins with, and not
 * so much that what it had of them is written over. */
static void turn_the_journal_over(void)
{
    for (uint64_t term = 1; term <= 260; term++) {
        struct store_vote_op op = {.log_id = 1, .vote = {.term = term}, .done = voted};

        store_vote(s.store, &op);
        store_flush(s.store);
        shard_settle(&s);
    }
}

/* The end of a block is an end that a file may have; but the journal has seen more. */
START_TEST(a_segment_that_was_cut_at_the_end_of_a_block_is_known_by_what_the_journal_has_of_it)
{
    shard_begin(&s);
    s.options.journal_file_size = 128 << 10;
    shard_reopen(&s);
    shard_append(&s, 10, 0);
    shard_settle(&s);
    shard_append(&s, 10000, 1);
    shard_append(&s, 10000, 2);
    shard_settle(&s);
    turn_the_journal_over();
    shard_close(&s);
    ck_assert_int_eq(truncate(segment_path(0), 8192), 0);
    start();
    ck_assert_uint_eq(s.cut_short_calls, 1);
    shard_end(&s);
}
END_TEST

/* As if two torn writes had made an old record whole again. */
START_TEST(a_journal_record_of_an_earlier_boot_does_not_come_back)
{
    static const uint8_t zeros[4096];
    static uint8_t records[16 << 10];
    char path[160];

    shard_begin(&s);
    shard_append(&s, 10, 0);
    shard_settle(&s);
    shard_append(&s, 100, 1);
    shard_close(&s);
    snprintf(path, sizeof path, "%s/data/journal/0.jnl", s.root);
    look(path, 4096, records, sizeof records);
    for (unsigned i = 0; i < sizeof records; i += 4096)
        change(path, 4096 + i, zeros, 4096);
    change(segment_path(0), batch_offset(2), zeros, 3000); /* it never became durable */
    start();
    ck_assert_uint_eq(s.recovered, 1);
    shard_close(&s);
    change(path, 4096, records, sizeof records);
    start();
    ck_assert_uint_eq(s.recovered, 1);
    shard_end(&s);
}
END_TEST

START_TEST(a_journal_file_with_a_damaged_header_is_read_and_replaced)
{
    static const uint8_t zeros[4096];
    char path[160];

    shard_begin(&s);
    shard_append(&s, 10, 0);
    shard_settle(&s);
    shard_append(&s, 100, 1);
    shard_close(&s);
    change(segment_path(0), batch_offset(2), zeros, 3000);
    snprintf(path, sizeof path, "%s/data/journal/0.jnl", s.root);
    flip(path, 30);
    start();
    ck_assert_uint_eq(s.recovered, 2);
    shard_settle(&s);
    ck_assert_int_ne(access(path, F_OK), 0);
    shard_end(&s);
}
END_TEST

/* ---- doors that stay shut ------------------------------------------------------------------- */

static void newer_version(const char *path, size_t size)
{
    uint8_t at[4096];
    uint64_t checksum;

    look(path, 0, at, size);
    at[16] = 2;
    checksum = hash_64(bytes_of(at + 8, size - 8));
    memcpy(at, &checksum, 8);
    change(path, 0, at, size);
}

static uint64_t tree_hash;

static int hash_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    static uint8_t bytes[16 << 20]; /* the reserve is the largest */
    int fd;

    (void)ftw;
    tree_hash = tree_hash * 31 + bytes_hash(bytes_of_text(path), 1);
    if (type != FTW_F || strstr(path, "/lock") != NULL)
        return 0;
    fd = open(path, O_RDONLY);
    ck_assert_int_eq(read(fd, bytes, sizeof bytes), st->st_size);
    close(fd);
    tree_hash = tree_hash * 31 + bytes_hash(bytes_of(bytes, (size_t)st->st_size), 1);
    return 0;
}

static uint64_t hash_tree(void)
{
    tree_hash = 0;
    nftw(s.root, hash_file, 16, FTW_PHYS);
    return tree_hash;
}

static void refuses_to_open_the_store(enum err expected)
{
    uint64_t before = hash_tree();

    shard_world(&s);
    s.error.text[0] = 0;
    ck_assert_int_eq(shard_open_store(&s), expected);
    ck_assert_uint_gt(strlen(s.error.text), 10);
    io_destroy(s.io);
    ck_assert_uint_eq(hash_tree(), before);
    s.store = NULL;
}

START_TEST(a_newer_node_file_is_refused_and_nothing_is_changed)
{
    char path[160];

    shard_begin(&s);
    shard_append(&s, 10, 1);
    shard_close(&s);
    snprintf(path, sizeof path, "%s/data/node", s.root);
    newer_version(path, 4096);
    refuses_to_open_the_store(ERR_VERSION);
    shard_end(&s);
}
END_TEST

START_TEST(a_newer_journal_is_refused_and_nothing_is_changed)
{
    char path[160];

    shard_begin(&s);
    shard_append(&s, 10, 1);
    shard_close(&s);
    snprintf(path, sizeof path, "%s/data/journal/0.jnl", s.root);
    newer_version(path, 4096);
    refuses_to_open_the_store(ERR_VERSION);
    shard_end(&s);
}
END_TEST

START_TEST(a_damaged_node_file_is_refused_and_nothing_is_changed)
{
    char path[160];

    shard_begin(&s);
    shard_close(&s);
    snprintf(path, sizeof path, "%s/data/node", s.root);
    flip(path, 41);
    refuses_to_open_the_store(ERR_CORRUPT);
    ck_assert_int_eq(unlink(path), 0);
    refuses_to_open_the_store(ERR_CORRUPT); /* there are logs: it is not a new directory */
    shard_end(&s);
}
END_TEST

static void opens_the_store(void)
{
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    s.recovered = 0;
    ck_assert_int_eq(shard_open_log(&s), OK);
}

START_TEST(another_members_directory_is_refused_and_nothing_is_changed)
{
    shard_begin(&s);
    s.options.owner = "n1"; /* nobody's until now */
    shard_reopen(&s);
    shard_append(&s, 10, 1);
    shard_close(&s);
    s.options.owner = "n2";
    refuses_to_open_the_store(ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(s.error.text, "of the server 'n1'"));
    ck_assert_ptr_nonnull(strstr(s.error.text, "this one is 'n2'"));
    s.options.owner = NULL; /* alone */
    opens_the_store();
    shard_close(&s);
    s.options.owner = "n2";
    refuses_to_open_the_store(ERR_INVALID);
    s.options.owner = "n1";
    opens_the_store();
    ck_assert_uint_eq(s.recovered, 1);
    shard_close(&s);
    shard_end(&s);
}
END_TEST

START_TEST(a_newer_segment_is_refused_and_not_changed)
{
    uint8_t before[8192], after[8192];

    three_batches(100);
    newer_version(segment_path(0), 4096);
    look(segment_path(0), 0, before, sizeof before);
    shard_world(&s);
    ck_assert_int_eq(shard_open_store(&s), OK);
    ck_assert_int_eq(shard_open_log(&s), ERR_VERSION);
    s.log = NULL;
    look(segment_path(0), 0, after, sizeof after);
    ck_assert_mem_eq(before, after, sizeof before);
    shard_end(&s);
}
END_TEST

START_TEST(a_directory_is_held_by_one_server)
{
    struct io *io;
    struct store *store;
    struct store_error error;

    shard_begin(&s);
    ck_assert_int_eq(io_real_create(s.root, IO_CHOICE_AUTO, &io, &(struct io_real_result){0}), OK);
    ck_assert_int_eq(store_open(io, "data", &s.options, &store, &error), ERR_BUSY);
    ck_assert_ptr_nonnull(strstr(error.text, "data"));
    io_destroy(io);
    shard_append(&s, 10, 1);
    shard_end(&s);
}
END_TEST

START_TEST(every_start_counts)
{
    uint8_t id[16];

    shard_begin(&s);
    ck_assert_uint_eq(store_boot(s.store), 1);
    memcpy(id, store_id(s.store), 16);
    shard_reopen(&s);
    ck_assert_uint_eq(store_boot(s.store), 2);
    ck_assert_mem_eq(store_id(s.store), id, 16);
    shard_end(&s);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        damage_in_the_middle_is_lost_and_reported_and_the_rest_is_kept,
        a_damaged_last_batch_is_lost_its_index_is_not_used_again_and_its_bytes_are_kept,
        damaged_batches_at_the_end_are_all_lost_and_none_of_their_indexes_is_used_again,
        a_damaged_log_can_be_cut_before_what_is_lost_however_much_is_committed_behind_it,
        no_flipped_byte_of_a_batch_goes_unreported,
        a_damaged_header_of_the_only_segment_is_told_by_its_batches,
        a_log_whose_files_tell_nothing_is_not_opened_and_not_changed,
        a_missing_file_in_the_middle_is_a_lost_range,
        a_torn_tail_ends_its_file_and_the_log_goes_on_in_a_new_one,
        a_segment_that_was_cut_at_the_end_of_a_block_is_known_by_what_the_journal_has_of_it,
        what_lies_behind_a_cut_stays_void_even_if_it_is_whole_again,
        what_only_the_journal_holds_is_written_to_its_segment,
        a_segment_whose_length_went_back_with_the_power_is_whole_and_ends_with_a_block,
        a_segment_that_was_cut_short_stays_so_whatever_the_journal_brings_back,
        a_journal_record_of_an_earlier_boot_does_not_come_back,
        a_journal_file_with_a_damaged_header_is_read_and_replaced,
        a_newer_node_file_is_refused_and_nothing_is_changed,
        a_newer_journal_is_refused_and_nothing_is_changed,
        a_damaged_node_file_is_refused_and_nothing_is_changed,
        another_members_directory_is_refused_and_nothing_is_changed,
        a_newer_segment_is_refused_and_not_changed,
        a_directory_is_held_by_one_server,
        every_start_counts,
    };

    return UNIT_RUN_PLAIN("recovery", tests);
}
