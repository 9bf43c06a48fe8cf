/*
 * origin: how a mirror or a source follows the stream it takes from: when to ask for its messages,
 * which of those that come are the next ones, and when what comes cannot be relied on any more.
 *
 * Messages come from a consumer without acks that the origin's leader keeps (reference streams
 * 7.3): it counts what it sends, so one that was lost is seen by the next one or by a heartbeat.
 * Then the consumer is given up and another one is asked for, from behind the last message taken.
 *
 *     RESTING ─due─► ASKED ─accepted─► FOLLOWING
 *        ▲             │ refused, silence    │ a gap, silence, told that it is gone
 *        └─────────────┴─────────────────────┘   each failure waits longer
 *
 * A consumer that has come to a message which is damaged at the origin waits there and says so in
 * its heartbeats. It is followed on: nothing that is behind that message is taken before it, and
 * what is known of the origin says which it is until it comes or is deleted there.
 *
 * An origin whose messages live until they are acknowledged gives a consumer that keeps what it has
 * handed out until it is confirmed; that one is found again by its name, and asked to begin anew.
 *
 * Pure; times are monotonic.
 */
#ifndef SERVER_STREAM_ORIGIN_H
#define SERVER_STREAM_ORIGIN_H

#include "consumers/ack_subject.h"

#define ORIGIN_ASK_NS         INT64_C(5000000000)  /* for an answer */
#define ORIGIN_HEARTBEAT_NS   INT64_C(1000000000)  /* asked of the consumer */
#define ORIGIN_SILENCE_NS     INT64_C(10000000000) /* without any */
#define ORIGIN_RETRY_MIN_NS   INT64_C(100000000)
#define ORIGIN_RETRY_MAX_NS   INT64_C(10000000000)
#define ORIGIN_NEVER          INT64_MIN
#define ORIGIN_ERROR_TEXT_MAX 160u

enum origin_phase { ORIGIN_RESTING, ORIGIN_ASKED, ORIGIN_FOLLOWING };

/* Others read the fields; only origin.c writes them, but for `error_*`. */
struct origin {
    enum origin_phase phase;
    uint64_t taken;    /* the last sequence that need not come again */
    uint64_t heard;    /* consumer sequence of the last message that came */
    uint64_t lag;      /* how many there are behind it */
    int64_t due_ns;    /* of the phase: ask; or give up */
    int64_t active_ns; /* the last sign of life; ORIGIN_NEVER */
    uint32_t failures; /* since the last message or heartbeat */
    uint64_t stands;   /* the message that is damaged at the origin and comes next; 0: none is */
    /* Why the last asking failed, as the API said it; error 0: it did not. */
    uint64_t error_code, error;
    char error_text[ORIGIN_ERROR_TEXT_MAX];
};

/* Due at once. */
void origin_init(struct origin *origin, uint64_t taken, int64_t now_ns);

/* Is it time to ask? Failures of silence are noticed here. `jitter` is random. */
bool origin_due(struct origin *origin, int64_t now_ns, uint64_t jitter);
void origin_asked(struct origin *origin, int64_t now_ns);
/* The consumer is there, with `pending` messages before it. */
void origin_accepted(struct origin *origin, uint64_t pending, int64_t now_ns);
/* What it had is of no use: it rests, and asks again later. */
void origin_failed(struct origin *origin, int64_t now_ns, uint64_t jitter);

/* What was answered is of no use, and that is its error. Later it may be another. */
void origin_refused(struct origin *origin, int64_t now_ns, uint64_t jitter, uint64_t error,
                    const char *text);

enum origin_came {
    ORIGIN_NEXT, /* take it, then say origin_taken */
    ORIGIN_OLD,  /* it was taken before */
    ORIGIN_GAP,  /* one before it did not come: origin_failed */
};
/* A message whose reply subject is `ack`. May be asked again for one that was not taken. */
enum origin_came origin_came(const struct origin *origin, const struct ack_subject *ack);
void origin_taken(struct origin *origin, const struct ack_subject *ack, int64_t now_ns);
/* A heartbeat of a consumer that has sent so many. False: not all came, origin_failed. */
bool origin_heartbeat(struct origin *origin, uint64_t sent, int64_t now_ns);
/* It waits before that message, which is damaged there; 0: before none, or no more. True: that is
 * new. */
bool origin_stands(struct origin *origin, uint64_t sequence);
/* Any other sign of life. */
void origin_alive(struct origin *origin, int64_t now_ns);

#endif
