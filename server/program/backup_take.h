/*
 * backup_take: one backup of a data directory into a depot: what the last one has is not read
 * again, the rest is verified while it is copied (docs/backup.md). Blocking.
 */
#ifndef SERVER_PROGRAM_BACKUP_TAKE_H
#define SERVER_PROGRAM_BACKUP_TAKE_H

#include "server/program/backup_depot.h"

enum backup_result {
    BACKUP_WHOLE,
    BACKUP_DAMAGED, /* it is there, and says what could not be read */
    BACKUP_REFUSED, /* there is none: the depot's error says why */
};

struct backup_told {
    uint64_t stored_files, stored_bytes; /* by this one */
};

/* `dir` is the store itself. *manifest is what was made; to be freed in any case. */
enum backup_result backup_take(struct depot *depot, const char *dir,
                               struct backup_manifest *manifest, struct backup_told *told);

#endif
