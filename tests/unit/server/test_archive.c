/* Backups: what the reference has made is read, what is made here reads back, and what is not as it
 * should be is refused with a reason. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"
#include "server/backup/archive.h"
#include "server/backup/consumer_file.h"

#define GOLDEN "tests/golden/backup-2.14/stream.tar.s2"

static struct buf read_file(const char *path)
{
    struct buf bytes;
    uint8_t piece[4096];
    FILE *file = fopen(path, "rb");
    size_t got;

    ck_assert_ptr_nonnull(file);
    buf_init(&bytes, SIZE_MAX);
    while ((got = fread(piece, 1, sizeof piece, file)) > 0)
        ck_assert(buf_add(&bytes, bytes_of(piece, got)));
    fclose(file);
    return bytes;
}

/* What a reader tells of an archive. */
struct told {
    size_t streams, messages, deleted, consumers, extras;
    uint64_t first, last, last_deleted;
    struct portable consumer;
    bool ended, bad;
    char error[320];
};

static bool keep_all(void *owner, uint64_t sequence)
{
    (void)owner, (void)sequence;
    return true;
}

static void tell(struct told *told, const struct archive_item *item)
{
    switch (item->type) {
    case ARCHIVE_STREAM: told->streams++; break;
    case ARCHIVE_EXTRA: told->extras++; break;
    case ARCHIVE_MESSAGE:
        told->messages++;
        told->first = told->first == 0 ? item->record.sequence : told->first;
        told->last = item->record.sequence;
        break;
    case ARCHIVE_DELETED:
        told->deleted++;
        told->last_deleted = item->record.sequence;
        break;
    case ARCHIVE_CONSUMER:
        told->consumers++;
        portable_deinit(&told->consumer);
        told->bad = !consumer_file_read(item->state, keep_all, NULL, &told->consumer);
        break;
    default: break;
    }
}

static struct told read_archive(struct bytes bytes, const char *stream, size_t piece)
{
    struct archive_reader reader;
    struct archive_item item;
    struct told told = {0};

    archive_reader_init(&reader, bytes_of_text(stream));
    do {
        archive_next(&reader, &item);
        tell(&told, &item);
        if (item.type == ARCHIVE_MORE) {
            size_t size = bytes.size < piece ? bytes.size : piece;

            if (size == 0)
                break;
            ck_assert(archive_feed(&reader, bytes_take(bytes, size)));
            bytes = bytes_skip(bytes, size);
        }
    } while (item.type != ARCHIVE_END && item.type != ARCHIVE_BAD);
    told.ended = item.type == ARCHIVE_END;
    told.bad = told.bad || item.type == ARCHIVE_BAD;
    memcpy(told.error, reader.error, sizeof told.error);
    archive_reader_deinit(&reader);
    return told;
}

START_TEST(what_the_reference_has_made_is_read_whole)
{
    static const size_t pieces[] = {1, 7, 512, 1u << 20};
    struct buf golden = read_file(GOLDEN);

    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct told told = read_archive(buf_bytes(&golden), "ORDERS", pieces[i]);

        ck_assert_str_eq(told.error, "");
        ck_assert(told.ended && !told.bad);
        ck_assert_uint_eq(told.streams, 1);
        ck_assert_uint_eq(told.first, 1);
        ck_assert_uint_eq(told.messages, 47);
        ck_assert_uint_ge(told.last_deleted, 49);
        ck_assert_uint_eq(told.consumers, 1);
        ck_assert_uint_eq(told.consumer.delivered_consumer, 8);
        ck_assert_uint_eq(told.consumer.delivered_stream, 10);
        ck_assert_uint_eq(told.consumer.pending_count, 5);
        portable_deinit(&told.consumer);
    }
    buf_deinit(&golden);
}
END_TEST

START_TEST(another_streams_archive_is_refused)
{
    struct buf golden = read_file(GOLDEN);
    struct told told = read_archive(buf_bytes(&golden), "OTHER", 4096);

    ck_assert(told.bad);
    ck_assert_ptr_nonnull(strstr(told.error, "another stream's"));
    portable_deinit(&told.consumer);
    buf_deinit(&golden);
}
END_TEST

START_TEST(a_cut_archive_never_ends)
{
    struct buf golden = read_file(GOLDEN);

    for (size_t size = 0; size + 1 < golden.size; size += 13) {
        struct told told = read_archive(bytes_take(buf_bytes(&golden), size), "ORDERS", 997);

        ck_assert(!told.ended);
        portable_deinit(&told.consumer);
    }
    buf_deinit(&golden);
}
END_TEST

/* The golden archive, then `tail` in pieces; what is said of it at its end. */
static bool clean_behind(struct bytes tail)
{
    struct buf all = read_file(GOLDEN);
    struct archive_reader reader;
    struct archive_item item;
    struct bytes rest;
    bool clean = true;

    ck_assert(buf_add(&all, tail));
    rest = buf_bytes(&all);
    archive_reader_init(&reader, BYTES("ORDERS"));
    do {
        archive_next(&reader, &item);
        if (item.type == ARCHIVE_MORE) {
            ck_assert(archive_feed(&reader, bytes_take(rest, 1)));
            rest = bytes_skip(rest, 1);
        }
    } while (item.type != ARCHIVE_END);
    for (; clean && rest.size > 0; rest = bytes_skip(rest, 1)) {
        ck_assert(archive_feed(&reader, bytes_take(rest, 1)));
        clean = archive_rest(&reader, false);
    }
    clean = clean && archive_rest(&reader, true);
    ck_assert_str_eq(reader.error,
                     clean ? "" : "the archive is damaged: there is more behind its end");
    archive_reader_deinit(&reader);
    buf_deinit(&all);
    return clean;
}

START_TEST(behind_the_end_there_may_be_zeros_and_nothing_else)
{
    static const uint8_t zeros[8192];
    struct buf tail;

    buf_init(&tail, SIZE_MAX);
    ck_assert(clean_behind(buf_bytes(&tail)));
    ck_assert(s2_add(&tail, bytes_of(zeros, sizeof zeros)));
    ck_assert(clean_behind(buf_bytes(&tail)));
    ck_assert(!clean_behind(bytes_take(buf_bytes(&tail), tail.size - 1)));
    ck_assert(s2_add(&tail, BYTES("more")));
    ck_assert(!clean_behind(buf_bytes(&tail)));
    ck_assert(!clean_behind(BYTES("garbage")));
    ck_assert(!clean_behind(bytes_of(zeros, 3)));
    buf_deinit(&tail);
}
END_TEST

START_TEST(a_flipped_byte_is_found_out)
{
    struct buf golden = read_file(GOLDEN);

    for (size_t at = 0; at < golden.size; at++) {
        struct told told;

        golden.at[at] ^= 0x10;
        told = read_archive(buf_bytes(&golden), "ORDERS", SIZE_MAX);
        golden.at[at] ^= 0x10;
        if (told.ended) { /* the index that is passed over, after the archive's end: harmless */
            ck_assert_uint_eq(told.messages, 47);
            ck_assert_uint_eq(told.consumer.pending_count, 5);
        }
        portable_deinit(&told.consumer);
    }
    buf_deinit(&golden);
}
END_TEST

/* ---- what is made here ----------------------------------------------------------------------- */

static void add_block(struct buf *out, uint32_t number, const struct message_block_record *records,
                      size_t count)
{
    uint8_t key[HIGHWAY_KEY_SIZE];
    char name[32];
    struct buf block;

    snprintf(name, sizeof name, "msgs/%u.blk", number);
    buf_init(&block, SIZE_MAX);
    message_block_key(BYTES("S"), number, key);
    for (size_t i = 0; i < count; i++)
        ck_assert(message_block_add(&block, key, &records[i]));
    ck_assert(archive_add_file(out, bytes_of_text(name), buf_bytes(&block), 0));
    buf_deinit(&block);
}

static struct message_block_record record(uint64_t sequence)
{
    return (struct message_block_record){
        .sequence = sequence,
        .time_ns = 1000 + (int64_t)sequence,
        .subject = BYTES("a.b"),
        .headers = sequence % 2 == 0 ? BYTES("NATS/1.0\r\nA: b\r\n\r\n") : bytes_of(NULL, 0),
        .payload = BYTES("payload"),
    };
}

START_TEST(what_is_written_reads_back)
{
    const struct message_block_record records[] = {record(1), record(2), record(9)};
    const struct message_block_record gone = {.sequence = 12, .deleted = true};
    struct portable_pending pending[] = {{5, 3, INT64_C(7000000000), 2}, {9, 4, 0, 1}};
    struct portable_exhausted exhausted[] = {{6, 5}};
    struct portable portable = {.delivered_consumer = 8,
                                .delivered_stream = 9,
                                .floor_consumer = 2,
                                .floor_stream = 4,
                                .pending = pending,
                                .pending_count = 2,
                                .exhausted = exhausted,
                                .exhausted_count = 1};
    struct bytes name =
        BYTES("a-consumer-whose-name-is-so-long-that-it-does-not-fit-the-name-field-of-a-header-of-"
              "an-archive-at-all");
    char path[300];
    struct buf out, state;
    struct told told;

    buf_init(&out, SIZE_MAX);
    buf_init(&state, SIZE_MAX);
    ck_assert(s2_begin(&out));
    ck_assert(archive_add_config(&out, BYTES("S"), bytes_of(NULL, 0), BYTES("{}"), 1));
    add_block(&out, 1, records, 3);
    add_block(&out, 2, &gone, 1);
    ck_assert(archive_add_config(&out, BYTES("S"), name, BYTES("{}"), 1));
    ck_assert(consumer_file_write(&portable, &state));
    snprintf(path, sizeof path, "obs/%.*s/o.dat", BYTES_ARG(name));
    ck_assert(archive_add_file(&out, bytes_of_text(path), buf_bytes(&state), 1));
    ck_assert(archive_add_end(&out));
    told = read_archive(buf_bytes(&out), "S", 100);
    ck_assert_str_eq(told.error, "");
    ck_assert(told.ended && !told.bad);
    ck_assert_uint_eq(told.messages, 3);
    ck_assert_uint_eq(told.last, 9);
    ck_assert_uint_eq(told.last_deleted, 12);
    ck_assert_uint_eq(told.consumers, 1);
    ck_assert_uint_eq(told.consumer.pending_count, 2);
    ck_assert_uint_eq(told.consumer.pending[0].deliveries, 2);
    ck_assert_int_eq(told.consumer.pending[0].time_ns, INT64_C(7000000000));
    ck_assert_uint_eq(told.consumer.pending[1].consumer_sequence, 4);
    ck_assert_uint_eq(told.consumer.exhausted_count, 1);
    ck_assert_uint_eq(told.consumer.exhausted[0].deliveries, 5);
    portable_deinit(&told.consumer);
    buf_deinit(&out);
    buf_deinit(&state);
}
END_TEST

static struct told read_made(const char *name, struct bytes content)
{
    struct buf out;
    struct told told;

    buf_init(&out, SIZE_MAX);
    ck_assert(s2_begin(&out));
    ck_assert(archive_add_config(&out, BYTES("S"), bytes_of(NULL, 0), BYTES("{}"), 1));
    ck_assert(archive_add_file(&out, bytes_of_text(name), content, 1));
    ck_assert(archive_add_end(&out));
    told = read_archive(buf_bytes(&out), "S", 4096);
    buf_deinit(&out);
    return told;
}

START_TEST(paths_that_are_not_a_backups_are_refused)
{
    static const char *const names[] = {
        "../meta.inf",  "/etc/passwd",          "msgs/../1.blk", "msgs/1.blk/x", "msgs/-1.blk",
        "msgs/.blk",    "msgs/99999999999.blk", "obs//o.dat",    "obs/../o.dat", "obs/a/b/o.dat",
        "obs/a*/o.dat", "obs/a/other",          "obs/a",         "whatever",     "msgs/1.blk ",
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct told told = read_made(names[i], BYTES("x"));

        ck_assert_msg(told.bad, "%s", names[i]);
        ck_assert_msg(strstr(told.error, "unexpected content") != NULL, "%s: %s", names[i],
                      told.error);
    }
}
END_TEST

START_TEST(content_that_is_no_records_is_refused)
{
    ck_assert(read_made("msgs/1.blk", BYTES("x")).bad);
    ck_assert(read_made("msgs/1.blk", BYTES("0123456789012345678901234567890123456789")).bad);
    ck_assert(read_made("meta.sum", BYTES("0123456789abcdef")).bad);
    ck_assert(read_made("errors.txt", BYTES("disk on fire")).bad);
}
END_TEST

START_TEST(a_state_that_makes_no_sense_is_refused)
{
    static const char *const states[] = {
        "", "\x16", "\x16\x01", "\x17\x02", "\x16\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    };
    const uint8_t many[] = {22, 2, 0, 0, 9, 9, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0};
    struct portable portable;

    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        ck_assert(!consumer_file_read(bytes_of_text(states[i]), keep_all, NULL, &portable));
        portable_deinit(&portable);
    }
    ck_assert(!consumer_file_read(bytes_of(many, sizeof many), keep_all, NULL, &portable));
    portable_deinit(&portable);
}
END_TEST

/* Nothing of it is told, and it is many times what a turn of the loop may take. */
START_TEST(what_expands_to_much_is_read_in_pauses)
{
    static const size_t size = 14u << 20;
    struct bytes config = BYTES("{\"name\":\"S\"}");
    struct archive_reader reader;
    struct archive_item item;
    struct buf archive, zeros;
    size_t pauses = 0;

    buf_init(&archive, SIZE_MAX);
    buf_init(&zeros, SIZE_MAX);
    memset(buf_reserve(&zeros, size), 0, size);
    buf_commit(&zeros, size);
    ck_assert(s2_begin(&archive) && archive_add_config(&archive, BYTES("S"), BYTES(""), config, 0));
    ck_assert(archive_add_file(&archive, BYTES("msgs/index.db"), buf_bytes(&zeros), 0));
    ck_assert(archive_add_end(&archive));
    archive_reader_init(&reader, BYTES("S"));
    ck_assert(archive_feed(&reader, buf_bytes(&archive)));
    do {
        archive_next(&reader, &item);
        pauses += item.type == ARCHIVE_PAUSE;
    } while (item.type == ARCHIVE_PAUSE || item.type == ARCHIVE_STREAM);
    ck_assert_int_eq(item.type, ARCHIVE_END);
    ck_assert_uint_ge(pauses, 3);
    archive_reader_deinit(&reader);
    buf_deinit(&zeros);
    buf_deinit(&archive);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("archive");
    TCase *tests = tcase_create("archive");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, what_the_reference_has_made_is_read_whole);
    tcase_add_test(tests, another_streams_archive_is_refused);
    tcase_add_test(tests, a_cut_archive_never_ends);
    tcase_add_test(tests, behind_the_end_there_may_be_zeros_and_nothing_else);
    tcase_add_test(tests, a_flipped_byte_is_found_out);
    tcase_add_test(tests, what_is_written_reads_back);
    tcase_add_test(tests, paths_that_are_not_a_backups_are_refused);
    tcase_add_test(tests, content_that_is_no_records_is_refused);
    tcase_add_test(tests, a_state_that_makes_no_sense_is_refused);
    tcase_add_test(tests, what_expands_to_much_is_read_in_pauses);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
