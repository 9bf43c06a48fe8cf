/*
 * catalogue: which streams shall exist, where and with which config: the metadata group's state
 * machine, without I/O. It holds intent; a stream's own log holds what it is. Nothing is ever
 * deleted because it is absent here: a removal is a record, and the removed id is remembered until
 * its files are gone.
 *
 * Records of its log (little endian), after the record head:
 *
 *     1 ASSIGN   6 bytes zero, u64 id, i64 created, u32 account size, u32 json size, account, json (StreamConfig)
 *     2 UPDATE   6 bytes zero, u64 id, u64 version, u32 json size, u32 zero, json
 *     3 REMOVE   6 bytes zero, u64 id
 *     4 GONE     6 bytes zero, u64 id: the files of a removed stream are no more
 */
#ifndef SERVER_CATALOGUE_H
#define SERVER_CATALOGUE_H

#include "base/buf.h"
#include "base/err.h"
#include "storage/record.h"

#define CATALOGUE_LOG_ID       UINT64_C(1) /* stream ids follow */
#define CATALOGUE_STREAM_FIRST UINT64_C(16)

enum catalogue_record { CATALOGUE_ASSIGN = 1, CATALOGUE_UPDATED = 2, CATALOGUE_REMOVE = 3, CATALOGUE_GONE = 4 };

struct catalogue_entry {
    uint64_t id; /* also of its log */
    uint64_t version;
    int64_t created_ns;
    struct bytes account; /* owned */
    struct bytes json;    /* owned */
    bool removed;         /* committed removal; files may still be there */
    struct bytes offline; /* owned: name of a stream that could not be opened in this life, else empty */
    struct catalogue_entry *next;
};

struct catalogue {
    struct catalogue_entry *first; /* in order of assignment */
    struct catalogue_entry *last;
    uint64_t id_next;
};

void catalogue_init(struct catalogue *catalogue);
void catalogue_deinit(struct catalogue *catalogue);
struct catalogue_entry *catalogue_find(const struct catalogue *catalogue, uint64_t id);

/* ERR_CORRUPT: not a record of this version; nothing has changed. */
enum err catalogue_apply(struct catalogue *catalogue, const struct record *record);

/* Each appends one record; false at the buffer's limit. */
bool catalogue_write_assign(struct buf *out, uint64_t id, int64_t created_ns, struct bytes account,
                            struct bytes json);
bool catalogue_write_update(struct buf *out, uint64_t id, uint64_t version, struct bytes json);
bool catalogue_write_remove(struct buf *out, uint64_t id);
bool catalogue_write_gone(struct buf *out, uint64_t id);

#endif
