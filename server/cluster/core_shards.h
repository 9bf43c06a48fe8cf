/*
 * core_shards: what clients of all shards of a server subscribe to, for the nodes of its cluster.
 * Links and what is told on them are the first shard's, home's (server/cluster/core.h).
 *
 * A further shard notes what changed as it changes, before whoever subscribed can know. Home takes
 * what was noted before it sends a message to any node, and looks then how many there are of it on
 * all shards: what is told is absolute, so a look that is newer than the note says nothing wrong.
 * So interest is never overtaken by a message, whichever shard either comes from.
 */
#ifndef SERVER_CLUSTER_CORE_SHARDS_H
#define SERVER_CLUSTER_CORE_SHARDS_H

#include <pthread.h>

#include "server/cluster/core_wire.h"
#include "server/router/router_priv.h"

/* Of one further shard. */
struct core_news {
    struct router_remotes remotes; /* for its router: notes */
    void (*wake)(void *owner);     /* home turns soon; from any thread */
    void *owner;
    pthread_mutex_t lock; /* over noted */
    struct buf noted;
    _Atomic bool any; /* something was, and not taken */
};

void core_news_init(struct core_news *news, void (*wake)(void *owner), void *owner);
void core_news_deinit(struct core_news *news);

/* Home's: moves what was noted into `out`, which is empty. Quick when there is nothing. */
void core_news_take(struct core_news *news, struct buf *out);
struct core_noted {
    struct account *account; /* home's */
    struct bytes subject, queue;
};
/* Takes the first out of what was noted; false: that is all. Views. */
bool core_noted_next(struct bytes *rest, struct core_noted *noted);

/* How many subscriptions of clients, with exactly that text, the shards have together now; of
 * CORE_SINKS_QUEUE, sinks of that subject. */
uint32_t core_shards_count(const struct account *account, struct bytes subject, struct bytes queue,
                           struct match *scratch);
/* All of them (or all sinks), each text once; one that changes meanwhile is noted, and may come
 * twice. */
void core_shards_walk(const struct account *account, bool sinks, struct match *scratch,
                      void (*interest)(void *context, const struct interest *interest),
                      void *context);

#endif
