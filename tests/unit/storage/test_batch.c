#include "storage/batch.h"

#include "base/prng.h"
#include "storage/hash.h"
#include "tests/unit/storage/file.h"
#include "tests/unit/unit.h"

/* Makes the room that batch_place needs. */
static void place(struct buf *batch, struct batch_envelope *envelope)
{
    uint32_t size = (uint32_t)(batch->size - BATCH_ENVELOPE);

    batch->limit = BATCH_SIZE_MAX;
    ck_assert_ptr_nonnull(buf_reserve(batch, batch_size_max(size) - batch->size));
    batch_place(batch->at, size, envelope);
}

START_TEST(what_was_sealed_and_placed_is_read_back)
{
    struct batch_envelope envelope;
    struct batch_content content;
    struct record record;
    struct file f;

    file_begin(&f);
    file_add(&f, 100, 1);
    file_add(&f, 20000, 2);
    for (unsigned i = 1; i <= 2; i++) {
        struct bytes b = bytes_of(f.at + f.position[i], f.size[i]);

        ck_assert_int_eq(batch_envelope_read(b, FILE_ID, f.position[i], &envelope), OK);
        ck_assert_uint_eq(envelope.size, f.size[i]);
        ck_assert_uint_eq(envelope.size % 8, 0);
        ck_assert_uint_eq(envelope.durable, i - 1);
        ck_assert_int_eq(batch_content_read(b, &envelope, file_incarnation, &content), OK);
        ck_assert_uint_eq(content.index, i);
        ck_assert_uint_eq(content.term, 3);
        ck_assert_int_eq(content.time_ns, 5);
        ck_assert_uint_eq(content.record_count, 1);
        ck_assert(hash_equal(&content.previous, &f.hash[i - 1]));
        ck_assert_int_eq(record_read(content.records, &record), OK);
        ck_assert_uint_eq(record.body.at[99], i);
    }
    file_end(&f);
}
END_TEST

START_TEST(the_size_is_known_beforehand_at_every_position)
{
    for (uint64_t position = 4096; position < 3 * 4096; position += 8) {
        for (size_t body = 0; body < 9000; body += 1777) {
            struct batch_content content = {.index = 1};
            struct batch_envelope envelope = {.file_id = 1, .position = position};
            struct buf batch;

            buf_init(&batch, BATCH_GATHER_MAX);
            ck_assert(batch_begin(&batch));
            memset(record_begin(&batch, 1, 0, body), 1, body);
            record_end(&batch, body);
            envelope.hash = batch_seal(&batch, &content);
            place(&batch, &envelope);
            ck_assert_uint_eq(envelope.size, batch_size(envelope.content_size, position));
            ck_assert_uint_le(envelope.size, batch_size_max(envelope.content_size));
            buf_deinit(&batch);
        }
    }
}
END_TEST

START_TEST(a_batch_can_be_placed_again_elsewhere_with_the_same_content)
{
    struct batch_content content = {.index = 1};
    struct batch_envelope first = {.file_id = 1, .position = 4096 + 3000};
    struct batch_envelope second = {.file_id = 2, .position = 4096}, read;
    struct batch_content content_read;
    uint8_t before[5000];
    struct buf batch;

    buf_init(&batch, BATCH_GATHER_MAX);
    ck_assert(batch_begin(&batch));
    memset(record_begin(&batch, 1, 0, 5000), 7, 5000);
    record_end(&batch, 5000);
    first.hash = second.hash = batch_seal(&batch, &content);
    memcpy(before, batch.at + BATCH_ENVELOPE, sizeof before);

    place(&batch, &first);
    place(&batch, &second);
    ck_assert_mem_eq(before, batch.at + BATCH_ENVELOPE, sizeof before);
    ck_assert_int_eq(batch_envelope_read(bytes_of(batch.at, batch.capacity), 1, 4096 + 3000, &read),
                     ERR_CORRUPT);
    ck_assert_int_eq(batch_envelope_read(bytes_of(batch.at, batch.capacity), 2, 4096, &read), OK);
    ck_assert_int_eq(batch_content_read(bytes_of(batch.at, batch.capacity), &read,
                                        content.incarnation, &content_read),
                     OK);
    buf_deinit(&batch);
}
END_TEST

START_TEST(a_batch_that_lost_a_record_is_known_by_its_hash_and_verified_by_what_was_left)
{
    struct batch_envelope envelope, read;
    struct batch_content content;
    struct record record;
    struct file f;
    uint8_t *at;

    file_begin(&f);
    file_add(&f, 9000, 1);
    at = f.at + f.position[1];
    ck_assert_int_eq(
        batch_envelope_read(bytes_of(at, f.size[1]), FILE_ID, f.position[1], &envelope), OK);
    ck_assert(!envelope.erased);
    memset(at + BATCH_HEAD + RECORD_HEAD, 0, 9000);
    record_erased(at + BATCH_HEAD, record_size(9000));
    ck_assert_int_eq(
        batch_content_read(bytes_of(at, f.size[1]), &envelope, file_incarnation, &content),
        ERR_CORRUPT);
    batch_erased(at, &envelope);
    ck_assert_int_eq(batch_envelope_read(bytes_of(at, f.size[1]), FILE_ID, f.position[1], &read),
                     OK);
    ck_assert(read.erased);
    ck_assert(hash_equal(&read.hash, &f.hash[1]));
    ck_assert_uint_eq(read.size, envelope.size);
    ck_assert_int_eq(batch_content_read(bytes_of(at, f.size[1]), &read, file_incarnation, &content),
                     OK);
    ck_assert_int_eq(record_read(content.records, &record), OK);
    ck_assert_uint_eq(record.flags, RECORD_ERASED);
    for (uint32_t i = 0; i < BATCH_ENVELOPE + read.content_size; i++) {
        at[i] ^= 4;
        if (batch_envelope_read(bytes_of(at, f.size[1]), FILE_ID, f.position[1], &read) == OK)
            ck_assert_int_eq(
                batch_content_read(bytes_of(at, f.size[1]), &read, file_incarnation, &content),
                ERR_CORRUPT);
        at[i] ^= 4;
    }
    file_end(&f);
}
END_TEST

START_TEST(an_envelope_of_a_newer_version_is_told_from_a_damaged_one)
{
    struct batch_envelope envelope;
    struct bytes b;
    struct file f;
    uint64_t checksum;

    file_begin(&f);
    file_add(&f, 100, 1);
    b = bytes_of(f.at + f.position[1], f.size[1]);
    f.at[f.position[1] + 12] = 2;
    ck_assert_int_eq(batch_envelope_read(b, FILE_ID, f.position[1], &envelope), ERR_CORRUPT);
    checksum = hash_64(bytes_of(b.at + 8, BATCH_ENVELOPE - 8));
    memcpy(f.at + f.position[1], &checksum, 8);
    ck_assert_int_eq(batch_envelope_read(b, FILE_ID, f.position[1], &envelope), ERR_VERSION);
    file_end(&f);
}
END_TEST

START_TEST(the_content_of_another_incarnation_is_refused)
{
    struct batch_envelope envelope;
    struct batch_content content;
    struct bytes b;
    struct file f;

    file_begin(&f);
    file_add(&f, 100, 1);
    b = bytes_of(f.at + f.position[1], f.size[1]);
    ck_assert_int_eq(batch_envelope_read(b, FILE_ID, f.position[1], &envelope), OK);
    ck_assert_int_eq(
        batch_content_read(b, &envelope, (const uint8_t *)"another incarnat", &content),
        ERR_CORRUPT);
    file_end(&f);
}
END_TEST

/* Writes any of the sectors of a batch, as a power cut may, on space that was zeros. */
START_TEST(whatever_sectors_of_a_write_are_missing_it_is_torn_or_whole)
{
    struct prng prng;
    struct file f;
    uint8_t *whole = heap_take(FILE_CAPACITY);
    unsigned torn = 0;

    prng_seed(&prng, 1);
    for (unsigned round = 0; round < 300; round++) {
        struct segment_batch batch;
        struct segment_place place;
        struct bytes b;
        uint32_t size;
        unsigned chance = (unsigned)prng_below(&prng, 11);

        file_begin(&f);
        file_add(&f, prng_below(&prng, 5000), 1);
        file_add(&f, prng_below(&prng, round % 2 ? 300 : 60000),
                 (uint8_t)prng_below(&prng, 255) + 1);
        memcpy(whole, f.at, FILE_CAPACITY);
        for (uint64_t sector = f.position[2] / 512; sector <= (f.end - 1) / 512; sector++) {
            uint64_t begin = sector * 512 > f.position[2] ? sector * 512 : f.position[2];

            if (prng_below(&prng, 10) < chance)
                memset(f.at + begin, 0, (sector + 1) * 512 - begin);
        }
        place = file_place(&f, 2);
        b = bytes_of(f.at + f.position[2], f.size[2]);
        if (segment_batch_read(b, &place, &batch, &size) == OK)
            ck_assert_mem_eq(f.at + f.position[2] + BATCH_ENVELOPE,
                             whole + f.position[2] + BATCH_ENVELOPE,
                             size - BATCH_ENVELOPE - 8 - 4 * (size / BATCH_BLOCK + 2));
        else
            ck_assert(batch_torn(b, FILE_ID, f.position[2]) && ++torn);
        file_end(&f);
    }
    ck_assert_uint_gt(torn, 100);
    heap_give(whole);
}
END_TEST

START_TEST(a_batch_of_the_largest_size_is_sealed_and_read)
{
    struct batch_content content = {.index = 1};
    struct batch_envelope envelope = {.file_id = 1, .position = 4096 + 8}, read;
    struct buf batch;

    buf_init(&batch, BATCH_GATHER_MAX);
    ck_assert(batch_begin(&batch));
    memset(record_begin(&batch, 1, 0, 70 << 20), 1, 70 << 20);
    record_end(&batch, 70 << 20);
    while (record_begin(&batch, 1, 0, 4080) != NULL) {
        memset(batch.at + batch.size + RECORD_HEAD, 1, 4080);
        record_end(&batch, 4080);
    }
    envelope.hash = batch_seal(&batch, &content);
    place(&batch, &envelope);
    ck_assert_uint_le(envelope.size, BATCH_SIZE_MAX);
    ck_assert_int_eq(batch_envelope_read(bytes_of(batch.at, batch.capacity), 1, 4096 + 8, &read),
                     OK);
    ck_assert_int_eq(batch_content_read(bytes_of(batch.at, batch.capacity), &read,
                                        content.incarnation, &content),
                     OK);
    buf_deinit(&batch);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_was_sealed_and_placed_is_read_back,
        the_size_is_known_beforehand_at_every_position,
        a_batch_can_be_placed_again_elsewhere_with_the_same_content,
        a_batch_that_lost_a_record_is_known_by_its_hash_and_verified_by_what_was_left,
        an_envelope_of_a_newer_version_is_told_from_a_damaged_one,
        the_content_of_another_incarnation_is_refused,
        whatever_sectors_of_a_write_are_missing_it_is_torn_or_whole,
        a_batch_of_the_largest_size_is_sealed_and_read,
    };

    return UNIT_RUN_PLAIN("batch", tests);
}
