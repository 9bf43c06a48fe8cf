/*
 * recovery_priv: a walk over the files of a log, for recovery.c (the walk), recovery_files.c (which
 * files there are, and where each ends) and recovery_block.c (the state block it begins with).
 */
#ifndef STORAGE_RECOVERY_PRIV_H
#define STORAGE_RECOVERY_PRIV_H

#include "storage/block.h"
#include "storage/scan.h"
#include "storage/store.h"

/* A file while it is recovered. */
struct part {
    uint64_t id;
    struct io_file *file; /* NULL once a log_file has taken it */
    struct pack *pack;    /* likewise; NULL: as it was written */
    bool packed;          /* by its name */
    bool twice;           /* both are there: the packed one is whole, the other need not be */
    uint64_t size;
    struct segment_header header;
    bool header_sound; /* as read */
    bool header_known; /* sound, or told by the first batch */
    bool empty;        /* never used */
    uint64_t first;    /* what counts of it; 0: nothing */
    uint64_t last;
    uint64_t end; /* behind the batch at which later files say that it ends; 0: not known */
    bool cut;     /* something stands behind its end, or may, and a block says so */
};

/* Where a file ends: what the files after it say, or the block's list. */
struct limit {
    bool known;
    bool hash_known;
    uint64_t index;
    struct log_hash hash;
};

/* A batch of which no mark says so far that it was durable. */
struct unproven {
    uint64_t index;
    uint64_t position;
};

struct walk {
    struct log *log;
    const struct log_recovery *recovery;
    struct part *parts;
    unsigned part_count;
    struct block block; /* index 0: none */

    struct scan scan; /* of the file that is walked */

    /* What comes next. */
    uint64_t index;
    struct log_hash previous;
    uint64_t term;
    bool unread; /* what stands before it was not read: `previous` and `term` are not known */

    /* The last batch that was handed out, and those before it in its file of which no mark says
     * that they were durable. */
    unsigned last_part;
    uint64_t last_position;
    uint32_t last_size;
    struct unproven *unproven; /* by rising index, it is the last of them */
    size_t unproven_first, unproven_count, unproven_capacity;

    uint64_t *spoilt; /* packed files that cannot be read, by their ids */
    unsigned spoilt_count;

    bool damaged;    /* the last file's last batches; it takes no more */
    bool ends_clean; /* the last file can be continued at `position` */
    uint64_t position;
};

/* recovery_files.c */

/* Finds and opens them, by rising ids. */
enum err parts_open(struct walk *walk);
/* Where the files after `part` say that it ends, and the block, if some of those files are gone. */
struct limit parts_limit(const struct walk *walk, unsigned part);
/* Below the block's index only what its list names counts. */
bool part_is_void(const struct walk *walk, const struct part *part);
/* Was the last one cut short? */
bool parts_end_short(const struct walk *walk);
/* What is left of files whose making was cut short. */
void parts_drop_empty(struct walk *walk);
/* The originals of packed files. */
void parts_drop_twice(const struct walk *walk);
/* The packed files that cannot be read. */
void parts_set_aside(const struct walk *walk);

/* recovery_block.c */

/* The newest block that is good, and good for the owner, becomes the walk's. */
enum err walk_find_block(struct walk *walk);

#endif
