#include "base/subject.h"
#include "consumers/machine.h"

/* Every replica must look equally far: a change of this number is a change of what the log
 * means. */
#define START_SCAN_MAX 4096u

static uint64_t first_of(const struct consumer *c)
{
    uint64_t first = c->stream->first(c->stream->owner);

    return first > 0 ? first : 1; /* never used */
}

static uint64_t start_at_last(const struct consumer *c, uint64_t first, uint64_t last)
{
    struct consumer_message message;

    if (c->filter.count == 0)
        return last > first ? last : first;
    if (c->stream->previous(c->stream->owner, &c->filter, last, &message))
        return message.sequence;
    return first;
}

static uint64_t start_at_time(const struct consumer *c, uint64_t last)
{
    struct consumer_message message;
    uint64_t sequence;

    if (!c->stream->first_at(c->stream->owner, c->config.opt_start_time_ns, &message))
        return last + 1;
    sequence = message.sequence;
    if (c->stream->next(c->stream->owner, &c->filter, sequence, &message))
        return message.sequence;
    return sequence;
}

/*
 * The lowest sequence that is its subject's newest: what is below can be passed over for good.
 * Bounded, because this runs in apply; the rest is passed over when it is looked for.
 */
static uint64_t start_at_snapshot(const struct consumer *c, uint64_t first, uint64_t last)
{
    struct consumer_message message;
    uint64_t from = first;

    for (size_t looked = 0; looked < START_SCAN_MAX; looked++) {
        if (!c->stream->next(c->stream->owner, &c->filter, from, &message) ||
            message.sequence > last)
            return last > first ? last : first;
        from = message.sequence;
        if (c->stream->is_last(c->stream->owner, from, last))
            return from;
        from++;
    }
    return from;
}

/* Reference consumers 7.1. */
static uint64_t start_of(struct consumer *c)
{
    uint64_t first = first_of(c);
    uint64_t last = c->stream->last(c->stream->owner);

    switch ((enum deliver_policy)c->config.deliver_policy) {
    case DELIVER_UNDEFINED:
    case DELIVER_ALL: return first;
    case DELIVER_LAST: return start_at_last(c, first, last);
    case DELIVER_NEW: return last + 1 > first ? last + 1 : first;
    case DELIVER_BY_START_SEQUENCE:
        return c->config.opt_start_seq > first ? c->config.opt_start_seq : first;
    case DELIVER_BY_START_TIME: return start_at_time(c, last);
    case DELIVER_LAST_PER_SUBJECT:
        c->durable.snapshot_last = last;
        return start_at_snapshot(c, first, last);
    }
    return first;
}

void start_resolve(struct consumer *c)
{
    uint64_t start;

    c->durable.snapshot_last = 0;
    start = start_of(c);
    assert(start > 0);
    c->durable.delivered = (struct position){0, start - 1};
    c->durable.floor = c->durable.delivered;
    c->logged = c->durable.delivered;
}

bool start_matches(const struct consumer *c, struct bytes subject)
{
    if (c->filter.count == 0)
        return true;
    for (size_t i = 0; i < c->filter.count; i++)
        if (subject_matches(c->filter.subjects[i], subject))
            return true;
    return false;
}

uint64_t start_recount(const struct consumer *c)
{
    uint64_t from = c->durable.delivered.stream + 1;
    uint64_t snapshot = c->durable.snapshot_last;

    if (from > snapshot)
        return c->stream->pending(c->stream->owner, &c->filter, from);
    return c->stream->pending_last(c->stream->owner, &c->filter, from, snapshot) +
           c->stream->pending(c->stream->owner, &c->filter, snapshot + 1);
}

uint64_t consumer_snapshot(const struct consumer *c)
{
    return c->durable.snapshot_last;
}

void consumer_counted(struct consumer *c, uint64_t from, uint64_t count)
{
    if (!c->leading || busy_resting(c) || c->durable.delivered.stream + 1 != from)
        return;
    c->busy->work.count = count;
    c->busy->work.count_valid = true;
}

uint64_t start_count(struct consumer *c)
{
    if (!c->busy->work.count_valid) {
        c->busy->work.count = start_recount(c);
        c->busy->work.count_valid = true;
    }
    return c->busy->work.count;
}

/* ---- the count follows the stream ------------------------------------------------------------ */

void consumer_stored(struct consumer *c, const struct consumer_message *message)
{
    struct working *work = &c->busy->work;

    if (!c->leading || busy_resting(c) || message->sequence <= c->durable.delivered.stream ||
        !start_matches(c, message->subject))
        return;
    if (work->count_valid)
        work->count++;
    if (work->held)
        work_dirty(c);
    if (work->caught_up && message->sequence >= work->next_from) { /* else it was planned ahead */
        work->caught_up = false;
        if (plan_demand(c))
            work_dirty(c);
    }
}

/*
 * A message at or below the snapshot counts only as its subject's newest there. Does the count lose
 * one with this one gone? Not if a newer one counts instead of it, nor if the one before it does
 * from now on.
 */
static bool snapshot_loses(struct consumer *c, const struct consumer_message *message, bool planned)
{
    const struct consumer_filter subject = {&message->subject, 1};
    struct consumer_message other;

    if (!c->stream->previous(c->stream->owner, &subject, c->durable.snapshot_last, &other))
        return true;
    if (other.sequence > message->sequence)
        return planned;
    if (other.sequence <= plan_taken(c))
        return true; /* passed over, never to be delivered */
    if (other.sequence < c->busy->work.next_from)
        c->busy->work.next_from = other.sequence;
    c->busy->work.caught_up = false;
    work_dirty(c);
    return false;
}

void start_removed(struct consumer *c, const struct consumer_message *message)
{
    struct working *work = &c->busy->work;
    bool planned = plan_removed(c, message->sequence);

    if (!planned && message->sequence <= plan_taken(c))
        return; /* delivered, or passed over */
    if (!planned && !start_matches(c, message->subject))
        return;
    if (message->sequence <= c->durable.snapshot_last && !snapshot_loses(c, message, planned))
        return;
    if (work->count_valid && work->count == 0)
        work->count_valid = false; /* cannot be: count again rather than go below */
    else if (work->count_valid)
        work->count--;
}
