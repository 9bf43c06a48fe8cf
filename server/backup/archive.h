/*
 * archive: a stream's backup, read as it comes and written piece by piece: an S2 stream around a
 * tar of the files that nats-server 2.14 puts into its own (docs/formats.md, Backups), so that
 * either server restores what the other has made. Pure. What is read is hostile: every name, size
 * and checksum is checked, and memory is bounded by the largest record.
 */
#ifndef SERVER_BACKUP_ARCHIVE_H
#define SERVER_BACKUP_ARCHIVE_H

#include "server/backup/message_block.h"
#include "server/backup/s2.h"
#include "server/backup/tar.h"

#define ARCHIVE_CONFIG_MAX   (8u << 20)  /* of a stream or consumer */
#define ARCHIVE_CONSUMER_MAX (64u << 20) /* where a consumer stands */
#define ARCHIVE_INPUT_MAX    (16u << 20) /* fed and not read yet */

/* ---- reading --------------------------------------------------------------------------------- */

enum archive_item_type {
    ARCHIVE_MORE,     /* feed it */
    ARCHIVE_PAUSE,    /* it can be read on, but much was done: a few bytes may hold gigabytes */
    ARCHIVE_STREAM,   /* `json`: the config of the stream it was made of, with its creation */
    ARCHIVE_MESSAGE,  /* `record`; sequences rise */
    ARCHIVE_DELETED,  /* `record.sequence`: it was deleted; if `record.empty`, before the archive
                       * was made */
    ARCHIVE_CONSUMER, /* `name`, `json` as above, `state` (consumer_file.h), perhaps `extra` */
    ARCHIVE_EXTRA,    /* `json`: what only we say of the stream */
    ARCHIVE_END,
    ARCHIVE_BAD, /* reader->error says why; it stays bad */
};
struct archive_item {
    enum archive_item_type type;
    struct message_block_record record;
    struct bytes name, json, state, extra;
}; /* views, good until the next call */

enum archive_kind {
    ARCHIVE_KIND_NONE, /* between two entries */
    ARCHIVE_KIND_PASSED,
    ARCHIVE_KIND_PAX,
    ARCHIVE_KIND_CONFIG,
    ARCHIVE_KIND_SUM,
    ARCHIVE_KIND_EXTRA,
    ARCHIVE_KIND_BLOCK,
    ARCHIVE_KIND_STATE,
    ARCHIVE_KIND_ERROR, /* what kept the server that made it from going on */
};

struct archive_reader {
    struct bytes stream; /* its name; the owner's */
    struct buf in;       /* fed and not read, behind `taken` */
    size_t taken;
    struct buf plain; /* what that comes to; `used` of it are done with */
    size_t used;
    size_t worked; /* bytes expanded since the last pause, and what frames cost beside them */
    struct s2_reader s2;
    struct tar_entry pax, entry;
    enum archive_kind kind;
    uint64_t left, padding; /* of the entry */
    uint8_t key[HIGHWAY_KEY_SIZE];
    uint64_t sequence_last;
    bool configured, ended, failed;
    uint64_t behind;          /* zeros that came behind the end */
    struct buf name;          /* of the consumer that is being read; empty: the stream itself */
    struct buf config, extra; /* of it */
    char error[320];
};

void archive_reader_init(struct archive_reader *reader, struct bytes stream);
void archive_reader_deinit(struct archive_reader *reader);
/* False: more is there than may wait. */
bool archive_feed(struct archive_reader *reader, struct bytes bytes);
/* Does no more at once than a loop that serves others can wait for, whatever was fed. */
void archive_next(struct archive_reader *reader, struct archive_item *item);
/* Behind ARCHIVE_END: takes what was fed since. `whole`: nothing will follow. False (as after
 * ARCHIVE_BAD): it is more than the zeros that fill up the last record of a tar. */
bool archive_rest(struct archive_reader *reader, bool whole);

/* ---- writing --------------------------------------------------------------------------------- */

/* Each appends to `out`, framed; false at its limit. First of all s2_begin. */
bool archive_add_file(struct buf *out, struct bytes name, struct bytes content, int64_t time_ns);
/* A config and its sum; `of`: empty for the stream, else the consumer's name. */
bool archive_add_config(struct buf *out, struct bytes stream, struct bytes of, struct bytes json,
                        int64_t time_ns);
bool archive_add_end(struct buf *out);

/* A name that may stand in a path: of a stream or consumer. */
bool archive_name(struct bytes name);

#endif
