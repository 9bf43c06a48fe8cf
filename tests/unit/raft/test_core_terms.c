/* core_terms against a plain array of terms. */
#include "raft/core_terms.h"

#include <string.h>

#include "base/prng.h"
#include "tests/unit/unit.h"

#define INDEX_MAX 2000u

struct model {
    uint64_t term[INDEX_MAX + 1];
    uint64_t floor, last, forgotten; /* terms up to there need not be known */
};

static void check(const struct terms *terms, const struct model *model)
{
    ck_assert_uint_eq(terms->floor, model->floor);
    ck_assert_uint_eq(terms->last, model->last);
    for (uint64_t i = 0; i <= model->last + 1; i++) {
        uint64_t term = terms_at(terms, i);

        if (i < model->floor || i > model->last)
            ck_assert_uint_eq(term, 0);
        else if (i == model->floor || i > model->forgotten)
            ck_assert_uint_eq(term, model->term[i]);
        else
            ck_assert(term == 0 || term == model->term[i]);
    }
    ck_assert_uint_eq(terms_last(terms), model->term[model->last]);
}

/* The largest index <= `index` with a term <= `term`, or 0 if that lies where nothing is known. */
static void check_find(const struct terms *terms, const struct model *model, uint64_t index,
                       uint64_t term)
{
    uint64_t found = terms_find(terms, index, term);
    uint64_t expected = index < model->last ? index : model->last;

    while (expected > model->floor && model->term[expected] > term)
        expected--;
    if (found == 0) {
        ck_assert(expected <= model->forgotten || expected < model->floor || expected == 0 ||
                  (expected == model->floor && model->term[expected] > term));
        return;
    }
    ck_assert_uint_eq(found, expected);
    ck_assert_uint_le(model->term[found], term);
}

static void step(struct terms *terms, struct model *model, struct prng *prng)
{
    uint64_t span = model->last - model->floor;

    switch (prng_below(prng, 8)) {
    case 0: /* a conflict */
        model->last = model->floor + prng_below(prng, span + 1);
        if (model->last < model->forgotten)
            model->last = model->forgotten < model->floor ? model->floor : model->forgotten;
        terms_cut(terms, model->last);
        break;
    case 1:
        model->floor += prng_below(prng, span + 1) / 4;
        terms_floor(terms, model->floor, model->term[model->floor]);
        break;
    case 2:
        if (model->forgotten < model->floor + span / 2)
            model->forgotten = model->floor + span / 2;
        terms_forget(terms, model->forgotten);
        break;
    default:
        for (uint64_t i = prng_below(prng, 6); i > 0 && model->last < INDEX_MAX; i--) {
            uint64_t term = model->term[model->last] + prng_below(prng, 3);

            model->term[++model->last] = term == 0 ? 1 : term;
            terms_append(terms, model->last, model->term[model->last]);
        }
        break;
    }
}

START_TEST(it_says_what_an_array_would_say)
{
    static struct model model;

    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct terms terms = {0};
        struct prng prng;

        memset(&model, 0, sizeof model);
        prng_seed(&prng, seed);
        terms_init(&terms, 0, 0);
        for (int i = 0; i < 300; i++) {
            step(&terms, &model, &prng);
            check(&terms, &model);
            check_find(&terms, &model, prng_below(&prng, model.last + 3),
                       prng_below(&prng, model.term[model.last] + 2));
        }
        terms_deinit(&terms);
    }
}
END_TEST

START_TEST(committed_terms_take_bounded_memory)
{
    struct terms terms = {0};

    terms_init(&terms, 0, 0);
    for (uint64_t i = 1; i <= 100000; i++) {
        terms_append(&terms, i, i);
        terms_forget(&terms, i);
        ck_assert_uint_le(terms.count, 2 * TERMS_RUNS_KEPT);
    }
    ck_assert_uint_eq(terms_at(&terms, 100000), 100000);
    ck_assert_uint_eq(terms_at(&terms, 100000 - TERMS_RUNS_KEPT), 100000 - TERMS_RUNS_KEPT);
    ck_assert_uint_eq(terms_at(&terms, 1), 0);
    terms_deinit(&terms);
}
END_TEST

START_TEST(what_is_uncommitted_is_never_forgotten)
{
    struct terms terms = {0};

    terms_init(&terms, 0, 0);
    for (uint64_t i = 1; i <= 1000; i++) {
        terms_append(&terms, i, i);
        terms_forget(&terms, 10);
    }
    for (uint64_t i = 11; i <= 1000; i++)
        ck_assert_uint_eq(terms_at(&terms, i), i);
    terms_deinit(&terms);
}
END_TEST

START_TEST(indexes_left_out_have_no_term)
{
    struct terms terms = {0};

    terms_init(&terms, 4, 2);
    terms_append(&terms, 5, 2);
    terms_append(&terms, 9, 3);
    ck_assert_uint_eq(terms_at(&terms, 5), 2);
    ck_assert_uint_eq(terms_at(&terms, 6), 0);
    ck_assert_uint_eq(terms_at(&terms, 8), 0);
    ck_assert_uint_eq(terms_at(&terms, 9), 3);
    ck_assert_uint_eq(terms_find(&terms, 9, 3), 9);
    ck_assert_uint_eq(terms_find(&terms, 9, 2), 0); /* 5, if that could be known */
    terms_deinit(&terms);
}
END_TEST

START_TEST(an_index_comes_once)
{
    struct terms terms = {0};

    terms_init(&terms, 0, 0);
    terms_append(&terms, 1, 1);
    terms_append(&terms, 1, 1);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {it_says_what_an_array_would_say, committed_terms_take_bounded_memory,
                            what_is_uncommitted_is_never_forgotten, indexes_left_out_have_no_term};
    const TTest *aborting[] = {an_index_comes_once};

    return UNIT_RUN("core_terms", tests, aborting);
}
