/* hash: the checksums of the formats on disk, XXH3 without a seed (docs/formats.md). */
#ifndef STORAGE_HASH_H
#define STORAGE_HASH_H

#include "base/bytes.h"
#include "storage/log.h"

uint64_t hash_64(struct bytes b);
/* The low half of hash_64. */
uint32_t hash_32(struct bytes b);
/* 16 bytes: the low half first, each half little endian. */
struct log_hash hash_128(struct bytes b);

static inline bool hash_equal(const struct log_hash *a, const struct log_hash *b)
{
    return memcmp(a->at, b->at, sizeof a->at) == 0;
}

#endif
