/*
 * block: a state block as a file (docs/formats.md, State block). It is written once, whole, and
 * never changed. Blocking calls, for workers and start-up.
 */
#ifndef STORAGE_BLOCK_H
#define STORAGE_BLOCK_H

#include "base/guard.h"
#include "base/io.h"
#include "storage/content.h"

#define BLOCK_HEADER    4096u
#define BLOCK_FILE_SIZE 32u          /* of one in the list */
#define BLOCK_FILES_MAX (1u << 20)   /* a reader accepts */
#define BLOCK_BODY_MAX  (4ull << 30) /* also; of the local part, too */
#define BLOCK_NAMED     1u           /* feature: the local part says numbers of subjects, too */
#define BLOCK_PACKED    2u           /* feature: body and local part are compressed */
#define BLOCK_PACK_MIN  1024u        /* bytes of both: fewer are not */

/* A segment that had batches at or below the block's index; or one behind it of which nothing
 * counts. */
struct block_file {
    uint64_t id;
    uint64_t first,
        last; /* last: UINT64_MAX: it goes on above the block's index; 0: nothing counts */
    /* Of what counts, or 0: something that was cut may stand behind it. Of one that goes on: what
     * is above begins there, or 0: not known. */
    uint64_t end;
};

struct block {
    uint64_t log_id;
    uint8_t incarnation[16];
    uint64_t index;
    uint64_t term;
    struct log_hash hash; /* of the content at index */
    struct block_file *files;
    uint32_t file_count;
    struct bytes body;         /* equal on all replicas */
    struct bytes local;        /* this replica's own: where in its files things are */
    uint32_t features;         /* of the file; whoever writes one says BLOCK_NAMED or not */
    struct log_hash body_hash; /* reading only */
    struct spool *parts[2];    /* where those two are; reading only */
    guard_failed *failed[2];   /* not 0: what they are in has (base/guard.h); NULL: it cannot */
    uint64_t stored;           /* bytes that those two take in the file, written or read */
};

/* Body or local part are not what they were: the disk failed while they were read. */
bool block_failed(const struct block *block);

/* Makes it durable under its name, in the place of one that has it; `keep`: the index of the one
 * other block that stays. On failure what was there before is there, or it. */
enum err block_write(struct io *io, const char *dir, struct block *block, uint64_t keep);
/* Reads and verifies one of `dir`; block_free. ERR_NOT_FOUND, ERR_CORRUPT, ERR_VERSION: nothing is
 * the caller's. */
enum err block_read(struct io *io, const char *dir, uint64_t log_id, uint64_t index,
                    struct block *block);
void block_free(struct block *block);
void block_let_go(struct block *block); /* of body and local part; the list stays */
/* The same of a file that is in memory, all of it, without body and local part. The list alone is
 * the caller's: heap_give(block->files). */
enum err block_parse(struct bytes file, struct block *block);
/* Up to `size` bytes of a body from `offset` on, and what the header says of it (files, body and
 * local part are left out); *count: how many. The piece is not verified, the header is; zeros stand
 * for what is damaged. */
enum err block_read_piece(struct io *io, const char *dir, struct block *block, uint64_t offset,
                          void *at, size_t size, size_t *count, uint64_t *body_size);
/* The indexes of the blocks of a log by their names, falling; at most `max` of the highest. */
enum err block_list(struct io *io, const char *dir, uint64_t log_id, uint64_t *at, unsigned max,
                    unsigned *count);
/* The one of that id in the list, or NULL. */
const struct block_file *block_find_file(const struct block *block, uint64_t id);

#endif
