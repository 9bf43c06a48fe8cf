/*
 * store: what the logs of one shard share. Private to storage/; others see storage/log.h.
 *
 * Everything that is sent is sent from store_flush, at the end of a turn: batches of logs in the
 * send list, one journal write, background syncs. Completions only change states and append to the
 * send list, so what a turn did is sent together.
 */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include <stdatomic.h>

#include "base/latency.h"
#include "base/table.h"
#include "base/timers.h"
#include "storage/block.h"
#include "storage/content_priv.h"
#include "storage/gentle.h"
#include "storage/journal.h"
#include "storage/log.h"
#include "storage/log_file.h"
#include "storage/node.h"
#include "storage/paths.h"
#include "storage/places.h"
#include "storage/reserve.h"
#include "storage/tail.h"
#include "storage/votes.h"
#include "storage/windows.h"

#define STORE_MAKES_MAX  8u           /* segments being made at a time */
#define STORE_SYNCS_MAX  4u           /* background syncs at a time */
#define STORE_POOL_MAX   16u          /* buffers kept */
#define STORE_POOL_BYTES (256u << 10) /* larger ones are given back */

/* settle.c: what recovered logs have to sync, while that is put off. */
struct settling {
    bool on;
    struct settling_item *items;
    size_t count, capacity;
};

static_assert(STORE_LANES_MAX == NODE_LANES_MAX, "the node file counts them");

struct store {
    uint64_t prepared; /* log_prepared; 0: none */
    struct settling settling;
    struct io *io;
    struct store_options options;
    char dir[PATH_DIR_MAX];
    struct node node;
    _Atomic uint32_t file_count; /* file ids given out in this boot; workers take some too */

    struct journal *journal;
    struct votes votes;
    struct table logs; /* open ones, and closed ones that are not yet done */
    struct log *send_first;
    struct log *send_last;
    struct log *closing; /* list of closed logs */
    struct log_file *dirty_first;
    struct log_file *dirty_last;
    uint64_t *doubt_logs; /* ids of those of which a write or sync has failed in this life */
    unsigned doubt_count;
    uint32_t remakes; /* how often its directory was made anew in this life */
    unsigned makes;
    unsigned syncs;              /* background ones in flight */
    struct latency durable;      /* from a write's beginning to its batches being on the disk */
    struct removal *removals;    /* under way */
    struct log_drop *drops;      /* files on their way out */
    struct log_packing *packing; /* the one file that is being packed, or NULL */
    struct windows windows;
    struct log_opening *given_up; /* while a worker or the disk is busy with them */
    struct reserve reserve;

    struct log *made;                       /* memory logs that are not open yet */
    struct log *memory_first, *memory_last; /* those with something that waits */
    struct log_read *memory_reads;          /* to be told */
    struct timer memory_timer;              /* the next turn is theirs */
    struct gentle gentle;

    struct buf pool[STORE_POOL_MAX];
    unsigned pool_count;
};

static inline bool store_flaw(const struct store *store, uint64_t flaw)
{
    return (store->options.flaws & flaw) != 0;
}

uint64_t store_file_id(struct store *store); /* any thread */
[[gnu::format(printf, 2, 3)]] void store_report(struct store *store, const char *format, ...);

/*
 * A write or a sync of this log failed: its files may show less than the journal holds, whether
 * that was answered for or not. If it is opened again in this life the journal is replayed into it
 * first, else a position that the journal knows could be written a second time.
 */
void store_note_doubt(struct store *store, uint64_t log_id);
bool store_doubts(const struct store *store, uint64_t log_id);

/* Work that changes a log's files: none before what recovery read is on the disk. */
static inline void store_work(struct store *store, struct io_work *work)
{
    assert(!store->settling.on);
    io_work(store->io, work);
}

/* What the reserve tells. */
void store_space_changed(struct reserve *reserve);
void store_space_given(struct reserve *reserve);

/* Gather buffers, also for several batches on their way. Taken empty, with a batch's limit. */
struct buf store_buf_take(struct store *store);
void store_buf_give(struct store *store, struct buf *buf);

enum log_phase {
    LOG_IDLE,       /* nothing waits */
    LOG_WAITING,    /* for store_flush */
    LOG_MAKING,     /* a worker makes the file that what waits goes to */
    LOG_ALLOCATING, /* the flight's space */
    LOG_WRITING,    /* to the segment, and to the journal if that took it */
    LOG_SYNCING,    /* wants or has its segment's own sync */
    LOG_TELLING,    /* the owner is told what is durable */
};

enum log_witness { WITNESS_NONE, WITNESS_WAITING, WITNESS_DONE, WITNESS_FAILED };

/* Contents of rising indexes, by their `next`. */
struct log_queue {
    struct log_content *first;
    struct log_content *last;
    uint32_t count;
    size_t bytes; /* of contents */
};

/* The batches that are placed in a file and on their way to it: one write after the other, then one
 * sync. */
struct log_flight {
    struct log *log;
    struct log_queue batches;
    uint32_t kept;     /* the first of them that count; the rest was cut meanwhile */
    uint64_t position; /* of the first */
    uint64_t end;      /* behind the last */

    struct io_op write;        /* one at a time, of its last batches: */
    struct log_content *fresh; /* the first of these */
    uint64_t fresh_position;
    struct buf staged; /* several as they stand in the file; a single one is in its content */
    struct bytes bytes;
    uint64_t space; /* the file's size when its allocation is done */
    size_t written;

    enum log_witness segment; /* the last write, not its sync */
    enum log_witness journal; /* of the only write */
    bool syncing;             /* its own sync runs; else it waits for another to end */
    enum err err;             /* of the failed write or sync */
    int64_t begun_ns;
};

/* log_redo.c: a replay of the journal into the log's segments, while it is open. */
struct log_redo {
    struct io_work work;
    struct timer timer;
    bool busy, again;
    enum err err;
    uint64_t *files; /* the condemned ones */
    size_t file_count;
};

struct log {
    struct store *store;
    uint64_t id;
    uint8_t incarnation[16];
    bool memory; /* storage/memory.h */
    struct log_events events;
    void *owner;

    struct log_file **files; /* by ordinal; NULL: removed */
    uint32_t file_count;
    struct log_file *active; /* NULL: the next batch needs a new file */

    uint64_t appended;
    uint64_t durable;
    uint64_t committed;
    struct tail tail;     /* from min(durable, committed), if that is not too far, to appended */
    struct places places; /* of what is durable */
    bool damaged;         /* recovery has told a range as lost; the last one before the first: */
    uint64_t before_lost;
    struct tail_entry before_lost_entry;
    struct places_mark read_next; /* behind the batch that was read last */
    uint64_t block_newest;        /* 0: none */
    uint64_t block_older;         /* the one that is kept beside it */
    uint64_t floor;
    struct log_block_writing *block_writing;
    struct log_block_reading *block_readings; /* under way */
    struct block block_memory; /* the newest, of a log in memory: header and body; index 0: none */
    struct log_keep_writing *keep_writing;
    struct log_vouching *vouching; /* under way, or NULL */
    struct log_file **keeps;       /* by ordinal less LOG_KEEP_FIRST; NULL: removed */
    uint32_t keep_count;
    struct log_warming *warmings;     /* real reads under way */
    struct log_unpacking *unpackings; /* likewise, of packed files */
    bool wants_pack;                  /* some files may be to be packed */
    struct log_redo redo;

    struct buf gather;
    struct log_queue waiting;
    struct log_flight flights[2];
    struct log_flight *flight; /* one of them: what follows `durable` */
    struct log_flight *ahead;  /* the other: written while the sync of that one is under way */
    bool wants_space;          /* the disk was full: waits until the reserve has given some */
    bool retried;              /* the first that waits or flies has failed in one file */
    bool rolls;                /* the next batch goes to a new file */
    bool renew;                /* a new file is made, also without a batch */
    bool taking;               /* another replica's block is being written: no file is begun */
    bool cut_unnamed;          /* `durable` was cut, no file says so yet: what was may come back */
    bool ends_short;           /* its newest file is one that recovery found cut short */
    bool remains;              /* log_remains */
    struct log_erasing *erasing; /* under way, or NULL */
    struct log_skip_op *skip;    /* the next file is for it */
    enum log_phase phase;        /* of `flight` */
    int64_t synced_ns;           /* when the last flight with a sync of its own ended */
    struct journal_wait wait;
    struct log *send_next;
    struct log *closing_next;
    struct segment_make *make; /* under way: MAKING */
    bool sending;              /* in the send list */
    bool closed;
    void (*removed)(void *context, enum err err); /* remove it when it is done */
    void *removed_context;
};

/* ---- log.c ---------------------------------------------------------------------------------- */

/* What is true of a log between any two calls. */
void log_check(const struct log *log);
void log_send_later(struct log *log); /* in store_flush */
void queue_add(struct log_queue *queue, struct log_content *content);
struct log_content *queue_take(struct log_queue *queue);
/* Drops what is above `index`. */
void queue_cut(struct log_queue *queue, uint64_t index);

/* ---- flight.c, flight_form.c, flight_file.c -------------------------------------------------- */

void flight_init(struct log *log);
/* Is something on its way that has, or will have, its segment's own sync? */
bool flight_is_large(const struct log *log);
/* What waits is written while such a sync is under way, if it is enough. */
void flight_look_ahead(struct log *log);
/* The flights' batches above `index` do not count any more. */
void flight_cut(struct log *log, uint64_t index);
/* What waited was cut: nothing may be left to do. */
void flight_look(struct log *log);
/* Nothing above `durable` counts any more; the log is closed. */
void flight_drop(struct log *log);
void log_send(struct log *log);
/* For memory logs: what a flight does without a disk. */
bool flight_needs_file(const struct log *log);
void flight_take(struct log *log); /* from what waits, for the active file */
/* `at` holds the content at its place behind the envelope; returns the batch's size. */
uint32_t flight_place(struct log *log, const struct log_content *content, uint8_t *at,
                      uint64_t position);
void flight_durable(struct log *log);
void flight_skipped(struct log *log, uint64_t base, enum err err); /* the skip's file is there */
void log_sync_ended(struct log *log, struct log_file *file, bool background, bool synced);

/* ---- log_life.c ----------------------------------------------------------------------------- */

struct log *log_create(struct store *store, uint64_t log_id); /* without a file */
void log_add_file(struct log *log, struct log_file *file);
/* A closed log: starts what is left to do; true when nothing is and it can be destroyed. */
bool log_closing_done(struct log *log);
void log_destroy(struct log *log); /* closes its files and frees it */
/* Frees the memory as if the process had died; touches no file. */
void log_forget(struct log *log);

/* ---- log_read.c ----------------------------------------------------------------------------- */

/* Frees the memory of what is under way as if the process had died. */
void log_read_forget(struct log *log);
/* Reads the rest of it from its file, or as much as is taken of the budget. */
void log_read_begin(struct log_read *read);

/* ---- log_pack.c ----------------------------------------------------------------------------- */

/* As log_read_now and log_read, of a packed file. */
int64_t log_unpack_now(struct log *log, log_place place, void *at, size_t size);
void log_unpack(struct log *log, struct log_read *read, log_place place);
void log_unpack_forget(struct log *log);
/* A closed log: is none of its files being packed any more? */
bool log_pack_done(struct log *log);
bool log_pack_idle(const struct store *store);
void log_pack_forget(struct store *store);

/* ---- log_erase.c ---------------------------------------------------------------------------- */

/* A closed log: is nothing of it erased any more? */
bool log_erase_done(struct log *log);
void log_erase_forget(struct log *log);
/* flight.c: its active file ends; the log is idle. */
void log_renew(struct log *log);

/* ---- log_space.c ---------------------------------------------------------------------------- */

/* Frees the memory of what is under way as if the process had died. */
void log_space_forget(struct store *store);
void log_block_forget(struct log *log);
void log_block_is(struct log *log, uint64_t index);   /* the newest, and counts */
void log_block_only(struct log *log, uint64_t index); /* it has taken the place of the others */
/* As log_block_write; `end` below UINT64_MAX: batches behind it do not count, and the block does
 * not until log_block_is. */
#define LOG_BLOCK_REPLACES (UINT64_MAX - 1) /* all count, the log's other blocks do not */
void log_block_start(struct log *log, struct log_block_op *op, uint64_t end);

/* ---- log_take.c ----------------------------------------------------------------------------- */

struct part;
/* The files by whose ids a block's places are found: those of a walk, or (parts NULL) the log's. */
struct log_block_files {
    const struct log *log;
    const struct part *parts;
    unsigned count;
};
uint32_t log_take_ordinal(const struct log *log, uint64_t file_id);
/* Frees the memory of what is under way as if the process had died. */
void log_take_forget(struct log *log);

void log_unlink_later(struct log *log, struct path path);
/* May a file be changed or removed that has so and so much below the floor? */
bool log_file_below(const struct log *log, uint32_t ordinal);

/* ---- log_redo.c ----------------------------------------------------------------------------- */

/* Blocking: before it is opened again. The next start would do it for all logs. */
enum err log_redo(struct store *store, uint64_t log_id);
void log_redo_init(struct log *log);
/* A background sync has failed: what the journal holds is written again, until that succeeds. */
void log_redo_later(struct log *log);
void log_redo_stop(struct log *log);

/* ---- log_vouch.c ---------------------------------------------------------------------------- */

void log_vouch_forget(struct log *log);

/* ---- log_keep.c ----------------------------------------------------------------------------- */

void log_keep_forget(struct log *log);
/* Opens those that are there. */
enum err log_keep_find(struct log *log);
uint32_t log_keep_ordinal(const struct log *log, uint64_t file_id); /* LOG_FILE_NONE: not there */
void store_forget_dirty(struct store *store, const struct log *log, const struct log_file *file);

/* ---- memory_log.c --------------------------------------------------------------------------- */

void memory_init(struct store *store);
/* Frees what was made and not opened, as if the process had died. */
void memory_forget(struct store *store);
bool memory_idle(const struct store *store);
void memory_send_later(struct log *log); /* in the next turn */
void memory_read_later(struct log *log, struct log_read *read, int64_t result);
/* NULL: none of that id was made. It is no longer among those. */
struct log *memory_take(struct store *store, uint64_t log_id);
/* Hands out what it was made with. */
void memory_recover(struct log *log, const struct log_recovery *recovery);
/* Those closed with something that waited: they are not sent any more. */
void memory_forget_log(struct store *store, struct log *log);

/* ---- settle.c ------------------------------------------------------------------------------- */

/* A log that was just recovered: its files from that ordinal on are synced, and its directory; or
 * (later) they will be, by store_settle. The first on any thread. */
enum err settle_log(struct log *log, uint32_t first, bool later);
void settle_forget(struct store *store);

/* ---- store_open.c --------------------------------------------------------------------------- */

/* Those below the store's, and all of them synced. Any thread. */
enum err store_make_directories(struct store *store);

/* ---- log_opening.c -------------------------------------------------------------------------- */

/* Frees what was given up in the middle, as if the process had died. */
void log_openings_forget(struct store *store);

#endif
