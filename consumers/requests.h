/*
 * requests: the pull requests that wait for messages, in the order in which they are served: first
 * come, first served, and whoever got a message and wants more goes to the end (reference consumers
 * 5.6). A set may be ordered by priority: then the end and the beginning are those of a priority.
 *
 * A request waits (it may get messages) until it is taken off the list. It lives on while messages
 * planned for it are in flight, so that what it is told at its end comes after them. Finished ones
 * are kept for reuse: a steady consumer allocates nothing.
 *
 * One whose client does not keep up is set aside: it waits on, but nobody comes upon it in the
 * list, so that however many there are cost the others nothing. It comes back to the place that it
 * had.
 */
#ifndef CONSUMERS_REQUESTS_H
#define CONSUMERS_REQUESTS_H

#include "base/timers.h"
#include "consumers/groups.h"
#include "consumers/pull.h"
#include "consumers/status.h"

#define REQUEST_REPLY_INLINE 88u
#define REQUESTS_SPARE_MAX   64u

struct requests;

struct request {
    struct request *previous, *next; /* while it waits, in one of the two lists; spare: next */
    struct request *due_next;
    struct requests *set;
    struct timer timer; /* the earlier of its end and its heartbeat */
    int64_t rank;       /* the list is in this order, of one priority */
    uint64_t remaining; /* messages it may still be given */
    uint64_t bytes_left;
    uint64_t served;     /* messages planned for it */
    uint64_t looked;     /* the look at which its listener was last checked */
    int64_t deadline_ns; /* TIMERS_NEVER: none */
    int64_t heartbeat_ns;
    int64_t active_ns; /* last message or heartbeat */
    uint32_t in_flight;
    bool waiting;
    bool aside; /* it waits, but not in the list */
    bool no_wait;
    bool batch_given;
    bool budgeted; /* has a byte budget */
    bool returned; /* got less than was planned since it stopped waiting */
    bool listened;
    bool behind; /* who listens has much to read already */
    bool due;    /* its timer has fired */
    bool pinned; /* it names a pin, or was given one */
    uint8_t priority;
    char pin[GROUP_PIN_SIZE];
    uint64_t min_pending, min_ack_pending;
    enum status closing; /* said when nothing is in flight any more */
    struct bytes reply;  /* in `text`, or on the heap when it is long */
    uint8_t text[REQUEST_REPLY_INLINE];
};

struct request_list {
    struct request *first, *last;
};

struct requests {
    struct request_list ready; /* to be served */
    struct request_list aside; /* not now */
    int64_t rank_first, rank_last;
    uint64_t count;     /* waiting, in either list */
    uint64_t wanted;    /* the sum of what those in `ready` may still be given */
    uint64_t one_shots; /* waiting with no_wait */
    uint64_t budgeted;  /* waiting with a byte budget */
    bool prioritized;   /* they wait by priority, and only then in their order */
    struct request *spare;
    uint64_t spare_count;
    struct request *due;
    struct timers *timers;
};

/* `timers` outlives the set; its owner runs it. */
void requests_init(struct requests *requests, struct timers *timers);
/* Nothing may be in flight. */
void requests_deinit(struct requests *requests);

/* Waits at the end. `reply` is copied. */
struct request *requests_add(struct requests *requests, const struct pull *pull, struct bytes reply,
                             int64_t now_ns);
/* One message (or what it costs) is planned for it / did not happen. A waiting one that may have
 * more goes to the end; one that is filled no longer waits. */
void requests_take(struct requests *requests, struct request *request, uint64_t bytes);
void requests_return(struct requests *requests, struct request *request, uint64_t bytes);
/* No longer waits; lives on. Fine when it does not wait. */
void requests_stop(struct requests *requests, struct request *request);
/* It was its turn, and it could not have what there was: it goes to the end. */
void requests_pass(struct requests *requests, struct request *request);
/* A waiting one leaves the list / comes back to where it was in it. */
void requests_set_aside(struct requests *requests, struct request *request);
void requests_take_back(struct requests *requests, struct request *request);
/* Waits again, as the first. */
void requests_resume(struct requests *requests, struct request *request);
/* Forgets one that neither waits nor has anything in flight. */
void requests_give(struct requests *requests, struct request *request);

/* One whose deadline or heartbeat time came since the timers ran; NULL: no more. */
struct request *requests_due(struct requests *requests);
/* Sets the timer for what comes next. */
void requests_arm(struct requests *requests, struct request *request);

/* What it is told that it did not get. */
static inline uint64_t request_missing(const struct request *request)
{
    return request->batch_given ? request->remaining
                                : request->remaining - (request->remaining > 0);
}

#endif
