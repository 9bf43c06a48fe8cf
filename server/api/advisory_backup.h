/* advisory_backup: the events of backups and restores (reference streams 10). */
#ifndef SERVER_API_ADVISORY_BACKUP_H
#define SERVER_API_ADVISORY_BACKUP_H

#include "server/api/advisory.h"
#include "server/api/request.h"

enum backup_event_kind {
    BACKUP_SNAPSHOT_CREATE,   /* with the stream's state */
    BACKUP_SNAPSHOT_COMPLETE, /* with start and end */
    BACKUP_RESTORE_CREATE,
    BACKUP_RESTORE_COMPLETE, /* with start, end and bytes */
};
struct backup_event {
    enum backup_event_kind kind;
    struct bytes stream; /* its name */
    struct bytes client; /* who asked, as advisory_client wrote it */
    int64_t start_ns;
    uint64_t bytes;
    struct stream *of; /* SNAPSHOT_CREATE */
};

/* If anybody listens. */
void advise_backup(struct jetstream *jetstream, struct account *account,
                   const struct backup_event *event);

#endif
