/* cluster_flaws: the seeded bugs that the simulation of a cluster must find, by name. */
#ifndef TESTS_SIM_CLUSTER_FLAWS_H
#define TESTS_SIM_CLUSTER_FLAWS_H

#include "server/options.h"

struct cluster_flaw {
    const char *name, *text;
    uint64_t raft, replica, jetstream, stream; /* one of them */
    /* Whose place it is to find it: those of the core are sim_raft's, and what two safeguards hide
     * from a run of whole servers is tests/unit/raft/test_replica_peers.c's. */
    bool elsewhere;
};

extern const struct cluster_flaw cluster_flaws[];
extern const size_t cluster_flaw_count;

const struct cluster_flaw *cluster_flaw_named(const char *name);                 /* NULL: none */
void cluster_flaw_set(const struct cluster_flaw *flaw, struct options *options); /* NULL: none */

#endif
