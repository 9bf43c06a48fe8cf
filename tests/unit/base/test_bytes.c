#include "base/bytes.h"

#include <inttypes.h>
#include <stdio.h>

#include "tests/unit/unit.h"

#define ASSERT_BYTES(b, literal) ck_assert(bytes_equal((b), BYTES(literal)))

START_TEST(order_is_byte_wise_with_the_shorter_first)
{
    ck_assert_int_eq(bytes_compare(BYTES(""), BYTES("")), 0);
    ck_assert_int_eq(bytes_compare(bytes_of(NULL, 0), BYTES("")), 0);
    ck_assert_int_eq(bytes_compare(BYTES("abc"), BYTES("abc")), 0);
    ck_assert_int_lt(bytes_compare(BYTES(""), BYTES("a")), 0);
    ck_assert_int_lt(bytes_compare(BYTES("ab"), BYTES("abc")), 0);
    ck_assert_int_gt(bytes_compare(BYTES("abc"), BYTES("ab")), 0);
    ck_assert_int_lt(bytes_compare(BYTES("abz"), BYTES("b")), 0);
    ck_assert_int_lt(bytes_compare(BYTES("a\x7f"), BYTES("a\x80")), 0); /* bytes are unsigned */
}
END_TEST

START_TEST(case_is_ignored_for_ascii_letters_only)
{
    ck_assert(bytes_equal_nocase(BYTES("Nats-Msg-Id"), BYTES("nATS-mSG-iD")));
    ck_assert(bytes_equal_nocase(BYTES("AZaz"), BYTES("azAZ")));
    ck_assert(!bytes_equal_nocase(BYTES("a"), BYTES("ab")));
    ck_assert(!bytes_equal_nocase(BYTES("@"), BYTES("`"))); /* 32 apart, not letters */
    ck_assert(!bytes_equal_nocase(BYTES("["), BYTES("{")));
    ck_assert(!bytes_equal_nocase(BYTES("\xc3\x84"), BYTES("\xc3\xa4")));
}
END_TEST

START_TEST(find_gives_the_first_place_or_the_size)
{
    ck_assert_uint_eq(bytes_find(BYTES("a b c"), ' '), 1);
    ck_assert_uint_eq(bytes_find(BYTES("abc"), 'x'), 3);
    ck_assert_uint_eq(bytes_find(bytes_of(NULL, 0), 'x'), 0);
    ck_assert_uint_eq(bytes_find(BYTES("ab\0c"), 0), 2);
}
END_TEST

START_TEST(trim_takes_blanks_at_the_ends_only)
{
    ASSERT_BYTES(bytes_trim(BYTES(" \t\r\n a b\t\r\n ")), "a b");
    ASSERT_BYTES(bytes_trim(BYTES(" \t\r\n")), "");
    ASSERT_BYTES(bytes_trim(BYTES("")), "");
    ASSERT_BYTES(bytes_trim(BYTES("\va\f")), "\va\f");
}
END_TEST

START_TEST(skip_and_take_divide_a_view)
{
    struct bytes b = BYTES("hello");

    for (size_t i = 0; i <= b.size; i++) {
        ck_assert_uint_eq(bytes_take(b, i).size + bytes_skip(b, i).size, b.size);
        ck_assert(bytes_starts(b, bytes_take(b, i)));
    }
    ck_assert(!bytes_starts(b, BYTES("hello!")));
    ck_assert(!bytes_starts(b, BYTES("e")));
}
END_TEST

START_TEST(a_number_is_read_up_to_its_type_s_end_and_no_further)
{
    char text[32];
    uint64_t value = 0;

    ck_assert(bytes_read_u64(BYTES("0"), &value) && value == 0);
    ck_assert(bytes_read_u64(BYTES("00000000000000000000000042"), &value) && value == 42);
    ck_assert(bytes_read_u64(BYTES("18446744073709551615"), &value) && value == UINT64_MAX);
    ck_assert(!bytes_read_u64(BYTES("18446744073709551616"), &value));
    ck_assert(!bytes_read_u64(BYTES("18446744073709551620"), &value));
    ck_assert(!bytes_read_u64(BYTES("99999999999999999999"), &value));
    ck_assert(!bytes_read_u64(BYTES("184467440737095516150"), &value));
    for (uint64_t want = 1; want < UINT64_MAX / 7; want = want * 7 + 3) {
        snprintf(text, sizeof(text), "%" PRIu64, want);
        ck_assert(bytes_read_u64(bytes_of_text(text), &value));
        ck_assert_uint_eq(value, want);
    }
}
END_TEST

START_TEST(what_is_not_a_number_is_refused_and_leaves_the_value)
{
    static const char *const wrong[] = {"",    "-1",   "+1", " 1", "1 ", "1.0",
                                        "1e3", "0x10", "a",  "/",  ":"};
    uint64_t value = 7;

    for (size_t i = 0; i < UNIT_COUNT(wrong); i++)
        ck_assert(!bytes_read_u64(bytes_of_text(wrong[i]), &value));
    ck_assert(!bytes_read_u64(bytes_of(NULL, 0), &value));
    ck_assert_uint_eq(value, 7);
}
END_TEST

START_TEST(the_hash_depends_on_every_byte_and_on_the_seed)
{
    uint8_t memory[300] = {0};
    uint64_t whole;

    for (size_t size = 1; size <= sizeof(memory); size++) {
        whole = bytes_hash(bytes_of(memory, size), 1);
        ck_assert_uint_eq(whole, bytes_hash(bytes_of(memory, size), 1));
        ck_assert_uint_ne(whole, bytes_hash(bytes_of(memory, size), 2));
        ck_assert_uint_ne(whole, bytes_hash(bytes_of(memory, size - 1), 1));
        memory[size / 2] ^= 1;
        ck_assert_uint_ne(whole, bytes_hash(bytes_of(memory, size), 1));
        memory[size / 2] ^= 1;
    }
}
END_TEST

/* Hashes may be stored one day: XXH3-64 as published, whatever the library's version. */
START_TEST(the_hash_is_xxh3)
{
    ck_assert_uint_eq(bytes_hash(bytes_of(NULL, 0), 0), UINT64_C(0x2d06800538d394c2));
}
END_TEST

START_TEST(skipping_past_the_end_is_a_bug)
{
    bytes_skip(BYTES("abc"), 4);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        order_is_byte_wise_with_the_shorter_first,
        case_is_ignored_for_ascii_letters_only,
        find_gives_the_first_place_or_the_size,
        trim_takes_blanks_at_the_ends_only,
        skip_and_take_divide_a_view,
        a_number_is_read_up_to_its_type_s_end_and_no_further,
        what_is_not_a_number_is_refused_and_leaves_the_value,
        the_hash_depends_on_every_byte_and_on_the_seed,
        the_hash_is_xxh3,
    };
    const TTest *aborting[] = {skipping_past_the_end_is_a_bug};

    return UNIT_RUN("bytes", tests, aborting);
}
