/*
 * segment: one file of a log, seen without the file. Its header, and the judgement on a place where
 * no valid batch stands (docs/formats.md, Segment).
 *
 * What decides between torn and damaged is only what can be known after a crash: a batch says what
 * was durable when it was placed, so that much was once, and nothing is said of what was in the air
 * then; and space is zero until it is written, so a write that was cut short shows zeros.
 */
#ifndef STORAGE_SEGMENT_H
#define STORAGE_SEGMENT_H

#include "storage/log.h"

#define SEGMENT_HEADER      4096u
#define SEGMENT_SPACE_LEAST (64u << 10) /* first allocation; doubles */

struct segment_header {
    uint64_t log_id;
    uint8_t incarnation[16];
    uint64_t file_id;
    uint64_t predecessor;      /* file id, 0 for the first */
    uint64_t last_index;       /* of the predecessors: the cut */
    struct log_hash last_hash; /* of that batch */
    uint64_t base; /* its batches follow this one; above last_index: a range is not here */
    struct log_hash base_hash;
};

void segment_header_write(uint8_t at[SEGMENT_HEADER], const struct segment_header *header);
/*
 * ERR_NOT_FOUND   zeros: its making was cut short, no batch was ever written behind it.
 * ERR_CORRUPT     damaged.          ERR_VERSION   sound, and of a newer format.
 */
enum err segment_header_read(const uint8_t at[SEGMENT_HEADER], struct segment_header *header);

/* How much to allocate so that `need` bytes fit, when `allocated` are there. */
uint64_t segment_space(uint64_t allocated, uint64_t need, uint64_t segment_size);

/* What is expected where a walk stands. */
struct segment_place {
    uint64_t file_id;
    uint64_t position;
    const uint8_t *incarnation;
    uint64_t index; /* of the batch that should stand here */
    struct log_hash previous;
    uint64_t index_cut; /* batches above it are void; UINT64_MAX in the last file */
};

struct segment_batch {
    struct log_batch view; /* into the bytes that were read; records_place is the caller's */
    struct log_hash previous;
    uint64_t durable; /* these two as the envelope says */
    uint64_t committed;
    uint32_t size;
};

/*
 * Reads the batch at the start of `in`, which may hold more or less than it.
 * OK            it is the expected one.
 * ERR_AGAIN     its envelope is sound and it needs `*size` bytes, more than `in` has.
 * ERR_CORRUPT   not a valid batch, or not the expected one.
 * ERR_VERSION   of a newer format.
 */
enum err segment_batch_read(struct bytes in, const struct segment_place *place,
                            struct segment_batch *batch, uint32_t *size);

enum segment_tail {
    SEGMENT_ENDS,    /* zeros only */
    SEGMENT_RESUMES, /* damaged; later batches stand there, the walk goes on at `resume` */
    SEGMENT_TORN,    /* of the last write, which was cut short; nothing behind it counts */
    SEGMENT_DAMAGED, /* the last batch, bad although it was written whole */
};

struct segment_gap {
    enum segment_tail tail;
    uint64_t resume; /* position in the file; DAMAGED: where the bad batch ends, 0 if not known */
    uint64_t resume_index;
    struct log_hash resume_previous; /* zeros: not known, the batch at `resume` is damaged, too */
    struct log_hash hash; /* DAMAGED: of the bad batch as its envelope says; zeros if that is bad */
};

/*
 * Judges the place where no expected batch stands. `rest` is everything from there to the end of
 * the file. TORN or DAMAGED says only what the bytes show: whether a mark elsewhere says that this
 * index was durable is the caller's to know.
 */
struct segment_gap segment_judge(struct bytes rest, const struct segment_place *place);

/*
 * Finds the first valid batch of file `file_id` in `file` (all of it, header included) whatever its
 * index: what a damaged header said can be read from it. `known`: the log's incarnation, NULL if no
 * other file tells it. ERR_NOT_FOUND: none.
 */
enum err segment_find_batch(struct bytes file, uint64_t file_id, const uint8_t *known,
                            struct segment_batch *batch, uint8_t incarnation[16]);

#endif
