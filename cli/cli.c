#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/again.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/near.h"
#include "cli/plain.h"

#define ARENA_MAX   ((size_t)4 * 1024 * 1024 * 1024)
#define OUTPUT_SIZE (size_t)65536

/* ---- which program we are -------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* A flag of ours before the command, as in `nats -s URL pub`: how many words it takes, or 0. */
static int shared_flag_words(const char *word)
{
    const char *equals = strchr(word, '=');
    size_t size = equals != NULL ? (size_t)(equals - word) : strlen(word);

    for (size_t i = 0; i < settings_flag_count; i++) {
        const struct flag *flag = &settings_flags[i];
        bool by_letter =
            size == 2 && word[0] == '-' && flag->letter != 0 && word[1] == flag->letter;
        bool by_name = size > 2 && strncmp(word, "--", 2) == 0 && strlen(flag->name) == size - 2 &&
                       strncmp(word + 2, flag->name, size - 2) == 0;

        if (by_letter || by_name)
            return flag->kind == FLAG_SWITCH || equals != NULL ? 1 : 2;
    }
    return 0;
}

/* Where the command stands: behind flags of ours; 0: there is none. */
static int find_command(int argc, char *const *argv)
{
    int at = 1;

    while (at < argc && argv[at][0] == '-') {
        int words = shared_flag_words(argv[at]);

        if (words == 0)
            return 0;
        at += words;
    }
    return at < argc ? at : 0;
}

bool cli_wanted(int argc, char *const *argv)
{
    int at;

    if (argc < 2 || strncmp(base_name(argv[0]), "nats-server", strlen("nats-server")) == 0)
        return false;
    at = find_command(argc, argv);
    /* Flags with nothing behind them, and the two words that the server knows, are its own. */
    return at > 0 && strcasecmp(argv[at], "version") != 0;
}

/* ---- failing --------------------------------------------------------------------------------- */

int cli_fail(struct cli *cli, enum cli_exit code, const char *next, const char *format, ...)
{
    va_list list;
    bool red = isatty(STDERR_FILENO) && getenv("NO_COLOR") == NULL;
    char *text = NULL;
    int size;

    (void)fflush(stdout);
    va_start(list, format);
    size = vasprintf(&text, format, list);
    va_end(list);
    assert(size >= 0);
    /* One line, whatever the words were that others sent or typed. */
    plain_make(text, (size_t)size);
    fprintf(stderr, "millrace: %serror:%s %s\n", red ? "\033[31m" : "", red ? "\033[0m" : "", text);
    free(text);
    if (next != NULL)
        fprintf(stderr, "  try: %s\n", plain_text(cli, next));
    return (int)code;
}

/* Of what a server refuses with -ERR: is it because of who we are? */
static bool about_rights(const char *error)
{
    return strcasestr(error, "permission") != NULL || strcasestr(error, "auth") != NULL;
}

int cli_fail_conn(struct cli *cli, enum conn_verdict verdict)
{
    static const struct {
        enum cli_exit code;
        const char *next;
    } rows[] = {
        [CONN_OK] = {EXIT_FAILED, NULL},
        [CONN_TIMEOUT] = {EXIT_TIMEOUT, "--timeout 30s, if it is only slow"},
        [CONN_UNREACHABLE] = {EXIT_UNREACHABLE,
                              "--server URL, or start one: millrace serve -js -sd DIRECTORY"},
        [CONN_REFUSED] = {EXIT_REFUSED, "--user and --password, --creds, --nkey or --context"},
        [CONN_DENIED] = {EXIT_REFUSED, "another user; `millrace account info` tells who you are"},
        [CONN_LOST] = {EXIT_UNREACHABLE, "the server's log says why; then again"},
        [CONN_INTERRUPTED] = {EXIT_FAILED, NULL},
        [CONN_WRONG] = {EXIT_USAGE, "millrace help flags"},
    };

    if (verdict == CONN_DENIED && !about_rights(cli->conn.error))
        return cli_fail(cli, EXIT_FAILED, rows[CONN_LOST].next, "%s", cli->conn.error);
    return cli_fail(cli, rows[verdict].code, rows[verdict].next, "%s", cli->conn.error);
}

int cli_connect(struct cli *cli)
{
    enum conn_verdict verdict;

    if (cli->connected)
        return EXIT_DONE;
    verdict = conn_open(&cli->conn, &cli->settings);
    if (verdict != CONN_OK)
        return cli_fail_conn(cli, verdict);
    cli->connected = true;
    return EXIT_DONE;
}

int cli_request(struct cli *cli, const char *subject, struct bytes payload, struct msg *answer)
{
    int result = cli_connect(cli);
    enum conn_verdict verdict;

    if (result != EXIT_DONE)
        return result;
    if (cli->settings.trace)
        fprintf(stderr, ">>> %s\n%.*s\n", subject, BYTES_ARG(payload));
    for (;;) {
        verdict = conn_request(&cli->conn, bytes_of_text(subject), (struct bytes){0}, payload,
                               cli->settings.timeout_ns, &cli->arena, answer);
        if (verdict == CONN_OK)
            break;
        result = cli->endures ? again_connect(cli, verdict, true) : cli_fail_conn(cli, verdict);
        if (result != EXIT_DONE)
            return result;
    }
    if (cli->settings.trace)
        fprintf(stderr, "<<< %.*s%.*s\n", BYTES_ARG(answer->header), BYTES_ARG(answer->payload));
    return EXIT_DONE;
}

/* ---- answering ------------------------------------------------------------------------------- */

void cli_say_json(struct cli *cli, struct bytes json)
{
    struct buf text;

    (void)cli;
    buf_init(&text, CONN_SERVERS_MAX * 16 * 1024 * 1024);
    if (!json_indent(&text, json))
        buf_add(&text, json);
    (void)fwrite(text.at, 1, text.size, stdout);
    fputc('\n', stdout);
    buf_deinit(&text);
}

int cli_end_output(struct cli *cli)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_DONE;
    return cli_fail(cli, EXIT_FAILED, "room for the output, then again", "cannot write: %s",
                    strerror(errno));
}

const char *cli_print(struct cli *cli, const char *format, ...)
{
    va_list list;
    struct buf text;
    const char *copy;
    int size;

    va_start(list, format);
    size = vsnprintf(NULL, 0, format, list);
    va_end(list);
    assert(size >= 0);
    buf_init(&text, (size_t)size + 1);
    va_start(list, format);
    (void)vsnprintf((char *)buf_reserve(&text, (size_t)size + 1), (size_t)size + 1, format, list);
    va_end(list);
    buf_commit(&text, (size_t)size);
    copy = cli_text(cli, buf_bytes(&text));
    buf_deinit(&text);
    return copy;
}

const char *cli_text(struct cli *cli, struct bytes b)
{
    struct bytes copy = arena_copy(&cli->arena, b);

    assert(copy.at != NULL);
    return (const char *)copy.at;
}

/* ---- asking ---------------------------------------------------------------------------------- */

const char *cli_ask(struct cli *cli, const char *question, const char *otherwise)
{
    char line[4096];
    struct bytes text;

    (void)fflush(stdout);
    fprintf(stderr, otherwise[0] != 0 ? "? %s [%s] " : "? %s ", question, otherwise);
    if (fgets(line, sizeof(line), stdin) == NULL) {
        fputc('\n', stderr);
        return NULL;
    }
    text = bytes_trim(bytes_of_text(line));
    return text.size > 0 ? cli_text(cli, text) : otherwise;
}

bool cli_confirm(struct cli *cli, const char *question, const char *flag)
{
    const char *answer;

    if (!cli->terminal_in) {
        (void)cli_fail(cli, EXIT_USAGE, flag, "%s: nobody is there to say yes", question);
        return false;
    }
    answer = cli_ask(cli, cli_print(cli, "%s (y/N)", question), "");
    return answer != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

/* ---- running --------------------------------------------------------------------------------- */

static void look_at_terminal(struct cli *cli)
{
    struct winsize size;

    cli->terminal_out = isatty(STDOUT_FILENO) == 1;
    if (cli->terminal_out)
        cli->width =
            ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void look_around(struct cli *cli)
{
    const char *colors = args_text(&cli->args, "colors");

    cli->terminal_in = isatty(STDIN_FILENO) == 1;
    cli->colors = cli->terminal_out && getenv("NO_COLOR") == NULL;
    if (colors != NULL)
        cli->colors =
            strcmp(colors, "always") == 0 || (cli->colors && strcmp(colors, "never") != 0);
    cli->json = args_on(&cli->args, "json");
}

static int unknown_command(struct cli *cli, const char *first, const char *second)
{
    const struct command_group *group = command_find_group(first);
    const struct command *command;
    struct near near;

    near_init(&near, group != NULL ? second : first);
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        size_t size = group != NULL ? strlen(group->name) : 0;

        if (group == NULL && strchr(command->name, ' ') == NULL)
            near_offer(&near, command->name);
        else if (group != NULL && strncmp(command->name, group->name, size) == 0 &&
                 command->name[size] == ' ')
            near_offer(&near, command->name + size + 1);
    }
    for (size_t i = 0; group == NULL && i < command_group_count; i++)
        near_offer(&near, command_groups[i].name);
    for (size_t i = 0; group == NULL && i < help_program_count; i++)
        near_offer(&near, help_programs[i].name);
    return cli_fail(cli, EXIT_USAGE,
                    near.best == NULL ? group != NULL
                                            ? cli_print(cli, "millrace help %s", group->name)
                                            : "millrace help"
                    : group != NULL   ? cli_print(cli, "millrace %s %s", group->name, near.best)
                                      : cli_print(cli, "millrace %s", near.best),
                    "unrecognized command: \"%s%s%s\"", first, group != NULL ? " " : "",
                    group != NULL ? second : "");
}

static int check_words(struct cli *cli)
{
    const struct command *command = cli->command;

    if (cli->args.word_count >= command->words_min && cli->args.word_count <= command->words_max)
        return EXIT_DONE;
    return cli_fail(cli, EXIT_USAGE, command->example,
                    cli->args.word_count < command->words_min
                        ? "%s: too few words: millrace %s %s"
                        : "%s: too many words: millrace %s %s",
                    command->name, command->name, command->words);
}

static int check_colors(struct cli *cli)
{
    const char *when = args_text(&cli->args, "colors");

    if (when == NULL || strcmp(when, "auto") == 0 || strcmp(when, "always") == 0 ||
        strcmp(when, "never") == 0)
        return EXIT_DONE;
    return cli_fail(cli, EXIT_USAGE, "--colors never",
                    "--colors is auto, always or never, not \"%s\"", when);
}

/* None at all, or fewer, cannot be meant: whoever wants no end gives no --count. */
static int check_count(struct cli *cli)
{
    for (size_t i = 0; i < cli->command->flag_count; i++)
        if (strcmp(cli->command->flags[i].name, "count") == 0 &&
            args_number(&cli->args, "count", 1) < 1)
            return cli_fail(cli, EXIT_USAGE, "--count 10", "--count must be at least 1");
    return EXIT_DONE;
}

static int run_command(struct cli *cli, int argc, const char *const *argv)
{
    char error[SETTINGS_ERROR_SIZE];
    int result;

    if (!args_parse(&cli->args, (struct flag_set){cli->command->flags, cli->command->flag_count},
                    (struct flag_set){settings_flags, settings_flag_count}, argc, argv,
                    &cli->arena))
        return cli_fail(cli, EXIT_USAGE, cli_print(cli, "millrace help %s", cli->command->name),
                        "%s", cli->args.error);
    look_around(cli);
    if (args_on(&cli->args, "help")) { /* in one word with other letters: -jh */
        help_command(stdout, cli->command, cli->width, false);
        return EXIT_DONE;
    }
    result = check_words(cli);
    if (result == EXIT_DONE)
        result = check_colors(cli);
    if (result == EXIT_DONE)
        result = check_count(cli);
    if (result != EXIT_DONE)
        return result;
    if (!cli->command->offline && !settings_read(&cli->settings, &cli->args, &cli->arena, error))
        return cli_fail(cli, EXIT_USAGE,
                        cli->settings.context != NULL ? "millrace context ls"
                                                      : "millrace help flags",
                        "%s", error);
    return cli->command->run(cli);
}

/* Behind "--" there are no flags. */
static bool has_flag(int argc, const char *const *argv, const char *flag)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], flag) == 0)
            return true;
    return false;
}

bool cli_wants_help(int argc, const char *const *argv)
{
    return has_flag(argc, argv, "--help") || has_flag(argc, argv, "-h");
}

/* Of a group, or of nothing that the table has: --help, or it is wrong. */
static int run_without_command(struct cli *cli, int argc, const char *const *argv)
{
    const char *first = argv[0], *second = argc > 1 ? argv[1] : NULL;
    const struct command_group *group = command_find_group(first);
    bool help = cli_wants_help(argc, argv);

    if (help && help_find_program(first) != NULL) {
        help_program(stdout, help_find_program(first), cli->width);
        return EXIT_DONE;
    }
    if (group == NULL || (second != NULL && second[0] != '-'))
        return unknown_command(cli, first, second);
    help_group(help ? stdout : stderr, group);
    return help ? EXIT_DONE : EXIT_USAGE;
}

/* What is left when the words of the command are taken out: flags before it and all behind it. */
static int run_words(struct cli *cli, int argc, char *const *argv)
{
    int at = find_command(argc, argv);
    const char *first = argv[at], *second = at + 1 < argc ? argv[at + 1] : NULL;
    const char **rest = ARENA_ARRAY(&cli->arena, const char *, (size_t)argc + 1);
    unsigned used;
    int count = 0;

    look_at_terminal(cli);
    cli->command = command_find(first, second, &used);
    if (cli->command == NULL)
        return run_without_command(cli, argc - at, (const char *const *)argv + at);
    for (int i = 1; i < argc; i++)
        if (i < at || i >= at + (int)used)
            rest[count++] = argv[i];
    if (cli_wants_help(count, rest)) { /* whatever else is said, and be it wrong */
        help_command(stdout, cli->command, cli->width, has_flag(count, rest, "--all"));
        return EXIT_DONE;
    }
    return run_command(cli, count, rest);
}

int cli_main(int argc, char **argv)
{
    struct cli cli = {0};
    int result;

    arena_init(&cli.arena, ARENA_MAX);
    (void)setvbuf(stdout, NULL, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, OUTPUT_SIZE);
    result = run_words(&cli, argc, argv);
    if (cli.connected)
        conn_close(&cli.conn);
    if (result == EXIT_DONE)
        result = cli_end_output(&cli);
    arena_deinit(&cli.arena);
    return result;
}
