/*
 * log: the batches of one stream (or of the metadata group): positions written once, chained
 * content, recovery that tells torn from damaged. docs/formats.md has the bytes.
 *
 * A log belongs to a store, one per shard, which owns the journal, the data directory and the
 * worker-made segments. Progress is three indexes, none ever ahead of the one before:
 *
 *     appended   sealed by the owner; being written
 *     durable    on this disk, by the segment's sync or by the journal; contiguous
 *
 * One batch of a log is in flight at a time. What arrives meanwhile gathers in the next one: that
 * is the group commit. Logs of one shard share journal writes.
 *
 * Failure: when a write or sync fails the log ends its file at the last durable batch and tries the
 * batch in a new file once. If that fails too, `failed` is called: the batch never happened, its
 * index is free again, and the log takes new batches (each of which may fail the same way). A full
 * disk is `failed` at once: space is allocated before anything is written. A failed journal write
 * costs only time: the batch waits for its segment's sync.
 *
 * When the background sync of a segment fails, what is durable stays so: the journal holds it and
 * keeps it until the next start, or until the log is opened again, whose redo writes it anew. Until
 * then a read of those batches may find that the kernel has dropped them: their records are then
 * unsound (record_read), never other records.
 */
#ifndef STORAGE_LOG_H
#define STORAGE_LOG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"

struct store;
struct log;

struct log_hash {
    uint8_t at[16];
};

/* Where a record is: file ordinal within the log << 32 | offset. Valid while this log is open. */
typedef uint64_t log_place;

/* A batch as its readers see it; views are good during the call that hands it out. */
struct log_batch {
    uint64_t index;
    uint64_t term;
    int64_t time_ns;
    uint32_t record_count;
    struct bytes records;    /* verified; walk with record_peek */
    log_place records_place; /* of the first record; the others follow by their sizes */
    struct log_hash hash;    /* of the content */
};

/* ---- the store ------------------------------------------------------------------------------- */

struct store_options {
    uint64_t segment_size;      /* roll beyond; default 64 MiB (0) */
    uint64_t journal_file_size; /* default 16 MiB (0); the first file starts smaller and grows */
    uint32_t
        journal_batch_max; /* larger batches are synced in their segment; default 128 KiB (0) */
    uint64_t flaws;        /* seeded bugs for the simulator (storage/flaws.h); 0 in real life */
    /* Told what an operator should know (a failed sync, a journal that cannot grow); may be NULL.
     */
    void (*report)(void *context, const char *text);
    void *report_context;
};

/* What went wrong, in a sentence for the log: path, reason, what to do. */
struct store_error {
    char text[400];
};

/*
 * Opens or makes the data directory `dir` (a path in io): lock, node file, journal replayed into
 * the segments and these synced. Blocking: start-up only. ERR_BUSY     another server holds it.
 * ERR_VERSION   written by a newer format: untouched. ERR_ACCESS, ERR_IO, ERR_NO_SPACE, ERR_CORRUPT
 * (node file damaged): *error says more.
 */
enum err store_open(struct io *io, const char *dir, const struct store_options *options,
                    struct store **store, struct store_error *error);
/* Logs must be closed and the store idle. Clean: syncs nothing that recovery would not do. */
void store_close(struct store *store);
/* Frees the memory of the store and its logs as if the process had died; touches no file. For
 * simulations, after the io's node has crashed. */
void store_forget(struct store *store);
const uint8_t *store_id(const struct store *store); /* 16 bytes */
uint64_t store_boot(const struct store *store);
struct io *store_io(const struct store *store);
/* Log ids present on disk. On failure some may have been told: absence means nothing then. */
enum err store_list(struct store *store, void (*found)(void *context, uint64_t log_id),
                    void *context);
/* Moves a log's directory to quarantine/. Blocking. ERR_BUSY: open, or not yet done after log_close
 * (turn until store_idle). ERR_NOT_FOUND. ERR_EXISTS: a log of that id is there already. */
enum err store_quarantine(struct store *store, uint64_t log_id);
/* Removes a closed log, on a worker; its id can be used again after `done`. From then on the log is
 * gone even if the server stops half way. ERR_NOT_FOUND, ERR_IO (still there, or gone after the
 * next start). */
void store_remove(struct store *store, uint64_t log_id, void (*done)(void *context, enum err err),
                  void *context);
/* Sends what this turn sealed: segment writes and one journal write. Called once per turn, last. */
void store_flush(struct store *store);
/* Nothing in flight or gathered: after a shutdown's last flush, turn until idle. */
bool store_idle(const struct store *store);

/* ---- logs ------------------------------------------------------------------------------------ */

struct log_events {
    /* `batch` (index = durable + 1) is on disk; `durable` has moved. */
    void (*durable)(void *owner, const struct log_batch *batch);
    /* The batch in flight failed for good; see the top. After a crash it may be found all the same,
     * as any batch that was sealed and not reported durable. */
    void (*failed)(void *owner, enum err err);
};

struct log_recovery {
    /* Every good batch, in order. Called from log_open, before anything is synced: apply only state
     * that can be thrown away until log_open returns OK. */
    void (*batch)(void *context, const struct log_batch *batch);
    /* Indexes first..last are damaged; the log goes on after them. */
    void (*lost)(void *context, uint64_t first, uint64_t last, uint64_t bytes);
    void *context;
};

/* A new log; its directory and first segment are on disk when it returns. Blocking (worker-safe
 * use: log_prepare on a worker, then log_open). ERR_EXISTS; what a crash left of an earlier call
 * does not exist and is completed. */
enum err log_prepare(struct store *store, uint64_t log_id, const uint8_t incarnation[16]);
/* Recovers and syncs. Blocking. ERR_NOT_FOUND: no such log. ERR_CORRUPT: no segment tells which log
 * it is of. ERR_VERSION: newer format; nothing was changed. ERR_BUSY: open, or not yet done after
 * log_close. On failure `recovery` may have been called. */
enum err log_open(struct store *store, uint64_t log_id, const struct log_recovery *recovery,
                  const struct log_events *events, void *owner, struct log **log);
/* Drops what is not durable (a later recovery may still find it); nothing is called any more. May
 * be called from `durable` and `failed`. Its files are synced and closed in later turns
 * (store_idle). */
void log_close(struct log *log);

const uint8_t *log_incarnation(const struct log *log);
uint64_t log_appended(const struct log *log);
uint64_t log_durable(const struct log *log);
uint64_t log_term_last(const struct log *log); /* term of the newest batch, 0 if none */
uint64_t log_bytes(const struct log *log);     /* on disk, allocated */

/* The batch being built: add records with record_begin/record_end, nothing else. It begins with
 * LOG_GATHER_HEAD bytes that are the log's own, so that sealing copies nothing. Its limit is the
 * largest batch. */
#define LOG_GATHER_HEAD 136u
struct buf *log_gather(struct log *log);
/* Bytes of records gathered; does not take a buffer as log_gather does. */
size_t log_gathered(const struct log *log);
/* Forgets what is gathered: after `failed`, when it was decided on top of what did not happen. */
void log_gather_drop(struct log *log);
/* True when a gathered batch could be sealed now (none in flight, no new file being made). */
bool log_ready(const struct log *log);
/* Seals the gathered batch as index appended + 1; store_flush sends it. Needs log_ready and at
 * least one record. Returns the index. */
uint64_t log_seal(struct log *log, uint64_t term, int64_t time_ns, uint32_t record_count);

/* Where a record that begins at `offset` of the gathered batch's buffer will be is known only when
 * it is durable: records_place + offset - LOG_GATHER_HEAD. */

/* Reads `size` bytes at `place` (from durable batches only) if they are in memory: a count,
 * possibly short at the end of what is written, or -EAGAIN, or a negative errno. */
int64_t log_read_now(struct log *log, log_place place, void *at, size_t size);
/* Embedded in who waits; it and the memory stay put until `done`. */
struct log_read {
    void (*done)(struct log_read *read, int64_t result);

    /* private */
    struct io_op op;
    struct io *io;
    struct io_file *file;
    uint64_t offset;
    uint8_t *at;
    size_t size;
    size_t count; /* so far: the system may read a part at a time */
};
/* The same, waiting: a count, short only at the end of what is written, or a negative errno. The
 * log must stay open until done. */
void log_read(struct log *log, struct log_read *read, log_place place, void *at, size_t size);

#endif
