/*
 * sim_shards: servers with several shards in a simulated world: each further shard has a node of
 * its own for its loop, which dies with the server's. All of them are turned by the one thread of
 * the world, in any order: their threads' interleavings, as far as turns go.
 *
 * Some servers begin with all of them, others when one is said to be busy, which each is at random.
 */
#ifndef TESTS_SIM_SIM_SHARDS_H
#define TESTS_SIM_SIM_SHARDS_H

#include "base/io_sim.h"
#include "server/shards/server_shards.h"

#define SIM_SHARDS_MAX 4u

/* Of one server, over all its lives. */
struct sim_shards {
    struct shard_host host;
    struct sim *sim;
    size_t nodes[SIM_SHARDS_MAX]; /* by shard; not home's */
    unsigned count;               /* home included */
    bool late;                    /* they are begun when they are needed */
    uint64_t asked;               /* how long a thread has worked */
    int64_t worked_ns;
};

/* Home counts as busier than it is: the first client goes to another shard. */
static inline bool sim_shards_open(struct server_shard *shard)
{
    struct sim_shards *shards = shard->shards->host->owner;
    size_t node = shards->nodes[shard->number];

    if (sim_crashed(shards->sim, node) || sim_node_io(shards->sim, node) == NULL)
        (void)sim_restart(shards->sim, node);
    if (shard->number == 1 && shard->shards->spread)
        atomic_fetch_add(&shard->shards->shared.load[0], 1);
    server_shard_open(shard, sim_node_io(shards->sim, node));
    return true;
}

static inline void sim_shards_close(struct server_shard *shard)
{
    struct sim_shards *shards = shard->shards->host->owner;

    if (!sim_crashed(shards->sim, shards->nodes[shard->number]))
        io_destroy(shard->io);
}

/* All of the time since it was asked last, or none of it. */
static inline int64_t sim_shards_worked(const struct shard_host *host)
{
    struct sim_shards *shards = host->owner;

    uint64_t period = shards->asked++ / 16; /* that it lasts */

    if (bytes_hash(bytes_of(&period, sizeof(period)), shards->nodes[1]) % 2 == 0)
        shards->worked_ns += INT64_C(3600000000000);
    return shards->worked_ns;
}

/* `home` is the server's node. */
static inline void sim_shards_init(struct sim_shards *shards, struct sim *sim, size_t home,
                                   unsigned count, bool late)
{
    assert(count >= 1 && count <= SIM_SHARDS_MAX);
    *shards = (struct sim_shards){
        .host = {.begin = sim_shards_open,
                 .stop = server_shard_close,
                 .end = sim_shards_close,
                 .worked_ns = sim_shards_worked,
                 .one_thread = true,
                 .owner = shards},
        .sim = sim,
        .count = count,
        .late = late,
    };
    for (unsigned i = 1; i < count; i++) {
        shards->nodes[i] = sim_node_add(sim);
        sim_die_with(sim, shards->nodes[i], home);
    }
}

/* Some of the clients of a server that runs go to other shards; now and then. */
static inline void sim_shards_stir(const struct sim_shards *shards, struct server *server,
                                   struct prng *prng)
{
    if (shards->count > 1 && prng_chance(prng, 1, 4) && server != NULL)
        server_shards_stir(server, prng_next(prng));
}

/* As server_start. */
static inline enum err sim_shards_start(struct sim_shards *shards, struct io *io,
                                        const struct options *options, struct logger *logger,
                                        struct server **server)
{
    struct server *made = server_create(io, options, logger);
    bool begun = true;
    enum err err;

    if (made == NULL)
        return ERR_INVALID;
    if (shards->count > 1 && shards->late)
        server_shards_plan(made, shards->count, &shards->host);
    else if (shards->count > 1)
        begun = server_shards_begin(made, shards->count, &shards->host);
    assert(begun);
    err = server_open(made);
    if (err == OK)
        *server = made;
    return err;
}

#endif
