/*
 * push: the state of a deliver subject: whether anyone listens, how many bytes it has not yet
 * confirmed (flow control), how fast it may go (rate limit) and when it was last heard of
 * (heartbeats). Reference consumers 4.5 to 4.8. Pure; the machine asks it and tells it.
 */
#ifndef CONSUMERS_PUSH_H
#define CONSUMERS_PUSH_H

#include "base/bytes.h"
#include "base/prng.h"
#include "base/timers.h"

#define PUSH_WINDOW_MAX   (32u << 20)
#define PUSH_WINDOW_FIRST (2u << 20)
#define PUSH_FLOW_ID      4u

struct push {
    bool bound;
    /* flow control */
    uint64_t window;      /* 0: off */
    uint64_t outstanding; /* bytes sent and not confirmed */
    uint64_t asked;       /* of them, covered by the request that is out */
    size_t flow_size;     /* of the subject of that request; 0: none is out */
    char *flow;           /* owned; NULL until the first one: most never ask */
    /* rate limit, in bytes */
    uint64_t rate; /* per second; 0: none */
    uint64_t burst;
    int64_t credit_ns; /* what is saved up, as time at that rate; may be owed (negative) */
    int64_t credit_at_ns;
    /* heartbeats */
    struct timer heartbeat;
    int64_t sent_ns; /* last message or heartbeat */
};

void push_deinit(struct push *push);

/* Window and rate as they are at the start. */
void push_flow_start(struct push *push);
void push_rate_start(struct push *push, uint64_t bits_per_second, uint64_t burst, int64_t now_ns);

/* May another message go, as far as flow control is concerned, after `ahead` bytes already
 * planned? */
bool push_window_open(const struct push *push, uint64_t ahead);
/* Counts a message that went. True: ask the receiver for a confirmation (push_ask). */
bool push_sent(struct push *push, uint64_t bytes);
/* Makes the subject of a new request: "$JS.FC.<stream>.<consumer>.<id>". */
struct bytes push_ask(struct push *push, struct prng *prng, struct bytes stream,
                      struct bytes consumer);
/* The unanswered request, or empty. */
struct bytes push_asked(const struct push *push);
/* Something was published to `subject`. False: that is not the request that is out. */
bool push_confirmed(struct push *push, struct bytes subject);

/* When a message of that cost may go: now_ns or later. */
int64_t push_rate_at(const struct push *push, uint64_t bytes, int64_t now_ns);
void push_rate_take(struct push *push, uint64_t bytes, int64_t now_ns);

#endif
