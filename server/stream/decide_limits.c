/*
 * Discard new: what would put a stream over its limits is refused. Messages in flight count; what
 * they will remove (a roll-up, a subject's oldest) is not known exactly before it has happened, so
 * a refusal that such a removal might make wrong waits for it. The reference's rules, asked of a
 * running server.
 */
#include "server/stream/decide_priv.h"

static uint64_t messages(const struct deciding *d)
{
    uint64_t flight = decide_flaw(d, STREAM_FLAW_LIMIT_APPLIED) ? 0 : d->decider->overlay.count;

    return index_count(d->decider->state->index) + flight;
}

static uint64_t bytes(const struct deciding *d)
{
    uint64_t flight = decide_flaw(d, STREAM_FLAW_LIMIT_APPLIED) ? 0 : d->decider->overlay.bytes;

    return index_bytes(d->decider->state->index) + flight;
}

/* Nothing in flight removes anything: the sums are what they will be. */
static bool sums_exact(const struct deciding *d)
{
    const struct overlay *overlay = &d->decider->overlay;

    if (decide_flying(d) == 0 || decide_flaw(d, STREAM_FLAW_LIMIT_OVERCOUNTED))
        return true;
    return overlay->rollups == 0 && d->config->max_msgs_per_subject <= 0;
}

static bool refuse(struct deciding *d, const char *text)
{
    return sums_exact(d) ? decide_refuse_text(d, 10077, true, "%s", text) : decide_wait(d);
}

/* Exact: under discard new only roll-ups and the subject's own limit take its messages. */
static bool subject_full(const struct deciding *d)
{
    struct overlay_subject tail = {0};
    struct index_subject applied;

    if (d->config->max_msgs_per_subject <= 0)
        return false;
    if (!decide_flaw(d, STREAM_FLAW_LIMIT_APPLIED))
        overlay_subject(&d->decider->overlay, d->publish.subject, &tail);
    index_subject(d->decider->state->index, d->publish.subject, &applied);
    return (tail.rolled_up ? 0 : applied.count) + tail.count >=
           (uint64_t)d->config->max_msgs_per_subject;
}

/* The subject's oldest goes when this comes: does that make up for it? Only asked with nothing in
 * flight. */
static bool replaces_as_much(const struct deciding *d)
{
    struct index_subject applied;
    struct index_entry oldest;

    index_subject(d->decider->state->index, d->publish.subject, &applied);
    return index_get(d->decider->state->index, applied.first, &oldest) &&
           oldest.stored_size >= d->stored_size;
}

static bool check_bytes(struct deciding *d, bool replaces)
{
    if (d->config->max_bytes <= 0 || bytes(d) + d->stored_size <= (uint64_t)d->config->max_bytes)
        return true;
    if (!replaces)
        return refuse(d, "maximum bytes exceeded");
    if (decide_flying(d) > 0)
        return decide_wait(d);
    return replaces_as_much(d) || refuse(d, "maximum bytes exceeded");
}

bool decide_check_limits(struct deciding *d)
{
    const struct stream_config *config = d->config;
    bool full;

    if (d->sequence_last >= STREAM_SEQUENCE_MAX)
        return decide_refuse_text(d, 10077, true, "no sequence left");
    if (config->discard != DISCARD_NEW)
        return true;

    full = subject_full(d);
    if (full && config->discard_new_per_subject && d->flags == 0)
        return decide_refuse_text(d, 10077, true, "maximum messages per subject exceeded");
    if (!full && config->max_msgs > 0 && messages(d) >= (uint64_t)config->max_msgs)
        return refuse(d, "maximum messages exceeded");
    return check_bytes(d, full);
}
