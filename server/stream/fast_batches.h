/*
 * fast_batches: batches without a common fate (reference streams 9.6): a publisher numbers its
 * messages in their reply subjects and is told now and then how far they are stored, instead of
 * once for each. What a leader knows of them goes with its leadership; a publisher then hears that
 * its batch is unknown, and knows what was stored from the acks that it has.
 *
 * Pure memory: who decides about a message moves the numbers on here and says what they come to.
 * Bounded in number, by stream and by server.
 */
#ifndef SERVER_STREAM_FAST_BATCHES_H
#define SERVER_STREAM_FAST_BATCHES_H

#include <stdatomic.h>

#include "base/table.h"

#define FAST_ID_MAX   64u
#define FAST_FLOW_MAX 500u /* messages between two acks, of all batches of a stream */

/* What a reply subject says: <prefix>.<id>.<flow>.<gap>.<number>.<operation>.$FI */
struct fast_mark {
    struct bytes id;
    uint64_t number; /* of the message in its batch, from 1 */
    uint16_t flow;   /* acks no rarer than that */
    bool gap_ok;
    bool ping;   /* no message: it asks how far things are */
    bool commit; /* the last one */
    bool end;    /* it is not stored itself */
};

/* Is that the reply of a message of a fast batch; and a sound one? */
bool fast_mark_is(struct bytes reply);
bool fast_mark_read(struct bytes reply, struct fast_mark *mark);

struct fast_batch {
    struct fast_batch *older, *newer; /* by the time of the last message */
    uint64_t handled;                 /* number of the last message that came in order */
    uint64_t stored;           /* of the last that was stored, or passed over as a duplicate */
    uint64_t acked;            /* that the last flow ack was about */
    uint64_t sequence;         /* in the stream, of the last that was stored */
    uint16_t every, every_max; /* messages between two acks */
    int64_t touched_ns;
    uint8_t id_size;
    uint8_t id[FAST_ID_MAX];
};

/* What all streams of a server share, whichever threads they are on. */
struct fast_share {
    _Atomic uint64_t batches;
};

struct fast_limits {
    uint64_t batches; /* of one stream */
    uint64_t batches_total;
    int64_t timeout_ns;
};

/* The reference's; the option "limits { batch }" of JetStream changes them. */
#define FAST_LIMITS_DEFAULT                                                                        \
    ((struct fast_limits){                                                                         \
        .batches = 1000, .batches_total = 50000, .timeout_ns = INT64_C(10000000000)})

struct fast_batches {
    struct table batches; /* by id */
    struct fast_batch *oldest, *newest;
    struct fast_limits limits;
    struct fast_share *share; /* NULL: &alone */
    struct fast_share alone;
};

void fast_batches_init(struct fast_batches *batches, uint64_t seed);
void fast_batches_deinit(struct fast_batches *batches);
void fast_batches_clear(struct fast_batches *batches);

struct fast_batch *fast_batches_find(const struct fast_batches *batches, struct bytes id);
/* NULL: too many are there. The id is new and not longer than FAST_ID_MAX. */
struct fast_batch *fast_batches_begin(struct fast_batches *batches, const struct fast_mark *mark,
                                      int64_t now_ns);
void fast_batches_touch(struct fast_batches *batches, struct fast_batch *batch, int64_t now_ns);
void fast_batches_drop(struct fast_batches *batches, struct fast_batch *batch);
/* Drops what nobody has added to for the timeout; when the next is due, 0: nothing is there. */
int64_t fast_batches_expire(struct fast_batches *batches, int64_t now_ns);

/* Is an ack due for what is stored? Then it is counted as given: for `acked`, and from now on one
 * for each `every`, which follows what the publisher wants and how many batches share the stream.
 */
bool fast_batch_ack_due(const struct fast_batches *batches, struct fast_batch *batch);

#endif
