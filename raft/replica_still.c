/*
 * replica_still: a group is looked at from outside: what is left of it here, that it stays so while
 * others are asked the same, and since when somebody is none of its members.
 */
#include "raft/replica_priv.h"

bool replica_led(const struct replica *replica)
{
    return raft_core_led(replica->core, io_now(replica->io));
}

bool replica_bare(const struct replica *replica)
{
    return replica->repair_from == 0 && raft_core_last(replica->core) <= 1;
}

bool replica_caught_up(const struct replica *replica)
{
    return replica_led(replica) && replica_whole(replica) && raft_core_behind(replica->core) == 0 &&
           replica->applied >= raft_core_committed(replica->core);
}

bool replica_begins_anew(const struct replica *replica)
{
    return replica->anew && !replica_whole(replica);
}

bool replica_waits(const struct replica *replica)
{
    return raft_core_outlived(replica->core) || raft_core_learns(replica->core);
}

uint64_t replica_members_index(const struct replica *replica)
{
    return raft_core_config_index(replica->core);
}

bool replica_is_without(const struct replica *replica)
{
    struct raft_member self = groups_self(replica->groups);
    const struct raft_config *members = replica_members(replica);
    const struct raft_member *found = members_find(members, self.node);

    return raft_core_committed(replica->core) >= raft_core_config_index(replica->core) &&
           (found == NULL || !members_equal(*found, self));
}

bool replica_votes(const struct replica *replica)
{
    struct raft_member self = groups_self(replica->groups);
    const struct raft_member *found = members_find(replica_members(replica), self.node);

    return found != NULL && members_equal(*found, self) && !found->learner;
}

uint64_t replica_fixed_without(const struct replica *replica, struct raft_member member)
{
    const struct raft_config *members = replica_members(replica);
    const struct raft_member *found = members_find(members, member.node);
    uint64_t index = raft_core_config_index(replica->core);

    if (!replica->leads || members->count == 0 || raft_core_committed(replica->core) < index ||
        (found != NULL && members_equal(*found, member)))
        return 0;
    return index;
}

uint64_t replica_term_applied(const struct replica *replica)
{
    return raft_core_term_at(replica->core, replica->applied);
}

bool replica_hold_still(struct replica *replica, bool still)
{
    bool held;

    if (replica->repair_from != 0)
        return !still; /* it does neither yet */
    if (still && (replica_led(replica) || !replica_catch_drop(replica)))
        return false;
    held = raft_core_hold_still(replica->core, io_now(replica->io), still);
    replica_drain(replica);
    return held;
}

void replica_lend(struct replica *replica, uint64_t term, uint64_t last_term, uint64_t last)
{
    if (replica->repair_from != 0)
        return;
    raft_core_lend(replica->core, io_now(replica->io), term, last_term, last);
    replica_drain(replica);
}
