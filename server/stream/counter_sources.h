/*
 * counter_sources: what a counter got from which counters of other streams, as its header
 * Nats-Counter-Sources says it: {"<stream>":{"<subject>":"<last value>"}} (reference streams 9.3).
 * Pure; what is read may be hostile and costs its size.
 */
#ifndef SERVER_STREAM_COUNTER_SOURCES_H
#define SERVER_STREAM_COUNTER_SOURCES_H

#include "base/buf.h"

/* Is it such an object? The empty text is one. */
bool counter_sources_valid(struct bytes sources);

/* From where a sourced message came, as its Nats-Stream-Source says. */
struct counter_origin {
    struct bytes stream;  /* with the marks of its prefix and consumer */
    struct bytes subject; /* as it was there; empty: not said */
};
struct counter_origin counter_origin_read(struct bytes stream_source);

/*
 * Clears `out` and writes the valid `sources` there with `value` for that origin, streams and
 * subjects in order. *previous: what it said before, appended to `was` (cleared); "0" if nothing.
 */
void counter_sources_put(struct bytes sources, struct counter_origin origin, struct bytes value,
                         struct buf *out, struct buf *was);

#endif
