/*
 * memory: the files of a log that is held in memory. Such a log (log_make_memory) is a log like any
 * other: the same calls, batches, places, cuts, files and floor. Only that its batches stay where
 * they were sealed, and that they are "durable" in the next turn: nothing of it outlives the
 * process.
 *
 * A file of it is a list of contents with their offsets, as they would stand on a disk, envelope
 * included; so what reads a log's bytes does not know the difference. Files are small, because
 * memory is given back by the file (log_file_drop).
 */
#ifndef STORAGE_MEMORY_H
#define STORAGE_MEMORY_H

#include "storage/content_priv.h"

#define MEMORY_FILE_SIZE (1u << 20) /* a larger batch has a file to itself */

struct memory_piece {
    uint64_t offset;
    uint32_t size; /* of the whole batch */
    struct log_content *content;
};

struct memory_file {
    struct memory_piece *at; /* offsets rise */
    uint32_t count;
    uint32_t capacity;
};

struct memory_file *memory_create(void);
void memory_destroy(struct memory_file *file); /* NULL: nothing */
/* Holds the content, which has been placed (batch_place) and is `size` bytes whole, at `offset`
 * behind all before. */
void memory_add(struct memory_file *file, uint64_t offset, uint32_t size,
                struct log_content *content);
/* How many of `size` bytes at `offset` were copied: short where a batch was never added. */
size_t memory_read(const struct memory_file *file, uint64_t offset, void *at, size_t size);

#endif
