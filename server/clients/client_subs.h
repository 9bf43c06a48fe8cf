/*
 * client_subs: the subscriptions of one client by their sids, and the memory of those of all
 * clients of a shard. A sid is any text that the client chooses.
 *
 * Nearly all clients count: a sid is the number after the last one. Such ids stand in rows by
 * number, 4 bytes each, without any look-up of a text; all others in a table. What was counted far
 * and is mostly gone is not counted on from: a number is added to the rows only while an eighth of
 * them is taken, and they are let go of, or begun anew, when none is. So they have at most 32 bytes
 * for each subscription that the client had at once.
 */
#ifndef SERVER_CLIENTS_CLIENT_SUBS_H
#define SERVER_CLIENTS_CLIENT_SUBS_H

#include "base/idtable.h"
#include "base/slab.h"
#include "server/router/sublist.h"

struct client;

#define CLIENT_SID_SIZE_BITS  21u /* more than a line has */
#define CLIENT_SUB_ROUND_BITS 10u
#define CLIENT_SUB_ROUNDS     (1u << CLIENT_SUB_ROUND_BITS)

struct client_sub {
    struct sub sub;
    struct client *client;
    uint64_t delivered;
    uint64_t max;                           /* deliveries after which it ends; 0: none */
    uint32_t filtered : 1;                  /* some of what it matches is denied to the client */
    uint32_t round : CLIENT_SUB_ROUND_BITS; /* of the client's rules, when it was found allowed */
    uint32_t sid_size : CLIENT_SID_SIZE_BITS;
    uint8_t sid[];
};

/* What the clients of a shard share. All zeros but for the seed. */
struct client_subs_pool {
    struct slab slab;
    uint64_t seed; /* of hashes of sids */
};

/* All zeros: none. */
struct client_subs {
    uint32_t count;
    uint32_t numbers; /* in the rows, taken or not... */
    uint32_t taken;
    uint64_t first;  /* ...from this one on */
    uint32_t **rows; /* ids; of all but the only one the same size */
    struct idtable others;
};

void client_subs_pool_deinit(struct client_subs_pool *pool); /* nobody has any */

/* NULL: there is none. */
struct client_sub *client_subs_find(const struct client_subs *subs,
                                    const struct client_subs_pool *pool, struct bytes sid);
/* A new one of a sid that there was not, zeroed but for that. It stays where it is. */
struct client_sub *client_subs_add(struct client_subs *subs, struct client_subs_pool *pool,
                                   struct bytes sid);
/* Frees it. */
void client_subs_remove(struct client_subs *subs, struct client_subs_pool *pool,
                        struct client_sub *sub);
void client_subs_remove_all(struct client_subs *subs, struct client_subs_pool *pool);

/* for (struct client_subs_walk at = {0}; (sub = client_subs_next(subs, pool, &at)) != NULL;)
 * None is added meanwhile. When some are removed it may pass over others. */
struct client_subs_walk {
    uint32_t number;
    uint64_t other;
};
struct client_sub *client_subs_next(const struct client_subs *subs,
                                    const struct client_subs_pool *pool,
                                    struct client_subs_walk *walk);

static inline struct bytes client_sub_sid(const struct client_sub *sub)
{
    return bytes_of(sub->sid, sub->sid_size);
}

#endif
