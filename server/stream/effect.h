/*
 * effect: the bodies of the records that change a stream, and their codec. Everything here is a
 * format on disk: docs/formats.md, "Stream records", must say the same. Pure.
 */
#ifndef SERVER_STREAM_EFFECT_H
#define SERVER_STREAM_EFFECT_H

#include "base/buf.h"
#include "base/err.h"
#include "server/stream/expiries.h"
#include "storage/record.h"

enum effect_type {
    EFFECT_TERM = 0, /* raft/replica.h */
    EFFECT_MESSAGE = 1,
    EFFECT_DELETE = 2,          /* one sequence by request; `erase` asks for the bytes to go, too */
    EFFECT_PURGE = 3,           /* filter, below sequence, keep */
    EFFECT_EXPIRE = 4,          /* what has a sequence <= S and a time <= T, or has ended, goes */
    EFFECT_CONFIG = 5,          /* StreamConfig JSON, version, created time */
    EFFECT_CONSUMER_CREATE = 6, /* number, created, name, ConsumerConfig JSON; also updates */
    EFFECT_CONSUMER_DELETE = 7, /* number, name */
    EFFECT_SKIP = 8,            /* sequences up to that one are left out: a mirror's gap */
    EFFECT_SOURCED = 9,   /* what follows was taken from a source, up to that sequence of it */
    EFFECT_SCHEDULE = 16, /* when messages that are schedules fire next, or that they end */
    /* Of a stream that is restored from a backup, before its config: */
    EFFECT_RESTORE = 24,        /* it begins; the config that counts meanwhile */
    EFFECT_DELETE_MANY = 25,    /* sequences that were deleted where the backup was made */
    EFFECT_CONSUMER_STATE = 26, /* a consumer and where it stands */
    /* CONSUMER_RECORD_FIRST..LAST: consumers/consumer.h; their bodies are not read here */
};

/* Flags of the record. */
#define MESSAGE_ROLLUP_SUBJECT 1u
#define MESSAGE_ROLLUP_ALL     2u
#define MESSAGE_HAS_ID         4u   /* Nats-Msg-Id is at id_offset in the headers */
#define MESSAGE_EXPIRES        32u  /* it has an end of its own */
#define MESSAGE_MARKER         64u  /* stands for a subject that is no more */
#define MESSAGE_ERASED         128u /* zeros where headers (but the message id) and payload were */
#define DELETE_ERASE           1u
#define SKIP_TIMED             1u /* the last of them has a time */
#define EXPIRE_ENDED           1u /* messages whose own end has come go, too */

/* Of a schedule: its message's sequence, then when it fires next or one of these. */
#define SCHEDULE_ENTRY_SIZE 16u
#define SCHEDULE_PURGED     INT64_C(0) /* never: all of its subject goes */
#define SCHEDULE_FORGOTTEN  INT64_MAX  /* never: it stays as a message */

/* What fits the fields of a message. */
#define EFFECT_SUBJECT_MAX 65535u
#define EFFECT_HEADERS_MAX 65535u
#define EFFECT_PAYLOAD_MAX (64u << 20)
#define EFFECT_TIME_MAX    (INT64_C(1) << 62) /* ns since 1970; differences do not overflow */

struct effect {
    uint8_t type;
    uint8_t flags; /* of a message: roll-up; the codec adds all others from the fields */
    union {
        struct {
            uint64_t sequence;
            int64_t time_ns;
            struct bytes subject, headers, payload;
            struct bytes id;    /* a view into `headers`, or empty */
            int64_t expires_ns; /* its own end, EXPIRES_NEVER, or 0: it has none */
            bool marker;
            bool erased; /* reading only */
        } message;
        struct {
            uint64_t sequence;
            bool erase;
        } remove;
        struct {
            struct bytes filter; /* empty: all subjects */
            uint64_t below;      /* 0: no bound */
            uint64_t keep;
            uint64_t last; /* bound: last sequence when decided; later ones stay */
        } purge;
        struct {
            uint64_t last;
            int64_t time_ns;  /* age; TIME_UNSET: none goes by its age */
            int64_t ended_ns; /* own ends up to this; 0: none */
        } expire;
        struct {
            struct bytes entries; /* SCHEDULE_ENTRY_SIZE each */
        } schedule;
        struct {
            int64_t created_ns;
            uint64_t version; /* of the catalogue; rises */
            struct bytes json;
        } config; /* RESTORE, too */
        struct {
            uint64_t last;
            int64_t time_ns; /* of the last, if that counts as the stream's; 0: it does not */
        } skip;
        struct {
            uint16_t source;   /* of config.sources */
            uint64_t origin;   /* which stream of that name: its id; 0: not known */
            uint64_t sequence; /* there */
        } sourced;
        struct {
            uint64_t number; /* unique in the stream for ever */
            int64_t created_ns;
            struct bytes name, json;
            struct bytes state; /* CONSUMER_STATE: as consumer_state_decode takes it */
        } consumer;
        struct {
            struct bytes sequences; /* u64 each */
        } delete_many;
    };
};

/* The size of the record of such a message. */
uint32_t effect_message_size(size_t subject, size_t headers, size_t payload);
/* Writes one entry of a schedule effect; returns what follows it. */
uint8_t *effect_schedule_entry(uint8_t *at, uint64_t sequence, int64_t next_ns);
/* Appends the record; false at the buffer's limit (nothing written). The sizes fit (asserted). */
bool effect_write(struct buf *out, const struct effect *effect);
/* Takes out of a message's record what must not be found any more; its size, place in the stream,
 * subject and message id stay, because the log is still applied with it (storage/log.h,
 * log_erase). */
void effect_erase(uint8_t *record, uint32_t size);
/* Views into the record. ERR_CORRUPT: sizes that do not fit, unknown type or flags. */
enum err effect_read(const struct record *record, struct effect *effect);

#endif
