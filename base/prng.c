#include "base/prng.h"

#include <assert.h>

static uint64_t rotate(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

/* splitmix64: spreads one word over the state, which must not be all zeros and here never is. */
static uint64_t spread(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void prng_seed(struct prng *prng, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        prng->state[i] = spread(&seed);
}

uint64_t prng_next(struct prng *prng)
{
    uint64_t *s = prng->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

/* The high word of x * bound is even over the bound once the few lowest products are drawn again.
 */
uint64_t prng_below(struct prng *prng, uint64_t bound)
{
    unsigned __int128 product;
    uint64_t uneven;

    assert(bound > 0);
    uneven = -bound % bound;
    do
        product = (unsigned __int128)prng_next(prng) * bound;
    while ((uint64_t)product < uneven);
    return (uint64_t)(product >> 64);
}

bool prng_chance(struct prng *prng, uint32_t numerator, uint32_t denominator)
{
    return prng_below(prng, denominator) < numerator;
}
