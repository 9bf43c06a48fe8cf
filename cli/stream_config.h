/* stream_config: the configuration of a stream from flags and questions. */
#ifndef CLI_STREAM_CONFIG_H
#define CLI_STREAM_CONFIG_H

#include "cli/form.h"

#define STREAM_CONFIG_FLAGS 43u
extern const struct flag stream_config_flags[STREAM_CONFIG_FLAGS]; /* of stream add and edit */

/* Takes over all flags that were given. EXIT_DONE, or said. */
int stream_config_take_flags(struct form *form);
/* Asks on the terminal for what a new stream needs and no flag says; without a terminal or with
 * --defaults only checks that it is there. EXIT_DONE, or said. */
int stream_config_complete(struct form *form);
/* Reads a configuration from a JSON file (--config), that of `nats stream info --json` too. */
int stream_config_read(struct form *form, const char *file);

#endif
