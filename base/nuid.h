/*
 * nuid: unique names of 22 characters of 0-9A-Za-z as NATS clients and servers use them: a random
 * prefix of 12 and a number of 10 that rises by a random step, so that names cost no randomness
 * one by one. Unique per generator for certain, between generators by 71 random bits. They can be
 * guessed from one another: names, not secrets.
 */
#ifndef BASE_NUID_H
#define BASE_NUID_H

#include "base/prng.h"

#define NUID_SIZE        22u
#define NUID_PREFIX_SIZE 12u

/* Embed it; one thread uses it. */
struct nuid {
    char prefix[NUID_PREFIX_SIZE];
    uint64_t number;
    uint64_t step;
};

void nuid_init(struct nuid *nuid, struct prng *prng);
/* `prng` is asked only when the numbers are used up, after some 10^15 names. No zero follows. */
void nuid_next(struct nuid *nuid, struct prng *prng, char out[static NUID_SIZE]);

#endif
