/*
 * recovery_priv: a walk over the files of a log, for recovery.c (the walk), recovery_files.c (which
 * files there are, and where each ends), recovery_block.c (the state block it begins with),
 * recovery_end.c (what is done at its end), and recovery_steps.c, which has all of it in order. It
 * is made in steps, of which log_opening.c makes an opening.
 */
#ifndef STORAGE_RECOVERY_PRIV_H
#define STORAGE_RECOVERY_PRIV_H

#include "storage/block.h"
#include "storage/scan.h"
#include "storage/store.h"

#define WALK_BLOCKS_MAX 8u /* that are looked at */

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

enum walk_phase {
    WALK_LIST,   /* which files there are */
    WALK_FILES,  /* what each says of itself */
    WALK_BLOCKS, /* records that were moved together, and which blocks there are */
    WALK_BLOCK,  /* a block is read */
    WALK_STATE,  /* the owner takes it */
    WALK_PARTS,  /* what stands in the files, which become the log's */
    WALK_SETTLE, /* what was read is made to stay */
    WALK_DONE
};

struct walk {
    struct log *log;
    const struct log_recovery *recovery;
    enum walk_phase phase;
    uint64_t work; /* what is left of this step */
    struct part *parts;
    unsigned part_count;
    unsigned part_next; /* of the phase */
    unsigned parts_kept;
    struct block block; /* index 0: none */
    struct log_block view;
    struct log_block_files files;
    uint64_t blocks[WALK_BLOCKS_MAX];
    unsigned block_count, block_next;
    bool settles_later; /* with other logs (settle.c) */
    bool prepared;      /* log_prepared */

    struct scan scan; /* of the file that is walked */

    bool inside; /* of the part that is next: what follows is known of it */
    struct limit limit;

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

/* Finds them, by rising ids; opens as many as there is work for, ERR_AGAIN: there are more. */
enum err parts_find(struct walk *walk);
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

/* The newest block that is good, and good for the owner, becomes the walk's: first which there are
 * is found, then they are read (on any thread) and taken one after the other. */
enum err walk_list_blocks(struct walk *walk);
enum err walk_read_block(struct walk *walk);
/* ERR_AGAIN: there is more of it to take. ERR_CORRUPT: it is not to be used. */
enum err walk_take_block(struct walk *walk);
/* It is of no use. ERR_CORRUPT: nor is another, and none is no beginning. */
enum err walk_pass_block(struct walk *walk);

/* recovery.c */

/* Walks the files to their ends, with as many batches as there is work for; ERR_AGAIN: there is
 * more, perhaps when the scan has read. */
enum err walk_parts(struct walk *walk);

/* recovery_end.c */

/* They become the log's. */
void walk_take_files(struct walk *walk);
/* What was read is on the disk, and named there, afterwards; or will be (settles_later). */
enum err walk_settle(struct walk *walk);

/* recovery_steps.c */

void walk_begin(struct walk *walk, struct log *log, const struct log_recovery *recovery);
/* Does what is next, as much of it as there is `work` for, and gives to the owner what it finds.
 * OK: something else is next. ERR_AGAIN: there is more of it, at once or when the scan has read.
 * Else the log is to be destroyed. */
enum err walk_next(struct walk *walk);
/* What is next only waits for the disk, and tells nobody: walk_wait may do it on any thread, and
 * walk_waited then, on the loop's, takes what came of it. walk_next does both. */
bool walk_waits(const struct walk *walk);
enum err walk_wait(struct walk *walk);
enum err walk_waited(struct walk *walk, enum err err);
/* `died`: as if the process had. */
void walk_end(struct walk *walk, bool died);

/* What this thing costs is taken from the step's work. */
static inline void walk_spend(struct walk *walk, uint64_t work)
{
    walk->work -= work < walk->work ? work : walk->work;
}

#endif
