/*
 * replica_audit: the states of a group's replicas are compared. At each seal all of them take down
 * their states, which are of the same index; each says a hash of it to the leader, who names those
 * that differ from what a majority has. Their logs are equal, so that is a fault of apply, of
 * memory or of a block: it is for the operator to know.
 */
#include <stdio.h>

#include "raft/replica_priv.h"

static void add(struct replica *replica, struct raft_member member, uint64_t index, uint64_t hash)
{
    for (uint32_t i = 0; i < AUDITS_MAX; i++) {
        struct audited *at = &replica->audits[i];

        if (at->index == index && members_equal(at->member, member))
            return; /* it has been said */
    }
    replica->audits[replica->audit_next] =
        (struct audited){.member = member, .index = index, .hash = hash};
    replica->audit_next = (replica->audit_next + 1) % AUDITS_MAX;
}

static const struct audited *find(const struct replica *replica, struct raft_member member,
                                  uint64_t index)
{
    for (uint32_t i = 0; i < AUDITS_MAX; i++) {
        const struct audited *at = &replica->audits[i];

        if (at->member.node != 0 && at->index == index && members_equal(at->member, member))
            return at;
    }
    return NULL;
}

/* How many voters have that hash, and how many there are. */
static uint32_t count(const struct replica *replica, uint64_t index, uint64_t hash,
                      uint32_t *voters)
{
    const struct raft_config *config = raft_core_config(replica->core);
    uint32_t same = 0;

    *voters = 0;
    for (uint32_t i = 0; i < config->count; i++) {
        const struct audited *at = find(replica, config->at[i], index);

        *voters += !config->at[i].learner;
        same += !config->at[i].learner && at != NULL && at->hash == hash;
    }
    return same;
}

static void name(struct replica *replica, const struct audited *audited)
{
    const struct groups_options *options = &replica->groups->options;
    char text[200];

    replica->audit_told = audited->index;
    snprintf(text, sizeof text,
             "group %016llx: the state of node %016llx at index %llu differs from that of the "
             "majority",
             (unsigned long long)replica->id, (unsigned long long)audited->member.node,
             (unsigned long long)audited->index);
    if (options->report != NULL)
        options->report(options->report_context, text);
}

/* Once there is a majority of one hash, whoever has another one is wrong. */
static void compare(struct replica *replica, uint64_t index)
{
    const struct raft_config *config = raft_core_config(replica->core);
    const struct audited *good = NULL;
    uint32_t voters;

    if (raft_core_role(replica->core) != RAFT_LEADER || replica->audit_told >= index)
        return;
    for (uint32_t i = 0; i < config->count && good == NULL; i++) {
        const struct audited *at = find(replica, config->at[i], index);

        if (at != NULL && count(replica, index, at->hash, &voters) > voters / 2)
            good = at;
    }
    for (uint32_t i = 0; i < config->count && good != NULL; i++) {
        const struct audited *at = find(replica, config->at[i], index);

        if (at != NULL && at->hash != good->hash)
            name(replica, at);
    }
}

void replica_audit(struct replica *replica, uint64_t hash)
{
    uint64_t index = replica->block.op.index;
    struct raft_message message = {.previous = index, .last = hash};
    struct raft_member leader = raft_core_leader(replica->core);

    assert(replica->block.busy);
    if (replica->groups->options.transport == NULL || replica->alone)
        return;
    add(replica, groups_self(replica->groups), index, hash);
    if (raft_core_role(replica->core) == RAFT_LEADER)
        compare(replica, index);
    else if (leader.node != 0)
        (void)replica_catch_send(replica, WIRE_AUDIT, leader, &message, (struct bytes){0});
}

void replica_audit_step(struct replica *replica, const struct raft_message *message)
{
    if (members_find(raft_core_config(replica->core), message->from.node) == NULL)
        return;
    add(replica, message->from, message->previous, message->last);
    compare(replica, message->previous);
}
