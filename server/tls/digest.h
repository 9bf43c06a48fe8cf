/* digest: SHA-256. */
#ifndef SERVER_TLS_DIGEST_H
#define SERVER_TLS_DIGEST_H

#include "base/bytes.h"

#define DIGEST_SIZE     32u
#define DIGEST_HEX_SIZE 65u /* with its zero */

void digest_sha256(struct bytes b, uint8_t out[static DIGEST_SIZE]);
void digest_hex(const uint8_t digest[static DIGEST_SIZE], char out[static DIGEST_HEX_SIZE]);

#endif
