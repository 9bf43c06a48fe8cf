/*
 * machine: what the parts of the consumer machine share (consumer.h is the contract with everyone
 * else). One file each: consumer.c life, start.c where it begins, apply.c the
 * durable half, count.c what is left, acks.c what clients answer, pulls.c waiting requests,
 * groups.c which of them may be served, plan.c the next hand-out, reset.c beginning anew, deliver.c
 * carrying it out, at_once.c both at once, bound.c the deliver subject, work.c time, state.c the
 * durable half as bytes, busy.c what is there only while there is something to do.
 */
#ifndef CONSUMERS_MACHINE_H
#define CONSUMERS_MACHINE_H

#include "base/arena.h"
#include "base/prng.h"
#include "base/text.h"
#include "base/timers.h"
#include "consumers/ack_subject.h"
#include "consumers/consumer.h"
#include "consumers/exhausted.h"
#include "consumers/flaws.h"
#include "consumers/gather.h"
#include "consumers/groups.h"
#include "consumers/hold.h"
#include "consumers/pending.h"
#include "consumers/progress.h"
#include "consumers/push.h"
#include "consumers/requests.h"
#include "consumers/status.h"

#define CONFIG_ARENA_MAX CONSUMER_CONFIG_ARENA_MAX /* a config came in one API request */
#define SCRATCH_MAX      (16u << 20) /* one record, state of it all is not built here */
#define ANSWERS_MAX      (256u << 10)

#define PLAN_MESSAGES_MAX 1024u /* in one hand-out */
#define PLAN_BYTES_MAX    (4u << 20)
#define SCAN_MAX          4096u  /* candidates looked at and passed over in one call */
#define EXPIRE_MAX        16384u /* deadlines looked at in one call */

#define REST_AFTER_NS 30000000000 /* a quiet machine gives back what it does not need */

#define POSITION_EVERY    1000u      /* unlogged deliveries per POSITION record, */
#define POSITION_AFTER_NS 1000000000 /* or this long after the first */

enum consumer_class {
    CLASS_REPLICATED, /* delivers after its hand-out is applied */
    CLASS_POSITION,   /* delivers at once, logs its position now and then */
    CLASS_VOLATILE,   /* delivers at once, logs nothing */
};

struct position {
    uint64_t consumer, stream;
};

/* Changed only in apply (and by deliveries of the unlogged classes). */
struct durable {
    struct position delivered;
    struct position floor;
    uint64_t snapshot_last; /* last_per_subject: what is not higher counts only if it is its
                             * subject's newest there; 0: no snapshot */
    uint32_t revision;      /* of the config, from 1 */
};

/* One message of the hand-out that is being planned or in flight. */
struct planned {
    uint64_t sequence;
    int64_t time_ns;
    struct request *request; /* NULL: push */
    uint32_t cost;           /* of a byte budget */
    uint32_t content;        /* bytes of headers and payload */
    bool fresh;
    bool ahead; /* is stored by the batch that the hand-out is in */
    bool gone;  /* left the stream since it was planned */
    bool told;  /* has left already, by a seeded bug */
};

struct plan {
    struct planned *at;
    size_t count, capacity;
    size_t fresh_from; /* the first new one; redeliveries come before */
    uint64_t bytes;
    uint64_t ahead; /* matching messages behind the applied state, once somebody counted them */
    bool ahead_counted;
    bool in_flight;
};

/* The leader's; starts from nothing in consumer_lead. */
struct working {
    bool dirty;       /* consumer_work has something to do now */
    bool planning;    /* replicated: consumer_hand_out has */
    bool caught_up;   /* nothing to hand out for the first time was found, and nothing came since */
    uint32_t to_size; /* of the deliver subject */
    bool plain;       /* nothing in the config keeps a message from leaving at once (live.c) */
    uint64_t next_from; /* where to look for the next new message */
    uint64_t stands;    /* before that message, which is damaged; 0: before none */
    struct {
        uint64_t from, to; /* what lies between was in memory then; 0, 0: nothing was asked */
        int64_t asked_ns;
    } ready;
    unsigned again_ready; /* redeliveries at the front of the queue, likewise */
    struct push push;
    int64_t plan_again_ns; /* something is held back until then (rate, replay) */
    int64_t active_ns;     /* last sign of life */
    uint64_t look;         /* numbers the looks at listeners */
    uint64_t lost_from;    /* pending entries from here on may have lost their message; 0: none */
    uint64_t unlogged;     /* deliveries since the last POSITION */
    int64_t swept_ns;      /* last sweep because max_waiting was reached */
    /* replay original */
    uint64_t replay_last;
    int64_t replay_time_ns, replay_sent_ns;
    /* acks of this turn */
    struct gather acks, terms, exhausts, unread, due;
    uint64_t unread_flying; /* records of what was unread that are not applied */
    uint64_t ack_all;       /* gathered: everything up to it */
    uint64_t settled_to;    /* ack all: pending up to here is settling */
    struct buf answers;     /* u32 size, reply; asked for when the records above are proposed */
    struct plan plan;
    struct requests requests;
    struct {
        uint64_t caught_up; /* what consumer_out said when those aside were last looked at */
        int64_t looked_ns;
    } aside;
    struct group_pin pin;
    /* stalls (hold.h) */
    int64_t still_ns;     /* since when nothing has been delivered that could be */
    uint64_t still_count; /* deliveries until then */
    bool stalled;         /* it was said */
    bool held;            /* there is something, but no waiting request may have it yet */
    struct timers timers;
    struct timer inactive_timer, resume_timer, position_timer;
};

/*
 * What a machine needs while it has something to do. There are thousands that have nothing: they
 * rest, and then `busy` is the one that all resting ones share (busy.c), which is as empty as it
 * looks and cannot be written. Whoever is about to change it wakes the machine first.
 */
struct busy {
    struct consumer *consumer;
    size_t prefix_size;
    char *prefix; /* of its ack subjects */
    /* the leader's */
    struct working work;
    struct prng prng;
    struct buf scratch; /* one record or header block at a time */
    /* durable */
    struct pending pending;
    struct exhausted exhausted;
};

/* What every delivery looks at comes first. */
struct consumer {
    uint64_t number;
    enum consumer_class class;
    uint32_t inactive_jitter_ns;
    uint8_t sample; /* acks in 100 */
    bool leading;
    bool until_acked;
    struct busy *busy;
    void *owner; /* of `out` */
    struct durable durable;
    uint64_t count;      /* num_pending: matching messages above durable.delivered, as leader */
    uint64_t counted_to; /* below it; COUNTED_NOTHING, COUNTED_ALL (count.c) */
    int64_t now_ns, log_now_ns;                   /* of the last call that knew them */
    int64_t delivered_active_ns, floor_active_ns; /* log times, for show */
    const struct consumer_stream *stream;
    const struct consumer_out *out;
    struct position logged; /* CLASS_POSITION: as all replicas know it */
    uint64_t seed;
    int64_t created_ns;
    /* config and what follows from it */
    struct consumer_filter filter;
    struct subject_set *filter_set; /* NULL: few filters */
    void *packed;                   /* what the config points to */
    struct consumer_config config;
};

static inline bool consumer_flawed(const struct consumer *c, enum consumer_flaw flaw)
{
    return (c->stream->flaws & flaw) != 0;
}

/* ---- busy.c ---------------------------------------------------------------------------------- */

void busy_begin_resting(struct consumer *c); /* of a new consumer */
bool busy_resting(const struct consumer *c);
/* `busy` is its own from now on; of a leader, as a leadership that begins now. Fine when it is. */
void busy_wake(struct consumer *c);
/* Gives it back: nothing is in it that somebody will ask for, or nobody will ask any more. */
void busy_rest(struct consumer *c);
/* Is nothing owed, asked, gathered or timed? */
bool busy_quiet(const struct consumer *c);
/* A leader of which nothing is known but what the log says may go on resting. */
bool busy_may_begin_resting(const struct consumer *c);
/* Sets what a leadership begins with, of a machine that is awake. */
void busy_begin(struct consumer *c);

/* ---- start.c --------------------------------------------------------------------------------- */

/* Sets delivered, floor and snapshot of a new consumer. */
void start_resolve(struct consumer *c);
/* Does the filter take that subject? */
bool start_matches(const struct consumer *c, struct bytes subject);

/* ---- count.c --------------------------------------------------------------------------------- */

#define COUNTED_NOTHING 0u
#define COUNTED_ALL     UINT64_MAX

/* Is c->count what is left? False: it is being counted, and nothing is handed out until then. */
bool count_ready(struct consumer *c);
bool count_under_way(const struct consumer *c);
/* Nothing is known any more: its position or its filters have changed. */
void count_forget(struct consumer *c);
/* c->count; of what is not known it is found at once, however long that takes. */
uint64_t count_all(struct consumer *c);
/* Of one that follows: the same, and nothing is kept. */
uint64_t count_from_stream(const struct consumer *c);
/* One of what is left was handed out. */
static inline void count_less(struct consumer *c)
{
    c->count -= c->count > 0;
}
/* As leader: a message that it has not had has left the stream. */
void count_removed(struct consumer *c, const struct consumer_message *message);

/* ---- acks.c ---------------------------------------------------------------------------------- */

/* Proposes what was gathered, then asks for the answers. */
void acks_flush(struct consumer *c);
/* What was proposed and not applied never happened: those entries wait again. */
void acks_refused(struct consumer *c);
/* Gathers the end of an entry: its message is gone; it was delivered as often as it may be. */
void acks_lost(struct consumer *c, uint32_t place);
/* Its message is gone and was never sent to anybody: nobody is told. */
void acks_unseen(struct consumer *c, uint32_t place);
void acks_exhaust(struct consumer *c, uint32_t place);
void acks_advise_lost(struct consumer *c, const struct pending_entry *entry);
/* Has the entry been delivered as often as it may be? */
bool acks_spent(const struct consumer *c, const struct pending_entry *entry);
/* How long an entry with so many deliveries waits for its ack; *usual: as most do. */
int64_t acks_wait(const struct consumer_config *config, uint32_t deliveries, bool *usual);
void acks_arm(struct consumer *c, uint32_t place, int64_t now_ns);
/* What cannot be read now, or may not have been delivered as often as it says, is looked at again
 * soon. */
void acks_look_again(struct consumer *c, uint32_t place);
/* The hand-outs since when wait to leave? (consumer_out.waits_since) */
int64_t acks_unsent_since(const struct consumer *c);
/* May the last delivery of the entry, which waits for its ack, be one of those? When in doubt it
 * is. */
bool acks_unsent(const struct pending_entry *entry, int64_t since_ns);
/* Ack policy flow_control: the receiver has everything up to that message. */
void acks_confirmed(struct consumer *c, uint64_t sequence);

/* ---- pulls.c --------------------------------------------------------------------------------- */

/* Ends a request: it is told `status` (STATUS_NONE: nothing) when nothing is in flight for it. */
void pulls_close(struct consumer *c, struct request *request, enum status status);
/* A message is planned for a waiting request. */
void pulls_taken(struct consumer *c, struct request *request, uint32_t cost);
/* A planned message was delivered (or could not be and never will). */
void pulls_landed(struct consumer *c, struct request *request);
/* A planned message did not happen. */
void pulls_returned(struct consumer *c, struct request *request, uint32_t cost);
/* Nobody will ever know what became of a planned message. */
void pulls_abandoned(struct consumer *c, struct request *request, enum status status);
/* The next request that takes a message of that cost; drops those nobody listens for, ends those
 * whose budget it exceeds, passes over those whose group does not admit them now, and sets aside
 * those whose client is behind. NULL: none. */
struct request *pulls_next(struct consumer *c, uint32_t cost);
/* Is there a request that somebody listens for? */
bool pulls_any(struct consumer *c);
/* Those that were set aside come back if their clients have room now. */
void pulls_recall(struct consumer *c);
/* There is something for those aside alone: they are looked at again soon. */
void pulls_recall_later(struct consumer *c);
bool pulls_listened(struct consumer *c, struct request *request);
/* The end of the stream, or a damaged message before which it stands, was reached: requests that do
 * not wait are told so. */
void pulls_end_reached(struct consumer *c);
void pulls_due(struct consumer *c, int64_t now_ns);
/* Drops what has expired or has no listener. */
void pulls_sweep(struct consumer *c, int64_t now_ns);
/* Everyone waiting is told, or nobody when STATUS_NONE. */
void pulls_end_all(struct consumer *c, enum status status);

/* ---- plan.c ---------------------------------------------------------------------------------- */

/* Could a hand-out be made now? */
bool plan_wanted(const struct consumer *c);
/* Plans a hand-out if there is something for somebody, and proposes it or carries it out. */
void plan_hand_out(struct consumer *c);
/* Matching messages that have not been handed out, as of the batch that is gathered. */
uint64_t plan_count_tail(struct consumer *c);
/* The hand-out in flight did not happen: everyone gets back what they gave. */
void plan_void(struct consumer *c);
/* It is applied. */
void plan_done(struct consumer *c);
/* The machine stops leading: forgets it. Requests that waited only for it are told `status`. */
void plan_forget(struct consumer *c, enum status status);
/* A message left the stream: if it is a new one in flight it is marked. True: it is. */
bool plan_removed(struct consumer *c, uint64_t sequence);
/* The highest new sequence that is delivered or in flight. */
uint64_t plan_taken(const struct consumer *c);
uint64_t plan_fresh_in_flight(const struct consumer *c);
/* The next message that has never been handed out; plan_passed: it is now. */
enum plan_found {
    FOUND,
    FOUND_END,     /* nothing is left: the end of the stream */
    FOUND_BLOCKED, /* max_ack_pending, or held back for a time */
    FOUND_MORE,    /* looked at enough for now */
};
enum plan_found plan_next(struct consumer *c, struct consumer_message *message);
void plan_passed(struct consumer *c, const struct consumer_message *message);
/* Would something be handed out if there were something? */
bool plan_demand(const struct consumer *c);
bool plan_paused(const struct consumer *c);
/* Is it known that the message cannot be read now? */
bool plan_damaged(const struct consumer *c, uint64_t sequence);
/* Are as many acks owed as may be? */
bool plan_acks_full(const struct consumer *c);

/* ---- deliver.c ------------------------------------------------------------------------------- */

/* The hand-out of a message is true now: asks for its delivery. The entry at `place` (0: none, no
 * acks) starts to wait for its ack. */
void deliver_planned(struct consumer *c, const struct planned *planned, uint32_t place,
                     uint64_t deliveries);
/* `stalled`: the flow-control request that is out, or empty. */
void deliver_heartbeat(struct consumer *c, struct bytes to, struct bytes stalled);
/* A seeded bug: what is proposed and stored leaves, as if it were applied. */
void deliver_early(struct consumer *c);
/* Carries out a plan that is not logged. */
void deliver_unlogged(struct consumer *c);
/* Hands out to the deliver subject without a plan: nothing is logged, and what is found leaves as
 * it is found. True: there may be more. */
bool at_once_hand_out(struct consumer *c);
/* What it costs of a byte budget: with the ack subject it will have if nothing comes between. */
uint32_t deliver_cost(struct consumer *c, const struct consumer_message *message,
                      uint64_t deliveries);

/* ---- bound.c: the machine's side of push.h --------------------------------------------------- */

void bound_start(struct consumer *c);
void bound_reset(struct consumer *c); /* nothing is outstanding */
void bound_limit(struct consumer *c); /* (re)starts the rate limit */
/* May a message of that many bytes go to the deliver subject now? Else plan_again_ns may be set. */
bool bound_takes(struct consumer *c, uint64_t bytes);
void bound_delivered(struct consumer *c, uint64_t bytes);

/* ---- live.c ---------------------------------------------------------------------------------- */

/* Does nothing in its config keep a message from leaving at once? */
bool live_plain(const struct consumer *c);

/* ---- reset.c --------------------------------------------------------------------------------- */

enum err reset_apply(struct consumer *c, struct bytes body);

/* ---- work.c ---------------------------------------------------------------------------------- */

/* (Re)starts the timers that follow from the config. */
void work_start_timers(struct consumer *c);
void work_arm_inactive(struct consumer *c);
void work_dirty(struct consumer *c);
/* A record of this consumer was applied: there may be room for the next hand-out. */
void work_applied(struct consumer *c);
/* Messages were delivered that no record tells of. */
void work_unlogged(struct consumer *c, uint64_t count);
/* As it stands, without looking who still listens. */
void work_describe(struct consumer *c, int64_t log_now_ns, struct consumer_info *info);
/* A sign of life. */
void work_active(struct consumer *c, int64_t now_ns);

#endif
