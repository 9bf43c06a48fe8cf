/* Whether a group may still have a leader, by what all servers have left of it. */
#include "server/jetstream_cluster_priv.h"
#include "tests/unit/unit.h"

static struct survey survey;

static struct raft_member member(uint64_t node)
{
    return (struct raft_member){.node = node, .incarnation = node};
}

/* `nodes`: the members by its log, as digits. */
static void told(uint64_t node, enum left left, bool able, uint64_t term, uint64_t last,
                 uint64_t nodes)
{
    struct left_answer *answer = &survey.answers[survey.told.count];

    *answer = (struct left_answer){.left = left, .able = able, .last_term = term, .last = last};
    for (; nodes > 0; nodes /= 10)
        answer->group.at[answer->group.count++] = member(nodes % 10);
    survey.told.at[survey.told.count++] = member(node);
}

START_TEST(who_has_a_majority_of_its_voters_may_lead)
{
    survey = (struct survey){0};
    told(1, LEFT_CONTENT, true, 2, 100, 123);
    told(2, LEFT_CONTENT, true, 2, 100, 123);
    told(3, LEFT_BEGINNING, false, 1, 1, 1);
    ck_assert(survey_refused(&survey));
    survey.answers[1].able = false;
    ck_assert(!survey_refused(&survey));
}
END_TEST

START_TEST(a_leader_that_is_heard_leads)
{
    survey = (struct survey){0};
    told(1, LEFT_NOTHING, false, 0, 0, 0);
    told(2, LEFT_LED, false, 0, 0, 0);
    ck_assert(survey_refused(&survey));
}
END_TEST

START_TEST(who_has_more_votes_for_nobody_who_has_less)
{
    /* 3 has everything, and by its newest config only the vote of 2, which has forgotten, and 1
     * would have a majority by an older one, but not the vote of 3. */
    survey = (struct survey){0};
    told(1, LEFT_CONTENT, true, 2, 117, 123);
    told(2, LEFT_BEGINNING, false, 1, 1, 1);
    told(3, LEFT_CONTENT, true, 2, 889, 23);
    ck_assert(!survey_refused(&survey));
    survey.answers[0].last = 889; /* as much: then it does */
    ck_assert(survey_refused(&survey));
    survey.answers[0].last = 117;
    survey.answers[0].last_term = 3; /* less, and newer */
    ck_assert(survey_refused(&survey));
    survey.answers[0].last_term = 2;
    survey.answers[2].last_term = 0; /* it does not say: perhaps */
    ck_assert(survey_refused(&survey));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        who_has_a_majority_of_its_voters_may_lead,
        a_leader_that_is_heard_leads,
        who_has_more_votes_for_nobody_who_has_less,
    };

    return UNIT_RUN_PLAIN("survey", tests);
}
