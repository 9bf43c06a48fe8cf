/*
 * backup_manifest: what one backup consists of (docs/backup.md): every file that a restore writes,
 * which backup has its bytes, their checksum, and what tells that the file in the data directory is
 * still the same. As text, closed by a checksum of itself. No I/O.
 */
#ifndef SERVER_PROGRAM_BACKUP_MANIFEST_H
#define SERVER_PROGRAM_BACKUP_MANIFEST_H

#include "base/buf.h"
#include "base/err.h"
#include "storage/log.h"

#define BACKUP_NAME_MAX 64u /* of a file below the data directory */

enum backup_kind {
    BACKUP_SEGMENT, /* the batches that count, and nothing behind them */
    BACKUP_PACKED,  /* a segment, packed */
    BACKUP_BLOCK,
    BACKUP_KEPT, /* packed or not */
};

struct backup_file {
    char name[BACKUP_NAME_MAX]; /* logs/<log id>/<file> */
    enum backup_kind kind;
    uint64_t log_id, id; /* as its name says; of a block the index */
    uint64_t from;       /* the backup that has its bytes */
    uint64_t size;
    struct log_hash hash; /* of the bytes */
    /* As long as these are the same, so is the file. Of a segment: the hash of the last batch that
     * counts, which chains all of them. Of the others: the hash of the header, which names the
     * checksums of what is behind it; kept records are never written twice under one id. */
    struct log_hash mark;
    uint64_t last;            /* of a segment: the last index that counts */
    uint64_t cut;             /* of a segment: where its header says that those before it end */
    struct log_hash cut_hash; /* that batch */
    bool damaged;             /* something in it cannot be read, it is as it was found */
};

struct backup_manifest {
    uint64_t number; /* from 1 */
    uint8_t store_id[16];
    uint8_t lineage[16]; /* of a restored directory, which goes its own way; else zeros */
    uint64_t boot;
    int64_t time_ns;           /* log time up to which everything is in it */
    int64_t made_ns;           /* wall clock */
    bool live;                 /* a server ran */
    struct backup_file *files; /* by name */
    size_t count, capacity;
    struct buf damage; /* lines; none: it is whole */
};

void backup_manifest_init(struct backup_manifest *manifest);
void backup_manifest_free(struct backup_manifest *manifest);
void backup_manifest_add(struct backup_manifest *manifest, const struct backup_file *file);
void backup_manifest_sort(struct backup_manifest *manifest);
/* One of that name (sorted), or NULL. */
const struct backup_file *backup_manifest_find(const struct backup_manifest *manifest,
                                               const char *name);
[[gnu::format(printf, 2, 3)]] void backup_manifest_damaged(struct backup_manifest *manifest,
                                                           const char *format, ...);
bool backup_manifest_whole(const struct backup_manifest *manifest);

void backup_manifest_encode(const struct backup_manifest *manifest, struct buf *out);
/* ERR_CORRUPT: damaged, or nothing of the kind; ERR_VERSION: of a later format. It is to be freed
 * in any case. */
enum err backup_manifest_decode(struct backup_manifest *manifest, struct bytes text);

#endif
