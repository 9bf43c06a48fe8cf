/* backup_log: one log's part in a backup (backup_take.c): which of its files it needs, which of
 * these an earlier backup has, and copies of the rest, verified. */
#ifndef SERVER_PROGRAM_BACKUP_LOG_H
#define SERVER_PROGRAM_BACKUP_LOG_H

#include "server/program/backup_source.h"
#include "server/program/backup_take.h"

struct backup_log {
    const struct source *source;
    struct depot *depot;
    const struct backup_manifest *prior; /* the backup before this one */
    struct backup_manifest *manifest;    /* what is made */
    struct backup_told *told;
    int64_t time_ns; /* nothing later; INT64_MAX: all that is there */
};

/* SOURCE_REFUSED: the depot's error says why. What cannot be read is copied as it is and said in
 * the manifest. */
enum source_result backup_log(struct backup_log *copy, const struct source_log *log);

#endif
