/*
 * inspect_priv: what the files of inspect have of each other: inspect.c walks the store,
 * inspect_log.c one log, inspect_batches.c one segment.
 */
#ifndef SERVER_PROGRAM_INSPECT_PRIV_H
#define SERVER_PROGRAM_INSPECT_PRIV_H

#include "server/program/inspect.h"
#include "server/program/inspect_file.h"
#include "server/program/redos.h"

#define INSPECT_BLOCKS_MAX 64u

struct inspect_walk {
    const struct inspector *tell;
    const char *dir;
    struct io *io;
    struct node node;
    struct buf *journals; /* owned, whole files */
    size_t journal_count;
    struct redos redos;
    bool newer;
};

/* One segment of the log that is walked. */
struct inspect_piece {
    char path[128]; /* below the directory */
    uint64_t id;
    struct segment_header header;
    enum err header_err;
    uint64_t cut; /* batches above it are void */
    bool packed;
};

struct inspect_log {
    struct inspect_walk *walk;
    uint64_t id;
    struct inspect_piece *pieces;
    size_t count;
    struct block blocks[INSPECT_BLOCKS_MAX];
    size_t block_count;
    uint64_t index; /* of the last batch that was seen or passed over */
    struct log_hash hash;
    bool begun;
};

/* ---- inspect.c ------------------------------------------------------------------------------- */

[[gnu::format(printf, 3, 4)]] void inspect_problem(const struct inspect_walk *walk,
                                                   const char *path, const char *format, ...);
void inspect_note(const struct inspect_walk *walk, const char *path, const char *text);
/* Of a later format: nothing more is looked at. */
void inspect_newer(struct inspect_walk *walk, const char *path);
/* A whole file below the directory. False: that is told. */
bool inspect_read_below(const struct inspect_walk *walk, const char *path, struct buf *out);
void inspect_list_below(const struct inspect_walk *walk, const char *path,
                        struct inspect_names *names);

/* ---- inspect_log.c --------------------------------------------------------------------------- */

void inspect_log(struct inspect_walk *walk, const char *name, uint64_t id);

/* ---- inspect_batches.c ----------------------------------------------------------------------- */

/* Those of one segment, whose content is `file`; they go on behind what the log has come to.
 * `last`: no segment follows, so it may end with a write that was cut short. */
void inspect_batches(struct inspect_log *log, const struct inspect_piece *piece, struct bytes file,
                     bool last);

#endif
