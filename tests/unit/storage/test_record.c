#include "storage/record.h"

#include "tests/unit/unit.h"

static void add(struct buf *out, uint8_t type, const char *text)
{
    size_t size = strlen(text);
    uint8_t *body = record_begin(out, type, 3, size);

    ck_assert_ptr_nonnull(body);
    memcpy(body, text, size);
    record_end(out, size);
}

START_TEST(records_are_read_back_one_behind_the_other)
{
    static const char *const texts[] = {"", "a", "123456", "1234567", "a somewhat longer body"};
    struct buf out;
    struct bytes rest;

    buf_init(&out, 1 << 20);
    for (unsigned i = 0; i < 5; i++)
        add(&out, (uint8_t)i, texts[i]);
    rest = buf_bytes(&out);
    for (unsigned i = 0; i < 5; i++) {
        size_t size = strlen(texts[i]);
        struct record record;

        ck_assert_int_eq(record_read(rest, &record), OK);
        ck_assert_uint_eq(record.type, i);
        ck_assert_uint_eq(record.flags, 3);
        ck_assert_uint_eq(record.size, record_size(size));
        ck_assert_uint_eq(record.size % 8, 0);
        ck_assert_uint_lt(record.body.size - size, 8);
        ck_assert_mem_eq(record.body.at, texts[i], size);
        for (size_t k = size; k < record.body.size; k++)
            ck_assert_uint_eq(record.body.at[k], 0);
        rest = bytes_skip(rest, record.size);
    }
    ck_assert_uint_eq(rest.size, 0);
    buf_deinit(&out);
}
END_TEST

START_TEST(no_flipped_bit_and_no_cut_is_read_as_a_record)
{
    struct record record;
    struct buf out;

    buf_init(&out, 1 << 20);
    add(&out, 9, "some body");
    for (size_t bit = 0; bit < 8 * out.size; bit++) {
        out.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_eq(record_read(buf_bytes(&out), &record), ERR_CORRUPT);
        out.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t size = 0; size < out.size; size++) {
        ck_assert_int_eq(record_read(bytes_of(out.at, size), &record), ERR_CORRUPT);
        ck_assert_int_eq(record_peek(bytes_of(out.at, size), &record), ERR_CORRUPT);
    }
    buf_deinit(&out);
}
END_TEST

START_TEST(at_the_limit_nothing_is_begun)
{
    struct buf out;

    buf_init(&out, 64);
    add(&out, 1, "12345678901234567890123456789012345678");
    ck_assert_uint_eq(out.size, 48);
    ck_assert_ptr_null(record_begin(&out, 1, 0, 7));
    ck_assert_uint_eq(out.size, 48);
    ck_assert_ptr_nonnull(record_begin(&out, 1, 0, 6));
    record_end(&out, 6);
    ck_assert_uint_eq(out.size, 64);
    buf_deinit(&out);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        records_are_read_back_one_behind_the_other,
        no_flipped_bit_and_no_cut_is_read_as_a_record,
        at_the_limit_nothing_is_begun,
    };

    return UNIT_RUN_PLAIN("record", tests);
}
