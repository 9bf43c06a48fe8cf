/*
 * log: the batches of one stream (or of the metadata group): positions written once, chained
 * content, recovery that tells torn from damaged. docs/formats.md has the bytes.
 *
 * A log belongs to a store, one per shard, which owns the journal, the data directory and the
 * worker-made segments. Progress is two indexes, the second never ahead of the first:
 *
 *     appended   sealed here or taken from elsewhere; waits or is being written
 *     durable    on this disk, by the segment's sync or by the journal; contiguous
 *
 * Who decides seals (log_gather, log_seal): what arrives while a batch is on its way gathers in the
 * next one, that is the group commit. Who follows appends contents sealed elsewhere (log_append).
 * Batches that wait are written together, one write at a time; large ones also while the sync of
 * those before them is under way (docs/flights.md). Logs of one shard share journal writes.
 *
 * What was appended can be taken back (log_cut), also what is durable: the log goes on in a new
 * file that names the cut. A crash leaves what was before the cut or the cut, and only the cut
 * once something behind it was reported durable.
 *
 * Failure: when a write or sync fails the log ends its file at the last durable batch and tries
 * what was written in a new file once. If that fails too, `failed` is called: nothing above durable
 * ever happened, the indexes are free again, and the log takes new batches (each of which may fail
 * the same way). A full disk is `failed` at once: space is allocated before anything is written. A
 * failed journal write costs only time: the batches wait for their segment's sync.
 *
 * When the background sync of a segment fails, what is durable stays so: the journal holds it and
 * keeps it until the next start. It is written to the segment anew at once, again until the disk
 * takes it; for so long a read of those batches may find that the kernel has dropped them: their
 * records are then unsound (record_read), never other records.
 */
#ifndef STORAGE_LOG_H
#define STORAGE_LOG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/guard.h"
#include "base/io.h"
#include "storage/content.h"
#include "storage/journal_wait.h"

struct store;
struct votes;
struct log;
struct log_file;

/* Where a record is: file ordinal within the log << 32 | offset. Valid while this log is open. */
typedef uint64_t log_place;

/* A batch as its readers see it; views are good during the call that hands it out. */
struct log_batch {
    uint64_t index;
    uint64_t term;
    int64_t time_ns;
    uint32_t record_count;
    struct bytes content;    /* verified; the same on all replicas, what log_append takes */
    struct bytes records;    /* the end of it; walk with record_peek */
    log_place records_place; /* of the first record; the others follow by their sizes */
    struct log_hash hash;    /* of the content */
    uint64_t committed;      /* recovery: the highest index known so far to be committed */
    bool below;              /* recovery: its effects are in the block that was handed out */
};

/* A file that is not there, in a log_place: a read of it finds nothing. */
#define LOG_FILE_NONE UINT32_MAX

/* A state block as recovery hands it out; views are good during the call. */
struct log_block {
    uint64_t index; /* everything up to that batch is in it */
    uint64_t term;
    struct log_hash hash;
    struct bytes body;
    struct bytes local;
    uint64_t stored; /* bytes that both take on the disk */
    uint64_t work;   /* about so much of it is to be taken in this call; UINT64_MAX: all */
    const struct log_block_files *files; /* for log_block_ordinal */
};

/* The ordinal (log_place) that a file, named by its id, has in the log that is being opened;
 * LOG_FILE_NONE: it is not there. */
uint32_t log_block_ordinal(const struct log_block *block, uint64_t file_id);

/* ---- the store ------------------------------------------------------------------------------- */

struct store_options {
    uint64_t segment_size;      /* roll beyond; default 64 MiB (0) */
    uint64_t journal_file_size; /* default 16 MiB (0); the first file starts smaller and grows */
    uint32_t journal_batch_max; /* larger batches are synced in their segment, and those above a
                                   quarter of it in a stream of such; default 128 KiB (0) */
    uint32_t ahead_min; /* so many bytes that wait are written while a segment's sync is under way;
                           default 512 KiB (0) */
    uint64_t reserve; /* bytes of the disk that publishes leave: storage/reserve.h; 0: its default,
                         UINT64_MAX: none */
    const char
        *owner;     /* the member of a cluster that opens it: no other one has. NULL: none does */
    uint64_t flaws; /* seeded bugs for the simulator (storage/flaws.h); 0 in real life */
    /* Told what an operator should know (a failed sync, a journal that cannot grow); may be NULL.
     */
    void (*report)(void *context, const char *text);
    void *report_context;
    /* A further lane, by its number, of the store that is open in the directory above (store_lane);
     * NULL: it is none. */
    const struct store *home;
    unsigned lane;
};

/* What went wrong, in a sentence for the log: path, reason, what to do. */
struct store_error {
    char text[640];
};

/*
 * Opens or makes the data directory `dir` (a path in io): lock, node file, journal replayed into
 * the segments and these synced. Blocking: start-up only. ERR_BUSY     another server holds it.
 * ERR_INVALID   it is another member's: untouched. ERR_VERSION   written by a newer format:
 * untouched. ERR_ACCESS, ERR_IO, ERR_NO_SPACE, ERR_CORRUPT (node file damaged): *error says more.
 */
enum err store_open(struct io *io, const char *dir, const struct store_options *options,
                    struct store **store, struct store_error *error);

#define STORE_LANES_MAX 31u

/*
 * A lane is a store of its own below another one, its home: other threads' logs (docs/shards.md).
 * What it is called follows from its home; no log of one is in another. As store_open, on a loop of
 * its own or home's, with the options of its home; `number` from 1. ERR_CORRUPT: home knows of the
 * lane, and it is not there, or another's.
 */
enum err store_lane(const struct store *home, struct io *io, unsigned number, struct store **store,
                    struct store_error *error);
/* How many further lanes there are to open. */
unsigned store_lanes(const struct store *home);
/* The same of a store that is not open; 0, too, if that cannot be read. Blocking. */
unsigned store_lanes_of(struct io *io, const char *dir);
/* There are so many now, all open, and none of them has a log that home does not know of: from then
 * on versions that do not know lanes leave the directory alone. Blocking. */
enum err store_lanes_set(struct store *home, unsigned count);

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
/* May so much be published, for what the disk has? It counts as taken. What frees space, or tells
 * how far somebody is, is not asked for: space is kept for it. */
bool store_admits(struct store *store, uint64_t size);
struct store_space {
    uint64_t available, kept; /* bytes */
    bool scarce;              /* store_admits says no */
};
struct store_space store_space(const struct store *store);
/* How long writes took until their batches were on the disk. */
const struct latency *store_durable_latency(const struct store *store);
/* Nothing in flight or gathered: after a shutdown's last flush, turn until idle. */
bool store_idle(const struct store *store);

/* ---- votes ----------------------------------------------------------------------------------- */

/* What a replica has promised in a term, and what it knows of its disk. */
struct store_vote {
    uint64_t term;
    uint64_t node; /* voted for; 0: for nobody yet */
    uint64_t incarnation;
    uint64_t damaged;                 /* highest index that this disk once had and lost, 0: none */
#define STORE_DAMAGED_ALL  UINT64_MAX /* the log is in memory: all of it */
#define STORE_DAMAGED_ANEW (UINT64_MAX - 1) /* the log was given up, and is made once more */
};

/* In its owner; stays put until `done` has run. The first three are the owner's. */
struct store_vote_op {
    uint64_t log_id;
    struct store_vote vote;
    /* OK: it is on the disk and replaces the one before. ERR_IO: the journal does not take it (a
     * failed write, or no usable file); it may be found after a crash all the same. Comes from
     * io_turn. */
    void (*done)(struct store_vote_op *op, enum err err);

    struct votes *votes;
    struct store_vote_op *next;
    struct journal_wait wait;
};

/* Written with the turn's journal write; those of one log become durable in order. */
void store_vote(struct store *store, struct store_vote_op *op);
/* The newest durable one of a log; false: there is none. A log that is removed takes its own along.
 */
bool store_vote_found(const struct store *store, uint64_t log_id, struct store_vote *vote);
/* Forgets the votes of logs in memory, or to be made anew, that are not known. Those of others that
 * should be on the disk and are not have gone when the store was opened. */
void store_votes_select(struct store *store, bool (*known)(void *context, uint64_t log_id),
                        void *context);

/* ---- logs ------------------------------------------------------------------------------------ */

struct log_events {
    /* `batch` is on disk; `durable` has moved to it, by one. */
    void (*durable)(void *owner, const struct log_batch *batch);
    /* The batches above `durable` failed for good; see the top. After a crash they may be found all
     * the same, as any that were appended and not reported durable. */
    void (*failed)(void *owner, enum err err);
};

struct log_recovery {
    /* Every good batch, in order. Called from log_open, before anything is synced: apply only state
     * that can be thrown away until log_open returns OK. */
    void (*batch)(void *context, const struct log_batch *batch);
    /* Indexes first..last are damaged; the log goes on after them. */
    void (*lost)(void *context, uint64_t first, uint64_t last, uint64_t bytes);
    void *context;
    /* The newest good state block, before any batch. ERR_AGAIN: it has taken a part of it, and is
     * called again with the same. Else, unless it is OK: the owner cannot read it, and nothing has
     * changed; then it is passed over, as one that is damaged. NULL: there are none for this owner.
     */
    enum err (*block)(void *context, const struct log_block *block);
    /* Indexes first..last, at or below the block's, stood in files that are not there any more.
     * NULL: told as lost. */
    void (*gone)(void *context, uint64_t first, uint64_t last);
    /* Indexes first..last, at or below the block's, stand in files that have nothing above it, or
     * before what is above it in theirs: they are not read now. NULL: all is read. */
    void (*unread)(void *context, uint64_t first, uint64_t last);
    /* Its newest file is shorter than it ever was made: batches behind the last one told, nobody
     * knows how many, are gone, durable ones maybe among them. After all others, and at each start
     * until another file follows (log_end_say). NULL: all the same to this owner. */
    void (*cut_short)(void *context);
    /* No block can be read, and what it began with was removed. True: others have it, and all
     * before the first index that is there is told as lost. False, or NULL: log_open says
     * ERR_CORRUPT. */
    bool (*blocks_lost)(void *context);
};

/* A new log; its directory and first segment are on disk when it returns. `bootstrap`: the content
 * of index 1, which is then durable and committed (batch_begin, batch_seal make one), or empty.
 * Blocking (worker-safe use: log_prepare on a worker, then log_open). ERR_EXISTS; what a crash left
 * of an earlier call does not exist and is completed: a log is there with its bootstrap or not at
 * all. ERR_CORRUPT: the bootstrap is not a content of index 1 of that incarnation. */
enum err log_prepare(struct store *store, uint64_t log_id, const uint8_t incarnation[16],
                     struct bytes bootstrap);
/* The same of several, which share their syncs; each has its own result. */
struct log_preparing {
    uint64_t id;
    uint8_t incarnation[16];
    struct bytes bootstrap;
    struct bytes second; /* content of index 2, term 1, that follows the bootstrap; or empty */
    enum err err;        /* as log_prepare returns it */
};
void log_prepare_all(struct store *store, struct log_preparing *const *logs, size_t count);
/* log_prepare has just said OK of that log, in this process: when it is opened next, nothing of it
 * needs a sync. Of one log at a time. */
void log_prepared(struct store *store, uint64_t log_id);

/*
 * A new log that is held in memory: everything below is the same for it, but nothing of it outlives
 * the process, or log_close. What is appended is "durable" in the next turn of the io, and nothing
 * fails. Not blocking, never on a worker. ERR_EXISTS: one of that id is made or open. ERR_CORRUPT
 * as above.
 */
enum err log_make_memory(struct store *store, uint64_t log_id, const uint8_t incarnation[16],
                         struct bytes bootstrap);
bool log_in_memory(const struct log *log);
/* Is one of that id made and not yet open? */
bool log_made_in_memory(const struct store *store, uint64_t log_id);
/*
 * For a start: what log_open has to sync from here on is put off until store_settle, which syncs
 * all of it at once. Blocking. Until that has returned nothing is told to anybody, and no turn
 * ends. `failed` is told of each log that cannot be relied on; it is to be closed. Logs of which
 * nothing was put off are as good as ever.
 */
void store_settle_later(struct store *store);
/* The newest state block's bytes on the disk, of a log that is not open; 0: it has none that can be
 * looked at. Blocking: what opening it will cost. */
uint64_t log_block_bytes(struct store *store, uint64_t log_id);
/* How many files opening it will open, for as long as it is open. Blocking. */
uint64_t log_files_count(struct store *store, uint64_t log_id);
void store_settle(struct store *store, void (*failed)(void *context, uint64_t log_id, enum err err),
                  void *context);
/* Recovers and syncs. Blocking. ERR_NOT_FOUND: no such log. ERR_CORRUPT: no segment tells which log
 * it is of, or its beginning was removed and no state block can be read. ERR_VERSION: newer format;
 * nothing was changed. ERR_BUSY: open, or not yet done after log_close, or after log_opening_end.
 * On failure `recovery` may have been called. */
enum err log_open(struct store *store, uint64_t log_id, const struct log_recovery *recovery,
                  const struct log_events *events, void *owner, struct log **log);
/*
 * The same in steps, with turns of the io between them. The log is closed until the last of them
 * has said OK; until then another life may have it as it was.
 */
struct log_opening;

struct log_pace {
    uint64_t work; /* of a step: about what so many bytes of a log cost, but at least one thing */
    /* The disk is not waited for in a step: workers and the loop read and sync, and this is called
     * from io_turn when it is to go on. NULL: it is. */
    void (*ready)(void *context);
    void *context;
};

/* What `events` points to stays where it is. */
struct log_opening *log_opening_begin(struct store *store, uint64_t log_id,
                                      const struct log_recovery *recovery,
                                      const struct log_events *events, void *owner,
                                      const struct log_pace *pace);
/* ERR_AGAIN: there is more to do; not while it waits. Else as log_open, and the last step. */
enum err log_opening_step(struct log_opening *opening, struct log **log);
bool log_opening_waits(const struct log_opening *opening); /* until `ready` */
/* At any time, also after the last step; nobody is called any more. What is under way on the disk
 * comes to its end (store_idle waits for it), and until then the log is not opened again. */
void log_opening_end(struct log_opening *opening);

/* Drops what is not durable (a later recovery may still find it); nothing is called any more. May
 * be called from `durable` and `failed`. Its files are synced and closed in later turns
 * (store_idle). */
void log_close(struct log *log);

const uint8_t *log_incarnation(const struct log *log);
uint64_t log_appended(const struct log *log);
uint64_t log_durable(const struct log *log);
uint64_t log_term_last(const struct log *log); /* of the batch `appended`, 0 if there is none */
uint64_t log_bytes(const struct log *log);     /* on disk (or in memory), allocated */

/* The highest index known to be committed: as told, or as recovery found it (it may be above what
 * was recovered, never above what once was committed). Batches written from now on say it; it never
 * falls. What is committed is the owner's knowledge, and nothing here waits for it. */
void log_set_committed(struct log *log, uint64_t index);
uint64_t log_committed(const struct log *log);

/* The batch being built: add records with record_begin/record_end, nothing else. It begins with
 * LOG_GATHER_HEAD bytes that are the log's own, so that sealing copies nothing. Its limit is the
 * largest batch. */
#define LOG_GATHER_HEAD 152u
struct buf *log_gather(struct log *log);
/* Bytes of records gathered; does not take a buffer as log_gather does. */
size_t log_gathered(const struct log *log);
/* Forgets what is gathered: after `failed`, when it was decided on top of what did not happen. */
void log_gather_drop(struct log *log);
/* True when all that was appended is durable: the time to seal, later ones gather more. */
bool log_ready(const struct log *log);
/* True when so much is gathered while a large write is on its way that it is better sealed now: it
 * is written while the sync of that one is under way (docs/flights.md). */
bool log_ready_ahead(const struct log *log);
/* Seals the gathered batch as index appended + 1; store_flush sends it. Needs at least one record,
 * a term not below the last one and room (log_append_room; there is room when log_ready). Returns
 * the index; log_content_of has the content at once. */
uint64_t log_seal(struct log *log, uint64_t term, int64_t time_ns, uint32_t record_count);

/* Where a record that begins at `offset` of the gathered batch's buffer will be is known only when
 * it is durable: records_place + offset - LOG_GATHER_HEAD. */

/* ---- a directory that was removed: remake.c -------------------------------------------------- */

/* In its owner; stays put until `done` has run or the store is closed. */
struct store_look {
    void (*done)(struct store_look *look); /* comes from io_turn */
    bool only;                             /* the owner's: nothing is made anew, ERR_NOT_FOUND */
    bool gone;                             /* names of the store were gone */
    enum err err;                          /* OK: they are there, made anew if they were gone */

    /* private */
    struct io_work work;
    struct store *store;
    uint64_t *logs;
    size_t log_count;
};
/*
 * Are the names of the store still there? What somebody has removed under a running server is open
 * and read as before, and is gone with the next start. So then they are made anew: the directories,
 * who this is, the journal, and of each open log a directory and a file that all that follows goes
 * to. A start reads that from a state block on: each owner is to write one soon. What stood in the
 * removed files and no block has is lost then, and told so.
 * Not for one of several replicas: with an empty disk it would come back as who it was, and count
 * and vote as one that has lost nothing. ERR_BUSY: the directory is another server's now; nothing
 * was changed.
 * On a worker; one at a time.
 */
void store_look(struct store *store, struct store_look *look);
void store_look_forget(struct store_look *look); /* `done` will not run any more, if it has not */

/* ---- batches sealed elsewhere, and cuts ------------------------------------------------------ */

#define LOG_WAITING_MAX         (8u << 20) /* bytes of contents above durable */
#define LOG_WAITING_BATCHES_MAX 4096u
#define LOG_CUT_MAX             16384u /* batches that one cut may take back */

/* Bytes of content that can be appended now: any size when nothing waits, 0 when it is full. */
size_t log_append_room(const struct log *log);
/*
 * Appends a content that was sealed elsewhere as index appended + 1; store_flush sends it.
 * Everything in it is checked that can be: the log's incarnation, the index, that it follows the
 * content before (by hash), a term not below, the records' frames and checksums.
 * ERR_CORRUPT   it is not this log's next one.   ERR_FULL   no room.   Nothing has changed.
 * The first copies it; the second keeps it, in addition to its caller.
 */
enum err log_append(struct log *log, struct bytes content);
enum err log_append_content(struct log *log, struct log_content *content);

/* The content of a batch above `durable`, and of the one that is being told by `durable`; NULL for
 * others. The log's: hold it to keep it. */
struct log_content *log_content_of(struct log *log, uint64_t index);

/*
 * Whatever is above `index` never happened: appended is `index`, durable no more than it, and what
 * was on its way is not told. Not below what is committed and durable: the owner vouches; at most
 * LOG_CUT_MAX below appended. A log that has lost something may be cut right before the first lost
 * index, wherever that is above the newest block, to take everything from there on anew. Takes
 * effect on the disk with the next batch. Batches that were read above `index` stay readable at
 * their places while the log is open, until log_erase is called. What is gathered is the owner's
 * affair (log_gather_drop).
 */
void log_cut(struct log *log, uint64_t index);

/*
 * Does a start find another end than the log has now? It finds again what was cut, as long as no
 * batch followed, and that the newest file was cut short (log_recovery.cut_short), as long as no
 * other file follows that one. log_end_say begins such a file, which says where the log ends; a
 * crash leaves what was before or that. Whether it is there, log_end_unsaid tells: a disk that
 * fails or is full has to be asked again.
 */
bool log_end_unsaid(const struct log *log);
void log_end_say(struct log *log);

/* ---- state blocks, the floor, space ---------------------------------------------------------- */

/* In its owner; stays put until `done` has run. All are the owner's but `digested` and `stored`;
 * body and local part are lent and do not change meanwhile. */
struct log_block_op {
    uint64_t index;
    uint64_t term;
    struct log_hash hash; /* of the batch at `index`, as log_batch had it */
    log_place behind;     /* where that batch ends (log_batch_behind); 0: not known */
    struct bytes body;
    struct bytes local;      /* places, by the ids of files (log_file_id) */
    guard_failed *failed[2]; /* storage/block.h */
    uint32_t features;       /* storage/block.h: who does not know them does not read it */
    uint64_t (*digest)(struct bytes body); /* on a worker, before it is written; may be NULL */
    uint64_t digested;                     /* what it said */
    uint64_t stored;                       /* bytes that body and local part take on the disk */
    /* OK: the block is on the disk; the one before it is kept, older ones are not. Else it is not
     * there, or found after a crash all the same. Comes from io_turn, also if the log is closed. */
    void (*done)(struct log_block_op *op, enum err err);
};

/* Writes a block, on a worker. One at a time; `index` is durable, committed and above the newest
 * block's. The owner's body is equal on all replicas. */
void log_block_write(struct log *log, struct log_block_op *op);
/* Behind a durable batch as log_events had it; 0: it is not known. A start from a block of that
 * index reads what else stands in that file from there on. */
log_place log_batch_behind(const struct log_batch *batch);
uint64_t log_block_newest(const struct log *log); /* index; 0: none */
/* What a file is called in a block, of any life: its places' ordinals are of this one. */
uint64_t log_file_id(const struct log *log, uint32_t ordinal);

/* Entries at or below `index` are Raft's no more; at most the newest block's index; never falls.
 * After log_open it is 0 until told. */
void log_floor_set(struct log *log, uint64_t index);
uint64_t log_floor(const struct log *log);

/* A file of the log; `first` 0: nothing in it counts. */
struct log_file_info {
    uint32_t ordinal; /* as in log_place */
    uint64_t first, last;
    uint64_t bytes; /* on the disk */
    uint64_t raw;   /* what stands in it; more than `bytes` when it is packed */
    uint64_t used;  /* of `bytes`: the rest waits to be written */
    bool droppable; /* below the floor, and below the older of two blocks */
};

/* The first file with an ordinal of at least `ordinal`; false: there is none. */
bool log_file_next(const struct log *log, uint32_t ordinal, struct log_file_info *info);
/* Removes a file of which the owner says that nothing in it lives: its places are not read any
 * more. After a crash it may be there again. ERR_NOT_FOUND, ERR_BUSY: it is not droppable, or being
 * read or synced; try later. */
enum err log_file_drop(struct log *log, uint32_t ordinal);
/* ---- records moved together: storage/keep.h ---- */

#define LOG_KEEP_FIRST 0x80000000u /* ordinals of such files begin here */
#define LOG_KEEP_HEAD  4096u       /* their records begin here */

/* In its owner; stays put until `done` has run. The first two are the owner's; the records are lent
 * and do not change meanwhile. */
struct log_keep_op {
    struct bytes records; /* whole records that stand elsewhere in the log, one behind the other */
    /* OK: they stand in the file `ordinal`, too, on the disk. Comes from io_turn, also if the log
     * is closed. */
    void (*done)(struct log_keep_op *op, enum err err);
    uint32_t ordinal;
};

/* Writes such a file, on a worker; one at a time. Where its records were, they stay: a file goes
 * only when no block of the two says that something lives in it. */
void log_keep(struct log *log, struct log_keep_op *op);
bool log_keep_busy(const struct log *log); /* one is being written */
/* As log_file_next and log_file_drop, of these files; the owner alone knows when one may go. */
bool log_keep_next(const struct log *log, uint32_t ordinal, struct log_file_info *info);
enum err log_keep_drop(struct log *log, uint32_t ordinal);

/* A record as others have it, and where this log should have it. */
struct log_vouched {
    log_place place;     /* durable */
    struct bytes record; /* lent until `done` */
    bool good;           /* afterwards: it is what stood there */
};

/* In its owner; stays put until `done` has run. */
struct log_vouch_op {
    struct log_vouched *at; /* by rising places */
    size_t count;
    void (*done)(struct log_vouch_op *op); /* comes from io_turn, also if the log is closed */
};

/*
 * What this disk itself says of records that it cannot read any more: a batch into which they are
 * put where they stood must have the hash that its envelope tells, which is what all replicas know
 * it by (the chain). All that is damaged in a batch is to be there at once. Not good is also what
 * nothing here can judge: kept records, files that are not there, batches without a sound envelope.
 * On a worker; one at a time. Changes nothing.
 */
void log_vouch(struct log *log, struct log_vouch_op *op);
bool log_vouch_busy(const struct log *log);

/*
 * Compresses files that do not change any more, one after the other and not faster than the budget
 * of the store allows: those that are droppable, and kept records. Places stay what they are. What
 * does not become smaller stays as it is. Harmless when nothing is to be done.
 */
void log_pack(struct log *log);

struct log_erased {
    log_place place; /* of a record */
    uint32_t size;   /* of all of it */
};

/* In its owner; stays put until `done` has run or the log is closed. */
struct log_erase_op {
    const struct log_erased *at; /* lent during the call */
    size_t count;
    /* Takes out of the record what is to go and leaves its size; any thread. The flag and the
     * checksum are seen to. */
    void (*erase)(uint8_t *record, uint32_t size);
    /* OK: no file of the store holds what was taken out. Else some of it may still be there, and
     * the same can be asked for again. Comes from io_turn. */
    void (*done)(struct log_erase_op *op, enum err err);
};
/*
 * Erases records that are durable and that nobody will read any more from the log's files and from
 * the journal, and all that was cut. One at a time. Their batches stay, by the hash that they had,
 * but log_batch_read_now does not find them any more: what a follower may still need is not erased.
 * What was read before may still be in memory. Not for a log in memory.
 */
void log_erase(struct log *log, struct log_erase_op *op);
/* Bytes of batches that were cut, or that failed, may stand in its files or in the journal:
 * log_erase takes them out, also if it is asked for nothing else. */
bool log_remains(const struct log *log);

/* The next batch goes to a new file, so that this one can be dropped one day. */
void log_roll(struct log *log);

/* In its owner; stays put until `done` has run or the log is closed. */
struct log_skip_op {
    uint64_t index;
    uint64_t term;
    struct log_hash hash; /* of the batch at `index`, which others have */
    void (*done)(struct log_skip_op *op, enum err err); /* comes from io_turn */
};

/*
 * The log goes on behind `index`, above appended: what is between is not in it. For a replica that
 * gets a state block because it is too far behind. All that was appended is durable, and committed
 * (log_cut); nothing is appended until `done`.
 * OK     appended and durable are `index`, on the disk; now the block of that index can be written.
 *        Until it is, a recovery tells what is between as lost, afterwards as gone.
 * Else   the log is as it was; after a crash the skip may be found all the same.
 */
void log_skip(struct log *log, struct log_skip_op *op);

/* ---- blocks of other replicas: log_take.c ---- */

/* In its owner; stays put until `done` has run. The first eight are the owner's; body and local
 * part are lent and do not change meanwhile. */
struct log_take_op {
    uint64_t index, term;
    struct log_hash hash; /* of the batch at `index`, which others have */
    struct bytes body, local;
    uint64_t cut; /* the highest index here that others agree with: durable and committed */
    bool stays;   /* the log has the entry: it is as it was, and `cut` says nothing */
    void (*done)(struct log_take_op *op, enum err err);

    /* private */
    struct log *log;
    struct log_block_op block;
    struct log_skip_op skip;
    bool written;
    bool skipping; /* `done` does not come any more if the log is closed now */
};

/*
 * Takes the block of another replica: it is written, what stands behind `cut` goes, and the log
 * goes on behind the block's index, which is above `cut` and above the newest block. A crash leaves
 * all as it was or all of it. Nothing is appended, cut or rolled until `done`. OK     appended and
 * durable are `index`, and the block of it is the newest. Else   nothing has changed, or, if
 * `op->written` says so, the block is there and the log is cut: the same op is to be taken again
 * until it is OK.
 *
 * One that `stays` replaces the log's own blocks, which are wrong: its index is durable and not
 * below the newest block's, and it is the only one from then on. The log may go on meanwhile.
 */
void log_take(struct log *log, struct log_take_op *op);
/* The block that was taken as recovery would hand it out. */
enum err log_take_view(struct log *log, const struct log_take_op *op,
                       enum err (*use)(void *context, const struct log_block *block),
                       void *context);

/* A piece of a block's body, for another replica. In its owner; stays put until `done` has run. */
struct log_block_read {
    uint64_t index;
    uint64_t offset;
    size_t size; /* at most */
    /* OK: what follows is filled in; `piece` is good during the call. ERR_NOT_FOUND: no such block
     * (any more). Comes from io_turn, also if the log is closed. */
    void (*done)(struct log_block_read *read, enum err err);
    uint64_t term;
    struct log_hash hash, body_hash;
    uint64_t body_size;
    struct bytes piece;
};
void log_block_read(struct log *log, struct log_block_read *read);

/* ---- reading -------------------------------------------------------------------------------- */

/* Reads `size` bytes at `place` (from durable batches only) if they are in memory: a count, short
 * at the end of what is written and where the rest is not in memory, or -EAGAIN, or a negative
 * errno: -ENOENT of a file that is not there (LOG_FILE_NONE), of which log_read reads nothing. */
int64_t log_read_now(struct log *log, log_place place, void *at, size_t size);
/* Embedded in who waits; it and the memory stay put until `done`. */
struct log_read {
    void (*done)(struct log_read *read, int64_t result);

    /* private */
    struct io_op op;
    struct io *io;
    struct log_file *file;
    uint64_t offset;
    uint8_t *at;
    size_t size;
    size_t count; /* so far: the system may read a part at a time */
    struct log_read *next;
    struct log_unpacking *unpacking;
    struct store *store;
    log_place place;
    size_t taken; /* of the budget, by what is on its way; 0: it is of none */
    int64_t begun_ns;
};
/* The same, waiting: a count, short only at the end of what is written, or a negative errno. The
 * log must stay open until done. */
void log_read(struct log *log, struct log_read *read, log_place place, void *at, size_t size);
/* The same for a replay, which gives way to live traffic (storage/read_budget.h): it may begin
 * later. */
void log_read_gently(struct log *log, struct log_read *read, log_place place, void *at,
                     size_t size);

/*
 * Appends the whole content of batch `index` to `out`, verified. One after the other is cheapest.
 * ERR_AGAIN       not in memory: log_batch_warm.   ERR_NOT_FOUND   the log does not have it.
 * ERR_CORRUPT     it is lost, or reads back otherwise than it was written.
 * ERR_FULL        `out` may not grow so far.       ERR_IO.
 * Nothing is appended then.
 */
enum err log_batch_read_now(struct log *log, uint64_t index, struct buf *out);
/* The same of a durable batch, and where its content stands: the records are at its end. */
enum err log_batch_read_placed(struct log *log, uint64_t index, struct buf *out, log_place *place);
/* Reads from the disk, into the log's own memory, what log_batch_read_now did not find, and some of
 * what follows it. `op` is the owner's, its `done` comes from io_turn, with 0 or a negative errno,
 * also if the log is closed meanwhile (store_idle waits for it). Use it soon: a few such pieces are
 * kept for all logs. */
void log_batch_warm(struct log *log, struct io_op *op, uint64_t index);

#endif
