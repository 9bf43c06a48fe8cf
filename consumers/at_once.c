/*
 * at_once: the hand-outs of push consumers that log nothing before a message leaves. Each message
 * is looked for and leaves before the next one is looked for, so nothing is planned: replays and
 * ordered readers take this way with all they read, but for what live.c hands on.
 */
#include "consumers/machine.h"

#define AT_ONCE_MESSAGES_MAX 1024u /* in one call: others have their turn, too */
#define AT_ONCE_BYTES_MAX    (2u << 20)
#define BEHIND_NS            1000000 /* until a receiver that is behind is looked at again */

static void count_delivered(struct consumer *c, uint64_t sequence)
{
    c->durable.delivered.consumer++;
    c->durable.delivered.stream = sequence;
    c->durable.floor = c->durable.delivered;
    count_less(c);
}

static bool behind(struct consumer *c)
{
    if (c->out->behind == NULL || !c->out->behind(c->owner))
        return false;
    c->busy->work.plan_again_ns = c->now_ns + BEHIND_NS;
    return true;
}

/* False: the deliver subject takes nothing more now. */
static bool deliver(struct consumer *c, struct ack_series *series,
                    const struct consumer_message *message)
{
    const struct ack_subject ack = {
        .deliveries = 1,
        .sequence = message->sequence,
        .consumer_sequence = c->durable.delivered.consumer + 1,
        .time_ns = message->time_ns,
        .pending = c->count - (c->count > 0),
    };
    const struct consumer_delivery delivery = {
        .sequence = message->sequence,
        .to = c->config.deliver_subject,
        .ack_reply = ack_series_next(series, &ack),
        .place = message->place,
        .place_size = message->place_size,
        .headers_only = c->config.headers_only,
        .handed_ns = c->log_now_ns,
    };

    if (!bound_takes(c, message->size + delivery.ack_reply.size))
        return false;
    count_delivered(c, message->sequence);
    c->out->deliver(c->owner, &delivery);
    bound_delivered(c, delivery.to.size + delivery.ack_reply.size + message->size -
                           message->subject.size);
    return true;
}

bool at_once_hand_out(struct consumer *c)
{
    struct consumer_message message;
    struct ack_series series;
    enum plan_found found = FOUND;
    uint64_t bytes = 0, count = 0;

    assert(c->class != CLASS_REPLICATED);
    assert(c->busy->pending.queued == 0); /* without acks nothing is redelivered */
    ack_series_begin(&series, bytes_of(c->busy->prefix, c->busy->prefix_size));
    while (count < AT_ONCE_MESSAGES_MAX && bytes < AT_ONCE_BYTES_MAX) {
        if (behind(c))
            break;
        found = plan_next(c, &message);
        if (found != FOUND || !deliver(c, &series, &message))
            break;
        plan_passed(c, &message);
        bytes += message.size;
        count++;
    }
    if (count > 0) {
        c->delivered_active_ns = c->log_now_ns;
        work_unlogged(c, count);
    }
    return found == FOUND_MORE || count == AT_ONCE_MESSAGES_MAX || bytes >= AT_ONCE_BYTES_MAX;
}
