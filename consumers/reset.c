#include "consumers/machine.h"

/* ---- may it, and where does it begin then? (reference consumers 10.6) ----------------------- */

static uint64_t first_at_start_time(const struct consumer *c)
{
    struct consumer_message message;

    if (c->stream->first_at(c->stream->owner, c->config.opt_start_time_ns, &message))
        return message.sequence;
    return c->stream->last(c->stream->owner) + 1;
}

const char *consumer_reset_check(const struct consumer *c, uint64_t asked, uint64_t *next)
{
    *next = asked == 0 ? c->durable.floor.stream + 1 : asked;
    if (asked == 0)
        return NULL;
    switch ((enum deliver_policy)c->config.deliver_policy) {
    case DELIVER_ALL: return NULL;
    case DELIVER_BY_START_SEQUENCE:
        return asked < c->config.opt_start_seq ? "below start seq" : NULL;
    case DELIVER_BY_START_TIME: return asked < first_at_start_time(c) ? "below start time" : NULL;
    case DELIVER_LAST:
    case DELIVER_NEW:
    case DELIVER_LAST_PER_SUBJECT:
    case DELIVER_UNDEFINED: break;
    }
    return "not allowed";
}

bool consumer_reset_write(const struct consumer *c, uint64_t next, struct buf *out)
{
    return progress_write_reset(out, c->number, next);
}

/* ---- in apply -------------------------------------------------------------------------------- */

static void forget_durable(struct consumer *c, uint64_t next)
{
    struct durable *durable = &c->durable;

    pending_deinit(&c->busy->pending);
    pending_init(&c->busy->pending);
    exhausted_deinit(&c->busy->exhausted);
    exhausted_init(&c->busy->exhausted, prng_next(&c->busy->prng));
    durable->delivered = (struct position){0, next - 1};
    durable->floor = durable->delivered;
    c->logged = durable->delivered;
    durable->revision++; /* a hand-out that was planned before is void */
    c->delivered_active_ns = TIME_UNSET;
    c->floor_active_ns = TIME_UNSET;
}

/* Requests go on waiting; what was said of messages that were handed out means nothing now. */
static void begin_anew(struct consumer *c)
{
    struct working *work = &c->busy->work;

    gather_clear(&work->acks);
    gather_clear(&work->terms);
    gather_clear(&work->exhausts);
    gather_clear(&work->unread);
    buf_clear(&work->answers); /* they would confirm what is not logged */
    work->ack_all = 0;
    work->settled_to = 0;
    work->unlogged = 0;
    work->lost_from = 1;
    work->next_from = c->durable.delivered.stream + 1;
    work->caught_up = false;
    count_forget(c);
    work->replay_time_ns = TIME_UNSET;
    bound_reset(c);
    work_dirty(c);
}

enum err reset_apply(struct consumer *c, struct bytes body)
{
    uint64_t next;

    if (progress_read_reset(body, &next) != OK)
        return ERR_CORRUPT;
    if (c->busy->work.plan.in_flight)
        plan_void(c);
    forget_durable(c, next);
    if (c->leading)
        begin_anew(c);
    return OK;
}
