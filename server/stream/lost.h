/*
 * lost: which of a stream's messages this replica's disk has lost, as far as it was found since it
 * started: by recovery, by a read, by the background check. Bounded: beyond LOST_MAX only the bytes
 * are counted. It is about this disk, not about the stream, so no block holds it.
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
bool lost_has(const struct lost *lost, uint64_t sequence);

#endif
