#include "base/nuid.h"

#include <string.h>

#include "base/text.h"

#define NUMBER_END UINT64_C(839299365868340224) /* 62 to the 10th */
#define STEP_MIN   33u
#define STEP_END   333u

void nuid_init(struct nuid *nuid, struct prng *prng)
{
    text_base62(prng, nuid->prefix, NUID_PREFIX_SIZE);
    nuid->number = prng_below(prng, NUMBER_END);
    nuid->step = STEP_MIN + prng_below(prng, STEP_END - STEP_MIN);
}

void nuid_next(struct nuid *nuid, struct prng *prng, char out[static NUID_SIZE])
{
    uint64_t rest;

    nuid->number += nuid->step;
    if (nuid->number >= NUMBER_END)
        nuid_init(nuid, prng);

    memcpy(out, nuid->prefix, NUID_PREFIX_SIZE);
    rest = nuid->number;
    for (size_t i = NUID_SIZE; i > NUID_PREFIX_SIZE; i--) {
        out[i - 1] = TEXT_BASE62[rest % 62];
        rest /= 62;
    }
    assert(rest == 0);
}
