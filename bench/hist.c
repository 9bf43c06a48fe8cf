#include "bench/hist.h"

#include <assert.h>

static uint32_t bucket_of(uint64_t ns)
{
    uint32_t top;
    uint32_t exponent;

    if (ns < 1u << HIST_SUB_BITS)
        return (uint32_t)ns;
    top = 63u - (uint32_t)__builtin_clzll(ns);
    exponent = top - HIST_SUB_BITS + 1;
    if (exponent > HIST_EXPONENTS)
        return HIST_BUCKETS - 1;
    return (exponent << HIST_SUB_BITS) +
           (uint32_t)((ns >> (exponent - 1)) & ((1u << HIST_SUB_BITS) - 1));
}

static uint64_t middle_of(uint32_t bucket)
{
    uint32_t exponent = bucket >> HIST_SUB_BITS;
    uint64_t sub = bucket & ((1u << HIST_SUB_BITS) - 1);

    if (exponent == 0)
        return sub;
    return (((1u << HIST_SUB_BITS) + sub) << (exponent - 1)) + ((1ull << (exponent - 1)) >> 1);
}

void hist_add(struct hist *hist, uint64_t ns)
{
    uint32_t bucket = bucket_of(ns);

    assert(bucket < HIST_BUCKETS);
    hist->buckets[bucket]++;
    hist->count++;
}

uint64_t hist_quantile(const struct hist *hist, double quantile)
{
    uint64_t rank;
    uint64_t seen = 0;

    assert(quantile >= 0 && quantile <= 1);
    if (hist->count == 0)
        return 0;
    rank = (uint64_t)(quantile * (double)(hist->count - 1)) + 1;
    for (uint32_t bucket = 0; bucket < HIST_BUCKETS; bucket++) {
        seen += hist->buckets[bucket];
        if (seen >= rank)
            return middle_of(bucket);
    }
    return middle_of(HIST_BUCKETS - 1);
}
