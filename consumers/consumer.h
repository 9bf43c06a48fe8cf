/*
 * consumer: one consumer's machine, without I/O, clock or sockets: what has been handed out, what
 * is owed, who waits, and what must happen next. The stream machine's shell (server/stream) feeds
 * it events and carries out what it asks for through `struct consumer_out`.
 *
 * Two halves:
 *   durable   changed only in apply (consumer_apply, _update, _removed), on every replica and in
 *             recovery: delivered, ack floor, pending, redelivered. No clock: times are in the
 *             records.
 *   working   the leader's: waiting pulls, the redelivery queue, timers, credit, flow control.
 *             Rebuilt from nothing after a restart or leader change.
 *
 * Class (architecture, "Consumers in the log"):
 *   replicated  every hand-out and ack is a record. A message leaves only after its hand-out has
 *               been applied: the machine proposes CONSUMER_RECORD_HANDOUT (consumer_hand_out) and
 *               asks for deliveries when that comes back through consumer_apply. At most one
 *               hand-out is in flight per consumer; it may carry many messages.
 *   volatile    ephemeral without acks and kept in memory, or `direct`: nothing is logged,
 *               deliveries are asked for at once.
 *   Any other consumer without acks hands out at once and proposes its position now and then
 *   (CONSUMER_RECORD_POSITION), so a restart may repeat some: that is what ack none says. Repeated
 *   ones have consumer sequences that an ordered reader has seen, and it begins anew from its own.
 *   On a stream whose messages live until acknowledged (`until_acked`) every consumer is
 *   replicated, because there a delivery without ack removes the message.
 *
 * Acks need no overlay: an ack is proposed as it comes (coalesced into runs within a turn) and
 * takes effect in apply, where it is idempotent. A hand-out names the config revision that it was
 * planned under: one that meets a newer config in apply is void, and planned again.
 *
 * Sequences: `stream` counts in the stream, `consumer` counts delivery attempts from 1.
 * Who is not asked for an ack of each message is not handed what stands behind a damaged one: it
 * would never get that one, or not learn that it has not. It waits until the message can be read or
 * has left the stream, and its heartbeats say which it is.
 *
 * All times: log/monotonic ns as the callers give them; `now_ns` is monotonic and never in a
 * record; `time_ns` in records is log time (wall).
 *
 * Calls of `consumer_out` are made from inside consumer_* calls and must not call back into the
 * same consumer, with one exception: `settled` may lead to consumer_removed of that message.
 */
#ifndef CONSUMERS_CONSUMER_H
#define CONSUMERS_CONSUMER_H

#include "base/buf.h"
#include "base/err.h"
#include "consumers/ack_subject.h"
#include "consumers/consumer_config.h"
#include "consumers/hold.h"

struct consumer;

/* ---- what it may ask of its stream --------------------------------------------------------------
 * Answers are of the applied state. Only when asked from inside consumer_hand_out, `next` and `get`
 * may go on behind it with what is gathered for the batch that leaves next: then a hand-out rides
 * in the batch of its messages, and is refused with them or not at all.
 */

struct consumer_message {
    uint64_t sequence;
    int64_t time_ns;
    uint32_t size;       /* subject + headers + payload */
    uint32_t place_size; /* 0: it does not say where */
    uint64_t place;      /* where the stream has it, as long as nothing is applied: given back with
                          * a delivery that is asked for in the same call */
    struct bytes subject;
};

struct consumer_filter {
    const struct bytes *subjects;
    size_t count;                  /* 0: everything */
    const struct subject_set *set; /* of the subjects, when they are many; else NULL */
};

struct consumer_stream {
    void *owner;
    struct bytes name;              /* for ack subjects */
    bool until_acked;               /* interest or work-queue retention */
    uint32_t message_max;           /* largest message it takes: the burst of a rate limit */
    uint64_t flaws;                 /* consumers/flaws.h; 0 in real life */
    uint64_t (*first)(void *owner); /* first_seq of the stream's state */
    uint64_t (*last)(void *owner);  /* last_seq of the stream's state */
    bool (*get)(void *owner, uint64_t sequence, struct consumer_message *out);
    bool (*next)(void *owner, const struct consumer_filter *, uint64_t from,
                 struct consumer_message *out);
    /* Is what `next` reads from there on in memory? 0: it is, for `from` up to *to and a second;
     * else after how many nanoseconds it is worth asking again. NULL: it always is. */
    int64_t (*ready)(void *owner, const struct consumer_filter *, uint64_t from, int64_t now_ns,
                     uint64_t *to);
    /* The same of what `get` reads of these. */
    int64_t (*here)(void *owner, const uint64_t *sequences, size_t count, int64_t now_ns);
    /* How many matching ones, from `from` on, `next` finds behind the applied state. */
    uint64_t (*ahead)(void *owner, const struct consumer_filter *, uint64_t from);
    bool (*previous)(void *owner, const struct consumer_filter *, uint64_t up_to,
                     struct consumer_message *out);
    bool (*first_at)(void *owner, int64_t time_ns, struct consumer_message *out);
    /* How many match with a sequence >= from; pending_last: only those <= up_to that are the newest
     * of their subject at or below up_to. */
    uint64_t (*pending)(void *owner, const struct consumer_filter *, uint64_t from);
    uint64_t (*pending_last)(void *owner, const struct consumer_filter *, uint64_t from,
                             uint64_t up_to);
    bool (*is_last)(void *owner, uint64_t sequence, uint64_t up_to);
    /* Is it known that the message cannot be read now? It may be later. NULL: none ever is. */
    bool (*damaged)(void *owner, uint64_t sequence);
    /* In parts of bounded work; NULL: what is above serves. `count`: all from `from` on, at or
     * below `snapshot` only the newest of their subject there; false: that is more work than one
     * part. `count_part`: adds those from *next on, and sets *next to where it goes on; true: that
     * was all. What is stored or removed between two parts the consumer is told. */
    bool (*count)(void *owner, const struct consumer_filter *, uint64_t from, uint64_t snapshot,
                  uint64_t *count);
    bool (*count_part)(void *owner, const struct consumer_filter *, uint64_t snapshot,
                       uint64_t *next, uint64_t *count);
};

/* ---- what it asks its shell to do ------------------------------------------------------------ */

struct consumer_delivery {
    uint64_t sequence;      /* the message; gone meanwhile: skip it */
    struct bytes to;        /* inbox or deliver subject */
    struct bytes ack_reply; /* $JS.ACK... for the message's reply field */
    struct bytes headers;   /* lines that it gets behind its own; mostly empty */
    uint64_t place;         /* as the stream has just said; place_size 0: it has not */
    uint32_t place_size;
    bool headers_only;
    uint32_t size;     /* of the message's headers and payload */
    int64_t handed_ns; /* log time of its hand-out; see `waits_since` */
};

/* Who listens on an inbox. */
enum consumer_interest {
    INTEREST_NONE,
    INTEREST_READY,
    INTEREST_BEHIND, /* somebody who has so much to read already that more had better wait */
};

enum consumer_advisory {
    ADVISORY_MAX_DELIVERIES, /* stream_seq, deliveries */
    ADVISORY_NAKED,          /* + consumer_seq */
    ADVISORY_TERMINATED,     /* + reason */
    ADVISORY_ACK_METRIC,     /* + ack_time_ns */
    ADVISORY_RESUMED,        /* pause_until_ns, which has passed */
    ADVISORY_PINNED,         /* group, pin */
    ADVISORY_UNPINNED,       /* group, reason */
};

struct consumer_advice {
    enum consumer_advisory kind;
    uint64_t stream_seq, consumer_seq, deliveries;
    int64_t ack_time_ns;
    int64_t pause_until_ns;
    struct bytes reason;
    struct bytes group, pin;
};

struct consumer_info;

/* Each is called with the owner that the consumer was created with. */
struct consumer_out {
    /* Adds a record to the batch the stream is gathering. The body already names the consumer.
     * Never applied from inside this call. */
    void (*propose)(void *owner, uint8_t type, struct bytes body);
    /* Send the stored message. Deliveries and statuses of one consumer leave in the order asked
     * for. */
    void (*deliver)(void *owner, const struct consumer_delivery *delivery);
    /* Does so much wait for the receiver already that what is not logged had better stay where it
     * is? NULL: never. */
    bool (*behind)(void *owner);
    /* Of what was asked for, how many bytes have not left? NULL: all have. */
    uint64_t (*unsent)(void *owner);
    /* Deliveries leave in the order asked for: when was the first handed out that has not left
     * yet? INT64_MAX: all have left. NULL: each leaves as it is asked for. */
    int64_t (*waits_since)(void *owner);
    /* A message without payload: `headers` is the whole block; `reply` mostly empty (flow
     * control). */
    void (*status)(void *owner, struct bytes to, struct bytes reply, struct bytes headers);
    /* An empty answer to an ack that asked for one: after everything proposed so far is committed
     * and applied, or at once. */
    void (*answer)(void *owner, struct bytes to, bool committed);
    void (*advise)(void *owner, const struct consumer_advice *advice);
    /* Does anyone listen on that literal subject? (pull inboxes) */
    enum consumer_interest (*interest)(void *owner, struct bytes subject);
    /* Another number whenever somebody of whom `interest` has said that he is behind is so no
     * more, or has gone. NULL: nobody ever is. */
    uint64_t (*caught_up)(void *owner);
    /* Inactive for its threshold: the shell proposes the deletion (or drops a volatile one). */
    void (*inactive)(void *owner);
    /* Call consumer_work at that monotonic time (replaces what was asked before; INT64_MAX:
     * never). */
    void (*wake_at)(void *owner, int64_t deadline_ns);
    /* Call consumer_count_part in one turn after the other until it says so. */
    void (*counting)(void *owner);
    /* As leader: for half a minute nothing was delivered though there are messages and somebody who
     * asks; or that is over (info->stalled_s is 0). NULL: nobody wants to know. */
    void (*stalled)(void *owner, const struct consumer_info *info);
    /* In apply, on every replica, leading or not: this consumer is done with that message (acked,
     * terminated, or delivered without acks on an until_acked stream). Exhausted ones are not
     * settled. */
    void (*settled)(void *owner, uint64_t sequence);
};

/* ---- records (types in the stream's log; bodies are consumers/progress.h's) ------------------ */

#define CONSUMER_RECORD_FIRST    32u
#define CONSUMER_RECORD_HANDOUT  32u /* log time, revision, runs: redeliveries, new sequences */
#define CONSUMER_RECORD_ACK      33u /* runs of sequences, or (ack all) everything up to one */
#define CONSUMER_RECORD_TERM     34u /* runs: terminated, or acked after they were exhausted */
#define CONSUMER_RECORD_DELAY    35u /* sequence, not before (log time) */
#define CONSUMER_RECORD_EXHAUST  36u /* runs: max_deliver reached */
#define CONSUMER_RECORD_POSITION 37u /* delivered: of an ack-none durable */
#define CONSUMER_RECORD_RESET    38u /* sequence to begin with anew */
#define CONSUMER_RECORD_UNREAD   39u /* runs: handed out, but could not be read */
#define CONSUMER_RECORD_LAST     39u
/* Every body starts with the u64 number of its consumer. */
uint64_t consumer_record_number(struct bytes body); /* 0: too short to hold one */

/* ---- life ------------------------------------------------------------------------------------ */

/* Would such a consumer be volatile (its creation is not logged either)? */
bool consumer_config_volatile(const struct consumer_config *config, bool until_acked);

/*
 * Made in apply of the consumer's creation, so the start position is resolved in log order.
 * `number` is unique within the stream for ever. Config is validated and has its defaults; it is
 * deep-copied. `created_ns`: log time. `stream` and `out` are shared by many and outlive it;
 * `stream->until_acked` is read here only (consumer_retained). It does nothing of its own before
 * consumer_lead.
 */
struct consumer *consumer_create(uint64_t number, const struct consumer_config *config,
                                 int64_t created_ns, const struct consumer_stream *stream,
                                 const struct consumer_out *out, void *owner, uint64_t seed);
void consumer_destroy(struct consumer *consumer);
/* Config update in apply; the rules have been checked. Times as in consumer_apply. */
void consumer_update(struct consumer *consumer, int64_t now_ns, int64_t log_now_ns,
                     const struct consumer_config *config);

/*
 * RESET: may it begin anew with `asked` (0: behind its ack floor)? NULL, and *next is where; else
 * why not. The shell logs the record that consumer_reset_write makes (false: no room) while no
 * hand-out is in flight, and applies it; of a volatile consumer it only applies it.
 */
const char *consumer_reset_check(const struct consumer *consumer, uint64_t asked, uint64_t *next);
bool consumer_reset_write(const struct consumer *consumer, uint64_t next, struct buf *out);

/* Of its config: 1 at creation, higher with every update and reset. */
uint32_t consumer_revision(const struct consumer *consumer);
/* Would the update change its filters? */
bool consumer_refilters(const struct consumer *consumer, const struct consumer_config *config);
/* In apply: from now on the stream's messages live until they are acknowledged, or do so no more.
 * What a consumer without acks delivered and did not log is delivered again. Not for volatile ones,
 * which there are none of on such a stream. Times as in consumer_apply. */
void consumer_retained(struct consumer *consumer, int64_t now_ns, int64_t log_now_ns,
                       bool until_acked);

const struct consumer_config *consumer_config(const struct consumer *consumer);
uint64_t consumer_number(const struct consumer *consumer);
struct bytes consumer_number_key(const struct consumer *consumer); /* its bytes, borrowed */
int64_t consumer_created(const struct consumer *consumer);         /* log time */
struct bytes consumer_name(const struct consumer *consumer);
bool consumer_volatile(const struct consumer *consumer);
bool consumer_is_push(const struct consumer *consumer);
/* Does it hold no more than what the log says of it? A pull consumer that nobody has asked for
 * anything, or not for half a minute, and that is owed nothing. */
bool consumer_resting(const struct consumer *consumer);
/* As leader: does anyone listen on its deliver subject? */
bool consumer_is_bound(const struct consumer *consumer);
/* Filters as a set (0: everything); borrowed. */
struct consumer_filter consumer_filter(const struct consumer *consumer);
/* The filters that a config says. */
struct consumer_filter consumer_filter_of(const struct consumer_config *config);
/* Lowest sequence that may still be delivered for the first time. */
uint64_t consumer_position(const struct consumer *consumer);
/* Up to there it wants only what is the newest of its subject; 0: nowhere. */
uint64_t consumer_snapshot(const struct consumer *consumer);
/* Somebody has counted what it wants from that sequence on, so that it need not. Nothing happens if
 * it is somewhere else by now. */
void consumer_counted(struct consumer *consumer, uint64_t from, uint64_t count);
/*
 * What a leader has left for it is counted when it is first wanted, and follows the stream from
 * then on. Where that is much work it is done in parts, one for each call; meanwhile nothing is
 * handed out. consumer_is_counted: is it known? False: it is being counted now.
 */
bool consumer_is_counted(struct consumer *consumer);
bool consumer_count_part(struct consumer *consumer); /* true: it is done, or needs no counting */
/* Until_acked streams: is this consumer still owed that message, which is in the stream (reference
 * 6.7)? Of the durable half. */
bool consumer_needs(const struct consumer *consumer, const struct consumer_message *message);
/* Of a message that was handed out: is it still to be settled? Always true without acks. */
bool consumer_owes(const struct consumer *consumer, uint64_t sequence);

/* ---- durable half ---------------------------------------------------------------------------- */

/*
 * A record of this consumer is applied (or recovered). `now_ns` is for the leader's timers only;
 * anyone else passes 0. As leader, deliveries that waited for the record are asked for now.
 * ERR_CORRUPT: the body makes no sense here. Nothing has changed.
 */
enum err consumer_apply(struct consumer *consumer, int64_t now_ns, uint8_t type, struct bytes body);
/*
 * The stream stored / removed a message: called in apply, in log order, for every message (the
 * machine looks whether it matches). `removed` is for every reason (limits, purge, delete, roll-up,
 * settled) and comes after that message has left the stream's answers and before the next one
 * leaves them.
 */
void consumer_stored(struct consumer *consumer, const struct consumer_message *message);
void consumer_removed(struct consumer *consumer, const struct consumer_message *message);
/*
 * Instead of consumer_stored, of a push consumer whose filters take the message: may the message,
 * which was just stored, leave at once? True: it counts as delivered, with that ack subject, and
 * the caller sends it before anything that is asked for later. False: nothing has changed.
 */
bool consumer_live(struct consumer *consumer, int64_t now_ns, int64_t log_now_ns,
                   const struct consumer_message *message, char reply[static ACK_SUBJECT_MAX],
                   size_t *reply_size);
/* One of many that will be asked soon: what it is asked for should be at hand then. */
void consumer_live_soon(const struct consumer *consumer);

/* A purge was applied, of whatever subjects, and `first` is the stream's first sequence now: what
 * is below counts as delivered and acked. */
void consumer_purged(struct consumer *consumer, uint64_t first);

/* ---- working half ---------------------------------------------------------------------------- */

/* Leadership begins (after recovery, and at creation on the leader): the working half starts from
 * nothing, timers start, pending entries get their deadlines. Call consumer_work soon. */
void consumer_lead(struct consumer *consumer, int64_t now_ns, int64_t log_now_ns);

/* Leadership is lost: waiting pulls, timers and the hand-out in flight are forgotten, nobody is
 * told. */
void consumer_follow(struct consumer *consumer);

/* A pull request (body of MSG.NEXT, `headers` may be empty) answered to `reply`. */
void consumer_request(struct consumer *consumer, int64_t now_ns, struct bytes reply,
                      struct bytes headers, struct bytes body);
/* Something was published to the consumer's ack subject. `subject` whole, `reply` may be empty. */
void consumer_ack(struct consumer *consumer, int64_t now_ns, int64_t log_now_ns,
                  struct bytes subject, struct bytes reply, struct bytes body);
/* Something was published to the flow-control subject ($JS.FC.<stream>.<consumer>.<id>). With ack
 * policy flow_control its headers say up to where all is acknowledged. */
void consumer_flow(struct consumer *consumer, int64_t now_ns, int64_t log_now_ns,
                   struct bytes subject, struct bytes headers);
/* The client that is pinned no longer is, and the next request may be. `group` is one of the
 * config's. */
void consumer_unpin(struct consumer *consumer, int64_t now_ns, int64_t log_now_ns,
                    struct bytes group);
/* A delivery that was asked for could not be read: it was none, and does not count towards
 * max_deliver. Who acks each message gets it when it can be read. */
void consumer_unread(struct consumer *consumer, int64_t now_ns, uint64_t sequence);
/* Push: whether the deliver subject has interest now (reference 4.5). */
void consumer_bound(struct consumer *consumer, int64_t now_ns, bool bound);
/* Once per turn while there may be something to do (new messages, acks, requests) and at the time
 * asked for by wake_at: flushes gathered acks into proposals, queues redeliveries, expires pulls,
 * heartbeats; hands out, unless replicated (bounded per call; asks for another wake if there is
 * more). */
void consumer_work(struct consumer *consumer, int64_t now_ns, int64_t log_now_ns);
/* Would consumer_work do something before the time asked for by wake_at? Cheap. */
bool consumer_hungry(const struct consumer *consumer);
/*
 * Replicated: a hand-out is planned when the batch that is gathered leaves, so that it takes in all
 * that came until then. consumer_hand_out does it, right before; where consumer_planning says no
 * there is nothing to plan. consumer_offered: messages are gathered that `next` will let it see.
 */
void consumer_offered(struct consumer *consumer);
bool consumer_planning(const struct consumer *consumer);
/* Planning: are so many acks owed that there is more to hand out, and asked for, than may be? */
bool consumer_short_of_acks(const struct consumer *consumer);
void consumer_hand_out(struct consumer *consumer, int64_t now_ns, int64_t log_now_ns);
/* Proposals were refused (the disk): everything proposed and not applied never happened. */
void consumer_refused(struct consumer *consumer, int64_t now_ns);
/* As consumer_follow, and every waiting pull gets "409 Leadership Change". */
void consumer_say_follow(struct consumer *consumer);
/* The server ends: every waiting pull gets "409 Server Shutdown". False: none waited. */
bool consumer_say_shutdown(struct consumer *consumer);
/* Being deleted: every waiting pull gets "409 Consumer Deleted". */
void consumer_say_deleted(struct consumer *consumer);

/* ---- looking at it --------------------------------------------------------------------------- */

struct consumer_info {
    uint64_t delivered_consumer, delivered_stream;
    int64_t delivered_active_ns; /* log time, TIME_UNSET: none in this life */
    uint64_t floor_consumer, floor_stream;
    int64_t floor_active_ns;
    uint64_t num_ack_pending, num_redelivered, num_waiting, num_pending;
    bool push_bound;
    bool paused;
    int64_t pause_remaining_ns; /* 0: not paused */
    int64_t created_ns;
    struct bytes
        pin; /* of the priority group; empty: nobody is pinned. Good until the next call. */
    int64_t pinned_ns;
    enum consumer_hold hold;
    uint64_t damaged;   /* HOLD_DAMAGED: the message before which it stands */
    uint64_t stalled_s; /* for how long nothing has moved that could; 0: it does */
};
/* num_waiting sweeps requests that have expired or lost their listener. Also for followers. What is
 * left is counted at once if it is not known (consumer_is_counted). */
void consumer_describe(struct consumer *consumer, int64_t now_ns, int64_t log_now_ns,
                       struct consumer_info *info);

/* The durable half as bytes, equal on all replicas, and back (state blocks, transfers, tests):
 * decode on a consumer made with the same config, before consumer_lead. ERR_CORRUPT: nothing has
 * changed. */
bool consumer_state_encode(const struct consumer *consumer, struct buf *out); /* false: full */
enum err consumer_state_decode(struct consumer *consumer, struct bytes state);

#endif
