/*
 * keep: a file of records that live although the segments they came from are mostly dead (log.h,
 * log_keep; docs/formats.md, Kept records). It is written once, whole, and is no part of the log:
 * places say where its records are, nobody walks it. Blocking calls, for workers and start-up.
 */
#ifndef STORAGE_KEEP_H
#define STORAGE_KEEP_H

#include "base/io.h"

#define KEEP_HEADER 4096u

struct keep {
    uint64_t log_id;
    uint8_t incarnation[16];
    uint64_t file_id;
    struct bytes records; /* writing only */
};

/* Makes it durable under its name. OK: *file is open, the caller's. On failure it is not there, or
 * found after a crash all the same, and of no use. */
enum err keep_write(struct io *io, const char *dir, const struct keep *keep, struct io_file **file);
/* Opens one; *size: where its records end. ERR_CORRUPT: it is not what its name says. */
enum err keep_open(struct io *io, const char *dir, const struct keep *keep, struct io_file **file,
                   uint64_t *size);

#endif
