/*
 * index_blocks: the messages of an index by sequence. Private to storage/index*.c.
 *
 * A block holds the sequences of one aligned range of 2^bits; a block without messages does not
 * exist, so neither a gap in the sequences nor what has been removed costs memory for long:
 *
 *     directory   [number 0][number 1][number 7]     in rising order, found by guess or bisection
 *     hot block   dead dead LIVE dead LIVE           offsets rise; the first and the last are live
 *                           ^start          ^count   (from start on)
 *     cold block  index_cold.h
 *
 * A block takes messages while it is the newest. Then it goes to scratch memory, if there is any
 * and it takes the block; else it stays as it is, and is tried again now and then. Nobody outside
 * sees the difference.
 *
 * Removal leaves a dead slot; a block that is more than half dead is packed. Links between messages
 * are sequences, not positions, so packing breaks none.
 */
#ifndef STORAGE_INDEX_BLOCKS_H
#define STORAGE_INDEX_BLOCKS_H

#include "base/map64.h"
#include "storage/index_cold.h"

struct index_block {
    uint64_t number; /* sequence >> bits */
    union {
        struct index_slot *slots;     /* of a hot one */
        const struct index_row *rows; /* of a cold one, to be given back */
    };
    struct index_cold *cold;         /* NULL: hot */
    uint32_t start, count, capacity; /* of a hot one; of a cold one `count`: of its rows */
    uint32_t live;
    bool dense; /* a cold one with a row for every offset of its range: the row is the offset */
    bool lent;  /* `cold` is */
};

struct index_blocks {
    struct index_block *at; /* directory; blocks are at[head] .. at[head + count - 1] */
    size_t head, count, capacity;
    unsigned bits;              /* of a range, at most INDEX_BLOCK_BITS */
    struct index_memory memory; /* without scratch memory everything stays in memory */
    struct map64 befores; /* sequence -> the message before, of cold ones where it has changed */
    bool step_lost, before_lost; /* seeded bugs: storage/index.h */
    size_t retry;                /* the block that is tried again next */
    uint64_t cooled;             /* number of the block that may be lent next */
    uint64_t moved;              /* number of the block whose places change, which is hot for it */
};

/* A live message while walking. */
struct index_cursor {
    size_t block;  /* from head */
    uint32_t slot; /* of a cold block: the offset */
};

void index_blocks_init(struct index_blocks *blocks, uint64_t seed);
/* There are no blocks. The memory is the caller's and outlives them. */
void index_blocks_use(struct index_blocks *blocks, struct index_memory memory, unsigned bits);
void index_blocks_deinit(struct index_blocks *blocks); /* leaves it empty, as before the first */
/* Looks at INDEX_COOL_LOOKS blocks, the oldest first, each once, until one is lent that was not.
 * False: none was. */
#define INDEX_COOL_LOOKS 16u
bool index_blocks_cool(struct index_blocks *blocks);

/* A slot for a sequence higher than every one present; live, the rest is for the caller to fill
 * before the next call. */
struct index_slot *index_blocks_append(struct index_blocks *blocks, uint64_t sequence);
/* False: not present. */
bool index_blocks_get(const struct index_blocks *blocks, uint64_t sequence,
                      struct index_slot *slot);
/* The same without its links, which costs less. */
bool index_blocks_stored(const struct index_blocks *blocks, uint64_t sequence,
                         struct index_stored *out);
/* The next one of its subject, 0: none. False: not present. */
bool index_blocks_after(const struct index_blocks *blocks, uint64_t sequence, uint64_t *after);

/* A hint: its link to the next one is about to be set. */
void index_blocks_prefetch(const struct index_blocks *blocks, uint64_t sequence);

/* The sequence must be present (asserted). */
void index_blocks_set_after(struct index_blocks *blocks, uint64_t sequence, uint64_t after);
void index_blocks_set_before(struct index_blocks *blocks, uint64_t sequence, uint64_t before);
void index_blocks_set_place(struct index_blocks *blocks, uint64_t sequence, uint64_t place);
void index_blocks_remove(struct index_blocks *blocks, uint64_t sequence);

uint64_t index_blocks_first(const struct index_blocks *blocks); /* 0: empty */
uint64_t index_blocks_last(const struct index_blocks *blocks);
/* Which block has it, or the next messages: from head, or their count. */
size_t index_blocks_at_or_behind(const struct index_blocks *blocks, uint64_t sequence);
/* How many are present with a lower sequence; walks the directory's nearer end. */
uint64_t index_blocks_below(const struct index_blocks *blocks, uint64_t sequence, uint64_t total);

/* The first at or above / the last at or below; false: none. */
bool index_cursor_up(const struct index_blocks *blocks, uint64_t sequence,
                     struct index_cursor *cursor);
bool index_cursor_down(const struct index_blocks *blocks, uint64_t sequence,
                       struct index_cursor *cursor);
/* The first whose time is not before `time_ns`; times do not fall with the sequence. */
bool index_cursor_at_time(const struct index_blocks *blocks, int64_t time_ns,
                          struct index_cursor *cursor);
/* Onwards; false at the end. Nothing may have changed since the cursor was set. */
bool index_cursor_next(const struct index_blocks *blocks, struct index_cursor *cursor);
bool index_cursor_previous(const struct index_blocks *blocks, struct index_cursor *cursor);

uint64_t index_cursor_sequence(const struct index_blocks *blocks, struct index_cursor cursor);
void index_cursor_read(const struct index_blocks *blocks, struct index_cursor cursor,
                       struct index_slot *slot);
uint32_t index_cursor_subject(const struct index_blocks *blocks, struct index_cursor cursor);
uint64_t index_cursor_after(const struct index_blocks *blocks, struct index_cursor cursor);

#endif
