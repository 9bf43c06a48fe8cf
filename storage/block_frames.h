/*
 * block_frames: a part of a state block, compressed in frames that each stand alone, and a table
 * with a row for each (docs/formats.md, State block). Blocking calls, for workers and start-up.
 */
#ifndef STORAGE_BLOCK_FRAMES_H
#define STORAGE_BLOCK_FRAMES_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/io.h"
#include "base/spool.h"

#define BLOCK_FRAME     ((size_t)256 << 10) /* bytes of the part in a frame; the last has the rest */
#define BLOCK_FRAME_ROW 8u                  /* of a frame in the table */

/* How many a part of that size has. */
static inline uint32_t block_frames_of(uint64_t size)
{
    return (uint32_t)((size + BLOCK_FRAME - 1) / BLOCK_FRAME);
}

/* Writes the frames from `*offset` on, which moves behind them, and their rows to memory. */
enum err block_frames_write(struct io *io, struct io_file *file, uint64_t *offset,
                            struct bytes part, uint8_t *rows);

/* The frames of a part of `size` bytes: where they begin, and their rows, which have been verified
 * as bytes. */
struct block_frames {
    uint64_t size, offset;
    struct bytes rows;
};

/* Bytes that the frames take; false: the rows make no sense. */
bool block_frames_stored(const struct block_frames *frames, uint64_t *stored);
/* The whole part. ERR_CORRUPT: a frame is damaged. */
enum err block_frames_read(struct io *io, struct io_file *file, const struct block_frames *frames,
                           struct spool *out);
/* Bytes of it from `from` on, which it has; zeros stand for damaged frames. */
enum err block_frames_piece(struct io *io, struct io_file *file, const struct block_frames *frames,
                            uint64_t from, void *at, size_t size);
/* Are the stored bytes what the rows say? They are as many. */
bool block_frames_sound(const struct block_frames *frames, struct bytes stored);

#endif
