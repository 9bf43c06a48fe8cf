#include "server/router/sublist.h"

#include <stdio.h>

#include "base/owner.h"
#include "base/prng.h"
#include "base/subject.h"
#include "tests/unit/unit.h"

static struct bytes text(const char *s)
{
    return bytes_of_text(s);
}

static uint32_t plain_of(const struct match *match)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < match->plain_count; i++)
        count += match->sets[i]->count;
    return count;
}

START_TEST(a_subscription_is_in_force_from_add_to_remove)
{
    struct sub literal = {0}, star = {0}, tail = {0};
    struct sublist list;

    sublist_init(&list, 42);
    for (int again = 0; again < 3; again++) { /* with the cache cold and warm */
        ck_assert_uint_eq(plain_of(sublist_match(&list, text("a.b"))), 0);
        sublist_add(&list, &literal, text("a.b"), text(""));
        ck_assert_uint_eq(plain_of(sublist_match(&list, text("a.b"))), 1);
        sublist_add(&list, &star, text("a.*"), text(""));
        sublist_add(&list, &tail, text(">"), text(""));
        for (int i = 0; i < 3; i++) {
            ck_assert_uint_eq(plain_of(sublist_match(&list, text("a.b"))), 3);
            ck_assert_uint_eq(plain_of(sublist_match(&list, text("a.c"))), 2);
            ck_assert_uint_eq(plain_of(sublist_match(&list, text("a"))), 1);
            ck_assert_uint_eq(plain_of(sublist_match(&list, text("a..b"))), 0);
        }
        ck_assert(bytes_equal(sub_subject(&star), text("a.*")));
        ck_assert_uint_eq(sub_queue(&star).size, 0);
        sublist_remove(&list, &star);
        ck_assert_uint_eq(plain_of(sublist_match(&list, text("a.b"))), 2);
        sublist_remove(&list, &literal);
        sublist_remove(&list, &tail);
        ck_assert_uint_eq(plain_of(sublist_match(&list, text("a.b"))), 0);
        ck_assert_uint_eq(list.count, 0);
        ck_assert_uint_eq(list.filters.count, 0);
        ck_assert_ptr_null(list.root);
    }
    sublist_deinit(&list);
}
END_TEST

START_TEST(members_of_one_queue_under_several_filters_are_one_group)
{
    struct sub a = {0}, b = {0}, c = {0}, other = {0}, plain = {0};
    const struct match *match;
    struct sublist list;

    sublist_init(&list, 42);
    sublist_add(&list, &a, text("x.y"), text("q"));
    sublist_add(&list, &b, text("x.*"), text("q"));
    sublist_add(&list, &c, text("x.*"), text("q"));
    sublist_add(&list, &other, text("x.y"), text("r"));
    sublist_add(&list, &plain, text("x.y"), text(""));

    match = sublist_match(&list, text("x.y"));
    ck_assert_uint_eq(match->group_count, 2);
    ck_assert_uint_eq(plain_of(match), 1);
    for (uint32_t i = 0; i < 2; i++) {
        const struct match_group *group = &match->groups[i];
        bool q = bytes_equal(sub_queue(sub_set_subs(match->sets[group->first])[0]), text("q"));

        ck_assert_uint_eq(group->members, q ? 3 : 1);
        ck_assert_uint_eq(group->count, q ? 2 : 1);
    }
    sublist_deinit(&list);
}
END_TEST

START_TEST(literal_text_is_found_apart_from_what_it_matches)
{
    struct sub plain = {0}, member = {0};
    struct sublist list;

    sublist_init(&list, 42);
    sublist_add(&list, &plain, text("a.*"), text(""));
    sublist_add(&list, &member, text("b"), text("q"));
    ck_assert(sublist_has(&list, text("a.*"), text("")));
    ck_assert(!sublist_has(&list, text("a.b"), text("")));
    ck_assert(sublist_has(&list, text("b"), text("q")));
    ck_assert(!sublist_has(&list, text("b"), text("")));
    ck_assert(!sublist_has(&list, text("b"), text("r")));
    sublist_deinit(&list);
}
END_TEST

START_TEST(results_in_the_cache_never_outlive_a_change)
{
    static struct sub subs[5000];
    struct sublist list;
    char subject[32];

    sublist_init(&list, 42);
    for (int i = 0; i < 5000; i++) {
        snprintf(subject, sizeof(subject), "s.%d", i);
        for (int again = 0; again < 3; again++)
            ck_assert_uint_eq(plain_of(sublist_match(&list, text(subject))), 0);
        sublist_add(&list, &subs[i], text(subject), text(""));
        for (int again = 0; again < 3; again++)
            ck_assert_uint_eq(plain_of(sublist_match(&list, text(subject))), 1);
    }
    ck_assert_uint_le(list.cache_capacity, SUBLIST_CACHE_MAX);
    sublist_deinit(&list);
}
END_TEST

/* ---- any operations, against a list that is simply searched --------------------------------- */

#define SUBS 300

struct model_sub {
    struct sub sub;
    bool in;
    char subject[16];
    char queue[4];
};

struct model {
    struct sublist list;
    struct prng prng;
    struct model_sub subs[SUBS];
};

static void random_subject(struct prng *prng, char out[16], bool filter)
{
    size_t count = 1 + prng_below(prng, 5), at = 0;

    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count;

        out[at++] = "abc*>"[prng_below(prng, !filter ? 5 : last ? 5 : 4)];
        if (!filter && prng_chance(prng, 1, 60))
            at--; /* an empty token */
        out[at++] = '.';
    }
    out[at - 1] = 0;
}

static void model_change(struct model *model)
{
    struct model_sub *sub = &model->subs[prng_below(&model->prng, SUBS)];

    if (sub->in) {
        sublist_remove(&model->list, &sub->sub);
        sub->in = false;
        return;
    }
    random_subject(&model->prng, sub->subject, true);
    snprintf(sub->queue, sizeof(sub->queue), "%s",
             (const char *[]){"", "", "q", "r", "s"}[prng_below(&model->prng, 5)]);
    sublist_add(&model->list, &sub->sub, text(sub->subject), text(sub->queue));
    sub->in = true;
}

/* Marks each sub of the set; none may be found twice. */
static void mark(struct model *model, const struct sub_set *set, bool *found)
{
    for (uint32_t i = 0; i < set->count; i++) {
        size_t n = (size_t)((struct model_sub *)sub_set_subs(set)[i] - model->subs);

        if (n >= SUBS || found[n])
            ck_abort_msg("%zu is no subscription, or found twice", n);
        found[n] = true;
    }
}

static void model_check(struct model *model, const char *subject)
{
    const struct match *match = sublist_match(&model->list, text(subject));
    bool plain[SUBS] = {0}, grouped[SUBS] = {0};

    for (uint32_t i = 0; i < match->plain_count; i++)
        mark(model, match->sets[i], plain);
    for (uint32_t g = 0; g < match->group_count; g++) {
        const struct match_group *group = &match->groups[g];
        struct bytes name = sub_queue(sub_set_subs(match->sets[group->first])[0]);
        uint32_t members = 0;

        for (uint32_t i = group->first; i < group->first + group->count; i++) {
            mark(model, match->sets[i], grouped);
            members += match->sets[i]->count;
            ck_assert(bytes_equal(sub_queue(sub_set_subs(match->sets[i])[0]), name));
        }
        ck_assert_uint_eq(members, group->members);
        for (uint32_t other = 0; other < g; other++)
            ck_assert(!bytes_equal(
                sub_queue(sub_set_subs(match->sets[match->groups[other].first])[0]), name));
    }
    for (size_t n = 0; n < SUBS; n++) {
        const struct model_sub *sub = &model->subs[n];
        bool expected = sub->in && subject_matches(text(sub->subject), text(subject));

        if (plain[n] != (expected && sub->queue[0] == 0) ||
            grouped[n] != (expected && sub->queue[0] != 0))
            ck_abort_msg("%s on %s %s", subject, sub->subject, sub->queue);
    }
}

START_TEST(any_operations_agree_with_a_naive_list)
{
    static struct model model;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        char subject[16];

        model = (struct model){0};
        prng_seed(&model.prng, seed);
        sublist_init(&model.list, seed);
        for (int step = 0; step < 3000; step++) {
            if (prng_chance(&model.prng, 1, 3))
                model_change(&model);
            random_subject(&model.prng, subject, false);
            model_check(&model, subject);
        }
        for (size_t n = 0; n < SUBS; n++) {
            if (model.subs[n].in && seed % 2 == 0)
                sublist_remove(&model.list, &model.subs[n].sub);
        }
        sublist_deinit(&model.list);
    }
}
END_TEST

START_TEST(sets_are_of_one_kind_and_members_count_as_much_as_they_weigh)
{
    struct sub a = {0}, b = {0}, one = {.kind = 1}, many = {.kind = 2}, plain = {.kind = 2};
    const struct match *match;
    struct sublist list;
    uint32_t weight = 0;

    sublist_init(&list, 42);
    sublist_add(&list, &a, text("x"), text("q"));
    sublist_add(&list, &b, text("x"), text("q"));
    sublist_add(&list, &one, text("x"), text("q"));
    sublist_add_weighted(&list, &many, text("*"), text("q"), 7);
    sublist_add(&list, &plain, text("x"), text(""));
    match = sublist_match(&list, text("x"));
    ck_assert_uint_eq(match->plain_count, 1);
    ck_assert_uint_eq(match->sets[0]->kind, 2);
    ck_assert_uint_eq(match->group_count, 1);
    ck_assert_uint_eq(match->groups[0].members, 10);
    ck_assert_uint_eq(match->groups[0].count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const struct sub_set *set = match->sets[match->groups[0].first + i];

        for (uint32_t k = 0; k < set->count; k++)
            ck_assert_uint_eq(sub_set_subs(set)[k]->kind, set->kind);
        ck_assert_uint_eq(sub_set_weight(set), set->kind == 0 ? 2 : set->kind == 1 ? 1 : 7);
        weight += sub_set_weight(set);
    }
    ck_assert_uint_eq(weight, 10);
    ck_assert(sublist_has(&list, text("*"), text("q")));
    ck_assert(sublist_has(&list, text("x"), text("")));
    ck_assert(!sublist_has(&list, text("*"), text("")));
    sublist_remove_weighted(&list, &many, 7);
    sublist_remove(&list, &plain);
    match = sublist_match(&list, text("x"));
    ck_assert_uint_eq(match->plain_count, 0);
    ck_assert_uint_eq(match->groups[0].members, 3);
    sublist_remove(&list, &a);
    sublist_remove(&list, &b);
    sublist_remove(&list, &one);
    ck_assert_uint_eq(list.filters.count + list.groups.count + list.queues.count, 0);
    sublist_deinit(&list);
}
END_TEST

struct told {
    struct sublist list;
    char text[400];
};

static void write_down(struct sublist *list, uint32_t kind, struct bytes subject,
                       struct bytes queue, uint32_t count, int change)
{
    struct told *told = owner_of(list, struct told, list);
    size_t size = strlen(told->text);

    snprintf(told->text + size, sizeof(told->text) - size, "%u %.*s %.*s %u %+d\n", kind,
             BYTES_ARG(subject), BYTES_ARG(queue), count, change);
}

START_TEST(every_kind_is_told_apart)
{
    struct sub subs[SUBLIST_KINDS] = {0};
    const struct match *match;
    struct sublist list;
    unsigned seen = 0;

    sublist_init(&list, 1);
    for (uint32_t kind = 0; kind < SUBLIST_KINDS; kind++) {
        subs[kind].kind = kind;
        sublist_add(&list, &subs[kind], BYTES("s"), bytes_of(NULL, 0));
    }
    match = sublist_match(&list, BYTES("s"));
    ck_assert_uint_eq(match->plain_count, SUBLIST_KINDS);
    for (uint32_t i = 0; i < match->plain_count; i++) {
        ck_assert_uint_eq(match->sets[i]->kind, sub_set_subs(match->sets[i])[0]->kind);
        seen |= 1u << match->sets[i]->kind;
    }
    ck_assert_uint_eq(seen, (1u << SUBLIST_KINDS) - 1);
    for (uint32_t kind = 0; kind < SUBLIST_KINDS; kind++)
        sublist_remove(&list, &subs[kind]);
    sublist_deinit(&list);
}
END_TEST

START_TEST(changes_are_told_with_what_there_is_now)
{
    struct sub a = {0}, b = {0}, c = {.kind = 1};
    struct told told = {0};

    sublist_init(&told.list, 42);
    told.list.changed = write_down;
    sublist_add(&told.list, &a, text("x"), text(""));
    sublist_add(&told.list, &b, text("x"), text("q"));
    sublist_add(&told.list, &c, text("x"), text("q"));
    sublist_remove(&told.list, &a);
    sublist_add(&told.list, &a, text("x"), text("q"));
    sublist_remove(&told.list, &b);
    sublist_remove(&told.list, &a);
    sublist_remove(&told.list, &c);
    ck_assert_str_eq(told.text, "0 x  1 +1\n0 x q 1 +1\n1 x q 1 +1\n0 x  0 -1\n0 x q 2 +1\n"
                                "0 x q 1 -1\n0 x q 0 -1\n1 x q 0 -1\n");
    sublist_deinit(&told.list);
}
END_TEST

START_TEST(a_walk_meets_every_set_once)
{
    static struct sub subs[300];
    struct sublist_walk walk = {0};
    const struct sub_set *set;
    struct sublist list;
    size_t sets = 0, members = 0;

    sublist_init(&list, 42);
    ck_assert_ptr_null(sublist_next(&list, &walk));
    for (size_t i = 0; i < UNIT_COUNT(subs); i++) {
        char subject[20], queue[20] = "";

        snprintf(subject, sizeof(subject), i % 10 == 0 ? "w.%zu.*" : "w.%zu", i / 3);
        if (i % 2)
            snprintf(queue, sizeof(queue), "q%zu", i);
        subs[i].kind = (uint32_t)(i % 3);
        sublist_add(&list, &subs[i], text(subject), text(queue));
    }
    walk = (struct sublist_walk){0};
    while ((set = sublist_next(&list, &walk)) != NULL) {
        sets++;
        for (uint32_t i = 0; i < set->count; i++) {
            members++;
            ck_assert(bytes_equal(sub_set_subject(set), sub_subject(sub_set_subs(set)[i])));
            ck_assert(bytes_equal(sub_set_queue(set), sub_queue(sub_set_subs(set)[i])));
        }
    }
    ck_assert_uint_eq(sets, 300);
    ck_assert_uint_eq(members, 300);
    sublist_deinit(&list);
}
END_TEST

START_TEST(changes_since_a_generation_are_known_by_subject_or_said_to_be_unknown)
{
    uint64_t hashes[SUBLIST_CHANGES], since;
    struct sub subs[SUBLIST_CHANGES + 2] = {0};
    struct sublist list;
    unsigned count;

    sublist_init(&list, 7);
    since = list.generation;
    sublist_add(&list, &subs[0], BYTES("a.b"), bytes_of(NULL, 0));
    sublist_add(&list, &subs[1], BYTES("c"), BYTES("q"));
    sublist_remove(&list, &subs[0]);
    ck_assert(sublist_changes(&list, since, hashes, &count));
    ck_assert_uint_eq(count, 3);
    ck_assert_uint_eq(hashes[0], sublist_hash(&list, BYTES("a.b")));
    ck_assert_uint_eq(hashes[1], sublist_hash(&list, BYTES("c")));
    ck_assert_uint_eq(hashes[2], hashes[0]);
    ck_assert(sublist_changes(&list, list.generation, hashes, &count));
    ck_assert_uint_eq(count, 0);
    since = list.generation;
    sublist_add(&list, &subs[0], BYTES("a.*"), bytes_of(NULL, 0));
    ck_assert(!sublist_changes(&list, since, hashes, &count)); /* anybody's */
    since = list.generation;
    for (unsigned i = 2; i < SUBLIST_CHANGES + 2; i++)
        sublist_add(&list, &subs[i], BYTES("d"), bytes_of(NULL, 0));
    ck_assert(sublist_changes(&list, since, hashes, &count));
    sublist_remove(&list, &subs[2]);
    ck_assert(!sublist_changes(&list, since, hashes, &count)); /* more than is remembered */
    ck_assert(!sublist_changes(&list, 0, hashes, &count));
    sublist_remove(&list, &subs[0]);
    sublist_remove(&list, &subs[1]);
    for (unsigned i = 3; i < SUBLIST_CHANGES + 2; i++)
        sublist_remove(&list, &subs[i]);
    sublist_deinit(&list);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        changes_since_a_generation_are_known_by_subject_or_said_to_be_unknown,
        a_subscription_is_in_force_from_add_to_remove,
        members_of_one_queue_under_several_filters_are_one_group,
        literal_text_is_found_apart_from_what_it_matches,
        results_in_the_cache_never_outlive_a_change,
        any_operations_agree_with_a_naive_list,
        sets_are_of_one_kind_and_members_count_as_much_as_they_weigh,
        every_kind_is_told_apart,
        changes_are_told_with_what_there_is_now,
        a_walk_meets_every_set_once,
    };

    return UNIT_RUN_PLAIN("sublist", tests);
}
