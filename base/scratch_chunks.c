/* Which places of the file are taken: chunks of pieces of one size, and the space of each. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/scratch_priv.h"

/* Doubling, and what users have very many of: storage/index_cold.h, storage/index_names.h. */
const uint32_t scratch_sizes[SCRATCH_PIECE_SIZES] = {2048, 4096, 4608, 8192, 16384, 24576, 32768};

unsigned scratch_size_of(size_t bytes)
{
    unsigned size = 0;

    assert(bytes > 0 && bytes <= SCRATCH_PIECE_MAX);
    while (scratch_sizes[size] < bytes)
        size++;
    return size;
}

static uint32_t pieces_of(unsigned size)
{
    return (uint32_t)(CHUNK / scratch_sizes[size]);
}

/* False: the disk is full, or there are no addresses left. */
static bool reserve(struct scratch *scratch, uint32_t number)
{
    off_t offset = (off_t)number * (off_t)CHUNK;

    if (fallocate(scratch->fd, 0, offset, (off_t)CHUNK) == 0)
        return true;
    /* A file system that cannot reserve tells at the write that it is full. */
    if (errno != EOPNOTSUPP && errno != ENOSYS)
        return false;
    scratch->lends = false;
    return number < scratch->chunk_count || ftruncate(scratch->fd, offset + (off_t)CHUNK) == 0;
}

static void list_add(struct scratch *scratch, uint32_t number)
{
    struct chunk *chunk = &scratch->chunks[number];
    uint32_t *first = &scratch->room[chunk->size];

    chunk->before = CHUNK_NONE;
    chunk->next = *first;
    if (*first != CHUNK_NONE)
        scratch->chunks[*first].before = number;
    *first = number;
}

static void list_remove(struct scratch *scratch, uint32_t number)
{
    struct chunk *chunk = &scratch->chunks[number];

    if (chunk->before == CHUNK_NONE)
        scratch->room[chunk->size] = chunk->next;
    else
        scratch->chunks[chunk->before].next = chunk->next;
    if (chunk->next != CHUNK_NONE)
        scratch->chunks[chunk->next].before = chunk->before;
}

/* The number of a chunk that is free or new, with its space; false: there is none. */
static bool find_free(struct scratch *scratch, uint32_t *number)
{
    *number = scratch->free;
    if (*number != CHUNK_NONE) {
        if (!reserve(scratch, *number))
            return false;
        scratch->free = scratch->chunks[*number].next;
        return true;
    }
    *number = scratch->chunk_count;
    if (*number == scratch->chunks_max || !reserve(scratch, *number))
        return false;
    if (scratch->chunk_count == scratch->chunk_capacity) {
        scratch->chunk_capacity = scratch->chunk_capacity == 0 ? 8 : scratch->chunk_capacity * 2;
        scratch->chunks =
            heap_resize(scratch->chunks, scratch->chunk_capacity * sizeof scratch->chunks[0]);
    }
    scratch->chunk_count++;
    return true;
}

static bool chunk_open(struct scratch *scratch, unsigned size)
{
    uint32_t number;

    if (!find_free(scratch, &number))
        return false;
    scratch->chunks[number] = (struct chunk){.size = (uint8_t)size};
    list_add(scratch, number);
    scratch->space += CHUNK;
    return true;
}

static void chunk_close(struct scratch *scratch, uint32_t number)
{
    list_remove(scratch, number);
    scratch->chunks[number].next = scratch->free;
    scratch->free = number;
    scratch->space -= CHUNK;
    /* Where there are no holes the space stays, for the next chunk. */
    (void)fallocate(scratch->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    (off_t)number * (off_t)CHUNK, (off_t)CHUNK);
}

static uint32_t first_unused(const struct chunk *chunk)
{
    for (uint32_t i = 0; i < CHUNK_WORDS; i++) {
        if (chunk->used[i] != UINT64_MAX)
            return i * 64 + (uint32_t)__builtin_ctzll(~chunk->used[i]);
    }
    return CHUNK_NONE;
}

bool scratch_take_place(struct scratch *scratch, unsigned size, uint32_t *number, uint32_t *place)
{
    struct chunk *chunk;

    if (scratch->room[size] == CHUNK_NONE && !chunk_open(scratch, size))
        return false;
    *number = scratch->room[size];
    chunk = &scratch->chunks[*number];
    *place = first_unused(chunk);
    assert(*place < pieces_of(size));
    chunk->used[*place / 64] |= UINT64_C(1) << *place % 64;
    if (++chunk->count == pieces_of(size))
        list_remove(scratch, *number);
    return true;
}

/* One empty chunk of a size may stay, so that a piece that comes and goes costs no calls. */
void scratch_give_place(struct scratch *scratch, uint32_t number, uint32_t place)
{
    struct chunk *chunk = &scratch->chunks[number];

    assert((chunk->used[place / 64] >> place % 64 & 1) != 0);
    chunk->used[place / 64] &= ~(UINT64_C(1) << place % 64);
    if (chunk->count-- == pieces_of(chunk->size))
        list_add(scratch, number);
    if (chunk->count == 0 && (chunk->before != CHUNK_NONE || chunk->next != CHUNK_NONE))
        chunk_close(scratch, number);
}

uint64_t scratch_offset_of(unsigned size, uint32_t number, uint32_t place)
{
    return (uint64_t)number * CHUNK + (uint64_t)place * scratch_sizes[size];
}
