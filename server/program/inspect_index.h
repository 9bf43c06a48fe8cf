/*
 * inspect_index: what a state block says of a stream's messages, held against the records in the
 * log's files: each stands where the block says, sound, with its sequence, time, subject and size.
 */
#ifndef SERVER_PROGRAM_INSPECT_INDEX_H
#define SERVER_PROGRAM_INSPECT_INDEX_H

#include "base/buf.h"
#include "storage/block.h"

struct inspect_index {
    void *owner;
    /* All of that file of the log as it was written; false: there is none. */
    bool (*file)(void *owner, uint64_t file_id, struct buf *out);
    void (*problem)(void *owner, const char *text);
};

void inspect_index(const struct inspect_index *inspect, const struct block *block);

#endif
