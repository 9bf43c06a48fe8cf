/*
 * configured: the file and the command line together, as options: read at the start, and again for
 * every reload.
 */
#ifndef SERVER_PROGRAM_CONFIGURED_H
#define SERVER_PROGRAM_CONFIGURED_H

#include "base/logger.h"
#include "server/config/config.h"

/* Owns what its options point at. */
struct configured {
    struct config config;
    char digest[CONFIG_DIGEST_SIZE];
    bool good; /* else `config` says what is wrong */
};

/* Reads `file`, NULL: there is none, and the command line over it, and the certificates that they
 * name. Never NULL. */
struct configured *configured_read(int argc, char *const *argv, const char *file);
void configured_free(struct configured *configured);

/* What was accepted in the file and does nothing. */
void configured_log_notices(const struct configured *configured, const struct logger *logger);
/* The same on standard error, a line each. */
void configured_say_notices(const struct configured *configured);
/* Prints what is wrong as the reference does; with `strict` its warnings are wrong, too. True:
 * there was something. */
bool configured_say_wrong(const struct configured *configured, bool strict);
/* The same in one line of text, for a log. */
void configured_wrong_text(const struct configured *configured, struct buf *out);

#endif
