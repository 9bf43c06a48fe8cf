/*
 * flags: nats-server's command line (reference config.md 6): single or double dash, the value
 * behind '=' or as the next word. Pure: words in, options or a sentence out.
 *
 * What is said here overrides a configuration file, so a caller parses twice: once to learn of the
 * file, and again over the options that were read from it.
 *
 * Whatever nats-server knows and we do not build is refused by name, never ignored.
 */
#ifndef SERVER_FLAGS_H
#define SERVER_FLAGS_H

#include "base/arena.h"
#include "server/options.h"

enum flags_verdict {
    FLAGS_SERVE,
    FLAGS_TEST_CONFIG,
    FLAGS_SIGNAL,
    FLAGS_HELP,
    FLAGS_HELP_TLS,
    FLAGS_VERSION,
    FLAGS_BAD,     /* no such flag or value: `error`, then the usage; the reference exits 0 */
    FLAGS_REFUSED, /* `error`; exit 1 */
};

struct flags {
    enum flags_verdict verdict;
    char error[256];
    const char *config_file; /* of -c, a word of argv; NULL: none. Set whatever the verdict */
    const char *signal;      /* of --signal: "command[=process]" */
    struct options options;
};

/*
 * `flags` is filled in whole. The options begin as `base` has them, NULL: as options_default. What
 * they point at is words of argv, or in `arena`.
 */
void flags_parse(int argc, char *const *argv, const struct options *base, struct arena *arena,
                 struct flags *flags);

/* The texts of --help and --help_tls. */
extern const char flags_usage[];
extern const char flags_usage_tls[];

#endif
