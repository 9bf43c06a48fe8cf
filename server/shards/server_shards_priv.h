/*
 * server_shards_priv: what the parts of server_shards have of each other: life and turn
 * (server_shards.c), halting (shards_halt.c), and who has which connections (shards_spread.c).
 * Home's thread alone calls what is not of the lock.
 */
#ifndef SERVER_SHARDS_SERVER_SHARDS_PRIV_H
#define SERVER_SHARDS_SERVER_SHARDS_PRIV_H

#include "server/shards/server_shards.h"

/* ---- halting */

void shards_lock(struct server_shards *shards);
void shards_unlock(struct server_shards *shards);
/* Under the lock. */
void shards_wait_for_change(struct server_shards *shards);
void shards_say_change(struct server_shards *shards);
void shards_wake(struct server_shards *shards);
void shards_wait_for_rest(struct server_shards *shards);
/* While they are halted: that shard does it, on its thread; I/O is fine. */
bool shard_let_do(struct server_shard *shard, bool (*errand)(struct server_shard *shard));

/* ---- life */

/* One more; false: it could not be, and is not tried again. */
bool shards_begin_another(struct server *server);
/* How much of a moment it was busy (shard_load.h). */
unsigned shard_busy(const struct shard_meter *meter);

/* ---- who has which connections: in each turn of home's */

void shards_move_parted(struct server *server);
void shards_even_out(struct server *server);

#endif
