/*
 * log_file: one open segment of a log: where its next batch goes, and its syncs. At most one sync
 * is in flight per file. A sync that fails condemns the file: nothing is written to it any more,
 * and no later sync of it is believed.
 */
#ifndef STORAGE_LOG_FILE_H
#define STORAGE_LOG_FILE_H

#include "base/io.h"
#include "storage/journal.h"
#include "storage/segment.h"

struct store;
struct log;
struct memory_file;
struct pack;

struct log_file {
    struct log *log;
    struct io_file *file;       /* NULL: it is in memory */
    struct memory_file *memory; /* NULL: it is on a disk */
    struct pack *pack;          /* NULL: as it was written; else `file` is this one's */
    uint64_t id;
    uint64_t base;  /* as its header says */
    uint64_t first; /* indexes of the batches in it that count; 0: none */
    uint64_t last;
    uint64_t end;    /* behind the last durable batch */
    uint64_t placed; /* behind the last byte ever handed to a write: a position is written once */
    uint64_t allocated; /* size of the file */
    uint64_t raw;       /* packed: of what it was */
    uint32_t reads;     /* waiting ones under way */
    uint32_t queued;    /* of these, those of replays of which nothing is on its way (gentle.h) */
    int64_t yield_ns; /* until then those stay where they are: a packed file is to take its place */
    struct journal_cover cover;
    struct io_op sync;
    struct log_file *dirty_next;
    bool dirty;      /* in the store's list of files to sync */
    bool syncing;    /* until its end has been taken note of */
    bool background; /* the sync in flight is the store's */
    bool packing;    /* it is read for a packed one in its place */
    bool unpackable; /* that does not pay, or does not work, in this life */
    bool condemned;
    bool cut;   /* its last batches were, and `end` is behind them: file_end.h */
    bool ended; /* a file after it has been begun, which may name this end even if its making failed
                 */
};

/* Nothing is on its way from the file as it stands. False: replays give way for `wait_ns`. */
bool log_file_unread(struct log_file *file, int64_t wait_ns);

/* Takes the one of the two that is not NULL. */
struct log_file *log_file_create(struct log *log, struct io_file *file, struct memory_file *memory,
                                 uint64_t id);
/* Closes the file; no operation may be in flight. */
void log_file_destroy(struct log_file *file);
/* Frees the memory as if the process had died; NULL: nothing. */
void log_file_forget(struct log_file *file);

/* The batch `index` in it counts. */
void log_file_extend(struct log_file *file, uint64_t index);
/* Those above `index` do not. */
void log_file_cut(struct log_file *file, uint64_t index);

/* Its cover holds something: the store will sync it when the journal wants it. */
void log_file_dirty(struct log_file *file);
/* Starts a sync; none may be in flight. The log hears log_sync_ended. */
void log_file_sync(struct log_file *file, bool background);
/* A file that is written to no more: is all of it on the disk? If not, a sync is on its way, unless
 * it is condemned. Until then what is read of it may be something else: a sync that fails drops
 * pages, and what was on the disk before is read. */
bool log_file_settled(struct log_file *file);

/*
 * A new segment, made on a worker or in a blocking call: created, its space allocated, its header
 * and its directory synced. On failure nothing is open and the file is removed if that is possible;
 * what may be left has no batch and its id is not used again. With a first batch it gets its name
 * when it is on the disk: it is there whole or not at all.
 */
struct segment_make {
    struct io_work work;
    struct store *store;
    struct log *log;
    struct segment_header header;
    uint64_t space;
    struct bytes first; /* what stands behind the header, or empty */
    /* The file before, to give back the space behind its end; NULL: leave it. */
    struct io_file *trim;
    uint64_t trim_size;
    uint32_t remakes; /* of the store, when it began */

    struct io_file *file; /* OK: open, the caller's */
    enum err err;
};

void segment_make(struct segment_make *make, struct io *io);

/*
 * The same in parts, for many that share their syncs: what is to be on the disk is written; the
 * caller syncs `file` and says how that went, and it gets its name; the caller syncs the directory.
 */
void segment_make_begin(struct segment_make *make, struct io *io);
void segment_make_named(struct segment_make *make, struct io *io, enum err synced);

#endif
