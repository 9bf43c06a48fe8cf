/* help: what there is. */
#include "cli/commands.h"
#include "cli/help.h"

static const struct flag help_flags[] = {
    {"all", 0, FLAG_SWITCH, NULL, "Every flag of the command, and what it does", NULL},
};

static int run_help(struct cli *cli)
{
    const char *first = args_word(&cli->args, 0), *second = args_word(&cli->args, 1);
    unsigned used;
    const struct command *command;

    if (first == NULL) {
        help_overview(stdout);
        return EXIT_DONE;
    }
    if (strcmp(first, "flags") == 0) {
        help_shared_flags(stdout, cli->width);
        return EXIT_DONE;
    }
    command = command_find(first, second, &used);
    if (command != NULL)
        help_command(stdout, command, cli->width, args_on(&cli->args, "all"));
    else if (command_find_group(first) != NULL && second == NULL)
        help_group(stdout, command_find_group(first));
    else if (help_find_program(first) != NULL && second == NULL)
        help_program(stdout, help_find_program(first), cli->width);
    else
        return cli_fail(cli, EXIT_USAGE, "millrace help", "no help for \"%s%s%s\"", first,
                        second != NULL ? " " : "", second != NULL ? second : "");
    return EXIT_DONE;
}

static const struct command commands[] = {
    {"help", NULL, "[<command>]", 0, 2, "Show what there is", "millrace help stream add", NULL,
     FLAGS(help_flags), run_help, true},
};
const struct command_list commands_help = {commands, sizeof(commands) / sizeof(commands[0])};
