/*
 * consumer_file: the files obs/<consumer>/o.dat of a backup: where a consumer stands, as
 * nats-server 2.14 stores it. Pure; what is read is hostile.
 */
#ifndef SERVER_BACKUP_CONSUMER_FILE_H
#define SERVER_BACKUP_CONSUMER_FILE_H

#include "consumers/portable.h"

/* Times are cut to seconds. `snapshot_last` is not in it. False at the buffer's limit. */
bool consumer_file_write(const struct portable *portable, struct buf *out);

/*
 * Entries come in any order there; here they rise. Those for which `keep` says no are left out, as
 * are those at or below the ack floor. *portable is to be deinited, also after a failure. False: it
 * makes no sense, or is of a version that is not known.
 */
bool consumer_file_read(struct bytes in, bool (*keep)(void *owner, uint64_t sequence), void *owner,
                        struct portable *portable);

#endif
