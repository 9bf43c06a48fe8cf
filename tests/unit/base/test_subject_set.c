#include "base/subject_set.h"

#include <stdio.h>

#include "base/prng.h"
#include "base/subject.h"
#include "tests/unit/unit.h"

#define FILTERS_MAX 40u
#define ROUNDS      3000u

/* Few words, so that subjects match, with some that only look like wildcards. */
static const char *const words[] = {"a", "b", "c", "a*", "ab", ""};
static const char *const wild[] = {"*", "*", ">"};

struct text {
    char at[400];
    int size;
};

static struct bytes text_bytes(const struct text *text)
{
    return (struct bytes){(const uint8_t *)text->at, (size_t)text->size};
}

static struct text text_made(struct prng *prng, bool filter)
{
    unsigned tokens = 1 + (unsigned)prng_below(prng, prng_below(prng, 20) == 0 ? 60 : 4);
    struct text text = {.size = 0};

    for (unsigned i = 0; i < tokens; i++) {
        bool is_wild = filter && prng_below(prng, 4) == 0;
        const char *word =
            is_wild ? wild[prng_below(prng, 3)] : words[prng_below(prng, filter ? 5 : 6)];

        text.size += snprintf(text.at + text.size, sizeof text.at - (size_t)text.size, "%s%s",
                              i == 0 ? "" : ".", word);
        if (word == wild[2])
            break;
    }
    return text;
}

START_TEST(a_set_matches_what_one_of_its_filters_matches)
{
    struct text texts[FILTERS_MAX];
    struct bytes filters[FILTERS_MAX];
    struct prng prng;
    unsigned found = 0;

    prng_seed(&prng, 7);
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t count = prng_below(&prng, FILTERS_MAX + 1);
        struct subject_set *set;

        for (size_t i = 0; i < count; i++) {
            texts[i] = text_made(&prng, true);
            filters[i] = text_bytes(&texts[i]);
        }
        set = subject_set_create(filters, count);
        for (unsigned n = 0; n < 20; n++) {
            struct text subject = text_made(&prng, false);
            bool one = false;

            for (size_t i = 0; i < count; i++)
                one = one || subject_matches(filters[i], text_bytes(&subject));
            ck_assert_msg(subject_set_matches(set, text_bytes(&subject)) == one, "%s", subject.at);
            found += one;
        }
        subject_set_destroy(set);
    }
    ck_assert_uint_gt(found, ROUNDS);
    ck_assert_uint_lt(found, ROUNDS * 19);
}
END_TEST

START_TEST(filters_deeper_than_what_is_looked_at_are_compared_to_their_end)
{
    char deep[200], other[200];
    struct bytes filters[2];
    struct subject_set *set;

    for (unsigned i = 0; i < 80; i++) {
        deep[2 * i] = other[2 * i] = 'a';
        deep[2 * i + 1] = other[2 * i + 1] = '.';
    }
    deep[160] = 'x', other[160] = 'y';
    filters[0] = (struct bytes){(const uint8_t *)deep, 161};
    set = subject_set_create(filters, 1);
    ck_assert(subject_set_matches(set, filters[0]));
    ck_assert(!subject_set_matches(set, (struct bytes){(const uint8_t *)other, 161}));
    ck_assert(!subject_set_matches(set, (struct bytes){(const uint8_t *)deep, 159}));
    subject_set_destroy(set);
    subject_set_destroy(NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_set_matches_what_one_of_its_filters_matches,
        filters_deeper_than_what_is_looked_at_are_compared_to_their_end,
    };

    return UNIT_RUN_PLAIN("subject_set", tests);
}
