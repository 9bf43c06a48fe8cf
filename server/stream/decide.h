/*
 * decide: checks one publish against the tail state (applied state + overlay of what is proposed
 * and not yet applied) and writes its effect, in the order of checks of the reference (streams 4.3,
 * non-replicated path). A refused request leaves no trace. No I/O, no clock: the log time of the
 * turn is an argument.
 *
 * Additions are modelled exactly by the overlay (last sequence, ids, per-subject last and count,
 * totals). Removals and config changes are barriers: while one is proposed and not applied, decide
 * answers DECIDE_WAIT to everything. What the overlay cannot tell exactly waits until it is empty:
 * a check with wildcards, a check whose subject may lose its last message to a limit, a discard-new
 * refusal that a removal in flight might make wrong. So no answer ever depends on how much is in
 * flight.
 *
 * Messages of an atomic batch are staged, and written together when its last one comes
 * (decide_atomic.c); all of it goes into one batch of the log.
 *
 * The owner decides removals itself, on a quiet stream (overlay empty): it sets `barrier`, proposes
 * and says decider_proposed.
 */
#ifndef SERVER_STREAM_DECIDE_H
#define SERVER_STREAM_DECIDE_H

#include "base/buf.h"
#include "server/stream/counters.h"
#include "server/stream/fast_batches.h"
#include "server/stream/overlay.h"
#include "server/stream/schedule.h"
#include "server/stream/staging.h"
#include "server/stream/stream_state.h"

enum decide_outcome {
    DECIDE_STORE,     /* an effect was written; answer when it is applied */
    DECIDE_DUPLICATE, /* nothing written; answer with `sequence` when the position looked at is
                         committed */
    DECIDE_STAGED,    /* nothing written: a message of an atomic batch that has not ended; answer
                         nothing but that it came */
    DECIDE_HANDLED,   /* nothing written: of a fast batch; send the notes and, with `batch` set, the
                         ack for all of it, when the position looked at is committed */
    DECIDE_REFUSE,    /* nothing written; answer `error`; if `looked` only when the position is
                         committed */
    DECIDE_TRACED,    /* nothing written, nobody is answered: it was not meant to be stored */
    DECIDE_WAIT,      /* nothing written; try again when more is applied (keep the order) */
    DECIDE_FULL,      /* the batch has no room: propose it first; nothing written */
};

struct publish {
    struct bytes subject; /* not empty */
    struct bytes headers; /* whole block or empty */
    struct bytes payload;
    struct bytes reply; /* only looked at for the marks of a fast batch; may be left empty */
};

/* What else is said to the publisher of a fast batch, in order, before the ack of all of it. */
enum fast_note_kind {
    FAST_NOTE_ACK,   /* all up to `number` are handled; `other`: messages to the next such ack */
    FAST_NOTE_GAP,   /* `number` came where `other` was expected */
    FAST_NOTE_ERROR, /* message `number` was refused: `error`, `text` */
};
struct fast_note {
    enum fast_note_kind kind;
    uint16_t error;
    uint64_t number, other;
    const char *text; /* as error_text of the decision */
};
#define FAST_NOTES_MAX 3u

struct decision {
    enum decide_outcome outcome;
    uint64_t sequence;      /* STORE: predicted; DUPLICATE: of the original */
    bool looked;            /* the refusal depends on state */
    uint16_t error;         /* err_code of the reference, e.g. 10071 */
    const char *error_text; /* description when it is not the constant one, else ""; good until the
                               next call */
    uint32_t records;       /* STORE: effects written */
    struct bytes batch;   /* STORE of an atomic batch, or with `abandoned`: its id; a view into the
                             publish */
    uint64_t count;       /* STORE of an atomic batch: its messages; `sequence` is the last one's */
    struct bytes subject; /* STORE: of the newest message, as it is stored; good as long as the
                             publish and until the next call */
    struct bytes value;   /* STORE of a counter: what it comes to; good until the next call */
    bool fast; /* of a fast batch: the notes come first; STORE is answered only if `batch` */
    unsigned note_count;
    struct fast_note notes[FAST_NOTES_MAX];
    const char
        *abandoned; /* a batch was dropped for that reason, of which others are told; or NULL */
};

/* A proposal that is not applied yet, and the last sequence it is to end with (0: it adds nothing).
 */
struct decider_proposal {
    uint64_t index;
    uint64_t sequence;
};

/* Scratch of a counter's message that comes from another stream. */
struct counter_sourced {
    struct buf value, before, increment, sources;
};

struct decider {
    struct stream_state *state;
    struct overlay overlay;
    bool barrier;           /* a removal or config change is decided and not applied */
    bool settling;          /* what consumers are done with is gathered or proposed, not applied */
    struct staging staging; /* atomic batches that have begun; the owner drops them when it leads no
                               more, and those that are overdue */
    struct fast_batches fast; /* those under way, likewise */
    struct {
        void *owner;
        const struct zone *(*find)(void *owner, struct bytes name); /* NULL: there is none */
    } zones;                                                        /* find NULL: there are none */
    /* Interest retention: would a consumer take a message of that subject? NULL: yes. */
    bool (*interested)(void *owner, struct bytes subject);
    /* Is what the index reads of it and of what leaves for it in memory? NULL: always. */
    bool (*here)(void *owner, struct bytes subject, uint64_t stored_size);
    void *owner;
    uint64_t flaws; /* server/stream/flaws.h */

    /* private */
    uint64_t barrier_index;             /* proposed as this; 0: still gathered */
    uint64_t settling_index;            /* likewise; of the newest */
    struct decider_proposal *proposals; /* ring */
    size_t proposal_capacity, proposal_head, proposal_count;
    struct buf headers;       /* of a publish whose headers are not stored as they came */
    struct buf batch_headers; /* of a message of an atomic batch, likewise */
    struct counters counters; /* what is known of those of the stream */
    uint64_t counter_wanted;  /* WAIT: that message has to be read and kept in `counters` first */
    struct buf counter_payload, counter_headers; /* of a counter */
    struct counter_sourced counter_sourced;
    struct buf schedule_headers; /* of one that is a schedule */
    struct buf ttl_headers;      /* of one whose TTL is not */
    struct buf subject;          /* of one whose subject is transformed */
    struct prng prng;            /* for transforms */
    struct buf text;             /* of the last refusal */
};

void decider_init(struct decider *decider, struct stream_state *state, uint64_t seed);
void decider_deinit(struct decider *decider);

/* Writes a MESSAGE record to `out` when it says STORE. A roll-up of the whole stream is a barrier
 * and sets it. 0 <= log_now_ns <= EFFECT_TIME_MAX. */
void decide_publish(struct decider *decider, const struct publish *publish, int64_t log_now_ns,
                    struct buf *out, struct decision *decision);

/* A record was gathered that may remove messages from a stream whose messages live until they are
 * acknowledged. Publishes with checks wait until it is applied. */
void decider_settling(struct decider *decider);
/* The effects gathered so far were proposed as `index`, which rises. */
void decider_proposed(struct decider *decider, uint64_t index);
/* All up to `index` is applied, to this decider's state. Asserts that what was predicted came true.
 */
void decider_applied(struct decider *decider, uint64_t index);
/* What is gathered or proposed and not applied never happened: drops the whole overlay and any
 * barrier. */
void decider_refused(struct decider *decider);

#endif
