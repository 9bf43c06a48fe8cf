/* core_life: a core made of what recovery found, and who it is. */
#include "base/heap.h"
#include "raft/core_priv.h"

bool core_is(const struct raft_core *core, struct raft_member a, struct raft_member b)
{
    return a.node == b.node &&
           (a.incarnation == b.incarnation || FLAWED(core, COUNT_OLD_INCARNATION));
}

bool core_votes(const struct raft_core *core)
{
    return config_votes(core_config(core), core->options.self);
}

struct raft_core *raft_core_new(const struct raft_options *options,
                                const struct raft_recovered *recovered)
{
    struct raft_core *core = HEAP_NEW(struct raft_core);

    assert(options->self.node != 0);
    assert(options->heartbeat_ns > 0);
    assert(options->heartbeat_ns <= options->election_ns / 4);
    assert(options->inflight_max > 0);
    assert(options->inflight_max <= RAFT_INFLIGHT_MAX);
    assert(recovered->committed >= recovered->floor);
    assert(config_sound(&recovered->config));

    core->options = *options;
    prng_seed(&core->prng, options->seed);
    core->term = recovered->term;
    core->vote = recovered->vote;
    terms_init(&core->terms, recovered->floor, recovered->floor_term);
    core->committed = recovered->committed;
    core->damaged = recovered->damaged;
    configs_init(&core->configs, recovered->floor, &recovered->config);
    return core;
}

void raft_core_recovered_entry(struct raft_core *core, const struct raft_entry *entry)
{
    terms_append(&core->terms, entry->index, entry->term);
    if (entry->config == NULL)
        return;
    assert(config_sound(entry->config));
    configs_add(&core->configs, entry->index, entry->config);
    configs_settle(&core->configs, core->committed, entry->index);
}

/*
 * No leader was ever answered from here: that would have made a later term durable. So nobody
 * counts on its patience, and the members stand soon, in the order of the config.
 */
static void first_election(struct raft_core *core)
{
    const struct raft_config *config = core_config(core);
    uint64_t heartbeat = (uint64_t)core->options.heartbeat_ns, place = 0;

    while (place < config->count && !member_same(config->at[place], core->options.self))
        place++;
    core->heard_ns = core->now_ns - core->options.election_ns;
    core->election_due =
        core->now_ns + (int64_t)(place * heartbeat + prng_below(&core->prng, heartbeat));
}

/* One who has only just become the only voter may have answered a leader who takes leave, and who
 * counts on its patience as any other. */
bool core_alone(const struct raft_core *core)
{
    for (uint32_t i = 0; i < core->configs.count; i++) {
        const struct raft_config *config = &core->configs.at[i].config;

        if (FLAWED(core, STAND_AT_ONCE))
            config = core_config(core);
        if (config_voters(config) > 0 &&
            (config_voters(config) > 1 || !config_votes(config, core->options.self)))
            return false;
    }
    return core_votes(core);
}

void raft_core_start(struct raft_core *core, int64_t now)
{
    core->now_ns = now;
    core->durable = core->terms.last;
    if (core->committed > core->terms.last)
        core->committed = core->terms.last; /* it was on its way to this disk */
    /* It may have heard a leader just before it ended, who counts on its patience. */
    core->heard_ns = FLAWED(core, VOTE_AFTER_START) ? now - core->options.election_ns : now;
    core_rest(core);
    if (terms_last(&core->terms) > core->term) {
        core->vote = (struct raft_member){0};
        if (core_alone(core) || terms_last(&core->terms) <= FIRST_TERM)
            core->term = terms_last(&core->terms); /* needs no record */
        else
            core_follow(core, terms_last(&core->terms), core->vote);
    }
    core->damaged_term = core->term;
    core_whole_start(core);
    if (core->term <= FIRST_TERM)
        first_election(core);
    if (core_may_stand(core) && core_alone(core))
        core_stand(core, false, false);
    core_check(core);
}

void raft_core_free(struct raft_core *core)
{
    if (core == NULL)
        return;
    terms_deinit(&core->terms);
    heap_give(core);
}
