/* completion: scripts for shells, and manual pages, made from the table of commands. */
#include "cli/commands.h"
#include "cli/help.h"

/* ---- words ----------------------------------------------------------------------------------- */

/* The names of all commands and groups, or of the commands of a group, blank-separated. */
static void say_words(const char *group)
{
    size_t size = group != NULL ? strlen(group) : 0;
    const struct command *command;

    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        if (group == NULL && strchr(command->name, ' ') == NULL)
            printf("%s ", command->name);
        if (group != NULL && strncmp(command->name, group, size) == 0 && command->name[size] == ' ')
            printf("%s ", command->name + size + 1);
    }
    for (size_t i = 0; group == NULL && i < command_group_count; i++)
        printf("%s ", command_groups[i].name);
    for (size_t i = 0; group == NULL && i < help_program_count; i++)
        printf("%s ", help_programs[i].name);
}

static void say_flags(const struct flag *flags, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("--%s ", flags[i].name);
}

/* ---- shells ---------------------------------------------------------------------------------- */

/* As a function of that name. */
static void say_bash_function(const char *name)
{
    const struct command *command;

    printf("%s() {\n", name);
    puts("    local cur=${COMP_WORDS[COMP_CWORD]} first=${COMP_WORDS[1]} second=${COMP_WORDS[2]}\n"
         "    local words=\n    if [ \"$COMP_CWORD\" -eq 1 ]; then");
    fputs("        words=\"", stdout);
    say_words(NULL);
    puts("\"\n    elif [[ $cur != -* && $COMP_CWORD -eq 2 ]]; then\n        case $first in");
    for (size_t i = 0; i < command_group_count; i++) {
        printf("        %s) words=\"", command_groups[i].name);
        say_words(command_groups[i].name);
        puts("\" ;;");
    }
    puts("        esac\n    elif [[ $cur == -* ]]; then\n        case \"$first $second\" in");
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        printf("        '%s'%s) words=\"", command->name,
               strchr(command->name, ' ') == NULL ? "\\ *" : "");
        say_flags(command->flags, command->flag_count);
        puts("\" ;;");
    }
    fputs("        esac\n        words+=\" ", stdout);
    say_flags(settings_flags, settings_flag_count);
    puts("\"\n    fi\n    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
         "    [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- \"$cur\"))\n"
         "}");
    printf("complete -o filenames -F %s millrace\n", name);
}

static void say_bash(void)
{
    puts("# Completion of millrace for bash.");
    say_bash_function("_millrace");
}

static void say_zsh(void)
{
    puts("#compdef millrace\n# Completion of millrace for zsh, by the one for bash.\n"
         "autoload -U +X bashcompinit && bashcompinit");
    say_bash_function("_millrace_words");
    puts("# The first time this file is run as the completion itself.\n"
         "[[ $funcstack[1] != _millrace ]] || _bash_complete -o filenames -F _millrace_words");
}

static void say_fish(void)
{
    const struct command *command;

    puts("# Completion of millrace for fish.");
    fputs("complete -c millrace -n __fish_use_subcommand -f -a \"", stdout);
    say_words(NULL);
    puts("\"");
    for (size_t i = 0; i < command_group_count; i++) {
        printf(
            "complete -c millrace -n '__fish_seen_subcommand_from %s; and test (count (commandline "
            "-opc)) -eq 2' -f -a \"",
            command_groups[i].name);
        say_words(command_groups[i].name);
        puts("\"");
    }
    for (size_t i = 0; (command = command_at(i)) != NULL; i++)
        for (size_t j = 0; j < command->flag_count; j++)
            printf("complete -c millrace -n 'string match -q \"millrace %s*\" (commandline -p)' -l "
                   "%s%s\n",
                   command->name, command->flags[j].name,
                   command->flags[j].kind == FLAG_SWITCH ? "" : " -r");
    for (size_t i = 0; i < settings_flag_count; i++)
        printf("complete -c millrace -l %s%s\n", settings_flags[i].name,
               settings_flags[i].kind == FLAG_SWITCH ? "" : " -r");
}

/* ---- the manual page ------------------------------------------------------------------------- */

/* A minus is a minus, and no line begins with a dot. */
static void say_roff(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text != 0; text++)
        fputs(*text == '-' ? "\\-" : *text == '\\' ? "\\e" : (const char[]){*text, 0}, stdout);
}

static void say_man_flags(const struct flag *flags, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char name[128];

        help_flag_name(name, sizeof(name), &flags[i]);
        puts(".TP");
        say_roff(name + strspn(name, " "));
        putchar('\n');
        say_roff(flags[i].help);
        putchar('\n');
    }
}

static void say_man_command(const struct command *command)
{
    fputs(".SS ", stdout);
    say_roff(command->name);
    putchar(' ');
    say_roff(command->words);
    putchar('\n');
    say_roff(command->summary);
    puts(".");
    if (command->more != NULL) {
        puts(".PP");
        say_roff(command->more);
        putchar('\n');
    }
    say_man_flags(command->flags, command->flag_count);
    fputs(".PP\nExample:\n.br\n.B ", stdout);
    say_roff(command->example);
    putchar('\n');
}

static void say_man_program(const struct help_program *program)
{
    say_man_command(&(struct command){.name = program->name,
                                      .words = program->words,
                                      .summary = program->summary,
                                      .more = program->more,
                                      .example = program->example});
}

static void say_man(void)
{
    const struct command *command;

    puts(".TH MILLRACE 1\n.SH NAME\nmillrace \\- a persistent streaming server, and its command "
         "line\n"
         ".SH SYNOPSIS\n.B millrace\n[serve] [flags of the server]\n.br\n.B millrace\n"
         "command [words] [flags]\n.SH DESCRIPTION\n"
         "Without a command, or with flags of nats\\-server, a server starts; serve \\-\\-help "
         "lists its flags. Check and dump read the data of one that is stopped, backup that of one "
         "that may run; restore makes such data, and doctor looks at data and configurations, too. "
         "Context, completion and help need no server. Everything else is a command for a running "
         "server.\n.SH COMMANDS");
    for (size_t i = 0; (command = command_at(i)) != NULL; i++)
        say_man_command(command);
    for (size_t i = 0; i < help_program_count; i++)
        say_man_program(&help_programs[i]);
    puts(".SH FLAGS OF EVERY COMMAND");
    say_man_flags(settings_flags, settings_flag_count);
    puts(
        ".SH EXIT STATUS\n0 done; 1 refused or broken; 2 wrong command line; 3 no server; 4 "
        "credentials "
        "or permissions; 5 no such thing; 6 nobody answered in time; 7 it exists, or is at another "
        "revision.");
}

static int run(struct cli *cli)
{
    static const struct {
        const char *name;
        void (*say)(void);
    } kinds[] = {{"bash", say_bash}, {"zsh", say_zsh}, {"fish", say_fish}, {"man", say_man}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(args_word(&cli->args, 0), kinds[i].name) == 0) {
            kinds[i].say();
            return EXIT_DONE;
        }
    return cli_fail(cli, EXIT_USAGE, "bash, zsh, fish or man", "nothing is made for \"%s\"",
                    args_word(&cli->args, 0));
}

static const struct command commands[] = {
    {"completion", NULL, "<bash|zsh|fish|man>", 1, 1,
     "Print completion for a shell, or the manual page", "source <(millrace completion bash)", NULL,
     NO_FLAGS, run, true},
};
const struct command_list commands_completion = {commands, sizeof(commands) / sizeof(commands[0])};
