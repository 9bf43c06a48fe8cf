#include "server/shards/shard_ask.h"

#include "base/heap.h"

struct shard_ask *shard_ask_create(uint64_t origin_id, unsigned origin_shard,
                                   const struct message *request)
{
    struct shard_ask *ask = HEAP_NEW(struct shard_ask);

    atomic_init(&ask->left, 1);
    atomic_init(&ask->taken, false);
    ask->origin_id = origin_id;
    ask->origin_shard = origin_shard;
    ask->subject = heap_copy(request->subject);
    ask->reply = heap_copy(request->reply);
    return ask;
}

void shard_ask_join(struct shard_ask *ask)
{
    uint32_t before = atomic_fetch_add(&ask->left, 1);

    assert(before > 0);
}

bool shard_ask_answer(struct shard_ask *ask, bool taken)
{
    uint32_t before;

    if (taken)
        atomic_store(&ask->taken, true);
    before = atomic_fetch_sub(&ask->left, 1);
    assert(before > 0);
    if (before > 1)
        return false;
    if (!atomic_load(&ask->taken))
        return true;
    shard_ask_free(ask);
    return false;
}

void shard_ask_free(struct shard_ask *ask)
{
    heap_give((void *)ask->subject.at);
    heap_give((void *)ask->reply.at);
    heap_give(ask);
}
