/*
 * redo: the journal at start-up. Every sound record that may still be needed is written to its
 * segments, in the order of the records' numbers, and the segments are synced: afterwards no
 * journal record is needed any more. Repeating it is harmless because a position of a segment is
 * written once. Blocking.
 *
 * A damaged record is skipped: what only it witnessed is lost, which the log sees as a gap or not
 * at all if it was its last batch. That takes damage of the journal and a crash within the seconds
 * before the segment is synced; `damaged` counts what can be seen of it.
 */
#ifndef STORAGE_REDO_H
#define STORAGE_REDO_H

#include "base/io.h"

struct redo_file {
    uint64_t number;
    uint64_t size;
    bool sound; /* its header is; else it is of no further use after redo_run */
};

/* Where a record stands. */
struct redo_record {
    uint64_t number;
    unsigned file; /* in redo.files */
    uint64_t offset;
    uint32_t size;
};

struct redo {
    struct io *io;
    const char *dir;
    const uint8_t *store_id;
    uint64_t flaws;
    uint64_t boot; /* records of boots before it were replayed when it began: they are void */
    /* Votes, in no order and of all boots; may be NULL. */
    void (*vote)(void *context, uint64_t log_id, struct bytes vote,
                 const struct redo_record *record);
    void *vote_context;
    bool one_log; /* only the entries of log_id */
    uint64_t log_id;
    const uint64_t *only; /* not NULL: only those of its files that are in there */
    size_t only_count;

    struct redo_file *files;
    unsigned file_count;
    uint64_t written; /* entries written to segments */
    uint64_t skipped; /* entries whose segment is gone */
    uint64_t damaged; /* records known to be missing between others */
};

/* Lists the journal's files and checks their headers; changes nothing. ERR_VERSION: a newer format.
 */
enum err redo_begin(struct redo *redo, struct io *io, const char *dir, const uint8_t store_id[16]);
enum err redo_run(struct redo *redo);
/* Writes records (sorted by file) once more to the place where they stand, and syncs their files:
 * what was read may be in memory only. */
enum err redo_settle(struct redo *redo, const struct redo_record *records, size_t count);
void redo_end(struct redo *redo);

#endif
