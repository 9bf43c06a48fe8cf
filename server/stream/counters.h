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

#include "base/buf.h"
#include "base/map64.h"

struct counter_known {
    struct bytes value;   /* decimal, empty: that message is no counter */
    struct bytes sources; /* value of the header, or empty */
};

struct counters {
    struct map64 known; /* by sequence: owned blocks */
    size_t bytes;
    size_t trim_above; /* bytes; nothing was to be forgotten below */
};

/* What the counters of one atomic batch may take, read and written: all of it is kept at once. */
#define COUNTERS_BATCH_MAX ((size_t)4 << 20)

void counters_init(struct counters *counters, uint64_t seed);
void counters_deinit(struct counters *counters); /* forgets all; can be used again */

/* What a stored counter says. False: it is broken, *known is empty. */
bool counters_read(struct bytes headers, struct bytes payload, struct counter_known *known);
/* What the payload of a counter's message says, whoever wrote it. False: nothing, or no number. */
bool counters_value(struct bytes payload, struct buf *value);

/* Copied; replaces what is known of that sequence; sources that make no sense make it a broken one.
 */
void counters_keep(struct counters *counters, uint64_t sequence, struct counter_known known);
/* Above the bound all up to `applied` is forgotten: it can be read. Then at least
 * COUNTERS_BATCH_MAX is kept before any of that is forgotten again, so what a batch has to read
 * comes together. */
void counters_trim(struct counters *counters, uint64_t applied);
/* These never happened; fine when they are not known. */
void counters_forget(struct counters *counters, uint64_t first, uint64_t count);
/* What it takes to keep it. */
size_t counters_size(struct counter_known known);
/* False: it is not known. Good until the next change. */
bool counters_find(const struct counters *counters, uint64_t sequence, struct counter_known *known);

#endif
