/*
 * stream_moved: where messages stood that were moved to another file (stream_move.c), for as long
 * as the file that they stood in is there: who erases one erases it there, too. Rows are in scratch
 * memory, a thousand in a piece, in order of their sequences. Nothing of it outlives the process.
 */
#include "base/heap.h"
#include "base/scratch.h"
#include "server/stream/stream_priv.h"

#define PIECE_ROWS  1024u
#define PIECE_FILES 8u

struct row {
    uint64_t sequence;
    log_place from;
    uint32_t size;
};

static_assert(PIECE_ROWS * sizeof(struct row) <= SCRATCH_PIECE_MAX);

struct stream_moved_piece {
    const struct row *rows;
    uint32_t count;
    bool on_heap;                /* scratch memory had no room */
    uint32_t files[PIECE_FILES]; /* ordinals that rows name */
    uint32_t file_count;
};

struct stream_moved_open {
    struct stream_moved_piece piece;
    struct row rows[PIECE_ROWS];
};

static void give_piece(struct stream *stream, struct stream_moved_piece *piece)
{
    if (piece->on_heap)
        heap_give((void *)piece->rows);
    else
        scratch_give(stream->state.scratch, piece->rows, piece->count * sizeof piece->rows[0]);
}

/* ---- noting --------------------------------------------------------------------------------- */

static bool names(struct stream_moved_piece *piece, uint32_t ordinal)
{
    for (uint32_t i = 0; i < piece->file_count; i++) {
        if (piece->files[i] == ordinal)
            return true;
    }
    if (piece->file_count == PIECE_FILES)
        return false;
    piece->files[piece->file_count++] = ordinal;
    return true;
}

void stream_moved_noted(struct stream *stream)
{
    struct stream_moved *moved = &stream->blocks.moved;
    struct scratch *scratch = stream->state.scratch;
    struct stream_moved_piece *piece;
    struct bytes rows;

    if (moved->open == NULL)
        return;
    if (moved->count == moved->capacity) {
        moved->capacity = moved->capacity == 0 ? 8 : 2 * moved->capacity;
        moved->at = heap_resize(moved->at, moved->capacity * sizeof moved->at[0]);
    }
    piece = &moved->at[moved->count++];
    *piece = moved->open->piece;
    rows = bytes_of(moved->open->rows, piece->count * sizeof(struct row));
    piece->rows = scratch != NULL ? scratch_put(scratch, rows) : NULL;
    if (piece->rows == NULL) {
        piece->rows = (const void *)heap_copy(rows).at;
        piece->on_heap = true;
    }
    heap_give(moved->open);
    moved->open = NULL;
}

void stream_moved_note(struct stream *stream, uint64_t sequence, log_place from, uint32_t size)
{
    struct stream_moved *moved = &stream->blocks.moved;

    if (moved->open != NULL && (moved->open->piece.count == PIECE_ROWS ||
                                !names(&moved->open->piece, (uint32_t)(from >> 32))))
        stream_moved_noted(stream);
    if (moved->open == NULL) {
        moved->open = HEAP_NEW(struct stream_moved_open);
        (void)names(&moved->open->piece, (uint32_t)(from >> 32));
    }
    moved->open->rows[moved->open->piece.count++] =
        (struct row){.sequence = sequence, .from = from, .size = size};
}

/* ---- asking --------------------------------------------------------------------------------- */

static const struct row *find(const struct stream_moved_piece *piece, uint64_t sequence)
{
    uint32_t low = 0, high = piece->count;

    if (piece->rows[0].sequence > sequence || piece->rows[high - 1].sequence < sequence)
        return NULL;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (piece->rows[middle].sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low < piece->count && piece->rows[low].sequence == sequence ? &piece->rows[low] : NULL;
}

void stream_moved_erase(struct stream *stream, uint64_t sequence)
{
    const struct stream_moved *moved = &stream->blocks.moved;

    assert(moved->open == NULL);
    for (size_t i = 0; i < moved->count; i++) {
        const struct row *row = find(&moved->at[i], sequence);

        if (row != NULL)
            stream_erase_also(stream, row->from, row->size);
    }
}

/* ---- forgetting ----------------------------------------------------------------------------- */

static bool needed(struct stream *stream, const struct stream_moved_piece *piece)
{
    const struct log *log = replica_log(stream->replica);

    for (uint32_t i = 0; i < piece->file_count; i++) {
        if (stream_block_file_there(log, piece->files[i]))
            return true;
    }
    return false;
}

void stream_moved_dropped(struct stream *stream)
{
    struct stream_moved *moved = &stream->blocks.moved;
    size_t kept = 0;

    for (size_t i = 0; i < moved->count; i++) {
        if (needed(stream, &moved->at[i]))
            moved->at[kept++] = moved->at[i];
        else
            give_piece(stream, &moved->at[i]);
    }
    moved->count = kept;
}

void stream_moved_close(struct stream *stream)
{
    struct stream_moved *moved = &stream->blocks.moved;

    for (size_t i = 0; i < moved->count; i++)
        give_piece(stream, &moved->at[i]);
    heap_give(moved->open);
    heap_give(moved->at);
    *moved = (struct stream_moved){0};
}
