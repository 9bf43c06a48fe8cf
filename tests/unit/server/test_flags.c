#include "server/flags.h"

#include "server/config/value.h"
#include "tests/unit/unit.h"

#define ARGS_MAX 20

/* Parses "a b c" as the words behind the program's name. */
static struct flags parse(const char *line)
{
    static char text[512], program[] = "nats-server";
    static char *argv[ARGS_MAX + 1];
    static struct arena arena;
    struct flags flags;
    int argc = 1;

    argv[0] = program;
    ck_assert_uint_lt(strlen(line), sizeof(text));
    strcpy(text, line);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        ck_assert_int_lt(argc, ARGS_MAX);
        argv[argc++] = word;
    }
    arena_deinit(&arena);
    arena_init(&arena, 1u << 20);
    flags_parse(argc, argv, NULL, &arena, &flags);
    return flags;
}

START_TEST(flags_take_one_dash_or_two_and_values_either_way)
{
    static const char *const lines[] = {
        "-a 127.0.0.1 -p 4000 -js -sd /d",
        "--addr 127.0.0.1 --port 4000 --jetstream --store_dir /d",
        "-addr=127.0.0.1 -port=4000 -jetstream=true -store_dir=/d",
        "--net=127.0.0.1 --p=4000 --js=T --sd /d",
    };

    for (size_t i = 0; i < UNIT_COUNT(lines); i++) {
        struct flags flags = parse(lines[i]);

        ck_assert_int_eq(flags.verdict, FLAGS_SERVE);
        ck_assert_str_eq(flags.options.host, "127.0.0.1");
        ck_assert_int_eq(flags.options.port, 4000);
        ck_assert(flags.options.jetstream);
        ck_assert_str_eq(flags.options.store_dir, "/d");
    }
}
END_TEST

START_TEST(every_flag_sets_its_option)
{
    struct flags flags = parse("-n mill -P /pid -m 8222 --ports_file_dir /p -l /log -DV -T");

    ck_assert_int_eq(flags.verdict, FLAGS_SERVE);
    ck_assert_str_eq(flags.options.server_name, "mill");
    ck_assert_str_eq(flags.options.pid_file, "/pid");
    ck_assert_int_eq(flags.options.http_port, 8222);
    ck_assert_str_eq(flags.options.ports_file_dir, "/p");
    ck_assert_str_eq(flags.options.log_file, "/log");
    ck_assert(flags.options.debug && flags.options.trace);
    ck_assert(!parse("-D").options.trace);
    ck_assert(!parse("-V").options.debug);
    ck_assert_int_eq(parse("-p -1").options.port, -1);
    ck_assert_int_eq(parse("-p 0").options.port, 4222);
    ck_assert(!parse("-js -js=false").options.jetstream);
}
END_TEST

START_TEST(a_cluster_is_a_url_and_its_routes_are_a_list)
{
    struct flags flags = parse("--cluster nats://u:p@127.0.0.1:6222 --cluster_name C "
                               "--routes nats://a:1,nats-route://v:q@[::1]:2 --no_advertise "
                               "--connect_retries 7");
    const struct cluster_options *cluster = &flags.options.cluster;

    ck_assert_int_eq(flags.verdict, FLAGS_SERVE);
    ck_assert(cluster->configured);
    ck_assert_str_eq(cluster->host, "127.0.0.1");
    ck_assert_int_eq(cluster->port, 6222);
    ck_assert_str_eq(cluster->user, "u");
    ck_assert_str_eq(cluster->password, "p");
    ck_assert_str_eq(cluster->name, "C");
    ck_assert(cluster->no_advertise);
    ck_assert_int_eq(cluster->connect_retries, 7);
    ck_assert_uint_eq(cluster->routes_count, 2);
    ck_assert_str_eq(cluster->routes[0].host, "a");
    ck_assert_int_eq(cluster->routes[0].port, 1);
    ck_assert_ptr_null(cluster->routes[0].user);
    ck_assert_str_eq(cluster->routes[1].host, "::1");
    ck_assert_str_eq(cluster->routes[1].user, "v");
    ck_assert_str_eq(cluster->routes[1].password, "q");
}
END_TEST

START_TEST(help_and_version_are_flags_and_words)
{
    ck_assert_int_eq(parse("-h").verdict, FLAGS_HELP);
    ck_assert_int_eq(parse("--help").verdict, FLAGS_HELP);
    ck_assert_int_eq(parse("help").verdict, FLAGS_HELP);
    ck_assert_int_eq(parse("-v").verdict, FLAGS_VERSION);
    ck_assert_int_eq(parse("-version").verdict, FLAGS_VERSION);
    ck_assert_int_eq(parse("-p 1 version").verdict, FLAGS_VERSION);
    ck_assert_ptr_nonnull(strstr(flags_usage, "Millrace " MILLRACE_VERSION));
}
END_TEST

START_TEST(what_is_wrong_is_said_in_the_words_of_the_reference)
{
    static const struct {
        const char *line, *error;
        enum flags_verdict verdict;
    } cases[] = {
        {"-foo", "flag provided but not defined: -foo", FLAGS_BAD},
        {"--foo=1", "flag provided but not defined: -foo", FLAGS_BAD},
        {"-p", "flag needs an argument: -p", FLAGS_BAD},
        {"-p abc", "invalid value \"abc\" for flag -p: parse error", FLAGS_BAD},
        {"-p=", "invalid value \"\" for flag -p: parse error", FLAGS_BAD},
        {"-js=maybe", "invalid boolean value \"maybe\" for -js: parse error", FLAGS_BAD},
        {"---p 3", "bad flag syntax: ---p", FLAGS_BAD},
        {"-= 3", "bad flag syntax: -=", FLAGS_BAD},
        {"bogus", "unrecognized command: \"bogus\"", FLAGS_REFUSED},
        {"-js -", "unrecognized command: \"-\"", FLAGS_REFUSED},
        {"-n=a\tb -t", "must specify [-c, --config] option to check configuration file syntax",
         FLAGS_REFUSED},
        {"--tls", "TLS Server certificate must be present and valid", FLAGS_REFUSED},
        {"--tlsverify", "TLS Server certificate must be present and valid", FLAGS_REFUSED},
        {"--tls --tlscert a", "TLS Server private key must be present and valid", FLAGS_REFUSED},
        {"--cluster nats://x", "missing port in address of flag -cluster", FLAGS_REFUSED},
        {"--routes nats://x", "a URL of flag -routes could not be parsed", FLAGS_REFUSED},
        {"--profile 1", "flag -profile is not supported yet", FLAGS_REFUSED},
        {"-s", "flag -s is not supported yet", FLAGS_REFUSED},
    };

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        struct flags flags = parse(cases[i].line);

        ck_assert_int_eq(flags.verdict, cases[i].verdict);
        ck_assert_str_eq(flags.error, cases[i].error);
    }
    ck_assert_int_eq(parse("--tls=false --tlscert a").verdict, FLAGS_SERVE);
}
END_TEST

START_TEST(credentials_and_certificates_are_flags)
{
    struct flags flags = parse("--user a --pass b/\\x --auth c");

    ck_assert(bytes_equal(flags.options.auth.user, BYTES("a")));
    ck_assert(bytes_equal(flags.options.auth.password, BYTES("b/\\x")));
    ck_assert(bytes_equal(flags.options.auth.token, BYTES("c")));

    flags = parse("--tlsverify --tlscert a --tlskey b --tlscacert c");
    ck_assert_int_eq(flags.verdict, FLAGS_SERVE);
    ck_assert(flags.options.tls->verify);
    ck_assert_str_eq(flags.options.tls->pairs[0].certificate, "a");
    ck_assert_str_eq(flags.options.tls->pairs[0].key, "b");
    ck_assert_str_eq(flags.options.tls->ca_file, "c");
}
END_TEST

START_TEST(a_second_parse_overrides_what_a_file_said)
{
    static char program[] = "nats-server", flag[] = "-p", value[] = "5";
    char *argv[] = {program, flag, value};
    struct options base;
    struct arena arena;
    struct flags flags;

    options_default(&base);
    base.port = 1;
    base.http_port = 2;
    arena_init(&arena, 1000);
    flags_parse(3, argv, &base, &arena, &flags);
    ck_assert_int_eq(flags.options.port, 5);
    ck_assert_int_eq(flags.options.http_port, 2);
    arena_deinit(&arena);
}
END_TEST

START_TEST(a_host_of_a_flag_stands_in_no_file)
{
    static char program[] = "nats-server", flag[] = "-a", value[] = "h";
    char *argv[] = {program, flag, value};
    const struct config_place place = {"f", 1, 0};
    struct options base;
    struct arena arena;
    struct flags flags;

    options_default(&base);
    base.host_place = &place;
    arena_init(&arena, 1000);
    flags_parse(1, argv, &base, &arena, &flags);
    ck_assert_ptr_eq(flags.options.host_place, &place);
    flags_parse(3, argv, &base, &arena, &flags);
    ck_assert_str_eq(flags.options.host, "h");
    ck_assert_ptr_null(flags.options.host_place);
    arena_deinit(&arena);
}
END_TEST

START_TEST(some_flags_are_commands)
{
    ck_assert_int_eq(parse("-t -c x").verdict, FLAGS_TEST_CONFIG);
    ck_assert_str_eq(parse("-t -c x").config_file, "x");
    ck_assert_int_eq(parse("--signal ldm=5").verdict, FLAGS_SIGNAL);
    ck_assert_str_eq(parse("-sl=ldm=5").signal, "ldm=5");
    ck_assert_int_eq(parse("--help_tls").verdict, FLAGS_HELP_TLS);
}
END_TEST

START_TEST(values_that_do_not_fit_are_refused)
{
    char line[400] = "-a ";

    memset(line + 3, 'h', 300);
    ck_assert_int_eq(parse(line).verdict, FLAGS_REFUSED);
    ck_assert_int_eq(parse("-p 99999999999999999999").verdict, FLAGS_BAD);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        flags_take_one_dash_or_two_and_values_either_way,
        every_flag_sets_its_option,
        a_cluster_is_a_url_and_its_routes_are_a_list,
        help_and_version_are_flags_and_words,
        what_is_wrong_is_said_in_the_words_of_the_reference,
        credentials_and_certificates_are_flags,
        a_second_parse_overrides_what_a_file_said,
        a_host_of_a_flag_stands_in_no_file,
        some_flags_are_commands,
        values_that_do_not_fit_are_refused,
    };

    return UNIT_RUN_PLAIN("flags", tests);
}
