/*
 * hold: why a consumer hands out nothing now, as a function of its state and of the credit that its
 * clients have given. There is no reason that is not in this list: where there is a message and
 * somebody may have it, something is on its way, and the machine asserts so after each of its
 * steps.
 *
 * Some reasons are nobody's fault (nothing is left, nobody asks); the others are *stalls* when they
 * last: there are messages and somebody who asks, and yet nothing moves. Those are reported.
 */
#ifndef CONSUMERS_HOLD_H
#define CONSUMERS_HOLD_H

#include <stdbool.h>

struct consumer;

enum consumer_hold {
    HOLD_NOT,       /* there is a message for somebody: a step is due */
    HOLD_FOLLOWS,   /* another replica leads */
    HOLD_CAUGHT_UP, /* nothing is left to hand out */
    HOLD_UNASKED,   /* no request waits */
    HOLD_UNBOUND,   /* nobody listens on the deliver subject */
    HOLD_PAUSED,
    HOLD_COUNTING,    /* what is left is counted first */
    HOLD_TIME,        /* rate limit, original speed, or a receiver that is behind */
    HOLD_IN_FLIGHT,   /* a hand-out is not yet applied */
    HOLD_ACK_PENDING, /* max_ack_pending is reached */
    HOLD_WINDOW,      /* flow control is not answered */
    HOLD_GROUP,       /* the requests that wait stand by: pinned, overflow */
    HOLD_DAMAGED,     /* the next message cannot be read, and nothing is handed out past it */
};

enum consumer_hold consumer_hold(const struct consumer *consumer);
/* Is it one that somebody ought to look into when it lasts? */
bool consumer_hold_stalls(enum consumer_hold hold);
/* In words that fit behind "because ". */
const char *consumer_hold_text(enum consumer_hold hold);

#endif
