/*
 * publish_headers: what a publish says to the stream in its headers (reference streams 4.2).
 * Parsers without state; every byte string is a header block, some say nothing.
 *
 * The rules are the reference's: a header is a line that starts behind a CRLF and begins with the
 * exact name and ':', its value starts behind any blanks and ends before the next CRLF; the first
 * line of a name counts; an empty value is as if there were none. An empty line ends nothing.
 */
#ifndef SERVER_STREAM_PUBLISH_HEADERS_H
#define SERVER_STREAM_PUBLISH_HEADERS_H

#include "base/buf.h"

/* Values are views of the block; size 0: absent or empty. */
struct publish_headers {
    struct bytes msg_id;
    struct bytes expected_stream;
    struct bytes expected_last_sequence;
    struct bytes expected_last_subject_sequence;
    struct bytes expected_last_subject_sequence_subject;
    struct bytes expected_last_msg_id;
    struct bytes rollup;
    struct bytes ttl;
    struct bytes marker_reason;
    struct bytes kv_operation;
    struct bytes incr;
    struct bytes schedule;
    struct bytes schedule_next;
    struct bytes scheduler;
    struct bytes batch_id;
    struct bytes batch_sequence;
    struct bytes batch_commit; /* present also when empty */
    struct bytes required_level;
    struct bytes trace_dest;
    struct bytes trace_only;
    struct bytes request_info; /* present also when empty: .at is not NULL */
};

void publish_headers_read(struct bytes block, struct publish_headers *headers);

/*
 * The block as it is stored: without a status behind "NATS/1.0" and without Nats-Request-Info
 * lines; empty if that leaves nothing of it. The block itself if there is nothing to take out, else
 * a copy in `scratch` (good until that changes). *headers is what publish_headers_read says of the
 * result.
 */
struct bytes publish_headers_clean(struct bytes block, struct buf *scratch,
                                   struct publish_headers *headers);

/* Does it ask only where it would go? Then it is checked and not stored (reference core 7.1). */
bool publish_headers_trace_only(const struct publish_headers *headers);

#define PUBLISH_TTL_NEVER (-1)
#define PUBLISH_TTL_MAX   (INT64_C(1) << 33) /* seconds; longer ones mean as much */

/* Nats-TTL: "never", whole seconds, or a duration of at least a second, of which the whole seconds
 * count. 0, which only zeros in a row are: as if there were none. */
bool publish_headers_ttl(struct bytes value, int64_t *seconds);
/* Does it stand for a subject that is no more? */
bool publish_headers_marker(const struct publish_headers *headers);
/* A copy in `scratch` of a block with this TTL in place of those it has, at its end. */
struct bytes publish_headers_with_ttl(struct bytes block, int64_t seconds, struct buf *scratch);

#endif
