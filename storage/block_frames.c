#include "storage/block_frames.h"

#include "base/buf.h"
#include "base/heap.h"
#include "storage/compress.h"
#include "storage/hash.h"
#include "storage/le.h"

#define GATHER ((size_t)1 << 20) /* is written at once */

/* In a row. */
enum { ROW_SIZE = 0, ROW_SUM = 4 };

/* ---- writing -------------------------------------------------------------------------------- */

/* What does not become smaller stays as it is. */
static void add_frame(struct bytes raw, struct buf *out, uint8_t *row)
{
    size_t room = compress_bound(raw.size), size;
    uint8_t *at = buf_reserve(out, room);

    size = compress_piece(raw, COMPRESS_FAST, at, room);
    if (size >= raw.size) {
        memcpy(at, raw.at, raw.size);
        size = raw.size;
    }
    le_put_u32(row + ROW_SIZE, (uint32_t)size);
    le_put_u32(row + ROW_SUM, hash_32(bytes_of(at, size)));
    buf_commit(out, size);
}

static enum err write_out(struct io *io, struct io_file *file, uint64_t *offset, struct buf *out)
{
    enum err err = io_write_gently(io, file, *offset, buf_bytes(out));

    *offset += out->size;
    buf_clear(out);
    return err;
}

enum err block_frames_write(struct io *io, struct io_file *file, uint64_t *offset,
                            struct bytes part, uint8_t *rows)
{
    enum err err = OK;
    struct buf out;

    buf_init(&out, SIZE_MAX);
    for (uint8_t *row = rows; err == OK && part.size > 0; row += BLOCK_FRAME_ROW) {
        struct bytes raw = bytes_take(part, part.size < BLOCK_FRAME ? part.size : BLOCK_FRAME);

        add_frame(raw, &out, row);
        part = bytes_skip(part, raw.size);
        if (out.size >= GATHER)
            err = write_out(io, file, offset, &out);
    }
    if (err == OK && out.size > 0)
        err = write_out(io, file, offset, &out);
    buf_deinit(&out);
    return err;
}

/* ---- reading -------------------------------------------------------------------------------- */

static size_t raw_of(const struct block_frames *frames, uint32_t number)
{
    uint64_t rest = frames->size - (uint64_t)number * BLOCK_FRAME;

    return rest < BLOCK_FRAME ? (size_t)rest : BLOCK_FRAME;
}

static uint32_t stored_of(const struct block_frames *frames, uint32_t number)
{
    return le_u32(frames->rows.at + (size_t)number * BLOCK_FRAME_ROW + ROW_SIZE);
}

bool block_frames_stored(const struct block_frames *frames, uint64_t *stored)
{
    uint32_t count = block_frames_of(frames->size);

    assert(frames->rows.size == (size_t)count * BLOCK_FRAME_ROW);
    *stored = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = stored_of(frames, i);

        if (size == 0 || size > raw_of(frames, i))
            return false;
        *stored += size;
    }
    return true;
}

static bool frame_sound(const struct block_frames *frames, uint32_t number, struct bytes stored)
{
    return hash_32(stored) == le_u32(frames->rows.at + (size_t)number * BLOCK_FRAME_ROW + ROW_SUM);
}

static enum err expand(const struct block_frames *frames, uint32_t number, struct bytes stored,
                       uint8_t *out)
{
    size_t raw = raw_of(frames, number);

    if (!frame_sound(frames, number, stored))
        return ERR_CORRUPT;
    if (stored.size < raw)
        return expand_piece(stored, out, raw);
    memcpy(out, stored.at, raw);
    return OK;
}

/* One frame that begins at `offset`; `memory` has room for two. */
static enum err read_frame(struct io *io, struct io_file *file, const struct block_frames *frames,
                           uint32_t number, uint64_t offset, uint8_t *memory)
{
    uint32_t size = stored_of(frames, number);
    enum err err = io_read_all(io, file, offset, memory + BLOCK_FRAME, size);

    if (err == OK)
        err = expand(frames, number, bytes_of(memory + BLOCK_FRAME, size), memory);
    return err;
}

enum err block_frames_read(struct io *io, struct io_file *file, const struct block_frames *frames,
                           struct spool *out)
{
    uint8_t *memory = heap_resize(NULL, 2 * BLOCK_FRAME);
    uint32_t count = block_frames_of(frames->size);
    uint64_t offset = frames->offset;
    enum err err = OK;

    for (uint32_t i = 0; err == OK && i < count; i++) {
        err = read_frame(io, file, frames, i, offset, memory);
        if (err == OK)
            spool_add(out, bytes_of(memory, raw_of(frames, i)));
        offset += stored_of(frames, i);
    }
    heap_give(memory);
    return err;
}

enum err block_frames_piece(struct io *io, struct io_file *file, const struct block_frames *frames,
                            uint64_t from, void *at, size_t size)
{
    uint8_t *memory = heap_resize(NULL, 2 * BLOCK_FRAME), *to = at;
    uint64_t offset = frames->offset, begin = 0;
    enum err err = OK;

    assert(from <= frames->size && size <= frames->size - from);
    for (uint32_t i = 0; err == OK && size > 0; i++) {
        size_t raw = raw_of(frames, i);

        if (begin + raw > from) {
            size_t skip = (size_t)(from - begin), part = raw - skip < size ? raw - skip : size;

            err = read_frame(io, file, frames, i, offset, memory);
            if (err == ERR_CORRUPT) {
                memset(memory, 0, raw);
                err = OK;
            }
            memcpy(to, memory + skip, part);
            to += part;
            from += part;
            size -= part;
        }
        begin += raw;
        offset += stored_of(frames, i);
    }
    heap_give(memory);
    return err;
}

bool block_frames_sound(const struct block_frames *frames, struct bytes stored)
{
    uint32_t count = block_frames_of(frames->size);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = stored_of(frames, i);

        if (!frame_sound(frames, i, bytes_take(stored, size)))
            return false;
        stored = bytes_skip(stored, size);
    }
    return true;
}
