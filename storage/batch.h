/*
 * batch: the bytes of one log entry, without I/O. docs/formats.md (Batch) has the layout.
 *
 * A batch is built in place in one piece of memory: BATCH_HEAD bytes are left free, records follow,
 * batch_seal writes the content's head and hashes it once, batch_place writes what depends on the
 * file (envelope and block sums) and can be repeated for another place without touching the
 * content.
 *
 * Reading is in two steps, because the envelope tells how many bytes the second step needs.
 */
#ifndef STORAGE_BATCH_H
#define STORAGE_BATCH_H

#include "storage/log.h"

#define BATCH_ENVELOPE     88u
#define BATCH_CONTENT_HEAD 64u
#define BATCH_HEAD         (BATCH_ENVELOPE + BATCH_CONTENT_HEAD)
#define BATCH_BLOCK        4096u /* of the file; one sum each */
#define BATCH_SIZE_MAX     (80u << 20)
/* While records are added. */
#define BATCH_GATHER_MAX (BATCH_ENVELOPE + LOG_CONTENT_MAX)

struct batch_content {
    uint8_t incarnation[16];
    uint64_t term;
    uint64_t index;
    struct log_hash previous; /* zeros at index 1 */
    int64_t time_ns;
    uint32_t record_count;
    struct bytes records; /* reading only */
};

struct batch_envelope {
    uint32_t size; /* of the whole batch */
    uint32_t content_size;
    uint64_t file_id;
    uint64_t position;
    uint64_t durable;
    uint64_t committed;
    uint64_t index;       /* of the content, too */
    struct log_hash hash; /* of the content */
    uint32_t block_count;
    uint32_t sums_hash;
    bool erased; /* reading only: some of the content was, so the sums verify it and not the hash */
};

/* Size of the whole batch with that content at that position; at any position no more than the
 * second. */
uint64_t batch_size(uint64_t content_size, uint64_t position);
uint64_t batch_size_max(uint64_t content_size);

/* Leaves the head free at the start of an empty buf; false at the buf's limit. */
bool batch_begin(struct buf *batch);
/* Completes the content: everything in `batch` behind the head are its records. Returns its hash.
 */
struct log_hash batch_seal(struct buf *batch, const struct batch_content *content);
/*
 * Completes a sealed batch of `content_size` for a place: envelope, block sums, padding. `at` has
 * room for batch_size of it, the content stands BATCH_ENVELOPE bytes behind; afterwards it is what
 * belongs at envelope->position. Fills in the envelope's sizes, index and sums_hash; the others are
 * the caller's.
 */
void batch_place(uint8_t *at, uint32_t content_size, struct batch_envelope *envelope);

/* Records of the batch at `at`, which stands at the envelope's position, were erased: it says so,
 * and its sums fit again. Its hash stays what others know it by. */
void batch_erased(uint8_t *at, const struct batch_envelope *envelope);

/*
 * Reads the envelope at the start of `in`, which stands at `position` of file `file_id`.
 * ERR_CORRUPT   no sound envelope of this file and position.
 * ERR_VERSION   sound, and written by a newer format.
 */
enum err batch_envelope_read(struct bytes in, uint64_t file_id, uint64_t position,
                             struct batch_envelope *envelope);
/* The head and the records of a content that came alone, from a peer: nothing says that it is what
 * was sealed, or of which log. ERR_CORRUPT: not a content. */
enum err batch_content_peek(struct bytes content, struct batch_content *out);
struct log_hash batch_content_hash(struct bytes content);
/* Verifies and reads the content; `in` has envelope->size bytes. Views point into `in`.
 * ERR_CORRUPT   the content is not what was hashed (or, after an erasure, not what was left), or is
 * of another incarnation. */
enum err batch_content_read(struct bytes in, const struct batch_envelope *envelope,
                            const uint8_t incarnation[16], struct batch_content *content);

/*
 * Whether a bad batch at the start of `in` (standing at `position`) looks like a write that was cut
 * short on fresh space: every bad part shows a sector of zeros. Bytes past the end of `in` count as
 * zeros. Asks nothing about what follows the batch.
 */
bool batch_torn(struct bytes in, uint64_t file_id, uint64_t position);

#endif
