/*
 * entry: one value of a key as a message, and what writing one sends (reference consumers 11.3,
 * 11.4). A revision is the sequence of the message. A deleted key is a message that says so, a
 * purged one also rolls up what was before it, an expired one may leave the server's marker. Pure.
 */
#ifndef KV_ENTRY_H
#define KV_ENTRY_H

#include "base/buf.h"

#define KV_OPERATION_HEADER "KV-Operation"
#define KV_OPERATION_DELETE "DEL"
#define KV_OPERATION_PURGE  "PURGE"
#define KV_MARKER_HEADER    "Nats-Marker-Reason"
#define KV_EXPECTED_HEADER  "Nats-Expected-Last-Subject-Sequence"
#define KV_ROLLUP_HEADER    "Nats-Rollup"
#define KV_ROLLUP_SUBJECT   "sub"
#define KV_TTL_HEADER       "Nats-TTL"

enum kv_operation { KV_PUT, KV_DELETE, KV_PURGE };

struct kv_entry {
    struct bytes bucket, key;
    struct bytes value;
    uint64_t revision;
    int64_t created_ns;
    enum kv_operation operation; /* anything but KV_PUT: the key is not there */
    bool expired;                /* by the server's marker */
};

/* A message as it was read. Views of what is given. False: its subject is no key's. */
struct kv_message {
    struct bytes subject;
    struct bytes headers; /* the whole block; may be empty */
    struct bytes payload;
    uint64_t sequence;
    int64_t time_ns;
};
bool kv_entry_read(const struct kv_message *message, struct kv_entry *out);

/* What a put, create (expects 0), update (expects the last revision), delete or purge sends
 * besides subject and value. A put without conditions has no headers: nothing is appended. */
struct kv_write {
    enum kv_operation operation;
    bool conditional;
    uint64_t expected; /* with `conditional` */
    int64_t ttl_ns;    /* whole seconds; 0: as long as the bucket says */
};
/* Appends the header block. False: `out` is at its limit and as it was. */
bool kv_write_headers(const struct kv_write *write, struct buf *out);

/*
 * A create was refused because the key has a message: the last one is `last`. True: it says that
 * the key is not there, and the create is to be tried again expecting *expected. False: the key
 * exists.
 */
bool kv_create_again(const struct kv_entry *last, uint64_t *expected);

/*
 * K4: of everything that was ever written to one key, in order, the first that its bucket still
 * holds (`count`: none of them): no more than `history`, nothing before a purge, nothing older than
 * `ttl_ns` (0: no limit) at `now_ns`.
 */
size_t kv_history_first(const struct kv_entry *entries, size_t count, int64_t history,
                        int64_t ttl_ns, int64_t now_ns);

#endif
