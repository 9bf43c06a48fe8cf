/* What a survey has found (jetstream_afresh.c), judged: may somebody lead the group yet, or with
 * votes that are lent? All hold still, so it stays what it is. */
#include "server/jetstream/jetstream_cluster_priv.h"

const struct left_answer *survey_answer(const struct survey *survey, struct raft_member member)
{
    for (uint32_t i = 0; i < survey->told.count; i++) {
        if (members_equal(survey->told.at[i], member))
            return &survey->answers[i];
    }
    return NULL;
}

/* What it has is newer: it votes for nobody who has not as much. */
static bool has_more(const struct left_answer *voter, const struct left_answer *candidate)
{
    if (voter->last_term == 0 || candidate->last_term == 0)
        return false; /* not said */
    if (voter->last_term != candidate->last_term)
        return voter->last_term > candidate->last_term;
    return voter->last > candidate->last;
}

/* Would most of the voters that a candidate counts vote for it? */
static bool has_voters(const struct survey *survey, const struct left_answer *candidate)
{
    const struct raft_config *group = &candidate->group;
    uint32_t voters = 0, able = 0;

    for (uint32_t i = 0; i < group->count; i++) {
        const struct left_answer *answer = survey_answer(survey, group->at[i]);

        voters += !group->at[i].learner;
        able +=
            !group->at[i].learner && answer != NULL && answer->able && !has_more(answer, candidate);
    }
    return voters > 0 && able * 2 > voters;
}

/* Who has only the beginning, of others, does not stand, nor who waits for a leader. */
static bool stands(const struct left_answer *answer, struct raft_member member)
{
    const struct raft_member *found = members_find(&answer->group, member.node);

    return answer->able && !answer->waits &&
           (answer->left == LEFT_CONTENT || (found != NULL && members_equal(*found, member)));
}

bool survey_refused(const struct survey *survey)
{
    for (uint32_t i = 0; i < survey->told.count; i++) {
        const struct left_answer *answer = &survey->answers[i];

        if (answer->left >= LEFT_LED ||
            (stands(answer, survey->told.at[i]) && has_voters(survey, answer)))
            return true;
    }
    return false;
}

/* Those who forgot vote for it, too, and may make a log for that. */
static bool has_lent_voters(const struct survey *survey, const struct left_answer *candidate)
{
    const struct raft_config *group = &candidate->group;
    uint32_t voters = 0, there = 0;

    for (uint32_t i = 0; i < group->count; i++) {
        voters += !group->at[i].learner;
        there += !group->at[i].learner && survey_answer(survey, group->at[i]) != NULL;
    }
    return voters > 0 && there * 2 > voters;
}

/* Nobody has more, and all say how much they have. */
static bool has_most(const struct survey *survey, const struct left_answer *candidate)
{
    for (uint32_t i = 0; i < survey->told.count; i++) {
        const struct left_answer *other = &survey->answers[i];

        if (other->left > LEFT_CONTENT || (other->left != LEFT_NOTHING && other->last_term == 0) ||
            has_more(other, candidate))
            return false;
    }
    return true;
}

static uint64_t latest_term(const struct survey *survey)
{
    uint64_t term = 0;

    for (uint32_t i = 0; i < survey->told.count; i++)
        term = survey->answers[i].term > term ? survey->answers[i].term : term;
    return term;
}

bool survey_lends(const struct survey *survey, struct catalogue_lent *lent)
{
    for (uint32_t i = 0; i < survey->told.count; i++) {
        const struct left_answer *answer = &survey->answers[i];

        if (answer->left != LEFT_CONTENT || answer->waits || !has_most(survey, answer) ||
            !has_lent_voters(survey, answer))
            continue;
        *lent = (struct catalogue_lent){
            .term = latest_term(survey), .last_term = answer->last_term, .last = answer->last};
        return true;
    }
    return false;
}
