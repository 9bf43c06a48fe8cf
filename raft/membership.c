#include "raft/membership.h"

#include <string.h>

#include "raft/members.h"

static const struct raft_member *find(const struct raft_config *config, struct raft_member member)
{
    const struct raft_member *found = members_find(config, member.node);

    return found != NULL && members_equal(*found, member) ? found : NULL;
}

static bool is_current(const struct raft_progress *progress, uint32_t count,
                       struct raft_member member)
{
    for (uint32_t i = 0; i < count; i++) {
        if (members_equal(progress[i].member, member))
            return progress[i].current;
    }
    return false;
}

static void take_out(struct raft_config *config, uint32_t number)
{
    memmove(&config->at[number], &config->at[number + 1],
            (config->count - number - 1) * sizeof config->at[0]);
    config->count--;
}

/* An earlier life of a wished node stands in its way; else it comes in as a learner. */
static bool add_one(const struct raft_config *wished, struct raft_config *next)
{
    for (uint32_t i = 0; i < wished->count; i++) {
        if (find(next, wished->at[i]) != NULL)
            continue;
        for (uint32_t at = 0; at < next->count; at++) {
            if (next->at[at].node == wished->at[i].node) {
                take_out(next, at);
                return true;
            }
        }
        if (next->count == RAFT_MEMBERS_MAX)
            return false;
        next->at[next->count] = wished->at[i];
        next->at[next->count++].learner = true;
        return true;
    }
    return false;
}

enum membership_step membership_next(const struct raft_config *actual,
                                     const struct raft_config *wished, struct raft_member self,
                                     const struct raft_progress *progress, uint32_t progress_count,
                                     struct raft_config *next, struct raft_member *to)
{
    bool waits = false;

    *next = *actual;
    if (add_one(wished, next))
        return MEMBERSHIP_CHANGE;
    for (uint32_t i = 0; i < next->count; i++) {
        if (next->at[i].learner && find(wished, next->at[i]) != NULL)
            waits = waits || !is_current(progress, progress_count, next->at[i]);
    }
    if (waits)
        return MEMBERSHIP_WAITS;
    for (uint32_t i = 0; i < next->count; i++) {
        if (next->at[i].learner && find(wished, next->at[i]) != NULL) {
            next->at[i].learner = false;
            return MEMBERSHIP_CHANGE;
        }
    }
    for (uint32_t i = 0; i < next->count; i++) {
        if (find(wished, next->at[i]) == NULL && !members_equal(next->at[i], self)) {
            take_out(next, i);
            return MEMBERSHIP_CHANGE;
        }
    }
    if (find(wished, self) != NULL)
        return MEMBERSHIP_SETTLED;
    for (uint32_t i = 0; i < wished->count; i++) {
        if (is_current(progress, progress_count, wished->at[i])) {
            *to = wished->at[i];
            return MEMBERSHIP_TRANSFER;
        }
    }
    return MEMBERSHIP_WAITS;
}
