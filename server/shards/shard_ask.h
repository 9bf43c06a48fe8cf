/*
 * shard_ask: a request that went to several shards, of which none may have a taker. Who asks is to
 * be told when nobody took it, so all who may know are counted: the publish itself, and each
 * message that is on its way to a shard. The last one to answer tells, unless one of them took it.
 *
 * It belongs to all who have not answered yet; the last answer of a taken one frees it.
 */
#ifndef SERVER_SHARDS_SHARD_ASK_H
#define SERVER_SHARDS_SHARD_ASK_H

#include <stdatomic.h>

#include "server/router/router.h"

struct shard_ask {
    _Atomic uint32_t left; /* who has not answered */
    _Atomic bool taken;
    uint64_t origin_id; /* who asks: a client's number, and its shard */
    unsigned origin_shard;
    struct bytes subject, reply; /* as it was sent; owned */
};

/* The caller is the one who has not answered yet. */
struct shard_ask *shard_ask_create(uint64_t origin_id, unsigned origin_shard,
                                   const struct message *request);
/* One more will answer. Only while the caller has not. */
void shard_ask_join(struct shard_ask *ask);
/* True: it was the last, and nobody took it: the caller tells who asks, and frees it. */
bool shard_ask_answer(struct shard_ask *ask, bool taken);
void shard_ask_free(struct shard_ask *ask);

#endif
