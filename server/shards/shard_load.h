/*
 * shard_load: how busy the loops of a server's shards are, and what follows from that: where a new
 * connection goes, and whether some of those that are there are to go elsewhere. No clock and no
 * threads.
 *
 * A shard is as busy as the share of a moment that its thread worked. While home is not busy it
 * takes every connection: what one shard does by itself costs less than what two do together
 * (docs/shards.md). Further shards are begun one at a time, when all that there are are busy.
 */
#ifndef SERVER_SHARDS_SHARD_LOAD_H
#define SERVER_SHARDS_SHARD_LOAD_H

#include <stdatomic.h>

#include "server/options.h"

#define SHARD_MOMENT_NS INT64_C(250000000)  /* over which the share is taken, at least */
#define SHARD_SHARE     1000u               /* all of it */
#define SHARD_FULL      500u                /* busy: others are to take what comes */
#define SHARD_TIGHT     800u                /* so busy that some of what it has is to go... */
#define SHARD_IDLE      400u                /* ...to one that is no busier than this */
#define SHARD_LOOK_NS   INT64_C(1000000000) /* between two looks at that */
#define SHARD_LOOKS     3u                  /* that find the same, before any goes */
#define SHARD_REST      5u                  /* looks after that which change nothing */

/* So many moments it was busy, and was not so much as once idle: a burst, or a start that opens
 * many streams, is no reason to leave home. */
#define SHARD_MOMENTS 8u

struct shard_meter {
    int64_t since_ns; /* when it was last read; 0: never */
    int64_t worked_ns;
    unsigned moments[SHARD_MOMENTS]; /* the last ones, the share of each */
    unsigned moment;
    _Atomic unsigned busy; /* of SHARD_SHARE; read by any thread */
};

static inline bool shard_meter_due(const struct shard_meter *meter, int64_t now_ns)
{
    return now_ns - meter->since_ns >= SHARD_MOMENT_NS;
}

/* So long the thread has worked until now. */
void shard_meter_read(struct shard_meter *meter, int64_t now_ns, int64_t worked_ns);

/* The least of the last moments. On its own thread. */
unsigned shard_meter_lasting(const struct shard_meter *meter);

/* By shard. */
struct shard_loads {
    unsigned count;
    unsigned most; /* so many there may be */
    unsigned home; /* how busy home has been in all of the last moments */
    unsigned busy[SHARDS_MAX];
    int64_t connections[SHARDS_MAX];
};

/* Which shard is to take a connection: `count` is one that is to be begun, if there may be more. */
unsigned shard_for_connection(const struct shard_loads *loads);

/* Where streams are: a lane of a shard. */
struct shard_place {
    unsigned shard;
    uint64_t streams;
    unsigned lately; /* of them, those that were made before what they do shows */
};
/* Which of several is to take a new stream: where least is to do, of those that are alike where the
 * fewest streams are, home last. */
unsigned shard_place_for_stream(const struct shard_loads *loads, const struct shard_place *places,
                                unsigned count);
/* Is a shard that is to be begun better than all that there are? */
bool shard_wanted_for_stream(const struct shard_loads *loads);

/* What was seen by the last looks. */
struct shard_balance {
    int64_t looked_ns;
    unsigned from; /* the shard that is too busy */
    unsigned seen; /* so often */
    unsigned rest;
};
struct shard_gift {
    unsigned from;
    unsigned to;    /* `count` is one that is to be begun */
    unsigned share; /* thousandths of what `from` does; 0: not yet, but it may be soon */
};
/* How much of what `from` did that is. */
static inline uint64_t shard_gift_work(uint64_t done, unsigned share)
{
    return done * share / 1000;
}
/* At each look. False: they are even enough. */
bool shard_balance_look(struct shard_balance *balance, const struct shard_loads *loads,
                        struct shard_gift *gift);

/* The one with the fewest. */
unsigned shard_with_fewest(const struct shard_loads *loads);

#endif
