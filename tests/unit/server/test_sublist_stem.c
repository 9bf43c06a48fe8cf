/* What sublist_match says of subjects that are used once, whether a stem answers or a look-up. */
#include <stdio.h>

#include "base/prng.h"
#include "base/subject.h"
#include "server/router/sublist_stem.h"
#include "tests/unit/unit.h"

#define SUBS 24u

static struct bytes text(const char *s)
{
    return bytes_of_text(s);
}

static uint32_t receivers(struct sublist *list, const char *subject)
{
    const struct match *match = sublist_match(list, text(subject));
    uint32_t count = 0;

    for (uint32_t i = 0; i < match->plain_count; i++)
        count += match->sets[i]->count;
    return count + match->group_count;
}

START_TEST(acks_of_one_stream_are_looked_up_once)
{
    struct sub sink = {0}, inbox = {0};
    struct sublist list;
    char subject[64];

    sublist_init(&list, 42);
    sublist_add(&list, &sink, text("$JS.ACK.S.*.*.*.*.*.*"), text(""));
    sublist_add(&list, &inbox, text("_INBOX.a"), text(""));
    for (unsigned i = 0; i < 100; i++) {
        snprintf(subject, sizeof subject, "$JS.ACK.S.C.1.%u.%u.17.%u", i, i, i);
        ck_assert_uint_eq(receivers(&list, subject), 1);
    }
    ck_assert_uint_eq(list.matches, 1);
    ck_assert_uint_eq(list.asked, 100);
    sublist_deinit(&list);
}
END_TEST

START_TEST(a_stem_takes_as_many_tokens_as_it_was_cut_before_and_none_empty)
{
    struct stem stem;

    ck_assert(stem_cut(&stem, text("$JS.ACK.S.a.1.2.3"), 3));
    ck_assert(stem_takes(&stem, text("$JS.ACK.S.b.4.5.66")));
    ck_assert(!stem_takes(&stem, text("$JS.ACK.T.b.4.5.66")));
    ck_assert(!stem_takes(&stem, text("$JS.ACK.S.b.4.5")));
    ck_assert(!stem_takes(&stem, text("$JS.ACK.S.b.4.5.6.7")));
    ck_assert(!stem_takes(&stem, text("$JS.ACK.S.b..5.6")));
    ck_assert(!stem_takes(&stem, text("$JS.ACK.S.b.4.5.")));
    ck_assert(!stem_takes(&stem, text("$JS.ACK.S..4.5.6")));
    ck_assert(!stem_takes(&stem, text("$JS.ACK.S.")));
    ck_assert(!stem_takes(&stem, text("$JS.")));
    ck_assert(!stem_takes(&stem, text("")));
    ck_assert(!stem_cut(&stem, text("$JS.ACK.S.a.1.2"), 3)); /* too little follows */
    ck_assert(!stem_cut(&stem, text("a.b.1.2.3.4"), 2));     /* too short to be told apart */
}
END_TEST

START_TEST(who_subscribes_to_one_ack_gets_it)
{
    struct sub sink = {0}, one = {0}, all = {0}, token = {0};
    struct sublist list;

    sublist_init(&list, 42);
    sublist_add(&list, &sink, text("$JS.ACK.S.*.*.*.*.*.*"), text(""));
    ck_assert_uint_eq(receivers(&list, "$JS.ACK.S.C.1.1.1.1.1"), 1);
    sublist_add(&list, &one, text("$JS.ACK.S.C.1.2.3.4.5"), text(""));
    ck_assert_uint_eq(receivers(&list, "$JS.ACK.S.C.1.1.1.1.1"), 1);
    ck_assert_uint_eq(receivers(&list, "$JS.ACK.S.C.1.2.3.4.5"), 2);
    sublist_add(&list, &all, text(">"), text(""));
    ck_assert_uint_eq(receivers(&list, "$JS.ACK.S.C.1.1.1.1.2"), 2);
    ck_assert_uint_eq(receivers(&list, "$JS.ACK.S.C.1.2.3.4.5"), 3);
    sublist_add(&list, &token, text("$JS.*.S.*.*.*.*.*.5"), text("q"));
    ck_assert_uint_eq(receivers(&list, "$JS.ACK.S.C.1.1.1.1.2"), 2);
    ck_assert_uint_eq(receivers(&list, "$JS.ACK.S.C.1.2.3.4.5"), 4);
    sublist_remove(&list, &one);
    sublist_remove(&list, &token);
    sublist_remove(&list, &all);
    ck_assert_uint_eq(receivers(&list, "$JS.ACK.S.C.1.2.3.4.5"), 1);
    sublist_remove(&list, &sink);
    ck_assert_uint_eq(receivers(&list, "$JS.ACK.S.C.1.2.3.4.5"), 0);
    sublist_deinit(&list);
}
END_TEST

/* ---- against trying every filter ------------------------------------------------------------ */

struct model {
    struct sub subs[SUBS];
    char filters[SUBS][64];
};

static const char *pick(struct prng *prng, const char *const *words, unsigned count)
{
    return words[prng_below(prng, count)];
}

static void filter_make(struct prng *prng, char out[static 64])
{
    static const char *const second[] = {"ACK", "*", "ACK", "ACK", "API"};
    static const char *const third[] = {"S", "*", "T", "S"};
    static const char *const others[] = {"*", "*", "*", "*", "1", "2"};
    unsigned tokens = 3 + (unsigned)prng_below(prng, 6);
    int at = snprintf(out, 64, "$JS.%s.%s", pick(prng, second, 5), pick(prng, third, 4));

    for (unsigned i = 3; i < tokens; i++)
        at += snprintf(out + at, 64 - (size_t)at, ".%s", pick(prng, others, 6));
    if (prng_below(prng, 3) == 0)
        snprintf(out + at, 64 - (size_t)at, ".>");
}

static void subject_make(struct prng *prng, char out[static 64])
{
    static const char *const third[] = {"S", "T", "U"};
    static const char *const others[] = {"1", "2", "3", "3", "3", "3", "3", "44", "", "*"};
    unsigned tokens = 7 + (unsigned)prng_below(prng, 3);
    int at = snprintf(out, 64, "$JS.ACK.%s", pick(prng, third, 3));

    for (unsigned i = 3; i < tokens; i++)
        at += snprintf(out + at, 64 - (size_t)at, ".%s", pick(prng, others, 10));
}

/* A subject with an empty token matches nothing, and its wildcards are ordinary characters. */
static uint32_t expected(const struct model *model, const char *subject)
{
    uint32_t count = 0;

    if (strstr(subject, "..") != NULL || subject[strlen(subject) - 1] == '.')
        return 0;
    for (unsigned i = 0; i < SUBS; i++)
        count +=
            model->subs[i].set != NULL && subject_matches(text(model->filters[i]), text(subject));
    return count;
}

START_TEST(a_stem_says_what_a_look_up_would)
{
    struct sublist list;
    struct model model = {0};
    struct prng prng;
    char subject[64];

    prng_seed(&prng, 7);
    sublist_init(&list, 99);
    for (unsigned round = 0; round < 4000; round++) {
        unsigned i = (unsigned)prng_below(&prng, SUBS);

        if (model.subs[i].set != NULL) {
            sublist_remove(&list, &model.subs[i]);
        } else {
            filter_make(&prng, model.filters[i]);
            sublist_add(&list, &model.subs[i], text(model.filters[i]), text(""));
        }
        for (unsigned n = 0; n < 20; n++) {
            subject_make(&prng, subject);
            ck_assert_msg(receivers(&list, subject) == expected(&model, subject), "%s", subject);
        }
    }
    ck_assert_uint_lt(list.matches, list.asked); /* stems did answer */
    for (unsigned i = 0; i < SUBS; i++)
        if (model.subs[i].set != NULL)
            sublist_remove(&list, &model.subs[i]);
    for (unsigned i = 0; i < SUBLIST_HEADS; i++)
        ck_assert_uint_eq(list.heads[i], 0);
    sublist_deinit(&list);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        acks_of_one_stream_are_looked_up_once,
        a_stem_takes_as_many_tokens_as_it_was_cut_before_and_none_empty,
        who_subscribes_to_one_ack_gets_it,
        a_stem_says_what_a_look_up_would,
    };

    return UNIT_RUN_PLAIN("sublist_stem", tests);
}
