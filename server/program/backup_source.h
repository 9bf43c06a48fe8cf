/*
 * backup_source: a data directory as a backup reads it, while a server works in it or not. What a
 * log consists of is the content of its directory at one instant, and each file is open from then
 * on: what the server removes, packs or erases meanwhile stays what it was. Batches that are added
 * to the last file are seen when it is read. Blocking.
 */
#ifndef SERVER_PROGRAM_BACKUP_SOURCE_H
#define SERVER_PROGRAM_BACKUP_SOURCE_H

#include "base/buf.h"
#include "server/program/backup_manifest.h"
#include "server/program/redos.h"
#include "storage/node.h"
#include "storage/segment.h"

struct source_file {
    char name[BACKUP_NAME_MAX];
    enum backup_kind kind;
    uint64_t id;
    int fd;
};

struct source_log {
    uint64_t id;
    unsigned lane;             /* where it stands: a backup has all logs in one place */
    struct source_file *files; /* by their names */
    size_t count, capacity;
};

struct source {
    char dir[4096];
    bool live;
    int held; /* the lock's file; -1: a server has it */
    struct node node;
    uint64_t boot; /* the highest of all lanes: no file of a log has a later one */
    uint8_t lineage[16];
    struct buf *journals; /* whole files, of all lanes */
    size_t journal_count;
    struct redos redos;
    struct source_log *logs;
    size_t count, capacity;
    char *error; /* the caller's, of error_size */
    size_t error_size;
};

enum source_result {
    SOURCE_DONE,
    SOURCE_AGAIN,   /* too much changed meanwhile: from the beginning */
    SOURCE_REFUSED, /* *error says why */
};

/* `dir` is the store itself. Nothing is open unless SOURCE_DONE. */
enum source_result source_open(struct source *source, const char *dir, char *error,
                               size_t error_size);
void source_close(struct source *source);
/* Has the server started anew since it was opened, or made a lane? */
bool source_restarted(const struct source *source);

/* Opens the logs that are there and not open yet, and of those that are the segments that were
 * added since: all of them, in one piece with those that were there. */
enum source_result source_look(struct source *source);

/* The first `size` bytes at least, if there are as many. */
bool source_read_head(const struct source_file *file, uint8_t *at, size_t size);
/* All of it. False: errno says why. */
bool source_read(const struct source_file *file, struct buf *out);
/*
 * All of a segment as it was written, packed or not, with what the journal has of it, and its
 * header. ERR_NOT_FOUND: it was never finished, and has nothing. ERR_CORRUPT: its header is damaged
 * (*out has the bytes), or the file. ERR_VERSION, ERR_IO.
 */
enum err source_read_segment(const struct source *source, const struct source_log *log,
                             const struct source_file *file, struct segment_header *header,
                             struct buf *out);

#endif
