#include "cli/help.h"

#include <stdlib.h>
#include <string.h>

#define COLUMN   30u /* where what a flag does begins */
#define HEAD     11u /* of a line of short help */
#define LINE     80u /* in a pipe; a terminal's width otherwise, up to */
#define LINE_MAX 100u

const struct help_program help_programs[] = {
    {"serve", "[<flags of nats-server>]", "Start a server",
     "Most used: -js and -sd DIRECTORY (streams, and where they are kept), -p PORT, -c FILE (the "
     "configuration, docs/config.md), -m PORT (monitoring). All flags: millrace serve --help",
     "millrace serve -js -sd DIRECTORY"},
    {"check", "[--repair] [--json] <directory>",
     "Read a stopped server's data, and say what is damaged",
     "Exit code 0: sound; 1: damaged; 2: it could not look. Nothing is changed without --repair, "
     "which sets aside what a start does without.",
     "millrace check /var/lib/millrace"},
    {"dump", "[--json] <directory>", "Print what stands in a stopped server's data",
     "One line for every journal entry, segment, batch, record and state block.",
     "millrace dump --json /var/lib/millrace"},
    {"backup", "[<directory>|list|verify] [<flags>] <backups>",
     "Back up a server's data, while it runs or not",
     "Each backup stores what the ones before it in the same place do not have (docs/backup.md). "
     "list shows them, verify reads them whole: all, or the one of --backup N. --json: as JSON. "
     "Exit code 0: whole; 1: it is not, and says what is missing; 2: none was made.",
     "millrace backup /var/lib/millrace /mnt/backups"},
    {"restore", "[<flags>] <backups> <directory>", "Make a data directory from a backup",
     "The newest one, that of --backup N, or all up to a moment between two (--at "
     "2026-11-22T00:14:00.5Z, in UTC). Nothing is written over. What was restored stands alone: it "
     "takes part in no cluster, and with --alone a member of one becomes a server of its own. "
     "--damaged restores what there is of a backup that is not whole.",
     "millrace restore /mnt/backups /var/lib/millrace2"},
};
const size_t help_program_count = sizeof(help_programs) / sizeof(help_programs[0]);

const struct help_program *help_find_program(const char *name)
{
    for (size_t i = 0; i < help_program_count; i++)
        if (strcmp(name, help_programs[i].name) == 0)
            return &help_programs[i];
    return NULL;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static unsigned line_width(unsigned width)
{
    return width == 0 ? LINE : width < LINE_MAX ? width : LINE_MAX;
}

/* A line end counts as a blank. */
static void say_wrapped(FILE *out, const char *text, unsigned indent, unsigned width)
{
    unsigned room = width > indent + 20 ? width - indent : 60;

    while (*text != 0) {
        size_t size = strlen(text), part = size;

        if (size > room) {
            for (part = room; part > 0 && text[part] != ' ' && text[part] != '\n'; part--)
                ;
            if (part == 0)
                part = size;
        }
        for (size_t i = 0; i < part; i++)
            fputc(text[i] == '\n' ? ' ' : text[i], out);
        fputc('\n', out);
        text += part + (text[part] != 0);
        if (*text != 0)
            fprintf(out, "%*s", (int)indent, "");
    }
}

/* ---- flags ----------------------------------------------------------------------------------- */

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

static void say_flags(FILE *out, const struct flag *flags, size_t count, unsigned width)
{
    for (size_t i = 0; i < count; i++)
        say_flag(out, &flags[i], width);
}

/* Is any flag under a head, and are the others so left to the whole help? */
static bool is_crowded(const struct command *command)
{
    for (size_t i = 0; i < command->flag_count; i++)
        if (command->flags[i].group != NULL)
            return true;
    return false;
}

/* All flags under the head of flags[first], one behind the other. */
static void say_packed(FILE *out, const struct command *command, size_t first, unsigned width)
{
    const char *group = command->flags[first].group;
    unsigned at = (unsigned)fprintf(out, "  %-*s", (int)HEAD, group);

    for (size_t i = first; i < command->flag_count; i++) {
        char name[128];
        unsigned size;

        if (command->flags[i].group == NULL || strcmp(command->flags[i].group, group) != 0)
            continue;
        help_flag_name(name, sizeof(name), &command->flags[i]);
        size = (unsigned)strlen(name + strspn(name, " "));
        if (i > first && at + 2 + size > width)
            at = (unsigned)fprintf(out, "\n  %-*s", (int)HEAD, "") - 1;
        else if (i > first)
            at += (unsigned)fprintf(out, "  ");
        at += (unsigned)fprintf(out, "%s", name + strspn(name, " "));
    }
    fputc('\n', out);
}

static bool is_first_of_group(const struct command *command, size_t index)
{
    if (command->flags[index].group == NULL)
        return false;
    for (size_t i = 0; i < index; i++)
        if (command->flags[i].group != NULL &&
            strcmp(command->flags[i].group, command->flags[index].group) == 0)
            return false;
    return true;
}

static void say_most_used(FILE *out, const struct command *command, unsigned width)
{
    fputs("\nThe most used flags:\n", out);
    for (size_t i = 0; i < command->flag_count; i++)
        if (is_first_of_group(command, i))
            say_packed(out, command, i, width);
}

/* ---- pages ----------------------------------------------------------------------------------- */

static void say_command(FILE *out, const struct command *command)
{
    fprintf(out, "  %-20s %s\n", command->name, command->summary);
}

/* Two in a line. */
static void say_groups(FILE *out)
{
    for (size_t i = 0; i < command_group_count; i++) {
        bool last = i % 2 == 1 || i + 1 == command_group_count;

        fprintf(out, "  %-11s %-*s", command_groups[i].name, last ? 0 : 24,
                command_groups[i].summary);
        if (last)
            fputc('\n', out);
    }
}

void help_overview(FILE *out)
{
    const struct command *command;

    fputs("usage: millrace <command> [<words>] [<flags>], or flags of nats-server\n"
          "       millrace help <command> [--all], or millrace help flags: those of all\n"
          "Commands:\n",
          out);
    for (size_t i = 0; (command = command_at(i)) != NULL; i++)
        if (strchr(command->name, ' ') == NULL)
            fprintf(out, "  %-11s %s\n", command->name, command->summary);
    for (size_t i = 0; i < help_program_count; i++)
        fprintf(out, "  %-11s %s\n", help_programs[i].name, help_programs[i].summary);
    fputs("Groups:\n", out);
    say_groups(out);
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

static void say_example(FILE *out, const char *example)
{
    fprintf(out, "\nExample:\n  %s\n", example);
}

static void say_rest(FILE *out, const struct command *command, bool crowded)
{
    if (crowded)
        fprintf(out, "\nAll %zu flags, and what each does: millrace help %s --all\n",
                command->flag_count + settings_flag_count, command->name);
    else
        fprintf(out, "\nAlso the flags of every command: millrace help %s --all\n", command->name);
}

void help_command(FILE *out, const struct command *command, unsigned width, bool all)
{
    bool crowded = is_crowded(command);

    width = line_width(width);
    fprintf(out, "usage: millrace %s%s%s%s\n\n%s\n", command->name, command->words[0] ? " " : "",
            command->words, command->flag_count > 0 ? " [<flags>]" : "", command->summary);
    if (command->more != NULL) {
        fputc('\n', out);
        say_wrapped(out, command->more, 0, width);
    }
    if (crowded && !all) {
        say_most_used(out, command, width);
    } else if (command->flag_count > 0) {
        fputs("\nFlags:\n", out);
        say_flags(out, command->flags, command->flag_count, width);
    }
    if (all) {
        fputc('\n', out);
        help_shared_flags(out, width);
    }
    say_example(out, command->example);
    if (!all)
        say_rest(out, command, crowded);
}

void help_program(FILE *out, const struct help_program *program, unsigned width)
{
    fprintf(out, "usage: millrace %s %s\n\n%s\n\n", program->name, program->words,
            program->summary);
    say_wrapped(out, program->more, 0, line_width(width));
    say_example(out, program->example);
}

void help_shared_flags(FILE *out, unsigned width)
{
    fputs("Flags of every command:\n", out);
    say_flags(out, settings_flags, settings_flag_count, line_width(width));
}
