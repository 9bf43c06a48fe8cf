/*
 * slab: many small blocks that are known by 32-bit ids, which take half of what pointers do. A
 * block costs its size, rounded up to 8 bytes, and nothing beside it; it stays where it is until it
 * is given back.
 *
 * Blocks of one size stand together in chunks of at most 4 KiB, the first ones of a size in smaller
 * ones, and larger blocks each in a chunk of its own. An id is the number of the chunk and the
 * place in it. An empty chunk goes back to the heap, unless it is the only one of its size that has
 * room: so what is held is at most a chunk for each block. No call moves blocks or takes longer the
 * more of them there are, but for the list of chunks: 24 bytes each, in one piece, which doubles.
 *
 * Chunks from the heap are not smaller because what is in a chunk cannot be used for another size:
 * larger ones would let whoever chooses sizes leave more memory behind.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include "base/bytes.h"

#define SLAB_UNIT       8u
#define SLAB_UNIT_BITS  9u
#define SLAB_CHUNK_SIZE (SLAB_UNIT << SLAB_UNIT_BITS)
#define SLAB_BLOCK_MAX  1024u /* larger ones have a chunk of their own */
#define SLAB_SIZES      28u   /* and one more for those */

struct slab_chunk {
    uint8_t *at;     /* NULL: there is none of that number */
    uint32_t before; /* of those of its size that have room; 0: none */
    uint32_t after;  /* the same, or the next number without a chunk */
    uint16_t blocks; /* that are taken */
    uint16_t freed;  /* 1 + the unit of one that was given back, which says the next; 0: none */
    uint16_t fresh;  /* units: from here on none was ever taken */
    uint16_t units : 10;
    uint16_t size : 5; /* which */
};

struct slab {
    struct slab_chunk *chunks; /* from 1 */
    uint32_t chunks_capacity;
    uint32_t chunks_next; /* numbers below it were used */
    uint32_t unused;      /* one of them without a chunk; 0: none */
    uint32_t blocks;      /* of all sizes */
    size_t bytes;         /* of all chunks */
    struct {
        uint32_t room; /* a chunk with room; 0: none */
        uint32_t blocks;
    } sizes[SLAB_SIZES + 1];
};

/* A slab of zeros is one. */
void slab_deinit(struct slab *slab); /* frees every block; it can be used again */

/* Not zeroed, aligned to 8. *id is not 0. What the process has no memory or no ids for (32 GiB)
 * ends it, as in base/heap.h. */
void *slab_take(struct slab *slab, size_t size, uint32_t *id);
void slab_give(struct slab *slab, uint32_t id);

static inline void *slab_at(const struct slab *slab, uint32_t id)
{
    return slab->chunks[id >> SLAB_UNIT_BITS].at +
           (size_t)(id & ((1u << SLAB_UNIT_BITS) - 1)) * SLAB_UNIT;
}

#endif
