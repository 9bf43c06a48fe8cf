/*
 * audit: is anything left over on a stream whose messages live until they are acknowledged? Reads
 * the applied state, of a running or a stopped replica, changes nothing, and shares no decision
 * with retention.c but the question whether a consumer still needs a message: it looks at every
 * message, where retention looks only when something ends.
 */
#ifndef SERVER_STREAM_AUDIT_H
#define SERVER_STREAM_AUDIT_H

#include "base/bytes.h"

struct stream;

struct stream_audit {
    uint64_t messages;       /* looked at */
    uint64_t leftovers;      /* in the stream, and nobody will ever need them */
    uint64_t leftover_first; /* the lowest of these */
    uint64_t shared;         /* work queue: more than one consumer needs it */
};

/* A stream with limits retention has no leftovers. Takes time for every message. */
void stream_audit(const struct stream *stream, struct stream_audit *audit);

#endif
