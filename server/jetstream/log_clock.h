/*
 * log_clock: log time. It never falls, runs on the monotonic clock, follows small differences of
 * the wall clock forward at once, and adopts a step of the wall clock (more than a minute, either
 * way) only after it has lasted: a clock that jumps for a moment must not expire messages, and one
 * that jumps back must not stop windows and ages for years. Pure.
 */
#ifndef SERVER_JETSTREAM_LOG_CLOCK_H
#define SERVER_JETSTREAM_LOG_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LOG_CLOCK_STEP_NS (60 * INT64_C(1000000000))  /* larger differences are steps */
#define LOG_CLOCK_LAST_NS (300 * INT64_C(1000000000)) /* a step is believed after this long */

struct log_clock {
    int64_t now_ns;        /* last value given */
    int64_t monotonic_ns;  /* when */
    int64_t step_since_ns; /* monotonic time when the present step was first seen; 0: no step */
    bool step_forward;
};

/* Starts at the wall clock, or at `floor_ns` (highest time found in the logs) if that is later. */
void log_clock_init(struct log_clock *clock, int64_t monotonic_ns, int64_t wall_ns,
                    int64_t floor_ns);
/* No time is given any more that is before this one, which was found in a log. */
void log_clock_raise(struct log_clock *clock, int64_t floor_ns);
/* The log time at this moment; never less than the one before. */
int64_t log_clock_read(struct log_clock *clock, int64_t monotonic_ns, int64_t wall_ns);

/* Log time of several threads, of which each has a clock of its own: what one reads is never before
 * what any has read. All zero at first. */
struct log_time {
    _Atomic int64_t highest_ns; /* that was given */
};

/* No time is given any more that is before this one. Returns the first that may be. */
int64_t log_time_raise(struct log_time *time, int64_t floor_ns);
/* As log_clock_read, of the thread's own clock. */
int64_t log_time_read(struct log_time *time, struct log_clock *clock, int64_t monotonic_ns,
                      int64_t wall_ns);

#endif
