#include "raft/core_members.h"

#include <assert.h>
#include <string.h>

bool member_same(struct raft_member a, struct raft_member b)
{
    return a.node == b.node && a.incarnation == b.incarnation;
}

const struct raft_member *config_find(const struct raft_config *config, struct raft_member member)
{
    for (uint32_t i = 0; i < config->count; i++)
        if (member_same(config->at[i], member))
            return &config->at[i];
    return NULL;
}

bool config_votes(const struct raft_config *config, struct raft_member member)
{
    const struct raft_member *found = config_find(config, member);

    return found != NULL && !found->learner;
}

uint32_t config_voters(const struct raft_config *config)
{
    uint32_t voters = 0;

    for (uint32_t i = 0; i < config->count; i++)
        voters += !config->at[i].learner;
    return voters;
}

bool config_sound(const struct raft_config *config)
{
    if (config->count > RAFT_MEMBERS_MAX)
        return false;
    for (uint32_t i = 0; i < config->count; i++) {
        if (config->at[i].node == 0)
            return false;
        if (config_find(config, config->at[i]) != &config->at[i])
            return false; /* named before */
    }
    return true;
}

bool config_one_step(const struct raft_config *from, const struct raft_config *to)
{
    uint32_t changes = 0;

    for (uint32_t i = 0; i < from->count; i++) {
        const struct raft_member *now = config_find(to, from->at[i]);

        changes += now == NULL || now->learner != from->at[i].learner;
    }
    for (uint32_t i = 0; i < to->count; i++) {
        if (config_find(from, to->at[i]) != NULL)
            continue;
        if (!to->at[i].learner)
            return false; /* nobody's first role: it has nothing yet */
        changes++;
    }
    return changes == 1;
}

void configs_init(struct configs *configs, uint64_t index, const struct raft_config *config)
{
    configs->at[0].index = index;
    configs->at[0].config = *config;
    configs->count = 1;
}

const struct raft_config *configs_newest(const struct configs *configs)
{
    return &configs->at[configs->count - 1].config;
}

uint64_t configs_newest_index(const struct configs *configs)
{
    return configs->at[configs->count - 1].index;
}

const struct raft_config *configs_at(const struct configs *configs, uint64_t index)
{
    uint32_t i = configs->count - 1;

    while (i > 0 && configs->at[i].index > index)
        i--;
    return &configs->at[i].config;
}

void configs_settle(struct configs *configs, uint64_t committed, uint64_t durable)
{
    while (configs->count > 1 && configs->at[1].index <= durable &&
           (configs->at[1].index <= committed || configs->count > 2)) {
        configs->count--;
        memmove(configs->at, configs->at + 1, configs->count * sizeof configs->at[0]);
    }
}

bool configs_full(const struct configs *configs)
{
    return configs->count == CONFIGS_MAX;
}

void configs_add(struct configs *configs, uint64_t index, const struct raft_config *config)
{
    assert(!configs_full(configs));
    assert(index > configs_newest_index(configs));

    configs->at[configs->count].index = index;
    configs->at[configs->count].config = *config;
    configs->count++;
}

bool configs_may_cut(const struct configs *configs, uint64_t index)
{
    return configs->at[0].index <= index;
}

void configs_cut(struct configs *configs, uint64_t index)
{
    assert(configs_may_cut(configs, index));

    while (configs->at[configs->count - 1].index > index)
        configs->count--;
}
