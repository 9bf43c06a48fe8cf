#include "consumers/machine.h"

#define STALLED_AFTER_NS  30000000000
#define STANDS_AFTER_NS   2000000000 /* by then another replica has given it back, if one has it */
#define SHORT_PART        8u         /* fewer owed acks are not worth waiting for */
#define INACTIVE_AGAIN_NS 5000000000 /* the shell could not delete it: say so again */

#define OWNER(timer, member)                                                                       \
    (((struct busy *)((uint8_t *)(timer)-offsetof(struct busy, work.member)))->consumer)

void work_dirty(struct consumer *c)
{
    c->busy->work.dirty = true;
}

void work_applied(struct consumer *c)
{
    work_dirty(c);
}

void work_active(struct consumer *c, int64_t now_ns)
{
    c->busy->work.active_ns = now_ns;
}

/* ---- inactivity (reference 8.2) -------------------------------------------------------------- */

/* The last moment at which a pending message may still be acked in time. */
static int64_t last_deadline(const struct consumer *c)
{
    const struct pending *pending = &c->busy->pending;
    int64_t last = INT64_MIN;

    for (uint32_t place = pending_first(pending); place != 0;
         place = pending_after(pending, place)) {
        int64_t deadline = pending_entry_deadline(pending_entry(pending, place));

        if (deadline != PENDING_NEVER && deadline > last)
            last = deadline;
    }
    return last;
}

/* When it will have been inactive for long enough, if nothing happens until then. */
static int64_t inactive_at(struct consumer *c)
{
    int64_t threshold = c->config.inactive_threshold_ns;
    int64_t at, deadline;

    if (threshold <= 0 || c->busy->work.push.bound)
        return TIMERS_NEVER;
    if (__builtin_add_overflow(c->busy->work.active_ns + c->inactive_jitter_ns, threshold, &at))
        return TIMERS_NEVER;
    if (consumer_is_push(c) || at > c->now_ns)
        return at;
    pulls_sweep(c, c->now_ns);
    if (c->busy->work.requests.count > 0 || c->busy->work.plan.in_flight)
        return c->now_ns + threshold;
    deadline = last_deadline(c);
    return deadline > at - threshold ? deadline + threshold : at;
}

void work_arm_inactive(struct consumer *c)
{
    int64_t at = inactive_at(c);

    if (at == TIMERS_NEVER)
        timers_cancel(&c->busy->work.timers, &c->busy->work.inactive_timer);
    else
        timers_arm(&c->busy->work.timers, &c->busy->work.inactive_timer, at);
}

static void inactive_due(struct timer *timer)
{
    struct consumer *c = OWNER(timer, inactive_timer);

    /* Signs of life do not touch the timer: it looks when the last one was. */
    if (inactive_at(c) > c->now_ns) {
        work_arm_inactive(c);
        return;
    }
    timers_arm(&c->busy->work.timers, timer, c->now_ns + INACTIVE_AGAIN_NS);
    c->out->inactive(c->owner);
}

/* ---- pause ----------------------------------------------------------------------------------- */

static void arm_resume(struct consumer *c)
{
    if (plan_paused(c))
        timers_arm(&c->busy->work.timers, &c->busy->work.resume_timer,
                   c->now_ns + (c->config.pause_until_ns - c->log_now_ns));
    else
        timers_cancel(&c->busy->work.timers, &c->busy->work.resume_timer);
}

static void resume_due(struct timer *timer)
{
    struct consumer *c = OWNER(timer, resume_timer);

    if (plan_paused(c)) { /* log time went slower than ours */
        arm_resume(c);
        return;
    }
    c->out->advise(c->owner, &(struct consumer_advice){.kind = ADVISORY_RESUMED,
                                                       .pause_until_ns = c->config.pause_until_ns});
}

/* ---- the position of a durable consumer without acks ----------------------------------------- */

static void propose_position(struct consumer *c)
{
    const struct position *delivered = &c->durable.delivered;
    bool fitted;

    fitted = progress_write_position(&c->busy->scratch, c->number, delivered->consumer,
                                     delivered->stream);
    assert(fitted);
    c->out->propose(c->owner, CONSUMER_RECORD_POSITION, buf_bytes(&c->busy->scratch));
    c->busy->work.unlogged = 0;
    timers_cancel(&c->busy->work.timers, &c->busy->work.position_timer);
}

static void position_due(struct timer *timer)
{
    propose_position(OWNER(timer, position_timer));
}

void work_unlogged(struct consumer *c, uint64_t count)
{
    if (c->class != CLASS_POSITION || consumer_flawed(c, CONSUMER_FLAW_POSITION_UNLOGGED))
        return;
    c->busy->work.unlogged += count;
    if (c->busy->work.unlogged >= POSITION_EVERY)
        propose_position(c);
    else if (!timer_armed(&c->busy->work.position_timer))
        timers_arm(&c->busy->work.timers, &c->busy->work.position_timer,
                   c->now_ns + POSITION_AFTER_NS);
}

void work_start_timers(struct consumer *c)
{
    c->busy->work.inactive_timer.fire = inactive_due;
    c->busy->work.resume_timer.fire = resume_due;
    c->busy->work.position_timer.fire = position_due;
    work_arm_inactive(c);
    arm_resume(c);
}

/* ---- the turn -------------------------------------------------------------------------------- */

/* After a change of leader: a message may have left the stream while its hand-out was in flight. */
static void look_for_lost(struct consumer *c)
{
    struct pending *pending = &c->busy->pending;
    struct consumer_message message;
    uint32_t place = pending_at_or_after(pending, c->busy->work.lost_from);
    size_t looked = 0;

    while (place != 0 && looked++ < SCAN_MAX) {
        const struct pending_entry *entry = pending_entry(pending, place);

        c->busy->work.lost_from = entry->sequence + 1;
        if (!entry->settling && !c->stream->get(c->stream->owner, entry->sequence, &message))
            acks_lost(c, place);
        place = pending_after(pending, place);
    }
    if (place == 0)
        c->busy->work.lost_from = 0;
    else
        work_dirty(c);
}

static void expired(struct consumer *c, uint32_t place, int64_t unsent_ns)
{
    const struct pending_entry *entry = pending_entry(&c->busy->pending, place);

    if (acks_unsent(entry, unsent_ns))
        acks_arm(c, place, c->now_ns); /* nobody can have acked it */
    else if (acks_spent(c, entry) && c->busy->work.unread_flying == 0)
        acks_exhaust(c, place);
    else if (acks_spent(c, entry) || plan_damaged(c, entry->sequence))
        acks_look_again(c, place);
    else
        pending_queue(&c->busy->pending, place);
}

/* What was not acked in time: queued by rising sequence, or at the end of its deliveries. */
static void expire(struct consumer *c)
{
    struct pending *pending = &c->busy->pending;
    struct gather *due = &c->busy->work.due;
    size_t count = 0;
    int64_t unsent_ns;
    uint32_t place;

    while (count < EXPIRE_MAX && (place = pending_due(pending, c->now_ns)) != 0) {
        gather_add(due, pending_entry(pending, place)->sequence);
        count++;
    }
    if (count == EXPIRE_MAX)
        work_dirty(c);
    if (count == 0)
        return;
    gather_sort(due);
    unsent_ns = acks_unsent_since(c);
    for (size_t i = 0; i < due->count; i++) {
        for (uint64_t sequence = due->runs[i].first; sequence <= due->runs[i].last; sequence++) {
            expired(c, pending_find(pending, sequence), unsent_ns);
        }
    }
    gather_clear(due);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Whoever owns it is told once when nothing moves that could, and when it does again. */
static int64_t watch_stall(struct consumer *c)
{
    struct working *work = &c->busy->work;
    int64_t after_ns =
        consumer_hold(c) == HOLD_DAMAGED ? STANDS_AFTER_NS : (int64_t)STALLED_AFTER_NS;
    bool moves = !consumer_hold_stalls(consumer_hold(c)) ||
                 work->still_count != c->durable.delivered.consumer;

    if (c->out->stalled == NULL)
        return TIMERS_NEVER;
    if (moves) {
        work->still_ns = c->now_ns;
        work->still_count = c->durable.delivered.consumer;
    }
    if (work->stalled != (!moves && c->now_ns - work->still_ns >= after_ns)) {
        struct consumer_info info;

        work->stalled = !work->stalled;
        work_describe(c, c->log_now_ns, &info);
        c->out->stalled(c->owner, &info);
    }
    return consumer_hold_stalls(consumer_hold(c)) && !work->stalled ? work->still_ns + after_ns
                                                                    : TIMERS_NEVER;
}

/* When nothing has happened for long: what somebody wants next begins from the log. */
static int64_t rest_in_time(struct consumer *c, int64_t wake_ns)
{
    int64_t rest_ns = c->busy->work.active_ns + REST_AFTER_NS;

    if (rest_ns > c->now_ns)
        return earlier(wake_ns, rest_ns);
    busy_rest(c);
    return TIMERS_NEVER;
}

/* The end of every step. A message that somebody may have is never left lying. */
static void ask_wake(struct consumer *c)
{
    struct working *work = &c->busy->work;
    int64_t at = earlier(timers_next(&work->timers), pending_deadline(&c->busy->pending));

    assert(consumer_hold(c) != HOLD_NOT || work->dirty || work->planning);
    at = earlier(at, watch_stall(c));

    at = work->dirty ? c->now_ns : earlier(at, work->plan_again_ns);
    if (busy_quiet(c))
        at = rest_in_time(c, at);
    c->out->wake_at(c->owner, at);
}

void consumer_work(struct consumer *c, int64_t now_ns, int64_t log_now_ns)
{
    struct working *work = &c->busy->work;

    if (!c->leading || busy_resting(c))
        return;
    c->now_ns = now_ns;
    c->log_now_ns = log_now_ns;
    work->dirty = false;
    work->look++;
    timers_run(&work->timers, now_ns);
    pulls_due(c, now_ns);
    if (work->lost_from != 0)
        look_for_lost(c);
    expire(c);
    acks_flush(c); /* in front of the hand-out: it makes room for it */
    work->plan_again_ns = TIMERS_NEVER;
    if (c->class == CLASS_REPLICATED)
        work->planning = plan_wanted(c);
    else
        plan_hand_out(c);
    acks_flush(c);
    ask_wake(c);
}

bool consumer_hungry(const struct consumer *c)
{
    return c->leading && c->busy->work.dirty;
}

void consumer_offered(struct consumer *c)
{
    if (c->class != CLASS_REPLICATED || busy_resting(c))
        return; /* it delivers at once, so it has to wait until they are stored */
    c->busy->work.caught_up = false;
    c->busy->work.planning = plan_wanted(c);
}

bool consumer_short_of_acks(const struct consumer *c)
{
    const struct working *work = &c->busy->work;
    const struct pending *pending = &c->busy->pending;
    uint64_t most = c->config.max_ack_pending > 0 ? (uint64_t)c->config.max_ack_pending : 0;
    uint64_t owed = pending->count - pending->settling, room;

    if (!work->planning || pending->queued > 0 || owed <= most / SHORT_PART)
        return false;
    room = owed < most ? most - owed : 0;
    return (consumer_is_push(c) || room < work->requests.wanted) &&
           (count_under_way(c) || room < c->count);
}

bool consumer_planning(const struct consumer *c)
{
    return c->busy->work.planning;
}

void consumer_hand_out(struct consumer *c, int64_t now_ns, int64_t log_now_ns)
{
    struct working *work = &c->busy->work;

    if (!work->planning)
        return;
    assert(c->class == CLASS_REPLICATED);
    c->now_ns = now_ns;
    c->log_now_ns = log_now_ns;
    work->planning = false;
    plan_hand_out(c);
    acks_flush(c); /* of messages that were found to be gone */
    ask_wake(c);
}
