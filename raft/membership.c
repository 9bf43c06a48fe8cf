#include "raft/membership.h"

#include <string.h>

#include "raft/members.h"

static const struct raft_member *find(const struct raft_config *config, struct raft_member member)
{
    const struct raft_member *found = members_find(config, member.node);

    return found != NULL && members_equal(*found, member) ? found : NULL;
}

/* NULL: nothing is known of it. */
static const struct raft_progress *seen(const struct raft_progress *progress, uint32_t count,
                                        struct raft_member member)
{
    for (uint32_t i = 0; i < count; i++) {
        if (members_equal(progress[i].member, member))
            return &progress[i];
    }
    return NULL;
}

static bool is_current(const struct raft_progress *progress, uint32_t count,
                       struct raft_member member)
{
    const struct raft_progress *p = seen(progress, count, member);

    return p != NULL && p->current;
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

/* Could it lead next? */
static bool is_heir(const struct raft_progress *p)
{
    return p != NULL && !p->offline && !p->damaged;
}

/* Would most of the voters answer? */
static bool has_majority(const struct raft_config *config, struct raft_member self,
                         const struct raft_progress *progress, uint32_t count)
{
    uint32_t voters = 0, there = 0;

    for (uint32_t i = 0; i < config->count; i++) {
        const struct raft_progress *p = seen(progress, count, config->at[i]);

        voters += !config->at[i].learner;
        there += !config->at[i].learner &&
                 (members_equal(config->at[i], self) || (p != NULL && !p->offline));
    }
    return there * 2 > voters;
}

/*
 * Some wait for a later term, and nobody is left who could lead in one: of the other voters those
 * are lost who are not wished for any more, and the rest has begun anew, too. Those go, and these
 * become learners again, until an heir votes or the leader is the only voter.
 */
static bool make_way(const struct raft_config *wished, struct raft_member self,
                     const struct raft_progress *progress, uint32_t count, struct raft_config *next)
{
    const struct raft_config actual = *next;
    bool waited = false;

    for (uint32_t i = 0; i < actual.count; i++) {
        const struct raft_progress *p = seen(progress, count, actual.at[i]);

        waited = waited || (p != NULL && p->anew);
        if (!actual.at[i].learner && !members_equal(actual.at[i], self) && is_heir(p))
            return false;
    }
    for (uint32_t i = 0; waited && i < 2 * actual.count; i++) {
        struct raft_member *at = &next->at[i % actual.count];
        const struct raft_progress *p = seen(progress, count, *at);
        bool goes = i < actual.count && find(wished, *at) == NULL;
        bool waits = i >= actual.count && p != NULL && p->anew;

        if (at->learner || members_equal(*at, self) || (!goes && !waits))
            continue;
        if (goes)
            take_out(next, i);
        else
            at->learner = true;
        if (has_majority(next, self, progress, count))
            return true;
        *next = actual;
    }
    return false;
}

/* Who is not wished goes; who is lost first, and nobody whom the rest needs for a majority: a lost
 * one that was left with the leader would have to agree to its own removal. */
static bool take_one(const struct raft_config *wished, struct raft_member self,
                     const struct raft_progress *progress, uint32_t count, struct raft_config *next)
{
    const struct raft_config actual = *next;

    for (uint32_t i = 0; i < 2 * actual.count; i++) {
        uint32_t number = i % actual.count;
        struct raft_member member = actual.at[number];

        if (find(wished, member) != NULL || members_equal(member, self) ||
            (i < actual.count && is_heir(seen(progress, count, member))))
            continue;
        take_out(next, number);
        if (has_majority(next, self, progress, count))
            return true;
        *next = actual;
    }
    return false;
}

static bool has_unwished(const struct raft_config *config, const struct raft_config *wished,
                         struct raft_member self)
{
    for (uint32_t i = 0; i < config->count; i++) {
        if (find(wished, config->at[i]) == NULL && !members_equal(config->at[i], self))
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
        const struct raft_progress *p = seen(progress, progress_count, next->at[i]);

        if (!next->at[i].learner || find(wished, next->at[i]) == NULL)
            continue;
        waits = true;
        if (p == NULL || p->damaged)
            continue;
        next->at[i].learner = false;
        return MEMBERSHIP_CHANGE;
    }
    if (make_way(wished, self, progress, progress_count, next))
        return MEMBERSHIP_CHANGE;
    if (waits)
        return MEMBERSHIP_WAITS;
    if (take_one(wished, self, progress, progress_count, next))
        return MEMBERSHIP_CHANGE;
    if (has_unwished(next, wished, self))
        return MEMBERSHIP_WAITS;
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
