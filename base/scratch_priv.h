/*
 * What the files of scratch memory share. Private to base/scratch*.c: scratch.c has the file and
 * its mappings, scratch_chunks.c knows which places in it are taken, scratch_twin.c is the memory
 * of simulations, which has no file.
 */
#ifndef BASE_SCRATCH_PRIV_H
#define BASE_SCRATCH_PRIV_H

#include "base/map64.h"
#include "base/prng.h"
#include "base/scratch.h"

#define CHUNK       ((size_t)1 << 20)
#define CHUNK_WORDS (CHUNK / SCRATCH_PIECE_MIN / 64)
#define CHUNK_NONE  UINT32_MAX
#define SLICES      (CHUNK / SCRATCH_SLICE)
#define PAGE        ((size_t)4 << 10)

/* A chunk without a size is free, and has no space on the disk. */
struct chunk {
    uint64_t used[CHUNK_WORDS]; /* one bit a piece */
    uint32_t count;             /* pieces in use */
    uint8_t size;               /* of its pieces: which one */
    uint32_t before, next; /* of those with room, while not full; next: of the free ones, too */
    uint32_t seen[SLICES]; /* when it was known to be here, in seconds, times two; odd: broken */
};

struct scratch {
    int fd; /* -1: the twin */
    const uint8_t *base;
    uint8_t *lent; /* the same for who writes to it; NULL: nothing was lent yet */
    bool lends;    /* what is reserved can be written to at any time */
    size_t chunks_max;
    struct chunk *chunks;
    uint32_t chunk_count, chunk_capacity;
    uint32_t room[SCRATCH_PIECE_SIZES]; /* chunks with room for such a piece, or CHUNK_NONE */
    uint32_t free;
    uint64_t space;
    unsigned users;
    guard_failed failed;

    struct prng prng; /* the twin's, as the rest */
    unsigned refuse, away, broken, fails;
    struct map64 seen; /* by address: the same in the lower half, above it a serial number, of
                        * hidden ones the size */
    uint32_t pieces;   /* of the twin so far, for the serial numbers */
    bool hides;
};

/* scratch.c */
struct scratch *scratch_make(int fd);

static inline uint32_t scratch_stamp(int64_t now_ns, bool broken)
{
    return (uint32_t)(now_ns / INT64_C(1000000000)) << 1 | broken;
}

/* Was it said in this second or the one before? */
static inline bool scratch_fresh(uint32_t stamp, int64_t now_ns)
{
    uint32_t now = scratch_stamp(now_ns, false) >> 1;

    return stamp != 0 && now - (stamp >> 1) <= 1;
}

static inline enum scratch_place scratch_place_of(uint32_t stamp)
{
    return (stamp & 1) != 0 ? SCRATCH_BROKEN : SCRATCH_HERE;
}

/* scratch_chunks.c */
extern const uint32_t scratch_sizes[SCRATCH_PIECE_SIZES];
/* Which of them a piece of so many bytes has. */
unsigned scratch_size_of(size_t bytes);
/* A place for a piece, marked as used; false: there is no space. */
bool scratch_take_place(struct scratch *scratch, unsigned size, uint32_t *number, uint32_t *place);
void scratch_give_place(struct scratch *scratch, uint32_t number, uint32_t place);
/* Where it is in the file. */
uint64_t scratch_offset_of(unsigned size, uint32_t number, uint32_t place);

/* scratch_twin.c */
void scratch_twin_drop(struct scratch *scratch);
void *scratch_twin_take(struct scratch *scratch, unsigned size, size_t bytes);
void scratch_twin_give(struct scratch *scratch, const void *piece, unsigned size);
uint64_t scratch_twin_slice(const struct scratch *scratch, const void *piece);
void scratch_twin_brought(struct scratch *scratch, uint64_t slice, uint32_t stamp);
enum scratch_place scratch_twin_here(struct scratch *scratch, uint64_t address, int64_t now_ns);

#endif
