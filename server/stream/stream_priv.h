/* stream_priv: the stream shell's own struct, for the files of this folder that are the shell. */
#ifndef SERVER_STREAM_STREAM_PRIV_H
#define SERVER_STREAM_STREAM_PRIV_H

#include "base/table.h"
#include "base/timers.h"
#include "raft/replica.h"
#include "server/jetstream/jetstream_core.h"
#include "server/jetstream/jetstream_flaws.h"
#include "server/router/message_trace.h"
#include "server/router/router.h"
#include "server/router/sublist.h"
#include "server/server.h"
#include "server/stream/ahead.h"
#include "server/stream/consumer_view.h"
#include "server/stream/lane.h"
#include "server/stream/outbox.h"
#include "server/stream/quota.h"
#include "server/stream/read_cache.h"
#include "server/stream/restore.h"
#include "server/stream/scrub.h"
#include "server/stream/snapshot.h"
#include "server/stream/stream.h"
#include "storage/index_count.h"

#define STREAM_WAITING_BYTES_MAX                                                                   \
    (128u << 20) /* publishes that wait to be decided (reference 4.1) */
#define STREAM_WAITING_MAX       100000u
#define CONSUMER_INBOX_BYTES_MAX (64u << 20)
#define CONSUMER_INBOX_SINKS     4u
#define STREAM_PARKED_BYTES_MAX  (256u << 20)

/* Of a batch, what publishes leave to consumers, and what one step of a consumer may need: it
 * gathers at most a few thousand runs of at most 20 bytes. */
#define GATHER_RESERVED (8u << 20)
#define GATHER_STEP_MAX (2u << 20)

/* Codes of what waits to be delivered. */
#define DELIVERY_HEADERS_ONLY 1u
#define DELIVERY_AWAITED      2u

#define STREAM_PROPOSALS 4u /* whose times are known, by index */

/* A message that was fetched for a schedule that is due. */
struct schedule_copy {
    struct stream_message message; /* views into `memory` */
    struct bytes memory;           /* owned; empty: nothing is kept */
};
#define SCHEDULE_KEPT 2u

struct schedule_fetch {
    struct stream_read read;
    struct stream *stream; /* not to be touched when the read says gone */
    unsigned kept;         /* where it is kept */
};

/* Consumer records put their body at a multiple of 8 (docs/formats.md). */
#define RECORD_BODY_PAD (16u - RECORD_HEAD)

/* stream_block.c */
/* What lives in a file of the log. */
struct stream_file {
    uint64_t messages, bytes;
    uint64_t
        lived;   /* messages, at the index of the block on its way; UINT64_MAX: it was not there */
    bool sparse; /* what lives in it is being moved */
    bool moved;  /* the older block may still say that something lives in it */
};

/* By ordinal, or ordinal less LOG_KEEP_FIRST. */
struct stream_files {
    struct stream_file *at;
    uint32_t count;
};

struct stream_places {
    struct stream_files segments, keeps;
    uint64_t missing; /* messages that live in files that are not there */
};

/* The messages of a state that is restored next. */
struct stream_filled {
    struct index *index; /* NULL: they are to be decoded */
    struct stream_places places;
};

/* stream_space.c */
struct stream_space {
    struct timer timer;
    bool all;             /* files with any dead worth it are moved, not only mostly dead ones */
    uint64_t removed;     /* bytes that left since giving back was last begun */
    uint64_t lately;      /* of them since the last look */
    uint64_t applied;     /* index, at the last look */
    unsigned still;       /* looks since that changed */
    uint64_t dead, tries; /* the least there was; looks that did not lessen it */
};

/* stream_moved.c */
struct stream_moved {
    struct stream_moved_piece *at;
    size_t count, capacity;
    struct stream_moved_open *open; /* that is being filled, or NULL */
};

struct stream_blocks {
    struct stream_places places;
    struct stream_moved moved;
    /* A block on its way. */
    struct index_capture *capture; /* NULL: it is being written, or there is none */
    size_t messages_begin;         /* of their section in the body, while it is taken down */
    struct buf body;               /* what of it is not in the spool yet */
    struct spool *spool, *rows;    /* the body; where messages are */
    bool named;                    /* those rows say numbers of subjects, too */
    struct buf erasing;            /* what was to be erased then (stream_erase_encode) */
    struct timer timer;
    struct stream_reading *reading; /* stream_block_read.c; NULL: none */
    struct stream_move *move;       /* stream_move.c; NULL: none */
    struct timer move_timer;
    struct stream_fill *fill; /* stream_fill.c; NULL: none */
    struct timer fill_timer;
    struct stream_filled filled;
    struct lost found;            /* damage that was found while it was filled */
    struct lost lacking;          /* what nobody gave, and may have left the stream */
    uint64_t lacking_until;       /* what it lacks still when that index is applied is lost here */
    struct stream_repair *repair; /* stream_repair.c; NULL: none */
    struct timer repair_timer;
    int64_t repair_wait_ns; /* before the last round; 0: at once */
    /* Where what was repaired stood, to be erased when a block says that it is elsewhere; the first
     * `captured` of them when the one on its way does. */
    struct log_erased *stale;
    size_t stale_count, stale_capacity, stale_captured;
    struct stream_serve *serves; /* stream_serve.c: for others that fill, or fetch */
    struct timer serve_timer;
    struct stream_space space;
};

struct publish_waiting; /* look.c: what is asked for now may be answered when the read of that
                           number is confirmed. */
uint64_t stream_look_number(struct stream *stream);
bool stream_looked(const struct stream *stream, uint64_t number);
void stream_look(struct stream *stream);        /* begins the read that something waits for */
void stream_look_settle(struct stream *stream); /* when what came in this turn is gathered */
void stream_look_follow(struct stream *stream);

/* What leaves in its name; nothing when its index has failed. */
void stream_publish(struct stream *stream, const struct message *message);
void stream_answer(struct stream *stream, struct bytes to, struct bytes headers,
                   struct bytes payload);

/* ingest.c */

struct stream_ops {
    struct stream_op *first, *last;
    size_t count;
};

struct stream_glances {
    struct stream_glance *first, *last;
};

/* A consumer with its sinks, timer and what it has asked to be sent. */
/* What goes to a consumer and comes from it. Most of thousands have none. */
struct consumer_lane {
    struct consumer_shell *shell;
    struct {
        const uint8_t *at; /* NULL: nothing */
        log_place place;
        size_t size;
        size_t ahead; /* how far the last read reached */
    } window;         /* what was read for the messages at hand: delivery_now.c */
    struct timer wake;
    struct timer retry;  /* a receiver was full: send on later */
    struct outbox inbox; /* requests, acks and flow control that wait for the turn */
    struct outbox deliveries;
    uint64_t unsent; /* the weight of all of these */
    bool later;      /* they are sent in this turn, because a batch left first in the one before */
    struct stream_reader *reader; /* a read in flight for the head of `deliveries`, or NULL */
    struct router_route route;    /* of its deliver subject */
};

/* One of its filters in the index of who a message is for. */
struct consumer_place {
    struct sub sub;
    struct consumer_shell *shell;
};

struct consumer_shell {
    struct consumer *consumer; /* NULL while it is being made */
    struct stream *stream;
    struct consumer_lane *lane; /* NULL: there is nothing to be in it */
    struct consumer_shell *dirty_next;
    struct consumer_shell *planning_next;
    struct consumer_shell *offered_next;
    struct consumer_place *more_places; /* if it has more than one filter */
    struct consumer_place place;        /* in the stream's consumer_index */
    uint64_t walked;                    /* the last walk of the index that came by */
    uint32_t place_count;
    bool logged; /* it is in the log, and so in state blocks */
    bool dirty;
    bool planning; /* hands out when the next batch leaves */
    bool wide;     /* its filters have changed: it is told of every message */
    bool offered;  /* messages were gathered that it has not been told of */
    bool doomed;   /* inactive: delete it when nothing of it is on the stack */
    bool at_hand;  /* what it asks for leaves at once: delivery_now.c */
    bool bound;
    bool unanswered;       /* home has not told yet who asked for it: until then it is not bound */
    bool interest_changed; /* who listens to it may be another */
    bool direct;           /* of a source or mirror: not counted as a consumer */
    bool push;             /* counted in push_count */
    bool burying;          /* its deletion has been submitted */
};

/* erase.c: messages whose bytes are to go */
struct stream_erasing {
    struct log_erase_op op;
    struct log_erased *at; /* those under way first */
    size_t count, capacity, flying;
    size_t looked; /* so many of them could not go when they were last looked at */
    bool held;     /* some of those for a backup alone */
    struct stream_op *waiting, *answered; /* answered: with those under way */
    uint64_t floor, block;                /* the log's, when it was last seen which may go */
    bool remains;                         /* what was cut is to go, too (log_remains) */
    bool busy;
};

#define STREAM_HELD_MAX 1024u /* further ones are not kept waiting */

/* reader.c: reads that wait for what is damaged here */
struct stream_held {
    struct stream_read *reads;
    uint32_t count;
    struct timer timer; /* no longer than so */
    bool ready;         /* they are to look again */
};

static inline struct bytes shell_name(const struct consumer_shell *shell)
{
    return consumer_name(shell->consumer);
}

struct stream {
    struct stream_lane *lane;
    struct jetstream *jetstream; /* what is not of its lane */
    struct account *account;
    struct quota quota; /* of its account and of the server */
    uint64_t id, life;
    struct bytes name; /* owned */
    struct replica *replica;
    struct replica *opening; /* that is to be; NULL: none */
    struct stream_state state;
    struct stream_events events;
    struct decider decider;
    bool anew;     /* it is closed to be opened again */
    bool admitted; /* home has let it listen: stream_admit */
    bool lead;
    int64_t lead_since_ns;  /* wall clock; as long as it leads */
    bool leader_told;       /* that it leads */
    int64_t quorum_lost_ns; /* when that was last said; 0: never */
    bool closing;

    struct {
        struct timer due;
        int64_t until_ns;         /* a batch waits until then; 0: none does */
        int64_t commit_ns;        /* how long the last one took */
        uint32_t gathered;        /* of the records in the batch, those of consumers */
        unsigned skip, skip_next; /* batches that wait for nothing */
    } await;                      /* await_acks.c */

    /* publishing */
    struct sink **sinks; /* one per configured subject */
    size_t sink_count;
    uint64_t refusals; /* by the disk, since the log was told */
    int64_t refusals_told_ns;
    struct sink *sink_direct, *sink_direct_subject;
    uint32_t gathered;             /* records in the batch being built */
    const struct effect *applying; /* the message that is being stored; NULL: none */
    uint64_t fresh_from; /* the first message that was stored this turn, else UINT64_MAX */
    struct {
        uint64_t index;
        int64_t time_ns; /* monotonic */
    } proposals[STREAM_PROPOSALS];
    struct publish_waiting *waiting_first, *waiting_last;
    size_t waiting_count, waiting_bytes;
    uint64_t waiting_taken;   /* how many have waited, and do no more */
    struct timer staging_due; /* the oldest batch is abandoned then */
    struct buf ack_prefix;    /* {"stream":"S","seq": */

    /* answers */
    struct outbox parked; /* until applied and looked, in order of decision */
    struct {
        struct replica_read read;
        uint64_t asked, confirmed; /* numbers of reads */
        bool wanted;               /* something waits for the next one */
        bool busy;                 /* one is under way */
        bool settling, aimed;      /* it waits until `index`, once that is known, is applied */
        uint64_t index;
    } look; /* look.c */
    struct outbox at_once;
    struct stream_traced *traced_first, *traced_last; /* stored and not applied: traced.c */

    struct stream_glances glances_new;      /* not known what they wait for */
    struct stream_glances glances_aimed;    /* known, rising */
    struct stream_glances glances_counting; /* for a consumer to be counted */

    /* operations */
    struct stream_ops ops_waiting;
    struct stream_ops ops_flying; /* proposed, in one batch; in the order of their records */
    bool ops_yield;               /* some were applied: first what has waited for them goes on */
    bool ops_told;                /* home knows that the first that waits is one of its own */
    bool ops_decided;             /* at home: those that fly are still to be proposed */
    int64_t consumers_flying;     /* how many more consumers there will be when it is applied */
    struct {
        const struct stream_op *op; /* the first that waits; NULL: nothing is counted */
        uint64_t applied;           /* when it began */
        struct index_count count;
    } counting;             /* op_count.c */
    struct buf uncounted;   /* the numbers of consumers that count what is left: count_turn.c */
    size_t uncounted_taken; /* bytes of them that are done with */
    struct stream_op expire_op;
    bool expiring;
    struct timer expiry;
    int64_t expiry_due_ns;  /* what the timer is armed for, in log time */
    int64_t expiry_wait_ns; /* since it was refused; 0: the last one was not */

    struct {
        struct timer due; /* the first fires then */
        int64_t due_ns;   /* in log time */
        struct stream_op op;
        bool firing;                  /* `op` is under way */
        int64_t wait_ns;              /* since it was refused; 0: the last one was not */
        struct schedule_fetch *fetch; /* under way, or NULL */
        struct schedule_copy kept[SCHEDULE_KEPT];
        uint64_t unreadable; /* what could not be fetched; 0: nothing */
        uint64_t produced;   /* a seeded bug's: what the next operation is to log of */
    } schedules;             /* schedule_fire.c */

    /* consumers */
    struct table consumers; /* consumer_shell by name */
    struct table consumers_by_number;
    uint64_t number_next;
    uint64_t number_logged;     /* the highest that a consumer in the log has had */
    size_t direct_count;        /* of the consumers, those of sources and mirrors */
    size_t push_count;          /* consumers that depend on who listens */
    bool interest_changed;      /* of any of its push consumers */
    bool interest_changed_some; /* of those that are marked */
    bool until_acked;           /* the config's retention is not limits; as the consumers know it */
    struct consumer_shell *consumer_dirty;
    struct consumer_shell *consumer_planning;
    struct consumer_shell *consumer_offered;
    struct sublist consumer_index; /* which of them a subject is for */
    uint64_t consumer_walks;
    struct sink *inbox_sinks[CONSUMER_INBOX_SINKS]; /* what all of them are told */
    struct consumer_shell *acked; /* whom the last ack was for; NULL: nobody, or it is gone */
    struct consumer_stream consumer_stream; /* what they may ask */
    struct consumer_view view;
    bool purging; /* nobody is told of what a purge takes from those who have not acked it */

    struct outbox unheard; /* unheard.c */

    /* direct gets that wait for this turn */
    struct outbox direct_requests;
    struct buf direct_headers;       /* of one answer */
    struct direct_many *direct_many; /* answers of many messages that are under way */
    size_t direct_many_count;
    struct timer direct_retry; /* one of them waits for its receiver */

    /* whose messages it takes; NULL: nobody's, or it does not lead */
    struct stream_origins *origins;
    bool origins_stale; /* they begin anew, from the applied state */

    uint64_t read_number; /* of its log, in the shard's read cache */

    struct stream_snapshot *snapshot; /* a backup on its way out, or NULL */
    struct stream_restore *restore;   /* one on its way in, or NULL */
    bool restoring;                   /* its consumers have not begun: it is being restored */

    struct stream_blocks blocks;
    struct stream_erasing erasing;
    struct stream_read *reads; /* in flight */
    struct {
        struct stream_question *first, *last; /* not begun */
    } questions;
    struct stream_held held;
    struct ahead ahead;
    struct {
        uint64_t sequence; /* that was looked at last */
        int64_t wait_ns, due_ns;
        bool under_way;
    } look_again;
    bool bringing; /* as the next: bring.c's */
    struct stream *bringing_next;
    struct scrub *scrub;  /* reads it now, or NULL */
    int64_t taken_ns;     /* when another replica's state was taken; 0: never, in this life */
    uint64_t repaired;    /* messages that were damaged and are whole again, in this life */
    bool counter_reading; /* the last message of a counter is among them */
    struct stream *dirty_next;
    bool dirty;
};

#define STREAM_FLAWED_STATE(stream, name) (((stream)->state.flaws & STREAM_FLAW_##name) != 0)
#define STREAM_FLAWED(stream, name)       jetstream_flawed((stream)->jetstream, JETSTREAM_FLAW_##name)

/* What consumers take for now: only who leads has a clock. */
static inline int64_t stream_leader_now(const struct stream *stream)
{
    return stream->lead ? io_now(stream->lane->io) : 0;
}

/* stream.c */
struct io *stream_io(const struct stream *stream);
struct router *stream_router(const struct stream *stream);
void stream_mark(struct stream *stream); /* it has something to do this turn */
/* To home; who tells it is filled in. */
void stream_tell(struct stream *stream, struct told told);
void stream_propose(struct stream *stream); /* what is gathered; the replica is ready */
uint64_t stream_tail_index(const struct stream *stream);
int64_t stream_log_now(const struct stream *stream);
/* Is there room in the batch for what a consumer may propose next? Else after it has left. */
bool stream_room(const struct stream *stream);
/* Adds an answer that leaves when all decided so far is applied. */
void stream_park(struct stream *stream, struct outbox_item *item);
void stream_send_now(struct stream *stream, struct outbox_item *item);
void stream_send_answers(struct stream *stream); /* those whose position is applied */

/* await_acks.c */
void stream_await_init(struct stream *stream);
/* May what is gathered, and what would be handed out with it, wait for acks? A turn will come. */
bool stream_awaits_acks(struct stream *stream);
void stream_await_end(struct stream *stream);

/* ingest.c */
void stream_ingest(void *owner, const struct message *message); /* sink */
void stream_ingest_waiting(struct stream *stream);
/* Asks about the subjects of the first that wait. */
void stream_ingest_here(struct stream *stream, struct index_here *here);
/* traced.c: a message that is traced, from stream_traced_begin (which may put other headers into
 * *publish, in `headers`; NULL: nothing more is told of it) to one of the next two. */
struct message_trace *stream_traced_begin(struct stream *stream, const struct message *message,
                                          struct publish *publish, struct buf *headers);
void stream_traced_decided(struct stream *stream, struct message_trace *trace,
                           const struct publish *publish, const struct decision *decision);
void stream_traced_refused(struct message_trace *trace, const struct publish *publish,
                           uint16_t code, const char *text);
/* Those that wait up to there are told. */
void stream_traced_settle(struct stream *stream, uint64_t applied);
/* The others are not stored, for that reason. */
void stream_traced_lost(struct stream *stream, uint64_t applied, struct bytes error);
void stream_traced_forget(struct stream *stream);

void stream_ingest_drop(struct stream *stream);
void stream_ingest_follow(struct stream *stream); /* what waits goes to the next leader */
/* Of a cluster's member on another shard than home: it listens when home, which takes what is for
 * the leader elsewhere, does so no more. Else it needs no leave. */
bool stream_may_listen(const struct stream *stream);
void stream_subscribe(struct stream *stream); /* sinks as the config has them */
void stream_unsubscribe(struct stream *stream);
void stream_unsubscribe_direct(struct stream *stream); /* what only a leader can serve */
void stream_sink_remove(struct stream *stream, struct sink **sink); /* fine when there is none */

/* count_turn.c */
void stream_count_init(struct stream *stream);
void stream_count_deinit(struct stream *stream);
/* That consumer counts what is left for it, in parts. */
void stream_count(struct stream *stream, const struct consumer *consumer);
void stream_count_turn(struct stream *stream);

/* glance.c */
void stream_glances_counted(struct stream *stream); /* some consumer is */
void stream_glances_follow(struct stream *stream);  /* nobody counts any more */
void stream_glances_turn(struct stream *stream);
void stream_glances_end(struct stream *stream); /* what they wait for will not come */

/* schedule_fire.c */
void stream_schedules_init(struct stream *stream);
void stream_schedules_drop(struct stream *stream);
void stream_schedules_arm(struct stream *stream);
void stream_schedules_applied(struct stream *stream); /* there may be another one that is first */
/* What is due, as an operation: `gathered` counts the messages, the effect behind them is the op's.
 */
bool stream_schedules_write(struct stream *stream, struct buf *out);

/* batches.c: batches that are under way in the decider */
void stream_batches_init(struct stream *stream);
void stream_batches_drop(struct stream *stream);
void stream_batches_configured(struct stream *stream); /* what is allowed may have changed */
/* A message of one came: it is abandoned when nothing follows. */
void stream_batches_staged(struct stream *stream);
/* Others are told that a batch was dropped. */
void stream_batches_abandoned(struct stream *stream, struct bytes id, const char *reason);
/* What is said of a fast batch on its way. */
void stream_batches_note(const struct fast_note *note, struct buf *out);
/* Members of the ack of a batch of so many messages. */
void stream_batches_ack(struct bytes id, uint64_t count, struct buf *out);

/* question.c */
void stream_questions_turn(struct stream *stream);
void stream_questions_drop(struct stream *stream); /* the stream is closed */

/* operations.c */
/* It is over: `done` runs, or home is told. */
void stream_op_end(struct stream *stream, struct stream_op *op);
void stream_operations(struct stream *stream); /* start what may start */
/* What home has decided leaves. */
void stream_operations_decided(struct stream *stream);
/* Does one wait for the stream to become quiet? Then nothing else is decided. */
bool stream_operations_wait(const struct stream *stream);
/* Does one wait, or fly? Then messages wait, too. */
bool stream_operations_busy(const struct stream *stream);
/* op_count.c. Is it being counted for, and all as it was when its check passed? */
bool stream_op_counts(const struct stream *stream, const struct stream_op *op);
/* False: there is more to count in the next turn, or it has to wait to begin. */
bool stream_op_count(struct stream *stream, struct stream_op *op);
/* It is applied: its consumer is told. */
void stream_op_counted(struct stream *stream, const struct stream_op *op);
/* Is the reset of a consumer in the log and not applied? */
bool stream_operations_reset(const struct stream *stream);
/* Is a purge? What is handed out behind it in the log must know what it took. */
bool stream_operations_purge(const struct stream *stream);
void stream_operation_applied(struct stream *stream, const struct effect *effect,
                              const struct apply_result *result);
void stream_operations_refused(struct stream *stream, enum err err);
void stream_operations_drop(struct stream *stream);
void stream_operations_follow(struct stream *stream);

/* leadership.c: advisories. It leads, and is configured; it does not lead any more. */
void stream_leader_elected(struct stream *stream);
void stream_leader_gone(struct stream *stream);
/* counter_gather.c: what decide has to know of a counter's last message. True: it is known now;
 * false: nothing was asked for, or it is on its way from the disk and the stream will be marked. */
bool stream_counter_gather(struct stream *stream);
/* The ack of a counter. */
void stream_counter_answer(struct stream *stream, struct bytes reply,
                           const struct decision *decision);

/* expiry.c */
void stream_expiry_arm(struct stream *stream);
/* How long to wait with the next operation of a kind: a disk that has refused one does so again,
 * and each leaves a file of the log behind. Twice as long each time, up to a third of a second. */
void stream_refusal_wait(int64_t *wait_ns, bool refused);
void stream_expiry_fire(struct timer *timer);
void stream_expiry_applied(struct stream *stream); /* a batch was: something may be due earlier */
/* The records of expire_op; all but one are counted as gathered. */
bool stream_expiry_write(struct stream *stream, struct buf *out);

/* stream_consumers.c */
void stream_consumer_effect(struct stream *stream, const struct effect *effect);
/* Appends a record of a consumer to a batch; false: no room. */
bool stream_consumer_append(struct buf *out, uint8_t type, struct bytes body);
enum err stream_consumer_record(struct stream *stream, const struct record *record);
struct consumer *stream_consumer_volatile(struct stream *stream,
                                          const struct consumer_config *config, int64_t created_ns,
                                          bool *created);
void stream_consumer_drop(struct stream *stream, struct consumer_shell *shell, bool say);
void stream_consumers_say_deleted(struct stream *stream);
/* It has something to do in the stream's turn; mark: and that is to be soon. */
void stream_consumer_link(struct consumer_shell *shell);
void stream_consumer_mark(struct consumer_shell *shell);
/* It leads: sinks, timers, the working half. */
void stream_consumer_start(struct consumer_shell *shell);
void stream_consumers_close(struct stream *stream);
struct consumer_shell *stream_consumer_shell(const struct stream *stream, struct bytes name);
uint64_t stream_consumer_number(struct stream *stream); /* of a new one */

/* consumer_index.c: a shell stands in the index from its making to its end. */
void consumer_index_add(struct consumer_shell *shell);
void consumer_index_remove(struct consumer_shell *shell);
/* Those whom a message of that subject is for; neither index nor consumers may change meanwhile.
 * False: nobody. */
struct consumer_walk {
    const struct match *match;
    uint64_t number;
    uint32_t set, at;
};
bool consumer_index_walk(struct stream *stream, struct bytes subject, struct consumer_walk *walk);
struct consumer_shell *consumer_index_next(struct consumer_walk *walk);

/* retention.c */
bool stream_wanted(void *owner, const struct index_entry *entry);
bool stream_interested(void *owner, struct bytes subject);
/* A consumer is done with that message. */
void stream_settled(struct stream *stream, uint64_t sequence);
/* Consumers have changed: what nobody needs goes. */
void stream_retention_look(struct stream *stream);
/* Drops the consumer, and what only it needed. */
void stream_retention_drop(struct stream *stream, struct consumer_shell *shell);
/* The config has, perhaps its retention. */
void stream_retention_configured(struct stream *stream);

/* delivery.c: is something of that file of the log still to leave although it left the stream? Then
 * the file must stay. */
bool delivery_holds(const struct stream *stream, uint32_t ordinal);

/* As it was in a state block; false: that makes no sense. */
bool stream_consumer_restore(struct stream *stream, uint64_t number, int64_t created_ns,
                             struct bytes name, struct bytes json, struct bytes state);

/* stream_block.c */
void stream_block_open(struct stream *stream);
void stream_block_close(struct stream *stream, bool deleted);
struct stream_file *stream_block_file(struct stream *stream, uint32_t ordinal);
/* Does its log have a file, or one of kept records, of that ordinal? */
bool stream_block_file_there(const struct log *log, uint32_t ordinal);
/* Something of it is still to leave although it left the stream. */
bool stream_block_file_held(const struct stream *stream, uint32_t ordinal);
/* The same of any places. */
void stream_places_add(struct stream_places *places, const struct index_entry *entry);
void stream_places_deinit(struct stream_places *places);
void stream_block_stored(struct stream *stream, const struct index_entry *entry);
void stream_block_removed(struct stream *stream, const struct index_entry *entry);
void stream_block_unplaced(struct stream *stream, const struct index_entry *entry); /* moved */
void stream_block_recovered(struct stream *stream); /* the log is open: says what is missing */
void stream_block_step(struct timer *timer);
/* What is counted of the files is what lived at the block's index. */
void stream_block_noted(struct stream *stream);
void stream_block_forget(struct stream *stream); /* as new; the log stays */
/* How a file is called in the local part. */
void stream_block_name(const struct log *log, uint32_t ordinal, struct buf *out);
/* So many names were added behind the four bytes that `local` began with; what is to be erased
 * follows them, then what is lost. */
void stream_block_names_end(uint32_t count, struct bytes erasing, struct bytes lost, bool named,
                            struct buf *local);
struct block_sections {
    struct bytes state, shell, messages;
    struct bytes consumers; /* from the first of them to the end */
    bool whole;
};
struct block_sections stream_block_sections(struct bytes body);
/* stream_fill.c: events of the replica */
enum err stream_fill_begin(void *owner, const struct replica_block *block);
void stream_fill_told(void *owner, struct bytes answer, uint64_t applied);
void stream_fill_applied(struct stream *stream, uint64_t index); /* that index is */
void stream_fill_drop(void *owner);
void stream_fill_forget(void *owner);
void stream_fill_taken(void *owner);
void stream_fill_close(struct stream *stream, bool deleted);
void stream_fill_fired(struct timer *timer);
/* stream_repair.c: messages that are damaged here come from other members */
void stream_repair_opened(struct stream *stream); /* some are known to be */
void stream_repair_wanted(struct stream *stream); /* some are found to be */
void stream_repair_told(void *owner, struct raft_member by, struct bytes answer);
/* Some are on their way into a file: what is erased meanwhile might come to stand there. */
bool stream_repair_holds(const struct stream *stream);
void stream_repair_apply(struct stream *stream);    /* no block is taken down any more */
void stream_repair_captured(struct stream *stream); /* a block is being taken down */
void stream_repair_blocked(struct stream *stream);  /* and is on the disk */
void stream_repair_end(struct stream *stream);      /* of a round; what is left has another */
void stream_repair_drop(struct stream *stream);
void stream_repair_close(struct stream *stream, bool deleted);
void stream_repair_fired(struct timer *timer);
/* stream_serve.c */
#define STREAM_QUESTION_SIZE 16u /* first and last sequence; an answer begins with them, too */
void stream_serve_asked(void *owner, struct raft_member by, uint64_t index, struct bytes question);
void stream_serve_close(struct stream *stream, bool deleted);
void stream_serve_fired(struct timer *timer);
/* stream_space.c */
void stream_space_open(struct stream *stream);
void stream_space_removed(struct stream *stream, uint64_t bytes);
/* When the next move of so many bytes may begin: all streams share a budget. */
int64_t stream_space_slot(struct stream *stream, uint64_t bytes);
uint64_t stream_space_least(const struct stream *stream); /* less is not worth it */
void stream_space_look(struct timer *timer);
/* stream_moved.c: between the first note, in order of sequences, and `noted` nothing is asked. */
void stream_moved_note(struct stream *stream, uint64_t sequence, log_place from, uint32_t size);
void stream_moved_noted(struct stream *stream);
void stream_moved_erase(struct stream *stream, uint64_t sequence); /* it is to go */
void stream_moved_dropped(struct stream *stream);                  /* files were */
void stream_moved_close(struct stream *stream);
/* stream_move.c */
void stream_move_begin(struct stream *stream); /* moves what lives among the dead */
/* Would what lives in it be moved, as things stand? */
bool stream_move_worth(struct stream *stream, const struct log_file_info *info);
bool stream_move_holds(
    const struct stream *stream);              /* records that it is about to write elsewhere */
void stream_move_apply(struct stream *stream); /* all of a block is taken down, or none is */
void stream_move_step(struct timer *timer);
void stream_move_close(struct stream *stream, bool deleted);
/* Events of the replica. */
void stream_block_capture(void *owner, struct bytes head);
void stream_block_written(void *owner, enum err err);

/* stream_replica.c */
extern const struct replica_events stream_replica_events;

/* stream_block_read.c */
enum err stream_block_restore(void *owner, const struct replica_block *block);
void stream_reading_drop(struct stream *stream); /* what is half done; before its index goes */
void stream_filled_drop(struct stream_filled *filled);

/* consumer_turn.c */
/* A message of that subject was gathered: it may be handed out with the batch that stores it. */
void stream_consumers_offer(struct stream *stream, struct bytes subject);
void stream_consumers_stored(struct stream *stream, const struct index_entry *entry);
void stream_consumers_removed(struct stream *stream, const struct index_entry *entry);
/* A purge is applied: consumers pass over what it took from the front. */
void stream_consumers_purged(struct stream *stream);
void stream_consumers_lead(struct stream *stream);
/* Requests and acks are kept from now on, for when it leads. */
void stream_consumers_listen(struct stream *stream);
void stream_consumers_refused(struct stream *stream);
void stream_consumers_follow(struct stream *stream);
void stream_consumers_work(struct stream *stream);
/* The batch leaves next: hand-outs join it. */
void stream_consumers_hand_out(struct stream *stream);

/* consumer_out.c */
extern const struct consumer_out consumer_shell_out; /* the owner is the shell */
/* Its lane, made if there is none. */
struct consumer_lane *consumer_lane(struct consumer_shell *shell);
/* Gives the lane back, if it is empty and no time is set in it. */
void consumer_lane_rest(struct consumer_shell *shell);
void consumer_lane_close(struct consumer_shell *shell);
/* An inactive one is gone: nobody asked for it, so the advisory is the stream's. */
void consumer_shell_advise_deleted(struct stream *stream, struct bytes name);

/* consumer_inbox.c */
void consumer_inbox_open(struct stream *stream);
/* What such a sink listens on, of a stream of that name, and who takes what comes. */
sink_deliver_fn *consumer_inbox_subject(struct jetstream *jetstream, struct account *account,
                                        struct bytes stream, unsigned number, struct buf *out);
void consumer_inbox_close(struct stream *stream);
/* As that sink does. */
void consumer_inbox_take(struct stream *stream, unsigned number, const struct message *message);
void consumer_inbox_read(struct consumer_shell *shell);
/* Tells the machine if somebody has come to listen on the deliver subject, or has gone. */
void consumer_inbox_check_bound(struct consumer_shell *shell);

/* delivery.c */
void delivery_pump(struct consumer_shell *shell);
/* When the first message that has not left yet was handed out; INT64_MAX: all have left. */
int64_t delivery_waits_since(const struct consumer_lane *lane);
/* What was not sent yet: messages are dropped, everything else is said. */
typedef void delivery_say_fn(struct stream *stream, struct outbox_item *item);
void delivery_statuses(struct consumer_shell *shell, delivery_say_fn *say);
/* The lane goes: what is being read for it is for nobody. */
void delivery_forsake(struct consumer_lane *lane);

/* delivery_now.c: between the two nothing is applied, and nobody else reads. */
void delivery_now_begin(struct consumer_shell *shell);
void delivery_now_end(struct consumer_shell *shell);
/* Does enough wait for whoever listens to its deliver subject? */
bool delivery_behind(struct consumer_shell *shell);
/* True: it has left. False: it has to wait behind what is asked for before it. */
bool delivery_now(struct consumer_shell *shell, const struct consumer_delivery *delivery);
/* Who listens to its deliver subject: lane->route. False: publish it. There is a lane. */
bool delivery_route(struct consumer_shell *shell);
/* The message of a record that was read at that place; false: it is damaged, which was noted. */
bool delivery_read(struct consumer_shell *shell, uint64_t sequence, log_place place,
                   struct bytes bytes, struct effect *effect);
/* One that waits for its message has waited so long. */
void delivery_waited(struct stream *stream, int64_t stored_ns);

/* reader.c */
/* The message, if it is in memory and sound; good until the next read. It is the caller who says
 * that it is lent (stream_lane_read_lent) while it is published. */
bool stream_read_now(struct stream *stream, const struct index_entry *entry,
                     struct stream_message *message);
/* So, into memory of the caller's: for who may be called while another message is lent. */
bool stream_read_own(struct stream *stream, const struct index_entry *entry, struct buf *memory,
                     struct stream_message *message);
/* All of it in one piece of memory, the caller's; *copy are views into it. */
struct bytes stream_message_copy(const struct stream_message *message, struct stream_message *copy);
/* As stream_read, of a message that may have left the stream: where its record stands. */
void stream_read_at(struct stream *stream, struct stream_read *read,
                    const struct index_entry *entry);
/* So, into memory of its own and never at once: `done` runs from a later turn. */
void stream_read_later(struct stream *stream, struct stream_read *read,
                       const struct index_entry *entry);
/* Something damaged is whole again, or stays as it is. */
void stream_held_release(struct stream *stream);
void stream_held_turn(struct stream *stream);
void stream_held_init(struct stream *stream);
void stream_held_drop(struct stream *stream);
/* What was read there is not that message: it is damaged, if it is still the stream's and there. */
void stream_read_damaged(struct stream *stream, uint64_t sequence, log_place place);

/* look_again.c: a view's (server/stream/consumer_view.h). */
void stream_lost_wanted(void *owner, uint64_t sequence);

/* origins.c */
void stream_origins_turn(struct stream *stream); /* while it leads */
void stream_origins_stop(struct stream *stream); /* what was taken and not applied is forgotten */
/* The applied config is another: what consumers kept for origins that it does not name any more is
 * let go; the others are followed anew. */
void stream_origins_configured(struct stream *stream);
void stream_origins_leave(struct stream *stream); /* the stream is deleted: likewise for all */

/* erase.c */
void stream_erased(void *owner, const struct index_entry *entry); /* event of the state */
/* The deletion was applied: true: it is answered when the bytes are gone. */
bool stream_erase_takes(struct stream *stream, struct stream_op *op);
/* What was to be erased was moved while it waited for that: it stands there, too. */
void stream_erase_moved(struct stream *stream, log_place from, log_place to, uint32_t size);
/* A record of the log's files that nobody knows of any more. */
void stream_erase_also(struct stream *stream, log_place place, uint32_t size);
/* Entries were cut that nobody may name any more: their bytes go. */
void stream_erase_remains(struct stream *stream);
void stream_erase_turn(struct stream *stream);
/* Something must be gone before a state block says that it is. */
bool stream_erase_first(const struct stream *stream);
/* What is still to go, for a state block: so many bytes each. And back, when the log is opened: of
 * files that are there no more nothing is left. */
#define STREAM_ERASE_SIZE 16u
void stream_erase_encode(const struct stream *stream, struct buf *out);
/* And these, in a cluster. */
void stream_erase_encode_more(const struct stream *stream, const struct log_erased *at,
                              size_t count, struct buf *out);
void stream_erase_restore(struct stream *stream, struct bytes list, const struct log_block *block);
void stream_erase_drop(struct stream *stream);

/* This disk does not have that message any more: said once, kept in mind, and fetched if somebody
 * else has it. And it can be read after all. */
void stream_damaged(struct stream *stream, uint64_t sequence, uint64_t bytes, const char *how);
void stream_sound(struct stream *stream, const struct index_entry *entry);

/* republish.c: a message was stored while it leads; `previous`: the newest of its subject before.
 */
void stream_republish(struct stream *stream, const struct effect *effect, uint64_t previous);

/* snapshot.c */
void stream_snapshot_turn(struct stream *stream);
/* A message leaves that may still be due: it stays where it is until it is read. */
void stream_snapshot_removed(struct stream *stream, const struct index_entry *entry);
bool stream_snapshot_holds(const struct stream *stream, uint32_t ordinal);
void stream_snapshot_end(
    struct stream *stream,
    const char *reason); /* fine when there is none. Empty: the server ends, nobody is told */

/* restore.c */
void stream_restore_turn(struct stream *stream);
void stream_restore_end(struct stream *stream, const char *reason); /* likewise */
void stream_restore_refused(struct stream *stream);
/* Is the operation its own? Then it writes it: all records but the last are counted as gathered. */
bool stream_restore_owns(const struct stream *stream, const struct stream_op *op);
bool stream_restore_write(struct stream *stream, struct buf *out);

/* direct.c, direct_many.c */
void stream_direct_collect(void *owner, const struct message *message); /* sink */

void stream_direct_turn(struct stream *stream);
void stream_direct_retry(struct timer *timer);
void stream_direct_drop(struct stream *stream); /* what is under way goes no further */

/* unheard.c */
#define UNHEARD_DIRECT CONSUMER_INBOX_SINKS /* a taker, as are the sinks of consumers by number */

/* It leads no more, listens still, and home does not know. */
bool stream_unheard(const struct stream *stream);
/* Then it is kept; false: it is not so. */
bool stream_unheard_keep(struct stream *stream, unsigned taker, const struct message *message);
/* What was kept is taken: it leads again. */
void stream_unheard_lead(struct stream *stream);
/* It goes to the next leader: home has heard. */
void stream_unheard_follow(struct stream *stream);

#endif
