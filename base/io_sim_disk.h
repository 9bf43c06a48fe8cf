/*
 * io_sim_disk: a simulated disk with a page cache, without time: what is written, what is synced,
 * and what a power cut leaves. Private to base/io_sim*.c.
 *
 * A file is two contents, the cache (what reads see) and the platter (what survives), and the list
 * of changes that are in the first and not yet in the second: sectors of 512 bytes and sizes, in
 * the order they were made. A sync moves changes to the platter. A power cut moves any of the
 * sectors, and of the sizes any first few (they are journalled, in order), cut to the size that
 * survives; the cache is then the platter. So sectors of one write survive independently: torn
 * writes.
 *
 * Names are kept the same way: each directory has its entries as seen and as on the platter, and
 * the disk a list of moves (create, rename, unlink: atomic each) not yet on the platter. A power
 * cut keeps any of them, as long as the moves of one entry stay in order; a sync of a directory
 * keeps its own.
 */
#ifndef BASE_IO_SIM_DISK_H
#define BASE_IO_SIM_DISK_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/prng.h"

#define SIM_SECTOR   512u
#define SIM_NAME_MAX 255u

struct sim_change {
    uint64_t number; /* rises within the file */
    bool is_size;    /* else a sector */
    uint64_t at;     /* the new size, or the sector's index */
    uint8_t data[SIM_SECTOR];
};

struct sim_content {
    uint8_t *at; /* zero beyond size */
    uint64_t size;
    uint64_t capacity;
};

struct sim_entry {
    char *name;
    struct sim_inode *inode; /* counted */
};

struct sim_entries {
    struct sim_entry *at; /* in byte order */
    size_t count;
    size_t capacity;
};

struct sim_inode {
    struct sim_disk *disk;
    uint32_t references; /* entries of both kinds, moves, open files */
    uint32_t links;      /* of them, entries */
    bool directory;
    bool write_broken; /* sticky errors */
    bool sync_broken;
    bool read_broken;

    struct sim_content cache;
    struct sim_content platter;
    struct sim_change *changes;
    size_t changes_count;
    size_t changes_capacity;
    uint64_t number_next;
    uint64_t *unreadable; /* sectors */
    size_t unreadable_count;

    struct sim_entries seen;
    struct sim_entries kept;

    struct sim_inode *previous;
    struct sim_inode *next;
};

/* One or two entries that change at once; inode NULL: the name goes. */
struct sim_move {
    struct sim_move_entry {
        struct sim_inode *directory;
        char *name;
        struct sim_inode *inode;
    } entries[2];
    size_t count;
    bool chosen;
};

struct sim_disk {
    struct sim_inode *root;
    struct sim_inode *inodes; /* all */
    struct sim_move *moves;
    size_t moves_count;
    size_t moves_capacity;
    uint64_t used; /* bytes, in whole sectors */
    uint64_t total;
};

void sim_disk_init(struct sim_disk *disk, uint64_t total);
void sim_disk_deinit(struct sim_disk *disk); /* no file is open */
/* What survives; the choice is drawn anew for each file. Sticky errors stay. */
void sim_disk_power_cut(struct sim_disk *disk, struct prng *prng);

/* ---- content (io_sim_content.c) ------------------------------------------------------------- */

void sim_inode_release_content(struct sim_inode *inode);

/* As much as there is: short at the end. */
size_t sim_content_read(const struct sim_inode *inode, uint64_t offset, void *at, size_t size);
/* The next sector, or part of one, that is not zeros or cannot be read; the end: there is none. */
uint64_t sim_content_find(const struct sim_inode *inode, uint64_t offset);
/* Sectors that a failed sync lost: forgotten by the cache in the range, read from the platter
 * again. */
void sim_content_evict(struct sim_inode *inode, uint64_t offset, uint64_t size);
bool sim_content_readable(const struct sim_inode *inode, uint64_t offset, uint64_t size);

/* ERR_NO_SPACE: nothing has changed. */
enum err sim_content_write(struct sim_inode *inode, uint64_t offset, struct bytes b);
/* The same, durable at once. */
enum err sim_content_write_through(struct sim_inode *inode, uint64_t offset, struct bytes b);
/* A crash strikes during the write: any of its sectors are written. */
void sim_content_write_torn(struct sim_inode *inode, uint64_t offset, struct bytes b, bool through,
                            struct prng *prng);
enum err sim_content_resize(struct sim_inode *inode, uint64_t size);

/* All changes numbered below are those made until now. */
uint64_t sim_content_mark(const struct sim_inode *inode);
void sim_content_sync(struct sim_inode *inode, uint64_t mark);
/* A sync fails: of the changes below the mark any may have reached the platter, the rest is clean
 * in the cache and will never be written. Sizes are the file system's own journal's: they wait for
 * the next sync, with what was written behind the size on the platter. */
void sim_content_sync_failed(struct sim_inode *inode, uint64_t mark, struct prng *prng);
void sim_content_power_cut(struct sim_inode *inode, struct prng *prng);
/* Flips one bit of what is at rest (and of the cache, if it holds the sector). */
bool sim_content_flip(struct sim_inode *inode, uint64_t offset, unsigned bit);
bool sim_content_make_unreadable(struct sim_inode *inode, uint64_t offset);

/* ---- names (io_sim_tree.c) ------------------------------------------------------------------ */

void sim_inode_take(struct sim_inode *inode);
void sim_inode_give(struct sim_inode *inode); /* the last one frees it */

/* NULL: no such path. The inode is the tree's. */
struct sim_inode *sim_tree_find(struct sim_disk *disk, const char *path);
struct sim_inode *sim_tree_find_kept(struct sim_disk *disk, const char *path); /* on the platter */
/* ERR_NOT_FOUND no such directory, ERR_EXISTS, ERR_INVALID a name too long. */
enum err sim_tree_create(struct sim_disk *disk, const char *path, bool directory);
enum err sim_tree_rename(struct sim_disk *disk, const char *from, const char *to);
enum err sim_tree_unlink(struct sim_disk *disk, const char *path, bool directory);
void sim_tree_sync(struct sim_inode *directory);
void sim_tree_power_cut(struct sim_disk *disk, struct prng *prng);

/* How a power cut treats one file or the names: the chance, of 8, that a change survives. */
static inline uint32_t sim_survival(struct prng *prng)
{
    static const uint32_t chances[] = {0, 1, 4, 7, 8};

    return chances[prng_below(prng, sizeof(chances) / sizeof(chances[0]))];
}

#endif
