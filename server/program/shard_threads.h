/* shard_threads: a thread for each further shard of the program's server. */
#ifndef SERVER_PROGRAM_SHARD_THREADS_H
#define SERVER_PROGRAM_SHARD_THREADS_H

#include "server/server_shards.h"

extern const struct shard_host shard_threads;

#endif
