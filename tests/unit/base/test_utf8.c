#include "base/utf8.h"

#include "tests/unit/unit.h"

START_TEST(every_code_point_reads_back)
{
    uint8_t text[UTF8_SIZE_MAX];
    uint32_t rune;

    for (uint32_t want = 0; want <= 0x10ffff; want++) {
        size_t size = utf8_put(text, want);

        if (want >= 0xd800 && want <= 0xdfff) {
            ck_assert_uint_eq(utf8_read(bytes_of(text, size), &rune), 0);
            continue;
        }
        ck_assert_uint_eq(utf8_read(bytes_of(text, size), &rune), size);
        ck_assert_uint_eq(rune, want);
        for (size_t cut = 1; cut < size; cut++)
            ck_assert_uint_eq(utf8_read(bytes_of(text, cut), &rune), 0);
    }
}
END_TEST

/* All texts of up to three bytes, against the table of the Unicode standard written as ranges. */
START_TEST(what_is_valid_is_what_the_standard_lists)
{
    static const uint8_t rows[][7] = {
        /* size, then first and last value of each byte */
        {1, 0x00, 0x7f},
        {2, 0xc2, 0xdf, 0x80, 0xbf},
        {3, 0xe0, 0xe0, 0xa0, 0xbf, 0x80, 0xbf},
        {3, 0xe1, 0xec, 0x80, 0xbf, 0x80, 0xbf},
        {3, 0xed, 0xed, 0x80, 0x9f, 0x80, 0xbf},
        {3, 0xee, 0xef, 0x80, 0xbf, 0x80, 0xbf},
    };

    for (uint32_t bits = 0; bits < 1u << 24; bits++) {
        uint8_t text[3] = {(uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
        size_t want = 0;
        uint32_t rune;

        for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
            bool fits = true;

            for (size_t k = 0; k < rows[i][0]; k++)
                fits &= text[k] >= rows[i][1 + 2 * k] && text[k] <= rows[i][2 + 2 * k];
            if (fits)
                want = rows[i][0];
        }
        if (utf8_read(bytes_of(text, 3), &rune) != want)
            ck_abort_msg("%06x", bits);
    }
}
END_TEST

START_TEST(four_bytes_end_at_the_last_code_point)
{
    uint32_t rune;

    ck_assert_uint_eq(utf8_read(BYTES("\xf0\x90\x80\x80"), &rune), 4);
    ck_assert_uint_eq(utf8_read(BYTES("\xf4\x8f\xbf\xbf"), &rune), 4);
    ck_assert_uint_eq(rune, 0x10ffff);
    ck_assert_uint_eq(utf8_read(BYTES("\xf0\x8f\xbf\xbf"), &rune), 0);
    ck_assert_uint_eq(utf8_read(BYTES("\xf4\x90\x80\x80"), &rune), 0);
    ck_assert_uint_eq(utf8_read(BYTES("\xf7\xbf\xbf\xbf"), &rune), 0);
    ck_assert_uint_eq(utf8_read(BYTES("\xf8\x88\x80\x80\x80"), &rune), 0);
    ck_assert_uint_eq(utf8_read(BYTES("\xff"), &rune), 0);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {every_code_point_reads_back, what_is_valid_is_what_the_standard_lists,
                            four_bytes_end_at_the_last_code_point};

    return UNIT_RUN_PLAIN("utf8", tests);
}
