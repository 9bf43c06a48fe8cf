/*
 * cache: contents of a group's newest entries, in memory, by index: what is not committed yet and
 * has to be applied later, and what followers are likely to be sent. Without I/O.
 *
 * Indexes are contiguous. What is older than `keep` may be dropped at any time to stay within the
 * bound; newer entries stay whatever their size: the group bounds how much may be uncommitted.
 */
#ifndef RAFT_CACHE_H
#define RAFT_CACHE_H

#include "base/bytes.h"
#include "storage/log.h"

struct cached {
    struct log_content *content; /* held */
    log_place place;             /* of its first record; known when `durable` */
    bool durable;                /* on this disk */
};

struct cache {
    struct cached *ring;
    uint64_t first; /* index of the oldest; count 0: of the next */
    uint32_t at;    /* its place in the ring */
    uint32_t count;
    uint32_t capacity;
    size_t bytes;
    size_t bound;
};

void cache_init(struct cache *cache, size_t bound);
void cache_deinit(struct cache *cache);

/* Holds the content. `index` follows the newest, else everything older is forgotten first. */
void cache_add(struct cache *cache, uint64_t index, struct log_content *content);
/* NULL: not here. */
struct cached *cache_find(const struct cache *cache, uint64_t index);
/* As the log hands it out; the views are good while the content is held. */
struct log_batch cached_batch(const struct cached *cached);
/* Forgets what is above `index`. */
void cache_cut(struct cache *cache, uint64_t index);
/* Drops the oldest at or below `keep` until the bound holds. */
void cache_trim(struct cache *cache, uint64_t keep);
/* Drops all at or below `done`: nobody is expected to need them. */
void cache_drop(struct cache *cache, uint64_t done);

#endif
