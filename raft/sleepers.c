#include "raft/sleepers.h"

#include <stdlib.h>

#include "base/heap.h"
#include "base/owner.h"
#include "raft/replica_priv.h"

#define AT_ONCE 64u /* a heartbeat; 2,560 a second */

static void fired(struct timer *timer);

bool sleepers_of(const struct groups *groups, const struct replica *replica, uint64_t node)
{
    return raft_core_asleep(replica->core) && raft_core_role(replica->core) == RAFT_FOLLOWER &&
           raft_core_leader(replica->core).node == node && !groups_node_up(groups, node);
}

/* True: it was one. */
static bool tell(struct groups *groups, struct replica *replica)
{
    uint64_t leader = raft_core_leader(replica->core).node;

    if (replica->draining || !sleepers_of(groups, replica, leader))
        return false;
    replica_node(replica, leader, false);
    return true;
}

void sleepers_want(struct groups *groups, struct replica *replica)
{
    (void)tell(groups, replica);
}

void sleepers_add(struct groups *groups, const struct replica *replica)
{
    struct sleepers *s = &groups->sleepers;

    if (s->count == s->capacity) {
        s->capacity = s->capacity == 0 ? AT_ONCE : s->capacity * 2;
        s->at = heap_resize(s->at, s->capacity * sizeof *s->at);
    }
    s->at[s->count++] = (struct sleeper){.group = replica->id, .since_ns = replica->asleep_ns};
}

static int by_time(const void *a, const void *b)
{
    const struct sleeper *first = a, *second = b;

    if (first->since_ns != second->since_ns)
        return first->since_ns < second->since_ns ? -1 : 1;
    return (first->group > second->group) - (first->group < second->group);
}

/* From the end: who fell asleep last. Some have gone, or woken, or their leader is there again. */
static void tell_some(struct groups *groups)
{
    struct sleepers *s = &groups->sleepers;
    uint32_t left = groups->options.wakes > 0 ? groups->options.wakes : AT_ONCE;

    while (s->count > 0 && left > 0) {
        struct replica *replica = map64_pointer(&groups->replicas, s->at[--s->count].group);

        if (replica != NULL && tell(groups, replica))
            left--;
    }
    s->timer.fire = fired;
    if (s->count > 0)
        timers_arm(io_timers(groups->io), &s->timer,
                   io_now(groups->io) + groups->options.heartbeat_ns);
}

static void fired(struct timer *timer)
{
    tell_some(owner_of(timer, struct groups, sleepers.timer));
}

void sleepers_begin(struct groups *groups)
{
    struct sleepers *s = &groups->sleepers;

    if (s->count == 0)
        return;
    qsort(s->at, s->count, sizeof *s->at, by_time);
    tell_some(groups);
}

void sleepers_deinit(struct groups *groups)
{
    timers_cancel(io_timers(groups->io), &groups->sleepers.timer);
    heap_give(groups->sleepers.at);
}
