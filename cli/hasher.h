/*
 * hasher: a SHA-256 that is taken by another thread while the next part is received or read: of
 * large content it is half of the work. Where there is no thread to be had, it is taken at once.
 */
#ifndef CLI_HASHER_H
#define CLI_HASHER_H

#include "cli/crypto.h"

struct hasher;

struct hasher *hasher_create(void);
/* `b` is copied; waits while too much is not yet done. */
void hasher_add(struct hasher *hasher, struct bytes b);
/* Either ends it. */
void hasher_finish(struct hasher *hasher, uint8_t out[static CRYPTO_DIGEST_SIZE]);
void hasher_drop(struct hasher *hasher);

#endif
