/*
 * cluster_faults: what happens to the nodes of a cluster in one run: a mix of faults drawn for it
 * (each kind is off in many runs, so that each meets the others and none hides another), and when.
 */
#ifndef TESTS_SIM_CLUSTER_FAULTS_H
#define TESTS_SIM_CLUSTER_FAULTS_H

#include "tests/sim/cluster_truth.h"

/* Name, and the highest chance in a thousand per second of virtual time. */
#define FAULT_TABLE(X)                                                                             \
    X(CRASH, "crash", 300)          /* one node */                                                 \
    X(CRASH_OP, "crash_op", 300)    /* in the middle of a disk operation to come */                \
    X(CRASH_SOME, "crash_some", 60) /* several */                                                  \
    X(POWER_CUT, "power_cut", 60)   /* all */                                                      \
    X(PART, "part", 150)            /* any two sides */                                            \
    X(PART_ONE, "part_one", 150)    /* one way only */                                             \
    X(ISOLATE, "isolate", 150)      /* a leader, from its peers alone */                           \
    X(RESET, "reset", 300)          /* connections between two nodes break */                      \
    X(DELAY, "delay", 150)          /* between two nodes */                                        \
    X(PAUSE, "pause", 200)                                                                         \
    X(DISK_SLOW, "disk_slow", 100)                                                                 \
    X(DISK_ERRORS, "disk_errors", 100) /* on a minority: writes and syncs fail now and then */     \
    X(DISK_FULL, "disk_full", 60)      /* on a minority */                                         \
    X(CLOCK, "clock", 100)                                                                         \
    X(WIPE, "wipe", 100) /* a disk is lost; the next when all is replicated again */

#define FAULT_NUMBER(name, text, rate) FAULT_##name,
enum fault { FAULT_TABLE(FAULT_NUMBER) FAULT_COUNT };
#undef FAULT_NUMBER

extern const char *const fault_names[FAULT_COUNT];

struct faults {
    struct report *report;
    struct sim *sim;
    struct nodes *nodes;
    struct truth *truth;
    struct prng *prng;
    uint32_t mix[FAULT_COUNT]; /* chances as drawn; 0: not in this run */
    bool off[FAULT_COUNT];     /* drawn like the others, and does not happen */
    bool evicts; /* a failed sync's pages may leave the cache: reads then miss what the journal has
                  */
    struct sim_faults everyday[NODES_MAX]; /* what a node has when nothing special happens */
    int64_t up_ns[NODES_MAX];              /* when a node that is down starts */
    bool sick[NODES_MAX];                  /* its disk fails or is full */
    bool failed[NODES_MAX];                /* it has failed in this life of the server */
    int64_t healed_ns[NODES_MAX];          /* when a disk that fails is well again, 0: it is */
    int64_t joined_ns;                     /* when the network is whole again, 0: it is */
    int64_t paused_ns;                     /* until then some node may stand still */
    int64_t next_ns;                       /* quiet until then */
    unsigned crashes, parts, wipes, sicknesses;
    bool fragile; /* a node that dies loses something: one at a time, and then all is made good */
    bool exposed; /* a disk was lost, and not everything is replicated again */
};

/* `calm`: nothing ever happens. */
void faults_init(struct faults *faults, struct report *report, struct sim *sim, struct nodes *nodes,
                 struct truth *truth, struct prng *prng, bool calm);
/* Some logs are in memory: a majority of the processes lives, and hears of each other. */
void faults_spare_memory(struct faults *faults);
/* `ns` have passed: what happens in them. Starts nodes whose time has come. */
void faults_happen(struct faults *faults, int64_t ns);
/* What is never over (times, pieces, short counts) is not in this run. */
void faults_calm_down(struct faults *faults);
/* None of them is in this run, but what a scene does. */
void faults_leave_out(struct faults *faults);
/* All of it ends; nodes that are down start. */
void faults_end(struct faults *faults);

#endif
