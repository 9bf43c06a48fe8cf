/*
 * counters: what the counters of a stream stand at, as far as it is known without reading. A
 * counter is its subject's last message, whose payload is {"val":"<decimal>"} and which may carry
 * what it got from other streams (Nats-Counter-Sources); reference streams 9.3.
 *
 * Kept by sequence. What is applied never becomes wrong, for its sequence is never used again; what
 * was in flight and never happened must be forgotten. Pure memory, bounded but for what is in
 * flight.
 */
#ifndef SERVER_STREAM_COUNTERS_H
#define SERVER_STREAM_COUNTERS_H

#include "base/map64.h"

struct counter_known {
    struct bytes value;   /* decimal, empty: that message is no counter */
    struct bytes sources; /* value of the header, or empty */
};

struct counters {
    struct map64 known; /* by sequence: owned blocks */
    size_t bytes;
};

void counters_init(struct counters *counters, uint64_t seed);
void counters_deinit(struct counters *counters); /* forgets all; can be used again */

/* What a stored counter says. False: it is broken, *known is empty. */
bool counters_read(struct bytes headers, struct bytes payload, struct counter_known *known);

/* Copied; replaces what is known of that sequence; sources that make no sense make it a broken one.
 * Above the bound all up to `applied` is forgotten
 * before: it can be read. */
void counters_keep(struct counters *counters, uint64_t sequence, struct counter_known known,
                   uint64_t applied);
/* False: it is not known. Good until the next change. */
bool counters_find(const struct counters *counters, uint64_t sequence, struct counter_known *known);

#endif
