/*
 * decide: checks one publish or removal against the tail state (applied state + overlay of what is
 * proposed and not yet applied) and writes its effect, in the order of checks of the reference
 * (streams 4.3, non-replicated path). A refused request leaves no trace. No I/O, no clock: the log
 * time of the turn is an argument.
 *
 * Additions are modelled exactly by the overlay (last sequence, ids, per-subject last and count, totals).
 * Removals and config changes are barriers: while one is proposed and not applied, decide answers
 * DECIDE_WAIT to everything, and checks with wildcards wait until the overlay is empty.
 */
#ifndef SERVER_STREAM_DECIDE_H
#define SERVER_STREAM_DECIDE_H

#include "base/buf.h"
#include "server/stream/overlay.h"
#include "server/stream/stream_state.h"

enum decide_outcome {
    DECIDE_STORE,     /* an effect was written; answer when it is applied */
    DECIDE_DUPLICATE, /* nothing written; answer with `sequence` when the position looked at is committed */
    DECIDE_REFUSE,    /* nothing written; answer `error`; if `looked` only when the position is committed */
    DECIDE_WAIT,      /* nothing written; try again when more is applied (keep the order) */
    DECIDE_FULL,      /* the batch has no room: propose it first; nothing written */
};

struct publish {
    struct bytes subject;
    struct bytes headers; /* whole block or empty */
    struct bytes payload;
};

struct decision {
    enum decide_outcome outcome;
    uint64_t sequence;       /* STORE: predicted; DUPLICATE: of the original */
    bool looked;             /* the refusal depends on state */
    uint16_t error;          /* err_code of the reference, e.g. 10071 */
    char error_text[128];    /* description when it is not the constant one; else empty */
};

struct decider {
    struct stream_state *state;
    struct overlay overlay;
    bool barrier;      /* a removal or config change is proposed and not applied */
    bool removal_open; /* the disk reserve: publishes are refused, removals go on */
};

void decider_init(struct decider *decider, struct stream_state *state, uint64_t seed);
void decider_deinit(struct decider *decider);

/* Writes a MESSAGE record to `out` when it says STORE. */
void decide_publish(struct decider *decider, const struct publish *publish, int64_t log_now_ns,
                    struct buf *out, struct decision *decision);

/* The effects gathered so far were proposed as `index` / applied up to `index` / never happened. */
void decider_proposed(struct decider *decider, uint64_t index);
void decider_applied(struct decider *decider, uint64_t index);
void decider_refused(struct decider *decider); /* drops the whole overlay and any barrier */

#endif
