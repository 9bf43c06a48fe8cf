/*
 * timers: deadlines of one shard, without a clock. A timer is embedded in what it serves; arming
 * allocates nothing but the heap's array. Times are monotonic nanoseconds given by the caller.
 * Timers of equal deadline fire in the order they were armed.
 */
#ifndef BASE_TIMERS_H
#define BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMERS_NEVER INT64_MAX

struct timer {
    void (*fire)(struct timer *timer); /* runs unarmed; may arm it again or free its owner */
    int64_t deadline_ns;
    uint64_t order;
    size_t place; /* in the heap, from 1; 0: not armed. A zeroed timer is unarmed. */
};

struct timers {
    struct timer **heap;
    size_t count;
    size_t capacity;
    uint64_t order_next;
    size_t late;    /* armed by a firing timer for a time already reached */
    int64_t now_ns; /* of the run */
    bool running;
};

void timers_init(struct timers *timers);
void timers_deinit(struct timers *timers); /* armed timers are forgotten */

/* (Re)arms. */
void timers_arm(struct timers *timers, struct timer *timer, int64_t deadline_ns);
void timers_cancel(struct timers *timers, struct timer *timer); /* fine when not armed */
bool timer_armed(const struct timer *timer);

/* The earliest deadline, TIMERS_NEVER if none. */
int64_t timers_next(const struct timers *timers);
/* Fires everything due at `now_ns`; timers armed for <= now by a firing timer wait for the next
 * call. */
void timers_run(struct timers *timers, int64_t now_ns);

#endif
