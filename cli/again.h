/* again: commands that run for long outlive a restart of the server that they are with. */
#ifndef CLI_AGAIN_H
#define CLI_AGAIN_H

#include "cli/cli.h"

/*
 * What a long-running command does with a connection's verdict. A lost connection is said on
 * standard error and made anew, for as long as that takes; the caller then subscribes again and
 * goes on (EXIT_DONE). With `jetstream` it also waits until JetStream answers. Everything else, a
 * server that refuses us now too, has failed and was said.
 */
int again_connect(struct cli *cli, enum conn_verdict verdict, bool jetstream);

#endif
