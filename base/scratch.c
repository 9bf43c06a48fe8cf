#include "base/scratch_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/heap.h"

#define CHUNKS_MAX     ((size_t)1 << 17) /* 128 GiB of addresses, of which nothing is used yet */
#define CHUNKS_MIN     ((size_t)1 << 10)
#define NAME           "scratch.new"
#define ZFS_MAGIC      0x2fc12fc1 /* these two are not in linux/magic.h */
#define BCACHEFS_MAGIC 0xca451a4e

/* ---- making --------------------------------------------------------------------------------- */

struct scratch *scratch_make(int fd)
{
    struct scratch *scratch = HEAP_NEW(struct scratch);

    scratch->fd = fd;
    scratch->users = 1;
    scratch->free = CHUNK_NONE;
    for (unsigned i = 0; i < SCRATCH_PIECE_SIZES; i++)
        scratch->room[i] = CHUNK_NONE;
    return scratch;
}

static int open_nameless(int directory)
{
    int fd = openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0)
        return fd;
    /* Not every file system can: a new file under a name (never one that another shard has just
     * made), and away with the name. */
    (void)unlinkat(directory, NAME, 0);
    fd = openat(directory, NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)unlinkat(directory, NAME, 0);
    return fd;
}

/* What is written anew goes to another place there, for which there may be no room. */
static bool copies_on_write(int fd)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) != 0)
        return true;
    switch ((uint32_t)fs.f_type) {
    case BTRFS_SUPER_MAGIC:
    case NILFS_SUPER_MAGIC:
    case ZFS_MAGIC:
    case BCACHEFS_MAGIC: return true;
    default: return false;
    }
}

/* NULL: it is not to be had. */
static void *map_whole(struct scratch *scratch, size_t chunks, int protection)
{
    void *base = mmap(NULL, chunks * CHUNK, protection, MAP_SHARED | MAP_NORESERVE, scratch->fd, 0);

    if (base == MAP_FAILED)
        return NULL;
    if (!guard_add(base, chunks * CHUNK, &scratch->failed)) {
        munmap(base, chunks * CHUNK);
        return NULL;
    }
    (void)madvise(base, chunks * CHUNK, MADV_RANDOM);
    return base;
}

static void unmap_whole(const struct scratch *scratch, const uint8_t *base)
{
    if (base == NULL)
        return;
    guard_remove(base);
    munmap((void *)base, scratch->chunks_max * CHUNK);
}

struct scratch *scratch_create(int directory)
{
    int fd = open_nameless(directory);
    size_t chunks = CHUNKS_MAX;
    struct scratch *scratch;

    if (fd < 0)
        return NULL;
    scratch = scratch_make(fd);
    /* One mapping for all that the file may become: addresses behind its end are not used. */
    for (; chunks >= CHUNKS_MIN; chunks /= 2) {
        scratch->base = map_whole(scratch, chunks, PROT_READ);
        if (scratch->base != NULL)
            break;
    }
    scratch->chunks_max = chunks;
    scratch->lends = !copies_on_write(fd);
    if (scratch->base != NULL)
        return scratch;
    scratch_destroy(scratch);
    return NULL;
}

struct scratch *scratch_hold(struct scratch *scratch)
{
    if (scratch != NULL)
        scratch->users++;
    return scratch;
}

guard_failed *scratch_failed(struct scratch *scratch)
{
    return &scratch->failed;
}

/* A file without content stands in the place of what is behind it, or one of zeros. */
static void hide_behind(struct scratch *scratch, const uint8_t *base, uint64_t from, bool zeros)
{
    int fd = memfd_create("broken", MFD_CLOEXEC);
    size_t size = scratch->chunks_max * CHUNK - from;

    if (base != NULL && (fd < 0 || (zeros && ftruncate(fd, (off_t)size) != 0) ||
                         mmap((void *)(base + from), size, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED))
        abort();
    close(fd);
}

void scratch_break(struct scratch *scratch, uint64_t from)
{
    assert(scratch->fd >= 0);
    assert(from % PAGE == 0);
    hide_behind(scratch, scratch->base, from, false);
    hide_behind(scratch, scratch->lent, from, false);
}

void scratch_blank(struct scratch *scratch)
{
    assert(scratch->fd >= 0);
    hide_behind(scratch, scratch->base, 0, true);
}

void scratch_destroy(struct scratch *scratch)
{
    if (scratch == NULL || --scratch->users > 0)
        return;
    if (scratch->fd < 0) {
        scratch_twin_drop(scratch);
    } else {
        unmap_whole(scratch, scratch->base);
        unmap_whole(scratch, scratch->lent);
        close(scratch->fd);
    }
    heap_give(scratch->chunks);
    heap_give(scratch);
}

uint64_t scratch_space(const struct scratch *scratch)
{
    return scratch->space;
}

/* ---- pieces --------------------------------------------------------------------------------- */

static bool write_whole(int fd, struct bytes content, uint64_t offset)
{
    while (content.size > 0) {
        ssize_t written = pwrite(fd, content.at, content.size, (off_t)offset);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        content = bytes_skip(content, (size_t)written);
        offset += (uint64_t)written;
    }
    return true;
}

const void *scratch_put(struct scratch *scratch, struct bytes content)
{
    unsigned size = scratch_size_of(content.size);
    uint32_t number, place;
    uint64_t offset;
    void *twin;

    if (scratch->fd < 0) {
        twin = scratch_twin_take(scratch, size, content.size);
        return twin != NULL ? memcpy(twin, content.at, content.size) : NULL;
    }
    if (!scratch_take_place(scratch, size, &number, &place))
        return NULL;
    offset = scratch_offset_of(size, number, place);
    if (!write_whole(scratch->fd, content, offset)) {
        scratch_give_place(scratch, number, place);
        return NULL;
    }
    return scratch->base + offset;
}

/* The mapping for writing is made when it is needed. False: it is not to be had. */
static bool can_lend(struct scratch *scratch)
{
    if (scratch->lends && scratch->lent == NULL) {
        scratch->lent = map_whole(scratch, scratch->chunks_max, PROT_READ | PROT_WRITE);
        scratch->lends = scratch->lent != NULL;
    }
    return scratch->lends;
}

void *scratch_lend(struct scratch *scratch, size_t bytes)
{
    unsigned size = scratch_size_of(bytes);
    uint32_t number, place;

    if (scratch->fd < 0)
        return scratch_twin_take(scratch, size, bytes);
    if (!can_lend(scratch) || !scratch_take_place(scratch, size, &number, &place))
        return NULL;
    if (!scratch->lends) { /* the chunk is new, and was not reserved */
        scratch_give_place(scratch, number, place);
        return NULL;
    }
    return scratch->lent + scratch_offset_of(size, number, place);
}

static size_t offset_in_file(const struct scratch *scratch, const uint8_t *piece)
{
    size_t whole = scratch->chunks_max * CHUNK;
    size_t lent = (size_t)((uintptr_t)piece - (uintptr_t)scratch->lent);

    if (scratch->lent != NULL && lent < whole)
        return lent;
    return (size_t)(piece - scratch->base);
}

void scratch_give(struct scratch *scratch, const void *piece, size_t bytes)
{
    unsigned size = scratch_size_of(bytes);
    size_t offset;

    if (scratch->fd < 0) {
        scratch_twin_give(scratch, piece, size);
        return;
    }
    offset = offset_in_file(scratch, piece);
    assert(offset / CHUNK < scratch->chunk_count);
    assert(scratch->chunks[offset / CHUNK].size == size);
    scratch_give_place(scratch, (uint32_t)(offset / CHUNK),
                       (uint32_t)(offset % CHUNK / scratch_sizes[size]));
}

/* ---- what is away --------------------------------------------------------------------------- */

static bool is_resident(const struct scratch *scratch, uint64_t slice)
{
    unsigned char pages[SCRATCH_SLICE / PAGE];

    if (mincore((void *)(scratch->base + slice * SCRATCH_SLICE), SCRATCH_SLICE, pages) != 0)
        return true; /* nobody can tell: as if nobody had asked */
    for (size_t i = 0; i < sizeof pages; i++)
        if ((pages[i] & 1) == 0)
            return false;
    return true;
}

static enum scratch_place slice_here(struct scratch *scratch, uint64_t slice, int64_t now_ns)
{
    uint32_t *stamp;

    assert(slice / SLICES < scratch->chunk_count);
    stamp = &scratch->chunks[slice / SLICES].seen[slice % SLICES];
    if (scratch_fresh(*stamp, now_ns))
        return scratch_place_of(*stamp);
    if (!is_resident(scratch, slice))
        return SCRATCH_AWAY;
    *stamp = scratch_stamp(now_ns, false);
    return SCRATCH_HERE;
}

enum scratch_place scratch_here(struct scratch *scratch, const void *piece, size_t at, size_t size,
                                int64_t now_ns, uint64_t *slice)
{
    enum scratch_place place;
    size_t offset;

    assert(size > 0);
    if (scratch->fd < 0) {
        *slice = scratch_twin_slice(scratch, piece);
        return scratch_twin_here(scratch, (uintptr_t)piece, now_ns);
    }
    offset = offset_in_file(scratch, piece) + at;
    *slice = offset / SCRATCH_SLICE;
    place = slice_here(scratch, *slice, now_ns);
    if (place != SCRATCH_HERE || (offset + size - 1) / SCRATCH_SLICE == *slice)
        return place;
    *slice += 1;
    return slice_here(scratch, *slice, now_ns);
}

/* What is read goes to the page cache; a hole of the file is brought, too. */
int scratch_bring(struct scratch *scratch, uint64_t slice)
{
    uint8_t memory[SCRATCH_SLICE];
    size_t count = 0;

    if (scratch->fd < 0)
        return scratch->broken != 0 && prng_chance(&scratch->prng, 1, scratch->broken) ? -EIO : 0;
    while (count < sizeof memory) {
        ssize_t got = pread(scratch->fd, memory + count, sizeof memory - count,
                            (off_t)(slice * SCRATCH_SLICE + count));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        count += (size_t)got;
    }
    return 0;
}

void scratch_brought(struct scratch *scratch, uint64_t slice, int result, int64_t now_ns)
{
    uint64_t chunk = slice / SLICES;

    if (scratch->fd < 0) {
        scratch_twin_brought(scratch, slice, scratch_stamp(now_ns, result != 0));
    } else if (chunk < scratch->chunk_count) {
        scratch->chunks[chunk].seen[slice % SLICES] = scratch_stamp(now_ns, result != 0);
    }
}
