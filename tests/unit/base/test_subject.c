#include "base/prng.h"
#include "base/subject.h"

#include "tests/unit/unit.h"

static struct bytes text(const char *s)
{
    return bytes_of_text(s);
}

START_TEST(a_subject_is_valid_when_no_token_is_empty_and_only_the_last_is_a_tail)
{
    static const char *const valid[] = {"a",   "a.b", "*",         ">",         "a.*",
                                        "a.>", "*.>", "a*",        ">>",        "a.b>.c",
                                        "a b", "*.*", "$JS.API.>", "\xc3\xa9.x"};
    static const char *const invalid[] = {"",    ".",     "a.", ".a",  "a..b",
                                          ">.a", "a.>.b", "..", "*..>"};

    for (size_t i = 0; i < sizeof(valid) / sizeof(*valid); i++)
        ck_assert_msg(subject_valid(text(valid[i])), "%s", valid[i]);
    for (size_t i = 0; i < sizeof(invalid) / sizeof(*invalid); i++)
        ck_assert_msg(!subject_valid(text(invalid[i])), "%s", invalid[i]);
}
END_TEST

/* Beside a look at each byte. */
static void assert_glance(struct bytes subject)
{
    struct subject_glance seen = subject_glance(subject);
    bool empty = subject.size == 0, wild = false;
    size_t dots = 0;

    for (size_t i = 0; i < subject.size; i++) {
        bool dot = subject.at[i] == '.';

        dots += dot;
        wild |= subject.at[i] == '*' || subject.at[i] == '>';
        empty |= dot && (i == 0 || i + 1 == subject.size || subject.at[i - 1] == '.');
    }
    ck_assert_uint_eq(seen.dots, dots);
    ck_assert(seen.empty == empty);
    ck_assert(seen.wild == wild);
}

START_TEST(a_glance_sees_what_a_look_at_each_byte_does)
{
    static const uint8_t bytes[] = {'.', 'a', '*', '>', 0xae};
    struct prng prng;

    prng_seed(&prng, 1);
    for (uint32_t i = 0; i < 200000; i++) {
        size_t size = prng_below(&prng, 40);
        uint8_t *subject = malloc(size > 0 ? size : 1); /* a read beyond it is found */

        for (size_t k = 0; k < size; k++) /* from all of these to hardly anything but letters */
            subject[k] = prng_chance(&prng, 1, 1 + i % 20) ? bytes[prng_below(&prng, 5)] : 'x';
        assert_glance(bytes_of(subject, size));
        free(subject);
    }
}
END_TEST

START_TEST(a_strict_subject_holds_no_blanks)
{
    ck_assert(subject_valid_strict(text("a.b.*.>")));
    ck_assert(!subject_valid_strict(text("a b")));
    ck_assert(!subject_valid_strict(text("a.\tb")));
    ck_assert(!subject_valid_strict(text("a\n")));
    ck_assert(!subject_valid_strict(text("a\f")));
    ck_assert(!subject_valid_strict(text("\ra")));
    ck_assert(!subject_valid_strict(text("a..b")));
}
END_TEST

START_TEST(wildcards_are_whole_tokens_only)
{
    ck_assert(subject_has_wildcard(text("a.*.b")));
    ck_assert(subject_has_wildcard(text("a.>")));
    ck_assert(!subject_has_wildcard(text("a*.b>.**")));
    ck_assert(subject_literal(text("a*.b>")));
    ck_assert(!subject_literal(text("a.*")));
    ck_assert(!subject_literal(text("a..b")));
    ck_assert(!subject_literal(text("a b")));
    ck_assert(!subject_literal(text("a\nMSG b 1 0")));
}
END_TEST

START_TEST(a_filter_matches_as_the_reference_says)
{
    ck_assert(subject_matches(text("a.*.c"), text("a.b.c")));
    ck_assert(!subject_matches(text("a.*"), text("a")));
    ck_assert(!subject_matches(text("a.*"), text("a.b.c")));
    ck_assert(subject_matches(text("a.>"), text("a.b.c")));
    ck_assert(!subject_matches(text("a.>"), text("a")));
    ck_assert(subject_matches(text(">"), text("*")));
    ck_assert(subject_matches(text("*"), text(">")));
    ck_assert(!subject_matches(text("a"), text("*")));
    ck_assert(!subject_matches(text(">"), text("a..b")));
    ck_assert(!subject_matches(text(">"), text("a.")));
    ck_assert(!subject_matches(text("*"), text("")));
}
END_TEST

START_TEST(tokens_are_counted_from_zero)
{
    ck_assert(bytes_equal(subject_token(text("a.bc.d"), 1), BYTES("bc")));
    ck_assert(bytes_equal(subject_token(text("a.bc.d"), 2), BYTES("d")));
    ck_assert_ptr_null(subject_token(text("a.bc.d"), 3).at);
    ck_assert_uint_eq(subject_token_count(text("a.bc.d")), 3);
    ck_assert_uint_eq(subject_token_count(text("")), 0);
}
END_TEST

/* ---- against a naive model: filters as arrays of tokens from a small alphabet --------------- */

#define TOKENS_MAX 4
#define ALPHABET   "ab*>" /* the last two only where a filter may hold them */

struct model {
    size_t count;
    char token[TOKENS_MAX];
};

static void model_text(const struct model *model, char out[2 * TOKENS_MAX])
{
    for (size_t i = 0; i < model->count; i++) {
        out[2 * i] = model->token[i];
        out[2 * i + 1] = i + 1 < model->count ? '.' : 0;
    }
}

static void model_random(struct model *model, struct prng *prng, bool filter)
{
    model->count = 1 + prng_below(prng, TOKENS_MAX);
    for (size_t i = 0; i < model->count; i++) {
        bool last = i + 1 == model->count;
        model->token[i] = ALPHABET[prng_below(prng, filter ? (last ? 4 : 3) : 2)];
    }
}

/* Every literal subject over three letters: the two of filters, and one that no filter names. One
 * token more than filters have, so that a tail is seen to take several. */
#define UNIVERSE_TOKENS (TOKENS_MAX + 1)

/* The n-th of them; returns how many tokens it has, 0 past the last. */
static size_t universe(size_t n, char subject[2 * UNIVERSE_TOKENS])
{
    size_t count = 1, of_count = 3;

    while (n >= of_count) {
        n -= of_count;
        of_count *= 3;
        if (++count > UNIVERSE_TOKENS)
            return 0;
    }
    for (size_t i = 0; i < count; i++, n /= 3) {
        subject[2 * i] = "abz"[n % 3];
        subject[2 * i + 1] = i + 1 < count ? '.' : 0;
    }
    return count;
}

static bool naive(const struct model *filter, const char *subject, size_t count)
{
    for (size_t i = 0; i < filter->count; i++) {
        if (filter->token[i] == '>')
            return count > i;
        if (i >= count || (filter->token[i] != '*' && filter->token[i] != subject[2 * i]))
            return false;
    }
    return filter->count == count;
}

START_TEST(matching_agrees_with_a_naive_matcher)
{
    struct prng prng;

    prng_seed(&prng, 7);
    for (int round = 0; round < 200000; round++) {
        struct model filter, subject;
        char f[2 * TOKENS_MAX], s[2 * TOKENS_MAX];

        model_random(&filter, &prng, true);
        model_random(&subject, &prng, false);
        model_text(&filter, f);
        model_text(&subject, s);
        ck_assert_msg(subject_matches(text(f), text(s)) == naive(&filter, s, subject.count),
                      "%s %s", f, s);
    }
}
END_TEST

/* Collision and cover mean something about sets of subjects; here the sets are listed. */
START_TEST(collide_and_cover_say_what_the_sets_of_subjects_say)
{
    struct prng prng;

    prng_seed(&prng, 8);
    for (int round = 0; round < 3000; round++) {
        struct model a, b;
        size_t count;
        char at[2 * TOKENS_MAX], bt[2 * TOKENS_MAX], s[2 * UNIVERSE_TOKENS];
        bool collide = false, covers = true;

        model_random(&a, &prng, true);
        model_random(&b, &prng, true);
        model_text(&a, at);
        model_text(&b, bt);
        for (size_t n = 0; (count = universe(n, s)) > 0; n++) {
            bool in_a = naive(&a, s, count), in_b = naive(&b, s, count);
            collide = collide || (in_a && in_b);
            covers = covers && (in_a || !in_b);
        }
        ck_assert_msg(subject_collide(text(at), text(bt)) == collide, "%s %s", at, bt);
        ck_assert_msg(subject_covers(text(at), text(bt)) == covers, "%s %s", at, bt);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_subject_is_valid_when_no_token_is_empty_and_only_the_last_is_a_tail,
        a_glance_sees_what_a_look_at_each_byte_does,
        a_strict_subject_holds_no_blanks,
        wildcards_are_whole_tokens_only,
        a_filter_matches_as_the_reference_says,
        tokens_are_counted_from_zero,
        matching_agrees_with_a_naive_matcher,
        collide_and_cover_say_what_the_sets_of_subjects_say,
    };

    return UNIT_RUN_PLAIN("subject", tests);
}
