/*
 * replica_fetch: what a machine has lost of what it has applied, damaged on its disk, it asks of
 * another member: with the questions of catch-up by block (docs/raft.md), of any member and of no
 * block. Whoever has it answers with what it has itself. What comes is for the machine to judge,
 * and what does not come it asks again, of the same or of another.
 */
#include "raft/core_members.h"
#include "raft/replica_priv.h"

bool replica_fetch(struct replica *replica, struct raft_member of, struct bytes question)
{
    struct raft_message message = {.probe = WIRE_FETCH};

    if (replica->closed || replica->catch.phase >= CATCH_FILL)
        return false; /* another state comes, with all that it needs */
    replica->fetch_of = of;
    return replica_catch_send(replica, WIRE_ASK, of, &message, question);
}

uint32_t replica_others(const struct replica *replica, struct raft_member out[RAFT_MEMBERS_MAX])
{
    const struct raft_config *config = raft_core_config(replica->core);
    struct raft_member self = groups_self(replica->groups);
    uint32_t count = 0;

    for (uint32_t i = 0; i < config->count; i++) {
        if (!members_equal(config->at[i], self))
            out[count++] = config->at[i];
    }
    return count;
}

/* One whose state is not that of the majority has nothing to give. */
bool replica_fetch_asked(struct replica *replica, const struct wire_message *in)
{
    if (in->catch != WIRE_ASK || in->message.probe != WIRE_FETCH)
        return false;
    if (!replica_differs(replica) && replica->events.asked != NULL &&
        config_find(raft_core_config(replica->core), in->message.from) != NULL)
        replica->events.asked(replica->owner, in->message.from, in->message.previous, in->payload);
    return true;
}

bool replica_fetch_told(struct replica *replica, const struct wire_message *in)
{
    if (in->message.previous != 0)
        return false;
    if (replica->catch.phase < CATCH_FILL && replica->events.fetched != NULL &&
        members_equal(in->message.from, replica->fetch_of))
        replica->events.fetched(replica->owner, in->message.from, in->payload);
    return true;
}
