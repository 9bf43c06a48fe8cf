#include "base/heap.h"
#include "consumers/machine.h"

uint64_t consumer_record_number(struct bytes body)
{
    uint64_t number;

    return progress_take_u64(&body, &number) ? number : 0;
}

/* ---- what removals from pending lead to ------------------------------------------------------ */

static uint64_t first_pending(const struct consumer *c)
{
    uint32_t place = pending_first(&c->busy->pending);

    return place == 0 ? 0 : pending_entry(&c->busy->pending, place)->sequence;
}

static void raise_floor(struct consumer *c, uint64_t consumer, uint64_t stream)
{
    struct position *floor = &c->durable.floor;

    floor->consumer = consumer > floor->consumer ? consumer : floor->consumer;
    floor->stream = stream > floor->stream ? stream : floor->stream;
    assert(floor->stream <= c->durable.delivered.stream);
    assert(floor->consumer <= c->durable.delivered.consumer);
}

/* The floor stays while the lowest message that is owed stays (reference 3.2). `before` was the
 * lowest. */
static void settle_floor(struct consumer *c, uint64_t before)
{
    const struct pending *pending = &c->busy->pending;
    const struct pending_entry *first;

    if (pending->count == 0) {
        raise_floor(c, c->durable.delivered.consumer, c->durable.delivered.stream);
        return;
    }
    first = pending_entry(pending, pending_first(pending));
    if (first->sequence != before)
        raise_floor(c, first->consumer_sequence - 1, first->sequence - 1);
}

static void settled(struct consumer *c, uint64_t sequence)
{
    if (c->out->settled != NULL)
        c->out->settled(c->owner, sequence);
}

/* ---- hand-outs ------------------------------------------------------------------------------- */

/* The next of the hand-out in flight, which the record repeats. NULL: it is not ours. */
static const struct planned *planned_next(struct consumer *c, size_t *cursor, uint64_t sequence,
                                          bool fresh)
{
    const struct planned *planned;

    if (!c->busy->work.plan.in_flight)
        return NULL;
    assert(*cursor < c->busy->work.plan.count);
    planned = &c->busy->work.plan.at[(*cursor)++];
    assert(planned->sequence == sequence);
    assert(planned->fresh == fresh);
    return planned;
}

static void apply_redelivery(struct consumer *c, uint64_t sequence, int64_t time_ns,
                             const struct planned *planned)
{
    struct pending *pending = &c->busy->pending;
    uint32_t place = pending_find(pending, sequence);
    struct pending_entry *entry;

    if (place == 0) { /* acked or removed in front of this record: nothing is handed out */
        if (planned != NULL && planned->request != NULL)
            pulls_returned(c, planned->request, planned->cost);
        return;
    }
    c->durable.delivered.consumer++;
    pending_delivered(pending, place, time_ns);
    entry = pending_entry(pending, place);
    if (planned == NULL)
        return;
    entry->planned = false;
    if (!entry->settling)
        deliver_planned(c, planned, place, entry->deliveries);
    else if (planned->request != NULL)
        pulls_returned(c, planned->request, planned->cost); /* acked while this was in flight */
}

/* The message left the stream between plan and apply. Replicas without the plan cannot know, so it
 * is handed out like any other; the leader, or the next one when it looks, terminates it. */
static void apply_gone(struct consumer *c, const struct planned *planned, uint32_t place)
{
    if (planned->request != NULL)
        pulls_returned(c, planned->request, planned->cost);
    if (place != 0)
        acks_unseen(c, place);
}

/* What was planned on messages that were only gathered came true: this batch has stored them. */
static void check_stored(const struct consumer *c, const struct planned *planned)
{
    struct consumer_message message;
    bool stored;

    if (planned == NULL || !planned->ahead || planned->gone)
        return;
    stored = c->stream->get(c->stream->owner, planned->sequence, &message);
    assert(stored);
    assert(message.time_ns == planned->time_ns);
}

static void apply_new(struct consumer *c, uint64_t sequence, int64_t time_ns,
                      const struct planned *planned)
{
    bool acks = c->config.ack_policy != ACK_NONE;
    uint32_t place = 0;

    check_stored(c, planned);
    c->durable.delivered.consumer++;
    c->durable.delivered.stream = sequence;
    if (acks)
        place = pending_add(&c->busy->pending, sequence, c->durable.delivered.consumer, 1, time_ns);
    else
        c->durable.floor = c->durable.delivered;

    if (planned != NULL && planned->gone) {
        apply_gone(c, planned, place);
    } else if (planned != NULL) {
        count_less(c);
        deliver_planned(c, planned, place, 1);
    }
    if (!acks)
        settled(c, sequence);
}

static void apply_runs(struct consumer *c, struct progress_handout *handout)
{
    size_t cursor = 0;
    struct run run;

    while (progress_runs_next(&handout->redeliveries, &run))
        for (uint64_t sequence = run.first; sequence <= run.last; sequence++)
            apply_redelivery(c, sequence, handout->time_ns,
                             planned_next(c, &cursor, sequence, false));
    while (progress_runs_next(&handout->fresh, &run))
        for (uint64_t sequence = run.first; sequence <= run.last; sequence++)
            apply_new(c, sequence, handout->time_ns, planned_next(c, &cursor, sequence, true));
}

static enum err apply_handout(struct consumer *c, struct bytes body)
{
    struct progress_handout handout;

    if (progress_read_handout(body, &handout) != OK || handout.revision > c->durable.revision)
        return ERR_CORRUPT;
    if (handout.revision < c->durable.revision) { /* planned under another config */
        if (c->busy->work.plan.in_flight)
            plan_void(c);
        return OK;
    }
    if (c->class != CLASS_REPLICATED)
        return ERR_CORRUPT;
    if (handout.fresh_first != 0 && handout.fresh_first <= c->durable.delivered.stream)
        return ERR_CORRUPT;
    if (handout.count > PENDING_MAX - c->busy->pending.count)
        return ERR_CORRUPT;

    if (c->leading) {
        c->busy->work.look++;
        if (c->busy->work.plan.in_flight)
            (void)count_all(c); /* mostly known; before `delivered` moves */
        else
            count_forget(c);
    }
    apply_runs(c, &handout);
    if (c->busy->work.plan.in_flight)
        plan_done(c);
    return OK;
}

/* ---- acks and other ends --------------------------------------------------------------------- */

static void remove_settled(struct consumer *c, uint32_t place)
{
    uint64_t sequence = pending_entry(&c->busy->pending, place)->sequence;

    pending_remove(&c->busy->pending, place);
    if (c->leading)
        c->floor_active_ns = c->log_now_ns; /* shown also when the floor stays */
    settled(c, sequence);
}

static void settle_exhausted_to(struct consumer *c, uint64_t last)
{
    struct exhausted_entry *sorted;
    uint64_t count = exhausted_count(&c->busy->exhausted);

    if (exhausted_lowest(&c->busy->exhausted, last) == 0)
        return;
    sorted = exhausted_sorted(&c->busy->exhausted);
    for (uint64_t i = 0; i < count && sorted[i].sequence <= last; i++)
        if (exhausted_remove(&c->busy->exhausted, sorted[i].sequence))
            settled(c, sorted[i].sequence);
    heap_give(sorted);
}

static void apply_ack_all(struct consumer *c, uint64_t last)
{
    struct pending *pending = &c->busy->pending;
    uint32_t place;

    while ((place = pending_first(pending)) != 0 && pending_entry(pending, place)->sequence <= last)
        remove_settled(c, place);
    settle_exhausted_to(c, last);
    if (pending->count == 0)
        raise_floor(c, c->durable.delivered.consumer, c->durable.delivered.stream);
    else
        raise_floor(c, pending_entry(pending, pending_first(pending))->consumer_sequence - 1, last);
}

static void apply_ack_run(struct consumer *c, struct run run)
{
    struct pending *pending = &c->busy->pending;
    uint64_t sequence = run.first;
    uint32_t place;

    while ((place = pending_at_or_after(pending, sequence)) != 0) {
        sequence = pending_entry(pending, place)->sequence;
        if (sequence > run.last)
            return;
        remove_settled(c, place);
        sequence++;
    }
}

static enum err apply_ack(struct consumer *c, struct bytes body)
{
    uint64_t before = first_pending(c);
    struct progress_set set;
    struct run run;

    if (progress_read_ack(body, &set) != OK || set.last > c->durable.delivered.stream)
        return ERR_CORRUPT;
    if (set.all) {
        apply_ack_all(c, set.last);
        return OK;
    }
    while (progress_runs_next(&set.runs, &run))
        apply_ack_run(c, run);
    settle_floor(c, before);
    return OK;
}

static void end_one(struct consumer *c, uint64_t sequence)
{
    uint32_t place = pending_find(&c->busy->pending, sequence);

    if (place != 0)
        remove_settled(c, place);
    else if (exhausted_remove(&c->busy->exhausted, sequence))
        settled(c, sequence);
}

static void exhaust_one(struct consumer *c, uint64_t sequence)
{
    struct pending *pending = &c->busy->pending;
    uint32_t place = pending_find(pending, sequence);
    struct consumer_advice advice = {.kind = ADVISORY_MAX_DELIVERIES, .stream_seq = sequence};

    if (place == 0)
        return;
    advice.deliveries = pending_entry(pending, place)->deliveries;
    pending_remove(pending, place);
    exhausted_add(&c->busy->exhausted, sequence, (uint32_t)advice.deliveries);
    if (c->leading)
        c->out->advise(c->owner, &advice);
}

static void unread_one(struct consumer *c, uint64_t sequence)
{
    uint32_t place = pending_find(&c->busy->pending, sequence);

    if (place != 0)
        pending_undelivered(&c->busy->pending, place);
}

static enum err apply_set(struct consumer *c, struct bytes body,
                          void (*apply_one)(struct consumer *, uint64_t))
{
    uint64_t before = first_pending(c);
    struct progress_set set;
    struct run run;

    if (progress_read_set(body, &set) != OK || set.last > c->durable.delivered.stream)
        return ERR_CORRUPT;
    while (progress_runs_next(&set.runs, &run))
        for (uint64_t sequence = run.first; sequence <= run.last; sequence++)
            apply_one(c, sequence);
    settle_floor(c, before);
    return OK;
}

static enum err apply_unread(struct consumer *c, struct bytes body)
{
    if (c->busy->work.unread_flying > 0)
        c->busy->work.unread_flying--;
    return apply_set(c, body, unread_one);
}

static enum err apply_delay(struct consumer *c, struct bytes body)
{
    struct progress_delay delay;
    struct pending_entry *entry;
    uint32_t place;

    if (progress_read_delay(body, &delay) != OK || delay.sequence > c->durable.delivered.stream)
        return ERR_CORRUPT;
    place = pending_find(&c->busy->pending, delay.sequence);
    if (place == 0)
        return OK;
    entry = pending_entry(&c->busy->pending, place);
    entry->delayed = true;
    entry->time_ns = delay.not_before_ns;
    return OK;
}

static enum err apply_position(struct consumer *c, struct bytes body)
{
    struct position *delivered = &c->durable.delivered;
    struct progress_position position;

    if (progress_read_position(body, &position) != OK)
        return ERR_CORRUPT;
    if (c->class != CLASS_POSITION)
        return OK; /* its stream has begun to keep messages until they are acknowledged */
    if (position.consumer > c->logged.consumer)
        c->logged.consumer = position.consumer;
    if (position.stream > c->logged.stream)
        c->logged.stream = position.stream;
    /* The leader is ahead of what it logged. */
    if (position.consumer > delivered->consumer)
        delivered->consumer = position.consumer;
    if (position.stream > delivered->stream)
        delivered->stream = position.stream;
    c->durable.floor = *delivered;
    return OK;
}

enum err consumer_apply(struct consumer *c, int64_t now_ns, uint8_t type, struct bytes body)
{
    enum err err = ERR_CORRUPT;

    if (consumer_record_number(body) != c->number)
        return ERR_CORRUPT;
    if (c->leading)
        c->now_ns = now_ns;
    busy_wake(c);
    switch (type) {
    case CONSUMER_RECORD_HANDOUT: err = apply_handout(c, body); break;
    case CONSUMER_RECORD_ACK: err = apply_ack(c, body); break;
    case CONSUMER_RECORD_TERM: err = apply_set(c, body, end_one); break;
    case CONSUMER_RECORD_DELAY: err = apply_delay(c, body); break;
    case CONSUMER_RECORD_EXHAUST: err = apply_set(c, body, exhaust_one); break;
    case CONSUMER_RECORD_UNREAD: err = apply_unread(c, body); break;
    case CONSUMER_RECORD_RESET: err = reset_apply(c, body); break;
    case CONSUMER_RECORD_POSITION: err = apply_position(c, body); break;
    default: break;
    }
    if (err == OK && c->leading)
        work_applied(c);
    if (!c->leading && busy_quiet(c))
        busy_rest(c);
    return err;
}

/* ---- the stream ------------------------------------------------------------------------------ */

static void lost_unacked(struct consumer *c, uint32_t place)
{
    uint64_t before = first_pending(c);

    if (c->leading) {
        acks_advise_lost(c, pending_entry(&c->busy->pending, place));
        c->floor_active_ns = c->log_now_ns;
    }
    pending_remove(&c->busy->pending, place);
    settle_floor(c, before);
}

void consumer_removed(struct consumer *c, const struct consumer_message *message)
{
    bool delivered = message->sequence <= c->durable.delivered.stream;
    uint32_t place;

    if (delivered && c->class != CLASS_REPLICATED)
        return; /* and not owed: a bucket removes one with every put */
    place = pending_find(&c->busy->pending, message->sequence);
    if (place != 0)
        lost_unacked(c, place);
    else if (exhausted_count(&c->busy->exhausted) > 0)
        (void)exhausted_remove(&c->busy->exhausted, message->sequence); /* absent is fine */
    if (!c->leading || (delivered && place == 0))
        return;
    count_removed(c, message);
    if (!busy_resting(c))
        work_dirty(c);
}

void consumer_purged(struct consumer *c, uint64_t first)
{
    struct durable *durable = &c->durable;
    uint32_t place;

    if (first > 0 && c->logged.stream < first - 1)
        c->logged.stream = first - 1; /* a leader's floor may be further */
    if (first == 0 || durable->floor.stream >= first - 1)
        return;
    assert(!c->busy->work.plan.in_flight); /* a purge is a barrier */
    while ((place = pending_first(&c->busy->pending)) != 0 &&
           pending_entry(&c->busy->pending, place)->sequence < first)
        pending_remove(&c->busy->pending, place); /* handed out when it was gone already */
    if (durable->delivered.stream < first - 1)
        durable->delivered.stream = first - 1;
    durable->floor.stream = first - 1;
    if (!busy_resting(c) && c->busy->work.next_from < first)
        c->busy->work.next_from = first;
}

bool consumer_needs(const struct consumer *c, const struct consumer_message *message)
{
    if (!start_matches(c, message->subject))
        return false;
    if (message->sequence > c->durable.delivered.stream) /* below the snapshot only the newest */
        return message->sequence > c->durable.snapshot_last ||
               c->stream->is_last(c->stream->owner, message->sequence, c->durable.snapshot_last);
    return pending_find(&c->busy->pending, message->sequence) != 0 ||
           exhausted_has(&c->busy->exhausted, message->sequence);
}

bool consumer_owes(const struct consumer *c, uint64_t sequence)
{
    return c->config.ack_policy == ACK_NONE || pending_find(&c->busy->pending, sequence) != 0 ||
           exhausted_has(&c->busy->exhausted, sequence);
}
