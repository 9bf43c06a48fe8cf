/* doctor: looks at a server, a cluster, a directory of data or a configuration, and names what is
 * wrong, why, and what to do. Its exit code is for probes: 0 well, 1 something is wrong, 3 nobody
 * there. */
#include <errno.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/doctor.h"
#include "cli/plain.h"

/* ---- what was found -------------------------------------------------------------------------- */

void checkup_begin(struct checkup *c, struct cli *cli)
{
    *c = (struct checkup){.cli = cli};
    buf_init(&c->text, (size_t)64 * 1024 * 1024);
    json_writer_init(&c->writer, &c->text);
    json_array_begin(&c->writer);
}

static void find_json(struct checkup *c, const char *finding, const char *what, const char *next)
{
    json_object_begin(&c->writer);
    JSON_KEY(&c->writer, "finding");
    json_string(&c->writer, bytes_of_text(finding));
    JSON_KEY(&c->writer, "what");
    json_string(&c->writer, bytes_of_text(what));
    if (next != NULL) {
        JSON_KEY(&c->writer, "next");
        json_string(&c->writer, bytes_of_text(next));
    }
    json_object_end(&c->writer);
}

void checkup_find(struct checkup *c, enum finding finding, const char *what, const char *next)
{
    static const char *const names[] = {"ok", "warning", "problem"};
    static const char *const colors[] = {"\033[32m", "\033[33m", "\033[31m"};
    bool color = c->cli->colors;

    c->passed += finding == FINDING_WELL;
    c->warnings += finding == FINDING_WARNING;
    c->problems += finding == FINDING_PROBLEM;
    if (c->cli->json) {
        find_json(c, names[finding], what, next);
        return;
    }
    printf("%s%-8s%s %s\n", color ? colors[finding] : "", names[finding], color ? "\033[0m" : "",
           plain_text(c->cli, what));
    if (next != NULL)
        printf("         try: %s\n", plain_text(c->cli, next));
}

int checkup_end(struct checkup *c, int result)
{
    json_array_end(&c->writer);
    if (result == EXIT_DONE && c->cli->json)
        cli_say_json(c->cli, buf_bytes(&c->text));
    else if (result == EXIT_DONE)
        printf("\n%u problem%s, %u warning%s\n", c->problems, c->problems == 1 ? "" : "s",
               c->warnings, c->warnings == 1 ? "" : "s");
    buf_deinit(&c->text);
    return result == EXIT_DONE && c->problems > 0 ? EXIT_FAILED : result;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int look_at_path(struct checkup *c, const char *path)
{
    struct stat stat_of;

    if (stat(path, &stat_of) != 0)
        return cli_fail(c->cli, errno == ENOENT ? EXIT_MISSING : EXIT_FAILED,
                        "millrace doctor server, cluster, DIRECTORY or CONFIGURATION",
                        "cannot look at %s: %s", path, strerror(errno));
    return S_ISDIR(stat_of.st_mode) ? doctor_directory(c, path) : doctor_config(c, path);
}

static int run(struct cli *cli)
{
    const char *what = args_word(&cli->args, 0);
    struct checkup c;
    int result;

    checkup_begin(&c, cli);
    if (what == NULL || strcmp(what, "server") == 0)
        result = doctor_server(&c);
    else if (strcmp(what, "cluster") == 0)
        result = doctor_cluster(&c);
    else
        result = look_at_path(&c, what);
    return checkup_end(&c, result);
}

static const struct command commands[] = {
    {"doctor", NULL, "[server | cluster | <directory> | <configuration>]", 0, 1,
     "Look at what is there, and say what is wrong with it",
     "millrace doctor || echo 'something is wrong'",
     "server: limits, streams that are full, consumers that wait, replicas that lag.\n"
     "cluster: every server and stream of it; needs the system account.\n"
     "A directory: the data of a stopped server, byte by byte, and the disk below it.\n"
     "A configuration: what it says, and what it means where it is.\n"
     "Exit code 0: well, or warnings only; 1: problems; 3: nobody there.",
     NO_FLAGS, run},
};
const struct command_list commands_doctor = {commands, sizeof(commands) / sizeof(commands[0])};
