/*
 * portable: the durable half of a consumer's state as plain numbers, for backups: what another
 * server's archive says of a consumer becomes the bytes that consumer_state_decode takes.
 */
#ifndef CONSUMERS_PORTABLE_H
#define CONSUMERS_PORTABLE_H

#include "consumers/consumer.h"

struct portable_pending {
    uint64_t sequence;
    uint64_t consumer_sequence; /* of the first delivery */
    int64_t time_ns;            /* of the last delivery; of a delayed one as if it had been then */
    uint32_t deliveries;
};
struct portable_exhausted {
    uint64_t sequence;
    uint32_t deliveries;
};

struct portable {
    uint64_t delivered_consumer, delivered_stream;
    uint64_t floor_consumer, floor_stream;
    uint64_t snapshot_last;           /* of last_per_subject; 0: none */
    struct portable_pending *pending; /* owned; by rising sequence */
    size_t pending_count;
    struct portable_exhausted *exhausted; /* owned; by rising sequence */
    size_t exhausted_count;
};

void portable_deinit(struct portable *portable);

/* What the consumer is now; `portable` is to be deinited. */
void consumer_portable(const struct consumer *consumer, struct portable *portable);
/* As consumer_state_decode takes it. False: it breaks one of that format's rules, or `out` is at
 * its limit. */
bool portable_encode(const struct portable *portable, uint64_t number, struct buf *out);

#endif
