/*
 * hist: a histogram of durations that never allocates and errs by less than one per cent.
 *
 * Values below 128 ns have a bucket each; above, every power of two is cut into 128 equal buckets.
 * Recording is a few instructions, so a million samples a second do not disturb what is measured.
 */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

#define HIST_SUB_BITS  7u
#define HIST_EXPONENTS 34u /* up to 2^40 ns, some 18 minutes; longer counts as that */
#define HIST_BUCKETS   ((HIST_EXPONENTS + 1u) << HIST_SUB_BITS)

/* Zero-initialised is empty. */
struct hist {
    uint64_t count;
    uint32_t buckets[HIST_BUCKETS];
};

void hist_add(struct hist *, uint64_t ns);

/* The middle of the bucket that holds the given quantile (0 to 1); 0 while empty. */
uint64_t hist_quantile(const struct hist *, double quantile);

#endif
