/* The checksums of backups: known answers, and the processor's way agrees with the plain one. */
#include <check.h>
#include <stdlib.h>

#include "base/prng.h"
#include "server/backup/crc32c.h"
#include "server/backup/highway.h"

#define SIZE_MOST 300u

static uint8_t content[SIZE_MOST + 64];

static void fill(void)
{
    struct prng prng;

    prng_seed(&prng, 7);
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (uint8_t)prng_next(&prng);
}

START_TEST(crc32c_gives_the_published_check_value)
{
    ck_assert_uint_eq(crc32c(BYTES("123456789")), 0xe3069283u);
    ck_assert_uint_eq(crc32c_plain(BYTES("123456789")), 0xe3069283u);
}
END_TEST

START_TEST(crc32c_by_the_processor_is_the_plain_one_at_every_size_and_alignment)
{
    fill();
    for (size_t at = 0; at < 9; at++)
        for (size_t size = 0; size <= SIZE_MOST; size++)
            ck_assert_uint_eq(crc32c(bytes_of(content + at, size)),
                              crc32c_plain(bytes_of(content + at, size)));
}
END_TEST

/* Long ones are summed in three places at once. */
START_TEST(crc32c_by_the_processor_is_the_plain_one_of_long_stretches)
{
    static uint8_t stretch[20000];
    struct prng prng;

    prng_seed(&prng, 8);
    for (size_t i = 0; i < sizeof stretch; i++)
        stretch[i] = (uint8_t)prng_next(&prng);
    for (size_t size = 3000; size <= sizeof stretch; size += 61)
        ck_assert_uint_eq(crc32c(bytes_of(stretch, size)), crc32c_plain(bytes_of(stretch, size)));
    for (size_t at = 0; at < 64; at++)
        ck_assert_uint_eq(crc32c(bytes_of(stretch + at, 6144)),
                          crc32c_plain(bytes_of(stretch + at, 6144)));
}
END_TEST

static uint64_t hash_in_parts(struct bytes bytes, size_t first, bool plain)
{
    uint8_t key[HIGHWAY_KEY_SIZE];
    struct highway hash;

    highway_key(BYTES("a key"), key);
    highway_init(&hash, key);
    (plain ? highway_add_plain : highway_add)(&hash, bytes_take(bytes, first));
    (plain ? highway_add_plain : highway_add)(&hash, bytes_skip(bytes, first));
    return highway_end(&hash);
}

START_TEST(highway_by_the_processor_is_the_plain_one_however_the_bytes_come)
{
    fill();
    for (size_t size = 0; size <= SIZE_MOST; size++) {
        struct bytes bytes = bytes_of(content + 3, size);
        uint64_t whole = hash_in_parts(bytes, 0, true);

        for (size_t first = 0; first <= size; first += 5) {
            ck_assert_uint_eq(hash_in_parts(bytes, first, false), whole);
            ck_assert_uint_eq(hash_in_parts(bytes, first, true), whole);
        }
    }
}
END_TEST

/* The first of the published answers: the key 0, 1, ... 31 and the bytes 0, 1, ... */
START_TEST(highway_gives_the_published_answers)
{
    uint8_t key[HIGHWAY_KEY_SIZE], bytes[64];
    struct highway hash;

    for (uint8_t i = 0; i < 64; i++) {
        bytes[i] = i;
        key[i % HIGHWAY_KEY_SIZE] = i % HIGHWAY_KEY_SIZE;
    }
    highway_init(&hash, key);
    ck_assert_uint_eq(highway_end(&hash), 0x907A56DE22C26E53u);
    highway_init(&hash, key);
    highway_add(&hash, bytes_of(bytes, 1));
    ck_assert_uint_eq(highway_end(&hash), 0x7EAB43AAC7CDDD78u);
    highway_init(&hash, key);
    highway_add(&hash, bytes_of(bytes, 64));
    ck_assert_uint_eq(highway_end(&hash), 0x75542C5D4CD2A6FFu);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checksums");
    TCase *tcase = tcase_create("checksums");
    SRunner *runner;
    int failed;

    tcase_add_test(tcase, crc32c_gives_the_published_check_value);
    tcase_add_test(tcase, crc32c_by_the_processor_is_the_plain_one_at_every_size_and_alignment);
    tcase_add_test(tcase, crc32c_by_the_processor_is_the_plain_one_of_long_stretches);
    tcase_add_test(tcase, highway_by_the_processor_is_the_plain_one_however_the_bytes_come);
    tcase_add_test(tcase, highway_gives_the_published_answers);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
