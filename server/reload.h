/*
 * reload: which differences between the options of a running server and new ones can be taken over
 * (reference config.md 8). Pure: it compares and words.
 */
#ifndef SERVER_RELOAD_H
#define SERVER_RELOAD_H

#include "base/logger.h"
#include "server/server.h"

#define RELOAD_REASON_SIZE SERVER_RELOAD_REASON_SIZE

/* False: something changed that cannot, and `reason` is the reference's sentence about it. */
bool reload_allowed(const struct options *before, const struct options *after,
                    char reason[RELOAD_REASON_SIZE]);
/* A line for each option that changes. */
void reload_log(const struct options *before, const struct options *after,
                const struct logger *logger);

#endif
