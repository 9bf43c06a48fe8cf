/* What holds of a late start holds when each stream is opened by another shard. */
#define SERVER_SHARDS 3u

#include "tests/unit/server/test_late.c"
