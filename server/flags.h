/*
 * flags: nats-server's command line (reference config.md 6): single or double dash, the value
 * behind '=' or as the next word. Pure: words in, options or a sentence out.
 *
 * Whatever nats-server knows and we do not build is refused by name, never ignored: a server
 * without the TLS or the users that were asked for must not come up.
 */
#ifndef SERVER_FLAGS_H
#define SERVER_FLAGS_H

#include "server/options.h"

enum flags_verdict {
    FLAGS_SERVE,
    FLAGS_HELP,
    FLAGS_VERSION,
    FLAGS_BAD,     /* no such flag or value: `error`, then the usage; the reference exits 0 */
    FLAGS_REFUSED, /* `error`; exit 1 */
};

struct flags {
    enum flags_verdict verdict;
    char error[256];
    const char *config_file; /* of -c, a word of argv; NULL: none. Set whatever the verdict */
    struct options options;
};

/* `flags` is filled in whole. The options begin as options_default has them. */
void flags_parse(int argc, char *const *argv, struct flags *flags);

/* The text of --help. */
extern const char flags_usage[];

#endif
