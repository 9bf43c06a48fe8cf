#include "consumers/groups.h"

#include "consumers/machine.h"

static struct consumer *consumer_of(struct timer *timer)
{
    return ((struct busy *)((uint8_t *)timer - offsetof(struct busy, work.pin.timer)))->consumer;
}

static bool pinning(const struct consumer *c)
{
    return c->config.priority_policy == PRIORITY_PINNED;
}

/* ---- the pin --------------------------------------------------------------------------------- */

static struct bytes first_group(const struct consumer *c)
{
    return c->config.priority_groups.at[0];
}

static void advise(struct consumer *c, enum consumer_advisory kind, struct bytes group,
                   struct bytes reason)
{
    struct consumer_advice advice = {
        .kind = kind,
        .group = group,
        .pin = bytes_of(c->busy->work.pin.id, GROUP_PIN_SIZE),
        .reason = reason,
    };

    c->out->advise(c->owner, &advice);
}

static void clear(struct consumer *c)
{
    c->busy->work.pin.set = false;
    timers_cancel(&c->busy->work.timers, &c->busy->work.pin.timer);
    work_dirty(c);
}

static void pin_expired(struct timer *timer)
{
    struct consumer *c = consumer_of(timer);

    clear(c);
    advise(c, ADVISORY_UNPINNED, first_group(c), BYTES("timeout"));
}

static void keep(struct consumer *c)
{
    timers_arm(&c->busy->work.timers, &c->busy->work.pin.timer,
               c->now_ns + c->config.priority_timeout_ns);
}

static void give(struct consumer *c, struct request *request)
{
    struct group_pin *pin = &c->busy->work.pin;

    text_base62(&c->busy->prng, pin->id, sizeof pin->id);
    pin->set = true;
    pin->since_ns = c->log_now_ns;
    request->pinned = true;
    memcpy(request->pin, pin->id, sizeof pin->id);
    keep(c);
    advise(c, ADVISORY_PINNED, first_group(c), bytes_of(NULL, 0));
}

void groups_unpin_silently(struct consumer *c)
{
    clear(c);
}

void consumer_unpin(struct consumer *c, int64_t now_ns, int64_t log_now_ns, struct bytes group)
{
    if (!c->leading)
        return;
    c->now_ns = now_ns;
    c->log_now_ns = log_now_ns;
    busy_wake(c);
    clear(c);
    advise(c, ADVISORY_UNPINNED, group, BYTES("admin"));
}

void groups_start(struct consumer *c)
{
    c->busy->work.pin.timer.fire = pin_expired;
    c->busy->work.requests.prioritized = c->config.priority_policy == PRIORITY_PRIORITIZED;
    if (c->busy->work.pin.set && !pinning(c))
        clear(c);
}

void groups_stop(struct consumer *c)
{
    c->busy->work.pin.set = false;
    timers_cancel(&c->busy->work.timers, &c->busy->work.pin.timer);
}

/* ---- who may have a message ------------------------------------------------------------------ */

static enum group_admission admit_pinned(struct consumer *c, struct request *request)
{
    const struct group_pin *pin = &c->busy->work.pin;

    if (!pin->set) {
        if (request->pinned)
            return GROUP_WRONG_PIN;
        give(c, request);
        return GROUP_ADMITS;
    }
    if (!request->pinned)
        return GROUP_STANDS_BY;
    return memcmp(request->pin, pin->id, sizeof pin->id) == 0 ? GROUP_ADMITS : GROUP_WRONG_PIN;
}

/* Enough is left, or owed, counting what this hand-out has planned so far. A request that names
 * neither is always served. */
static enum group_admission admit_overflow(struct consumer *c, const struct request *request)
{
    const struct pending *pending = &c->busy->pending;
    uint64_t fresh = plan_fresh_in_flight(c);
    uint64_t owed = pending->count - pending->settling + fresh;
    uint64_t left;

    if (request->min_pending == 0 && request->min_ack_pending == 0)
        return GROUP_ADMITS;
    if (request->min_ack_pending > 0 && owed >= request->min_ack_pending)
        return GROUP_ADMITS;
    if (request->min_pending == 0)
        return GROUP_STANDS_BY;
    left = plan_count_tail(c);
    return left >= fresh && left - fresh >= request->min_pending ? GROUP_ADMITS : GROUP_STANDS_BY;
}

enum group_admission groups_admit(struct consumer *c, struct request *request)
{
    switch ((enum priority_policy)c->config.priority_policy) {
    case PRIORITY_PINNED: return admit_pinned(c, request);
    case PRIORITY_OVERFLOW: return admit_overflow(c, request);
    case PRIORITY_NONE:
    case PRIORITY_PRIORITIZED: break;
    }
    return GROUP_ADMITS;
}

bool groups_accept(struct consumer *c, const struct pull *pull)
{
    const struct group_pin *pin = &c->busy->work.pin;

    if (!pin->set || pull->id.size == 0)
        return true;
    if (!bytes_equal(pull->id, bytes_of(pin->id, GROUP_PIN_SIZE)))
        return false;
    keep(c);
    return true;
}

struct bytes groups_headers(struct consumer *c, const struct request *request)
{
    if (!pinning(c) || request == NULL || !request->pinned)
        return bytes_of(NULL, 0);
    status_pin(&c->busy->scratch, bytes_of(request->pin, GROUP_PIN_SIZE));
    return buf_bytes(&c->busy->scratch);
}
