/*
 * cluster_nodes: several whole servers, each on a simulated node of its own, that form one cluster.
 * They die and come back as the driver wishes; what of them is white box (struct jetstream) is here
 * for those who look inside.
 */
#ifndef TESTS_SIM_CLUSTER_NODES_H
#define TESTS_SIM_CLUSTER_NODES_H

#include "base/io_sim.h"
#include "server/server.h"
#include "tests/sim/report.h"
#include "tests/sim/sim_shards.h"

#define NODES_MAX        5u
#define NODES_PORT       4222
#define NODES_ROUTE_PORT 6222

struct node {
    struct nodes *nodes;
    size_t index; /* in the simulation, too */
    char name[16];
    struct options options;
    struct cluster_route routes[NODES_MAX];
    char hosts[NODES_MAX][32];
    struct logger logger;
    struct server *server; /* NULL: down */
    struct sim_shards shards;
    unsigned lives;
    unsigned disks; /* 1, and one more each time it was lost */
    bool half_open; /* in this start something could not be opened */
};

struct nodes {
    struct report *report;
    struct sim *sim;
    struct prng *prng;
    size_t count;
    uint64_t taken; /* states that replicas have taken from others */
    uint64_t healed;
    uint64_t mended; /* times that damaged messages were fetched from others */
    bool may_differ; /* a scene makes them differ */
    bool may_rot;    /* a scene damages messages */
    struct node at[NODES_MAX];
    bool away;  /* those of further shards are turned there */
    bool lanes; /* their stores have several: in each life another number is wished for */
    /* Told when a server has died, whose memory is as it then was, and when one has started, before
     * anything else happens to it. Losing the disk: told before the next start. */
    void (*dying)(void *context, size_t index);
    void (*born)(void *context, size_t index);
    void (*wiped)(void *context, size_t index);
    void *context;
};

/* They are the first nodes of the simulation. None is started. */
void nodes_init(struct nodes *nodes, struct report *report, struct sim *sim, struct prng *prng,
                size_t count);
/* Clients go to other shards, now and then. */
void nodes_stir(struct nodes *nodes);
/* Before the first start, and after the nodes: the servers have so many shards each [1]. */
void nodes_shard(struct nodes *nodes, unsigned shards);
void nodes_deinit(struct nodes *nodes);

/* Starts a node that is down. False: it died in the middle (`ops` disk operations from the
 * beginning; 0: it does not), or refused, and is down. */
bool nodes_start(struct nodes *nodes, size_t index, enum sim_crash_mode mode, uint64_t ops);
void nodes_crash(struct nodes *nodes, size_t index, enum sim_crash_mode mode);
/* Buries those that died at a disk operation; the number of one, or count when there is none. */
size_t nodes_fallen(struct nodes *nodes);
/* A node that is down loses everything on its disk. */
void nodes_wipe(struct nodes *nodes, size_t index);
/* A bit of each state block of that log (newest only: of that one) is another one at rest; how many
 * blocks there are. */
unsigned nodes_rot_blocks(struct nodes *nodes, size_t index, uint64_t log_id, bool newest_only);
/* The newest file of that log ends somewhere before its end, within a block; false: it has none. */
bool nodes_cut_log(struct nodes *nodes, size_t index, uint64_t log_id);
bool nodes_up(const struct nodes *nodes, size_t index);
size_t nodes_up_count(const struct nodes *nodes);

struct jetstream *nodes_jetstream(const struct nodes *nodes, size_t index); /* NULL: down */
struct jetstream *nodes_dead_jetstream(const struct nodes *nodes,
                                       size_t index); /* also of the dying */

#endif
