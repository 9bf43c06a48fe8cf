/*
 * backup_moment: a data directory as it was at a moment between two backups (docs/backup.md). The
 * log is what happened: the state of the earlier backup, or a state block of the later one that is
 * not too late, and all batches from there up to the moment. Blocking.
 */
#ifndef SERVER_PROGRAM_BACKUP_MOMENT_H
#define SERVER_PROGRAM_BACKUP_MOMENT_H

#include "server/program/backup_depot.h"

struct backup_moment {
    struct depot *depot;
    const struct backup_manifest *before; /* not later than the moment; NULL: there is none */
    const struct backup_manifest *after;  /* not earlier */
    int64_t time_ns;
};

/* Writes the files of all logs below `path`. False: the depot's error says what is not known any
 * more, or could not be written. */
bool backup_moment_write(const struct backup_moment *moment, const char *path);

#endif
