/*
 * expiries: which messages of a stream have an end of their own (Nats-TTL), and which stand for a
 * subject that is no more (markers). Part of what every replica computes from the log; pure memory.
 *
 * 16 bytes and a slot of a map for each such message, nothing for others. The order of the ends is
 * a heap; what was removed otherwise leaves it when it comes up, or when it is more than half of
 * it.
 */
#ifndef SERVER_STREAM_EXPIRIES_H
#define SERVER_STREAM_EXPIRIES_H

#include "base/buf.h"
#include "base/err.h"
#include "base/map64.h"

#define EXPIRES_NEVER INT64_MAX /* a message that no age removes */

struct expiry {
    int64_t expires_ns;
    uint64_t sequence;
};

struct expiries {
    struct map64 lives; /* by sequence: when it ends, and whether it is a marker */
    struct expiry *heap;
    size_t count, capacity;
};

void expiries_init(struct expiries *expiries, uint64_t seed);
void expiries_deinit(struct expiries *expiries); /* forgets all; can be used again */

/* expires_ns: log time, EXPIRES_NEVER, or 0: it has none. The sequence is new, or was removed. */
void expiries_add(struct expiries *expiries, uint64_t sequence, int64_t expires_ns, bool marker);
/* The message has left the stream; fine when it was never here. */
void expiries_remove(struct expiries *expiries, uint64_t sequence);

bool expiries_has(const struct expiries *expiries, uint64_t sequence);
/* When it ends; only of one that is there. */
int64_t expiries_end(const struct expiries *expiries, uint64_t sequence);
bool expiries_never(const struct expiries *expiries, uint64_t sequence);
bool expiries_marker(const struct expiries *expiries, uint64_t sequence);
/* The one that ends first, of equal ones the lowest sequence; false: none does. */
bool expiries_first(struct expiries *expiries, struct expiry *first);
/* Calls for each that has ended by `now_ns`, in no order, until it answers false. True: all were
 * seen. Costs what has ended. */
bool expiries_ended(const struct expiries *expiries, int64_t now_ns,
                    bool (*ended)(void *context, uint64_t sequence), void *context);

/* All of them, for a state block; equal ones make equal bytes. */
void expiries_encode(const struct expiries *expiries, struct buf *out);
/* Into fresh ones, in parts, each of which takes up to *left (and counts them down). ERR_AGAIN:
 * there are more. ERR_CORRUPT: that makes no sense; they are to be thrown away. */
struct expiries_decoding {
    struct bytes rest;
    uint64_t before; /* the last sequence that was taken */
};
enum err expiries_decode_part(struct expiries *expiries, struct expiries_decoding *decoding,
                              uint64_t *left);

#endif
