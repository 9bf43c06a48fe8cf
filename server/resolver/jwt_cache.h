/*
 * jwt_cache: which accounts' tokens a directory keeps that has no room for all, and until when: at
 * most `limit`, of which the one goes that was put or touched least recently, each until its time.
 * A core: it knows names, not files. Whoever has it removes the files of those that went.
 */
#ifndef SERVER_RESOLVER_JWT_CACHE_H
#define SERVER_RESOLVER_JWT_CACHE_H

#include "base/table.h"
#include "server/auth/nkey.h"

struct jwt_cached;

/* Others read `all.count`, and may change `limit`. */
struct jwt_cache {
    struct table all;
    size_t limit; /* at least 1 */
    struct jwt_cached *oldest, *newest;
};

void jwt_cache_init(struct jwt_cache *cache, size_t limit, uint64_t seed);
void jwt_cache_deinit(struct jwt_cache *cache);

/* It is the newest, until `until_ns` (INT64_MAX: without end). A public key, NKEY_TEXT_SIZE. */
void jwt_cache_put(struct jwt_cache *cache, struct bytes name, int64_t until_ns);
/* Nothing if it is not there. */
void jwt_cache_drop(struct jwt_cache *cache, struct bytes name);
bool jwt_cache_has(const struct jwt_cache *cache, struct bytes name);

/* Takes one out that has to go: the oldest while there are more than the limit. False: none. */
bool jwt_cache_evict(struct jwt_cache *cache, char out[static NKEY_TEXT_SIZE]);
/* Takes those out whose time is over, the oldest first, as many as `room`. */
size_t jwt_cache_expire(struct jwt_cache *cache, int64_t now_ns, char (*out)[NKEY_TEXT_SIZE],
                        size_t room);

#endif
