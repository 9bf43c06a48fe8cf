#include "consumers/headers.h"
#include "consumers/machine.h"

static struct consumer *consumer_of(struct timer *heartbeat)
{
    return ((struct busy *)((uint8_t *)heartbeat - offsetof(struct busy, work.push.heartbeat)))
        ->consumer;
}

/* ---- flow control ---------------------------------------------------------------------------- */

/* Its confirmations are the acks, and none is on its way. */
static bool asks_for_acks(const struct consumer *c)
{
    return c->config.ack_policy == ACK_FLOW_CONTROL && push_asked(&c->busy->work.push).size == 0;
}

static bool owes_most(const struct consumer *c)
{
    return c->busy->pending.count >= (uint64_t)c->config.max_ack_pending;
}

static void ask(struct consumer *c)
{
    struct push *push = &c->busy->work.push;

    (void)push_ask(push, &c->busy->prng, c->stream->name,
                   consumer_name(c)); /* push_asked has it, too */
    status_flow_control(&c->busy->scratch);
    c->out->status(c->owner, c->config.deliver_subject, push_asked(push),
                   buf_bytes(&c->busy->scratch));
}

/* The headers name the last delivery that the receiver has dealt with. */
static void take_confirmed(struct consumer *c, struct bytes headers)
{
    struct bytes stream, consumer;
    uint64_t sequence, count;

    if (headers_find(headers, BYTES("Nats-Last-Stream"), &stream) &&
        headers_find(headers, BYTES("Nats-Last-Consumer"), &consumer) &&
        bytes_read_u64(stream, &sequence) && bytes_read_u64(consumer, &count))
        acks_confirmed(c, sequence);
}

void consumer_flow(struct consumer *c, int64_t now_ns, int64_t log_now_ns, struct bytes subject,
                   struct bytes headers)
{
    if (!c->leading || !consumer_is_push(c))
        return;
    c->now_ns = now_ns;
    c->log_now_ns = log_now_ns;
    if (!push_confirmed(&c->busy->work.push, subject))
        return;
    if (c->config.ack_policy == ACK_FLOW_CONTROL)
        take_confirmed(c, headers);
    work_dirty(c);
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

static void arm_heartbeat(struct consumer *c)
{
    struct push *push = &c->busy->work.push;

    if (push->bound && c->config.idle_heartbeat_ns > 0)
        timers_arm(&c->busy->work.timers, &push->heartbeat,
                   push->sent_ns + c->config.idle_heartbeat_ns);
    else
        timers_cancel(&c->busy->work.timers, &push->heartbeat);
}

static void heartbeat_due(struct timer *timer)
{
    struct consumer *c = consumer_of(timer);
    struct push *push = &c->busy->work.push;

    /* Messages do not touch the timer: it looks when the last one went. */
    if (c->now_ns - push->sent_ns >= c->config.idle_heartbeat_ns) {
        deliver_heartbeat(c, c->config.deliver_subject, push_asked(push));
        if (asks_for_acks(c) && c->busy->pending.count > 0)
            ask(c);
        push->sent_ns = c->now_ns;
    }
    arm_heartbeat(c);
}

/* ---- life ------------------------------------------------------------------------------------ */

void bound_start(struct consumer *c)
{
    struct push *push = &c->busy->work.push;

    *push = (struct push){.heartbeat = {.fire = heartbeat_due}};
    if (c->config.flow_control)
        push_flow_start(push);
    bound_limit(c);
}

void bound_reset(struct consumer *c)
{
    if (c->config.flow_control)
        push_flow_start(&c->busy->work.push);
}

void bound_limit(struct consumer *c)
{
    c->busy->work.plain = live_plain(c);
    c->busy->work.to_size = (uint32_t)c->config.deliver_subject.size;
    push_rate_start(&c->busy->work.push, c->config.rate_limit_bps, c->stream->message_max,
                    c->now_ns);
}

void consumer_bound(struct consumer *c, int64_t now_ns, bool bound)
{
    struct push *push = &c->busy->work.push;

    if (!c->leading || !consumer_is_push(c) || push->bound == bound)
        return;
    c->now_ns = now_ns;
    push->bound = bound;
    push->sent_ns = now_ns;
    arm_heartbeat(c);
    work_active(c, now_ns); /* without a listener the inactivity window begins now */
    work_arm_inactive(c);
    work_dirty(c);
}

/* ---- messages -------------------------------------------------------------------------------- */

bool bound_takes(struct consumer *c, uint64_t bytes)
{
    struct push *push = &c->busy->work.push;
    int64_t at;

    if (!push_window_open(push, c->busy->work.plan.bytes))
        return false;
    if (push->rate == 0)
        return true;
    at = push_rate_at(push, bytes, c->now_ns);
    if (at > c->now_ns) {
        c->busy->work.plan_again_ns = at;
        return false;
    }
    push_rate_take(push, bytes, c->now_ns);
    return true;
}

void bound_delivered(struct consumer *c, uint64_t bytes)
{
    struct push *push = &c->busy->work.push;

    push->sent_ns = c->now_ns;
    if (push_sent(push, bytes) || (asks_for_acks(c) && owes_most(c)))
        ask(c);
}
