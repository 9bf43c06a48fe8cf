/* shard_threads: a thread for each further shard of the program's server. */
#ifndef SERVER_PROGRAM_SHARD_THREADS_H
#define SERVER_PROGRAM_SHARD_THREADS_H

#include "server/shards/server_shards.h"

extern const struct shard_host shard_threads;
/* The same for tests: each thread says that it is busy for a while and idle for a while, at times
 * of its own. */
extern const struct shard_host shard_threads_feigned;
/* And connections move as often as they can. */
extern const struct shard_host shard_threads_storm;

#endif
