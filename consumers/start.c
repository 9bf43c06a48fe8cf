#include "base/subject.h"
#include "base/subject_set.h"
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
    if (c->filter.set != NULL)
        return subject_set_matches(c->filter.set, subject);
    for (size_t i = 0; i < c->filter.count; i++)
        if (subject_matches(c->filter.subjects[i], subject))
            return true;
    return false;
}

uint64_t consumer_snapshot(const struct consumer *c)
{
    return c->durable.snapshot_last;
}
