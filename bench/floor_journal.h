/*
 * floor_journal: the cheapest durable append that this project knows.
 *
 * A file of fixed size, filled with zeros and synced beforehand and then written round and round:
 * so a write changes no metadata. Opened O_DIRECT and written with RWF_DSYNC, one write makes bytes
 * durable with no second call. Where the file system refuses O_DIRECT the same calls go through
 * the page cache, and the floor says so on stderr.
 */
#ifndef BENCH_FLOOR_JOURNAL_H
#define BENCH_FLOOR_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "bench/wire.h"

#define JOURNAL_BLOCK  4096u
#define JOURNAL_SIZE   (64u * 1024u * 1024u)
#define JOURNAL_GATHER (4u * 1024u * 1024u) /* most bytes of one write */

struct journal {
    int fd;
    uint64_t offset; /* of the next write, a multiple of the block */
    char *gathered;  /* aligned to the block */
    size_t size;
};

/* Creates the file in `dir`. Every failure, here and below, ends the program. */
void journal_init(struct journal *, const char *dir);

/* Adds bytes to the coming write; writes first when they would not fit. */
void journal_add(struct journal *, struct span bytes);

/* On return everything added is durable. Nothing added: nothing is done. */
void journal_write(struct journal *);

#endif
