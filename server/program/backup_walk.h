/*
 * backup_walk: what of one segment belongs to a copy of its log: the batches that count, up to a
 * moment of log time. It judges as a recovery does (docs/formats.md, Reading a log after a crash);
 * the segment is in memory as it was written. No I/O.
 */
#ifndef SERVER_PROGRAM_BACKUP_WALK_H
#define SERVER_PROGRAM_BACKUP_WALK_H

#include "storage/segment.h"

struct backup_limit {
    uint64_t index;  /* batches above it are void; UINT64_MAX: nothing says so */
    int64_t time_ns; /* the first batch that is later, and all behind it, is left out */
};

struct backup_walk {
    /* The caller's; may be NULL. Batches that count, in order. */
    void (*batch)(void *owner, const struct segment_batch *batch);
    void *owner;

    uint64_t first;       /* index of the first batch; 0: there is none */
    uint64_t index;       /* of the last one that counts, or what the segment begins behind */
    struct log_hash hash; /* its */
    uint64_t term;        /* its; 0: there is none */
    int64_t time_ns;      /* its; INT64_MIN: there is none */
    uint64_t end;         /* of the last that counts: what is behind does not */
    bool stopped;         /* at a batch that is too late */
    uint64_t lost_first;  /* damage, the first index of it; 0: none */
    uint64_t lost_last;   /* and the last one */
};

/* `file` begins with `header`. Up to a limit that is known all is there, or `lost_first` says what
 * is not. */
void backup_walk(struct backup_walk *walk, struct bytes file, const struct segment_header *header,
                 struct backup_limit limit);

#endif
