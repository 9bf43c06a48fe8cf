/*
 * stream_state: the applied half of a stream: what every replica computes from the log, in log order,
 * without choices, clocks or I/O. server/stream/decide.h stands on it and on the overlay; the
 * shell (server/stream/stream.h) feeds it batches.
 */
#ifndef SERVER_STREAM_STREAM_STATE_H
#define SERVER_STREAM_STREAM_STATE_H

#include "base/arena.h"
#include "server/stream/dedup.h"
#include "server/stream/effect.h"
#include "server/stream/stream_config.h"
#include "storage/index.h"

/* What apply tells its owner while it works; all may be returned to nobody (recovery, followers):
 * duties live in the state, not here. */
struct stream_events {
    void *owner;
    void (*stored)(void *owner, const struct index_entry *entry);  /* after it is in the index */
    void (*removed)(void *owner, const struct index_entry *entry); /* after it has left the index */
    /* config or consumer effects: the shell makes, updates and deletes consumer machines. */
    void (*configured)(void *owner);
    void (*consumer)(void *owner, const struct effect *effect);
};

struct stream_state {
    struct stream_config config; /* in config_arena */
    struct arena config_arena;
    bool configured;
    int64_t created_ns;
    uint64_t first_seq; /* as the API shows it (reference 3.3) */
    uint64_t last_seq;
    int64_t last_time_ns; /* of the last stored message, TIME_UNSET: never one */
    int64_t log_time_ns;  /* highest time of any batch: log time never falls */
    uint64_t lost_messages;
    struct index *index;
    struct dedup dedup;
    struct bytes msg_id_last; /* Nats-Msg-Id of the last message, "" if it had none; owned */
    const struct stream_events *events; /* NULL: nobody listens */
};

void stream_state_init(struct stream_state *state, uint64_t seed);
void stream_state_deinit(struct stream_state *state);

/* Applies one effect of a committed batch. `place` is its record's. ERR_CORRUPT: the record makes no
 * sense (a version we do not know, damaged): nothing has changed. Results a leader predicted are in
 * *result. */
struct apply_result {
    uint64_t sequence; /* message: stored as */
    uint64_t purged;   /* purge, delete: how many went */
};
enum err stream_state_apply(struct stream_state *state, const struct effect *effect, log_place place,
                            uint32_t record_size, struct apply_result *result);
/* Indexes of the log are lost: the sequences between what was and what follows are gaps. */
void stream_state_lost(struct stream_state *state);

uint64_t stream_state_messages(const struct stream_state *state);
uint64_t stream_state_bytes(const struct stream_state *state);
/* Oldest message that age would remove, or false: for the leader's expiry timer. */
bool stream_state_oldest(const struct stream_state *state, struct index_entry *entry);

/* The size the API counts for a file stream (reference 3.1). */
uint32_t stream_stored_size(size_t subject, size_t headers, size_t payload);

#endif
