/*
 * consumer: one consumer's machine, without I/O, clock or sockets: what has been handed out, what is
 * owed, who waits, and what must happen next. The stream machine's shell (server/stream) feeds it
 * events and carries out what it asks for through `struct consumer_out`.
 *
 * Two halves:
 *   durable   changed only by consumer_apply, from records in the stream's log, on every replica and
 *             in recovery: delivered, ack floor, pending, redelivered. No clock: times are in the records.
 *   working   the leader's: waiting pulls, the redelivery queue, timers, credit, flow control. Rebuilt
 *             from nothing after a restart or leader change.
 *
 * Class (architecture, "Consumers in the log"):
 *   replicated  every hand-out and ack is a record. A message leaves only after its hand-out has been
 *               applied: the machine proposes CONSUMER_RECORD_HANDOUT and asks for deliveries when
 *               that comes back through consumer_apply. At most one hand-out is in flight per consumer;
 *               it may carry many messages.
 *   volatile    ephemeral without acks: nothing is logged, deliveries are asked for at once. Also used
 *               for `direct` consumers.
 *   A durable consumer without acks hands out at once and proposes its position now and then
 *   (CONSUMER_RECORD_POSITION), so a restart may repeat some: that is what ack none says.
 *
 * Acks need no overlay: an ack is proposed as it comes (coalesced into runs within a turn) and takes
 * effect in apply, where it is idempotent.
 *
 * Sequences: `stream` counts in the stream, `consumer` counts delivery attempts from 1.
 * All times: log/monotonic ns as the callers give them; `now_ns` of working-half calls is monotonic
 * and never in a record; `time_ns` in records is log time (wall).
 */
#ifndef CONSUMERS_CONSUMER_H
#define CONSUMERS_CONSUMER_H

#include "base/buf.h"
#include "base/err.h"
#include "consumers/consumer_config.h"

struct consumer;

/* ---- what it may ask of its stream; answers are of the applied state ------------------------- */

struct consumer_message {
    uint64_t sequence;
    int64_t time_ns;
    uint32_t size; /* subject + headers + payload */
    struct bytes subject;
};

struct consumer_filter {
    const struct bytes *subjects;
    size_t count; /* 0: everything */
};

struct consumer_stream {
    void *owner;
    uint64_t (*first)(void *owner); /* first_seq of the stream's state */
    uint64_t (*last)(void *owner);  /* last_seq of the stream's state */
    bool (*get)(void *owner, uint64_t sequence, struct consumer_message *out);
    bool (*next)(void *owner, const struct consumer_filter *, uint64_t from, struct consumer_message *out);
    bool (*previous)(void *owner, const struct consumer_filter *, uint64_t up_to, struct consumer_message *out);
    bool (*first_at)(void *owner, int64_t time_ns, struct consumer_message *out);
    uint64_t (*pending)(void *owner, const struct consumer_filter *, uint64_t from);
    uint64_t (*pending_last)(void *owner, const struct consumer_filter *, uint64_t from, uint64_t up_to);
    bool (*is_last)(void *owner, uint64_t sequence, uint64_t up_to);
};

/* ---- what it asks its shell to do ---------------------------------------------------------------- */

struct consumer_delivery {
    uint64_t sequence;      /* the message; gone meanwhile: skip it */
    struct bytes to;        /* inbox or deliver subject */
    struct bytes ack_reply; /* $JS.ACK... for the message's reply field */
    bool headers_only;
};

enum consumer_advisory {
    ADVISORY_MAX_DELIVERIES, /* stream_seq, deliveries */
    ADVISORY_NAKED,          /* + consumer_seq */
    ADVISORY_TERMINATED,     /* + reason */
    ADVISORY_ACK_METRIC,     /* + ack_time_ns */
};

struct consumer_advice {
    enum consumer_advisory kind;
    uint64_t stream_seq, consumer_seq, deliveries;
    int64_t ack_time_ns;
    struct bytes reason;
};

struct consumer_out {
    void *owner;
    /* Adds a record to the batch the stream is gathering. The body already names the consumer. */
    void (*propose)(void *owner, uint8_t type, struct bytes body);
    /* Send the stored message. Deliveries and statuses of one consumer leave in the order asked for. */
    void (*deliver)(void *owner, const struct consumer_delivery *delivery);
    /* A message without payload: `headers` is the whole block; `reply` mostly empty (flow control). */
    void (*status)(void *owner, struct bytes to, struct bytes reply, struct bytes headers);
    /* An empty answer to an ack that asked for one: after everything proposed so far is committed and
     * applied, or at once. */
    void (*answer)(void *owner, struct bytes to, bool committed);
    void (*advise)(void *owner, const struct consumer_advice *advice);
    /* Does anyone listen on that literal subject? (pull inboxes) */
    bool (*interest)(void *owner, struct bytes subject);
    /* Inactive for its threshold: the shell proposes the deletion (or drops a volatile one). */
    void (*inactive)(void *owner);
    /* Call consumer_work at that monotonic time (replaces what was asked before; INT64_MAX: never). */
    void (*wake_at)(void *owner, int64_t deadline_ns);
};

/* ---- records (types in the stream's log; bodies are consumers/record.h's) ------------------------ */

#define CONSUMER_RECORD_FIRST    32u
#define CONSUMER_RECORD_HANDOUT  32u /* number, log time, runs of sequences, new or redelivery */
#define CONSUMER_RECORD_ACK      33u /* number, runs of sequences (ack all: one sequence and the flag) */
#define CONSUMER_RECORD_TERM     34u /* number, sequence */
#define CONSUMER_RECORD_DELAY    35u /* number, sequence, not before (log time) */
#define CONSUMER_RECORD_EXHAUST  36u /* number, sequence: max_deliver reached */
#define CONSUMER_RECORD_POSITION 37u /* number, delivered: of an ack-none durable */
#define CONSUMER_RECORD_LAST     37u
/* Every body starts with the u64 number of its consumer. */
uint64_t consumer_record_number(struct bytes body);

/* ---- life ------------------------------------------------------------------------------------------ */

/*
 * Made in apply of the consumer's creation, so the start position is resolved in log order. `number`
 * is unique within the stream for ever. Config is validated and has its defaults; it is deep-copied.
 * `created_ns`: log time. `ephemeral`: no durable name.
 */
struct consumer *consumer_create(uint64_t number, const struct consumer_config *config,
                                 int64_t created_ns, const struct consumer_stream *stream,
                                 const struct consumer_out *out, uint64_t seed);
void consumer_destroy(struct consumer *consumer);
/* Config update in apply; the rules have been checked. */
void consumer_update(struct consumer *consumer, const struct consumer_config *config);

const struct consumer_config *consumer_config(const struct consumer *consumer);
uint64_t consumer_number(const struct consumer *consumer);
struct bytes consumer_name(const struct consumer *consumer);
bool consumer_volatile(const struct consumer *consumer);
bool consumer_is_push(const struct consumer *consumer);
/* Filters as a set (0: everything); borrowed. */
struct consumer_filter consumer_filter(const struct consumer *consumer);
/* Lowest sequence that may still be delivered for the first time. */
uint64_t consumer_position(const struct consumer *consumer);

/* ---- durable half -------------------------------------------------------------------------------------- */

/* A record of this consumer has been applied (or recovered). ERR_CORRUPT: the body makes no sense;
 * nothing has changed. As leader, deliveries that waited for it are asked for now. */
enum err consumer_apply(struct consumer *consumer, uint8_t type, struct bytes body);
/* The stream stored / removed a message (called in apply, in order, only if it matches nothing is
 * fine: the machine checks). `removed` for every reason: limits, purge, delete, roll-up. */
void consumer_stored(struct consumer *consumer, const struct consumer_message *message);
void consumer_removed(struct consumer *consumer, const struct consumer_message *message);

/* ---- working half ---------------------------------------------------------------------------------------- */

/* Leadership begins (after recovery): timers start, pending entries get their deadlines. */
void consumer_lead(struct consumer *consumer, int64_t now_ns, int64_t log_now_ns);

/* A pull request (body of MSG.NEXT, `headers` may be empty) answered to `reply`. */
void consumer_request(struct consumer *consumer, int64_t now_ns, struct bytes reply,
                      struct bytes headers, struct bytes body);
/* Something was published to the consumer's ack subject. `subject` whole, `reply` may be empty. */
void consumer_ack(struct consumer *consumer, int64_t now_ns, int64_t log_now_ns, struct bytes subject,
                  struct bytes reply, struct bytes body);
/* Something was published to the flow-control subject ($JS.FC.<stream>.<consumer>.<id>). */
void consumer_flow(struct consumer *consumer, int64_t now_ns, struct bytes subject);
/* Push: whether the deliver subject has interest now (reference 4.5). */
void consumer_bound(struct consumer *consumer, int64_t now_ns, bool bound);
/* Once per turn while there may be something to do (new messages, acks, requests) and at the time
 * asked for by wake_at: flushes gathered acks into proposals, redelivers, plans and proposes a
 * hand-out (bounded per call; asks for another wake if there is more), expires pulls, heartbeats. */
void consumer_work(struct consumer *consumer, int64_t now_ns, int64_t log_now_ns);
/* The stream has something new that this consumer may want: cheap test before consumer_work. */
bool consumer_hungry(const struct consumer *consumer);
/* A proposal was refused (the disk): the hand-out in flight never happened. */
void consumer_refused(struct consumer *consumer, int64_t now_ns);
/* Being deleted: every waiting pull gets "409 Consumer Deleted". */
void consumer_say_deleted(struct consumer *consumer);

/* ---- looking at it ------------------------------------------------------------------------------------------ */

struct consumer_info {
    uint64_t delivered_consumer, delivered_stream;
    int64_t delivered_active_ns; /* log time, TIME_UNSET: none in this life */
    uint64_t floor_consumer, floor_stream;
    int64_t floor_active_ns;
    uint64_t num_ack_pending, num_redelivered, num_waiting, num_pending;
    bool push_bound;
    bool paused;
    int64_t created_ns;
};
void consumer_describe(struct consumer *consumer, int64_t now_ns, int64_t log_now_ns,
                       struct consumer_info *info);

/* The durable half as bytes, equal on all replicas, and back (state blocks, transfers, tests). */
void consumer_state_encode(const struct consumer *consumer, struct buf *out);
enum err consumer_state_decode(struct consumer *consumer, struct bytes state);

#endif
