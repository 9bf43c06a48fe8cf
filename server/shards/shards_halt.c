/*
 * Halting (server_shards.h): each further shard looks for it at the end of its turn, and rests
 * while home works on what is everybody's; meanwhile it may be let do something on its own thread.
 */
#include "server/server_priv.h"
#include "server/shards/server_shards_priv.h"

void shards_lock(struct server_shards *shards)
{
    int error = pthread_mutex_lock(&shards->lock);

    assert(error == 0);
}

void shards_unlock(struct server_shards *shards)
{
    int error = pthread_mutex_unlock(&shards->lock);

    assert(error == 0);
}

void shards_wait_for_change(struct server_shards *shards)
{
    int error = pthread_cond_wait(&shards->changed, &shards->lock);

    assert(error == 0);
}

void shards_say_change(struct server_shards *shards)
{
    int error = pthread_cond_broadcast(&shards->changed);

    assert(error == 0);
}

void shards_wake(struct server_shards *shards)
{
    for (unsigned i = 1; i < shards->count; i++)
        if (shards->all[i].opened)
            io_wake(shards->all[i].io);
}

/* Under the lock, which others may have meanwhile. */
static void do_errand(struct server_shard *shard)
{
    struct server_shards *shards = shard->shards;

    shards_unlock(shards);
    shard->errand_result = shard->errand(shard);
    shards_lock(shards);
    shard->errand = NULL;
    shards_say_change(shards);
}

bool server_shard_rest(struct server_shard *shard)
{
    struct server_shards *shards = shard->shards;
    bool end;

    if (!atomic_load(&shards->look))
        return true;
    shards_lock(shards);
    if (shards->halt) {
        shards->turning--;
        shards_say_change(shards);
        while (shards->halt && !shards->end)
            if (shard->errand != NULL)
                do_errand(shard);
            else
                shards_wait_for_change(shards);
        shards->turning++;
    }
    end = shards->end;
    shards_unlock(shards);
    return !end;
}

void shards_wait_for_rest(struct server_shards *shards)
{
    if (shards->host->one_thread)
        return;
    shards_lock(shards);
    while (shards->turning > 0)
        shards_wait_for_change(shards);
    shards_unlock(shards);
}

static void halt(struct server_shards *shards)
{
    shards_lock(shards);
    assert(!shards->halt);
    shards->halt = true;
    atomic_store(&shards->look, true);
    shards_unlock(shards);
    shards_wake(shards);
    shards_wait_for_rest(shards);
}

/* They turn once at least: what was marked meanwhile is heeded. */
static void go_on(struct server_shards *shards)
{
    shards_wake(shards);
    shards_lock(shards);
    shards->halt = false;
    atomic_store(&shards->look, shards->end);
    shards_say_change(shards);
    shards_unlock(shards);
}

void server_shards_halt(struct server *server)
{
    if (server->shards != NULL && server->shards->halts++ == 0)
        halt(server->shards);
}

void server_shards_go_on(struct server *server)
{
    if (server->shards == NULL || --server->shards->halts > 0)
        return;
    if (server->jetstream != NULL)
        jetstream_going_on(server->jetstream);
    go_on(server->shards);
}

bool server_shards_still(const struct server *server)
{
    const struct server_shards *shards = server->shards;

    return shards == NULL || shards->halts > 0 || shards->halt || shards->end;
}

/* Home's, while they are halted: that shard does it, on its thread; I/O is fine. */
bool shard_let_do(struct server_shard *shard, bool (*errand)(struct server_shard *shard))
{
    struct server_shards *shards = shard->shards;
    bool result;

    if (shard->number == 0 || shards->host->one_thread)
        return errand(shard);
    shards_lock(shards);
    shard->errand = errand;
    shards_say_change(shards);
    while (shard->errand != NULL)
        shards_wait_for_change(shards);
    result = shard->errand_result;
    shards_unlock(shards);
    return result;
}
