/*
 * effect: the bodies of the records that change a stream, and their codec. Everything here is a format
 * on disk: docs/formats.md, "Stream records", must say the same. Pure.
 */
#ifndef SERVER_STREAM_EFFECT_H
#define SERVER_STREAM_EFFECT_H

#include "base/buf.h"
#include "base/err.h"
#include "storage/record.h"

enum effect_type {
    EFFECT_TERM = 0, /* raft/replica.h */
    EFFECT_MESSAGE = 1,
    EFFECT_DELETE = 2,          /* one sequence by request; `erase` asks for the bytes to go, too */
    EFFECT_PURGE = 3,           /* filter, below sequence, keep */
    EFFECT_EXPIRE = 4,          /* everything with a sequence <= S and time <= T goes (age) */
    EFFECT_CONFIG = 5,          /* StreamConfig JSON, created time */
    EFFECT_CONSUMER_CREATE = 6, /* number, created, name, ConsumerConfig JSON; also update of an existing name */
    EFFECT_CONSUMER_DELETE = 7, /* number, name */
    /* CONSUMER_RECORD_FIRST..LAST: consumers/consumer.h */
};

#define MESSAGE_ROLLUP_SUBJECT 1u /* flags of the record */
#define MESSAGE_ROLLUP_ALL     2u
#define MESSAGE_HAS_ID         4u /* Nats-Msg-Id is at id_offset in the headers */

struct effect {
    uint8_t type;
    uint8_t flags;
    union {
        struct {
            uint64_t sequence;
            int64_t time_ns;
            struct bytes subject, headers, payload, id;
        } message;
        struct {
            uint64_t sequence;
            bool erase;
        } remove;
        struct {
            struct bytes filter; /* empty: all subjects */
            uint64_t below;      /* 0: no bound */
            uint64_t keep;
            uint64_t last;       /* bound: last sequence when decided; later ones stay */
        } purge;
        struct {
            uint64_t last;
            int64_t time_ns;
        } expire;
        struct {
            int64_t created_ns;
            struct bytes json;
        } config;
        struct {
            uint64_t number; /* 0 in a create: apply takes the next */
            int64_t created_ns;
            struct bytes name, json;
        } consumer;
        struct bytes consumer_record; /* type tells; body starts with the number */
    };
};

/* Appends the record; false at the buffer's limit (nothing written). */
bool effect_write(struct buf *out, const struct effect *effect);
/* Views into the record. ERR_CORRUPT: sizes that do not fit, unknown type or flags. */
enum err effect_read(const struct record *record, struct effect *effect);

#endif
