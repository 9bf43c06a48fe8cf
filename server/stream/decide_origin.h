/*
 * decide_origin: messages of other streams, taken by a mirror or from a source. Checked against the
 * tail state like a publish, where that makes sense of a message that is stored elsewhere already:
 * what its publisher expected there is nothing here.
 *
 * A mirror's message keeps sequence and time; the sequences between it and the last one are
 * skipped. A sourced one is logged together with the position it moves, so that it is stored once.
 */
#ifndef SERVER_STREAM_DECIDE_ORIGIN_H
#define SERVER_STREAM_DECIDE_ORIGIN_H

#include "server/stream/decide.h"

struct origin_message {
    uint64_t sequence; /* there, as its time */
    int64_t time_ns;
    struct bytes subject; /* as this mirror or source transforms it */
    struct bytes headers; /* as they are stored (origin_headers.h) */
    struct bytes payload;
    bool last_copy; /* where it came from it goes as soon as it is taken here, or is gone already */
};

/*
 * DECIDE_STORE, FULL and WAIT as decide_publish; decision->records is how many were written.
 * DUPLICATE: it is not stored here, and need not be: for a mirror nothing was written, for a source
 * the position alone. With an error: it is too large for this stream whenever it comes, and is
 * passed over so that those behind it come. REFUSE: something else stands against it, or it is a
 * last copy that would be passed over; nothing was written.
 */
void decide_mirrored(struct decider *decider, const struct origin_message *message, struct buf *out,
                     struct decision *decision);
/* A mirror's origin has nothing for it up to `last`. STORE: the sequences are skipped, which is a
 * barrier; DUPLICATE: they were before. WAIT: also while messages are not applied, for a proposal
 * ends with its last message. FULL: as above. */
void decide_skip(struct decider *decider, uint64_t last, struct buf *out,
                 struct decision *decision);
/* The same of a stream that is restored: its last message, deleted since, was of that time; 0: not
 * known. */
void decide_skip_timed(struct decider *decider, uint64_t last, int64_t time_ns, struct buf *out,
                       struct decision *decision);
/* `origin`: which stream it came from (struct effect). */
void decide_sourced(struct decider *decider, uint16_t source, uint64_t origin,
                    const struct origin_message *message, int64_t log_now_ns, struct buf *out,
                    struct decision *decision);

#endif
