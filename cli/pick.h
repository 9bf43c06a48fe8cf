/* pick: which stream or consumer is meant: the word of the command line, or on a terminal one of
 * those that there are. */
#ifndef CLI_PICK_H
#define CLI_PICK_H

#include "cli/api.h"

/* EXIT_DONE and a name that is fit for a subject; or said. */
int pick_stream(struct cli *cli, size_t word, const char **name);
int pick_consumer(struct cli *cli, size_t word, const char *stream, const char **name);
/* What --force or a yes allows. EXIT_DONE: go on. */
int pick_confirmed(struct cli *cli, const char *question);

#endif
