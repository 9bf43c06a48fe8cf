/* consumer_config: the configuration of a consumer from flags and questions. */
#ifndef CLI_CONSUMER_CONFIG_H
#define CLI_CONSUMER_CONFIG_H

#include "cli/form.h"

#define CONSUMER_CONFIG_FLAGS 32u
extern const struct flag consumer_config_flags[CONSUMER_CONFIG_FLAGS]; /* of add and edit */

/* Takes over all flags that were given. EXIT_DONE, or said. */
int consumer_config_take_flags(struct form *form);
/* Name and defaults; asks on a terminal for a name that is missing. EXIT_DONE, or said. */
int consumer_config_complete(struct form *form);

#endif
