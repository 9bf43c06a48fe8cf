#include "server/clients/grants.h"

#include "base/heap.h"

struct grant {
    struct grant *older;
    struct grant *newer;
    int64_t since_ns;
    int64_t used;
    uint32_t size;
    uint8_t subject[];
};

static struct bytes grant_key(const void *item)
{
    const struct grant *grant = item;

    return bytes_of(grant->subject, grant->size);
}

void grants_init(struct grants *grants, int64_t messages_max, int64_t time_max_ns, uint64_t seed)
{
    *grants = (struct grants){.messages_max = messages_max, .time_max_ns = time_max_ns};
    table_init(&grants->by_subject, grant_key, seed);
}

static void grant_end(struct grants *grants, struct grant *grant)
{
    (void)table_remove(&grants->by_subject, grant_key(grant));
    if (grant->older != NULL)
        grant->older->newer = grant->newer;
    else
        grants->oldest = grant->newer;
    if (grant->newer != NULL)
        grant->newer->older = grant->older;
    else
        grants->newest = grant->older;
    heap_give(grant);
}

void grants_deinit(struct grants *grants)
{
    while (grants->oldest != NULL)
        grant_end(grants, grants->oldest);
    table_deinit(&grants->by_subject);
}

static bool expired(const struct grants *grants, const struct grant *grant, int64_t now_ns)
{
    return grants->time_max_ns >= 0 && now_ns - grant->since_ns > grants->time_max_ns;
}

/* All have the same time to live, so the oldest expires first. */
static void prune(struct grants *grants, int64_t now_ns)
{
    while (grants->oldest != NULL &&
           (expired(grants, grants->oldest, now_ns) || grants->by_subject.count >= GRANTS_MAX))
        grant_end(grants, grants->oldest);
}

void grants_add(struct grants *grants, struct bytes subject, int64_t now_ns)
{
    struct grant *grant = table_find(&grants->by_subject, subject);

    if (grant != NULL)
        grant_end(grants, grant);
    prune(grants, now_ns);
    grant = heap_take(sizeof(*grant) + subject.size);
    grant->since_ns = now_ns;
    grant->size = (uint32_t)subject.size;
    memcpy(grant->subject, subject.at, subject.size);
    grant->older = grants->newest;
    if (grant->older != NULL)
        grant->older->newer = grant;
    else
        grants->oldest = grant;
    grants->newest = grant;
    table_add(&grants->by_subject, grant);
}

bool grants_use(struct grants *grants, struct bytes subject, int64_t now_ns)
{
    struct grant *grant = table_find(&grants->by_subject, subject);

    if (grant == NULL)
        return false;
    grant->used++;
    if ((grants->messages_max >= 0 && grant->used > grants->messages_max) ||
        expired(grants, grant, now_ns)) {
        grant_end(grants, grant);
        return false;
    }
    return true;
}
