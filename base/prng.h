/* prng: small seeded generator (xoshiro256**) for simulations, jitter and names; not for secrets.
 */
#ifndef BASE_PRNG_H
#define BASE_PRNG_H

#include <stdbool.h>
#include <stdint.h>

struct prng {
    uint64_t state[4];
};

void prng_seed(struct prng *prng, uint64_t seed); /* equal seeds, equal sequences, forever */
uint64_t prng_next(struct prng *prng);
uint64_t prng_below(struct prng *prng, uint64_t bound); /* 0 <= x < bound; bound > 0 */
bool prng_chance(struct prng *prng, uint32_t numerator, uint32_t denominator);

#endif
