/*
 * scratch: memory for what can be made again, that the system may take away and bring back. Its
 * content lies in a file without a name, which is gone with the process, and is read through one
 * mapping: what is used often stays in the page cache, the rest costs disk space instead of
 * memory. A piece is written once, whole, and never changed (scratch_put), or its owner writes to
 * it as to other memory (scratch_lend): through a second mapping, so that no stray write changes
 * the former; the system writes such pages to the disk some time after they have changed.
 *
 * Pieces come in few sizes; a chunk of the file holds pieces of one size and its space is given
 * back when the last of them is. Space is reserved before it is used, so a full disk is a refusal
 * and never a fault. Where that is not so (a file system that cannot reserve, or that writes what
 * has changed to another place) nothing is lent.
 *
 * When the disk fails while a piece is read through the mapping (base/guard.h), all of the scratch
 * memory has failed, for good: what stands in it is to be believed no more, of any piece, and is
 * made again elsewhere. Until its users have left it can be looked at, written to and given back
 * as before.
 *
 * What has left the page cache would be read by whoever looks at it, who waits for the disk then.
 * So who can wait otherwise asks first (scratch_here), and has a worker bring what is away.
 */
#ifndef BASE_SCRATCH_H
#define BASE_SCRATCH_H

#include "base/bytes.h"
#include "base/guard.h"

#define SCRATCH_PIECE_MIN   ((size_t)2 << 10)
#define SCRATCH_PIECE_SIZES 7u /* 2, 4, 4.5, 8, 16, 24, 32 KiB */
#define SCRATCH_PIECE_MAX   ((size_t)32 << 10)

#define SCRATCH_SLICE ((size_t)32 << 10) /* that is brought at a time */

struct scratch;

/* In a file of that directory. NULL: it takes none, or there is no address space. */
struct scratch *scratch_create(int directory);
/* The twin without a file, for simulations: refuses one of `refuse` pieces (0: none). */
struct scratch *scratch_create_twin(uint64_t seed, unsigned refuse);
/* It has one user more: it goes with the last, when nobody reads a piece any more. Both: NULL is
 * fine. */
struct scratch *scratch_hold(struct scratch *scratch);
void scratch_destroy(struct scratch *scratch);
/* Not 0: it has failed. Good as long as the scratch memory. */
guard_failed *scratch_failed(struct scratch *scratch);

/* A copy of the content, at most SCRATCH_PIECE_MAX, good until it is given back. NULL: no space. */
const void *scratch_put(struct scratch *scratch, struct bytes content);
/* Memory of that size, at most SCRATCH_PIECE_MAX, for the caller to write to; what is in it is
 * anything. NULL: no space, or nothing is lent. */
void *scratch_lend(struct scratch *scratch, size_t size);
/* The same size as it was put or lent with. */
void scratch_give(struct scratch *scratch, const void *piece, size_t size);

/* ---- what is away --------------------------------------------------------------------------- */

/* As far as was known within the last second or so, which costs next to nothing; else the system is
 * asked. Broken: it could not be brought a moment ago. Of so many bytes of the piece from `at` on,
 * which may stand in two slices: *slice is the first that is not here. */
enum scratch_place { SCRATCH_HERE, SCRATCH_AWAY, SCRATCH_BROKEN };
enum scratch_place scratch_here(struct scratch *scratch, const void *piece, size_t at, size_t size,
                                int64_t now_ns, uint64_t *slice);
/* By a worker, while the scratch memory is there: 0, or the negative error. */
int scratch_bring(struct scratch *scratch, uint64_t slice);
/* It has said so. */
void scratch_brought(struct scratch *scratch, uint64_t slice, int result, int64_t now_ns);
/* Of the twin one in so many that is asked for is away, and one in so many of these is broken. */
void scratch_twin_forgets(struct scratch *scratch, unsigned away, unsigned broken);
/* The twin fails at one in so many calls that do something in it. 0: never. */
void scratch_twin_fails(struct scratch *scratch, unsigned one_in);
/* For tests: what is behind so many whole pages of the file cannot be read any more. */
void scratch_break(struct scratch *scratch, uint64_t from);
/* For tests: what was put reads as zeros; what is lent does not. */
void scratch_blank(struct scratch *scratch);
/* Everything is away in the twin that was told to hide before its first piece: who touches what was
 * not brought dies of it. */
void scratch_twin_hides(struct scratch *scratch);
void scratch_twin_hide(struct scratch *scratch, bool hidden);

/* Bytes of disk in use. */
uint64_t scratch_space(const struct scratch *scratch);

#endif
