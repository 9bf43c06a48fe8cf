/*
 * shards: several shards of one server without sockets, for tests: each has clients and a router,
 * and they send to each other. Turned by whoever holds them: one thread in any order, or a thread
 * each.
 */
#ifndef TESTS_UNIT_SERVER_SHARDS_H
#define TESTS_UNIT_SERVER_SHARDS_H

#include "server/shards/shard_post.h"
#include "tests/unit/server/shard.h"

#define SHARDS_CLIENTS_MAX 64u

struct one_shard {
    struct shard shard;
    struct shard_post post;
    struct sublist_guard guard;
    struct client *clients[SHARDS_CLIENTS_MAX]; /* those that returns may name */
    size_t clients_count;
    _Atomic uint64_t wakes;
    uint64_t enough; /* times it was told so */
};

struct shards {
    struct shard_posts posts;
    struct one_shard *all;
};

static inline void shards_wake(void *owner)
{
    struct one_shard *one = owner;

    atomic_fetch_add(&one->wakes, 1);
}

static inline void shards_enough(void *owner)
{
    struct one_shard *one = owner;

    one->enough++;
}

static inline struct client *shards_find(void *owner, uint64_t id)
{
    struct one_shard *one = owner;

    for (size_t i = 0; i < one->clients_count; i++)
        if (one->clients[i]->id == id)
            return one->clients[i];
    return NULL;
}

static inline void shards_unite(struct shards *shards)
{
    const struct router_shards *parts[SHARDS_MAX];
    struct sublist_guard *guards[SHARDS_MAX];
    struct router *routers[SHARDS_MAX];

    if (shards->posts.count == 1)
        return;
    for (unsigned i = 0; i < shards->posts.count; i++) {
        shards->all[i].post.shards.count = shards->posts.count;
        routers[i] = shards->all[i].shard.clients.router;
        parts[i] = &shards->all[i].post.shards;
        guards[i] = &shards->all[i].guard;
    }
    routers_unite(routers, parts, guards, shards->posts.count);
}

/* Until there are so many. */
static inline void shards_grow(struct shards *shards, unsigned count)
{
    while (shards->posts.count < count) {
        unsigned number = shards->posts.count++;
        struct one_shard *one = &shards->all[number];

        shard_init(&one->shard);
        ck_assert_int_eq(pthread_mutex_init(&one->guard.lock, NULL), 0);
        shard_post_init(&one->post, &shards->posts, number, one->shard.clients.router,
                        &one->shard.clients);
        one->post.wake = shards_wake;
        one->post.enough = shards_enough;
        one->post.find = shards_find;
        one->post.owner = one;
    }
    shards_unite(shards);
}

static inline void shards_init(struct shards *shards, unsigned count)
{
    *shards = (struct shards){.all = calloc(SHARDS_MAX, sizeof(*shards->all))};
    shards_grow(shards, count);
}

static inline struct client *shards_join(struct shards *shards, unsigned shard,
                                         struct client *client)
{
    struct one_shard *one = &shards->all[shard];

    shard_join(&one->shard, client);
    ck_assert_uint_lt(one->clients_count, SHARDS_CLIENTS_MAX);
    one->clients[one->clients_count++] = client;
    shard_say(&one->shard, client,
              "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n");
    return client;
}

static inline void shards_say(struct shards *shards, unsigned shard, struct client *client,
                              const char *text)
{
    shard_say(&shards->all[shard].shard, client, text);
}

/* False: there is more than one turn reads. */
static inline bool shards_turn(struct shards *shards, unsigned shard)
{
    struct shard_post *post = &shards->all[shard].post;
    bool all = shard_post_read(post);

    shard_post_flush(post);
    return all;
}

/* Until nothing is on its way. */
static inline void shards_settle(struct shards *shards)
{
    for (int quiet = 0; quiet < 20; quiet++)
        for (unsigned i = 0; i < shards->posts.count; i++)
            if (!shards_turn(shards, i))
                quiet = 0;
}

/* As a server does it: when nothing is on its way. */
static inline void shards_move(struct shards *shards, struct client *client, unsigned from,
                               unsigned to)
{
    struct one_shard *one = &shards->all[from], *other = &shards->all[to];
    bool any = true;
    size_t at = 0;

    while (any) {
        any = false;
        for (unsigned i = 0; i < shards->posts.count; i++)
            any = shard_post_settle(&shards->all[i].post) || any;
    }
    client_move(client, &other->shard.clients);
    while (one->clients[at] != client)
        at++;
    one->clients[at] = one->clients[--one->clients_count];
    ck_assert_uint_lt(other->clients_count, SHARDS_CLIENTS_MAX);
    other->clients[other->clients_count++] = client;
}

static inline void shards_deinit(struct shards *shards)
{
    for (unsigned i = shards->posts.count; i-- > 0;) {
        struct one_shard *one = &shards->all[i];

        for (size_t c = 0; c < one->clients_count; c++)
            shard_leave(&one->shard, one->clients[c]);
    }
    for (unsigned i = shards->posts.count; i-- > 0;) {
        struct one_shard *one = &shards->all[i];

        shard_post_deinit(&one->post);
        shard_deinit(&one->shard);
        pthread_mutex_destroy(&one->guard.lock);
    }
    free(shards->all);
}

#endif
