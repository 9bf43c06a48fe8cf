/*
 * hasher: a SHA-256 that is taken by another thread while the next part is received or read: of
 * large content it is half of the work. Where there is no thread to be had, it is taken at once.
 */
#ifndef CLI_HASHER_H
#define CLI_HASHER_H

#include "cli/crypto.h"

#define HASHER_PART_MAX ((size_t)64 * 1024 * 1024)

struct hasher;

struct hasher *hasher_create(void);
/* `b` is copied; waits while too much is not yet done. */
void hasher_add(struct hasher *hasher, struct bytes b);
/* The same without a copy: room for the next part, which waits likewise, and then how much of it
 * was filled. What was filled can be read on until room is asked for again. */
uint8_t *hasher_room(struct hasher *hasher, size_t size);
void hasher_commit(struct hasher *hasher, size_t size);
/* Either ends it. */
void hasher_finish(struct hasher *hasher, uint8_t out[static CRYPTO_DIGEST_SIZE]);
void hasher_drop(struct hasher *hasher);

#endif
