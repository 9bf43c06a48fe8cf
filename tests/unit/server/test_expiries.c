/* What the ends of messages promise, against a list of them. */
#include "base/prng.h"
#include "server/stream/expiries.h"
#include "tests/unit/unit.h"

#define MESSAGES 400

struct model {
    int64_t expires_ns[MESSAGES + 1];
    bool marker[MESSAGES + 1];
    bool live[MESSAGES + 1];
};

static bool ends(const struct model *model, uint64_t sequence)
{
    return model->live[sequence] && model->expires_ns[sequence] != 0 &&
           model->expires_ns[sequence] != EXPIRES_NEVER;
}

static uint64_t model_first(const struct model *model)
{
    uint64_t best = 0;

    for (uint64_t s = 1; s <= MESSAGES; s++) {
        if (ends(model, s) && (best == 0 || model->expires_ns[s] < model->expires_ns[best]))
            best = s;
    }
    return best;
}

struct seen {
    const struct model *model;
    int64_t now_ns;
    uint64_t count, limit;
};

static bool see(void *context, uint64_t sequence)
{
    struct seen *seen = context;

    ck_assert(ends(seen->model, sequence));
    ck_assert(seen->model->expires_ns[sequence] <= seen->now_ns);
    return ++seen->count < seen->limit;
}

static void check(struct expiries *expiries, const struct model *model, int64_t now_ns)
{
    struct seen seen = {.model = model, .now_ns = now_ns, .limit = UINT64_MAX};
    uint64_t best = model_first(model), ended = 0;
    struct expiry first;

    ck_assert(expiries_first(expiries, &first) == (best != 0));
    if (best != 0) {
        ck_assert_uint_eq(first.sequence, best);
        ck_assert_int_eq(first.expires_ns, model->expires_ns[best]);
    }
    for (uint64_t s = 1; s <= MESSAGES; s++) {
        ended += ends(model, s) && model->expires_ns[s] <= now_ns;
        ck_assert(expiries_marker(expiries, s) == (model->live[s] && model->marker[s]));
        ck_assert(expiries_never(expiries, s) ==
                  (model->live[s] && model->expires_ns[s] == EXPIRES_NEVER));
    }
    ck_assert(expiries_ended(expiries, now_ns, see, &seen));
    ck_assert_uint_eq(seen.count, ended);
    seen.count = 0;
    seen.limit = 1;
    ck_assert(expiries_ended(expiries, now_ns, see, &seen) == (ended == 0));
}

START_TEST(any_order_of_adding_and_removing_leaves_what_a_list_would_have)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        static struct model model;
        struct expiries expiries;
        struct prng prng;

        prng_seed(&prng, seed);
        model = (struct model){0};
        expiries_init(&expiries, seed);
        for (uint64_t s = 1; s <= MESSAGES; s++) {
            static const int64_t special[] = {0, EXPIRES_NEVER};
            uint64_t kind = prng_below(&prng, 6), gone = 1 + prng_below(&prng, s);

            model.expires_ns[s] = kind < 2 ? special[kind] : (int64_t)(1 + prng_below(&prng, 50));
            model.marker[s] = prng_below(&prng, 3) == 0;
            model.live[s] = true;
            expiries_add(&expiries, s, model.expires_ns[s], model.marker[s]);
            if (prng_below(&prng, 3) > 0) {
                model.live[gone] = false;
                expiries_remove(&expiries, gone);
            }
            if (s % 20 == 0)
                check(&expiries, &model, (int64_t)prng_below(&prng, 60));
        }
        expiries_deinit(&expiries);
    }
}
END_TEST

START_TEST(what_was_removed_does_not_stay_in_memory)
{
    struct expiries expiries;

    expiries_init(&expiries, 1);
    for (uint64_t s = 1; s <= 100000; s++) {
        expiries_add(&expiries, s, INT64_C(1000000) + (int64_t)s, false);
        if (s > 10)
            expiries_remove(&expiries, s - 10);
    }
    ck_assert_uint_lt(expiries.capacity, 1000);
    ck_assert_uint_eq(expiries.lives.count, 10);
    expiries_deinit(&expiries);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        any_order_of_adding_and_removing_leaves_what_a_list_would_have,
        what_was_removed_does_not_stay_in_memory,
    };

    return UNIT_RUN_PLAIN("expiries", tests);
}
