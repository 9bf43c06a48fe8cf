/*
 * quota: what one of several streams takes of limits that they share: an account's, and the
 * server's. How much is taken is one number per limit that all add to, so it is exact whichever of
 * them ask, and on whichever threads: a message is added before it is stored and taken back if that
 * was too much. What a stream has not said yet, as what it let go of, counts as taken until it says
 * it. Pure.
 */
#ifndef SERVER_STREAM_QUOTA_H
#define SERVER_STREAM_QUOTA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct quota_sum {
    _Atomic uint64_t taken;
};

struct quota_limit {
    struct quota_sum *sum; /* NULL: there is no limit */
    int64_t most;
    uint64_t times; /* what a message counts */
};

/* All zero: nothing is counted. */
struct quota {
    struct quota_limit server, account;
    uint64_t said;    /* bytes of the stream that are in the sums */
    uint16_t refuses; /* everything, with that error: the account has no such tier */
};

static inline bool quota_counts(const struct quota *quota)
{
    return quota->server.sum != NULL || quota->account.sum != NULL || quota->refuses != 0;
}

/* The stream has so many bytes now: whether by what was taken for it, or otherwise. */
void quota_settle(struct quota *quota, uint64_t bytes);
/* May it have so many more? 0: they count from now on; else the error's number. */
uint16_t quota_take(struct quota *quota, uint64_t bytes);

#endif
