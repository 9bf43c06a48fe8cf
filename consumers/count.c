/*
 * count: how many messages are left for a consumer (num_pending). A leader counts when it is first
 * asked; from then on the count follows what is stored and removed, also of one that rests.
 *
 * What is much work is done in parts, from the lowest sequence up, while the stream changes: what
 * is stored stands behind all that was counted, and is found; what leaves is told, and was counted
 * if it stands below counted_to.
 */
#include "consumers/machine.h"

static bool known(const struct consumer *c)
{
    return c->counted_to == COUNTED_ALL;
}

bool count_under_way(const struct consumer *c)
{
    return c->counted_to != COUNTED_NOTHING && !known(c);
}

void count_forget(struct consumer *c)
{
    c->counted_to = COUNTED_NOTHING;
    c->count = 0;
}

uint64_t count_from_stream(const struct consumer *c)
{
    uint64_t from = c->durable.delivered.stream + 1;
    uint64_t snapshot = c->durable.snapshot_last;

    if (from > snapshot)
        return c->stream->pending(c->stream->owner, &c->filter, from);
    return c->stream->pending_last(c->stream->owner, &c->filter, from, snapshot) +
           c->stream->pending(c->stream->owner, &c->filter, snapshot + 1);
}

uint64_t count_all(struct consumer *c)
{
    assert(c->leading);
    if (!known(c))
        c->count = count_from_stream(c);
    c->counted_to = COUNTED_ALL;
    return c->count;
}

bool count_ready(struct consumer *c)
{
    uint64_t from = c->durable.delivered.stream + 1;

    assert(c->leading);
    if (known(c))
        return true;
    if (count_under_way(c))
        return false;
    if (c->stream->count == NULL) {
        (void)count_all(c);
        return true;
    }
    if (c->stream->count(c->stream->owner, &c->filter, from, c->durable.snapshot_last, &c->count)) {
        c->counted_to = COUNTED_ALL;
        return true;
    }
    c->count = 0;
    c->counted_to = from;
    c->out->counting(c->owner);
    return false;
}

bool consumer_is_counted(struct consumer *c)
{
    return !c->leading || count_ready(c);
}

bool consumer_count_part(struct consumer *c)
{
    if (!c->leading || !count_under_way(c))
        return true;
    if (!c->stream->count_part(c->stream->owner, &c->filter, c->durable.snapshot_last,
                               &c->counted_to, &c->count))
        return false;
    c->counted_to = COUNTED_ALL;
    if (!busy_resting(c))
        work_dirty(c);
    return true;
}

void consumer_counted(struct consumer *c, uint64_t from, uint64_t count)
{
    if (!c->leading || c->durable.delivered.stream + 1 != from)
        return;
    c->count = count;
    c->counted_to = COUNTED_ALL;
}

/* ---- the count follows the stream ------------------------------------------------------------ */

/* It is one less, if that message was among those that were counted. */
static void count_without(struct consumer *c, uint64_t sequence)
{
    if (sequence >= c->counted_to)
        return;
    if (c->count == 0)
        count_forget(c); /* cannot be: count again rather than go below */
    else
        c->count--;
}

/* Instead of it the one before it counts, the newest of its subject from now on. */
static void count_instead(struct consumer *c, uint64_t sequence)
{
    if (c->counted_to != COUNTED_NOTHING && sequence < c->counted_to)
        c->count++;
    if (busy_resting(c))
        return;
    if (sequence < c->busy->work.next_from)
        c->busy->work.next_from = sequence;
    c->busy->work.caught_up = false;
    work_dirty(c);
}

/* A message at or below the snapshot counts only as its subject's newest there. */
static void removed_of_snapshot(struct consumer *c, const struct consumer_message *message,
                                bool planned)
{
    const struct consumer_filter subject = {&message->subject, 1};
    struct consumer_message other;
    bool is_other =
        c->stream->previous(c->stream->owner, &subject, c->durable.snapshot_last, &other);

    if (is_other && other.sequence > message->sequence && !planned)
        return; /* a newer one counts instead of it */
    count_without(c, message->sequence);
    if (is_other && other.sequence < message->sequence && other.sequence > plan_taken(c))
        count_instead(c, other.sequence);
}

void count_removed(struct consumer *c, const struct consumer_message *message)
{
    bool planned = plan_removed(c, message->sequence);

    if (!planned && message->sequence <= plan_taken(c))
        return; /* delivered, or passed over */
    if (!planned && !start_matches(c, message->subject))
        return;
    if (message->sequence <= c->durable.snapshot_last)
        removed_of_snapshot(c, message, planned);
    else
        count_without(c, message->sequence);
}

void consumer_stored(struct consumer *c, const struct consumer_message *message)
{
    struct working *work = &c->busy->work;

    if (!c->leading || message->sequence <= c->durable.delivered.stream ||
        !start_matches(c, message->subject))
        return;
    if (known(c))
        c->count++;
    if (busy_resting(c))
        return;
    if (work->held)
        work_dirty(c);
    if (work->caught_up && message->sequence >= work->next_from) { /* else it was planned ahead */
        work->caught_up = false;
        if (plan_demand(c))
            work_dirty(c);
    }
}
