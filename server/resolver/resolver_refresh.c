/*
 * A cache that has met another server asks for all accounts that it knows, some at a time: what was
 * pushed while nobody could tell it is in force soon.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "server/resolver/resolver_priv.h"

#define SOON_NS INT64_C(250000000)
#define NEXT_NS INT64_C(10000000)
#define AT_ONCE 8u /* of the lookups that run; others have theirs beside them */

/* Those that are out of date are looked up when somebody comes. */
static void begin(struct resolver *resolver)
{
    struct refresh *refresh = &resolver->cached.refresh;
    const struct signed_account **all = resolver_sorted(resolver, &refresh->count);

    heap_give(refresh->names);
    refresh->names = heap_take((refresh->count + 1) * sizeof(*refresh->names));
    for (size_t i = 0; i < refresh->count; i++)
        memcpy(refresh->names[i], signed_account_name(all[i]).at, NKEY_TEXT_SIZE);
    heap_give(all);
    refresh->at = 0;
    refresh->begun = true;
}

static void fired(struct timer *timer)
{
    struct resolver *resolver = owner_of(timer, struct resolver, cached.refresh.timer);
    struct refresh *refresh = &resolver->cached.refresh;
    struct io *io = resolver->server->io;

    if (!refresh->begun) {
        begin(resolver);
        resolver_want(resolver, resolver->server->options.auth.system_account);
    }
    while (refresh->at < refresh->count && resolver->lookups.count < AT_ONCE)
        resolver_want_afresh(resolver, bytes_of(refresh->names[refresh->at++], NKEY_TEXT_SIZE));
    if (refresh->at < refresh->count)
        timers_arm(io_timers(io), timer, io_now(io) + NEXT_NS);
}

static void node_up(struct cluster_watcher *watcher, const struct cluster_node *node)
{
    struct resolver *resolver = owner_of(watcher, struct resolver, watcher);
    struct io *io = resolver->server->io;

    (void)node;
    resolver->cached.refresh.begun = false; /* those that were asked for, too: of this one */
    timers_arm(io_timers(io), &resolver->cached.refresh.timer, io_now(io) + SOON_NS);
}

static void node_down(struct cluster_watcher *watcher, const struct cluster_node *node)
{
    (void)watcher, (void)node;
}

void resolver_refresh_start(struct resolver *resolver)
{
    resolver->cached.refresh.timer.fire = fired;
    if (resolver->server->cluster == NULL)
        return;
    resolver->watcher = (struct cluster_watcher){.up = node_up, .down = node_down};
    cluster_watch(resolver->server->cluster, &resolver->watcher);
}

void resolver_refresh_stop(struct resolver *resolver)
{
    timers_cancel(io_timers(resolver->server->io), &resolver->cached.refresh.timer);
    heap_give(resolver->cached.refresh.names);
}
