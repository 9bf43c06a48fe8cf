#include "base/heap.h"
#include "consumers/machine.h"

/* Shared by all that rest. Of a machine that rests everything in it is as it is here. */
static const struct busy resting = {
    .pending = {0},
    .work = {.plan_again_ns = TIMERS_NEVER},
};

bool busy_resting(const struct consumer *c)
{
    return c->busy == &resting;
}

static void take_prefix(struct busy *busy)
{
    const struct consumer *c = busy->consumer;
    char prefix[ACK_SUBJECT_PREFIX_MAX];

    if (busy->prefix != NULL)
        return;
    busy->prefix_size = ack_subject_prefix(prefix, c->stream->name, consumer_name(c));
    assert(busy->prefix_size > 0); /* validation bounds names */
    busy->prefix = heap_take(busy->prefix_size);
    memcpy(busy->prefix, prefix, busy->prefix_size);
}

void busy_begin_resting(struct consumer *c)
{
    c->busy = (struct busy *)&resting; /* a page that nobody can write */
}

void busy_begin(struct consumer *c)
{
    struct working *work = &c->busy->work;

    assert(c->leading);
    take_prefix(c->busy);
    work->active_ns = c->now_ns;
    work->still_ns = c->now_ns;
    work->still_count = c->durable.delivered.consumer;
    work->swept_ns = c->now_ns - 1000000000; /* the first request may find room */
    work->plan_again_ns = TIMERS_NEVER;
    work->next_from = c->durable.delivered.stream + 1;
    work->lost_from = 1;
    work->caught_up = false;
    work->ack_all = 0;
    work->unread_flying = 0;
    work->settled_to = 0;
    work->unlogged = 0;
    work->replay_time_ns = TIME_UNSET;
    work->replay_last =
        c->config.replay_policy == REPLAY_ORIGINAL ? c->stream->last(c->stream->owner) : 0;
}

void busy_wake(struct consumer *c)
{
    struct busy *busy;

    if (!busy_resting(c))
        return;
    busy = HEAP_NEW(struct busy);
    busy->consumer = c;
    prng_seed(&busy->prng, c->seed);
    buf_init(&busy->scratch, SCRATCH_MAX);
    buf_init(&busy->work.answers, ANSWERS_MAX);
    timers_init(&busy->work.timers);
    requests_init(&busy->work.requests, &busy->work.timers);
    pending_init(&busy->pending);
    exhausted_init(&busy->exhausted, prng_next(&busy->prng));
    c->busy = busy;
    if (!c->leading)
        return;
    busy_begin(c);
    bound_start(c);
    groups_start(c);
    work_start_timers(c);
}

void busy_rest(struct consumer *c)
{
    struct busy *busy = c->busy;

    if (busy_resting(c))
        return;
    c->seed = prng_next(&busy->prng); /* what it draws next it has not drawn before */
    requests_deinit(&busy->work.requests);
    timers_deinit(&busy->work.timers);
    gather_deinit(&busy->work.acks);
    gather_deinit(&busy->work.terms);
    gather_deinit(&busy->work.exhausts);
    gather_deinit(&busy->work.unread);
    gather_deinit(&busy->work.due);
    heap_give(busy->work.plan.at);
    buf_deinit(&busy->work.answers);
    push_deinit(&busy->work.push);
    buf_deinit(&busy->scratch);
    pending_deinit(&busy->pending);
    exhausted_deinit(&busy->exhausted);
    heap_give(busy->prefix);
    heap_give(busy);
    busy_begin_resting(c);
}

/* Does its being there at all make no difference to a leader? Not where the time of its beginning
 * counts, or somebody listens or does not. */
static bool patient(const struct consumer *c)
{
    return !consumer_is_push(c) && c->class != CLASS_VOLATILE &&
           c->config.inactive_threshold_ns <= 0 && c->config.replay_policy == REPLAY_INSTANT &&
           !plan_paused(c);
}

static bool gathered(const struct working *work)
{
    return work->acks.count > 0 || work->terms.count > 0 || work->exhausts.count > 0 ||
           work->unread.count > 0 || work->answers.size > 0 || work->ack_all > 0 ||
           work->unlogged > 0;
}

bool busy_quiet(const struct consumer *c)
{
    const struct busy *busy = c->busy;
    const struct working *work = &busy->work;

    if (busy->pending.count > 0 || exhausted_count(&busy->exhausted) > 0)
        return false;
    if (!c->leading || busy_resting(c))
        return true;
    return patient(c) && !gathered(work) && work->requests.count == 0 && work->plan.count == 0 &&
           !work->plan.in_flight && !work->pin.set && !work->dirty && !work->planning &&
           !work->stalled && timers_next(&work->timers) == TIMERS_NEVER;
}

bool busy_may_begin_resting(const struct consumer *c)
{
    return busy_resting(c) && patient(c);
}
