#include "consumers/machine.h"

#define SWEEP_EVERY_NS    1000000000 /* sweeps because of max_waiting */
#define ASIDE_NS          250000000  /* until those aside are looked at if nobody has caught up */
#define ASIDE_WAIT_MIN_NS 1000000    /* until it is asked whether somebody has */
#define ASIDE_WAIT_MAX_NS 16000000

static void say(struct consumer *c, struct bytes to)
{
    c->out->status(c->owner, to, bytes_of(NULL, 0), buf_bytes(&c->busy->scratch));
}

/* ---- the end of a request -------------------------------------------------------------------- */

static void finish(struct consumer *c, struct request *request)
{
    if (request->closing != STATUS_NONE) {
        status_write(&c->busy->scratch, request->closing, request_missing(request),
                     request->bytes_left);
        say(c, request->reply);
    }
    requests_give(&c->busy->work.requests, request);
}

void pulls_close(struct consumer *c, struct request *request, enum status status)
{
    requests_stop(&c->busy->work.requests, request);
    request->closing = status;
    if (request->in_flight == 0)
        finish(c, request);
}

/* Nothing is in flight for it any more. What it did not get after all it waits for again: it was
 * only filled, or at the end of the stream, because of that. Its time runs out regardless. */
static void settle(struct consumer *c, struct request *request)
{
    if (request->waiting || request->in_flight > 0)
        return;
    if (!request->returned || request->closing == STATUS_TIMEOUT) {
        finish(c, request);
        return;
    }
    requests_resume(&c->busy->work.requests, request);
    work_dirty(c);
}

void pulls_taken(struct consumer *c, struct request *request, uint32_t cost)
{
    requests_take(&c->busy->work.requests, request, cost);
    if (request->waiting)
        return;
    if (request->remaining == 0 && request->budgeted && request->bytes_left > 0)
        request->closing = STATUS_BATCH_COMPLETED;
}

void pulls_landed(struct consumer *c, struct request *request)
{
    assert(request->in_flight > 0);
    request->in_flight--;
    request->active_ns = c->now_ns;
    settle(c, request);
}

void pulls_returned(struct consumer *c, struct request *request, uint32_t cost)
{
    requests_return(&c->busy->work.requests, request, cost);
    settle(c, request);
}

void pulls_abandoned(struct consumer *c, struct request *request, enum status status)
{
    assert(request->in_flight > 0);
    request->in_flight--;
    if (!request->waiting)
        request->closing = status;
    if (!request->waiting && request->in_flight == 0)
        finish(c, request);
}

void pulls_end_all(struct consumer *c, enum status status)
{
    struct requests *requests = &c->busy->work.requests;
    struct request *request;

    while ((request = requests->aside.last) != NULL)
        requests_take_back(requests, request);
    while ((request = requests->ready.first) != NULL)
        pulls_close(c, request, status);
}

/* ---- who is next ----------------------------------------------------------------------------- */

bool pulls_listened(struct consumer *c, struct request *request)
{
    if (request->looked != c->busy->work.look) {
        enum consumer_interest interest = c->out->interest(c->owner, request->reply);

        request->looked = c->busy->work.look;
        request->listened = interest != INTEREST_NONE;
        request->behind = interest == INTEREST_BEHIND;
    }
    return request->listened;
}

static bool is_over(const struct request *request, int64_t now_ns)
{
    return request->deadline_ns <= now_ns;
}

static uint64_t caught_up(const struct consumer *c)
{
    return c->out->caught_up != NULL ? c->out->caught_up(c->owner) : 0;
}

static void note_aside(struct consumer *c)
{
    c->busy->work.aside.caught_up = caught_up(c);
    c->busy->work.aside.looked_ns = c->now_ns;
}

static void set_aside(struct consumer *c, struct request *request)
{
    if (c->busy->work.requests.aside.first == NULL)
        note_aside(c);
    requests_set_aside(&c->busy->work.requests, request);
}

/* Drops those at the head that nobody listens for, or whose time is over. */
static struct request *first_ready(struct consumer *c)
{
    struct request *request;

    while ((request = c->busy->work.requests.ready.first) != NULL) {
        if (is_over(request, c->now_ns))
            pulls_close(c, request, STATUS_TIMEOUT);
        else if (!pulls_listened(c, request))
            pulls_close(c, request, STATUS_NONE);
        else if (request->behind)
            set_aside(c, request);
        else
            break;
    }
    return request;
}

bool pulls_any(struct consumer *c)
{
    return first_ready(c) != NULL || c->busy->work.requests.aside.first != NULL;
}

/* From the last on: so each finds its place at the front of those that have come back before. */
static void recall(struct consumer *c)
{
    struct requests *requests = &c->busy->work.requests;
    struct request *previous;

    note_aside(c);
    for (struct request *request = requests->aside.last; request != NULL; request = previous) {
        previous = request->previous;
        if (!pulls_listened(c, request))
            pulls_close(c, request, STATUS_NONE);
        else if (!request->behind)
            requests_take_back(requests, request);
    }
}

void pulls_recall(struct consumer *c)
{
    const struct working *work = &c->busy->work;

    if (work->requests.aside.first == NULL)
        return;
    if (work->aside.caught_up != caught_up(c) || c->now_ns - work->aside.looked_ns >= ASIDE_NS)
        recall(c);
}

/* The longer nobody has caught up, the less often. */
void pulls_recall_later(struct consumer *c)
{
    struct working *work = &c->busy->work;
    int64_t wait_ns = c->now_ns - work->aside.looked_ns;

    if (work->requests.aside.first == NULL)
        return;
    if (wait_ns < ASIDE_WAIT_MIN_NS)
        wait_ns = ASIDE_WAIT_MIN_NS;
    if (wait_ns > ASIDE_WAIT_MAX_NS)
        wait_ns = ASIDE_WAIT_MAX_NS;
    work->plan_again_ns = c->now_ns + wait_ns;
}

/* True: the request may have a message of that cost. Else it has been ended, or waits on. */
static bool serves(struct consumer *c, struct request *request, uint32_t cost)
{
    bool pinned = c->busy->work.pin.set;

    if (c->config.priority_policy == PRIORITY_NONE && !request->budgeted)
        return true;
    switch (groups_admit(c, request)) {
    case GROUP_STANDS_BY:
        requests_pass(&c->busy->work.requests, request);
        c->busy->work.held = true;
        return false;
    case GROUP_WRONG_PIN: pulls_close(c, request, STATUS_WRONG_PIN); return false;
    case GROUP_ADMITS: break;
    }
    if (!request->budgeted || cost <= request->bytes_left)
        return true;
    if (!pinned && c->busy->work.pin.set)
        groups_unpin_silently(c);
    pulls_close(c, request, STATUS_BYTES_EXCEEDED);
    return false;
}

struct request *pulls_next(struct consumer *c, uint32_t cost)
{
    struct request *request;

    /* Each that waits has its turn once. */
    for (uint64_t turns = c->busy->work.requests.count; turns > 0; turns--) {
        request = first_ready(c);
        if (request == NULL || serves(c, request, cost))
            return request;
    }
    return NULL;
}

static void end_one_shots(struct consumer *c, const struct request_list *list, enum status status)
{
    struct request *next;

    for (struct request *request = list->first; request != NULL; request = next) {
        next = request->next;
        if (request->no_wait && (request->served > 0 || request->deadline_ns == TIMERS_NEVER))
            pulls_close(c, request, status);
    }
}

void pulls_end_reached(struct consumer *c)
{
    const struct requests *requests = &c->busy->work.requests;
    enum status status = c->busy->work.stands != 0 ? STATUS_DAMAGED : STATUS_NO_MESSAGES;

    if (requests->one_shots == 0)
        return;
    end_one_shots(c, &requests->aside, status);
    end_one_shots(c, &requests->ready, status);
}

/* ---- time ------------------------------------------------------------------------------------ */

static bool heartbeat_due(const struct request *request, int64_t now_ns)
{
    return request->heartbeat_ns > 0 && now_ns - request->active_ns >= request->heartbeat_ns;
}

static void heartbeat(struct consumer *c, struct request *request, int64_t now_ns)
{
    if (!heartbeat_due(request, now_ns))
        return;
    deliver_heartbeat(c, request->reply, bytes_of(NULL, 0));
    request->active_ns = now_ns;
}

static void look_at(struct consumer *c, struct request *request, int64_t now_ns)
{
    if (!request->waiting)
        return;
    if (is_over(request, now_ns)) {
        pulls_close(c, request, STATUS_TIMEOUT);
        return;
    }
    if (!pulls_listened(c, request)) {
        pulls_close(c, request, STATUS_NONE);
        return;
    }
    if (request->no_wait && request->served > 0 && heartbeat_due(request, now_ns)) {
        pulls_close(c, request, STATUS_NO_MESSAGES); /* it waits for acks, and was not to wait */
        return;
    }
    heartbeat(c, request, now_ns);
    requests_arm(&c->busy->work.requests, request);
}

void pulls_due(struct consumer *c, int64_t now_ns)
{
    struct request *request;

    while ((request = requests_due(&c->busy->work.requests)) != NULL)
        look_at(c, request, now_ns);
}

void pulls_sweep(struct consumer *c, int64_t now_ns)
{
    struct requests *requests = &c->busy->work.requests;
    struct request *next;

    c->busy->work.look++;
    recall(c);
    for (struct request *request = requests->aside.first; request != NULL; request = next) {
        next = request->next;
        look_at(c, request, now_ns);
    }
    for (struct request *request = requests->ready.first; request != NULL; request = next) {
        next = request->next;
        if (pulls_listened(c, request) && request->behind)
            set_aside(c, request);
        look_at(c, request, now_ns);
    }
}

/* ---- a request arrives ----------------------------------------------------------------------- */

/* What a request that does not wait could be given (reference 5.5). */
static uint64_t offered(struct consumer *c)
{
    uint64_t flying = plan_fresh_in_flight(c), count;

    if (!count_ready(c))
        return UINT64_MAX; /* it is told when the end is reached */
    count = c->count + c->busy->pending.queued;

    return count > flying ? count - flying : 0;
}

static enum status refused_at_once(struct consumer *c, const struct pull *pull, int64_t now_ns)
{
    uint64_t count;

    if (!pull->no_wait)
        return STATUS_NONE;
    count = plan_paused(c) ? 0 : offered(c);
    if (count == 0)
        return pull->expires_ns == 0 ? STATUS_NO_MESSAGES : STATUS_NONE;
    pulls_sweep(c, now_ns);
    return count < c->busy->work.requests.wanted ? STATUS_REQUESTS_PENDING : STATUS_NONE;
}

static bool full(struct consumer *c, int64_t now_ns)
{
    uint64_t most = (uint64_t)c->config.max_waiting;

    if (c->config.max_waiting <= 0 || c->busy->work.requests.count < most)
        return false;
    if (now_ns - c->busy->work.swept_ns >= SWEEP_EVERY_NS) {
        c->busy->work.swept_ns = now_ns;
        pulls_sweep(c, now_ns);
    }
    return c->busy->work.requests.count >= most;
}

static void refuse(struct consumer *c, struct bytes reply, enum status status)
{
    status_write(&c->busy->scratch, status, 0, 0);
    say(c, reply);
}

static void admit(struct consumer *c, const struct pull *pull, struct bytes reply, int64_t now_ns)
{
    enum status status =
        groups_accept(c, pull) ? refused_at_once(c, pull, now_ns) : STATUS_PIN_MISMATCH;

    if (status != STATUS_NONE) {
        refuse(c, reply, status);
        return;
    }
    if (full(c, now_ns)) {
        /* A client that asked for heartbeats notices that they are missing. */
        if (pull->heartbeat_ns == 0)
            refuse(c, reply, STATUS_MAX_WAITING);
        return;
    }
    (void)requests_add(&c->busy->work.requests, pull, reply, now_ns); /* found in the list */
    work_dirty(c);
}

void consumer_request(struct consumer *c, int64_t now_ns, struct bytes reply, struct bytes headers,
                      struct bytes body)
{
    struct arena parse;
    struct pull pull;

    if (!c->leading || reply.size == 0)
        return;
    c->now_ns = now_ns;
    busy_wake(c);
    if (consumer_is_push(c)) {
        refuse(c, reply, STATUS_PUSH_BASED);
        return;
    }
    work_active(c, now_ns);
    arena_init(&parse, CONFIG_ARENA_MAX); /* a request that is only a number needs none of it */
    if (pull_read(&pull, &c->config, headers, body, &parse, &c->busy->scratch))
        admit(c, &pull, reply, now_ns);
    else
        say(c, reply);
    arena_deinit(&parse);
}
