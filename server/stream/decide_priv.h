/* decide_priv: one publish on its way through the checks; for server/stream/decide*.c. */
#ifndef SERVER_STREAM_DECIDE_PRIV_H
#define SERVER_STREAM_DECIDE_PRIV_H

#include "server/stream/decide.h"
#include "server/stream/flaws.h"
#include "server/stream/publish_headers.h"

struct deciding {
    struct decider *decider;
    const struct stream_config *config;
    struct publish publish; /* headers as they are stored */
    struct publish_headers headers;
    int64_t now_ns;         /* the message's time, if it is stored */
    uint64_t sequence_last; /* of the tail */
    bool subject_too_long;  /* as the transform made it */
    uint32_t stored_size;
    uint8_t flags; /* of the record: roll-up */
    struct decision *decision;
};

/*
 * Each check answers true: go on; false: the decision is made.
 * The order of the calls is the reference's (streams 4.3), where asked of a running server.
 */
bool decide_check_batch(struct deciding *d);
bool decide_check_size(struct deciding *d);
bool decide_check_sealed(struct deciding *d);
bool decide_check_headers(struct deciding *d); /* those before the message id */
bool decide_check_id(struct deciding *d);
bool decide_check_id_last(struct deciding *d);
bool decide_check_rollup(struct deciding *d); /* sets d->flags */
bool decide_check_size_configured(struct deciding *d);
bool decide_check_ttl(struct deciding *d);
bool decide_check_traced(struct deciding *d);
bool decide_check_limits(struct deciding *d); /* discard new; decide_limits.c */

/* decide.c: the steps around the checks. decide_store appends the message's record and counts it in
 * the overlay; false: no room, nothing has changed. */
void decide_begin(struct deciding *d, struct decider *decider, const struct publish *publish,
                  int64_t log_now_ns, struct decision *decision);
bool decide_store(struct deciding *d, struct buf *out);
/* The disk's reserve is for removals. */
bool decide_check_reserve(struct deciding *d);

/* Both return false, for use as a check's answer. */
bool decide_refuse(struct deciding *d, uint16_t error, bool looked);
[[gnu::format(printf, 4, 5)]] bool decide_refuse_text(struct deciding *d, uint16_t error,
                                                      bool looked, const char *format, ...);
bool decide_wait(struct deciding *d);

static inline bool decide_flaw(const struct deciding *d, enum stream_flaw flaw)
{
    return (d->decider->flaws & flaw) != 0;
}

#endif
