#include "base/heap.h"
#include "consumers/machine.h"

#define CAPACITY_FIRST        16u
#define REPLAY_IGNORE_NS      1000000 /* gaps that a replay does not wait for */
#define READY_NS              1000000000
#define STANDS_NS             250000000 /* until what is damaged is looked at again */
#define REDELIVERIES_TOGETHER 32u
#define UNSENT_MAX            PLAN_BYTES_MAX
#define UNSENT_NS             1000000 /* until it is looked at again how much has left */

struct candidate {
    struct consumer_message message;
    uint32_t place; /* a redelivery's; 0: it is new */
    uint32_t deliveries;
};

/* ---- the plan -------------------------------------------------------------------------------- */

static void plan_clear(struct consumer *c)
{
    c->busy->work.plan.count = 0;
    c->busy->work.plan.fresh_from = 0;
    c->busy->work.plan.bytes = 0;
    c->busy->work.plan.ahead_counted = false;
    c->busy->work.plan.in_flight = false;
}

static void plan_add(struct plan *plan, const struct planned *planned)
{
    if (plan->count == plan->capacity) {
        plan->capacity = plan->capacity == 0 ? CAPACITY_FIRST : plan->capacity * 2;
        plan->at = heap_resize(plan->at, plan->capacity * sizeof(*plan->at));
    }
    plan->at[plan->count++] = *planned;
    if (!planned->fresh)
        plan->fresh_from = plan->count;
}

uint64_t plan_taken(const struct consumer *c)
{
    const struct plan *plan = &c->busy->work.plan;

    if (plan->count > plan->fresh_from)
        return plan->at[plan->count - 1].sequence;
    return c->durable.delivered.stream;
}

uint64_t plan_fresh_in_flight(const struct consumer *c)
{
    return c->busy->work.plan.count - c->busy->work.plan.fresh_from;
}

bool plan_removed(struct consumer *c, uint64_t sequence)
{
    struct plan *plan = &c->busy->work.plan;
    size_t low = plan->fresh_from, high = plan->count;

    if (sequence <= c->durable.delivered.stream)
        return false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (plan->at[middle].sequence >= sequence)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == plan->count || plan->at[low].sequence != sequence)
        return false;
    plan->at[low].gone = true;
    return true;
}

void plan_done(struct consumer *c)
{
    plan_clear(c);
    work_dirty(c);
}

void plan_void(struct consumer *c)
{
    struct plan *plan = &c->busy->work.plan;

    c->busy->work.look++;
    for (size_t i = plan->count; i-- > 0;) { /* so that the queue gets its order back */
        const struct planned *planned = &plan->at[i];
        uint32_t place = planned->fresh ? 0 : pending_find(&c->busy->pending, planned->sequence);

        if (place != 0) {
            pending_entry(&c->busy->pending, place)->planned = false;
            if (!pending_entry(&c->busy->pending, place)->settling)
                pending_queue_first(&c->busy->pending, place);
        }
        if (planned->request != NULL)
            pulls_returned(c, planned->request, planned->cost);
    }
    plan_clear(c);
    c->busy->work.next_from = c->durable.delivered.stream + 1;
    c->busy->work.caught_up = false;
    count_forget(c);
    work_dirty(c);
}

void plan_forget(struct consumer *c, enum status status)
{
    struct plan *plan = &c->busy->work.plan;

    if (busy_resting(c))
        return;
    for (size_t i = 0; i < plan->count; i++)
        if (plan->at[i].request != NULL)
            pulls_abandoned(c, plan->at[i].request, status);
    plan_clear(c);
}

/* ---- may anything go? ------------------------------------------------------------------------ */

bool plan_paused(const struct consumer *c)
{
    return c->config.pause_until_ns != TIME_UNSET && c->config.pause_until_ns > c->log_now_ns;
}

bool plan_demand(const struct consumer *c)
{
    if (!c->leading || c->busy->work.plan.in_flight)
        return false;
    if (consumer_is_push(c))
        return c->busy->work.push.bound && push_window_open(&c->busy->work.push, 0);
    return c->busy->work.requests.count > 0;
}

bool plan_wanted(const struct consumer *c)
{
    if (!plan_demand(c) || plan_paused(c) || count_under_way(c))
        return false;
    return !c->busy->work.caught_up || c->busy->pending.queued > 0 ||
           c->busy->work.requests.one_shots > 0;
}

uint64_t plan_count_tail(struct consumer *c)
{
    struct plan *plan = &c->busy->work.plan;

    if (!plan->ahead_counted) {
        plan->ahead =
            c->stream->ahead(c->stream->owner, &c->filter, c->durable.delivered.stream + 1);
        plan->ahead_counted = true;
    }
    return count_all(c) + plan->ahead;
}

bool plan_acks_full(const struct consumer *c)
{
    const struct pending *pending = &c->busy->pending;
    /* What is settling will be gone before the hand-out that is planned now is applied. */
    uint64_t owed = pending->count - pending->settling + plan_fresh_in_flight(c);

    if (c->config.ack_policy == ACK_NONE)
        return false;
    if (pending->count + plan_fresh_in_flight(c) >= PENDING_MAX)
        return true;
    return c->config.max_ack_pending > 0 && owed >= (uint64_t)c->config.max_ack_pending;
}

/* Original speed: a message comes as long after the one before as it was stored after it. */
static bool replay_holds(struct consumer *c, const struct consumer_message *message)
{
    struct working *work = &c->busy->work;
    int64_t gap;

    if (message->sequence > work->replay_last || work->replay_time_ns == TIME_UNSET)
        return false;
    gap = message->time_ns - work->replay_time_ns;
    if (gap <= REPLAY_IGNORE_NS || c->now_ns - work->replay_sent_ns >= gap)
        return false;
    work->plan_again_ns = work->replay_sent_ns + gap;
    return true;
}

/* ---- the next message ------------------------------------------------------------------------ */

/* False: what the stream has of the next ones has to be read from the disk. They are asked about
 * together, and nothing else comes to the front of the queue within a hand-out. */
static bool redelivery_ready(struct consumer *c, uint32_t place)
{
    struct working *work = &c->busy->work;
    uint64_t sequences[REDELIVERIES_TOGETHER];
    unsigned count = 0;
    int64_t wait_ns;

    if (c->stream->here == NULL || work->again_ready > 0)
        return true;
    for (; place != 0 && count < REDELIVERIES_TOGETHER; count++) {
        const struct pending_entry *entry = pending_entry(&c->busy->pending, place);

        sequences[count] = entry->sequence;
        place = entry->next;
    }
    wait_ns = c->stream->here(c->stream->owner, sequences, count, c->now_ns);
    if (wait_ns == 0)
        work->again_ready = count;
    else
        work->plan_again_ns = c->now_ns + wait_ns;
    return wait_ns == 0;
}

/* The head of the redelivery queue, past those that may not be delivered again. */
static enum plan_found next_redelivery(struct consumer *c, struct candidate *found)
{
    struct pending *pending = &c->busy->pending;
    uint32_t place;

    while ((place = pending->queue.first) != 0) {
        const struct pending_entry *entry = pending_entry(pending, place);

        if (!redelivery_ready(c, place))
            return FOUND_BLOCKED;
        if (c->busy->work.again_ready > 0)
            c->busy->work.again_ready--;
        if (acks_spent(c, entry)) { /* max_deliver was lowered meanwhile */
            acks_exhaust(c, place);
        } else if (!c->stream->get(c->stream->owner, entry->sequence, &found->message)) {
            acks_lost(c, place);
        } else if (plan_damaged(c, entry->sequence)) {
            acks_look_again(c, place);
        } else {
            found->place = place;
            found->deliveries = entry->deliveries + 1;
            return FOUND;
        }
    }
    return FOUND_END;
}

/* False: what the stream would have to look at has to be read from the disk, which is under way. */
static bool stream_ready(struct consumer *c)
{
    struct working *work = &c->busy->work;
    uint64_t from = work->next_from;
    int64_t wait_ns;

    if (c->stream->ready == NULL || (from >= work->ready.from && from <= work->ready.to &&
                                     c->now_ns - work->ready.asked_ns < READY_NS))
        return true;
    work->ready.from = from;
    work->ready.asked_ns = c->now_ns;
    wait_ns = c->stream->ready(c->stream->owner, &c->filter, from, c->now_ns, &work->ready.to);
    if (wait_ns == 0)
        return true;
    work->ready.to = 0;
    work->plan_again_ns = c->now_ns + wait_ns;
    return false;
}

bool plan_damaged(const struct consumer *c, uint64_t sequence)
{
    return c->stream->damaged != NULL && c->stream->damaged(c->stream->owner, sequence);
}

/* Who acks each message gets this one when it is whole again; the others never would. */
static bool stands_before(struct consumer *c, uint64_t sequence)
{
    struct working *work = &c->busy->work;

    if (c->config.ack_policy == ACK_EXPLICIT || !plan_damaged(c, sequence))
        return false;
    work->stands = sequence;
    work->plan_again_ns = c->now_ns + STANDS_NS;
    return true;
}

enum plan_found plan_next(struct consumer *c, struct consumer_message *message)
{
    struct working *work = &c->busy->work;

    work->stands = 0;
    if (plan_acks_full(c))
        return FOUND_BLOCKED;
    for (size_t scanned = 0; scanned < SCAN_MAX; scanned++) {
        if (!stream_ready(c))
            return FOUND_BLOCKED;
        if (!c->stream->next(c->stream->owner, &c->filter, work->next_from, message)) {
            work->caught_up = true;
            return FOUND_END;
        }
        if (message->sequence > c->durable.snapshot_last ||
            c->stream->is_last(c->stream->owner, message->sequence, c->durable.snapshot_last))
            return replay_holds(c, message) || stands_before(c, message->sequence) ? FOUND_BLOCKED
                                                                                   : FOUND;
        work->next_from = message->sequence + 1;
    }
    return FOUND_MORE;
}

/* Redeliveries come first, and are not held back by max_ack_pending. */
static enum plan_found next_message(struct consumer *c, struct candidate *found)
{
    if (c->busy->work.plan.count == c->busy->work.plan.fresh_from) {
        enum plan_found again = next_redelivery(c, found);

        if (again != FOUND_END)
            return again;
    }
    found->place = 0;
    found->deliveries = 1;
    return plan_next(c, &found->message);
}

/* ---- planning -------------------------------------------------------------------------------- */

/* Exact where somebody counts bytes. */
static uint32_t cost_of(struct consumer *c, const struct candidate *candidate)
{
    if (consumer_is_push(c) || c->busy->work.requests.budgeted > 0)
        return deliver_cost(c, &candidate->message, candidate->deliveries);
    return candidate->message.size;
}

/* Gives the message to whoever is next. False: nobody takes it now. */
static bool place_message(struct consumer *c, const struct candidate *candidate)
{
    const struct consumer_message *message = &candidate->message;
    struct planned planned = {
        .sequence = message->sequence,
        .time_ns = message->time_ns,
        .cost = cost_of(c, candidate),
        .content = message->size - (uint32_t)message->subject.size,
        .fresh = candidate->place == 0,
        .ahead = message->sequence > c->stream->last(c->stream->owner),
    };

    if (consumer_is_push(c)) {
        if (!bound_takes(c, planned.cost))
            return false;
    } else {
        planned.request = pulls_next(c, planned.cost);
        if (planned.request == NULL)
            return false;
        pulls_taken(c, planned.request, planned.cost);
    }
    plan_add(&c->busy->work.plan, &planned);
    c->busy->work.plan.bytes += planned.cost;
    return true;
}

void plan_passed(struct consumer *c, const struct consumer_message *message)
{
    struct working *work = &c->busy->work;

    work->next_from = message->sequence + 1;
    if (message->sequence <= work->replay_last) {
        work->replay_time_ns = message->time_ns;
        work->replay_sent_ns = c->now_ns;
    }
}

static void take_candidate(struct consumer *c, const struct candidate *candidate)
{
    if (candidate->place == 0) {
        plan_passed(c, &candidate->message);
        return;
    }
    pending_idle(&c->busy->pending, candidate->place);
    pending_entry(&c->busy->pending, candidate->place)->planned = true;
}

/* True: there may be more than was looked at, or than fits into one hand-out. */
static bool plan_messages(struct consumer *c)
{
    struct plan *plan = &c->busy->work.plan;
    struct candidate candidate;
    enum plan_found found;

    while (plan->count < PLAN_MESSAGES_MAX && plan->bytes < PLAN_BYTES_MAX) {
        if (!consumer_is_push(c) && !pulls_any(c))
            return false;
        found = next_message(c, &candidate);
        if (found == FOUND_END || c->busy->work.stands != 0)
            pulls_end_reached(c);
        if (found != FOUND)
            return found == FOUND_MORE;
        if (!place_message(c, &candidate)) {
            if (c->busy->work.held) /* there is nothing for those whose group does not admit them */
                pulls_end_reached(c);
            pulls_recall_later(c);
            return false;
        }
        take_candidate(c, &candidate);
    }
    return true;
}

static void propose_plan(struct consumer *c)
{
    const struct plan *plan = &c->busy->work.plan;
    struct progress_handout_writer writer;
    bool fitted;

    progress_handout_begin(&writer, &c->busy->scratch, c->number, c->log_now_ns,
                           c->durable.revision);
    for (size_t i = 0; i < plan->fresh_from; i++)
        progress_handout_redelivery(&writer, plan->at[i].sequence);
    for (size_t i = plan->fresh_from; i < plan->count; i++)
        progress_handout_new(&writer, plan->at[i].sequence);
    fitted = progress_handout_end(&writer);
    assert(fitted); /* a plan is far smaller than the limit of `scratch` */
    c->busy->work.plan.in_flight = true;
    c->out->propose(c->owner, CONSUMER_RECORD_HANDOUT, buf_bytes(&c->busy->scratch));
    if (consumer_flawed(c, CONSUMER_FLAW_DELIVER_AT_PROPOSAL))
        deliver_early(c);
}

/* Who is behind shows when what was handed out has left: so that nobody is given much more than it
 * has room for, little waits to leave. */
static bool much_unsent(struct consumer *c)
{
    if (consumer_is_push(c) || c->out->unsent == NULL || c->out->unsent(c->owner) < UNSENT_MAX)
        return false;
    c->busy->work.plan_again_ns = c->now_ns + UNSENT_NS;
    return true;
}

void plan_hand_out(struct consumer *c)
{
    const struct plan *plan = &c->busy->work.plan;
    bool more;

    c->busy->work.plan_again_ns = TIMERS_NEVER;
    c->busy->work.stands = 0;
    if (!plan_wanted(c))
        return;
    assert(plan->count == 0);
    c->busy->work.look++;
    c->busy->work.again_ready = 0;
    if (!count_ready(c) || much_unsent(c))
        return;
    c->busy->work.held = false;
    pulls_recall(c);
    if (c->class != CLASS_REPLICATED && consumer_is_push(c)) {
        if (at_once_hand_out(c))
            work_dirty(c);
        return;
    }
    more = plan_messages(c);
    if (plan->count > 0 && c->class == CLASS_REPLICATED) {
        acks_flush(c);   /* ends found on the way: the plan counts on the room they leave */
        propose_plan(c); /* what is left is looked at when this is applied */
        return;
    }
    deliver_unlogged(c);
    plan_clear(c);
    if (more)
        work_dirty(c);
}
