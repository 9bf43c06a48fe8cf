#include "base/latency.h"

static unsigned bucket_of(uint64_t ns)
{
    unsigned shift;

    if (ns <= UINT64_C(1) << LATENCY_FIRST_SHIFT)
        return 0;
    shift = 64u - (unsigned)__builtin_clzll(ns - 1); /* the least 2^shift that is not below */
    return shift - LATENCY_FIRST_SHIFT < LATENCY_BUCKETS ? shift - LATENCY_FIRST_SHIFT
                                                         : LATENCY_BUCKETS - 1;
}

void latency_add(struct latency *latency, int64_t ns)
{
    uint64_t took = ns > 0 ? (uint64_t)ns : 0;

    latency->count++;
    latency->sum_ns += took;
    latency->buckets[bucket_of(took)]++;
}

void latency_join(struct latency *latency, const struct latency *more)
{
    latency->count += more->count;
    latency->sum_ns += more->sum_ns;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        latency->buckets[i] += more->buckets[i];
}
