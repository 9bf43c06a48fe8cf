/*
 * snapshot: a backup of a stream on its way to whoever asked for it, as it was when it began:
 * messages that leave meanwhile are still read, those that come are not part of it. It goes in
 * chunks that the receiver acknowledges, so many bytes ahead; nothing is read before it can be
 * sent.
 */
#ifndef SERVER_STREAM_SNAPSHOT_H
#define SERVER_STREAM_SNAPSHOT_H

#include "server/stream/told.h"

struct stream;

struct snapshot_wish {
    struct bytes to; /* literal subject; copied, like the others */
    uint32_t chunk_size;
    uint32_t window; /* chunks that may be unacknowledged */
    bool consumers;
    bool whole;          /* a damaged message ends it with an error; else it is left out */
    struct bytes config; /* the stream's, as JSON with its creation: meta.inf */
    void *owner;
    /* At home: it is over, however. No text: all of it was sent, or its receiver has gone or
     * stalled (it was told so). Else why it could not be made. */
    told_fn *ended;
};

/* False: *error says why. It goes on in the stream's turns, while the stream is led here. */
bool stream_snapshot_begin(struct stream *stream, const struct snapshot_wish *wish,
                           const char **error);

#endif
