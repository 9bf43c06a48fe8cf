#include "storage/file_head.h"

#include "storage/hash.h"
#include "storage/le.h"
#include "tests/unit/unit.h"

#define SIZE  64u
#define OWN   24u /* where the kind's own begins */
#define KNOWN 5u

static const char magic[FILE_HEAD_MAGIC] = "MRtest01";
static const char other[FILE_HEAD_MAGIC] = "MRtest02";

static uint8_t head[SIZE];

static void make(uint32_t features)
{
    memset(head, 0xff, sizeof head);
    file_head_begin(head, sizeof head, magic, features);
    le_put_u64(head + OWN, 7);
    file_head_seal(head, sizeof head);
}

static enum err check(const char *kind, uint32_t *features)
{
    return file_head_check(head, sizeof head, kind, KNOWN, features);
}

START_TEST(a_sealed_head_is_of_its_kind_and_says_its_features)
{
    uint32_t features = 0;

    make(4);
    ck_assert_int_eq(check(magic, &features), OK);
    ck_assert_uint_eq(features, 4);
    ck_assert_uint_eq(le_u64(head + OWN), 7);
    for (size_t i = OWN + 8; i < SIZE; i++)
        ck_assert_uint_eq(head[i], 0);
    ck_assert_int_eq(check(other, &features), ERR_CORRUPT);
}
END_TEST

/* The bytes stand in docs/formats.md. */
START_TEST(the_head_begins_with_checksum_magic_version_and_features)
{
    make(1);
    ck_assert_uint_eq(le_u64(head), hash_64(bytes_of(head + 8, SIZE - 8)));
    ck_assert_mem_eq(head + 8, magic, FILE_HEAD_MAGIC);
    ck_assert_uint_eq(le_u32(head + 16), 1);
    ck_assert_uint_eq(le_u32(head + 20), 1);
}
END_TEST

START_TEST(any_bit_that_is_another_makes_it_damaged)
{
    uint32_t features;

    make(0);
    for (size_t i = 0; i < 8 * sizeof head; i++) {
        head[i / 8] ^= (uint8_t)(1u << i % 8);
        ck_assert_int_eq(check(magic, &features), ERR_CORRUPT);
        head[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    ck_assert_int_eq(check(magic, &features), OK);
}
END_TEST

START_TEST(a_sound_head_of_another_version_is_not_damaged)
{
    uint32_t features;

    make(0);
    le_put_u32(head + 16, 2);
    file_head_seal(head, sizeof head);
    ck_assert_int_eq(check(magic, &features), ERR_VERSION);
    make(2); /* not among the known ones */
    ck_assert_int_eq(check(magic, &features), ERR_VERSION);
    make(KNOWN);
    ck_assert_int_eq(check(magic, &features), OK);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_sealed_head_is_of_its_kind_and_says_its_features,
        the_head_begins_with_checksum_magic_version_and_features,
        any_bit_that_is_another_makes_it_damaged,
        a_sound_head_of_another_version_is_not_damaged,
    };

    return UNIT_RUN_PLAIN("file_head", tests);
}
