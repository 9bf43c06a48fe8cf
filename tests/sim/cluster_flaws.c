#include "tests/sim/cluster_flaws.h"

#include <string.h>

#include "raft/flaws.h"
#include "raft/replica_flaws.h"
#include "server/jetstream/jetstream_flaws.h"
#include "server/stream/flaws.h"

/* A leader opens its term, and proposes, only when its own log is all durable: what was before is
 * applied when it is told to lead. A stream forgets who asked when it leads no more, and the API
 * sends on what it is asked. */
#define HIDDEN (REPLICA_FLAW_LEAD_UNAPPLIED | REPLICA_FLAW_READ_LOST_OK)

#define CORE_ROW(name, text) {"core:" #name, text, RAFT_FLAW(name), 0, 0, 0, true},
#define REPLICA_ROW(name, text)                                                                    \
    {"replica:" #name, text, 0, REPLICA_FLAW_##name, 0, 0, (REPLICA_FLAW_##name & HIDDEN) != 0},
#define JETSTREAM_ROW(name, text) {"jetstream:" #name, text, 0, 0, JETSTREAM_FLAW_##name, 0, false},

#define STREAM_ROW(name, text)                                                                     \
    {"stream:" #name, text, 0, 0, 0, STREAM_FLAW_##name, (STREAM_FLAW_##name & CLUSTER) == 0},

/* Of the streams' bugs those that one server alone does not show. APPLY_DIFFERS is what the scene
 * "differs" begins with, SERVES_OTHER what "ranges" brings in: replicas heal. */
#define CLUSTER                                                                                    \
    (STREAM_FLAW_FILL_WITHOUT_RECORDS | STREAM_FLAW_FILL_LEAVES | STREAM_FLAW_FILL_FORGETS |       \
     STREAM_FLAW_REPAIR_TRUSTS | STREAM_FLAW_REPAIR_LEAVES)

const struct cluster_flaw cluster_flaws[] = {REPLICA_FLAW_TABLE(REPLICA_ROW) JETSTREAM_FLAW_TABLE(
    JETSTREAM_ROW) STREAM_FLAW_TABLE(STREAM_ROW) RAFT_FLAW_TABLE(CORE_ROW)};
const size_t cluster_flaw_count = sizeof cluster_flaws / sizeof cluster_flaws[0];

const struct cluster_flaw *cluster_flaw_named(const char *name)
{
    for (size_t i = 0; i < cluster_flaw_count; i++) {
        if (strcmp(cluster_flaws[i].name, name) == 0)
            return &cluster_flaws[i];
    }
    return NULL;
}

void cluster_flaw_set(const struct cluster_flaw *flaw, struct options *options)
{
    if (flaw == NULL)
        return;
    options->sim.raft_flaws = flaw->raft;
    options->sim.replica_flaws = flaw->replica;
    options->sim.jetstream_flaws = flaw->jetstream;
    options->sim.stream_flaws = flaw->stream;
}
