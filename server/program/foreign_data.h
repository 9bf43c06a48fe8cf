/* foreign_data: streams that nats-server keeps in the same store directory. They are not read here,
 * and who has put this server in its place would find none of them, without a word. */
#ifndef SERVER_PROGRAM_FOREIGN_DATA_H
#define SERVER_PROGRAM_FOREIGN_DATA_H

#include <limits.h>
#include <stddef.h>

#include "base/logger.h"

/* How many there are for that store directory, and where. */
size_t program_foreign_streams(const char *dir, char root[PATH_MAX]);
/* Warns at every start while there are some. */
void program_warn_foreign_data(const char *dir, const struct logger *logger);

#endif
