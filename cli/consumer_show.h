/* consumer_show: what a consumer is, for people. */
#ifndef CLI_CONSUMER_SHOW_H
#define CLI_CONSUMER_SHOW_H

#include "cli/api.h"

/* An answer of CONSUMER.INFO or CREATE. */
void consumer_show(struct cli *cli, const struct json *info);

#endif
