/*
 * shard_load: how busy the loops of a server's shards are, and what follows from that: where a new
 * connection goes. No clock and no threads.
 *
 * A shard is as busy as the share of a moment that its thread worked. While home is not busy it
 * takes every connection: what one shard does by itself costs less than what two do together
 * (docs/shards.md). Further shards are begun one at a time, when all that there are are busy.
 */
#ifndef SERVER_SHARD_LOAD_H
#define SERVER_SHARD_LOAD_H

#include <stdatomic.h>

#include "server/options.h"

#define SHARD_MOMENT_NS INT64_C(250000000) /* over which the share is taken, at least */
#define SHARD_SHARE     1000u              /* all of it */
#define SHARD_FULL      500u               /* busy: others are to take what comes */

struct shard_meter {
    int64_t since_ns; /* when it was last read; 0: never */
    int64_t worked_ns;
    _Atomic unsigned busy; /* of SHARD_SHARE; read by any thread */
};

static inline bool shard_meter_due(const struct shard_meter *meter, int64_t now_ns)
{
    return now_ns - meter->since_ns >= SHARD_MOMENT_NS;
}

/* So long the thread has worked until now. */
void shard_meter_read(struct shard_meter *meter, int64_t now_ns, int64_t worked_ns);

/* By shard. */
struct shard_loads {
    unsigned count;
    unsigned most; /* so many there may be */
    unsigned busy[SHARDS_MAX];
    int64_t connections[SHARDS_MAX];
};

/* Which shard is to take a connection: `count` is one that is to be begun, if there may be more. */
unsigned shard_for_connection(const struct shard_loads *loads);
/* The one with the fewest. */
unsigned shard_with_fewest(const struct shard_loads *loads);

#endif
