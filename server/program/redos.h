/*
 * redos: what a journal holds for segments. A recovery writes it to them before it looks at them;
 * who only reads lays it over a copy of the file.
 */
#ifndef SERVER_PROGRAM_REDOS_H
#define SERVER_PROGRAM_REDOS_H

#include "base/buf.h"
#include "storage/journal_record.h"

/* Bytes that belong to a place of a file. */
struct redo_bytes {
    uint64_t log_id, file_id, offset;
    struct bytes bytes; /* lent: the journal's file stays in memory */
};

struct redos {
    struct redo_bytes *at;
    size_t count, capacity;
};

void redos_free(struct redos *redos);
/* Those of a sound record, whose memory stays. */
void redos_add(struct redos *redos, const struct journal_record *record);
/* `file` is all of a segment as it was read; it grows by zeros up to what is laid over it. */
void redos_apply(const struct redos *redos, uint64_t log_id, uint64_t file_id, struct buf *file);

#endif
