/*
 * dedup: message ids seen within the window, in log time. Ids are kept as keyed 128-bit hashes in
 * time buckets that are dropped whole; an id's own time decides exactly. Applied state only: what
 * is proposed is in the overlay.
 */
#ifndef SERVER_STREAM_DEDUP_H
#define SERVER_STREAM_DEDUP_H

#include "base/bytes.h"

struct dedup_bucket;

struct dedup {
    struct dedup_bucket *buckets; /* oldest first */
    int64_t window_ns;            /* 0: off */
    uint64_t seed[2];
    uint64_t count;
};

void dedup_init(struct dedup *dedup, uint64_t seed);
void dedup_deinit(struct dedup *dedup);
void dedup_window(struct dedup *dedup, int64_t window_ns); /* a change re-evaluates at once */
/* Remembers `id` (of a message stored as `sequence` at `time_ns`); times do not fall. */
void dedup_add(struct dedup *dedup, struct bytes id, uint64_t sequence, int64_t time_ns);
/* The sequence of the original if `id` is within the window at `now_ns`, else 0. */
uint64_t dedup_find(const struct dedup *dedup, struct bytes id, int64_t now_ns);
/* Drops whole buckets older than the window. */
void dedup_expire(struct dedup *dedup, int64_t now_ns);

#endif
