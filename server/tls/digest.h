/* digest: SHA-256, and the SHA-1 that the WebSocket protocol asks for. */
#ifndef SERVER_TLS_DIGEST_H
#define SERVER_TLS_DIGEST_H

#include "base/bytes.h"

#define DIGEST_SIZE      32u
#define DIGEST_HEX_SIZE  65u /* with its zero */
#define DIGEST_SHA1_SIZE 20u

void digest_sha256(struct bytes b, uint8_t out[static DIGEST_SIZE]);
void digest_sha1(struct bytes b, uint8_t out[static DIGEST_SHA1_SIZE]);
void digest_hex(const uint8_t digest[static DIGEST_SIZE], char out[static DIGEST_HEX_SIZE]);

#endif
