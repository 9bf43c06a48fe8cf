/*
 * restore: fills a new stream from a backup (server/backup/archive.h), as its leader. Messages keep
 * their sequences and times; consumers come with where they stand; the config comes last, and with
 * it the limits: until then the stream is nobody's. Whatever ends it before leaves the stream to be
 * removed.
 */
#ifndef SERVER_STREAM_RESTORE_H
#define SERVER_STREAM_RESTORE_H

#include "base/arena.h"
#include "server/stream/told.h"

#define RESTORE_ERROR_MAX 160u

struct stream;

struct restore_wish {
    struct bytes config; /* what the stream is to be: StreamConfig as JSON; copied */
    int64_t created_ns;  /* unless the backup says so */
    uint64_t version;    /* of the catalogue */
    void *owner;
    /*
     * A consumer's config as it is to be logged, made of what the backup says, in `arena`. Empty:
     * it is left out, or, if `error` is filled, keeps the stream from being restored.
     */
    struct bytes (*consumer)(void *owner, struct stream *stream, struct bytes name,
                             struct bytes json, struct arena *arena,
                             char error[static RESTORE_ERROR_MAX]);
    /* At home: it takes chunks on the subject that is the text now. */
    told_fn *begun;
    /* At home: it is over, once. `reply`: to whom that is said, perhaps empty; no text: the stream
     * is there, else why not. `number`: how many bytes came. */
    told_fn *ended;
};

/* False: one is under way, the stream is no longer to be restored, or is not led here. */
bool stream_restore_begin(struct stream *stream, const struct restore_wish *wish);
/* Is one under way? */
bool stream_restoring(const struct stream *stream);

#endif
