/*
 * read_cache: what was lately read of the logs of one shard, in blocks, so that messages which are
 * asked for one by one and often do not cost a system call each. Pure memory.
 *
 * A position of a log is written once, so what is kept never becomes wrong; it can only be short: a
 * block of the file that is being written holds what was durable when it was read, and is read
 * again for what came behind it. A block is kept when it is asked for the second time, so that one
 * walk over a large stream neither fills the cache nor reads more than it needs.
 */
#ifndef SERVER_STREAM_READ_CACHE_H
#define SERVER_STREAM_READ_CACHE_H

#include "base/bytes.h"
#include "storage/log.h"

#define READ_CACHE_BLOCK  4096u
#define READ_CACHE_BLOCKS 512u /* 2 MiB, taken when the first is kept */
#define READ_CACHE_SPAN   4u   /* blocks that one record may touch; larger ones are not kept */

struct read_cache_block {
    uint64_t log;
    uint64_t number; /* place / READ_CACHE_BLOCK */
    uint32_t size;   /* from the block's start on; 0: it was asked for, and is not kept */
};

struct read_cache {
    struct read_cache_block blocks[READ_CACHE_BLOCKS];
    uint8_t *memory;   /* block after block; NULL: nothing was kept yet */
    uint64_t log_last; /* numbers given to logs */
};

void read_cache_init(struct read_cache *cache);
void read_cache_deinit(struct read_cache *cache);

/* A number for a log that has been opened; no other has had it. */
uint64_t read_cache_log(struct read_cache *cache);

/* Where to read to, to have a record at hand the next time: from the start of its first block to
 * the end of its last. `at` NULL: do not. */
struct read_cache_room {
    uint8_t *at;
    log_place place;
    size_t size;
};

/* The bytes at `place`, good until the next call; empty: they are not here, and *room says whether
 * they should be. */
struct bytes read_cache_find(struct read_cache *cache, uint64_t log, log_place place, size_t size,
                             struct read_cache_room *room);
/* The first `size` bytes of the room were read, all of them durable (log_read_now). */
void read_cache_keep(struct read_cache *cache, uint64_t log, const struct read_cache_room *room,
                     size_t size);

#endif
