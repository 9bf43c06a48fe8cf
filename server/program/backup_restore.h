/*
 * backup_restore: a data directory made anew from a backup (docs/backup.md): verified byte by byte
 * while it is written, read through as `millrace check` does, and only then given its name.
 * Blocking.
 */
#ifndef SERVER_PROGRAM_BACKUP_RESTORE_H
#define SERVER_PROGRAM_BACKUP_RESTORE_H

#include "server/program/backup_depot.h"

struct backup_restore {
    uint64_t number;   /* of the backup; 0: as it was at: */
    int64_t time_ns;   /* this log time */
    bool damaged;      /* also from one that is not whole, and what check finds does not matter */
    bool alone;        /* also one of a cluster's member: it becomes a server of its own */
    unsigned problems; /* that it found */
    void (*problem)(const char *path, const char *text);
};

/* Makes `dir`/millrace, which must not be there. False: the depot's error says why, and it is not
 * there. */
bool backup_restore(struct depot *depot, struct backup_restore *restore, const char *dir);
/* Every file of every backup; false: something is damaged or missing; `problem` hears of it. */
bool backup_verify(struct depot *depot, uint64_t number, void (*problem)(const char *text));

#endif
