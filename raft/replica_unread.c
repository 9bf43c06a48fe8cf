/*
 * replica_unread: what a leader does about an entry that a member needs and that is not to be read
 * here any more: lost to the disk, damaged, or erased. Another voter may have it, so it gives way
 * to one. If it leads all the same, or nobody else votes, who needs the entry gets a state block
 * instead, in which all of it is applied: the floor rises above the entry.
 */
#include <stdio.h>

#include "raft/replica_priv.h"

#define PATIENCE_NS INT64_C(2000000000)  /* for another leader */
#define AGAIN_NS    INT64_C(10000000000) /* between two blocks, which have their price */

static void say(const struct replica *replica, uint64_t index)
{
    const struct groups_options *options = &replica->groups->options;
    char text[160];

    snprintf(text, sizeof text,
             "group %016llx: entry %llu, which another replica needs, cannot be read here",
             (unsigned long long)replica->id, (unsigned long long)index);
    if (options->report != NULL)
        options->report(options->report_context, text);
}

void replica_unread(struct replica *replica, uint64_t index)
{
    if (replica->unread.index == 0) {
        replica->unread.noted_ns = io_now(replica->io);
        replica->unread.asked_ns = 0;
        say(replica, index);
    }
    if (index > replica->unread.index)
        replica->unread.index = index;
}

void replica_unread_drop(struct replica *replica)
{
    replica->unread.index = 0;
}

static bool others_vote(const struct replica *replica)
{
    const struct raft_config *config = raft_core_config(replica->core);

    for (uint32_t i = 0; i < config->count; i++)
        if (!config->at[i].learner && !members_equal(config->at[i], groups_self(replica->groups)))
            return true;
    return false;
}

static void want_block(struct replica *replica, int64_t now)
{
    if (replica->block.busy ||
        (replica->unread.asked_ns != 0 && now - replica->unread.asked_ns < AGAIN_NS))
        return;
    replica->unread.asked_ns = now;
    replica_block_soon(replica);
}

void replica_unread_look(struct replica *replica)
{
    int64_t now = io_now(replica->io);

    if (replica->unread.index <= log_floor(replica->log))
        replica->unread.index = 0;
    if (replica->unread.index == 0)
        return;
    if (others_vote(replica) && now - replica->unread.noted_ns < PATIENCE_NS)
        replica_give_way(replica);
    else if (replica->block.newest >= replica->unread.index)
        replica_block_floor(replica);
    else
        want_block(replica, now);
}
