#include "tests/sim/server_flaws.h"

#include <string.h>

#include "consumers/flaws.h"
#include "server/stream/flaws.h"

/* Bounds that only matter if a barrier let something through, which alone no run can show: they
 * have tests of their own in tests/unit/server/test_stream_state.c. Those of atomic batches and
 * schedules are sim_batches's. */
#define BOUNDS                                                                                     \
    (STREAM_FLAW_PURGE_UNBOUNDED | STREAM_FLAW_EXPIRE_UNBOUNDED | STREAM_FLAW_BATCH_HALF |         \
     STREAM_FLAW_SCHEDULE_KEPT | STREAM_FLAW_SCHEDULE_LATE)
/* Its streams keep messages for their limits only: tests/unit/server/test_retention*.c. */
#define RETENTION                                                                                  \
    (STREAM_FLAW_SETTLING_UNSEEN | STREAM_FLAW_SETTLED_KEPT | STREAM_FLAW_NEED_OVERLOOKED |        \
     STREAM_FLAW_RELEASE_FORGOTTEN)
/* Nobody is there to take a state from, or to lead: sim_cluster's, sim_removals's. */
#define OTHERS                                                                                     \
    (STREAM_FLAW_FILL_WITHOUT_RECORDS | STREAM_FLAW_FILL_LEAVES | STREAM_FLAW_FILL_FORGETS |       \
     STREAM_FLAW_APPLY_DIFFERS | STREAM_FLAW_SERVES_OTHER | STREAM_FLAW_REPAIR_TRUSTS |            \
     STREAM_FLAW_REPAIR_LEAVES | STREAM_FLAW_EXPIRY_STUCK)
/* A range of hundreds, removed in any order, again and again: tests/unit/storage/test_index.c. */
#define INDEX STREAM_FLAW_INDEX_BEFORE_LOST
/* sim_features's: STREAM_FLAWS_OF_FEATURES */
#define HIDDEN (BOUNDS | RETENTION | OTHERS | INDEX | STREAM_FLAWS_OF_FEATURES)

#define STREAM_ROW(name, text)                                                                     \
    {#name, text, STREAM_FLAW_##name, 0, (STREAM_FLAW_##name & HIDDEN) != 0},
/* It has nothing that holds a delivery back for long: sim_consumers's. */
#define CONSUMER_ROW(name, text)                                                                   \
    {#name, text, 0, CONSUMER_FLAW_##name,                                                         \
     (CONSUMER_FLAW_##name & CONSUMER_FLAW_UNSENT_WAITED) != 0},

const struct server_flaw server_flaws[] = {STREAM_FLAW_TABLE(STREAM_ROW)
                                               CONSUMER_FLAW_TABLE(CONSUMER_ROW)};
const size_t server_flaw_count = sizeof server_flaws / sizeof server_flaws[0];

const struct server_flaw *server_flaw_named(const char *name)
{
    for (size_t i = 0; i < server_flaw_count; i++) {
        if (strcmp(server_flaws[i].name, name) == 0)
            return &server_flaws[i];
    }
    return NULL;
}

void server_flaw_set(const struct server_flaw *flaw, struct options *options)
{
    if (flaw == NULL)
        return;
    options->sim.stream_flaws = flaw->stream;
    options->sim.consumer_flaws = flaw->consumer;
}
