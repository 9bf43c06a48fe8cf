/*
 * trace_headers: what a message's headers say about tracing it (reference core 7.1), and how they
 * are changed on its way. Pure; every byte string is a header block, some say nothing.
 *
 * A header is what stands before a ':' behind "NATS/1.0" and a line end; its value ends before the
 * next CRLF, without the blanks around it. One without a name or a value is as if there were none.
 */
#ifndef SERVER_ROUTER_TRACE_HEADERS_H
#define SERVER_ROUTER_TRACE_HEADERS_H

#include "base/buf.h"
#include "base/json.h"

#define TRACE_DEST     BYTES("Nats-Trace-Dest")
#define TRACE_HOP      BYTES("Nats-Trace-Hop")
#define TRACE_DISABLED BYTES("trace disabled") /* in place of a destination: it is not traced */

/* Views of the block; size 0: absent. */
struct trace_ask {
    struct bytes destination;    /* empty: the account's, because it is `external` */
    struct bytes hop;            /* how it came here */
    struct bytes origin_account; /* of servers before 2.14: it is not traced */
    struct bytes encoding;       /* that the event may have */
    bool external;               /* by a sampled traceparent alone */
    bool only;                   /* it is not to be delivered */
};

/* May it name a destination? Quick. */
bool trace_hinted(struct bytes headers);
/* False: it does not ask to be traced. */
bool trace_asked(struct bytes headers, struct trace_ask *ask);

/* An object, sorted by name, of the values of each. At most TRACE_HEADERS_MAX of them count. */
#define TRACE_HEADERS_MAX 8192u
void trace_write_headers(struct json_writer *w, struct bytes headers);

/* A copy in `out` with that value: where the first of that name was when `in_place`, else at the
 * end; there is no other of that name. It ends as a block does, whether or not that one did. */
struct bytes trace_headers_set(struct bytes headers, struct bytes name, struct bytes value,
                               bool in_place, struct buf *out);

#endif
