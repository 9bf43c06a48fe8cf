#include "server/config/parser.h"

#include <stdio.h>

#include "tests/unit/unit.h"

/* Files and environment of a test: name, content, name, content, ..., NULL. */
struct world {
    const char *const *files;
    const char *const *environment;
};

static struct arena arena;
static char error[CONFIG_ERROR_SIZE];

static const char *look_up(const char *const *pairs, const char *name)
{
    for (; pairs != NULL && *pairs != NULL; pairs += 2) {
        if (strcmp(pairs[0], name) == 0)
            return pairs[1];
    }
    return NULL;
}

static bool read_file(void *context, const char *path, struct arena *into, struct bytes *content,
                      char reason[128])
{
    const struct world *world = context;
    const char *text = look_up(world->files, path);

    if (text == NULL) {
        snprintf(reason, 128, "no such file or directory");
        return false;
    }
    *content = arena_copy(into, bytes_of_text(text));
    return true;
}

static const char *read_environment(void *context, const char *name)
{
    const struct world *world = context;

    return look_up(world->environment, name);
}

static struct config_value *parse_in(const char *text, const char *const *environment,
                                     const char *const *more)
{
    const char *files[20] = {"/d/c.conf", text};
    struct world world = {files, environment};
    const struct config_source source = {read_file, read_environment, &world};

    for (size_t i = 0; more != NULL && more[i] != NULL; i++)
        files[i + 2] = more[i];
    arena_deinit(&arena);
    arena_init(&arena, 16u << 20);
    return config_parse(&arena, &source, "/d/c.conf", error);
}

static struct config_value *parse(const char *text)
{
    return parse_in(text, NULL, NULL);
}

/* The value of "x" in `text`, which must be there. */
static const struct config_value *value_of(const char *text)
{
    const struct config_value *document = parse(text), *x;

    ck_assert_msg(document != NULL, "%s: %s", text, error);
    x = config_member(document, BYTES("x"));
    ck_assert_msg(x != NULL, "%s", text);
    return x;
}

static void check_text(const char *text, const char *want)
{
    const struct config_value *x = value_of(text);

    ck_assert_msg(x->type == CONFIG_STRING, "%s is %s", text, config_type_text(x->type));
    ck_assert_msg(bytes_equal(x->text, bytes_of_text(want)), "%s is '%.*s'", text,
                  BYTES_ARG(x->text));
    ck_assert_int_eq(x->text.at[x->text.size], 0);
}

static void check_refused(const char *text, const char *why)
{
    ck_assert_msg(parse(text) == NULL, "%s", text);
    ck_assert_msg(strstr(error, why) != NULL, "%s: %s", text, error);
}

START_TEST(a_pair_needs_a_separator_or_blanks_and_ends_with_its_line)
{
    static const char *const accepted[] = {
        "x 5",        "x=5",          "x: 5",       "x = 5 # c",       "x\n5",
        "\"x\": 5",   "'x' 5",        "a: b; x: 5", "a=b,x=5",         "{ x: 5 }",
        "{\"x\": 5}", "{ x: 5, }",    "x: 5 // c",  "x: 5 }",          "# c\nx 5",
        "{x:5} a: b", "\r\nx: 5\r\n", "x: 6\nx: 5", "{ a: b\nx: 5\n}", "{ a: {}, x: 5 } # c",
    };
    static const char *const refused[] = {
        "x: 5 a: 6",  "x: 8 MB",  "= 5",           "x:\n5",           "x",
        "{ x: 5",     "x { a: 5", "x { a }",       "x { a: , b: 5 }", "x { a: 5 b: 6 }",
        "x:\n{}",     "x: [1 2]", "x: [1]",        "x: [,1 ]",        "x: [a,,b]",
        "x: [{} {}]", "x: [a;b]", "x: \"a\" b: 5", "x: 'a'b",         "x = = 5",
        "/x: 5",      "x: [1",    "x: \"a",        "x: 'a",           "x: (a)",
        "x: a'b",     "include",
    };

    for (size_t i = 0; i < UNIT_COUNT(accepted); i++) {
        ck_assert_int_eq(value_of(accepted[i])->type, CONFIG_INTEGER);
        ck_assert_int_eq(value_of(accepted[i])->integer, 5);
    }
    for (size_t i = 0; i < UNIT_COUNT(refused); i++)
        ck_assert_msg(parse(refused[i]) == NULL, "%s", refused[i]);
    check_text("x: ", ""); /* as the reference has it */
    ck_assert_ptr_nonnull(config_member(parse("x{a: 5}"), BYTES("x{a")));
}
END_TEST

START_TEST(within_a_map_the_value_may_stand_on_the_next_line)
{
    const struct config_value *x =
        value_of("x {\n a:\n\n 5\n b =\n { c: 1\n d: 2 }\n # e: 6\n }\n");

    ck_assert_int_eq(config_member(x, BYTES("a"))->integer, 5);
    ck_assert_int_eq(config_member(config_member(x, BYTES("b")), BYTES("d"))->integer, 2);
    ck_assert_ptr_null(config_member(x, BYTES("e")));
}
END_TEST

START_TEST(strings_are_bare_or_quoted_or_blocks)
{
    check_text("x: a#b", "a#b");
    check_text("x: a//b", "a//b");
    check_text("x: a:b=c # d", "a:b=c");
    check_text("x: \"a b\\t\\x41\\\"\\\\\"", "a b\tA\"\\");
    check_text("x: a\\tb", "a\tb");
    check_text("x: 'a\\tb\nc'", "a\\tb\nc");
    check_text("x: \"a\nb\"", "a\nb");
    check_text("x: (\nab\n )\n)\n", "\nab\n )\n)");
    check_text("x: \"true\"", "true");
    check_text("x: true'", "true");
    check_text("x: $2a$11$abc", "$2a$11$abc");
    check_refused("x: \"\\q\"", "Invalid escape character 'q'");
    check_refused("x: \"\\x4z\"", "Expected two hexadecimal digits");
}
END_TEST

START_TEST(what_begins_with_a_digit_may_be_a_string_after_all)
{
    check_text("x: 30s", "30s");
    check_text("x: 1abc", "1abc");
    check_text("x: 12:30", "12:30");
    check_text("x: 127.0.0.1", "127.0.0.1");
    check_text("x: 0.0.0.0:4222", "0.0.0.0:4222");
    check_text("x: 1.2.3.4:-1", "1.2.3.4:-1");
    check_text("x: 1kx", "1kx");
    check_text("x: 5]", "5]");
    ck_assert_int_eq(value_of("x: 2006-01-02T15:04:05Z")->type, CONFIG_DATE);
    check_refused("x: 2006-01", "ISO8601");
    check_refused("x: 2006-13-02T15:04:05Z", "expected Zulu");
    check_refused("x: 1m30s", "Expected a top-level value to end");
}
END_TEST

START_TEST(integers_have_suffixes_of_1000_and_1024)
{
    static const struct {
        const char *text;
        int64_t value;
    } rows[] = {
        {"x: 7", 7},
        {"x: -7", -7},
        {"x: 2k", 2000},
        {"x: 2KB", 2048},
        {"x: 2ki", 2048},
        {"x: 2KiB", 2048},
        {"x: 1m", 1000000},
        {"x: 1MB", 1 << 20},
        {"x: 64MiB", 64 << 20},
        {"x: 1g", 1000000000},
        {"x: 10GiB", INT64_C(10) << 30},
        {"x: 1T", INT64_C(1000000000000)},
        {"x: 1pb", INT64_C(1) << 50},
        {"x: 1e", INT64_C(1000000000000000000)},
        {"x: -5kb", -5120},
        {"x: 9223372036854775807", INT64_MAX},
        {"x: -9223372036854775808", INT64_MIN},
    };

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        ck_assert_msg(value_of(rows[i].text)->type == CONFIG_INTEGER, "%s", rows[i].text);
        ck_assert_msg(value_of(rows[i].text)->integer == rows[i].value, "%s", rows[i].text);
    }
    check_refused("x: 9223372036854775808", "out of the range");
    check_refused("x: 1kbb", "unknown suffix");
    ck_assert(value_of("x: 1.5")->number == 1.5);
    ck_assert(value_of("x: -1.5")->number == -1.5);
}
END_TEST

START_TEST(booleans_are_six_words_in_any_case)
{
    static const char *const yes[] = {"x: true", "x: YES", "x: On"};
    static const char *const no[] = {"x: false", "x: No", "x: OFF"};

    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(value_of(yes[i])->type, CONFIG_BOOL);
        ck_assert(value_of(yes[i])->boolean);
        ck_assert_int_eq(value_of(no[i])->type, CONFIG_BOOL);
        ck_assert(!value_of(no[i])->boolean);
    }
    check_text("x: enabled", "enabled");
}
END_TEST

START_TEST(every_value_knows_its_place)
{
    const struct config_value *document = parse("a: 1\n  b { c: 2\n\td: [ 3,\n 4 ] }\n");
    const struct config_value *b = config_member(document, BYTES("b"));
    const struct config_value *d = config_member(b, BYTES("d"));

    ck_assert_uint_eq(document->child->place.line, 1);
    ck_assert_uint_eq(document->child->place.column, 0);
    ck_assert_uint_eq(b->place.line, 2);
    ck_assert_uint_eq(b->place.column, 3);
    ck_assert_uint_eq(d->place.line, 3);
    ck_assert_uint_eq(d->place.column, 2);
    ck_assert_uint_eq(d->child->next->place.line, 4);
    ck_assert_str_eq(d->place.file, "/d/c.conf");
}
END_TEST

START_TEST(the_last_of_equal_keys_wins)
{
    const struct config_value *document = parse("a: 1\nb: 2\na: 3\n");

    ck_assert_int_eq(config_member(document, BYTES("a"))->integer, 3);
    ck_assert_int_eq(document->child->integer, 2);
    ck_assert_ptr_null(document->child->next->next);
}
END_TEST

START_TEST(a_variable_is_looked_for_from_inside_to_outside_and_then_in_the_environment)
{
    static const char *const environment[] = {"PORT", "4333",  "NAME", "\"a b\"", "Y", "$PORT",
                                              "LOOP", "$LOOP", "TWO",  "1 x: 2",  NULL};
    const struct config_value *document, *inner;

    document = parse_in("V: 1\nM { V: 2, x: $V }\nx: $V\n", environment, NULL);
    ck_assert_int_eq(config_member(document, BYTES("x"))->integer, 1);
    inner = config_member(document, BYTES("M"));
    ck_assert_int_eq(config_member(inner, BYTES("x"))->integer, 2);
    ck_assert(config_member(document, BYTES("V"))->used);
    ck_assert(!config_member(document, BYTES("x"))->used);

    document = parse_in("x: $PORT\ny: $NAME\nz: [ $Y, 2 ]", environment, NULL);
    ck_assert_int_eq(config_member(document, BYTES("x"))->integer, 4333);
    ck_assert(bytes_equal(config_member(document, BYTES("y"))->text, BYTES("a b")));
    ck_assert_int_eq(config_member(document, BYTES("z"))->child->integer, 4333);

    ck_assert_ptr_null(parse_in("x: $NOPE", environment, NULL));
    ck_assert_str_eq(error, "variable reference for 'NOPE' on line 1 can not be found");
    ck_assert_ptr_null(parse_in("x: $LOOP", environment, NULL));
    ck_assert_str_eq(error, "variable reference cycle for 'LOOP'");
    ck_assert_ptr_null(parse_in("x: $TWO", environment, NULL));
    ck_assert_ptr_null(parse_in("A: $B\nB: $A\n", environment, NULL));
}
END_TEST

START_TEST(a_map_can_be_a_variable)
{
    const struct config_value *x = value_of("P = { publish: a }\nx [ { p: $P }, { p: $P } ]");

    ck_assert(bytes_equal(
        config_member(config_member(x->child->next, BYTES("p")), BYTES("publish"))->text,
        BYTES("a")));
}
END_TEST

START_TEST(an_include_stands_for_the_members_of_its_file)
{
    static const char *const more[] = {"/d/sub/a.conf", "b: 1\ninclude 'c.conf'\n", "/d/sub/c.conf",
                                       "c: 2", NULL};
    const struct config_value *document = parse_in(
        "include \"sub/a.conf\"\nx { include ./sub/a.conf # d\n }\ny: $c", NULL,
        (const char *const[]){more[0], more[1], more[2], more[3], "/d/./sub/a.conf", "d: 3", NULL});

    ck_assert_msg(document != NULL, "%s", error);
    ck_assert_int_eq(config_member(document, BYTES("b"))->integer, 1);
    ck_assert_int_eq(config_member(document, BYTES("c"))->integer, 2);
    ck_assert_str_eq(config_member(document, BYTES("c"))->place.file, "/d/sub/c.conf");
    ck_assert_int_eq(config_member(document, BYTES("y"))->integer, 2);
    ck_assert_int_eq(config_member(config_member(document, BYTES("x")), BYTES("d"))->integer, 3);

    ck_assert_int_eq(config_member(parse("include: 4"), BYTES("include"))->integer, 4);
    check_refused("include nope", "error parsing include file 'nope', open /d/nope: no such file");
}
END_TEST

START_TEST(files_that_include_each_other_are_refused)
{
    static const char *const more[] = {"/d/a.conf", "include b.conf", "/d/b.conf", "include a.conf",
                                       NULL};

    check_refused("include c.conf", "files include each other");
    ck_assert_ptr_null(parse_in("include a.conf", NULL, more));
    ck_assert_ptr_nonnull(strstr(error, "files include each other"));
}
END_TEST

START_TEST(an_error_in_an_included_file_names_the_file)
{
    static const char *const more[] = {"/d/a.conf", "ok: 1\nbad: \"", NULL};

    ck_assert_ptr_null(parse_in("include a.conf", NULL, more));
    ck_assert_str_eq(error, "error parsing include file 'a.conf', Parse error on line 2: "
                            "'Unexpected EOF.'");
}
END_TEST

START_TEST(a_brace_that_closes_nothing_is_forgiven_behind_a_value_only)
{
    ck_assert_int_eq(value_of("x: 1\n}")->integer, 1);
    ck_assert_int_eq(value_of("x: 1 }\n")->integer, 1);
    check_refused("x { a.* b.{{wildcard(1)}}\n}\n", "line 2: 'Unexpected '}': it closes nothing");
    check_refused("}", "line 1: 'Unexpected '}': it closes nothing");
}
END_TEST

START_TEST(nesting_is_bounded)
{
    char text[2000] = "x: ";

    for (int i = 0; i < 900; i++)
        strcat(text, "[");
    check_refused(text, "nested too deeply");
    memset(text, '{', 900);
    text[900] = 0;
    check_refused(text, "nested too deeply");
    strcpy(text, "a0: 1\n");
    for (int i = 1; i < 60; i++)
        sprintf(text + strlen(text), "a%d: [ $a%d ]\n", i, i - 1);
    check_refused(text, "nested too deeply");
}
END_TEST

START_TEST(variables_of_variables_do_not_multiply_without_end)
{
    char text[2000] = "a0: 1\n";

    for (int i = 1; i < 30; i++)
        sprintf(text + strlen(text), "a%d: [ $a%d, $a%d ]\n", i, i - 1, i - 1);
    check_refused(text, "too large");
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_pair_needs_a_separator_or_blanks_and_ends_with_its_line,
        within_a_map_the_value_may_stand_on_the_next_line,
        strings_are_bare_or_quoted_or_blocks,
        what_begins_with_a_digit_may_be_a_string_after_all,
        integers_have_suffixes_of_1000_and_1024,
        booleans_are_six_words_in_any_case,
        every_value_knows_its_place,
        the_last_of_equal_keys_wins,
        a_variable_is_looked_for_from_inside_to_outside_and_then_in_the_environment,
        a_map_can_be_a_variable,
        an_include_stands_for_the_members_of_its_file,
        files_that_include_each_other_are_refused,
        an_error_in_an_included_file_names_the_file,
        a_brace_that_closes_nothing_is_forgiven_behind_a_value_only,
        nesting_is_bounded,
        variables_of_variables_do_not_multiply_without_end,
    };

    return UNIT_RUN_PLAIN("config_parser", tests);
}
