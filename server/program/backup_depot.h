/*
 * backup_depot: a directory of backups. Each backup is a directory named by its number that holds
 * its manifest and the files that no earlier one has; it is there, whole and on the disk, or not at
 * all:
 *
 *     DEPOT/millrace-backups         held (flock) by who writes
 *     DEPOT/<number>/manifest        docs/backup.md
 *     DEPOT/<number>/logs/...        as they stand below a data directory
 *     DEPOT/<number>.new/            one that was not finished; the next one removes it
 *
 * Blocking.
 */
#ifndef SERVER_PROGRAM_BACKUP_DEPOT_H
#define SERVER_PROGRAM_BACKUP_DEPOT_H

#include "server/program/backup_manifest.h"

#define DEPOT_PATH_MAX 4096u

struct depot {
    char dir[DEPOT_PATH_MAX / 2];
    int held;          /* the lock's file; -1: none */
    uint64_t *numbers; /* of the backups, rising */
    size_t count;
    uint64_t number; /* of the one that is being made; 0: none is */
    char *error;     /* the caller's, of error_size: why something was refused */
    size_t error_size;
};

/* `make`: it is made if it is not there, and held against other writers. False: *error says why,
 * and nothing is open. */
bool depot_open(struct depot *depot, const char *dir, bool make, char *error, size_t error_size);
void depot_close(struct depot *depot); /* an unfinished backup goes */

/* Is that one of `numbers`? False: *error says so. */
bool depot_has(const struct depot *depot, uint64_t number);
/* One of `numbers`; to be freed in any case. */
bool depot_manifest(const struct depot *depot, uint64_t number, struct backup_manifest *manifest);
/* All bytes of a file of a manifest, whose checksum is right. */
bool depot_read(const struct depot *depot, const struct backup_file *file, struct buf *out);
/* Its path, which is there as long as the backup is. */
void depot_path(const struct depot *depot, const struct backup_file *file,
                char out[DEPOT_PATH_MAX]);

/* A new backup; one at a time. */
bool depot_begin(struct depot *depot);
/* Writes a file of it and has it on the disk; size, hash and `from` are filled in. */
bool depot_write(struct depot *depot, struct bytes bytes, struct backup_file *file);
/* It is there from now on. */
bool depot_commit(struct depot *depot, const struct backup_manifest *manifest);
void depot_abandon(struct depot *depot);

#endif
