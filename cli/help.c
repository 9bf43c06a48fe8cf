#include "cli/help.h"

#include <stdlib.h>
#include <string.h>

#define COLUMN 30u
#define LINE   100u

const struct help_program help_programs[] = {
    {"serve", "[<flags of nats-server>]", "Start a server",
     "`millrace serve --help` lists its flags; docs/config.md says what they do.",
     "millrace serve -js -sd DIRECTORY"},
    {"check", "[--repair] [--json] <directory>",
     "Read a stopped server's data, and say what is damaged",
     "Exit code 0: sound; 1: damaged; 2: it could not look. Nothing is changed without --repair, "
     "which sets aside what a start does without.",
     "millrace check /var/lib/millrace"},
    {"dump", "[--json] <directory>", "Print what stands in a stopped server's data",
     "One line for every journal entry, segment, batch, record and state block.",
     "millrace dump --json /var/lib/millrace"},
};
const size_t help_program_count = sizeof(help_programs) / sizeof(help_programs[0]);

const struct help_program *help_find_program(const char *name)
{
    for (size_t i = 0; i < help_program_count; i++)
        if (strcmp(name, help_programs[i].name) == 0)
            return &help_programs[i];
    return NULL;
}

static void say_wrapped(FILE *out, const char *text, unsigned indent, unsigned width)
{
    unsigned room = width > indent + 20 ? width - indent : 60;

    while (*text != 0) {
        size_t size = strlen(text), part = size;

        if (size > room) {
            for (part = room; part > 0 && text[part] != ' '; part--)
                ;
            if (part == 0)
                part = size;
        }
        fprintf(out, "%.*s\n", (int)part, text);
        text += part + (text[part] == ' ');
        if (*text != 0)
            fprintf(out, "%*s", (int)indent, "");
    }
}

void help_flag_name(char *out, size_t room, const struct flag *flag)
{
    char letter[8] = "    ";

    if (flag->letter != 0)
        snprintf(letter, sizeof(letter), "-%c, ", flag->letter);
    snprintf(out, room, "%s--%s%s%s%s", letter, flag->name, flag->value != NULL ? " " : "",
             flag->value != NULL ? flag->value : "", flag->kind == FLAG_LIST ? " ..." : "");
}

static void say_flag(FILE *out, const struct flag *flag, unsigned width)
{
    char name[128];

    help_flag_name(name, sizeof(name), flag);
    if (strlen(name) + 1 > COLUMN)
        fprintf(out, "  %s\n  %*s", name, (int)COLUMN, "");
    else
        fprintf(out, "  %-*s", (int)COLUMN, name);
    say_wrapped(out, flag->help, COLUMN + 2, width);
}

static void say_command(FILE *out, const struct command *command)
{
    fprintf(out, "  %-20s %s\n", command->name, command->summary);
}

void help_overview(FILE *out)
{
    const struct command *command;

    fputs("usage: millrace <command> [<words>] [<flags>]\n"
          "       millrace [serve] [<flags of nats-server>]     starts the server\n\n"
          "Commands:\n",
          out);
    for (size_t i = 0; (command = command_at(i)) != NULL; i++)
        if (strchr(command->name, ' ') == NULL)
            say_command(out, command);
    for (size_t i = 0; i < help_program_count; i++)
        fprintf(out, "  %-20s %s\n", help_programs[i].name, help_programs[i].summary);
    fputs("\nGroups:\n", out);
    for (size_t i = 0; i < command_group_count; i++)
        fprintf(out, "  %-20s %s\n", command_groups[i].name, command_groups[i].summary);
    fputs("\nmillrace help <command>   flags and an example of a command\n"
          "millrace help flags       flags of every command: servers, credentials, TLS, --json\n",
          out);
}

void help_group(FILE *out, const struct command_group *group)
{
    size_t size = strlen(group->name);
    const struct command *command;

    fprintf(out, "usage: millrace %s <command> [<words>] [<flags>]\n\n%s\n\nCommands:\n",
            group->name, group->summary);
    for (size_t i = 0; (command = command_at(i)) != NULL; i++)
        if (strncmp(command->name, group->name, size) == 0 && command->name[size] == ' ')
            say_command(out, command);
    fprintf(out, "\nmillrace help %s <command>   flags and an example\n", group->name);
}

void help_command(FILE *out, const struct command *command, unsigned width)
{
    fprintf(out, "usage: millrace %s%s%s%s\n\n%s\n", command->name, command->words[0] ? " " : "",
            command->words, command->flag_count > 0 ? " [<flags>]" : "", command->summary);
    if (command->more != NULL)
        fprintf(out, "\n%s\n", command->more);
    if (command->flag_count > 0)
        fputs("\nFlags:\n", out);
    for (size_t i = 0; i < command->flag_count; i++)
        say_flag(out, &command->flags[i], width);
    fprintf(out, "\nExample:\n  %s\n", command->example);
    fputs("\nFlags of every command: millrace help flags\n", out);
}

void help_program(FILE *out, const struct help_program *program)
{
    fprintf(out, "usage: millrace %s %s\n\n%s\n\n", program->name, program->words,
            program->summary);
    say_wrapped(out, program->more, 0, LINE);
    fprintf(out, "\nExample:\n  %s\n", program->example);
}

void help_shared_flags(FILE *out, unsigned width)
{
    fputs("Flags of every command:\n", out);
    for (size_t i = 0; i < settings_flag_count; i++)
        say_flag(out, &settings_flags[i], width);
}
