/*
 * template: {{Count}}, {{TimeStamp}}, {{Unix}}, {{UnixNano}}, {{Time}}, {{ID}}, {{Random MIN MAX}}
 * and {{Request}} in a body or a header. Anything else between braces stays as it is written.
 */
#ifndef CLI_TEMPLATE_H
#define CLI_TEMPLATE_H

#include "base/buf.h"
#include "base/nuid.h"

struct template_values {
    uint64_t count;
    struct bytes request; /* what is being answered; empty: nothing */
    struct nuid *nuid;
    struct prng *prng;
};

#define TEMPLATE_RANDOM_MAX (1024 * 1024)

/* False at the limit of `out`. */
bool template_fill(struct bytes text, const struct template_values *values, struct buf *out);

#endif
