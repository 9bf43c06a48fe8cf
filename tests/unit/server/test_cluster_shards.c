/* What holds of core messages in a cluster holds when each server has two shards. */
#define WORLD_SHARDS 2u

#include "tests/unit/server/test_cluster_core.c"
