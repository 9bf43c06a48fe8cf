#include "base/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/map64.h"
#include "base/prng.h"

#define CHUNK          ((size_t)1 << 20)
#define CHUNKS_MAX     ((size_t)1 << 17) /* 128 GiB of addresses, of which nothing is used yet */
#define CHUNKS_MIN     ((size_t)1 << 10)
#define CHUNK_WORDS    (CHUNK / SCRATCH_PIECE_MIN / 64)
#define NONE           UINT32_MAX
#define NAME           "scratch.new"
#define SLICES         (CHUNK / SCRATCH_SLICE)
#define PAGE           ((size_t)4 << 10)
#define SECOND_NS      INT64_C(1000000000)
#define TWIN_BITS      48u        /* of addresses */
#define ZFS_MAGIC      0x2fc12fc1 /* these two are not in linux/magic.h */
#define BCACHEFS_MAGIC 0xca451a4e

/* A chunk without a size is free, and has no space on the disk. */
struct chunk {
    uint64_t used[CHUNK_WORDS]; /* one bit a piece */
    uint32_t count;             /* pieces in use */
    uint8_t size;               /* of its pieces: which one */
    uint32_t before, next; /* of those with room, while not full; next: of the free ones, too */
    uint32_t seen[SLICES]; /* when it was known to be here, in seconds, times two; odd: broken */
};

struct scratch {
    int fd; /* -1: the twin */
    const uint8_t *base;
    uint8_t *lent; /* the same for who writes to it; NULL: nothing was lent yet */
    bool lends;    /* what is reserved can be written to at any time */
    size_t chunks_max;
    struct chunk *chunks;
    uint32_t chunk_count, chunk_capacity;
    uint32_t room[SCRATCH_PIECE_SIZES]; /* chunks with room for such a piece, or NONE */
    uint32_t free;
    uint64_t space;
    unsigned users;
    guard_failed failed;

    struct prng prng; /* the twin's, as the rest */
    unsigned refuse, away, broken, fails;
    struct map64 seen; /* by address: the same in the lower half, above it a serial number, of
                        * hidden ones the size */
    uint32_t pieces;   /* of the twin so far, for the serial numbers */
    bool hides;
};

/* ---- making --------------------------------------------------------------------------------- */

static struct scratch *make(int fd)
{
    struct scratch *scratch = HEAP_NEW(struct scratch);

    scratch->fd = fd;
    scratch->users = 1;
    scratch->free = NONE;
    for (unsigned i = 0; i < SCRATCH_PIECE_SIZES; i++)
        scratch->room[i] = NONE;
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
    scratch = make(fd);
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

struct scratch *scratch_create_twin(uint64_t seed, unsigned refuse)
{
    struct scratch *scratch = make(-1);

    prng_seed(&scratch->prng, seed);
    scratch->refuse = refuse;
    map64_init(&scratch->seen, seed);
    return scratch;
}

void scratch_twin_fails(struct scratch *scratch, unsigned one_in)
{
    assert(scratch->fd < 0);
    scratch->fails = one_in;
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

void scratch_twin_forgets(struct scratch *scratch, unsigned away, unsigned broken)
{
    assert(scratch->fd < 0);
    scratch->away = away;
    scratch->broken = broken;
}

/* What was not given back of one that has failed, by who was interrupted in it. */
static void twin_drop(struct scratch *scratch)
{
    struct map64_slot *slot;

    for (size_t at = 0; scratch->failed && (slot = map64_next(&scratch->seen, &at)) != NULL;)
        heap_give((void *)(uintptr_t)slot->key);
    map64_deinit(&scratch->seen);
}

void scratch_destroy(struct scratch *scratch)
{
    if (scratch == NULL || --scratch->users > 0)
        return;
    if (scratch->fd < 0) {
        twin_drop(scratch);
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

/* ---- chunks --------------------------------------------------------------------------------- */

/* Doubling, and what users have very many of: storage/index_cold.h, storage/index_names.h. */
static const uint32_t sizes[SCRATCH_PIECE_SIZES] = {2048, 4096, 4608, 8192, 16384, 24576, 32768};

static unsigned size_of(size_t bytes)
{
    unsigned size = 0;

    assert(bytes > 0 && bytes <= SCRATCH_PIECE_MAX);
    while (sizes[size] < bytes)
        size++;
    return size;
}

static uint32_t pieces_of(unsigned size)
{
    return (uint32_t)(CHUNK / sizes[size]);
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

    chunk->before = NONE;
    chunk->next = *first;
    if (*first != NONE)
        scratch->chunks[*first].before = number;
    *first = number;
}

static void list_remove(struct scratch *scratch, uint32_t number)
{
    struct chunk *chunk = &scratch->chunks[number];

    if (chunk->before == NONE)
        scratch->room[chunk->size] = chunk->next;
    else
        scratch->chunks[chunk->before].next = chunk->next;
    if (chunk->next != NONE)
        scratch->chunks[chunk->next].before = chunk->before;
}

/* The number of a chunk that is free or new, with its space; false: there is none. */
static bool find_free(struct scratch *scratch, uint32_t *number)
{
    *number = scratch->free;
    if (*number != NONE) {
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
    return NONE;
}

/* A place for a piece, marked as used; false: there is no space. */
static bool take_place(struct scratch *scratch, unsigned size, uint32_t *number, uint32_t *place)
{
    struct chunk *chunk;

    if (scratch->room[size] == NONE && !chunk_open(scratch, size))
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
static void give_place(struct scratch *scratch, uint32_t number, uint32_t place)
{
    struct chunk *chunk = &scratch->chunks[number];

    assert((chunk->used[place / 64] >> place % 64 & 1) != 0);
    chunk->used[place / 64] &= ~(UINT64_C(1) << place % 64);
    if (chunk->count-- == pieces_of(chunk->size))
        list_add(scratch, number);
    if (chunk->count == 0 && (chunk->before != NONE || chunk->next != NONE))
        chunk_close(scratch, number);
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

static uint64_t offset_of(unsigned size, uint32_t number, uint32_t place)
{
    return (uint64_t)number * CHUNK + (uint64_t)place * sizes[size];
}

static size_t whole_pages(size_t size)
{
    return (size + PAGE - 1) / PAGE * PAGE;
}

static void twin_fail(struct scratch *scratch)
{
    if (scratch->fails != 0 && prng_chance(&scratch->prng, 1, scratch->fails))
        guard_fail(&scratch->failed);
}

/* NULL: the twin has no room for one more. */
static void *twin_take(struct scratch *scratch, unsigned size, size_t bytes)
{
    void *piece;

    twin_fail(scratch);
    if (scratch->refuse != 0 && prng_chance(&scratch->prng, 1, scratch->refuse))
        return NULL;
    scratch->space += sizes[size];
    if (!scratch->hides) {
        piece = heap_resize(NULL, bytes);
        map64_put(&scratch->seen, (uintptr_t)piece)->number = (uint64_t)++scratch->pieces << 32;
        return piece;
    }
    piece = aligned_alloc(PAGE, whole_pages(sizes[size]));
    assert(piece != NULL);
    map64_put(&scratch->seen, (uintptr_t)piece)->number = (uint64_t)sizes[size] << 32;
    return piece;
}

static void protect(uint64_t address, uint64_t value, int protection)
{
    int failed = mprotect((void *)(uintptr_t)address, whole_pages(value >> 32), protection);

    assert(failed == 0);
    (void)failed;
}

static void twin_give(struct scratch *scratch, const void *piece, unsigned size)
{
    const union map64_value *seen = map64_find(&scratch->seen, (uintptr_t)piece);

    if (scratch->hides)
        protect((uintptr_t)piece, seen->number, PROT_READ | PROT_WRITE);
    (void)map64_remove(&scratch->seen, (uintptr_t)piece, NULL);
    scratch->space -= sizes[size];
    heap_give((void *)piece);
}

void scratch_twin_hides(struct scratch *scratch)
{
    assert(scratch->fd < 0);
    assert(scratch->space == 0);
    scratch->hides = true;
}

void scratch_twin_hide(struct scratch *scratch, bool hidden)
{
    struct map64_slot *slot;

    assert(scratch->hides);
    for (size_t at = 0; (slot = map64_next(&scratch->seen, &at)) != NULL;) {
        slot->value.number &= ~(uint64_t)UINT32_MAX;
        protect(slot->key, slot->value.number, hidden ? PROT_NONE : PROT_READ | PROT_WRITE);
    }
}

const void *scratch_put(struct scratch *scratch, struct bytes content)
{
    unsigned size = size_of(content.size);
    uint32_t number, place;
    uint64_t offset;
    void *twin;

    if (scratch->fd < 0) {
        twin = twin_take(scratch, size, content.size);
        return twin != NULL ? memcpy(twin, content.at, content.size) : NULL;
    }
    if (!take_place(scratch, size, &number, &place))
        return NULL;
    offset = offset_of(size, number, place);
    if (!write_whole(scratch->fd, content, offset)) {
        give_place(scratch, number, place);
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
    unsigned size = size_of(bytes);
    uint32_t number, place;

    if (scratch->fd < 0)
        return twin_take(scratch, size, bytes);
    if (!can_lend(scratch) || !take_place(scratch, size, &number, &place))
        return NULL;
    if (!scratch->lends) { /* the chunk is new, and was not reserved */
        give_place(scratch, number, place);
        return NULL;
    }
    return scratch->lent + offset_of(size, number, place);
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
    unsigned size = size_of(bytes);
    size_t offset;

    if (scratch->fd < 0) {
        twin_give(scratch, piece, size);
        return;
    }
    offset = offset_in_file(scratch, piece);
    assert(offset / CHUNK < scratch->chunk_count);
    assert(scratch->chunks[offset / CHUNK].size == size);
    give_place(scratch, (uint32_t)(offset / CHUNK), (uint32_t)(offset % CHUNK / sizes[size]));
}

/* ---- what is away --------------------------------------------------------------------------- */

static uint32_t stamp_of(int64_t now_ns, bool broken)
{
    return (uint32_t)(now_ns / SECOND_NS) << 1 | broken;
}

/* Was it said in this second or the one before? */
static bool is_fresh(uint32_t stamp, int64_t now_ns)
{
    uint32_t now = stamp_of(now_ns, false) >> 1;

    return stamp != 0 && now - (stamp >> 1) <= 1;
}

static enum scratch_place place_of(uint32_t stamp)
{
    return (stamp & 1) != 0 ? SCRATCH_BROKEN : SCRATCH_HERE;
}

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

static uint32_t twin_stamp(const struct scratch *scratch, uint64_t address)
{
    const union map64_value *found = map64_find(&scratch->seen, address);

    return found != NULL ? (uint32_t)found->number : 0;
}

static void twin_keep(struct scratch *scratch, uint64_t address, uint32_t stamp)
{
    union map64_value *seen = map64_put(&scratch->seen, address);

    seen->number = (seen->number & ~(uint64_t)UINT32_MAX) | stamp;
    if (scratch->hides && stamp != 0 && (stamp & 1) == 0)
        protect(address, seen->number, PROT_READ | PROT_WRITE);
}

/* What the twin calls a piece, other than an earlier one whose memory it has got: which one gets
 * which memory is the allocator's to say, and must not decide what a simulation does. */
static uint64_t twin_slice(const struct scratch *scratch, const void *piece)
{
    const union map64_value *found = map64_find(&scratch->seen, (uintptr_t)piece);

    return (uintptr_t)piece | (found != NULL ? found->number >> 32 << TWIN_BITS : 0);
}

static void twin_brought(struct scratch *scratch, uint64_t slice, uint32_t stamp)
{
    uint64_t address = slice & ((UINT64_C(1) << TWIN_BITS) - 1);

    if (map64_find(&scratch->seen, address) != NULL &&
        twin_slice(scratch, (const void *)(uintptr_t)address) == slice)
        twin_keep(scratch, address, stamp); /* else it was given back meanwhile */
}

static enum scratch_place twin_here(struct scratch *scratch, uint64_t address, int64_t now_ns)
{
    uint32_t stamp = twin_stamp(scratch, address);

    twin_fail(scratch);
    if (scratch->away == 0 && !scratch->hides)
        return SCRATCH_HERE;
    if (is_fresh(stamp, now_ns))
        return place_of(stamp);
    if (scratch->hides)
        return SCRATCH_AWAY;
    if (prng_chance(&scratch->prng, 1, scratch->away)) {
        twin_keep(scratch, address, 0);
        return SCRATCH_AWAY;
    }
    twin_keep(scratch, address, stamp_of(now_ns, false));
    return SCRATCH_HERE;
}

static enum scratch_place slice_here(struct scratch *scratch, uint64_t slice, int64_t now_ns)
{
    uint32_t *stamp;

    assert(slice / SLICES < scratch->chunk_count);
    stamp = &scratch->chunks[slice / SLICES].seen[slice % SLICES];
    if (is_fresh(*stamp, now_ns))
        return place_of(*stamp);
    if (!is_resident(scratch, slice))
        return SCRATCH_AWAY;
    *stamp = stamp_of(now_ns, false);
    return SCRATCH_HERE;
}

enum scratch_place scratch_here(struct scratch *scratch, const void *piece, size_t at, size_t size,
                                int64_t now_ns, uint64_t *slice)
{
    enum scratch_place place;
    size_t offset;

    assert(size > 0);
    if (scratch->fd < 0) {
        *slice = twin_slice(scratch, piece);
        return twin_here(scratch, (uintptr_t)piece, now_ns);
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
        twin_brought(scratch, slice, stamp_of(now_ns, result != 0));
    } else if (chunk < scratch->chunk_count) {
        scratch->chunks[chunk].seen[slice % SLICES] = stamp_of(now_ns, result != 0);
    }
}
