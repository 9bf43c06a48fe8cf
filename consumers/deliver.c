#include "consumers/machine.h"

static uint64_t ack_subject_of(const struct consumer *c, const struct planned *planned,
                               uint64_t deliveries, char out[static ACK_SUBJECT_MAX])
{
    const struct ack_subject ack = {
        .deliveries = deliveries,
        .sequence = planned->sequence,
        .consumer_sequence = c->durable.delivered.consumer,
        .time_ns = planned->time_ns,
        .pending = c->count,
    };
    memcpy(out, c->busy->prefix, c->busy->prefix_size);
    return ack_subject_write(out, c->busy->prefix_size, &ack);
}

uint32_t deliver_cost(struct consumer *c, const struct consumer_message *message,
                      uint64_t deliveries)
{
    uint64_t ahead = c->busy->work.plan.count - c->busy->work.plan.fresh_from;
    uint64_t count = plan_count_tail(c);
    struct ack_subject ack = {
        .deliveries = deliveries,
        .sequence = message->sequence,
        .consumer_sequence = c->durable.delivered.consumer + c->busy->work.plan.count + 1,
        .time_ns = message->time_ns,
        .pending = count > ahead + 1 ? count - ahead - 1 : 0,
    };

    return message->size + (uint32_t)ack_subject_size(c->busy->prefix_size, &ack);
}

void deliver_heartbeat(struct consumer *c, struct bytes to, struct bytes stalled)
{
    uint64_t last = c->stream->last(c->stream->owner);
    struct status_alive alive = {
        .last_consumer = c->durable.delivered.consumer,
        .last_stream = c->durable.delivered.stream,
        .stalled = stalled,
        .damaged = c->busy->work.stands,
    };

    /* Messages at the end that are not for it count as seen, as the reference counts them. */
    if (c->busy->work.caught_up && last > alive.last_stream)
        alive.last_stream = last;
    status_heartbeat(&c->busy->scratch, &alive);
    c->out->status(c->owner, to, bytes_of(NULL, 0), buf_bytes(&c->busy->scratch));
}

/* Nobody listens any more: it did not arrive, so it need not wait for its ack before it goes
 * elsewhere. */
static void undelivered(struct consumer *c, const struct planned *planned, uint32_t place)
{
    if (place != 0)
        pending_queue(&c->busy->pending, place);
    if (planned->request != NULL)
        pulls_landed(c, planned->request);
}

static bool listened(struct consumer *c, struct request *request)
{
    return request != NULL ? pulls_listened(c, request) : c->busy->work.push.bound;
}

static struct bytes recipient(const struct consumer *c, const struct planned *planned)
{
    return planned->request != NULL ? planned->request->reply : c->config.deliver_subject;
}

/* Asks for the delivery; the size of its ack subject. */
static uint64_t send_planned(struct consumer *c, const struct planned *planned, uint64_t deliveries,
                             int64_t handed_ns)
{
    struct consumer_delivery delivery = {
        .sequence = planned->sequence,
        .to = recipient(c, planned),
        .headers = groups_headers(c, planned->request),
        .headers_only = c->config.headers_only,
        .size = planned->content,
        .handed_ns = handed_ns,
    };
    char ack_text[ACK_SUBJECT_MAX];
    uint64_t size = ack_subject_of(c, planned, deliveries, ack_text);

    delivery.ack_reply = bytes_of(ack_text, size);
    if (!planned->told)
        c->out->deliver(c->owner, &delivery);
    return size;
}

void deliver_early(struct consumer *c)
{
    struct position before = c->durable.delivered;

    for (size_t i = 0; i < c->busy->work.plan.count; i++) {
        struct planned *planned = &c->busy->work.plan.at[i];
        uint32_t place = planned->fresh ? 0 : pending_find(&c->busy->pending, planned->sequence);

        c->durable.delivered.consumer++;
        if (planned->ahead)
            continue;
        send_planned(c, planned,
                     place != 0 ? pending_entry(&c->busy->pending, place)->deliveries + 1 : 1,
                     c->log_now_ns);
        planned->told = true;
    }
    c->durable.delivered = before;
}

void deliver_planned(struct consumer *c, const struct planned *planned, uint32_t place,
                     uint64_t deliveries)
{
    struct request *request = planned->request;
    uint64_t size;

    if (!listened(c, request)) {
        undelivered(c, planned, place);
        return;
    }
    size =
        send_planned(c, planned, deliveries,
                     place != 0 ? pending_entry(&c->busy->pending, place)->time_ns : c->log_now_ns);
    c->delivered_active_ns = c->log_now_ns;

    if (place != 0)
        acks_arm(c, place, c->now_ns);
    if (request != NULL) {
        work_active(c, c->now_ns);
        pulls_landed(c, request);
    } else {
        bound_delivered(c, recipient(c, planned).size + size + planned->content);
    }
}

void deliver_unlogged(struct consumer *c)
{
    const struct plan *plan = &c->busy->work.plan;

    for (size_t i = 0; i < plan->count; i++) {
        const struct planned *planned = &plan->at[i];

        assert(c->class != CLASS_REPLICATED);
        assert(planned->fresh); /* without acks nothing is redelivered */
        c->durable.delivered.consumer++;
        c->durable.delivered.stream = planned->sequence;
        c->durable.floor = c->durable.delivered;
        count_less(c);
        deliver_planned(c, planned, 0, 1);
    }
    if (plan->count > 0)
        work_unlogged(c, plan->count);
}
