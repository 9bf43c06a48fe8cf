/* inspect_file: what inspect.c asks of the system: files as bytes, names in order. Blocking. */
#ifndef SERVER_PROGRAM_INSPECT_FILE_H
#define SERVER_PROGRAM_INSPECT_FILE_H

#include "base/buf.h"

/* All of it; false: it is not there or can not be read. */
bool inspect_read_file(const char *path, struct buf *out);

struct inspect_names {
    char (*at)[256];
    size_t count;
};
/* In order; of a directory that is not there, none. */
void inspect_list(const char *path, struct inspect_names *names);
void inspect_names_free(struct inspect_names *names);

/* Keeps it from being opened by a server; INSPECT_TAKEN: one has it. Without a lock file
 * there is none: INSPECT_FREE. */
#define INSPECT_TAKEN (-1)
#define INSPECT_FREE  (-2)
int inspect_lock(const char *dir);
void inspect_unlock(int held);

#endif
