/*
 * dedup: message ids seen within the window, in log time. Ids are kept as keyed 128-bit hashes in
 * time buckets that are dropped whole; an id's own time decides exactly (to the microsecond, never
 * early). Applied state only: what is proposed is in the overlay. 24 bytes and a table's slack an
 * id.
 *
 * A bucket covers a quarter of the window, so a look-up asks at most six tables. Keyed, because a
 * client who could make ids collide could make others' messages vanish as duplicates.
 */
#ifndef SERVER_STREAM_DEDUP_H
#define SERVER_STREAM_DEDUP_H

#include "base/buf.h"
#include "base/err.h"

struct dedup_bucket;

struct dedup {
    struct dedup_bucket *oldest, *newest;
    int64_t window_ns; /* 0: off, nothing is remembered */
    uint64_t seed[2];
    uint64_t count; /* ids held, expired ones in living buckets included */
};

void dedup_init(struct dedup *dedup, uint64_t seed);
void dedup_deinit(struct dedup *dedup);
/* Sets the window. What is outside it at `now_ns` is forgotten for good, also when it grows again.
 */
void dedup_window(struct dedup *dedup, int64_t window_ns, int64_t now_ns);
/* Remembers `id` (of a message stored as `sequence` at `time_ns`); neither falls. An id that is
 * there is moved: the newer one counts from now on. */
void dedup_add(struct dedup *dedup, struct bytes id, uint64_t sequence, int64_t time_ns);
/* The sequence of the original if `id` is within the window at `now_ns`, else 0. */
uint64_t dedup_find(const struct dedup *dedup, struct bytes id, int64_t now_ns);
/* Drops whole buckets older than the window. */
void dedup_expire(struct dedup *dedup, int64_t now_ns);

/* Another key. Nothing may be held. */
void dedup_key(struct dedup *dedup, const uint8_t key[16]);

/* All of it, key and window included, for a state block; equal states make equal bytes. */
void dedup_encode(const struct dedup *dedup, struct buf *out);
/* Into a fresh one, in parts, each of which takes up to *left ids (and counts them down).
 * ERR_AGAIN: there are more. ERR_CORRUPT: it makes no sense, nothing is held. */
struct dedup_decoding {
    struct bytes rest;
    uint32_t buckets; /* to come */
    uint64_t ids;     /* to come of the newest */
};
enum err dedup_decode_begin(struct dedup *dedup, struct bytes in, struct dedup_decoding *decoding);
enum err dedup_decode_part(struct dedup *dedup, struct dedup_decoding *decoding, uint64_t *left);

#endif
