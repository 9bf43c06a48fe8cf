/*
 * cluster_faults: what happens to the nodes of a cluster in one run: a mix of faults drawn for it
 * (each kind is off in many runs, so that each meets the others and none hides another), and when.
 */
#ifndef TESTS_SIM_CLUSTER_FAULTS_H
#define TESTS_SIM_CLUSTER_FAULTS_H

#include "tests/sim/cluster_truth.h"

/* Chances in a thousand, per second of virtual time. */
struct faults_mix {
    uint32_t crash;      /* one node */
    uint32_t crash_op;   /* in the middle of a disk operation to come */
    uint32_t crash_some; /* several */
    uint32_t power_cut;  /* all */
    uint32_t part;       /* any two sides */
    uint32_t part_one;   /* one way only */
    uint32_t isolate;    /* the leader of a stream or of the catalogue, from its peers alone */
    uint32_t reset;      /* connections between two nodes break */
    uint32_t delay;      /* between two nodes */
    uint32_t pause;
    uint32_t disk_slow;
    uint32_t
        disk_errors; /* on a minority: writes and syncs fail now and then. (Not that a failed sync's
                        pages leave the cache: a leader then cannot read what it stored.) */
    uint32_t disk_full; /* on a minority */
    uint32_t clock;
    uint32_t wipe; /* a node loses its disk; the next only when all is replicated again */
};

struct faults {
    struct report *report;
    struct sim *sim;
    struct nodes *nodes;
    struct truth *truth;
    struct prng *prng;
    struct faults_mix mix;
    struct sim_faults everyday[NODES_MAX]; /* what a node has when nothing special happens */
    int64_t up_ns[NODES_MAX];              /* when a node that is down starts */
    bool sick[NODES_MAX];                  /* its disk fails or is full */
    bool failed[NODES_MAX];                /* it has failed in this life of the server */
    int64_t healed_ns[NODES_MAX];          /* when a disk that fails is well again, 0: it is */
    int64_t joined_ns;                     /* when the network is whole again, 0: it is */
    int64_t next_ns;                       /* quiet until then */
    unsigned crashes, parts, wipes, sicknesses;
    bool exposed; /* a disk was lost, and not everything is replicated again */
};

/* `calm`: nothing ever happens. */
void faults_init(struct faults *faults, struct report *report, struct sim *sim, struct nodes *nodes,
                 struct truth *truth, struct prng *prng, bool calm);
/* `ns` have passed: what happens in them. Starts nodes whose time has come. */
void faults_happen(struct faults *faults, int64_t ns);
/* All of it ends; nodes that are down start. */
void faults_end(struct faults *faults);

#endif
