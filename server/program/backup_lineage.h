/*
 * backup_lineage: the file that a restore leaves in a data directory (docs/backup.md): which life
 * of the data goes on there. Such a directory has the identity of the one that was backed up, so it
 * stands alone: a server that finds it takes part in no cluster.
 */
#ifndef SERVER_PROGRAM_BACKUP_LINEAGE_H
#define SERVER_PROGRAM_BACKUP_LINEAGE_H

#include <stdbool.h>
#include <stdint.h>

/* Zeros: it was not restored. False: there is one that cannot be read. */
bool backup_lineage_read(const char *store_dir, uint8_t lineage[16]);
bool backup_lineage_write(const char *store_dir, const uint8_t lineage[16]);

#endif
