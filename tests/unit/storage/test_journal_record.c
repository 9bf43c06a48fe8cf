#include "storage/journal_record.h"

#include "base/heap.h"
#include "tests/unit/unit.h"

static const uint8_t store_id[16] = "store-0123456789";

static void build(uint8_t *at, struct journal_record *record)
{
    size_t used = JOURNAL_RECORD_HEAD;

    for (unsigned i = 0; i < 3; i++) {
        static const uint8_t bytes[3000] = {1, 2, 3, 4};
        struct journal_entry entry = {.log_id = i,
                                      .file_id = 10 + i,
                                      .offset = 4096 + i,
                                      .kind = JOURNAL_SEGMENT,
                                      .bytes = bytes_of(bytes, 1000 * i + 1)};

        journal_entry_write(at + used, &entry);
        used += journal_entry_size(entry.bytes.size);
    }
    *record = (struct journal_record){.entry_count = 3, .number = 77, .clean = 70};
    journal_record_seal(at, used, store_id, record);
}

START_TEST(entries_are_read_back)
{
    uint8_t *at = heap_take(16384);
    struct journal_record record;
    struct journal_entry entry;

    build(at, &record);
    ck_assert_uint_eq(record.size, 4096);
    ck_assert_int_eq(journal_record_read(bytes_of(at, 16384), store_id, &record), OK);
    ck_assert_uint_eq(record.number, 77);
    ck_assert_uint_eq(record.clean, 70);
    ck_assert_uint_eq(record.entry_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(journal_entry_take(&record.entries, &entry));
        ck_assert_uint_eq(entry.log_id, i);
        ck_assert_uint_eq(entry.file_id, 10 + i);
        ck_assert_uint_eq(entry.offset, 4096 + i);
        ck_assert_uint_eq(entry.bytes.size, 1000 * i + 1);
        ck_assert_uint_eq(entry.bytes.at[0], 1);
    }
    heap_give(at);
}
END_TEST

START_TEST(no_flipped_bit_no_cut_and_no_other_store_passes)
{
    uint8_t *at = heap_take(4096);
    struct journal_record record;

    build(at, &record);
    for (size_t bit = 0; bit < 8 * 4096; bit++) {
        at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_ne(journal_record_read(bytes_of(at, 4096), store_id, &record), OK);
        at[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    ck_assert_int_ne(journal_record_read(bytes_of(at, 4095), store_id, &record), OK);
    ck_assert_int_ne(
        journal_record_read(bytes_of(at, 4096), (const uint8_t *)"store-9999999999", &record), OK);
    ck_assert_int_eq(journal_record_read(bytes_of(at, 4096), store_id, &record), OK);
    heap_give(at);
}
END_TEST

START_TEST(a_record_that_needs_more_bytes_says_so)
{
    uint8_t *at = heap_take(16384);
    uint8_t bytes[6000] = {};
    struct journal_record record = {.entry_count = 1, .number = 1};
    struct journal_entry entry = {.kind = 1, .bytes = bytes_of(bytes, sizeof bytes)};

    journal_entry_write(at + JOURNAL_RECORD_HEAD, &entry);
    journal_record_seal(at, JOURNAL_RECORD_HEAD + journal_entry_size(sizeof bytes), store_id,
                        &record);
    ck_assert_int_eq(journal_record_read(bytes_of(at, 4096), store_id, &record), ERR_AGAIN);
    ck_assert_uint_eq(record.size, 8192);
    ck_assert_int_eq(journal_record_read(bytes_of(at, 8192), store_id, &record), OK);
    heap_give(at);
}
END_TEST

START_TEST(an_entry_that_is_longer_than_its_record_is_refused)
{
    uint8_t bytes[64] = {};
    struct bytes rest = bytes_of(bytes, sizeof bytes);
    struct journal_entry entry;

    bytes[24] = 33; /* size */
    ck_assert(!journal_entry_take(&rest, &entry));
    bytes[24] = 32;
    ck_assert(journal_entry_take(&rest, &entry));
    ck_assert_uint_eq(rest.size, 0);
    ck_assert(!journal_entry_take(&rest, &entry));
    memset(bytes + 24, 0xff, 4);
    rest = bytes_of(bytes, sizeof bytes);
    ck_assert(!journal_entry_take(&rest, &entry));
}
END_TEST

START_TEST(a_file_header_tells_whose_it_is)
{
    uint8_t at[JOURNAL_HEADER];

    journal_header_write(at, store_id, 5);
    ck_assert_int_eq(journal_header_read(at, store_id, 5), OK);
    ck_assert_int_eq(journal_header_read(at, store_id, 6), ERR_CORRUPT);
    ck_assert_int_eq(journal_header_read(at, (const uint8_t *)"store-9999999999", 5), ERR_CORRUPT);
    at[16] ^= 1;
    ck_assert_int_eq(journal_header_read(at, store_id, 5), ERR_CORRUPT);
    memset(at, 0, sizeof at);
    ck_assert_int_eq(journal_header_read(at, store_id, 5), ERR_NOT_FOUND);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        entries_are_read_back,
        no_flipped_bit_no_cut_and_no_other_store_passes,
        a_record_that_needs_more_bytes_says_so,
        an_entry_that_is_longer_than_its_record_is_refused,
        a_file_header_tells_whose_it_is,
    };

    return UNIT_RUN_PLAIN("journal_record", tests);
}
