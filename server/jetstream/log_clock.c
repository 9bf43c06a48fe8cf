#include "server/jetstream/log_clock.h"

#include <assert.h>

void log_clock_init(struct log_clock *clock, int64_t monotonic_ns, int64_t wall_ns,
                    int64_t floor_ns)
{
    clock->now_ns = wall_ns > floor_ns ? wall_ns : floor_ns;
    clock->monotonic_ns = monotonic_ns;
    clock->step_since_ns = 0;
    clock->step_forward = false;
}

void log_clock_raise(struct log_clock *clock, int64_t floor_ns)
{
    if (clock->now_ns < floor_ns)
        clock->now_ns = floor_ns;
}

/* Has the difference to the wall clock been a step in this direction for long enough? */
static bool step_lasts(struct log_clock *clock, int64_t monotonic_ns, bool forward)
{
    if (clock->step_since_ns == 0 || clock->step_forward != forward) {
        clock->step_since_ns = monotonic_ns > 0 ? monotonic_ns : 1;
        clock->step_forward = forward;
        return false;
    }
    return monotonic_ns - clock->step_since_ns >= LOG_CLOCK_LAST_NS;
}

int64_t log_clock_read(struct log_clock *clock, int64_t monotonic_ns, int64_t wall_ns)
{
    int64_t passed = monotonic_ns - clock->monotonic_ns;
    int64_t before = clock->now_ns;
    int64_t run, ahead;

    assert(passed >= 0);
    run = before + passed;
    ahead = wall_ns - run;
    clock->monotonic_ns = monotonic_ns;

    if (ahead >= 0 && ahead <= LOG_CLOCK_STEP_NS) {
        clock->step_since_ns = 0;
        clock->now_ns = wall_ns;
    } else if (ahead < 0 && ahead >= -LOG_CLOCK_STEP_NS) {
        /* A little ahead of the wall clock: run at half speed, and no longer than until they meet.
         */
        clock->step_since_ns = 0;
        clock->now_ns = before + passed / 2;
        if (clock->now_ns < wall_ns)
            clock->now_ns = wall_ns;
    } else if (ahead > 0) {
        clock->now_ns = step_lasts(clock, monotonic_ns, true) ? wall_ns : run;
    } else {
        /* Far behind: log time cannot fall, so a lasting step only makes it run on alone. */
        (void)step_lasts(clock, monotonic_ns, false);
        clock->now_ns = run;
    }
    assert(clock->now_ns >= before);
    return clock->now_ns;
}

/* ---- of several threads --------------------------------------------------------------------- */

int64_t log_time_raise(struct log_time *time, int64_t floor_ns)
{
    int64_t highest = atomic_load(&time->highest_ns);

    while (highest < floor_ns &&
           !atomic_compare_exchange_weak(&time->highest_ns, &highest, floor_ns))
        ;
    return highest < floor_ns ? floor_ns : highest;
}

int64_t log_time_read(struct log_time *time, struct log_clock *clock, int64_t monotonic_ns,
                      int64_t wall_ns)
{
    int64_t own = log_clock_read(clock, monotonic_ns, wall_ns);
    int64_t now = log_time_raise(time, own);

    if (now > own)
        log_clock_raise(clock, now);
    return now;
}
