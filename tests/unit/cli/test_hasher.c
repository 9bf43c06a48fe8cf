#include "cli/hasher.h"

#include "tests/unit/unit.h"

static uint8_t content[3 << 20];

static void fill(void)
{
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (uint8_t)(i * 31 >> 3);
}

START_TEST(it_is_the_digest_however_the_content_comes)
{
    static const size_t sizes[] = {1 << 20, 100000, 4097, 333333, 3 << 20};
    uint8_t whole[CRYPTO_DIGEST_SIZE], parts[CRYPTO_DIGEST_SIZE];
    struct crypto_digest *digest = crypto_digest_create();

    fill();
    crypto_digest_add(digest, bytes_of(content, sizeof content));
    crypto_digest_finish(digest, whole);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct hasher *hasher = hasher_create();

        for (size_t at = 0; at < sizeof content; at += sizes[i]) {
            size_t size = sizeof content - at < sizes[i] ? sizeof content - at : sizes[i];
            uint8_t copy[4097];

            if (size <= sizeof copy) { /* what was handed over may change at once */
                memcpy(copy, content + at, size);
                hasher_add(hasher, bytes_of(copy, size));
                memset(copy, 0, sizeof copy);
            } else {
                hasher_add(hasher, bytes_of(content + at, size));
            }
        }
        hasher_finish(hasher, parts);
        ck_assert_mem_eq(whole, parts, sizeof whole);
    }
}
END_TEST

START_TEST(what_is_filled_in_place_counts_as_far_as_it_was_filled_and_stays_readable)
{
    static const size_t sizes[] = {100000, 1, 65536, 333333};
    uint8_t whole[CRYPTO_DIGEST_SIZE], parts[CRYPTO_DIGEST_SIZE];
    struct crypto_digest *digest = crypto_digest_create();
    struct hasher *hasher = hasher_create();
    size_t at = 0;

    fill();
    crypto_digest_add(digest, bytes_of(content, sizeof content));
    crypto_digest_finish(digest, whole);
    for (size_t i = 0; at < sizeof content; i++) {
        size_t size = sizes[i % 4] < sizeof content - at ? sizes[i % 4] : sizeof content - at;
        uint8_t *room = hasher_room(hasher, size + i % 3); /* more than is filled */

        memcpy(room, content + at, size);
        hasher_commit(hasher, size);
        ck_assert_mem_eq(room, content + at, size);
        at += size;
        if (at < sizeof content) { /* both ways, in turns */
            hasher_add(hasher, bytes_of(content + at, 1));
            at++;
        }
    }
    (void)hasher_room(hasher, 10); /* asked for and not needed */
    hasher_finish(hasher, parts);
    ck_assert_mem_eq(whole, parts, sizeof whole);
}
END_TEST

START_TEST(nothing_has_a_digest_too_and_one_can_be_dropped)
{
    static const uint8_t empty[4] = {0xe3, 0xb0, 0xc4, 0x42};
    uint8_t out[CRYPTO_DIGEST_SIZE];
    struct hasher *hasher = hasher_create();

    hasher_finish(hasher, out);
    ck_assert_mem_eq(out, empty, sizeof empty);
    hasher = hasher_create();
    hasher_add(hasher, bytes_of(content, 1000));
    hasher_drop(hasher);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        it_is_the_digest_however_the_content_comes,
        what_is_filled_in_place_counts_as_far_as_it_was_filled_and_stays_readable,
        nothing_has_a_digest_too_and_one_can_be_dropped};

    return UNIT_RUN_PLAIN("hasher", tests);
}
