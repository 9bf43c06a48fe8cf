#include "base/heap.h"
#include "base/subject_set.h"
#include "consumers/machine.h"

#define FILTERS_MANY 8u /* so many are not tried one by one */

/* ---- what follows from the config ------------------------------------------------------------ */

bool consumer_config_volatile(const struct consumer_config *config, bool until_acked)
{
    if (config->ack_policy != ACK_NONE || until_acked)
        return false;
    return config->direct || (config->durable_name.size == 0 && config->mem_storage);
}

static enum consumer_class class_of(const struct consumer_config *config, bool until_acked)
{
    if (consumer_config_volatile(config, until_acked))
        return CLASS_VOLATILE;
    return config->ack_policy == ACK_NONE && !until_acked ? CLASS_POSITION : CLASS_REPLICATED;
}

struct consumer_filter consumer_filter_of(const struct consumer_config *config)
{
    struct consumer_filter filter = {config->filter_subjects.at, config->filter_subjects.count};

    if (config->filter_subject.size > 0)
        filter = (struct consumer_filter){&config->filter_subject, 1};
    for (size_t i = 0; i < filter.count; i++)
        if (bytes_equal(filter.subjects[i], BYTES(">")))
            return (struct consumer_filter){NULL, 0};
    return filter;
}

/* "N" or "N%". */
static uint8_t sample_of(struct bytes text)
{
    uint64_t percent;

    text = bytes_trim(text);
    if (text.size > 0 && text.at[text.size - 1] == '%')
        text = bytes_take(text, text.size - 1);
    if (!bytes_read_u64(text, &percent))
        return 0;
    return percent < 100 ? (uint8_t)percent : 100;
}

/* A pull consumer is given some time beyond its threshold, each its own, so that many do not go at
 * once. */
static uint32_t jitter_of(const struct consumer *c)
{
    struct prng prng;

    if (consumer_is_push(c))
        return 0;
    prng_seed(&prng, c->seed);
    return 100000000 + (uint32_t)prng_below(&prng, 900000000);
}

static void take_config(struct consumer *c, const struct consumer_config *config)
{
    void *old = c->packed;

    c->packed = consumer_config_pack(config, &c->config);
    heap_give(old);
    subject_set_destroy(c->filter_set);
    c->filter = consumer_filter_of(&c->config);
    c->filter_set = c->filter.count >= FILTERS_MANY
                        ? subject_set_create(c->filter.subjects, c->filter.count)
                        : NULL;
    c->filter.set = c->filter_set;
    c->sample = sample_of(c->config.sample_freq);
}

/* ---- life ------------------------------------------------------------------------------------ */

struct consumer *consumer_create(uint64_t number, const struct consumer_config *config,
                                 int64_t created_ns, const struct consumer_stream *stream,
                                 const struct consumer_out *out, void *owner, uint64_t seed)
{
    struct consumer *c = HEAP_NEW(struct consumer);

    assert(number > 0);
    c->number = number;
    c->created_ns = created_ns;
    c->stream = stream;
    c->out = out;
    c->owner = owner;
    c->seed = seed;
    c->until_acked = stream->until_acked;
    c->class = class_of(config, stream->until_acked);
    c->delivered_active_ns = TIME_UNSET;
    c->floor_active_ns = TIME_UNSET;
    c->durable.revision = 1;
    take_config(c, config);
    c->inactive_jitter_ns = jitter_of(c);
    busy_begin_resting(c);
    start_resolve(c);
    return c;
}

void consumer_destroy(struct consumer *c)
{
    consumer_follow(c);
    busy_rest(c);
    subject_set_destroy(c->filter_set);
    heap_give(c->packed);
    heap_give(c);
}

/* ---- update ---------------------------------------------------------------------------------- */

static bool filters_equal(const struct consumer_config *a, const struct consumer_config *b)
{
    if (!bytes_equal(a->filter_subject, b->filter_subject) ||
        a->filter_subjects.count != b->filter_subjects.count)
        return false;
    for (size_t i = 0; i < a->filter_subjects.count; i++)
        if (!bytes_equal(a->filter_subjects.at[i], b->filter_subjects.at[i]))
            return false;
    return true;
}

static bool waits_equal(const struct consumer_config *a, const struct consumer_config *b)
{
    if (a->ack_wait_ns != b->ack_wait_ns || a->backoff_ns.count != b->backoff_ns.count)
        return false;
    for (size_t i = 0; i < a->backoff_ns.count; i++)
        if (a->backoff_ns.at[i] != b->backoff_ns.at[i])
            return false;
    return true;
}

/* Every wait counts from when it began, so a new length moves its end by the difference. */
static void move_deadlines(struct consumer *c, const struct consumer_config *to)
{
    struct pending *pending = &c->busy->pending;

    for (uint32_t place = pending_first(pending); place != 0;
         place = pending_after(pending, place)) {
        const struct pending_entry *entry = pending_entry(pending, place);
        bool usual;
        int64_t more;

        if (entry->delayed || (entry->order != PENDING_LISTED && entry->order != PENDING_HEAPED))
            continue;
        more = acks_wait(to, entry->deliveries, &usual) -
               acks_wait(&c->config, entry->deliveries, &usual);
        pending_wait(pending, place, pending_entry_deadline(entry) + more, false);
    }
}

static void queue_all(struct consumer *c)
{
    struct pending *pending = &c->busy->pending;

    for (uint32_t place = pending_first(pending); place != 0;
         place = pending_after(pending, place)) {
        const struct pending_entry *entry = pending_entry(pending, place);

        if (!entry->settling && !entry->planned)
            pending_queue(pending, place);
    }
}

uint32_t consumer_revision(const struct consumer *c)
{
    return c->durable.revision;
}

bool consumer_refilters(const struct consumer *c, const struct consumer_config *config)
{
    return !filters_equal(&c->config, config);
}

void consumer_update(struct consumer *c, int64_t now_ns, int64_t log_now_ns,
                     const struct consumer_config *config)
{
    bool refilter = !filters_equal(&c->config, config);
    bool elsewhere = !bytes_equal(c->config.deliver_subject, config->deliver_subject);

    c->durable.revision++;
    if (c->leading)
        busy_wake(c);
    if (c->leading && !waits_equal(&c->config, config))
        move_deadlines(c, config);
    take_config(c, config);
    if (!c->leading)
        return;
    c->now_ns = now_ns;
    c->log_now_ns = log_now_ns;
    if (refilter) {
        count_forget(c);
        c->busy->work.next_from = plan_taken(c) + 1;
    }
    if (elsewhere) {
        consumer_bound(c, now_ns, false); /* of the new subject nothing is known yet */
        queue_all(c);
    }
    c->busy->work.caught_up = false;
    bound_limit(c);
    groups_start(c);
    work_start_timers(c);
    work_dirty(c);
}

void consumer_retained(struct consumer *c, int64_t now_ns, int64_t log_now_ns, bool until_acked)
{
    enum consumer_class class = class_of(&c->config, until_acked);

    assert(c->class != CLASS_VOLATILE);
    c->until_acked = until_acked;
    if (class == c->class)
        return;
    if (c->leading)
        busy_wake(c);
    if (c->busy->work.plan.in_flight)
        plan_void(c);
    c->class = class;
    c->durable.revision++; /* a hand-out on its way is void */
    if (class == CLASS_REPLICATED) {
        c->durable.delivered = c->logged;
        c->durable.floor = c->logged;
    }
    c->logged = c->durable.delivered;
    if (!c->leading)
        return;
    c->now_ns = now_ns;
    c->log_now_ns = log_now_ns;
    c->busy->work.unlogged = 0;
    timers_cancel(&c->busy->work.timers, &c->busy->work.position_timer);
    c->busy->work.next_from = c->durable.delivered.stream + 1;
    count_forget(c);
    c->busy->work.caught_up = false;
    work_dirty(c);
}

/* ---- leadership ------------------------------------------------------------------------------ */

void consumer_follow(struct consumer *c)
{
    struct pending *pending = &c->busy->pending;

    count_forget(c);
    if (busy_resting(c)) {
        c->leading = false;
        return;
    }
    pulls_end_all(c, STATUS_NONE);
    plan_forget(c, STATUS_NONE);
    for (uint32_t place = pending_first(pending); place != 0;
         place = pending_after(pending, place)) {
        pending_settle(pending, place, false);
        pending_idle(pending, place);
        pending_entry(pending, place)->planned = false;
    }
    gather_clear(&c->busy->work.acks);
    gather_clear(&c->busy->work.terms);
    gather_clear(&c->busy->work.exhausts);
    gather_clear(&c->busy->work.unread);
    c->busy->work.unread_flying = 0;
    buf_clear(&c->busy->work.answers);
    timers_cancel(&c->busy->work.timers, &c->busy->work.inactive_timer);
    timers_cancel(&c->busy->work.timers, &c->busy->work.resume_timer);
    timers_cancel(&c->busy->work.timers, &c->busy->work.position_timer);
    timers_cancel(&c->busy->work.timers, &c->busy->work.push.heartbeat);
    groups_stop(c);
    c->busy->work.held = false;
    c->busy->work.stalled = false;
    c->leading = false;
    c->busy->work.dirty = false;
    c->busy->work.planning = false;
    if (busy_quiet(c))
        busy_rest(c);
}

/* Waits begin anew: how much of them passed under another leader nobody knows. Only a delay that
 * was asked for is in the log, with the time at which it ends. */
static void arm_all(struct consumer *c)
{
    struct pending *pending = &c->busy->pending;

    for (uint32_t place = pending_first(pending); place != 0;
         place = pending_after(pending, place)) {
        const struct pending_entry *entry = pending_entry(pending, place);
        int64_t left = entry->time_ns - c->log_now_ns;

        if (entry->delayed)
            pending_wait(pending, place, c->now_ns + (left > 0 ? left : 0), false);
        else
            acks_arm(c, place, c->now_ns);
    }
}

void consumer_lead(struct consumer *c, int64_t now_ns, int64_t log_now_ns)
{
    consumer_follow(c);
    if (consumer_flawed(c, CONSUMER_FLAW_START_AT_LEAD) && c->durable.delivered.consumer == 0)
        start_resolve(c);
    c->leading = true;
    c->now_ns = now_ns;
    c->log_now_ns = log_now_ns;
    if (busy_may_begin_resting(c))
        return;
    busy_wake(c);
    busy_begin(c);
    bound_start(c);
    groups_start(c);
    arm_all(c);
    work_start_timers(c);
    work_dirty(c);
}

void consumer_refused(struct consumer *c, int64_t now_ns)
{
    if (!c->leading || busy_resting(c))
        return;
    c->now_ns = now_ns;
    if (c->busy->work.plan.in_flight)
        plan_void(c);
    acks_refused(c);
    if (c->class == CLASS_POSITION)
        work_unlogged(c, 1); /* what it told of is untold */
    work_dirty(c);
}

void consumer_say_follow(struct consumer *c)
{
    pulls_end_all(c, STATUS_LEADERSHIP_CHANGE);
    consumer_follow(c);
}

bool consumer_say_shutdown(struct consumer *c)
{
    bool any = c->busy->work.requests.count > 0;

    pulls_end_all(c, STATUS_SERVER_SHUTDOWN);
    return any;
}

void consumer_say_deleted(struct consumer *c)
{
    pulls_end_all(c, STATUS_CONSUMER_DELETED);
    plan_forget(c, STATUS_CONSUMER_DELETED);
    consumer_follow(c);
}

/* ---- looking at it --------------------------------------------------------------------------- */

const struct consumer_config *consumer_config(const struct consumer *c)
{
    return &c->config;
}

uint64_t consumer_number(const struct consumer *c)
{
    return c->number;
}

struct bytes consumer_number_key(const struct consumer *c)
{
    return bytes_of(&c->number, sizeof c->number);
}

int64_t consumer_created(const struct consumer *c)
{
    return c->created_ns;
}

struct bytes consumer_name(const struct consumer *c)
{
    return c->config.name.size > 0 ? c->config.name : c->config.durable_name;
}

bool consumer_volatile(const struct consumer *c)
{
    return c->class == CLASS_VOLATILE;
}

bool consumer_is_push(const struct consumer *c)
{
    return c->config.deliver_subject.size > 0;
}

bool consumer_resting(const struct consumer *c)
{
    return busy_resting(c);
}

bool consumer_is_bound(const struct consumer *c)
{
    return c->busy->work.push.bound;
}

struct consumer_filter consumer_filter(const struct consumer *c)
{
    return c->filter;
}

uint64_t consumer_position(const struct consumer *c)
{
    return c->durable.delivered.stream + 1;
}

void consumer_describe(struct consumer *c, int64_t now_ns, int64_t log_now_ns,
                       struct consumer_info *info)
{
    if (c->leading) {
        c->now_ns = now_ns;
        c->log_now_ns = log_now_ns;
        if (!busy_resting(c))
            pulls_sweep(c, now_ns);
    }
    work_describe(c, log_now_ns, info);
}

void work_describe(struct consumer *c, int64_t log_now_ns, struct consumer_info *info)
{
    const struct durable *durable = &c->durable;
    int64_t until = c->config.pause_until_ns;

    *info = (struct consumer_info){
        .delivered_consumer = durable->delivered.consumer,
        .delivered_stream = durable->delivered.stream,
        .delivered_active_ns = c->delivered_active_ns,
        .floor_consumer = durable->floor.consumer,
        .floor_stream = durable->floor.stream,
        .floor_active_ns = c->floor_active_ns,
        .num_ack_pending = c->busy->pending.count,
        .num_redelivered = c->busy->pending.redelivered + exhausted_count(&c->busy->exhausted),
        .num_waiting = c->busy->work.requests.count,
        .num_pending = c->leading ? count_all(c) : count_from_stream(c),
        .push_bound = c->busy->work.push.bound,
        .created_ns = c->created_ns,
        .hold = consumer_hold(c),
        .damaged = c->busy->work.stands,
        .stalled_s =
            c->busy->work.stalled ? (uint64_t)(c->now_ns - c->busy->work.still_ns) / 1000000000 : 0,
        .pinned_ns = c->busy->work.pin.set ? c->busy->work.pin.since_ns : TIME_UNSET,
    };
    if (c->busy->work.pin.set)
        info->pin = bytes_of(c->busy->work.pin.id, GROUP_PIN_SIZE);
    if (c->config.max_deliver == 1)
        info->num_redelivered = 0;
    if (until != TIME_UNSET && until > log_now_ns) {
        info->paused = true;
        info->pause_remaining_ns = until - log_now_ns;
    }
}
