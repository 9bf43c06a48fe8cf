#include "storage/segment.h"

#include "tests/unit/storage/file.h"
#include "tests/unit/unit.h"

START_TEST(a_header_is_read_back_and_no_flipped_bit_passes)
{
    struct segment_header header = {.log_id = 1, .file_id = 2, .predecessor = 3, .last_index = 4};
    struct segment_header read;
    uint8_t at[SEGMENT_HEADER];

    memcpy(header.incarnation, file_incarnation, 16);
    memset(header.last_hash.at, 9, 16);
    segment_header_write(at, &header);
    ck_assert_int_eq(segment_header_read(at, &read), OK);
    ck_assert_mem_eq(&read, &header, sizeof header);
    for (size_t bit = 0; bit < 8 * SEGMENT_HEADER; bit++) {
        at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_eq(segment_header_read(at, &read), ERR_CORRUPT);
        at[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    memset(at, 0, sizeof at);
    ck_assert_int_eq(segment_header_read(at, &read), ERR_NOT_FOUND);
}
END_TEST

START_TEST(space_doubles_up_to_the_segment_unless_a_batch_needs_more)
{
    ck_assert_uint_eq(segment_space(0, 5000, 64 << 20), 64 << 10);
    ck_assert_uint_eq(segment_space(64 << 10, 65537, 64 << 20), 128 << 10);
    ck_assert_uint_eq(segment_space(64 << 10, 1 << 20, 64 << 20), 1 << 20);
    ck_assert_uint_eq(segment_space(48 << 20, 50 << 20, 64 << 20), 64 << 20);
    ck_assert_uint_eq(segment_space(0, 65 << 20, 64 << 20), 65 << 20);
    ck_assert_uint_eq(segment_space(0, 5000, 32 << 10), 32 << 10);
}
END_TEST

START_TEST(behind_the_last_batch_the_log_ends)
{
    struct segment_place place;
    struct file f;

    file_begin(&f);
    place = file_place(&f, 1);
    ck_assert_int_eq(segment_judge(file_rest(&f, &place), &place).tail, SEGMENT_ENDS);
    file_add(&f, 10, 1);
    place = file_place(&f, 2);
    ck_assert_int_eq(segment_judge(file_rest(&f, &place), &place).tail, SEGMENT_ENDS);
    ck_assert_int_eq(segment_judge(bytes_of(f.at, 0), &place).tail, SEGMENT_ENDS);
    file_end(&f);
}
END_TEST

/* Every byte of the first of two batches: it is damaged, and the walk goes on at the second. */
START_TEST(any_bad_byte_before_a_later_batch_is_damage_and_the_walk_resumes)
{
    struct file f;

    file_begin(&f);
    file_add(&f, 6000, 1);
    file_add(&f, 100, 2);
    for (uint64_t at = f.position[1]; at < f.position[2]; at++) {
        for (unsigned kind = 0; kind < 2; kind++) {
            struct segment_place place = file_place(&f, 1);
            struct segment_batch batch;
            struct segment_gap gap;
            uint8_t before = f.at[at];
            uint32_t size;

            f.at[at] = kind == 0 ? before ^ 0x10 : 0;
            if (segment_batch_read(file_rest(&f, &place), &place, &batch, &size) != OK) {
                gap = segment_judge(file_rest(&f, &place), &place);
                ck_assert_int_eq(gap.tail, SEGMENT_RESUMES);
                ck_assert_uint_eq(gap.resume, f.position[2]);
                ck_assert_uint_eq(gap.resume_index, 2);
                ck_assert_mem_eq(gap.resume_previous.at, f.hash[1].at, 16);
            } else {
                /* Only the sums and the padding are not under the content's hash. */
                ck_assert(kind == 1 || at >= f.position[2] - 4 * 3 - 4);
            }
            f.at[at] = before;
        }
    }
    file_end(&f);
}
END_TEST

/* Every byte of the last batch, which has no zeros in it: a flip is damage, never torn. */
START_TEST(any_flipped_byte_in_the_last_batch_is_damage)
{
    struct file f;

    file_begin(&f);
    file_add(&f, 6000, 1);
    file_add(&f, 5000, 2);
    for (uint64_t at = f.position[2]; at < f.end; at++) {
        struct segment_place place = file_place(&f, 2);
        struct segment_batch batch;
        struct segment_gap gap;
        uint32_t size;

        f.at[at] ^= 0x10;
        if (segment_batch_read(file_rest(&f, &place), &place, &batch, &size) != OK) {
            gap = segment_judge(file_rest(&f, &place), &place);
            ck_assert_int_eq(gap.tail, SEGMENT_DAMAGED);
            if (at >= f.position[2] + BATCH_ENVELOPE) /* the envelope still names it */
                ck_assert_mem_eq(gap.hash.at, f.hash[2].at, 16);
        }
        f.at[at] ^= 0x10;
    }
    file_end(&f);
}
END_TEST

/* The end of the file, or of what was written, at every place of the last batch. */
START_TEST(a_last_batch_that_is_cut_anywhere_is_torn_or_whole)
{
    struct file f;
    uint8_t *whole = heap_take(FILE_CAPACITY);

    file_begin(&f);
    file_add(&f, 6000, 1);
    file_add(&f, 5000, 2);
    memcpy(whole, f.at, FILE_CAPACITY);
    for (uint64_t cut = f.position[2] + 1; cut < f.end; cut++) {
        struct segment_place place = file_place(&f, 2);
        struct bytes rest = bytes_of(f.at + place.position, cut - place.position);
        struct segment_batch batch;
        uint32_t size;

        ck_assert_int_ne(segment_batch_read(rest, &place, &batch, &size), OK);
        if (rest.size >= BATCH_ENVELOPE) /* a file never ends within its own blocks: 4096 */
            ck_assert_int_eq(segment_judge(rest, &place).tail, SEGMENT_TORN);
    }
    for (uint64_t sector = f.position[2] / 512; sector <= (f.end - 1) / 512; sector++) {
        struct segment_place place = file_place(&f, 2);
        struct segment_batch batch;
        uint32_t size;
        uint64_t from = sector * 512 > f.position[2] ? sector * 512 : f.position[2];

        memset(f.at + from, 0, FILE_CAPACITY - from);
        if (segment_batch_read(file_rest(&f, &place), &place, &batch, &size) != OK)
            ck_assert_int_eq(segment_judge(file_rest(&f, &place), &place).tail,
                             from == f.position[2] ? SEGMENT_ENDS : SEGMENT_TORN);
        memcpy(f.at, whole, FILE_CAPACITY);
    }
    heap_give(whole);
    file_end(&f);
}
END_TEST

/* Three batches of one write, the middle one bad: by unwritten space, or by a flipped bit. */
START_TEST(what_was_written_together_proves_nothing_of_each_other)
{
    struct segment_place place;
    struct segment_gap gap;
    struct file f;

    file_begin(&f);
    file_add(&f, 100, 1);
    file_add_of(&f, 3000, 2, 1);
    file_add_of(&f, 3000, 3, 1);
    file_add_of(&f, 3000, 4, 1);
    place = file_place(&f, 3);

    memset(f.at + f.position[3] + 1024, 0, 1024);
    gap = segment_judge(file_rest(&f, &place), &place);
    ck_assert_int_eq(gap.tail, SEGMENT_TORN);

    memset(f.at + f.position[3] + 1024, 9, 1024);
    gap = segment_judge(file_rest(&f, &place), &place);
    ck_assert_int_eq(gap.tail, SEGMENT_RESUMES); /* all of it was written, once */
    ck_assert_uint_eq(gap.resume_index, 4);
    file_end(&f);
}
END_TEST

START_TEST(a_later_write_or_a_cut_proves_what_is_before)
{
    struct segment_place place;
    struct segment_gap gap;
    struct file f;

    file_begin(&f);
    file_add_of(&f, 3000, 2, 0);
    file_add_of(&f, 3000, 3, 0);
    file_add_of(&f, 3000, 4, 0);
    place = file_place(&f, 2);
    memset(f.at + f.position[2] + 1024, 0, 1024);
    ck_assert_int_eq(segment_judge(file_rest(&f, &place), &place).tail, SEGMENT_TORN);

    place.index_cut = 3;
    gap = segment_judge(file_rest(&f, &place), &place);
    ck_assert_int_eq(gap.tail, SEGMENT_RESUMES);
    ck_assert_uint_eq(gap.resume_index, 3);

    place.index_cut = UINT64_MAX;
    file_add_of(&f, 100, 5, 3);
    gap = segment_judge(file_rest(&f, &place), &place);
    ck_assert_int_eq(gap.tail, SEGMENT_RESUMES);
    ck_assert_uint_eq(gap.resume_index, 3); /* the first that stands, not the one that proves */
    file_end(&f);
}
END_TEST

START_TEST(a_batch_with_another_predecessor_is_not_the_expected_one)
{
    struct segment_place place;
    struct segment_batch batch;
    struct file f;
    uint32_t size;

    file_begin(&f);
    file_add(&f, 100, 1);
    file_add(&f, 100, 2);
    place = file_place(&f, 2);
    ck_assert_int_eq(segment_batch_read(file_rest(&f, &place), &place, &batch, &size), OK);
    place.previous.at[3] ^= 1;
    ck_assert_int_eq(segment_batch_read(file_rest(&f, &place), &place, &batch, &size), ERR_CORRUPT);
    ck_assert_int_eq(segment_judge(file_rest(&f, &place), &place).tail, SEGMENT_DAMAGED);
    file_end(&f);
}
END_TEST

START_TEST(what_lies_behind_the_cut_is_not_resumed_at)
{
    struct segment_place place;
    struct file f;

    file_begin(&f);
    file_add(&f, 100, 1);
    file_add(&f, 100, 2);
    file_add(&f, 100, 3);
    f.at[f.position[1] + 100] ^= 1;
    place = file_place(&f, 1);
    place.index_cut = 1;
    ck_assert_int_ne(segment_judge(file_rest(&f, &place), &place).tail, SEGMENT_RESUMES);
    place.index_cut = 2;
    ck_assert_int_eq(segment_judge(file_rest(&f, &place), &place).tail, SEGMENT_RESUMES);
    file_end(&f);
}
END_TEST

START_TEST(a_file_without_a_header_is_known_by_its_first_valid_batch)
{
    struct segment_batch batch;
    uint8_t incarnation[16];
    struct file f;
    struct bytes b;

    file_begin(&f);
    b = bytes_of(f.at, FILE_CAPACITY);
    ck_assert_int_eq(segment_find_batch(b, FILE_ID, NULL, &batch, incarnation), ERR_NOT_FOUND);
    file_add(&f, 100, 1);
    file_add(&f, 100, 2);
    memset(f.at, 0xff, SEGMENT_HEADER);
    ck_assert_int_eq(segment_find_batch(b, FILE_ID, NULL, &batch, incarnation), OK);
    ck_assert_uint_eq(batch.view.index, 1);
    ck_assert_mem_eq(incarnation, file_incarnation, 16);
    f.at[f.position[1] + 100] ^= 1;
    ck_assert_int_eq(segment_find_batch(b, FILE_ID, file_incarnation, &batch, incarnation), OK);
    ck_assert_uint_eq(batch.view.index, 2);
    ck_assert_mem_eq(batch.previous.at, f.hash[1].at, 16);
    ck_assert_int_eq(segment_find_batch(b, FILE_ID + 1, NULL, &batch, incarnation), ERR_NOT_FOUND);
    file_end(&f);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_header_is_read_back_and_no_flipped_bit_passes,
        space_doubles_up_to_the_segment_unless_a_batch_needs_more,
        behind_the_last_batch_the_log_ends,
        any_bad_byte_before_a_later_batch_is_damage_and_the_walk_resumes,
        any_flipped_byte_in_the_last_batch_is_damage,
        a_last_batch_that_is_cut_anywhere_is_torn_or_whole,
        what_was_written_together_proves_nothing_of_each_other,
        a_later_write_or_a_cut_proves_what_is_before,
        a_batch_with_another_predecessor_is_not_the_expected_one,
        what_lies_behind_the_cut_is_not_resumed_at,
        a_file_without_a_header_is_known_by_its_first_valid_batch,
    };

    return UNIT_RUN_PLAIN("segment", tests);
}
