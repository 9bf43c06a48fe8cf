/*
 * stream_state: the applied half of a stream: what every replica computes from the log, in log
 * order, without choices, clocks or I/O. server/stream/decide.h stands on it and on the overlay;
 * the shell (server/stream/stream.h) feeds it batches.
 *
 * Equal logs make equal states, whatever the timing: removal by limits and roll-ups follows here
 * from (state, effect); it is never decided. Of a message: first it is stored, and with interest
 * retention leaves at once if nobody needs it; then its roll-up removes what it replaces, then its
 * subject's limit, then the stream's.
 *
 * Sequences: last_seq never falls. first_seq is the oldest message's; of an empty stream last_seq +
 * 1; 0 as long as nothing has ever happened to it.
 */
#ifndef SERVER_STREAM_STREAM_STATE_H
#define SERVER_STREAM_STREAM_STATE_H

#include "base/arena.h"
#include "server/router/subject_transform.h"
#include "server/stream/dedup.h"
#include "server/stream/effect.h"
#include "server/stream/expiries.h"
#include "server/stream/lost.h"
#include "server/stream/positions.h"
#include "server/stream/stream_config.h"
#include "storage/index.h"

/* Sequences end here, so that last_seq + 1 is one, too. */
#define STREAM_SEQUENCE_MAX (UINT64_MAX - 1)

/* What apply tells its owner while it works; all may be returned to nobody (recovery, followers):
 * duties live in the state, not here. The owner may look at the state, not change it. */
struct stream_events {
    void *owner;
    void (*stored)(void *owner, const struct index_entry *entry);  /* after it is in the index */
    void (*removed)(void *owner, const struct index_entry *entry); /* after it has left the index */
    /* after it was deleted and left the index: its bytes are to go */
    void (*erased)(void *owner, const struct index_entry *entry);
    /* Interest retention: does a consumer still need it? It is in the index. Consumers are what the
     * log has made of them, so all replicas say the same. NULL: yes. */
    bool (*wanted)(void *owner, const struct index_entry *entry);
    /* config or consumer effects: the shell makes, updates and deletes consumer machines. */
    void (*configured)(void *owner);
    void (*consumer)(void *owner, const struct effect *effect);
};

struct stream_state {
    struct stream_config config;        /* in config_arena; all zero until configured: no limits */
    struct bytes config_json;           /* as it was logged; there, too */
    struct subject_transform transform; /* of what comes in, if config.subject_transform */
    struct subject_transform republish; /* of what is stored, if config.republish */
    struct arena config_arena;
    bool configured;
    bool restoring; /* not configured yet: it is filled from a backup; `config` is what counts
                     * meanwhile */
    uint64_t config_version; /* of the catalogue, whose config this is; 0 until configured */
    bool begun;              /* it has, or has had, a place in the sequences */
    int64_t created_ns;
    uint64_t first_seq; /* as the API shows it (reference 3.3) */
    uint64_t last_seq;
    int64_t last_time_ns;   /* of the last stored message, TIME_UNSET: never one */
    int64_t log_time_ns;    /* highest time of any batch: log time never falls */
    uint64_t lost_messages; /* at most that many were lost with damaged parts of the log */
    struct lost lost;       /* of this disk; in the local part of blocks */
    uint64_t gap_max;       /* sequences that lost indexes since the last message may have used */
    bool gap;               /* the next message may leave some out */
    struct positions positions; /* how far each source has been taken */
    struct index *index;
    struct scratch *scratch;         /* of the index, NULL: none; held */
    struct index_cache *index_cache; /* the same; the owner's */
    unsigned index_bits;
    struct dedup dedup;
    struct expiries expiries;
    struct expiries schedules; /* messages that are schedules; they "end" when they fire next */
    uint64_t aged_below; /* of lower sequences only messages are left that never grow too old */
    uint64_t oldest_sequence; /* what grows too old first, and its time; 0: not known */
    int64_t oldest_ns;
    struct bytes msg_id_last; /* of the last message, "" if it had none; in msg_id_memory */
    struct buf msg_id_memory;
    const struct stream_events *events; /* NULL: nobody listens. Its functions may be NULL, too. */
    uint64_t flaws;                     /* server/stream/flaws.h */
};

void stream_state_init(struct stream_state *state, uint64_t seed);
/* The index of an empty state has these from now on (index_use), unless both are NULL. */
void stream_state_use(struct stream_state *state, struct scratch *scratch,
                      struct index_cache *cache, unsigned index_bits);
/* It has that index from now on, which is its own then. */
void stream_state_index(struct stream_state *state, struct index *index);
void stream_state_deinit(struct stream_state *state);
/* As after init, for the same owner. */
void stream_state_reset(struct stream_state *state, uint64_t seed);

/* Applies one effect of a committed batch. `place` is its record's. ERR_CORRUPT: the record makes
 * no sense (a version we do not know, damaged): nothing has changed. Results a leader predicted are
 * in *result. */
struct apply_result {
    uint64_t sequence; /* message: stored as */
    uint64_t previous; /* message, if it is republished: the newest of its subject before it */
    bool unwanted;     /* message: nobody needed it, and it has left at once */
    uint64_t purged;   /* purge, delete, expire: how many went */
};
enum err stream_state_apply(struct stream_state *state, const struct effect *effect,
                            log_place place, uint32_t record_size, struct apply_result *result);
/* In apply: the consumers are done with that message, which leaves the stream. It may have left. */
void stream_state_settle(struct stream_state *state, uint64_t sequence);
/* Indexes of the log with that many bytes are lost: the sequences between what was and what follows
 * are gaps. If nothing follows, new messages get sequences behind all that may have been lost. */
void stream_state_lost(struct stream_state *state, uint64_t bytes);

uint64_t stream_state_messages(const struct stream_state *state);
uint64_t stream_state_bytes(const struct stream_state *state);
/* No message that follows may be older. A restored stream's last message may have been of a clock
 * that was ahead. */
int64_t stream_state_time(const struct stream_state *state);
/* The highest sequence that is or may have been taken. */
uint64_t stream_state_taken(const struct stream_state *state);
/* Oldest message that age may remove, or false: there is none, or no limit of age. */
bool stream_state_oldest(struct stream_state *state, struct index_entry *entry);
/* When the next message is due by its age or its own end, in log time; false: none is. */
bool stream_state_due(struct stream_state *state, int64_t *due_ns);

/*
 * The state without its messages (stream_state.index), as the section of a state block; equal
 * states make equal bytes. What is added to the state is added here, or a restart forgets it.
 */
void stream_state_encode(const struct stream_state *state, struct buf *out);
/* Into a fresh state whose index has the block's messages. ERR_CORRUPT: it makes no sense; the
 * state is to be thrown away. */
enum err stream_state_decode(struct stream_state *state, struct bytes in);
/* The same in parts: what there may be many of (ends, schedules, ids) comes up to *left at a time,
 * which is counted down. ERR_AGAIN: there are more. `in` stays until the last. */
struct stream_state_decoding {
    struct expiries_decoding lives, schedules;
    struct dedup_decoding ids;
};
enum err stream_state_decode_begin(struct stream_state *state, struct bytes in,
                                   struct stream_state_decoding *decoding);
enum err stream_state_decode_part(struct stream_state *state,
                                  struct stream_state_decoding *decoding, uint64_t *left);

/* The size the API counts (reference 3.1). `storage`: enum stream_storage. */
uint32_t stream_stored_size(int32_t storage, size_t subject, size_t headers, size_t payload);

#endif
