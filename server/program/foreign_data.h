/* foreign_data: streams that nats-server keeps in the same store directory. They are not read here,
 * and who has put this server in its place would find none of them, without a word. */
#ifndef SERVER_PROGRAM_FOREIGN_DATA_H
#define SERVER_PROGRAM_FOREIGN_DATA_H

#include "base/logger.h"

/* Warns at every start while there are some. */
void program_warn_foreign_data(const char *dir, const struct logger *logger);

#endif
