/* Whether a group may still have a leader, by what all servers have left of it. */
#include "server/jetstream/jetstream_cluster_priv.h"
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

/* ---- lending -------------------------------------------------------------------------------- */

static struct catalogue_lent lent;

/* It had three replicas, and is to have one: 3 has left the group, 2 has forgotten, 1 led. */
static void shrinks(void)
{
    survey = (struct survey){0};
    told(1, LEFT_CONTENT, true, 4, 100, 12);
    told(2, LEFT_NOTHING, false, 0, 0, 0);
    told(3, LEFT_CONTENT, true, 4, 98, 123);
    survey.answers[0].term = 4;
    survey.answers[1].term = 6;
    survey.answers[2].term = 5;
    ck_assert(!survey_refused(&survey));
}

START_TEST(who_forgot_is_lent_the_log_that_has_most)
{
    shrinks();
    ck_assert(survey_lends(&survey, &lent));
    ck_assert_uint_eq(lent.term, 6); /* the latest that anybody remembers */
    ck_assert_uint_eq(lent.last_term, 4);
    ck_assert_uint_eq(lent.last, 100);
}
END_TEST

START_TEST(nothing_is_lent_for_who_has_less_than_somebody_who_does_not_stand)
{
    shrinks();
    survey.answers[2].last = 101; /* left out by all that the others know, and has most */
    survey.answers[2].waits = true;
    ck_assert(!survey_lends(&survey, &lent));
    survey.answers[2].last = 98;
    survey.answers[2].last_term = 5;
    ck_assert(!survey_lends(&survey, &lent));
    survey.answers[2].last_term = 3;
    ck_assert(survey_lends(&survey, &lent));
    survey.answers[2].last_term = 0; /* it does not say */
    ck_assert(!survey_lends(&survey, &lent));
}
END_TEST

START_TEST(one_that_has_left_is_lent_for_if_only_it_has_content)
{
    shrinks();
    survey.answers[0] = (struct left_answer){.left = LEFT_BEGINNING, .last = 1, .last_term = 1};
    ck_assert(survey_lends(&survey, &lent));
    ck_assert_uint_eq(lent.last, 98);
    survey.answers[2].able = false; /* it has begun anew itself: more is not left */
    ck_assert(survey_lends(&survey, &lent));
}
END_TEST

START_TEST(nothing_is_lent_where_voters_are_missing_all_the_same)
{
    shrinks();
    survey.told.at[1] = (struct raft_member){.node = 2, .incarnation = 22}; /* another disk */
    ck_assert(!survey_lends(&survey, &lent));
    shrinks();
    survey.answers[0].left = survey.answers[2].left = LEFT_BEGINNING; /* nothing worth it */
    ck_assert(!survey_lends(&survey, &lent));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        who_has_a_majority_of_its_voters_may_lead,
        a_leader_that_is_heard_leads,
        who_has_more_votes_for_nobody_who_has_less,
        who_forgot_is_lent_the_log_that_has_most,
        nothing_is_lent_for_who_has_less_than_somebody_who_does_not_stand,
        one_that_has_left_is_lent_for_if_only_it_has_content,
        nothing_is_lent_where_voters_are_missing_all_the_same,
    };

    return UNIT_RUN_PLAIN("survey", tests);
}
