/* journal_priv: the journal's own struct, for storage/journal*.c. */
#ifndef STORAGE_JOURNAL_PRIV_H
#define STORAGE_JOURNAL_PRIV_H

#include "storage/journal.h"
#include "storage/paths.h"

#define JOURNAL_FILL_PIECE (256u << 10) /* zeros are written in pieces of this */
#define JOURNAL_NONE       (-1)

struct journal_file {
    struct io_file *file; /* NULL: the place is free */
    uint64_t number;
    uint64_t size;
    uint64_t offset;       /* of the next record */
    uint64_t first_record; /* number of the first record since it was last begun */
    uint32_t pins;         /* covers with this file's bit */
    uint32_t stuck;        /* of these, covers whose segment can no more be synced */
    uint32_t held;         /* votes that are nowhere else */
    uint64_t used;         /* behind the last byte that is not zero */
    bool stale;            /* is written over with zeros before it is used again */
    bool condemned;        /* a write failed */
};

/* One record: aligned memory and those who wait for it. */
struct journal_buffer {
    void *memory;
    uint8_t *at; /* aligned in memory */
    size_t capacity;
    size_t used; /* 0: empty; else the head is counted */
    uint32_t entries;
    struct journal_wait *first;
    struct journal_wait *last;
};

/* A new file, made by a worker. */
struct journal_make {
    struct io_work work;
    bool busy;
    bool stale; /* its name is gone */
    struct path path;
    struct path dir;
    uint8_t store_id[16];
    uint64_t number;
    uint64_t size;
    struct io_file *file;
    enum err err;
};

/* Files that are used no more, because a write failed, and needed by nothing; still on the disk. */
struct journal_left {
    uint64_t numbers[JOURNAL_PLACES];
    unsigned count;
    bool more; /* that are not among these */
};

/* A round of cleaning; one file at a time, then what is left is removed. */
struct journal_round {
    struct io_work work;
    struct journal_clean *first, *waiting; /* of this round, of the next */
    bool runs, busy, failed;
    struct io_file *file;
    int place;
    uint64_t used;
    struct io_work removing;
    unsigned removed; /* the first so many of those that are left */
    bool removes;     /* that has been tried */
    enum err err;
};

struct journal {
    struct io *io;
    struct journal_options options;
    struct journal_file files[JOURNAL_PLACES];
    int current; /* place of the file being filled, or JOURNAL_NONE */
    uint64_t file_next;
    uint64_t record_next;

    struct journal_buffer gather;
    struct journal_buffer flight;
    struct io_op write;
    int write_file; /* where flight goes */
    uint64_t write_offset;
    size_t write_size;
    size_t written;

    struct journal_make make;
    int64_t make_after_ns;
    struct journal_round round;
    struct journal_left left;
};

static inline uint8_t *journal_aligned(void *memory)
{
    return (uint8_t *)(((uintptr_t)memory + JOURNAL_BLOCK - 1) & ~(uintptr_t)(JOURNAL_BLOCK - 1));
}

static inline bool journal_fits(const struct journal_file *file, uint64_t offset, size_t size)
{
    return offset + size <= file->size;
}

/* ---- journal.c ------------------------------------------------------------------------------ */

void journal_report(struct journal *j, const char *what, uint64_t number, enum err err);
/* Closes a file that takes no more records, if nothing needs it. */
void journal_retire(struct journal *j, struct journal_file *file);
/* The current one is half full and none is free. */
bool journal_file_wanted(const struct journal *j);

/* ---- journal_make.c ------------------------------------------------------------------------- */

void journal_make_init(struct journal *j);
/* Has the next file made in time. */
void journal_make_next(struct journal *j);

/* ---- journal_clean.c ------------------------------------------------------------------------ */

void journal_round_init(struct journal *j);
/* What can be done of the round that is under way, or waits. */
void journal_round_step(struct journal *j);

#endif
