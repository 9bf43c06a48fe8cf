/*
 * resolver_files: a directory of account JWTs, as the resolver sees it: one file for each, named by
 * its public key and ".jwt". The real one is server/program/resolver_dir.h. All calls block.
 *
 * A name is a public key of an account (nkey.h) and nothing else, so none leads out of the
 * directory; what stands there and is no plain file of such a name, or is too large, is left alone.
 */
#ifndef SERVER_RESOLVER_RESOLVER_FILES_H
#define SERVER_RESOLVER_RESOLVER_FILES_H

#include "base/bytes.h"

#define RESOLVER_REASON_SIZE 256u

struct resolver_dir;

typedef void resolver_found_fn(void *owner, struct bytes name, struct bytes token);

struct resolver_files {
    /* Makes the directory when it is not there; what writes left that were cut short goes. NULL:
     * `reason` says why not. */
    struct resolver_dir *(*open)(const char *path, char reason[static RESOLVER_REASON_SIZE]);
    void (*close)(struct resolver_dir *dir);
    /* Calls `found` for each, in no order. */
    bool (*list)(struct resolver_dir *dir, resolver_found_fn *found, void *owner,
                 char reason[static RESOLVER_REASON_SIZE]);
    /* From a worker, one at a time. The old content or the new one is there, whatever happens; the
     * new one is on the disk after the next sync. False: nothing has changed. */
    bool (*write)(struct resolver_dir *dir, struct bytes name, struct bytes token,
                  char reason[static RESOLVER_REASON_SIZE]);
    /* The same; with `keep` it is only renamed. One that is not there is removed. */
    bool (*remove)(struct resolver_dir *dir, struct bytes name, bool keep,
                   char reason[static RESOLVER_REASON_SIZE]);
    /* The names of all that was written and removed are on the disk. */
    bool (*sync)(struct resolver_dir *dir, char reason[static RESOLVER_REASON_SIZE]);
};

#endif
