/*
 * backup_alone: who the members of restored logs are. A restored directory has the identity of the
 * one that was backed up, and votes that are older than what that one may have given since: so it
 * takes part in no vote but its own. Where it was one of several members, an entry is added to the
 * log that makes it the only one; no other replica ever sees that entry.
 */
#ifndef SERVER_PROGRAM_BACKUP_ALONE_H
#define SERVER_PROGRAM_BACKUP_ALONE_H

#include "raft/core.h"
#include "server/program/inspect.h"

struct alone_log {
    uint64_t id;
    uint8_t incarnation[16];
    uint64_t segment; /* the newest file */
    uint64_t index;   /* of the last batch */
    uint64_t term;    /* the highest */
    int64_t time_ns;  /* of the last batch */
    struct log_hash hash;
    uint64_t block; /* index of the newest state block */
    struct log_hash block_hash;
    uint64_t members_index; /* of the entry that says: */
    struct raft_config members;
};

struct alone {
    struct alone_log *logs;
    size_t count;
};

/* For an inspector: what is read is noted. */
void alone_note_segment(struct alone *alone, const struct segment_header *header);
void alone_note_batch(struct alone *alone, uint64_t log_id, const struct segment_batch *batch);
void alone_note_block(struct alone *alone, const struct block *block);
void alone_free(struct alone *alone);

/* Are there logs with other members than this disk? */
bool alone_needed(const struct alone *alone, const struct node *node);
/* Makes this disk the only member of every log of which it was one; `node` has the boot of its new
 * files afterwards. False: errno says why. */
bool alone_make(const struct alone *alone, const char *store_dir, struct node *node);

#endif
