#include "consumers/hold.h"

#include "consumers/machine.h"

/* The order is that in which a plan looks. */
static enum consumer_hold demand(const struct consumer *c)
{
    const struct working *work = &c->busy->work;

    if (!c->leading)
        return HOLD_FOLLOWS;
    if (work->plan.in_flight)
        return HOLD_IN_FLIGHT;
    if (plan_paused(c))
        return HOLD_PAUSED;
    if (count_under_way(c))
        return HOLD_COUNTING;
    if (!consumer_is_push(c))
        return work->requests.count > 0 ? HOLD_NOT : HOLD_UNASKED;
    if (!work->push.bound)
        return HOLD_UNBOUND;
    return push_window_open(&work->push, 0) ? HOLD_NOT : HOLD_WINDOW;
}

enum consumer_hold consumer_hold(const struct consumer *c)
{
    const struct working *work = &c->busy->work;
    bool again = c->busy->pending.queued > 0;
    enum consumer_hold hold = demand(c);

    if (hold != HOLD_NOT)
        return hold;
    if (!again && work->caught_up)
        return HOLD_CAUGHT_UP;
    if (!again && plan_acks_full(c))
        return HOLD_ACK_PENDING;
    if (!again && work->stands != 0)
        return HOLD_DAMAGED;
    if (work->plan_again_ns != TIMERS_NEVER)
        return HOLD_TIME;
    return work->held ? HOLD_GROUP : HOLD_NOT;
}

bool consumer_hold_stalls(enum consumer_hold hold)
{
    return hold == HOLD_NOT || hold >= HOLD_IN_FLIGHT;
}

const char *consumer_hold_text(enum consumer_hold hold)
{
    switch (hold) {
    case HOLD_NOT: break;
    case HOLD_FOLLOWS: return "another replica leads";
    case HOLD_CAUGHT_UP: return "nothing is left";
    case HOLD_UNASKED: return "no request waits";
    case HOLD_UNBOUND: return "nobody listens on the deliver subject";
    case HOLD_PAUSED: return "it is paused";
    case HOLD_COUNTING: return "what is left for it is being counted";
    case HOLD_TIME: return "its speed, or its receiver's, is limited";
    case HOLD_IN_FLIGHT: return "the log does not commit";
    case HOLD_ACK_PENDING: return "max_ack_pending is reached";
    case HOLD_WINDOW: return "the receiver does not answer flow control";
    case HOLD_GROUP: return "the clients that wait stand by";
    case HOLD_DAMAGED: return "the next message is damaged";
    }
    return "a step is due";
}
