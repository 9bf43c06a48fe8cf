/*
 * lost: which of a stream's messages this replica's disk has lost, as far as it was found by
 * recovery, by a read, by the background check, and is not whole again. Bounded: beyond LOST_MAX
 * nothing is noted. It is about this disk, not about the stream: of a block only the local part
 * holds it.
 */
#ifndef SERVER_STREAM_LOST_H
#define SERVER_STREAM_LOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOST_MAX 10000u

struct lost {
    uint64_t *at; /* sequences, rising */
    size_t count, capacity;
    uint64_t bytes; /* at most so many */
};

void lost_deinit(struct lost *lost);
/* False: it is known already, or one too many. */
bool lost_add(struct lost *lost, uint64_t sequence, uint64_t bytes);
/* It is whole again, or has left the stream; `bytes` as it was added with. False: not known. */
bool lost_remove(struct lost *lost, uint64_t sequence, uint64_t bytes);
/* The first of `at` that is not below it; `count`: none. */
size_t lost_from(const struct lost *lost, uint64_t sequence);
bool lost_has(const struct lost *lost, uint64_t sequence);

#endif
