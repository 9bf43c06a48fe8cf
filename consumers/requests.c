#include "consumers/requests.h"

#include "base/heap.h"

/* A client that waits as long as it said finds out by its own clock: one that hears it first may
 * take the status for the message (`nats consumer next`). */
#define TOLD_LATER_NS 1000000

void requests_init(struct requests *requests, struct timers *timers)
{
    *requests = (struct requests){.timers = timers};
}

static void free_request(struct request *request)
{
    if (request->reply.at != request->text)
        heap_give((void *)request->reply.at);
    heap_give(request);
}

void requests_deinit(struct requests *requests)
{
    assert(requests->count == 0); /* the owner has ended them */
    while (requests->spare != NULL) {
        struct request *request = requests->spare;
        requests->spare = request->next;
        heap_give(request);
    }
}

/* ---- the list -------------------------------------------------------------------------------- */

static struct request_list *list_of(struct requests *requests, const struct request *request)
{
    return request->aside ? &requests->aside : &requests->ready;
}

/* Between two neighbours, of which either may be none. */
static void link_between(struct request_list *list, struct request *request,
                         struct request *previous, struct request *next)
{
    request->previous = previous;
    request->next = next;
    if (previous != NULL)
        previous->next = request;
    else
        list->first = request;
    if (next != NULL)
        next->previous = request;
    else
        list->last = request;
}

static void link_last(struct requests *requests, struct request *request)
{
    struct request *previous = requests->ready.last, *next = NULL;

    while (requests->prioritized && previous != NULL && previous->priority > request->priority) {
        next = previous;
        previous = previous->previous;
    }
    request->rank = ++requests->rank_last;
    link_between(&requests->ready, request, previous, next);
}

/* Is its turn before the other's? */
static bool precedes(const struct requests *requests, const struct request *request,
                     const struct request *other)
{
    if (requests->prioritized && request->priority != other->priority)
        return request->priority < other->priority;
    return request->rank < other->rank;
}

/* Mostly near the front: those behind it have had messages since. */
static void link_by_rank(struct requests *requests, struct request *request)
{
    struct request *previous = NULL, *next = requests->ready.first;

    while (next != NULL && precedes(requests, next, request)) {
        previous = next;
        next = next->next;
    }
    link_between(&requests->ready, request, previous, next);
}

static void link_first(struct requests *requests, struct request *request)
{
    request->rank = --requests->rank_first;
    link_by_rank(requests, request);
}

static void unlink_request(struct requests *requests, struct request *request)
{
    struct request_list *list = list_of(requests, request);

    if (request->previous != NULL)
        request->previous->next = request->next;
    else
        list->first = request->next;
    if (request->next != NULL)
        request->next->previous = request->previous;
    else
        list->last = request->previous;
}

void requests_set_aside(struct requests *requests, struct request *request)
{
    assert(request->waiting && !request->aside);
    unlink_request(requests, request);
    request->aside = true;
    requests->wanted -= request->remaining;
    link_between(&requests->aside, request, requests->aside.last, NULL);
}

void requests_take_back(struct requests *requests, struct request *request)
{
    assert(request->waiting && request->aside);
    unlink_request(requests, request);
    request->aside = false;
    requests->wanted += request->remaining;
    link_by_rank(requests, request);
}

static void count_waiting(struct requests *requests, struct request *request, bool waiting)
{
    assert(request->waiting != waiting);
    request->waiting = waiting;
    requests->count += waiting ? 1 : UINT64_MAX;
    requests->wanted += waiting ? request->remaining : -request->remaining;
    if (request->no_wait)
        requests->one_shots += waiting ? 1 : UINT64_MAX;
    if (request->budgeted)
        requests->budgeted += waiting ? 1 : UINT64_MAX;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void timer_fired(struct timer *timer)
{
    struct request *request =
        (struct request *)((uint8_t *)timer - offsetof(struct request, timer));

    request->due = true;
    request->due_next = request->set->due;
    request->set->due = request;
}

static struct request *take_spare(struct requests *requests)
{
    struct request *request = requests->spare;

    if (request == NULL)
        return HEAP_NEW(struct request);
    requests->spare = request->next;
    requests->spare_count--;
    return request;
}

static int64_t deadline_of(int64_t now_ns, int64_t expires_ns)
{
    int64_t deadline;

    if (expires_ns == 0)
        return TIMERS_NEVER;
    return __builtin_add_overflow(now_ns, expires_ns, &deadline) ? TIMERS_NEVER : deadline;
}

struct request *requests_add(struct requests *requests, const struct pull *pull, struct bytes reply,
                             int64_t now_ns)
{
    struct request *request = take_spare(requests);

    *request = (struct request){
        .set = requests,
        .timer = {.fire = timer_fired},
        .remaining = pull->batch,
        .batch_given = pull->batch_given,
        .bytes_left = pull->max_bytes,
        .budgeted = pull->max_bytes > 0,
        .deadline_ns = deadline_of(now_ns, pull->expires_ns),
        .heartbeat_ns = pull->heartbeat_ns,
        .active_ns = now_ns,
        .no_wait = pull->no_wait,
        .pinned = pull->id.size > 0,
        .priority = pull->priority,
        .min_pending = pull->min_pending,
        .min_ack_pending = pull->min_ack_pending,
    };
    if (pull->id.size == sizeof request->pin) /* any other is nobody's */
        memcpy(request->pin, pull->id.at, sizeof request->pin);
    if (reply.size <= sizeof(request->text)) {
        memcpy(request->text, reply.at, reply.size);
        request->reply = bytes_of(request->text, reply.size);
    } else {
        request->reply = heap_copy(reply);
    }
    link_last(requests, request);
    count_waiting(requests, request, true);
    requests_arm(requests, request);
    return request;
}

void requests_take(struct requests *requests, struct request *request, uint64_t bytes)
{
    assert(request->waiting && !request->aside);
    assert(request->remaining > 0);
    assert(!request->budgeted || bytes <= request->bytes_left);
    request->remaining--;
    requests->wanted--;
    request->served++;
    request->in_flight++;
    if (request->budgeted)
        request->bytes_left -= bytes;
    if (request->remaining == 0 || (request->budgeted && request->bytes_left == 0)) {
        requests_stop(requests, request);
        return;
    }
    requests_pass(requests, request);
}

void requests_pass(struct requests *requests, struct request *request)
{
    assert(request->waiting && !request->aside);
    if (request->next == NULL)
        return; /* it is at the end */
    unlink_request(requests, request);
    link_last(requests, request);
}

void requests_return(struct requests *requests, struct request *request, uint64_t bytes)
{
    assert(request->in_flight > 0);
    request->in_flight--;
    request->served--;
    request->remaining++;
    requests->wanted += request->waiting && !request->aside;
    request->returned = true;
    if (request->budgeted)
        request->bytes_left += bytes;
}

void requests_stop(struct requests *requests, struct request *request)
{
    if (!request->waiting)
        return;
    if (request->aside)
        requests->wanted += request->remaining; /* it is counted out below */
    unlink_request(requests, request);
    request->aside = false;
    count_waiting(requests, request, false);
    request->returned = false;
    timers_cancel(requests->timers, &request->timer);
}

void requests_resume(struct requests *requests, struct request *request)
{
    assert(request->remaining > 0);
    request->returned = false;
    request->closing = STATUS_NONE;
    link_first(requests, request);
    count_waiting(requests, request, true);
    requests_arm(requests, request);
}

static void forget_due(struct requests *requests, struct request *request)
{
    struct request **at = &requests->due;

    while (*at != request)
        at = &(*at)->due_next;
    *at = request->due_next;
}

void requests_give(struct requests *requests, struct request *request)
{
    assert(!request->waiting);
    assert(request->in_flight == 0);
    if (request->due)
        forget_due(requests, request);
    if (requests->spare_count == REQUESTS_SPARE_MAX) {
        free_request(request);
        return;
    }
    if (request->reply.at != request->text)
        heap_give((void *)request->reply.at);
    request->next = requests->spare;
    requests->spare = request;
    requests->spare_count++;
}

/* ---- time ------------------------------------------------------------------------------------ */

struct request *requests_due(struct requests *requests)
{
    struct request *request = requests->due;

    if (request != NULL) {
        requests->due = request->due_next;
        request->due = false;
    }
    return request;
}

void requests_arm(struct requests *requests, struct request *request)
{
    int64_t at = request->deadline_ns;

    if (request->heartbeat_ns > 0 && request->active_ns + request->heartbeat_ns < at)
        at = request->active_ns + request->heartbeat_ns;
    else if (__builtin_add_overflow(at, TOLD_LATER_NS, &at))
        at = TIMERS_NEVER;
    if (at == TIMERS_NEVER)
        timers_cancel(requests->timers, &request->timer);
    else
        timers_arm(requests->timers, &request->timer, at);
}
