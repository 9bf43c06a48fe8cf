/*
 * index_cold: a block of an index that takes no more messages, with most of it in scratch memory
 * (base/scratch.h). Private to storage/index*.c.
 *
 *     in memory    which offsets have a row, which of those live, and for each row the step to the
 *                  next message of its subject: 4 bytes a message, and 320 a block
 *     in scratch   the rows, 32 bytes each, never changed
 *
 * So what publishing and the question whether a message is its subject's newest touch stays in
 * memory while there is room (index_memory.h), and what a reader needs of a message is one row.
 * What changes in a row although it is there for good, the message before of its subject, is the
 * owner's to remember (`changed`).
 */
#ifndef STORAGE_INDEX_COLD_H
#define STORAGE_INDEX_COLD_H

#include "storage/index_memory.h"
#include "storage/index_slot.h"

#define INDEX_COLD_MIN   64u /* messages: fewer are not worth it */
#define INDEX_COLD_WORDS (INDEX_BLOCK_SPAN / 64)

#define INDEX_TIME_BITS 48u
#define INDEX_TIME_MASK ((UINT64_C(1) << INDEX_TIME_BITS) - 1)

struct index_row {
    uint64_t place;
    uint32_t record_size;
    uint32_t stored_size;
    uint32_t subject;
    uint32_t before;  /* step down; 0: none */
    uint64_t time_48; /* from the block's first: in the lower 48 bits; above: the offset */
};
static_assert(sizeof(struct index_row) == 32, "what one message costs in scratch memory");

struct index_cold {
    const struct index_row *rows; /* of the offsets in `present`, in their order */
    int64_t time_base, time_last; /* of the first and the last row */
    uint64_t present[INDEX_COLD_WORDS];
    uint64_t live[INDEX_COLD_WORDS];  /* some of `present` */
    uint16_t ranks[INDEX_COLD_WORDS]; /* rows before each word */
    uint32_t count;                   /* rows */
    uint32_t changed;                 /* rows whose `before` the owner has another one for */
    uint32_t after[];                 /* step up; 0: none */
};

static_assert(sizeof(struct index_cold) + INDEX_BLOCK_SPAN * 4 <= 4608, "a size of scratch pieces");

/* The live ones of `slots`, rising, of the block that begins at `base`. NULL: too few, no space, or
 * one does not fit a row. *lent: it is, without its rows, which are *rows. */
struct index_cold *index_cold_create(const struct index_memory *memory, uint64_t base,
                                     const struct index_slot *slots, uint32_t count, bool *lent,
                                     const struct index_row **rows);
/* With its rows, and how many they are: what is lent may not be there to be read any more. */
void index_cold_destroy(const struct index_memory *memory, struct index_cold *cold, bool lent,
                        const struct index_row *rows, uint32_t count);
/* One that was not lent is, at its new place; NULL: there is no room, all is as before. */
struct index_cold *index_cold_move(const struct index_memory *memory, struct index_cold *cold);

/* The row of an offset that is present. */
static inline uint32_t index_cold_row(const struct index_cold *cold, uint32_t offset)
{
    uint64_t below;

    if (cold->count == INDEX_BLOCK_SPAN) /* nothing was missing, as mostly */
        return offset;
    below = cold->present[offset / 64] & ((UINT64_C(1) << offset % 64) - 1);
    return cold->ranks[offset / 64] + (uint32_t)__builtin_popcountll(below);
}

static inline bool index_cold_live(const struct index_cold *cold, uint32_t offset)
{
    return (cold->live[offset / 64] >> offset % 64 & 1) != 0;
}

/* The row of a live offset; NULL: what stands there is not what was written, of any message. */
static inline const struct index_row *index_cold_at(const struct index_cold *cold, uint32_t offset)
{
    const struct index_row *row = &cold->rows[index_cold_row(cold, offset)];

    return row->time_48 >> INDEX_TIME_BITS == offset ? row : NULL;
}

/* All of a live offset, as its row says it. */
void index_cold_read(const struct index_cold *cold, const struct index_row *row, uint64_t base,
                     uint32_t offset, struct index_slot *slot);
/* The same without its links. */
static inline void index_cold_stored(const struct index_cold *cold, const struct index_row *row,
                                     struct index_stored *out)
{
    *out = (struct index_stored){
        .time_ns = (int64_t)((uint64_t)cold->time_base + (row->time_48 & INDEX_TIME_MASK)),
        .place = row->place,
        .record_size = row->record_size,
        .stored_size = row->stored_size,
        .subject = row->subject,
    };
}
/* The next message of the subject; 0: none. */
uint64_t index_cold_after(const struct index_cold *cold, uint64_t base, uint32_t offset);
/* Of the row of that offset. False: the step does not fit. */
bool index_cold_set_after(struct index_cold *cold, uint64_t base, uint32_t offset, uint32_t row,
                          uint64_t after);

#define INDEX_COLD_NONE UINT32_MAX
/* The lowest live offset >= from / the highest <= up_to, or INDEX_COLD_NONE. */
uint32_t index_cold_up(const struct index_cold *cold, uint32_t from);
uint32_t index_cold_down(const struct index_cold *cold, uint32_t up_to);
/* How many live below. */
uint32_t index_cold_below(const struct index_cold *cold, uint32_t offset);
/* The lowest live offset whose time is not before `time_ns`, or INDEX_COLD_NONE. */
uint32_t index_cold_at_time(const struct index_cold *cold, int64_t time_ns);

#endif
