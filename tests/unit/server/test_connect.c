#include "server/clients/connect.h"

#include "tests/unit/unit.h"

static bool read_connect(struct arena *arena, const char *json, struct connect *connect)
{
    connect_default(connect);
    arena_reset(arena);
    return connect_read(arena, bytes_of_text(json), connect);
}

#define WITH_ARENA(arena)                                                                          \
    struct arena arena;                                                                            \
    arena_init(&arena, 1 << 20)

START_TEST(silence_means_verbose_pedantic_and_echo)
{
    struct connect connect;

    connect_default(&connect);
    ck_assert(connect.verbose && connect.pedantic && connect.echo);
    ck_assert(!connect.headers && !connect.no_responders);
    ck_assert_int_eq(connect.protocol, 0);
}
END_TEST

START_TEST(members_are_read_over_what_was_there)
{
    struct connect connect;

    WITH_ARENA(arena);
    ck_assert(read_connect(
        &arena,
        "{\"verbose\":false,\"headers\":true,\"no_responders\":true,\"protocol\":1,\"name\":\"n\","
        "\"lang\":\"c\",\"version\":\"3\",\"user\":\"u\",\"unknown\":{\"a\":[]}}",
        &connect));
    ck_assert(!connect.verbose && connect.pedantic && connect.headers && connect.no_responders);
    ck_assert_int_eq(connect.protocol, 1);
    ck_assert(bytes_equal(connect.name, BYTES("n")));
    ck_assert(bytes_equal(connect.lang, BYTES("c")));
    ck_assert(bytes_equal(connect.version, BYTES("3")));
    ck_assert(bytes_equal(connect.user, BYTES("u")));

    ck_assert(connect_read(&arena, BYTES("{\"echo\":false}"), &connect));
    ck_assert(!connect.verbose && !connect.echo);
    arena_deinit(&arena);
}
END_TEST

START_TEST(null_changes_nothing_the_last_of_two_wins_and_case_does_not_matter)
{
    struct connect connect;

    WITH_ARENA(arena);
    ck_assert(read_connect(&arena, "null", &connect));
    ck_assert(connect.verbose);
    ck_assert(read_connect(&arena, "{\"verbose\":null,\"name\":null,\"protocol\":null}", &connect));
    ck_assert(connect.verbose);
    ck_assert(read_connect(&arena, "{\"verbose\":true,\"verbose\":false}", &connect));
    ck_assert(!connect.verbose);
    ck_assert(read_connect(&arena, "{\"VeRbOsE\":false}", &connect));
    ck_assert(!connect.verbose);
    arena_deinit(&arena);
}
END_TEST

START_TEST(what_is_no_object_or_has_a_wrong_type_is_refused)
{
    static const char *const bad[] = {
        "",
        "x",
        "[]",
        "true",
        "\"x\"",
        "1",
        "{",
        "{} x",
        "{\"verbose\":\"x\"}",
        "{\"verbose\":1}",
        "{\"protocol\":\"1\"}",
        "{\"protocol\":1.5}",
        "{\"protocol\":1e0}",
        "{\"name\":1}",
        "{\"user\":{}}",
        "{\"pass\":1}",
        "{\"jwt\":[]}",
        "{\"import\":1}",
        "{\"tls_required\":\"x\"}",
        "{\"account\":1}",
        "{\"new_account\":\"x\"}",
    };
    struct connect connect;

    WITH_ARENA(arena);
    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        ck_assert_msg(!read_connect(&arena, bad[i], &connect), "%s", bad[i]);
    arena_deinit(&arena);
}
END_TEST

START_TEST(asking_for_an_account_is_noticed)
{
    struct connect connect;

    WITH_ARENA(arena);
    ck_assert(read_connect(&arena, "{\"account\":\"x\"}", &connect) && connect.account_asked);
    ck_assert(read_connect(&arena, "{\"new_account\":true}", &connect) && connect.account_asked);
    ck_assert(read_connect(&arena, "{\"account\":\"\",\"new_account\":false}", &connect) &&
              !connect.account_asked);
    arena_deinit(&arena);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        silence_means_verbose_pedantic_and_echo,
        members_are_read_over_what_was_there,
        null_changes_nothing_the_last_of_two_wins_and_case_does_not_matter,
        what_is_no_object_or_has_a_wrong_type_is_refused,
        asking_for_an_account_is_noticed,
    };

    return UNIT_RUN_PLAIN("connect", tests);
}
