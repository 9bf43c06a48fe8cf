/*
 * interrupt: Ctrl-C, or SIGTERM, while something large moves: whatever waits for the connection
 * ends with CONN_INTERRUPTED, the command cleans up behind itself, and then the process ends by
 * that signal, as its shell expects.
 */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <signal.h>

#include "cli/cli.h"

struct interrupt {
    int fd; /* readable when a signal has come; -1: the system gave none */
    sigset_t before;
};

/* Behind cli_connect. */
void interrupt_begin(struct interrupt *interrupt, struct cli *cli);
/* Has one come? It is still told by interrupt_end. */
bool interrupt_came(const struct interrupt *interrupt);
/* Waits until `fd` can be read or a signal has come; false: that. */
bool interrupt_wait_read(const struct interrupt *interrupt, int fd);
/* Back to how it was. When a signal has come, this does not return. */
void interrupt_end(struct interrupt *interrupt, struct cli *cli);
/* Ends the process by that signal, also where whoever started it let it ignore that one. */
void interrupt_end_by(int number);

#endif
