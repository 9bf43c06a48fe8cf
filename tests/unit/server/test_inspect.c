/* What check and dump read of a data directory: the golden one is sound and whole, and no byte of
 * it changes unseen. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "server/program/inspect.h"
#include "storage/hash.h"

#define GOLDEN "tests/golden/store-1.tar.gz"
#define STREAM "logs/0000000000000010/0000000100000002.seg"

static char store[64];

static void extract(void)
{
    char command[256];

    snprintf(store, sizeof store, "/tmp/millrace-inspect-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(store));
    snprintf(command, sizeof command, "tar xzf " GOLDEN " -C %s --strip-components=1", store);
    ck_assert_int_eq(system(command), 0);
}

static void clean(void)
{
    char command[256];

    snprintf(command, sizeof command, "rm -rf %s", store);
    ck_assert_int_eq(system(command), 0);
}

struct told {
    unsigned problems, notes, batches, records, journal;
    uint64_t digest; /* of what the logs hold */
};

static void on_problem(void *owner, const char *path, const char *text)
{
    (void)path, (void)text;
    ((struct told *)owner)->problems++;
}

static void on_note(void *owner, const char *path, const char *text)
{
    (void)path, (void)text;
    ((struct told *)owner)->notes++;
}

static void mix(struct told *told, struct bytes bytes)
{
    told->digest = told->digest * 0x9e3779b97f4a7c15u + hash_64(bytes);
}

static void on_batch(void *owner, const char *path, uint64_t position, uint64_t log_id,
                     const struct segment_batch *batch)
{
    (void)path, (void)position;
    mix(owner, bytes_of(&log_id, sizeof log_id));
    mix(owner, batch->view.content);
    ((struct told *)owner)->batches++;
}

static void on_record(void *owner, uint64_t log_id, const struct record *record)
{
    (void)log_id, (void)record;
    ((struct told *)owner)->records++;
}

static void on_journal(void *owner, const char *path, uint64_t offset,
                       const struct journal_record *record, bool needed)
{
    (void)path, (void)offset, (void)record;
    ((struct told *)owner)->journal += needed;
}

static enum inspect_result look(struct told *told)
{
    const struct inspector inspector = {
        .owner = told,
        .problem = on_problem,
        .note = on_note,
        .batch = on_batch,
        .record = on_record,
        .journal = on_journal,
    };

    *told = (struct told){0};
    return inspect(store, &inspector);
}

static int open_file(const char *name)
{
    char path[256];
    int fd;

    snprintf(path, sizeof path, "%s/%s", store, name);
    fd = open(path, O_RDWR);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void put(int fd, uint64_t at, uint8_t byte)
{
    ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
}

START_TEST(the_golden_store_is_sound_and_whole)
{
    struct told told;

    extract();
    ck_assert_int_eq(look(&told), INSPECT_DONE);
    ck_assert_uint_eq(told.problems, 0);
    ck_assert_uint_eq(told.notes, 0);
    ck_assert_uint_gt(told.batches, 20);
    ck_assert_uint_gt(told.records, 30);
    ck_assert_uint_gt(told.journal, 0);
    clean();
}
END_TEST

/* Seen, or what the logs hold is the same: the journal has it, or nobody needs it. */
static void flip_all(const char *name, uint64_t from, uint64_t to, uint64_t step)
{
    struct told before, told;
    int fd = open_file(name);

    ck_assert_int_eq(look(&before), INSPECT_DONE);
    for (uint64_t at = from; at < to; at += step) {
        enum inspect_result result;
        uint8_t byte;

        if (pread(fd, &byte, 1, (off_t)at) != 1)
            break;
        put(fd, at, byte ^ (uint8_t)(1u << at % 8));
        result = look(&told);
        put(fd, at, byte);
        ck_assert_msg(result == INSPECT_NEWER || told.problems + told.notes > 0 ||
                          (told.digest == before.digest && told.batches == before.batches),
                      "%s at %llu", name, (unsigned long long)at);
    }
    close(fd);
}

START_TEST(no_byte_changes_unseen)
{
    extract();
    flip_all("node", 0, 4096, 7);
    flip_all(STREAM, 0, 200, 1);
    flip_all(STREAM, 200, 4096, 61);
    flip_all(STREAM, 4096, 8300, 1);
    flip_all("logs/0000000000000001/0000000100000001.seg", 4096, 7000, 3);
    flip_all("logs/0000000000000011/0000000100000003.seg", 4096, 6000, 3);
    flip_all("journal/0.jnl", 0, 160 << 10, 331);
    clean();
}
END_TEST

/* As a later version would write it: sound, with another number. */
static void raise_version(const char *name, bool feature)
{
    uint8_t head[4096];
    int fd = open_file(name);
    uint64_t sum;

    ck_assert_int_eq(pread(fd, head, sizeof head, 0), sizeof head);
    if (feature)
        head[20] |= 0x80; /* that nobody knows */
    else
        head[16]++;
    sum = hash_64(bytes_of(head + 8, sizeof head - 8));
    memcpy(head, &sum, sizeof sum);
    ck_assert_int_eq(pwrite(fd, head, sizeof head, 0), sizeof head);
    close(fd);
}

START_TEST(a_later_format_is_refused_by_its_number)
{
    static const char *const names[] = {"node", STREAM, "journal/0.jnl"};
    struct told told;

    for (int i = 0; i < 6; i++) {
        extract();
        raise_version(names[i / 2], i % 2 == 1);
        ck_assert_int_eq(look(&told), INSPECT_NEWER);
        clean();
    }
}
END_TEST

START_TEST(what_a_server_has_is_left_alone)
{
    struct told told;
    int fd;

    extract();
    fd = open_file("lock");
    ck_assert_int_eq(flock(fd, LOCK_EX), 0);
    ck_assert_int_eq(look(&told), INSPECT_LOCKED);
    close(fd);
    ck_assert_int_eq(look(&told), INSPECT_DONE);
    snprintf(store + strlen(store), 8, "/logs");
    ck_assert_int_eq(look(&told), INSPECT_NO_STORE);
    *strrchr(store, '/') = 0;
    clean();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inspect");
    TCase *tests = tcase_create("inspect");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, the_golden_store_is_sound_and_whole);
    tcase_add_test(tests, no_byte_changes_unseen);
    tcase_add_test(tests, a_later_format_is_refused_by_its_number);
    tcase_add_test(tests, what_a_server_has_is_left_alone);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
