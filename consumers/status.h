/*
 * status: the header blocks of messages that carry no payload: what a waiting pull, a push
 * subscriber or an impossible request is told (reference consumers 4.4, 5.2, 5.3). Clients compare
 * these texts byte by byte. Each function clears `out` and writes one whole block.
 */
#ifndef CONSUMERS_STATUS_H
#define CONSUMERS_STATUS_H

#include "base/buf.h"

enum status {
    STATUS_NONE,
    /* refusals of a request: no further headers */
    STATUS_PUSH_BASED,
    STATUS_API_LEVEL,
    STATUS_HEARTBEAT_TOO_LARGE,
    STATUS_NOT_OVERFLOW,
    STATUS_NOT_PINNED,
    STATUS_BAD_PRIORITY,
    STATUS_NO_GROUP,
    STATUS_BAD_GROUP,
    STATUS_PIN_MISMATCH,
    STATUS_NO_MESSAGES, /* also ends a no_wait request */
    STATUS_DAMAGED,     /* what comes next: the same */
    STATUS_REQUESTS_PENDING,
    STATUS_MAX_WAITING,
    STATUS_CONSUMER_DELETED,
    STATUS_LEADERSHIP_CHANGE,
    /* ends of a waiting request that tell what was left of it */
    STATUS_TIMEOUT,
    STATUS_SERVER_SHUTDOWN,
    STATUS_BYTES_EXCEEDED,
    STATUS_BATCH_COMPLETED,
    STATUS_WRONG_PIN,
    STATUS_COUNT,
};

/* `messages` and `bytes` are what the request did not get; used where the status tells them. */
void status_write(struct buf *out, enum status status, uint64_t messages, uint64_t bytes);

/* Refusals whose text depends on something. */
void status_bad_request(struct buf *out, const char *json_error);
void status_max_batch(struct buf *out, int64_t limit);
void status_max_expires(struct buf *out, int64_t limit_ns);
void status_max_bytes(struct buf *out, int64_t limit);

struct status_alive {
    uint64_t last_consumer, last_stream;
    struct bytes stalled; /* the unanswered flow-control subject, or empty */
    uint64_t damaged;     /* the message before which the consumer stands; 0: none */
};
void status_heartbeat(struct buf *out, const struct status_alive *alive);
void status_flow_control(struct buf *out);
/* Not a block but a line of one: of a message to the client that is pinned. */
void status_pin(struct buf *out, struct bytes pin);

#endif
