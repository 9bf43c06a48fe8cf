/* What the rows hold was asked of the reference server. */
#include "server/router/subject_transform.h"

#include "tests/unit/unit.h"

static struct subject_transform_error error;

struct refusal {
    const char *source, *destination, *text;
};

static void check_refused(const struct refusal *row, enum subject_transform_use use)
{
    bool valid = subject_transform_valid(bytes_of_text(row->source),
                                         bytes_of_text(row->destination), use, &error);

    ck_assert_msg(!valid, "%s -> %s", row->source, row->destination);
    ck_assert_msg(strcmp(error.text, row->text) == 0, "%s -> %s: %s", row->source, row->destination,
                  error.text);
}

#define BAD(text)      "invalid mapping destination: " text
#define FEW(token)     BAD("not enough arguments passed to the function in " token)
#define MANY(token)    BAD("too many arguments passed to the function in " token)
#define WRONG(token)   BAD("function argument is invalid or in the wrong format in " token)
#define UNKNOWN(token) BAD("unknown function in " token)
#define RANGE(rest)    BAD("wildcard index out of range in " rest)

START_TEST(a_mapping_is_refused_in_the_words_of_the_reference)
{
    static const struct refusal rows[] = {
        {"foo.*", "bar.$2", RANGE("$2: [2]")},
        {"foo", "bar.$1", RANGE("$1")},
        {"foo", "bar.*", "invalid subject"},
        {"foo.*", "bar.*", "invalid subject"},
        {"foo.>", "bar", "invalid subject"},
        {"foo", "bar.>", "invalid subject"},
        {"foo.*", "bar.$1.>", "invalid subject"},
        {"", "bar", "invalid subject"},
        {"foo", "b..c", BAD("invalid transform")},
        {"foo", "b c", BAD("invalid transform")},
        {"foo", "b.{{x}}", UNKNOWN("{{x}}")},
        {"foo", "b.{{wildcard(1)}}", RANGE("{{wildcard(1)}}")},
        {"foo.*", "b.{{wildcard()}}", FEW("{{wildcard()}}")},
        {"foo.*", "b.{{wildcard}}", UNKNOWN("{{wildcard}}")},
        {"foo.*", "b.{{wildcard(a)}}", WRONG("{{wildcard(a)}}")},
        {"foo.*", "b.{{wildcard(1,2)}}", MANY("{{wildcard(1,2)}}")},
        {"foo.*", "b.{{wildcard(,)}}", MANY("{{wildcard(,)}}")},
        {"foo.*", "b.{{wildcard(2)}}", RANGE("{{wildcard(2)}}: [2]")},
        {"foo.*", "b.{{WildCard(1)}}", UNKNOWN("{{WildCard(1)}}")},
        {"foo.*", "b.{{xwildcard(1)}}", UNKNOWN("{{xwildcard(1)}}")},
        {"foo.*", "b.{{wildcard(1}}", UNKNOWN("{{wildcard(1}}")},
        {"foo.*", "b.{{wildcard 1)}}", UNKNOWN("{{wildcard 1)}}")},
        {"foo.*", "b.{{wildcard(\t1)}}", WRONG("{{wildcard(\t1)}}")},
        {"foo.*", "b.{{wildcard(1)}}{{wildcard(1)}}", WRONG("{{wildcard(1)}}{{wildcard(1)}}")},
        {"foo.*", "b.{{wildcard(99999999999999999999)}}",
         WRONG("{{wildcard(99999999999999999999)}}")},
        {"foo.*", "b.{{wildcard(1)}} ", BAD("invalid transform")},
        {"foo.*.bar.>", "b.$1.>.x", BAD("invalid transform in x")},
        {"foo.*", "b.$1.{{partition()}}", WRONG("{{partition()}}")},
        {"foo.*", "b.$1.{{partition(10,a)}}", WRONG("{{partition(10,a)}}")},
        {"foo.*", "b.$1.{{partition(10,3)}}", RANGE("{{partition(10,3)}}: [3]")},
        {"foo.*", "b.$1.{{partition(2147483648)}}", WRONG("{{partition(2147483648)}}")},
        {"foo.*", "b.{{partition(5,1,)}}.$1", WRONG("{{partition(5,1,)}}")},
        {"foo.*", "b.{{partition(1_0,1)}}", WRONG("{{partition(1_0,1)}}")},
        {"in.>", "b.$1.>", RANGE("$1: [1]")},
        {"foo.*", "b.{{split(1)}}", FEW("{{split(1)}}")},
        {"foo.*", "b.{{split()}}", FEW("{{split()}}")},
        {"foo.*", "b.{{split(1,a b)}}", WRONG("{{split(1,a b)}}")},
        {"foo.*", "b.{{split(1,- )}}", WRONG("{{split(1,- )}}")},
        {"foo.*", "b.{{split(1,-,-)}}", MANY("{{split(1,-,-)}}")},
        {"foo.*", "b.{{split(,x)}}", WRONG("{{split(,x)}}")},
        {"foo.*", "b.{{split(2,-)}}", RANGE("{{split(2,-)}}: [2]")},
        {"foo", "b.{{split(1,-)}}", RANGE("{{split(1,-)}}")},
        {"foo.*", "b.{{SPLITFROMLEFT(1,2)}}", UNKNOWN("{{SPLITFROMLEFT(1,2)}}")},
        {"foo.*", "b.{{splitfromleft(1)}}", FEW("{{splitfromleft(1)}}")},
        {"foo.*", "b.{{splitfromleft(1,2,3)}}", MANY("{{splitfromleft(1,2,3)}}")},
        {"foo.*", "b.{{splitfromleft(1,a)}}", WRONG("{{splitfromleft(1,a)}}")},
        {"foo.*", "b.{{splitfromleft(1,2147483648)}}", WRONG("{{splitfromleft(1,2147483648)}}")},
        {"foo.*", "b.{{left(1,2)}}", UNKNOWN("{{left(1,2)}}")},
        {"foo.*", "b.{{Right(1,2)}}", UNKNOWN("{{Right(1,2)}}")},
        {"foo", "b.{{random()}}", WRONG("{{random()}}")},
        {"foo", "b.{{random(1,2)}}", FEW("{{random(1,2)}}")},
        {"foo", "b.{{random(2147483648)}}", WRONG("{{random(2147483648)}}")},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_refused(&rows[i], SUBJECT_TRANSFORM_MAPPING);
}
END_TEST

START_TEST(an_import_may_only_reorder_and_must_lose_nothing)
{
    static const struct refusal rows[] = {
        {"a.*.*", "b.$1", BAD("not using all of the token wildcard(s) in b.$1")},
        {"a.*", "b.{{split(1,-)}}",
         BAD("the only mapping function allowed for import transforms is {{Wildcard()}} in "
             "{{split(1,-)}}")},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_refused(&rows[i], SUBJECT_TRANSFORM_IMPORT);
    ck_assert(subject_transform_valid(BYTES("a.*.*"), BYTES("b.$2.$1"), SUBJECT_TRANSFORM_IMPORT,
                                      &error));
}
END_TEST

static void become(const char *source, const char *destination, const char *subject,
                   enum subject_transform_use use, struct buf *out)
{
    struct subject_transform transform;
    struct arena arena;
    struct prng prng;
    bool fits;

    arena_init(&arena, 1u << 20);
    prng_seed(&prng, 1);
    ck_assert_msg(subject_transform_compile(&transform, bytes_of_text(source),
                                            bytes_of_text(destination), use, &arena, &error),
                  "%s -> %s: %s", source, destination, error.text);
    ck_assert(subject_transform_matches(&transform, bytes_of_text(subject)));
    buf_clear(out);
    fits = subject_transform_apply(&transform, bytes_of_text(subject), &prng, out);
    ck_assert(fits);
    arena_deinit(&arena);
}

static void check_becomes(const char *source, const char *destination, const char *subject,
                          const char *result, enum subject_transform_use use)
{
    struct buf out;

    buf_init(&out, 4096);
    become(source, destination, subject, use, &out);
    ck_assert_msg(bytes_equal(buf_bytes(&out), bytes_of_text(result)), "%s -> %s: %s: %.*s", source,
                  destination, subject, BYTES_ARG(out));
    buf_deinit(&out);
}

START_TEST(a_subject_becomes_what_the_reference_makes_of_it)
{
    static const char *const rows[][4] = {
        {"in.*", "b.$0", "in.x", "b.in"},
        {"in.*", "b.{{wildcard(-1)}}", "in.x", "b.in"},
        {"in.*", "b.$-1", "in.x", "b.in"},
        {"in.*", "b.$+1", "in.x", "b.x"},
        {"in.*", "b.$01", "in.a", "b.a"},
        {"in.*", "b.x$1", "in.a", "b.x$1"},
        {"in.*", "b.$", "in.a", "b.$"},
        {"in.*", "b.$1x", "in.a", "b.$1x"},
        {"in.*", "b.{{ wildcard (1) }}", "in.a", "b.a"},
        {"in.*", "b.{{wildcard(1)", "in.a", "b.{{wildcard(1)"},
        {"in.*", "b.{{}}", "in.a", "b.{{}}"},
        {"in.*", "b.{{x}}{{wildcard(1)}}", "in.x", "b.x"},
        {"in.*", "b.{{{wildcard(1)}}}", "in.x", "b.x"},
        {"in.*.*", "$2.$1.z", "in.a.b", "b.a.z"},
        {"in.*.>", "out.$1.>", "in.a.b.c", "out.a.b.c"},
        {"in.>", "out.>", "in.a.b", "out.a.b"},
        {"in.>", "b.$0.>", "in.x.y", "b.in.x.y"},
        {"in.>", "b.$x.>", "in.x.y", "b.$x.x.y"},
        {">", "x.>", "in.a", "x.in.a"},
        {"", "x.>", "in.a", "x.in.a"},
        {">", ">", "in.a", "in.a"},
        {"in.*", "", "in.a", "in.a"},
        {"in.*", "b.{{partition(10)}}", "in.x", "b.8"},
        {"in.*", "b.{{partition(10)}}", "in.abcdef", "b.5"},
        {"in.*", "b.$1.{{partition(10,0)}}", "in.y", "b.y.6"},
        {"in.*", "b.{{partition(0)}}", "in.x", "b.0"},
        {"in.*", "b.{{partition(-5)}}", "in.y", "b.419610187"},
        {"in.*", "b.{{partition(-2147483649,1)}}", "in.x-y", "b.1322421414"},
        {"in.*", "b.{{partition(-9999999999,1)}}", "in.z", "b.1394096044"},
        {"in.*", "b.{{partition( 5 , 1 )}}", "in.x-y", "b.1"},
        {"in.*", "b.{{partition(3,1,1)}}", "in.x", "b.0"},
        {"in.*.*", "b.{{partition(1000,2,1)}}", "in.x.y", "b.444"},
        {"in.foo", "b.{{partition(10,1)}}", "in.foo", "b.2"},
        {"in.>", "b.{{partition(3)}}.>", "in.x.y", "b.1.x.y"},
        {"in.*", "b.{{split(1,)}}", "in.abc", "b.a.b.c"},
        {"in.*", "b.{{split(1,)}}", "in.\xc3\xa9x", "b.\xc3\xa9.x"},
        {"in.*", "b.{{split(1,-)}}", "in.a-b--c", "b.a.b.c"},
        {"in.*", "b.{{split(1,-)}}", "in.-", "b."},
        {"in.*", "b.{{split(1,-)}}", "in.--a", "b..a"},
        {"in.*", "b.{{split(1,-)}}", "in.-a-", "b.a"},
        {"in.*", "b.{{split(1,-)}}", "in.---", "b."},
        {"in.*", "{{split(1,-)}}", "in.-", ""},
        {"in.*", "b.{{split(1,-)}}.c", "in.-", "b..c"},
        {"in.*", "b.{{split(1,.)}}", "in.abc", "b.{{split(1,.)}}"},
        {"in.*", "b.{{split(1,a)b)}}", "in.xa)by", "b.x.y"},
        {"in.*", "b.{{split( 1,  -)}}", "in.x-y", "b.x.y"},
        {"in.*", "b.{{splitFromLeft(1,2)}}", "in.abcde", "b.ab.cde"},
        {"in.*", "b.{{splitfromleft(1,2)}}", "in.ab", "b.ab"},
        {"in.*", "b.{{splitfromleft(1,-2)}}", "in.abcde", "b.abcde"},
        {"in.*", "b.{{splitfromright(1,2)}}", "in.abcde", "b.abc.de"},
        {"in.*", "b.{{splitfromright(1,2)}}", "in.abc", "b.a.bc"},
        {"in.*", "b.{{slicefromleft(1,2)}}", "in.abcde", "b.ab.cd.e"},
        {"in.*", "b.{{slicefromleft(1,2)}}", "in.abcd", "b.ab.cd"},
        {"in.*", "b.{{slicefromleft(1,0)}}", "in.abcde", "b.abcde"},
        {"in.*", "b.{{slicefromright(1,2)}}", "in.abcde", "b.a.bc.de"},
        {"in.*", "b.{{slicefromright(1,2)}}", "in.abcd", "b.ab.cd"},
        {"in.*", "b.{{random(0)}}", "in.a", "b.0"},
        {"in.*", "b.{{random(-1)}}", "in.a", "b.0"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_becomes(rows[i][0], rows[i][1], rows[i][2], rows[i][3], SUBJECT_TRANSFORM_MAPPING);
}
END_TEST

START_TEST(republishing_may_cut_tokens_too)
{
    static const char *const rows[][4] = {
        {"in.*", "r.{{left(1,2)}}", "in.abcde", "r.ab"},
        {"in.*", "r.{{left(1,2)}}", "in.a", "r.a"},
        {"in.*", "r.{{left(1,-1)}}", "in.abcde", "r.abcde"},
        {"in.*", "r.{{right(1,2)}}", "in.abcde", "r.de"},
        {"in.*", "r.{{right(1,0)}}", "in.abcde", "r.abcde"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_becomes(rows[i][0], rows[i][1], rows[i][2], rows[i][3], SUBJECT_TRANSFORM_ANY);
}
END_TEST

START_TEST(only_literal_subjects_below_the_source_match)
{
    struct subject_transform transform;
    struct arena arena;

    arena_init(&arena, 1u << 20);
    ck_assert(subject_transform_compile(&transform, BYTES("in.*"), BYTES("b.$1"),
                                        SUBJECT_TRANSFORM_MAPPING, &arena, &error));
    ck_assert(subject_transform_matches(&transform, BYTES("in.a")));
    ck_assert(!subject_transform_matches(&transform, BYTES("in.a.b")));
    ck_assert(!subject_transform_matches(&transform, BYTES("in.*")));
    ck_assert(!subject_transform_matches(&transform, BYTES("out.a")));
    arena_deinit(&arena);
}
END_TEST

START_TEST(random_numbers_stay_below_their_bound_and_differ)
{
    struct subject_transform transform;
    struct arena arena;
    struct prng prng;
    unsigned seen = 0;

    arena_init(&arena, 1u << 20);
    prng_seed(&prng, 7);
    ck_assert(subject_transform_compile(&transform, BYTES("in"), BYTES("{{random(3)}}"),
                                        SUBJECT_TRANSFORM_MAPPING, &arena, &error));
    for (unsigned i = 0; i < 100; i++) {
        uint8_t memory[8];
        struct buf out = {.at = memory, .capacity = sizeof memory, .limit = sizeof memory};

        ck_assert(subject_transform_apply(&transform, BYTES("in"), &prng, &out));
        ck_assert_uint_eq(out.size, 1);
        ck_assert(memory[0] >= '0' && memory[0] <= '2');
        seen |= 1u << (memory[0] - '0');
    }
    ck_assert_uint_eq(seen, 7);
    arena_deinit(&arena);
}
END_TEST

START_TEST(what_does_not_fit_says_so)
{
    struct subject_transform transform;
    struct arena arena;
    struct prng prng;
    uint8_t memory[4];
    struct buf out = {.at = memory, .capacity = sizeof memory, .limit = sizeof memory};

    arena_init(&arena, 1u << 20);
    prng_seed(&prng, 1);
    ck_assert(subject_transform_compile(&transform, BYTES("in.*"), BYTES("$1.$1"),
                                        SUBJECT_TRANSFORM_MAPPING, &arena, &error));
    ck_assert(!subject_transform_apply(&transform, BYTES("in.abc"), &prng, &out));
    arena_deinit(&arena);
}
END_TEST

START_TEST(more_tokens_than_the_bound_are_refused)
{
    struct buf destination;

    buf_init(&destination, 4096);
    for (unsigned i = 0; i < SUBJECT_TRANSFORM_TOKENS_MAX; i++)
        (void)BUF_ADD(&destination, "a.");
    (void)BUF_ADD(&destination, "a");
    ck_assert(!subject_transform_valid(BYTES("in"), buf_bytes(&destination),
                                       SUBJECT_TRANSFORM_MAPPING, &error));
    ck_assert(subject_transform_valid(BYTES("in"), bytes_skip(buf_bytes(&destination), 2),
                                      SUBJECT_TRANSFORM_MAPPING, &error));
    buf_deinit(&destination);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_mapping_is_refused_in_the_words_of_the_reference,
        an_import_may_only_reorder_and_must_lose_nothing,
        a_subject_becomes_what_the_reference_makes_of_it,
        republishing_may_cut_tokens_too,
        only_literal_subjects_below_the_source_match,
        random_numbers_stay_below_their_bound_and_differ,
        what_does_not_fit_says_so,
        more_tokens_than_the_bound_are_refused,
    };

    return UNIT_RUN_PLAIN("subject_transform", tests);
}
