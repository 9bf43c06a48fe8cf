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
    const TTest *tests[] = {it_is_the_digest_however_the_content_comes,
                            nothing_has_a_digest_too_and_one_can_be_dropped};

    return UNIT_RUN_PLAIN("hasher", tests);
}
