/*
 * pull: one pull request as it arrives ($JS.API.CONSUMER.MSG.NEXT): what it asks for, and the
 * reasons to refuse it that do not depend on the consumer's state (reference consumers 5.1, 5.2).
 * Pure.
 */
#ifndef CONSUMERS_PULL_H
#define CONSUMERS_PULL_H

#include "base/arena.h"
#include "base/buf.h"
#include "consumers/consumer_config.h"

#define PULL_API_LEVEL 4 /* the highest that Nats-Required-Api-Level may ask for */

struct pull {
    uint64_t batch;       /* >= 1 */
    bool batch_given;     /* else it is the implied one, which a timeout does not count */
    uint64_t max_bytes;   /* 0: no budget */
    int64_t expires_ns;   /* relative; 0: never. Negative: has expired already. */
    int64_t heartbeat_ns; /* 0: none */
    bool no_wait;
    /* of a priority group; 0 and empty: not asked for */
    uint64_t min_pending, min_ack_pending;
    struct bytes id;  /* a view into the body or `arena` */
    uint8_t priority; /* 0 is served first */
};

#define PULL_PRIORITY_LAST 10u /* of requests without a group */

/*
 * Reads `body` and `headers` (a whole block or empty) of a request to a consumer with that config.
 * False: `status` holds the header block of the refusal. `arena` is used and left to the caller.
 */
bool pull_read(struct pull *pull, const struct consumer_config *config, struct bytes headers,
               struct bytes body, struct arena *arena, struct buf *status);

#endif
