/* What backups stand on: a manifest is what was written or nothing, and names no file elsewhere; a
 * walk finds what counts of a segment up to a moment, and says what is missing. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/program/backup_manifest.h"
#include "server/program/backup_source.h"
#include "server/program/backup_walk.h"
#include "storage/hash.h"

#define GOLDEN "tests/golden/store-1.tar.gz"

/* ---- manifests ------------------------------------------------------------------------------ */

static void add(struct backup_manifest *manifest, const char *name, enum backup_kind kind,
                uint64_t id)
{
    struct backup_file file = {.kind = kind, .log_id = 16, .id = id, .from = 2, .size = 77};

    snprintf(file.name, sizeof file.name, "%s", name);
    file.hash = hash_128(bytes_of_text(name));
    file.mark = hash_128(bytes_of_text("mark"));
    file.last = 12;
    file.cut = 3;
    file.damaged = kind == BACKUP_KEPT;
    backup_manifest_add(manifest, &file);
}

static void fill(struct backup_manifest *manifest)
{
    backup_manifest_init(manifest);
    manifest->number = 3;
    manifest->boot = 9;
    manifest->time_ns = 1234567890123456789;
    manifest->made_ns = 1234567890123456790;
    memset(manifest->store_id, 0xab, 16);
    add(manifest, "logs/0000000000000010/0000000100000002.seg", BACKUP_SEGMENT, 0x100000002);
    add(manifest, "logs/0000000000000010/00000000000000ff.blk", BACKUP_BLOCK, 0xff);
    add(manifest, "logs/0000000000000010/0000000100000007.pak", BACKUP_KEPT, 0x100000007);
    backup_manifest_sort(manifest);
}

START_TEST(a_manifest_is_read_as_it_was_written)
{
    struct backup_manifest written, read;
    const struct backup_file *file;
    struct buf text;

    fill(&written);
    backup_manifest_damaged(&written, "the %s is damaged", "file");
    buf_init(&text, SIZE_MAX);
    backup_manifest_encode(&written, &text);
    ck_assert_int_eq(backup_manifest_decode(&read, buf_bytes(&text)), OK);
    ck_assert_uint_eq(read.number, 3);
    ck_assert_uint_eq(read.boot, 9);
    ck_assert_int_eq(read.time_ns, written.time_ns);
    ck_assert_int_eq(read.made_ns, written.made_ns);
    ck_assert_mem_eq(read.store_id, written.store_id, 16);
    ck_assert_uint_eq(read.count, 3);
    ck_assert(!backup_manifest_whole(&read));
    file = backup_manifest_find(&read, "logs/0000000000000010/0000000100000007.pak");
    ck_assert_ptr_nonnull(file);
    ck_assert(file->damaged);
    ck_assert_mem_eq(file, backup_manifest_find(&written, file->name), sizeof *file);
    ck_assert_ptr_null(backup_manifest_find(&read, "logs/0000000000000010/nothing"));
    buf_deinit(&text);
    backup_manifest_free(&written);
    backup_manifest_free(&read);
}
END_TEST

START_TEST(no_byte_of_a_manifest_changes_unseen_and_none_is_missing)
{
    struct backup_manifest written, read;
    struct buf text;

    fill(&written);
    buf_init(&text, SIZE_MAX);
    backup_manifest_encode(&written, &text);
    for (size_t i = 0; i < text.size; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            text.at[i] ^= (uint8_t)(1u << bit);
            ck_assert_int_ne(backup_manifest_decode(&read, buf_bytes(&text)), OK);
            backup_manifest_free(&read);
            text.at[i] ^= (uint8_t)(1u << bit);
        }
        ck_assert_int_ne(backup_manifest_decode(&read, bytes_take(buf_bytes(&text), i)), OK);
        backup_manifest_free(&read);
    }
    buf_deinit(&text);
    backup_manifest_free(&written);
}
END_TEST

START_TEST(a_manifest_names_no_file_but_those_of_a_data_directory)
{
    static const char *const names[] = {
        "../../etc/passwd",
        "logs/0000000000000010/../node",
        "logs/0000000000000010/0000000100000003.seg", /* another id */
        "logs/0000000000000011/0000000100000002.seg", /* another log */
        "logs/0000000000000010/0000000100000002.blk", /* another kind */
        "/logs/0000000000000010/0000000100000002.seg",
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct backup_manifest written, read;
        struct buf text;

        backup_manifest_init(&written);
        written.number = 3;
        add(&written, names[i], BACKUP_SEGMENT, 0x100000002);
        buf_init(&text, SIZE_MAX);
        backup_manifest_encode(&written, &text);
        ck_assert_int_eq(backup_manifest_decode(&read, buf_bytes(&text)), ERR_CORRUPT);
        buf_deinit(&text);
        backup_manifest_free(&written);
        backup_manifest_free(&read);
    }
}
END_TEST

/* A manifest that is sound by its checksum, and says what no backup says. */
static void refused(struct backup_manifest *written)
{
    struct backup_manifest read;
    struct buf text;

    buf_init(&text, SIZE_MAX);
    backup_manifest_encode(written, &text);
    ck_assert_int_eq(backup_manifest_decode(&read, buf_bytes(&text)), ERR_CORRUPT);
    buf_deinit(&text);
    backup_manifest_free(written);
    backup_manifest_free(&read);
}

START_TEST(a_manifest_names_each_file_once_and_leaves_ids_for_those_to_come)
{
    struct backup_manifest written;

    fill(&written);
    add(&written, "logs/0000000000000010/00000000000000ff.blk", BACKUP_BLOCK, 0xff);
    refused(&written);
    fill(&written);
    written.boot = UINT64_C(1) << 32; /* the ids of its files would be those of earlier boots */
    refused(&written);
    fill(&written);
    written.files[0].from = written.number + 1;
    refused(&written);
}
END_TEST

/* ---- walks ---------------------------------------------------------------------------------- */

struct moments {
    int64_t times[64];
    uint64_t ends[64]; /* where each batch ends */
    size_t count;
};

static void on_batch(void *owner, const struct segment_batch *batch)
{
    struct moments *moments = owner;

    moments->times[moments->count] = batch->view.time_ns;
    moments->ends[moments->count] =
        (moments->count == 0 ? SEGMENT_HEADER : moments->ends[moments->count - 1]) + batch->size;
    moments->count++;
}

/* The largest segment of the golden store, with what the journal has of it. */
static void read_golden(struct buf *bytes, struct segment_header *header)
{
    char dir[64] = "/tmp/millrace-backup-XXXXXX", command[256], error[256];
    struct source source;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(command, sizeof command, "tar xzf " GOLDEN " -C %s --strip-components=1", dir);
    ck_assert_int_eq(system(command), 0);
    ck_assert_int_eq(source_open(&source, dir, error, sizeof error), SOURCE_DONE);
    ck_assert(!source.live);
    ck_assert_int_eq(source_look(&source), SOURCE_DONE);
    for (size_t i = 0; i < source.count; i++)
        if (source.logs[i].id == 16)
            ck_assert_int_eq(source_read_segment(&source, &source.logs[i],
                                                 &source.logs[i].files[source.logs[i].count - 1],
                                                 header, bytes),
                             OK);
    source_close(&source);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(a_walk_ends_at_the_first_batch_that_is_too_late)
{
    struct moments all = {.count = 0};
    struct backup_walk walk = {.batch = on_batch, .owner = &all};
    struct segment_header header;
    struct buf bytes;

    buf_init(&bytes, SIZE_MAX);
    read_golden(&bytes, &header);
    backup_walk(&walk, buf_bytes(&bytes), &header, (struct backup_limit){UINT64_MAX, INT64_MAX});
    ck_assert_uint_gt(all.count, 20);
    ck_assert_uint_eq(walk.lost_first, 0);
    ck_assert(!walk.stopped);
    ck_assert_uint_eq(walk.end, all.ends[all.count - 1]);
    for (size_t i = 0; i + 1 < all.count; i++) {
        size_t last = i;

        while (last + 1 < all.count && all.times[last + 1] <= all.times[i])
            last++;
        walk.batch = NULL;
        backup_walk(&walk, buf_bytes(&bytes), &header,
                    (struct backup_limit){UINT64_MAX, all.times[i]});
        ck_assert_uint_eq(walk.end, all.ends[last]);
        ck_assert_uint_eq(walk.index, header.base + last + 1);
        ck_assert_uint_eq(walk.lost_first, 0);
        ck_assert_int_eq(walk.stopped, last + 1 < all.count);
    }
    buf_deinit(&bytes);
}
END_TEST

START_TEST(what_a_cut_names_is_there_or_said_to_be_missing)
{
    struct backup_walk walk = {0};
    struct segment_header header;
    struct buf bytes;
    uint64_t last;

    buf_init(&bytes, SIZE_MAX);
    read_golden(&bytes, &header);
    backup_walk(&walk, buf_bytes(&bytes), &header, (struct backup_limit){UINT64_MAX, INT64_MAX});
    last = walk.index;
    backup_walk(&walk, buf_bytes(&bytes), &header, (struct backup_limit){last - 3, INT64_MAX});
    ck_assert_uint_eq(walk.index, last - 3);
    ck_assert_uint_eq(walk.lost_first, 0);
    backup_walk(&walk, buf_bytes(&bytes), &header, (struct backup_limit){last + 2, INT64_MAX});
    ck_assert_uint_eq(walk.index, last);
    ck_assert_uint_eq(walk.lost_first, last + 1);
    ck_assert_uint_eq(walk.lost_last, last + 2);
    bytes.at[SEGMENT_HEADER + 700] ^= 1; /* in the first batches, which were durable */
    backup_walk(&walk, buf_bytes(&bytes), &header, (struct backup_limit){UINT64_MAX, INT64_MAX});
    ck_assert_uint_eq(walk.index, last);
    ck_assert_uint_ne(walk.lost_first, 0);
    buf_deinit(&bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backup");
    TCase *cases = tcase_create("backup");
    SRunner *runner;
    int failed;

    tcase_add_test(cases, a_manifest_is_read_as_it_was_written);
    tcase_add_test(cases, no_byte_of_a_manifest_changes_unseen_and_none_is_missing);
    tcase_add_test(cases, a_manifest_names_no_file_but_those_of_a_data_directory);
    tcase_add_test(cases, a_manifest_names_each_file_once_and_leaves_ids_for_those_to_come);
    tcase_add_test(cases, a_walk_ends_at_the_first_batch_that_is_too_late);
    tcase_add_test(cases, what_a_cut_names_is_there_or_said_to_be_missing);
    suite_add_tcase(suite, cases);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
