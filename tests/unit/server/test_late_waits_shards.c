/* Who waits for the opening in steps waits the same when each stream is opened by another shard. */
#define SERVER_SHARDS 3u

#include "tests/unit/server/test_late_waits.c"
