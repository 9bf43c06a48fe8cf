/*
 * staging: atomic batches that have begun and are not committed: messages that a leader holds in
 * memory until their last one comes (reference streams 9.4). Nothing of it is in the log, so it
 * goes with the leadership and with the process, and nobody was promised anything.
 *
 * Bounded three ways: how many batches a stream and a server hold, how many messages one has, and
 * how many bytes all of them have together. A batch that nobody adds to for the timeout is
 * abandoned; the owner asks for the oldest and drops it.
 */
#ifndef SERVER_STREAM_STAGING_H
#define SERVER_STREAM_STAGING_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/table.h"

#define STAGED_ID_MAX 64u
/* Of one batch as records, so that it fits a batch of the log with room left for what else the
 * stream logs. */
#define STAGED_RECORDS_MAX (64u << 20)
/* Of all batches of one server. */
#define STAGED_BYTES_MAX ((uint64_t)256 << 20)

/* What all streams of a server share, whichever threads they are on. */
struct staging_share {
    _Atomic uint64_t batches; /* now */
    _Atomic uint64_t bytes;
};

struct staging_limits {
    uint64_t batches; /* of one stream */
    uint64_t batches_total;
    uint64_t messages; /* of one batch */
    int64_t timeout_ns;
};

/* The reference's; the option "limits { batch }" of JetStream changes them. */
#define STAGING_LIMITS_DEFAULT                                                                     \
    ((struct staging_limits){.batches = 50,                                                        \
                             .batches_total = 1000,                                                \
                             .messages = 1000,                                                     \
                             .timeout_ns = INT64_C(10000000000)})

struct staged {
    struct staged *older, *newer; /* by the time of the last message */
    uint64_t count;               /* messages, which is the number of the last */
    uint64_t records;             /* bytes they will take in the log */
    int64_t touched_ns;
    struct buf messages;
    uint8_t id_size;
    uint8_t id[STAGED_ID_MAX];
};

struct staged_message {
    struct bytes subject, headers, payload;
};

struct staging {
    struct table batches; /* by id */
    struct staged *oldest, *newest;
    struct staging_limits limits;
    struct staging_share *share; /* &alone, or the server's */
    struct staging_share alone;
};

void staging_init(struct staging *staging, uint64_t seed);
void staging_deinit(struct staging *staging);
/* Drops all. */
void staging_clear(struct staging *staging);

/* NULL: there is none of that id. */
struct staged *staging_find(const struct staging *staging, struct bytes id);
/* A new, empty one; NULL: too many are there. The id is new and not longer than STAGED_ID_MAX. */
struct staged *staging_begin(struct staging *staging, struct bytes id, int64_t now_ns);
/* Copies the message behind those that are there. False: it would be too much; nothing changed. */
bool staging_add(struct staging *staging, struct staged *staged,
                 const struct staged_message *message, int64_t now_ns);
void staging_drop(struct staging *staging, struct staged *staged);
/* Would that message fit into the log with those before it? */
bool staged_fits(const struct staged *staged, const struct staged_message *message);

/* The one that has waited longest, NULL if there is none; when it is to be dropped. */
struct staged *staging_oldest(const struct staging *staging);
int64_t staging_deadline(const struct staging *staging, const struct staged *staged);

struct bytes staged_id(const struct staged *staged);
/* The messages in order: *at is 0 at first. Views are good until the next message is added. */
bool staged_next(const struct staged *staged, size_t *at, struct staged_message *message);

#endif
