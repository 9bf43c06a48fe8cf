/*
 * latency: how long something took, as a histogram that never allocates. Buckets end at powers of
 * two of nanoseconds: recording is a few instructions, and the histograms of several servers can be
 * added up.
 */
#ifndef BASE_LATENCY_H
#define BASE_LATENCY_H

#include <stdint.h>

#define LATENCY_BUCKETS 22u /* the last holds all that took longer */
#define LATENCY_FIRST_SHIFT                                                                        \
    14u /* the first ends at 2^14 ns, about 16 us, the last but one at 17 s */

/* Zero-initialised is empty. */
struct latency {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t buckets[LATENCY_BUCKETS];
};

/* A negative time (a clock was set back) counts as none. */
void latency_add(struct latency *latency, int64_t ns);

/* All of `more` is in it, too. */
void latency_join(struct latency *latency, const struct latency *more);

/* Where bucket `i` ends, itself included; not for the last one, which has no end. */
static inline int64_t latency_end(unsigned i)
{
    return INT64_C(1) << (LATENCY_FIRST_SHIFT + i);
}

#endif
