/* backup_file: what backups and restores ask of the system: files that are on the disk when it
 * says so, directories with all that is in them. Blocking. */
#ifndef SERVER_PROGRAM_BACKUP_FILE_H
#define SERVER_PROGRAM_BACKUP_FILE_H

#include "base/bytes.h"

/* A file that was not there, synced; its name is not. Missing directories below `root` are made.
 * False: errno says why. */
bool backup_file_write(const char *root, const char *name, struct bytes bytes);
/* Syncs every directory from `path` downwards. */
bool backup_file_sync_tree(const char *path);
bool backup_file_sync_directory(const char *path);
/* Of a regular file; false: it is none, or not there (errno). */
bool backup_file_size(const char *path, uint64_t *size);
bool backup_file_sync_parent(const char *path); /* of what holds that name */
/* All of it; what is not there is fine. */
bool backup_file_remove_tree(const char *path);
/* True also if it is not there. */
bool backup_file_empty_directory(const char *path);

#endif
