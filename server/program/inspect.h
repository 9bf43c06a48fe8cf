/*
 * inspect: reads every byte of a stopped server's data directory as a recovery would, and tells
 * what it finds (docs/formats.md). It changes nothing. Blocking.
 */
#ifndef SERVER_PROGRAM_INSPECT_H
#define SERVER_PROGRAM_INSPECT_H

#include "base/bytes.h"
#include "storage/block.h"
#include "storage/journal_record.h"
#include "storage/node.h"
#include "storage/record.h"
#include "storage/segment.h"

struct inspector {
    void *owner;
    /* What is told; any may be NULL. `path` is below the directory. */
    void (*problem)(void *owner, const char *path, const char *text); /* damaged, or lost */
    void (*note)(void *owner, const char *path, const char *text);    /* harmless, and strange */
    void (*node)(void *owner, const struct node *node);
    void (*journal)(void *owner, const char *path, uint64_t offset,
                    const struct journal_record *record, bool needed);
    void (*segment)(void *owner, const char *path, const struct segment_header *header);
    void (*batch)(void *owner, const char *path, uint64_t position, uint64_t log_id,
                  const struct segment_batch *batch);
    void (*record)(void *owner, uint64_t log_id, const struct record *record);
    void (*block)(void *owner, const char *path, const struct block *block);
    /* A state block that is damaged; `replaceable`: a start does without it. */
    void (*bad_block)(void *owner, const char *path, uint64_t log_id, bool replaceable);
    /* The node file is damaged, or gone, and the journal cannot be read without it. True: it was
     * made anew. */
    bool (*bad_node)(void *owner);
    /* A file that was never finished, or that nothing explains. */
    void (*stray)(void *owner, const char *path, uint64_t log_id);
};

enum inspect_result {
    INSPECT_DONE,
    INSPECT_LOCKED, /* a server has it */
    INSPECT_NEWER,  /* of a later format: nothing more was looked at */
    INSPECT_NO_STORE,
};
enum inspect_result inspect(const char *dir, const struct inspector *inspector);
/* One store of it; *lanes: how many there are below it, as it says. */
enum inspect_result inspect_store(const char *dir, const struct inspector *inspector,
                                  unsigned *lanes);

#endif
