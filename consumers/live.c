/*
 * live: the shortest way of a message to a consumer that logs nothing, has delivered everything
 * before it, and may deliver it at once: most ordered readers and watches nearly always. What the
 * long way (consumer_work) would come to is done in place; whenever one of its many questions would
 * have another answer than the usual, it is taken.
 */
#include "consumers/machine.h"

/* Nothing to do, nothing to hand out, nothing that limits it. */
static bool usual(const struct consumer *c)
{
    const struct working *work = &c->busy->work;

    return c->leading && work->plain && work->push.bound && work->caught_up && !work->dirty &&
           c->counted_to == COUNTED_ALL && c->count == 0 && push_window_open(&work->push, 0);
}

bool live_plain(const struct consumer *c)
{
    return c->class == CLASS_VOLATILE && consumer_is_push(c) && c->config.rate_limit_bps == 0 &&
           !c->config.headers_only && c->config.pause_until_ns == TIME_UNSET;
}

bool consumer_live(struct consumer *c, int64_t now_ns, int64_t log_now_ns,
                   const struct consumer_message *message, char reply[static ACK_SUBJECT_MAX],
                   size_t *reply_size)
{
    struct working *work = &c->busy->work;
    struct position *delivered = &c->durable.delivered;
    struct ack_subject ack = {
        .deliveries = 1, .sequence = message->sequence, .time_ns = message->time_ns};

    if (!usual(c) || message->sequence <= delivered->stream || message->sequence < work->next_from)
        return false;
    assert(work->plan.count == 0);
    c->now_ns = now_ns;
    c->log_now_ns = log_now_ns;
    delivered->consumer++;
    delivered->stream = message->sequence;
    c->durable.floor = *delivered;
    work->next_from = message->sequence + 1;
    c->delivered_active_ns = log_now_ns;
    ack.consumer_sequence = delivered->consumer;
    memcpy(reply, c->busy->prefix, c->busy->prefix_size);
    *reply_size = ack_subject_write(reply, c->busy->prefix_size, &ack);
    bound_delivered(c, work->to_size + *reply_size + message->size - message->subject.size);
    return true;
}

void consumer_live_soon(const struct consumer *c)
{
    const uint8_t *at = (const uint8_t *)c->busy;

    for (size_t ahead = 0; ahead < offsetof(struct busy, work.plan_again_ns); ahead += 64)
        __builtin_prefetch(at + ahead, 1);
}
