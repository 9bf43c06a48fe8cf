#include "server/stream/quota.h"

#include <assert.h>

/* Modulo 2^64: what was added is what is taken back. */
static void change(const struct quota_limit *limit, uint64_t bytes)
{
    if (limit->sum != NULL)
        atomic_fetch_add(&limit->sum->taken, bytes * limit->times);
}

void quota_settle(struct quota *quota, uint64_t bytes)
{
    uint64_t more = bytes - quota->said;

    if (more == 0)
        return;
    change(&quota->server, more);
    change(&quota->account, more);
    quota->said = bytes;
}

static bool take(const struct quota_limit *limit, uint64_t bytes)
{
    uint64_t all = bytes * limit->times, before;

    if (limit->sum == NULL)
        return true;
    assert(limit->most >= 0);
    before = atomic_fetch_add(&limit->sum->taken, all);
    if (before <= (uint64_t)limit->most && all <= (uint64_t)limit->most - before)
        return true;
    atomic_fetch_sub(&limit->sum->taken, all);
    return false;
}

uint16_t quota_take(struct quota *quota, uint64_t bytes)
{
    if (!take(&quota->server, bytes))
        return 10023;
    if (quota->refuses != 0 || !take(&quota->account, bytes)) {
        change(&quota->server, -bytes);
        return quota->refuses != 0 ? quota->refuses : 10002;
    }
    quota->said += bytes;
    return 0;
}
