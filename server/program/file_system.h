/* file_system: what the data directory lies on, where that does not keep what is written as a local
 * disk does. */
#ifndef SERVER_PROGRAM_FILE_SYSTEM_H
#define SERVER_PROGRAM_FILE_SYSTEM_H

#include "base/logger.h"

/* How a file system of that type (statfs) is called and what is to be known of it; NULL: nothing.
 */
struct file_system {
    long type;
    const char *name, *warning;
};
const struct file_system *file_system_unsuitable(long type);

/* Warns once at the start; a directory that is not there is judged by the one that holds it. */
void program_warn_file_system(const char *dir, const struct logger *logger);

#endif
