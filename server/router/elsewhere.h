/*
 * elsewhere: what the other shards of a server have of a subject. Each shard's subscriptions stand
 * in an index of its own (sublist.h); whoever publishes asks those of the others, in place, under
 * their locks. The answer is a copy: which shards have plain subscriptions, and how many members of
 * which queue groups. It is kept by subject and good until any subscription of the account changes
 * on any shard, so a subject that was seen before costs one load of a counter that all shards share
 * and publishing never writes.
 *
 * A subscription is in force on all shards when the call that adds it has returned: whoever learns
 * of that, by whatever way, and publishes, sees the counter changed.
 */
#ifndef SERVER_ROUTER_ELSEWHERE_H
#define SERVER_ROUTER_ELSEWHERE_H

#include "base/buf.h"
#include "server/options.h"
#include "server/router/account.h"

/* One account's parts on all shards. */
struct account_family {
    _Atomic uint64_t news;       /* rises with every change of a subscription */
    _Atomic int64_t connections; /* that authenticated for it, on all shards */
    _Atomic int64_t leaves;      /* as of an account */
    unsigned count;
    struct account *members[SHARDS_MAX]; /* by shard */
};

/* Members of one queue group on other shards. */
struct elsewhere_group {
    uint32_t name_at; /* in names */
    uint32_t name_size;
    uint32_t members; /* of all of them */
    uint32_t shards[SHARDS_MAX];
};

struct elsewhere {
    uint64_t news;   /* as it was before the look; 0: never valid */
    uint64_t plain;  /* a bit for each shard that has a plain subscription */
    uint64_t sinks;  /* the same of what is the server's own there */
    uint64_t others; /* and of what is not */
    struct elsewhere_group *groups;
    uint32_t groups_count;
    uint32_t groups_capacity;
    struct buf names;
    struct buf subject;
};

#define ELSEWHERE_CACHE 256u /* power of two */

/* What one shard knows of one account elsewhere. */
struct elsewhere_cache {
    struct account_family *family;
    unsigned self;
    uint64_t seed;
    struct elsewhere *kept; /* ELSEWHERE_CACHE of them, made at the first look */
    struct elsewhere *last;
    struct match scratch;
};

void elsewhere_init(struct elsewhere_cache *cache, struct account_family *family, unsigned self,
                    uint64_t seed);
void elsewhere_deinit(struct elsewhere_cache *cache);

/* Good until the next look of this cache. */
const struct elsewhere *elsewhere_look(struct elsewhere_cache *cache, struct bytes subject);
/* Which other shard has the stream, or whatever else the server has itself, that takes it: whoever
 * publishes to that all the time is best there. False: none. */
bool elsewhere_stream(const struct elsewhere *elsewhere, unsigned *shard);
/* NULL: no member on another shard. */
const struct elsewhere_group *elsewhere_group(const struct elsewhere *elsewhere, struct bytes name);
struct bytes elsewhere_name(const struct elsewhere *elsewhere, const struct elsewhere_group *group);
/* The shard of the member at `place`, counted over them. */
unsigned elsewhere_shard_at(const struct elsewhere_group *group, uint32_t place);
/* Has another shard a subscription of literally that text (sublist_has)? */
bool elsewhere_literal(const struct elsewhere_cache *cache, struct bytes subject,
                       struct bytes queue);

#endif
