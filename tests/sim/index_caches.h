/* index_caches: the limits of the memory of indexes that simulations draw, with the ranges. */
#ifndef TESTS_SIM_INDEX_CACHES_H
#define TESTS_SIM_INDEX_CACHES_H

#include <stdint.h>

/* The default, which is never reached here; nothing; little, so that what is oldest goes. */
static inline int64_t index_cache_of(unsigned index_bits)
{
    static const int64_t limits[] = {-1, 0, 4 << 10, 16 << 10};

    return limits[index_bits % 4];
}

#endif
