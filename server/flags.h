/*
 * flags: nats-server's command line (docs/config.md): single or double dash, the value behind '=' or as
 * the next word. Pure: words in, options or a sentence out.
 */
#ifndef SERVER_FLAGS_H
#define SERVER_FLAGS_H

#include "server/options.h"

enum flags_verdict {
    FLAGS_SERVE,
    FLAGS_HELP,
    FLAGS_VERSION,
    FLAGS_BAD, /* `error` says why; show the usage */
    FLAGS_REFUSED, /* known to the reference, not built: `error` says so */
};

struct flags {
    enum flags_verdict verdict;
    char error[256];
    struct options options;
};

void flags_parse(int argc, char *const *argv, struct flags *flags);

/* The text of --help. */
extern const char flags_usage[];

#endif
