#include "tests/sim/fates.h"
#include "tests/sim/paces.h"

static bool chance(struct fates *fates, uint32_t n, uint32_t of)
{
    return prng_chance(fates->nodes.prng, n, of);
}

static uint64_t below(struct fates *fates, uint64_t bound)
{
    return prng_below(fates->nodes.prng, bound);
}

static void nothing(void *context, size_t index)
{
    (void)context;
    (void)index;
}

static void draw(struct fates *fates, size_t index)
{
    struct options *options = &fates->nodes.at[index].options;
    struct sim_faults *faults = &fates->faults[index];

    options->cluster.configured = fates->nodes.count > 1;
    options->sim.block_bytes = chance(fates, 1, 2) ? 8 << 10 : 0;
    options->sim.space_look_ns = SPACE_LOOK_NS;
    *faults = sim_faults_draw(fates->nodes.prng);
    faults->write_error = faults->sync_error = faults->read_error = faults->short_count = 0;
    faults->error_sticky = faults->sync_evicts = faults->net_reset = 0;
    sim_set_faults(fates->nodes.sim, index, faults);
}

void fates_init(struct fates *fates, struct report *report, struct sim *sim, struct prng *prng,
                size_t count, void (*heard)(void *context, const struct client_message *message),
                void *context)
{
    size_t clients;

    nodes_init(&fates->nodes, report, sim, prng, count);
    fates->nodes.dying = fates->nodes.born = fates->nodes.wiped = nothing;
    fates->context = context;
    clients = sim_node_add(sim);
    for (size_t i = 0; i < count; i++)
        draw(fates, i);
    sim_client_init(&fates->client, sim, sim_node_io(sim, clients), heard, context);
}

void fates_deinit(struct fates *fates)
{
    nodes_deinit(&fates->nodes);
}

static enum sim_crash_mode crash_mode(struct fates *fates)
{
    return chance(fates, 1, 2) ? SIM_CRASH_KILL : SIM_CRASH_POWER;
}

void fates_start(struct fates *fates, bool all)
{
    for (size_t i = 0; i < fates->nodes.count; i++) {
        bool calm = all || chance(fates, 3, 4);

        if (fates->nodes.at[i].server == NULL && (all || chance(fates, 1, 10)))
            (void)nodes_start(&fates->nodes, i, crash_mode(fates),
                              calm ? 0 : 1 + below(fates, 150));
    }
}

static void leave(struct fates *fates, size_t index)
{
    fates->crashes++;
    if (fates->died != NULL)
        fates->died(fates->context, index);
    if (index == fates->home)
        sim_client_drop(&fates->client);
}

void fates_live(struct fates *fates)
{
    size_t index = nodes_fallen(&fates->nodes);

    if (index < fates->nodes.count)
        leave(fates, index);
    fates_start(fates, false);
    if (!chance(fates, 1, fates->rarity))
        return;
    index = (size_t)below(fates, fates->nodes.count);
    if (!nodes_up(&fates->nodes, index))
        return;
    if (chance(fates, 1, 2)) {
        sim_crash_after(fates->nodes.sim, index, crash_mode(fates), 1 + below(fates, 60));
    } else {
        nodes_crash(&fates->nodes, index, crash_mode(fates));
        leave(fates, index);
    }
}

void fates_calm(struct fates *fates)
{
    for (size_t i = 0; i < fates->nodes.count; i++) {
        sim_crash_after(fates->nodes.sim, i, SIM_CRASH_KILL, 0);
        sim_heal(fates->nodes.sim, i);
    }
    if (nodes_fallen(&fates->nodes) < fates->nodes.count)
        sim_client_drop(&fates->client);
    for (int i = 0; i < 3; i++)
        fates_start(fates, true);
}

bool fates_connect(struct fates *fates)
{
    size_t node = (size_t)below(fates, fates->nodes.count);

    if (fates->client.sock != NULL || !nodes_up(&fates->nodes, node))
        return false;
    fates->home = node;
    sim_client_connect(&fates->client, node, NODES_PORT, "_R.>");
    return true;
}
