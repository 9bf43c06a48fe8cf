/*
 * stream: the shell of one stream: its replica, what waits, what is parked until committed, its
 * consumers and their deliveries. It carries out what the cores decide (stream_state, decide,
 * consumers/consumer) and makes no decision that a test would want to check.
 *
 *     publish ─► decide ─► gathered batch ─► replica ─► apply ─► parked answers, consumers
 *     operation ┘ (operations wait until nothing else is in flight: barriers)
 *
 * Answers leave in the order of decisions, when the position they looked at is applied.
 */
#ifndef SERVER_STREAM_STREAM_H
#define SERVER_STREAM_STREAM_H

#include "consumers/consumer.h"
#include "server/stream/decide.h"
#include "storage/log.h"

struct account;
struct stream;
struct stream_lane;

/* ---- operations: everything but a publish that changes a stream ------------------------------ */

enum stream_op_kind {
    STREAM_OP_CONFIGURE, /* create's first config and updates */
    STREAM_OP_PURGE,
    STREAM_OP_DELETE_MESSAGE,
    STREAM_OP_CONSUMER_CREATE, /* or update, if `consumer_number` names an existing one */
    STREAM_OP_CONSUMER_DELETE,
    STREAM_OP_CONSUMER_RESET, /* `sequence`: where it begins anew */
    STREAM_OP_RESTORE,        /* a step of it: restore.c */
    STREAM_OP_READ, /* nothing changes: `done` runs when all decided before it is applied */
};

/*
 * Embedded in its owner (an API request), which keeps everything it points to until `done`.
 * `check` (may be NULL) runs when the operation's turn has come and nothing is in flight, so it
 * sees the applied state: a non-zero err_code refuses the operation and is handed to `done`. It may
 * turn the operation into a READ when there is nothing to change. Operations on consumers of
 * different names go together: then `check` runs with those before it decided and not applied,
 * which only stream_consumer_count_tail tells; should it refuse, it runs again when they are
 * applied. `done` runs exactly once: after apply, after a refusal, or with `failed` when the disk
 * refused it; with NULL when the stream was closed. Both run at home (server/stream/told.h), while
 * no stream has its turn; those of the stream's `own` in it.
 */
struct stream_op {
    enum stream_op_kind kind;
    bool own; /* nobody at home knows of it */
    uint16_t (*check)(struct stream_op *op, struct stream *stream);
    void (*done)(struct stream_op *op, struct stream *stream);
    struct stream_op *next;

    /* CONFIGURE: json of the normalised config. CONSUMER_CREATE: json of the consumer's config. */
    struct bytes json;
    struct bytes name; /* consumer's */
    uint64_t version;  /* CONFIGURE: of the catalogue */
    int64_t created_ns;
    uint64_t sequence; /* DELETE_MESSAGE, CONSUMER_RESET; PURGE: below */
    bool erase;
    struct bytes filter; /* PURGE */
    uint64_t keep;       /* PURGE */
    const struct consumer_config
        *consumer_config; /* CONSUMER_CREATE: parsed, for a volatile consumer */
    const struct consumer_config
        *refiltered; /* CONSUMER_CREATE of one that is there, which gets other filters */

    /* results */
    uint16_t error;       /* err_code, 0: fine */
    char error_text[160]; /* description if not the constant one */
    bool failed;          /* the disk refused; error is set, too */
    uint64_t purged;
    uint64_t consumer_number;  /* CONSUMER_CREATE: made or found */
    struct consumer *consumer; /* the same, in `done`; NULL: it is gone again */
    bool created;              /* CONSUMER_CREATE: it was not there before */
    struct {
        bool done;
        uint64_t from, found;
    } count; /* of what the consumer wants then: op_count.c */
};

void stream_submit(struct stream *stream, struct stream_op *op);
/* At home, when it was told that one waits (TOLD_WAITS): those start that may. */
void stream_operations_check(struct stream *stream);
/* The same for one that is over (TOLD_OPERATION); `stream` NULL: it was closed. */
void stream_op_over(struct stream_op *op, struct stream *stream);

/*
 * Who looks at the stream and wants to see what all that came before has done. Embedded in its
 * owner; `done` runs exactly once, at home, perhaps at once: when that is applied, or when it will
 * not be (the disk refused it, leadership is gone); with NULL when the stream was closed.
 */
struct stream_glance {
    void (*done)(struct stream_glance *glance, struct stream *stream);
    uint64_t publishes; /* that were waiting, by number */
    uint64_t index;
    struct stream_glance *next;
};
void stream_glance(struct stream *stream, struct stream_glance *glance);
/* What is left for the consumer is not known yet, and is being counted: true, and `done` is called
 * again when it may be. */
bool stream_glance_counts(struct stream *stream, struct stream_glance *glance,
                          struct consumer *consumer);

/* ---- reading messages (applied state only) --------------------------------------------------- */

struct stream_message {
    uint64_t sequence;
    int64_t time_ns;
    struct bytes subject, headers, payload; /* good during the call that hands it out */
};

/* Reads a message; `done` runs at once or later, with NULL when it is gone or damaged. Embedded in
 * its owner; the stream may be deleted meanwhile (then NULL). */
struct stream_read {
    uint64_t sequence;
    void (*done)(struct stream_read *read, const struct stream_message *message);
    struct log_read read;
    struct stream *stream;
    bool gone;    /* the stream was closed while the read was in flight */
    bool held;    /* it has waited for another replica to give back what is damaged here */
    bool damaged; /* the message is the stream's, but nobody has given it back so far */
    uint8_t *memory;
    uint32_t size;
    uint64_t place;
    struct stream_read *next;
};
void stream_read(struct stream *stream, struct stream_read *read);

/* Asks for a message from home: the stream finds and reads it in its turn and says so
 * (TOLD_ANSWERED), then `done` runs at home, once: with NULL when there is none, or it is damaged.
 */
struct stream_question {
    const struct message_get *get; /* good until then */
    void (*done)(struct stream_question *question, const struct stream_message *message);
    /* private to question.c */
    struct stream_read read;
    struct stream_lane *lane;
    uint64_t stream, life;
    struct stream_message message;
    struct bytes memory; /* of that */
    bool found;
    bool gone;       /* the stream was closed */
    bool unreadable; /* what its index has cannot be read from the disk */
    bool damaged;    /* as the read's */
    struct stream_question *next;
};
void stream_ask(struct stream *stream, struct stream_question *question);
void stream_answered(struct stream_question *question);

/* ---- life: for jetstream.c ------------------------------------------------------------------- */

/* Recovers the stream's log and applies it; it leads from a later turn. Blocking. Errors as
 * replica_open. */
struct stream *stream_open(struct stream_lane *lane, struct account *account, uint64_t id,
                           struct bytes name, enum err *err);
/*
 * The same in steps, as log_opening_begin has them. Between them the stream is nobody's: it listens
 * to nothing, and all that may be done with it is stream_close. ERR_AGAIN: there are more; OK: it
 * is open; else it is gone.
 */
struct stream *stream_opening(struct stream_lane *lane, struct account *account, uint64_t id,
                              struct bytes name, const struct log_pace *pace);
enum err stream_opening_step(struct stream *stream);
bool stream_opening_waits(const struct stream *stream);
/* Subscriptions of the account have changed: push consumers look again. */
void stream_interest_changed(struct stream *stream);
/* What it kept back for jetstream_admits_now goes on. */
void stream_go_on(struct stream *stream);
/* The same where it is known whom it may concern: who delivers to a subject of that hash
 * (account_subject_hash). */
void stream_interest_changed_of(struct stream *stream, const uint64_t *hashes, unsigned count);
/* The server ends soon: pulls that wait are told, in the stream's next turn. False: none waited. */
bool stream_say_shutdown(struct stream *stream);
/* An advisory: this server leads that consumer of it, if there are others that could. */
struct consumer;
void stream_say_leader_of(struct stream *stream, const struct consumer *consumer);
/* It leads, and home listens for it no more: it does, if it needs that said. */
void stream_admit(struct stream *stream);
/* It does not lead, and home knows: what has come since goes to the next leader, nothing more
 * comes. */
void stream_let_go(struct stream *stream);
/* It is to be closed: nothing more comes. Home may say so before its lane closes it. */
void stream_leave(struct stream *stream);
/* What can be done now: answers, waiting publishes, consumers, operations, the next batch. */
void stream_turn(struct stream *stream);
/* Drops everything. `deleted`: clients that wait on consumers are told, the log is closed and can
 * be removed; else the server ends, and no file is touched. */
void stream_close(struct stream *stream, bool deleted);
/* So that it can be opened again, by the same server: nobody is told that it is gone. */
void stream_close_anew(struct stream *stream);
/* Its index has (storage/index.h): nothing leaves in its name any more, and nothing goes into its
 * log, until home has closed it and opened it again. */
bool stream_failed(const struct stream *stream);

/* The list of streams that have something to do this turn. */
void stream_link_dirty(struct stream *stream, struct stream **list);
void stream_unlink_dirty(struct stream *stream);        /* from its lane's */
struct stream *stream_pop_dirty(struct stream *stream); /* unmarks; the rest of the list */

/* ---- looking at it --------------------------------------------------------------------------- */

struct bytes stream_name(const struct stream *stream);
struct account *stream_account(const struct stream *stream);
const struct stream_state *stream_applied(const struct stream *stream);
const struct stream_config *stream_config(const struct stream *stream);
/* What is stored, with what is decided here and not yet applied. */
uint64_t stream_bytes_tail(const struct stream *stream);
/* What of that is counted against limits; and that all of it is, as it now is. */
struct quota;
struct quota *stream_quota(struct stream *stream);
void stream_quota_settle(struct stream *stream);
uint64_t stream_id(const struct stream *stream);
uint64_t stream_life(const struct stream *stream); /* which of its openings */
struct stream_lane *stream_lane_of(const struct stream *stream);
bool stream_leads(const struct stream *stream);
/* Does it take what is published? For some moments also when it leads no more: stream_let_go. */
bool stream_listens(const struct stream *stream);
/* Is it kept in files, and the disk here so full that its publishes are refused? */
bool stream_lacks_space(const struct stream *stream);
/* Since when, by the wall clock; of a stream that leads. */
int64_t stream_lead_since(const struct stream *stream);
/* Messages that were damaged on this disk and have been taken from another server, since it was
 * opened. */
uint64_t stream_repaired(const struct stream *stream);
uint64_t stream_term(const struct stream *stream);

/* Why its log takes what it takes on the disk (docs/metrics.md). */
enum stream_space_reason {
    SPACE_MESSAGES, /* they live */
    SPACE_AHEAD,    /* taken for what will be written */
    SPACE_LOG,      /* a start, or another server, may still need these entries */
    SPACE_HELD,     /* a backup or a delivery still reads there */
    SPACE_LEAVING,  /* nothing lives there: it goes with a state block */
    SPACE_MOVING,   /* little enough lives there: that is moved, then it goes */
    SPACE_DENSE,    /* too much lives there for that */
    SPACE_REASONS,
};
extern const char *const stream_space_names[SPACE_REASONS];
/* Their sum is log_bytes. */
void stream_space_reasons(struct stream *stream, uint64_t bytes[static SPACE_REASONS]);

struct replica *stream_replica(const struct stream *stream);
/* By name; NULL if there is none. */
struct consumer *stream_consumer(const struct stream *stream, struct bytes name);
/* Something of that consumer was changed from outside: it has its turn soon. */
void stream_consumer_wake(struct stream *stream, const struct consumer *consumer);
/* Without those of sources and mirrors. */
size_t stream_consumer_count(const struct stream *stream);
/* The same, with operations that are decided and not applied. */
size_t stream_consumer_count_tail(const struct stream *stream);
/* Walks them in no order: for (at = 0; (c = stream_consumer_next(stream, &at)) != NULL;) */
const struct consumer *stream_consumer_next(const struct stream *stream, size_t *at);
/* All consumers sorted by name, in the turn's arena; *count of them. */
struct consumer **stream_consumers(const struct stream *stream, struct arena *arena, size_t *count);

#endif
