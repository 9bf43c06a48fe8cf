/*
 * removal: takes a log's directory away, on a worker. It is renamed first: a log is there whole or
 * not at all, and what a crash leaves of a renamed one is removed at the next start.
 */
#ifndef STORAGE_REMOVAL_H
#define STORAGE_REMOVAL_H

#include "storage/store.h"

/* `done` comes from io_turn. */
void removal_start(struct store *store, uint64_t log_id, void (*done)(void *context, enum err err),
                   void *context);
/* Start-up, blocking: completes what was cut short. */
enum err removals_complete(struct store *store);
/* Frees those under way as if the process had died. */
void removals_forget(struct store *store);

#endif
