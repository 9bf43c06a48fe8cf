/*
 * core_members: who is in a group: comparing members and configs, and the configs of one log that
 * may be in force again.
 *
 * A config is in force from the moment its entry is in the log, committed or not, and not when its
 * entry is cut or refused. The oldest one kept never goes: it is on this disk and committed. That
 * it is committed is known as soon as a later one is in the log: leaders make one change at a time.
 */
#ifndef RAFT_CORE_MEMBERS_H
#define RAFT_CORE_MEMBERS_H

#include "raft/core.h"

#define CONFIGS_MAX 4u

struct configs {
    struct {
        uint64_t index;
        struct raft_config config;
    } at[CONFIGS_MAX]; /* rising; the last is in force */
    uint32_t count;
};

/* The same node with the same disk. */
bool member_same(struct raft_member a, struct raft_member b);
/* NULL: not in there. */
const struct raft_member *config_find(const struct raft_config *config, struct raft_member member);
bool config_votes(const struct raft_config *config, struct raft_member member);
uint32_t config_voters(const struct raft_config *config);
/* At most RAFT_MEMBERS_MAX different members with node numbers. */
bool config_sound(const struct raft_config *config);
/* They differ by one member: a learner more, a member less, or one promoted or demoted. */
bool config_one_step(const struct raft_config *from, const struct raft_config *to);

void configs_init(struct configs *configs, uint64_t index, const struct raft_config *config);
const struct raft_config *configs_newest(const struct configs *configs);
uint64_t configs_newest_index(const struct configs *configs);
const struct raft_config *configs_at(const struct configs *configs, uint64_t index);
/* Forgets what cannot come into force again. */
void configs_settle(struct configs *configs, uint64_t committed, uint64_t durable);
bool configs_full(const struct configs *configs);
void configs_add(struct configs *configs, uint64_t index, const struct raft_config *config);
/* Whether the log may be cut after `index`. */
bool configs_may_cut(const struct configs *configs, uint64_t index);
void configs_cut(struct configs *configs, uint64_t index);

#endif
