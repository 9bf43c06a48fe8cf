/*
 * help: texts made from the table of commands: for --help, for man pages, for completion.
 *
 * What is asked for in passing fits a screen of 24 lines and 80 columns: of a command with more
 * flags than that, those with a group, packed. `all` tells every flag and what it does. A width is
 * that of the terminal; 0: none.
 */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli/commands.h"

/* A word that the program takes itself, without a server to talk to. */
struct help_program {
    const char *name, *words, *summary, *more, *example;
};
extern const struct help_program help_programs[];
extern const size_t help_program_count;

/* NULL: there is none of that name. */
const struct help_program *help_find_program(const char *name);
void help_program(FILE *out, const struct help_program *program, unsigned width);
void help_overview(FILE *out);
void help_group(FILE *out, const struct command_group *group);
void help_command(FILE *out, const struct command *command, unsigned width, bool all);
void help_shared_flags(FILE *out, unsigned width);
/* "--name=VALUE" or "-n, --name", as it stands in help. */
void help_flag_name(char *out, size_t room, const struct flag *flag);

#endif
