/* decide_priv: one publish on its way through the checks; for server/stream/decide*.c. */
#ifndef SERVER_STREAM_DECIDE_PRIV_H
#define SERVER_STREAM_DECIDE_PRIV_H

#include "server/stream/decide.h"
#include "server/stream/flaws.h"
#include "server/stream/publish_headers.h"

/* The atomic batch that a message is part of. */
struct deciding_batch {
    size_t flying;   /* of the overlay's entries, those that were there before it */
    uint64_t first;  /* sequence of its first message */
    size_t counters; /* bytes of what its counters were and become */
};

struct deciding {
    struct decider *decider;
    const struct stream_config *config;
    struct publish publish; /* headers as they are stored */
    struct publish_headers headers;
    int64_t now_ns;         /* the message's time, if it is stored */
    uint64_t sequence_last; /* of the tail */
    bool subject_too_long;  /* as the transform made it */
    uint32_t stored_size;
    uint8_t flags;      /* of the record: roll-up */
    int64_t expires_ns; /* of the message, as in its effect */
    struct counter_known counter;
    struct deciding_batch *batch; /* NULL: it came alone */
    int64_t schedule_ns;          /* it is a schedule, which fires first then; 0: it is none */
    uint64_t schedule_ended;      /* the schedule that it ends; 0: none */
    struct decision *decision;
};

/*
 * Each check answers true: go on; false: the decision is made.
 * The order of the calls is the reference's (streams 4.3), where asked of a running server.
 */
bool decide_check_size(struct deciding *d);
bool decide_check_size_message(struct deciding *d); /* max_msg_size */
bool decide_check_size_headers(struct deciding *d);
bool decide_check_sealed(struct deciding *d);
bool decide_check_headers(struct deciding *d); /* those before the message id */
/* Those of a message of an atomic batch, its id included. */
bool decide_check_headers_member(struct deciding *d);
bool decide_check_id(struct deciding *d);
bool decide_check_id_last(struct deciding *d);
bool decide_check_rollup(struct deciding *d); /* sets d->flags */
bool decide_check_size_configured(struct deciding *d);
bool decide_check_counter(struct deciding *d); /* its header; decide_counter.c */
/* What the counter comes to: sets d->counter, and the payload and headers as they are stored. */
bool decide_check_counter_value(struct deciding *d);
/* The same of a message that was stored in another stream. */
bool decide_check_counter_sourced(struct deciding *d);
bool decide_check_ttl_allowed(struct deciding *d); /* decide_ttl.c */
bool decide_check_ttl(struct deciding *d);         /* sets d->expires_ns; may change the headers */
bool decide_check_traced(struct deciding *d);
bool decide_check_limits(struct deciding *d); /* discard new; decide_limits.c */

/* decide.c: the first step: what is asked, the subject as it becomes, the headers as stored. */
void decide_begin(struct deciding *d, struct decider *decider, const struct publish *publish,
                  int64_t log_now_ns, struct decision *decision);
/* Will what is in flight, once applied, push old messages out? Then which one is a subject's last
 * is not known before. */
bool decide_evicts(const struct deciding *d);
/* The newest sequence of a literal subject, in flight or applied; 0: none. */
uint64_t decide_subject_last(const struct deciding *d, struct bytes subject);

/* Both return false, for use as a check's answer. */
bool decide_refuse(struct deciding *d, uint16_t error, bool looked);
[[gnu::format(printf, 4, 5)]] bool decide_refuse_text(struct deciding *d, uint16_t error,
                                                      bool looked, const char *format, ...);
bool decide_wait(struct deciding *d);

/* Writes the message that has passed and adds it to the overlay; says STORE, or FULL or REFUSE
 * (false): what was added to its headers may have made them too long. */
bool decide_store(struct deciding *d, struct buf *out);

/* decide_schedule.c. The effects of a schedule, behind its message; false: no room. */
bool decide_check_schedule(struct deciding *d);
bool decide_store_schedule(struct deciding *d, uint64_t sequence, struct buf *out);
/* A message that was stored elsewhere is a schedule here, too, if it can be. */
void decide_take_schedule(struct deciding *d);
/* The message is stored with other headers than it came with; they stay as they are meanwhile. */
void decide_headers_changed(struct deciding *d, struct bytes headers);

/* decide_fast.c: a message whose reply is that of a fast batch. */
void decide_fast(struct deciding *d, struct buf *out);
/* Of a message of either kind of batch: is the level that it asks for one that we have? What is
 * stored does not ask. Its batch's id stays where it was read. */
bool decide_strip_level(struct deciding *d);
/* decide_atomic.c: a message with the id of an atomic batch. */
void decide_atomic(struct deciding *d, struct buf *out);
/* Makes `d` ready for a message whose headers are as they are stored. */
void decide_begin_member(struct deciding *d, struct decider *decider,
                         const struct staged_message *message, int64_t now_ns,
                         struct decision *decision);

/* What is in flight and can be waited for: all, but of an atomic batch only what was before it. */
static inline size_t decide_flying(const struct deciding *d)
{
    return d->batch != NULL ? d->batch->flying : d->decider->overlay.count;
}

/* Messages live until they are acknowledged, and some that are in flight or acknowledged may go
 * before this one comes: what there is of a subject, or in all, is not known now. */
static inline bool decide_unsettled(const struct deciding *d)
{
    return d->config->retention != RETENTION_LIMITS &&
           (d->decider->settling || decide_flying(d) > 0) &&
           (d->decider->flaws & STREAM_FLAW_SETTLING_UNSEEN) == 0;
}

static inline bool decide_flaw(const struct deciding *d, enum stream_flaw flaw)
{
    return (d->decider->flaws & flaw) != 0;
}

#endif
