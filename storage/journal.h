/*
 * journal: one write per loop turn makes the small batches of all logs durable. A redo log of
 * segment bytes: nothing reads it but recovery (storage/redo.h), so a journal file may be written
 * over as soon as all segments its records cover have been synced.
 *
 * Records gather in one piece of aligned memory while the one before is being written. Files are
 * zero-filled, written from their beginning to their end, and reused in any order. The first is
 * small, and so is the second as long as few segments are written: they are synced quickly, and a
 * file's zeros cost as much as its records. A worker makes further ones while the current one is
 * filling. On a disk that is scarce
 * there are two, and small ones: what finds no room has its segment's own sync. A third is made if
 * votes could not be written else.
 *
 * Failure: a file whose write failed takes no more records, and those who waited are told: their
 * batches go on by their segment's own sync. What the file already holds stays good for recovery.
 * Without a usable file the journal takes nothing, and a new file is tried once a second.
 *
 * Votes are in no segment: the file with the newest vote of a log is held (journal_hold) until that
 * is in another one, also (storage/votes.h).
 *
 * What is covered: each segment has a journal_cover, which says in which journal files the only
 * witness of some of its batches may be. A segment whose sync has failed keeps its journal files
 * pinned until the server starts again: recovery then writes their bytes anew, which is the only
 * way to be sure of them.
 */
#ifndef STORAGE_JOURNAL_H
#define STORAGE_JOURNAL_H

#include "base/io.h"
#include "storage/journal_record.h"
#include "storage/journal_wait.h"
#include "storage/reserve.h"

#define JOURNAL_FILES_MAX   8u
#define JOURNAL_PLACES      16u /* more files than the usual ones: if votes hold all of those */
#define JOURNAL_GATHER_MAX  (1u << 20) /* bytes of one record */
#define JOURNAL_FIRST_SIZE  (1u << 20)
#define JOURNAL_SECOND_SIZE (2u << 20) /* while few segments are written */

/* ---- covers ---------------------------------------------------------------------------------- */

/* Bits are journal files. Written by journal.c only. */
struct journal_cover {
    uint16_t flight;  /* of the batch that is being written */
    uint16_t held;    /* of batches written since the last sync began */
    uint16_t syncing; /* of batches that the sync in flight covers */
    bool failed;      /* a sync failed: pinned for the rest of this life */
};

struct journal;

/* The flight's writes have ended, well or not: the journal may have it. */
void journal_cover_keep(struct journal *journal, struct journal_cover *cover);
/* Around a sync of the segment; what is in flight when it begins is not covered by it. */
void journal_cover_sync_begin(struct journal *journal, struct journal_cover *cover);
void journal_cover_sync_end(struct journal *journal, struct journal_cover *cover, bool synced);

/* ---- the journal ---------------------------------------------------------------------------- */

struct journal_options {
    const char *dir; /* borrowed while the journal is open */
    const uint8_t *store_id;
    uint64_t boot;
    uint64_t file_size;
    struct reserve *reserve; /* borrowed likewise; NULL: nothing is kept */
    uint64_t flaws;
    void (*report)(void *context, const char *text);
    void *report_context;
};

struct journal *journal_create(struct io *io, const struct journal_options *options);
/* Start-up: a file that recovery has done with; taken over unless it is one too many (then closed).
 * Returns its place, or -1. */
int journal_add_file(struct journal *journal, struct io_file *file, uint64_t number, uint64_t size);
/* Must be idle. */
void journal_destroy(struct journal *journal);
/* Frees the memory as if the process had died; touches no file. */
void journal_forget(struct journal *journal);

/* Adds bytes to the record being gathered. False: no room, nothing has changed, nobody waits. */
bool journal_add(struct journal *journal, const struct journal_entry *entry,
                 struct journal_wait *wait);
/* Sends what is gathered unless a write is in flight; sees to new files. Once per turn. */
void journal_flush(struct journal *journal);
/* Its files' names are gone, their directory is new: none of them takes anything more. Who waits
 * for what is gathered is told that it is not durable. */
void journal_renew(struct journal *journal);
/* Whether files wait for segments to be synced before they can be reused. */
bool journal_wants_syncs(const struct journal *journal);
bool journal_idle(const struct journal *journal);

/* In its owner; stays put until `done` has run, or the journal is forgotten. */
struct journal_clean {
    /* False: some of it stays until a later start (a file failed). Comes from io_turn. */
    void (*done)(struct journal_clean *clean, bool clean_now);
    struct journal_clean *next;
};
/*
 * What was written to the journal so far is written over with zeros: each file when all that it
 * covers is synced and nothing in it is held. A file that takes no more records, and is not needed,
 * is removed. Those who ask meanwhile wait for the next round.
 */
void journal_clean(struct journal *journal, struct journal_clean *clean);

/* The file at `place` has what is nowhere else, once more or once less. */
void journal_hold(struct journal *journal, int place);
void journal_release(struct journal *journal, int place);
/* A place whose file is wanted and only held, or -1. */
int journal_blocked(const struct journal *journal);
/* journal_add would refuse the smallest entry, and nothing is under way that could change it. */
bool journal_hopeless(const struct journal *journal);

#endif
