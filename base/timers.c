#include "base/timers.h"

#include <assert.h>

#include "base/heap.h"

#define CAPACITY_FIRST 16u

/*
 * heap[0] is not used. heap[1..count] is a binary heap by (deadline, order). While timers_run is
 * running, heap[count + 1 .. count + late] are timers that were armed for a time already reached:
 * they join the heap when it ends.
 */

void timers_init(struct timers *timers)
{
    *timers = (struct timers){0};
}

void timers_deinit(struct timers *timers)
{
    assert(!timers->running);
    for (size_t i = 1; i <= timers->count; i++)
        timers->heap[i]->place = 0;
    heap_give(timers->heap);
    timers_init(timers);
}

bool timer_armed(const struct timer *timer)
{
    return timer->place != 0;
}

static bool before(const struct timer *a, const struct timer *b)
{
    if (a->deadline_ns != b->deadline_ns)
        return a->deadline_ns < b->deadline_ns;
    return a->order < b->order;
}

static void put(struct timers *timers, size_t place, struct timer *timer)
{
    timers->heap[place] = timer;
    timer->place = place;
}

static void sift_up(struct timers *timers, struct timer *timer)
{
    size_t place = timer->place;

    while (place > 1 && before(timer, timers->heap[place / 2])) {
        put(timers, place, timers->heap[place / 2]);
        place /= 2;
    }
    put(timers, place, timer);
}

static void sift_down(struct timers *timers, struct timer *timer)
{
    size_t place = timer->place;

    for (size_t child = place * 2; child <= timers->count; child = place * 2) {
        if (child < timers->count && before(timers->heap[child + 1], timers->heap[child]))
            child++;
        if (!before(timers->heap[child], timer))
            break;
        put(timers, place, timers->heap[child]);
        place = child;
    }
    put(timers, place, timer);
}

static void make_room(struct timers *timers)
{
    size_t need = timers->count + timers->late + 2; /* one more, and the unused [0] */

    if (need <= timers->capacity)
        return;
    timers->capacity = timers->capacity == 0 ? CAPACITY_FIRST : timers->capacity * 2;
    timers->heap = heap_resize(timers->heap, timers->capacity * sizeof(struct timer *));
}

static void remove_late(struct timers *timers, struct timer *timer)
{
    struct timer *last = timers->heap[timers->count + timers->late];

    put(timers, timer->place, last);
    timers->late--;
}

static void remove_from_heap(struct timers *timers, struct timer *timer)
{
    struct timer *last = timers->heap[timers->count];
    size_t place = timer->place;

    /* The place that falls free at the heap's end is the first of the late ones: fill it. */
    if (timers->late > 0)
        put(timers, timers->count, timers->heap[timers->count + timers->late]);
    timers->count--;
    if (last == timer)
        return;
    put(timers, place, last);
    sift_up(timers, last);
    sift_down(timers, last);
}

void timers_cancel(struct timers *timers, struct timer *timer)
{
    if (!timer_armed(timer))
        return;
    assert(timer->place <= timers->count + timers->late);
    assert(timers->heap[timer->place] == timer);
    if (timer->place > timers->count)
        remove_late(timers, timer);
    else
        remove_from_heap(timers, timer);
    timer->place = 0;
}

void timers_arm(struct timers *timers, struct timer *timer, int64_t deadline_ns)
{
    assert(timer->fire != NULL);
    timers_cancel(timers, timer);
    make_room(timers);
    timer->deadline_ns = deadline_ns;
    timer->order = timers->order_next++;

    if (timers->running && deadline_ns <= timers->now_ns) {
        timers->late++;
        put(timers, timers->count + timers->late, timer);
        return;
    }
    if (timers->late > 0) /* the first late one makes room at the heap's end */
        put(timers, timers->count + timers->late + 1, timers->heap[timers->count + 1]);
    timers->count++;
    put(timers, timers->count, timer);
    sift_up(timers, timer);
}

int64_t timers_next(const struct timers *timers)
{
    int64_t next = timers->count == 0 ? TIMERS_NEVER : timers->heap[1]->deadline_ns;

    for (size_t i = timers->count + 1; i <= timers->count + timers->late; i++) {
        if (timers->heap[i]->deadline_ns < next)
            next = timers->heap[i]->deadline_ns;
    }
    return next;
}

void timers_run(struct timers *timers, int64_t now_ns)
{
    assert(!timers->running);
    timers->running = true;
    timers->now_ns = now_ns;

    while (timers->count > 0 && timers->heap[1]->deadline_ns <= now_ns) {
        struct timer *timer = timers->heap[1];

        timers_cancel(timers, timer);
        timer->fire(timer); /* it may be gone now */
    }

    for (; timers->late > 0; timers->late--) {
        timers->count++;
        sift_up(timers, timers->heap[timers->count]);
    }
    timers->running = false;
}
