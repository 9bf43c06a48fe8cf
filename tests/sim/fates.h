/*
 * fates: servers that die at any disk operation or at once, by a kill or with the power, and come
 * back in a while; and a client that is connected to one of them. Disks and links are as they are
 * drawn, but none refuses what it is asked for.
 */
#ifndef TESTS_SIM_FATES_H
#define TESTS_SIM_FATES_H

#include "tests/sim/client.h"
#include "tests/sim/cluster_nodes.h"

struct fates {
    struct nodes nodes;
    struct sim_client client;
    size_t home; /* where it is connected, or was */
    unsigned crashes;
    uint32_t rarity;                     /* in one of so many steps one dies */
    struct sim_faults faults[NODES_MAX]; /* of each */
    /* A server has died; NULL: nobody is told. */
    void (*died)(void *context, size_t index);
    void *context; /* of `died`, and of what the client hears */
};

/* With the nodes of the simulation; their options may be set before the first is started. Half of
 * them write small state blocks. */
void fates_init(struct fates *fates, struct report *report, struct sim *sim, struct prng *prng,
                size_t count, void (*heard)(void *context, const struct client_message *message),
                void *context);
/* The servers; the client outlives the simulation. */
void fates_deinit(struct fates *fates);

/* Some of those that are down come up, perhaps not for long; or all, and stay. */
void fates_start(struct fates *fates, bool all);
/* One step. */
void fates_live(struct fates *fates);
/* From now on none dies, and all are up. */
void fates_calm(struct fates *fates);
/* The client goes to one that is up. False: it does not, now. */
bool fates_connect(struct fates *fates);

#endif
