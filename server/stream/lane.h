/*
 * lane: what the streams of one thread's data path share: a store with its journal, the groups of
 * its logs, the list of who has something to do, memory to read into, caches, a clock. A stream
 * belongs to one lane as long as its log is on this node; that is nobody else's affair. What there
 * is one of per server is control's (server/jetstream/jetstream.c), which has the lanes.
 * docs/shards.md.
 */
#ifndef SERVER_STREAM_LANE_H
#define SERVER_STREAM_LANE_H

#include "base/arena.h"
#include "base/latency.h"
#include "base/prng.h"
#include "base/timers.h"
#include "raft/groups.h"
#include "raft/relay.h"
#include "server/jetstream/log_clock.h"
#include "server/stream/bring.h"
#include "server/stream/fast_batches.h"
#include "server/stream/read_cache.h"
#include "server/stream/staging.h"
#include "server/stream/told.h"
#include "server/stream/zones.h"
#include "storage/index_cache.h"
#include "storage/log.h"

struct account;
struct jetstream;
struct router;
struct stream;

/* How long things took, over all its streams. */
struct stream_latencies {
    struct latency committed; /* a batch, from its proposal here to when it is applied here */
    struct latency applied;   /* a batch, from its leader's decision to when it is applied here */
    struct latency delivered; /* a message to whoever waits for it, from decision to sending */
};

/* What home has a lane do, which it may not do for it: embedded in what it is about. `drop`: the
 * server ends, nothing is told any more. */
struct lane_errand {
    void (*run)(struct lane_errand *errand, bool drop);
    struct stream_lane *lane;
    struct lane_errand *next;
};

/* Its own struct: others look, by the calls below where there is one. `jetstream`, `log_time`,
 * the shares of batches and the server's options are all lanes'; the rest is used by its shard's
 * thread alone, or while that stands still. */
struct stream_lane {
    struct jetstream *jetstream;
    unsigned number, shard;
    struct io *io;         /* of its shard */
    struct router *router; /* the same */
    struct prng *prng;     /* home's is the server's, another's its own */
    struct prng own_prng;
    struct store *store;
    struct groups *groups;
    struct relay *relay; /* their way to other nodes; NULL: home's, or this server is alone */
    struct index_cache index_cache; /* what the indexes of streams in files share */
    struct stream *dirty;           /* have something to do this turn */
    struct {
        uint64_t turn;
        unsigned asking, asked; /* followers that have something to take, this turn and the last */
    } copies;
    struct log_clock clock;
    struct log_time *log_time; /* of all lanes */
    struct zones zones;        /* that its streams' schedules name */
    struct arena arena;        /* emptied at the end of every turn */
    struct buf read_buffer;
    bool read_lent; /* or the cache: others look at what stands there */
    struct read_cache read_cache;
    int64_t space_next_ns;         /* stream_space_slot */
    struct staging_share *staging; /* of all lanes, as is the next */
    struct fast_share *fast;
    struct {
        struct lane_errand *first, *last;
    } errands;
    struct told_list told; /* to home */
    _Atomic bool telling;  /* something, and not home's own: what home sees before it halts */
    uint64_t lives;        /* how often a stream of it was opened */
    struct timer awake;
    bool turning;
    bool rests; /* it had nothing to do, when it was last looked at: at an end */
    struct stream_latencies latencies;
    struct bring bring;
    struct scratch *scratch; /* in which its streams have their indexes; NULL: none yet */
    bool failure_told;       /* that it has failed */
    bool failing;            /* one has, and home has not heard it */
};

/* What a lane stands on. */
struct stream_lane_setup {
    struct jetstream *jetstream;
    unsigned number;
    unsigned shard; /* that turns it */
    struct io *io;
    struct router *router;
    struct prng *prng; /* the server's: home's lane draws from it, another is seeded by it */
    struct log_time *log_time;
    struct staging_share *staging;
    struct fast_share *fast;
};

/* Without a store, and without a limit of what its indexes hold in memory. */
void stream_lane_init(struct stream_lane *lane, const struct stream_lane_setup *setup);
/* Its streams are closed and its replicas forgotten. */
void stream_lane_deinit(struct stream_lane *lane);

/* A turn: what is done between the first and the last keeps the loop awake by itself. */
void stream_lane_begin(struct stream_lane *lane);
void stream_lane_turn(struct stream_lane *lane); /* its streams */
void stream_lane_end(struct stream_lane *lane);
/* Once per turn, last. */
void stream_lane_flush(struct stream_lane *lane);
bool stream_lane_idle(const struct stream_lane *lane);

/* Something is to be done in a turn: the loop must not sleep over it. */
void stream_lane_awake(struct stream_lane *lane);
/* Nothing keeps the loop awake any more. */
void stream_lane_rest(struct stream_lane *lane);

/* ---- for the shells of its streams ---------------------------------------------------------- */

/* For the index of a stream that is opened. NULL: there is none. */
struct scratch *stream_lane_scratch(struct stream_lane *lane);
/* It has failed, and home has not heard it yet: what is said of its streams may be wrong. */
bool stream_lane_failed(const struct stream_lane *lane);
void stream_lane_heard(struct stream_lane *lane);

/* Links it into the list of this turn and keeps the loop awake. */
void stream_lane_mark(struct stream_lane *lane, struct stream *stream);

/* Home takes it in this turn or the next, when no stream has its turn. */
void stream_lane_tell(struct stream_lane *lane, const struct told *told);

/* From home, while the lane's shard stands still: it runs at the beginning of the lane's next turn,
 * behind those before it; at once when the lane is home's. */
void stream_lane_send(struct stream_lane *lane, struct lane_errand *errand);
/* Those that wait are run now, by whoever may do so; or dropped. */
void stream_lane_errands(struct stream_lane *lane, bool drop);
/* What an errand about that stream has led to is for home: `call` runs there, at once for home's
 * lane, else when it is told. */
void stream_lane_end_errand(struct stream_lane *lane, uint64_t stream, told_fn *call, void *of);

/* Publishes to `to` inside the account; nothing when `to` is empty. Not from a sink's deliver. */
void stream_lane_answer(struct stream_lane *lane, struct account *account, struct bytes to,
                        struct bytes headers, struct bytes payload);
/* An advisory or metric, if anybody listens. */
bool stream_lane_listened(struct stream_lane *lane, struct account *account, struct bytes subject);

/* Log time: wall clock that never falls, over all lanes. */
int64_t stream_lane_log_now(struct stream_lane *lane);
/* The account as its streams publish and listen in it. */
struct account *stream_lane_account(const struct stream_lane *lane, struct account *account);
/* The time zone of that name; NULL: there is none. Good as long as the server runs. */
const struct zone *stream_lane_zone(struct stream_lane *lane, struct bytes name);

/* What its streams read into: good until the next call that asks for it. Who gives others a view of
 * it, to a publish above all, says so before and after: until then nobody may ask (asserted). A
 * sink that has to read does so into memory of its own. */
uint8_t *stream_lane_read_buffer(struct stream_lane *lane, size_t size);
struct read_cache *stream_lane_read_cache(struct stream_lane *lane);
void stream_lane_read_lent(struct stream_lane *lane);
void stream_lane_read_back(struct stream_lane *lane);

/* When the next may begin that moves messages out of sparse files: its streams share a budget. */
int64_t *stream_lane_space_next(struct stream_lane *lane);

/* How many messages of another stream a mirror or source may take in this turn; asked when it has
 * some. `turn` is the asker's, which is answered once a turn. They take turns, and what they take
 * together is bounded, so that publishers keep most of a busy server. */
unsigned stream_lane_copies(struct stream_lane *lane, uint64_t *turn);
/* Of the loop; within one a stream has several. */
uint64_t stream_lane_turns(const struct stream_lane *lane);

#endif
