/*
 * message_trace: what becomes of one message at this server, told to whoever it asks for (reference
 * core.md 7.1). Each server that it comes to makes one event of its own.
 *
 * Whoever takes a message in begins a trace when its headers ask for one, and ends it when it was
 * published; on its way it stands in `message.trace`, and whoever has a part in it adds an entry.
 * The event leaves when nobody holds the trace any more: a stream holds it until it is known what
 * became of the message there. The last to let go of it must not stand inside a publish.
 *
 * Where the message crosses to another shard a part of the trace goes with it, which that shard has
 * to itself; what stands in it is added to the whole when it ends. The last shard to end one tells.
 *
 * What is added is bounded: entries and headers beyond MESSAGE_TRACE_SIZE_MAX are left out.
 */
#ifndef SERVER_ROUTER_MESSAGE_TRACE_H
#define SERVER_ROUTER_MESSAGE_TRACE_H

#include <stdatomic.h>

#include "server/auth/auth_options.h"
#include "server/router/account.h"
#include "server/router/router.h"
#include "server/router/trace_headers.h"

#define MESSAGE_TRACE_SIZE_MAX (1u << 20)  /* of the entries, and of the headers */
#define MESSAGE_TRACE_HELD_MAX (16u << 20) /* of all traces that streams hold */

/* The numbers travel. */
enum trace_kind { TRACE_CLIENT = 0, TRACE_ROUTE = 1 };

/* What traces need of their server; one of each shard. */
struct tracer {
    void *owner;
    int64_t (*wall)(void *owner);
    void (*write_server)(void *owner, struct json_writer *w);
    struct router *router;
    struct logger *logger;
    _Atomic size_t held; /* bytes, by streams */
};

/* Who a message comes from, or goes to. */
struct trace_peer {
    enum trace_kind kind;
    uint64_t id;
    struct bytes name; /* may be empty */
};

struct message_trace;

/* Where an account wants to be told of what a traceparent asks for; empty: nowhere. */
static inline struct bytes message_trace_account(const struct account *account)
{
    return account->options != NULL ? account->options->trace_destination : bytes_of(NULL, 0);
}

/* May those headers ask for it? Quick: of every message that has some. */
static inline bool message_trace_hinted(const struct account *account, struct bytes headers)
{
    return headers.size > 0 && (trace_hinted(headers) || message_trace_account(account).size > 0);
}

/* ---- beginning and ending ------------------------------------------------------------------- */

/* What its headers ask for, to be told to `destination` in that account; `size` as it was sent. */
struct message_trace *message_trace_begin(struct tracer *tracer, struct account *account,
                                          const struct trace_peer *from,
                                          const struct message *message, size_t size,
                                          const struct trace_ask *ask, struct bytes destination);
/* For a message from another node. False: it must not go on here. *trace: NULL when it asks for
 * none. */
bool message_trace_routed(struct router *router, struct account *account,
                          const struct trace_peer *from, const struct message *message,
                          struct message_trace **trace);
/* One more holds it, until message_trace_end or message_trace_forget; NULL is fine. */
void message_trace_hold(struct message_trace *trace);
/* Lets go of it; NULL is fine. */
void message_trace_end(struct message_trace *trace);
/* The same, and nobody is told: when the server has no receivers any more. */
void message_trace_forget(struct message_trace *trace);

/* Where other servers are to tell of it, in the account where it is now: the destination that was
 * asked for, or what stands for it in an account whose service was imported. */
struct bytes message_trace_destination(const struct message_trace *trace);
void message_trace_redirect(struct message_trace *trace, struct bytes destination);
/* Is it only to be told where it would go? Of NULL: no. */
bool message_trace_only(const struct message_trace *trace);

/* ---- what has become of it ------------------------------------------------------------------ */

/* It was not let in; `text` is copied, `what` the peer's own. */
void message_trace_refused(struct message_trace *trace, const char *text, struct bytes what);
void message_trace_mapped(struct message_trace *trace, struct bytes to);
/* It goes on into an account that imports a service. */
void message_trace_imported(struct message_trace *trace, struct bytes account, struct bytes from,
                            struct bytes to);

struct trace_egress {
    struct trace_peer to;
    const struct account *account;    /* of a client */
    struct bytes subscription, queue; /* of the same */
    struct bytes hop;
    const char *error; /* NULL: none */
};
void message_trace_left(struct message_trace *trace, const struct trace_egress *egress);

/* It goes to those of another account that imports its stream, from here until told otherwise:
 * `traced` says whether they are named. */
enum trace_export { TRACE_HOME, TRACE_EXPORTED, TRACE_EXPORTED_UNTRACED };
void message_trace_export(struct message_trace *trace, enum trace_export export);
enum trace_export message_trace_exported(const struct message_trace *trace);
/* Somebody of them gets it under that subject. */
void message_trace_exports(struct message_trace *trace, const struct account *account,
                           struct bytes to);

/* ---- on to other servers -------------------------------------------------------------------- */

/* The headers with which it goes to the next one, in `out`, which the caller deinits; *hop is what
 * they say of it, a view of `out`. */
struct bytes message_trace_hop(struct message_trace *trace, struct bytes headers, struct buf *out,
                               struct bytes *hop);
/* Nobody tells of it there, because the account does not let them or the node cannot: its headers
 * are not to ask for that any more. False: it must not go there at all. */
bool message_trace_unfollowed(struct message_trace *trace, struct trace_egress *egress);
/* How often it went on, to nodes or other shards. */
unsigned message_trace_gone_on(const struct message_trace *trace);

/* ---- on other shards ------------------------------------------------------------------------ */

/* What is told of it on another shard, in the state that it has now: a trace of its own, which
 * holds `trace` until it ends. Whoever gets the message there lets it arrive first. */
struct message_trace *message_trace_part(struct message_trace *trace);
void message_trace_arrive(struct message_trace *part, struct router *router);

/* ---- into a stream -------------------------------------------------------------------------- */

/* It is held from here on, until message_trace_kept or message_trace_end. False: it is not: the
 * stream stands in the event, but not what it made of the message. */
bool message_trace_stream(struct message_trace *trace, struct bytes stream);
/* What was made of it: the subject that it has there (empty: it did not come so far), whether it
 * was of no interest, and the error (empty: none). It is still held. */
void message_trace_stored(struct message_trace *trace, struct bytes subject, bool no_interest,
                          struct bytes error);

#endif
