/* origin_request: how a mirror or source asks its origin's leader for a consumer, and what it is
 * answered (reference streams 7.3). Pure. */
#ifndef SERVER_STREAM_ORIGIN_REQUEST_H
#define SERVER_STREAM_ORIGIN_REQUEST_H

#include "base/arena.h"
#include "server/stream/origin.h"
#include "server/stream/stream_config.h"

struct origin_request {
    const struct stream_source *source;
    bool mirror;
    struct bytes stream, account; /* who asks */
    struct bytes consumer;        /* name of the consumer */
    struct bytes deliver;         /* subject */
    uint64_t after;               /* behind that sequence; 0: where the config says */
};

/* The subject to ask on, and the body; both are appended. */
void origin_request_subject(const struct stream_source *source, struct buf *out);
void origin_request_body(const struct origin_request *request, struct buf *out);
/* The subject to ask on that the consumer begins anew behind what it was told is taken. */
void origin_request_reset(const struct stream_source *source, struct bytes consumer,
                          struct buf *out);
/* Where nobody needs the consumer any more: the subject of its deletion. */
void origin_request_deletion(const struct stream_source *source, struct bytes consumer,
                             struct buf *out);

struct origin_answer {
    uint64_t pending;      /* messages before the consumer */
    uint64_t behind;       /* the sequence that it starts behind */
    struct bytes consumer; /* its name; of the arena */
    bool keeps;            /* what it hands out stays until it is told that it is taken */
};

/* True: the consumer was made. False: the error is in the origin's fields. */
bool origin_request_answer(struct origin *origin, struct bytes body, struct arena *arena,
                           struct origin_answer *out);

#endif
