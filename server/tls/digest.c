#include "server/tls/digest.h"

#include <openssl/sha.h>

void digest_sha256(struct bytes b, uint8_t out[static DIGEST_SIZE])
{
    static_assert(DIGEST_SIZE == SHA256_DIGEST_LENGTH, "the same digest");
    (void)SHA256(b.at, b.size, out);
}

void digest_sha1(struct bytes b, uint8_t out[static DIGEST_SHA1_SIZE])
{
    static_assert(DIGEST_SHA1_SIZE == SHA_DIGEST_LENGTH, "the same digest");
    (void)SHA1(b.at, b.size, out);
}

void digest_hex(const uint8_t digest[static DIGEST_SIZE], char out[static DIGEST_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[2 * DIGEST_SIZE] = 0;
}
