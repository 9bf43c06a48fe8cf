/*
 * jetstream_core: what the API (server/api) and the streams (server/stream) share of one server's
 * JetStream: the catalogue of streams, answering, clocks. server/jetstream/jetstream.c owns it all.
 */
#ifndef SERVER_JETSTREAM_JETSTREAM_CORE_H
#define SERVER_JETSTREAM_JETSTREAM_CORE_H

#include "base/arena.h"
#include "server/jetstream/catalogue.h"
#include "server/jetstream/jetstream.h"
#include "server/stream/lane.h"
#include "server/stream/stream.h"

/* ---- answering ------------------------------------------------------------------------------ */

/* Publishes to `to` inside the account; nothing when `to` is empty. Not from a sink's deliver. */
void jetstream_answer(struct jetstream *jetstream, struct account *account, struct bytes to,
                      struct bytes headers, struct bytes payload);
/* An advisory or metric, if anybody listens. */
bool jetstream_listened(struct jetstream *jetstream, struct account *account, struct bytes subject);

/* Something is to be done in a turn: the loop must not sleep over it. */
void jetstream_awake(struct jetstream *jetstream);

/* Is that seeded bug switched on (server/jetstream/jetstream_flaws.h)? Never outside simulations.
 */
bool jetstream_flawed(const struct jetstream *jetstream, uint64_t flaw);

/* How long things took, over all streams. */
struct jetstream_latencies {
    struct stream_latencies streams;
    struct latency durable; /* from the beginning of a write to its batches being on the disk */
};
void jetstream_latencies(const struct jetstream *jetstream, struct jetstream_latencies *latencies);

struct server *jetstream_server(struct jetstream *jetstream);
struct stream_lane *jetstream_home(struct jetstream *jetstream); /* home's lane */
int64_t jetstream_log_now(const struct jetstream *jetstream);    /* home's log time */
struct jetstream_stats *jetstream_counters(struct jetstream *jetstream);
/* What the indexes of streams in files hold. */
struct index_cache jetstream_index_cache(const struct jetstream *jetstream);
/* Of a lane, and its streams have not been closed yet. */
bool jetstream_index_failed(const struct jetstream *jetstream);
/* How much of the disk is free. */
struct store_space jetstream_disk(const struct jetstream *jetstream);
/* Home's, which others know this node by. */
struct groups *jetstream_groups(struct jetstream *jetstream);

/* Asserted where home is about to use what is the lane's: its shard stands still, if that is
 * another.
 */
void jetstream_lane_is_still(const struct jetstream *jetstream, const struct stream_lane *lane);
/* The same of the stream that the entry has here, if any. */
void jetstream_entry_is_still(const struct jetstream *jetstream,
                              const struct catalogue_entry *entry);

/* ---- for the shells of streams -------------------------------------------------------------- */

/* Of error 10194. */
#define JETSTREAM_OFFLINE "stream is offline: its log could not be opened when the server started"

/* In home's turn: lanes of other shards stand still up to its end. */
void jetstream_hold_still(struct jetstream *jetstream);
/* Are all streams open that are here? If not, they will be soon, sooner for the question. */
bool jetstream_is_complete(struct jetstream *jetstream);
/* Opens that stream, if there is one that is not open yet; false: that takes some turns, and is to
 * be asked again then. Not from inside a publish. */
bool jetstream_need(struct jetstream *jetstream, struct account *account, struct bytes name);
/*
 * In a cluster: a message for the leader of that stream, or of the metadata group
 * (CATALOGUE_LOG_ID). True: it has been sent there, or waits until there is a leader, or will be
 * refused; false: the leader is here. May be called from a sink's deliver.
 */
bool jetstream_forward(struct jetstream *jetstream, struct account *account, uint64_t id,
                       const struct message *message);
/* The cluster's name, empty when alone; the name of a node of it (a made-up one when it is not
 * known), which lanes may ask, too; the node of that name, 0: none. */
struct bytes jetstream_cluster_name(const struct jetstream *jetstream);
struct bytes jetstream_node_name(struct jetstream *jetstream, uint64_t node);
uint64_t jetstream_node_named(struct jetstream *jetstream, struct bytes name);
struct replica *jetstream_meta(struct jetstream *jetstream);
/* Streams take messages here only while they lead; else (alone) from when they are open. */
bool jetstream_clustered(const struct jetstream *jetstream);
/* Is that stream to have replicas on other nodes, too? */
bool jetstream_elsewhere(const struct jetstream *jetstream, uint64_t stream_id);
/* May others have more of it, though nobody is heard to lead it? In a cluster they may. */
bool jetstream_with_others(const struct jetstream *jetstream, uint64_t stream_id);
/* May the stream have been given up in favour of another that bears its name, without this node
 * knowing? Not while it hears who leads the metadata group, and knows nearly all of that. */
bool jetstream_outdated(const struct jetstream *jetstream, uint64_t stream_id);

/* ---- accounts ------------------------------------------------------------------------------- */

/* What streams take, and what their limits reserve. */
struct account_usage {
    uint64_t memory, store;                   /* of all replicas */
    uint64_t reserved_memory, reserved_store; /* of one replica of each */
    uint64_t booked_memory, booked_store;     /* of all replicas */
    uint64_t streams, consumers;
};

/* A tier is what has that many replicas. */
#define ACCOUNT_TIERS 5

/* What an account's streams take, wherever they are: those that are not on this node, and that
 * others lead, as those last said. */
struct account_usages {
    struct account_usage all;
    struct account_usage tiers[ACCOUNT_TIERS + 1]; /* by replicas; the first is none */
};

/* Is JetStream on for that account? */
bool jetstream_serves(const struct jetstream *jetstream, const struct account *account);
/* `except`: not the stream of that name; empty: all of them. */
void jetstream_usage(const struct jetstream *jetstream, const struct account *account,
                     struct bytes except, struct account_usages *usages);
/* Of all accounts: what is on this node, and what all streams reserve, one replica of each. */
void jetstream_usage_here(const struct jetstream *jetstream, struct account_usage *usage);
/* Is it known what jetstream_admits has to look at? Right after a start it is not for a stream that
 * a limit over several streams counts: those are opened first, which is soon. False: ask again in a
 * turn of the stream's, which comes then. */
bool jetstream_admits_now(struct jetstream *jetstream, const struct stream *stream);
/* Is there room for a message of that stored size in the share of the stream's account, and in the
 * server's? 0, or the error's number. It counts as taken until the stream says what it has. */
uint16_t jetstream_admits(struct jetstream *jetstream, struct stream *stream, size_t size);
/* What streams say they have counts; else it will be asked of them again. */
bool jetstream_quotas_current(const struct jetstream *jetstream);

/* ---- the catalogue -------------------------------------------------------------------------- */

/* The stream of that name as the catalogue knows it, wherever it is; NULL: none. */
struct catalogue_entry *jetstream_entry(struct jetstream *jetstream, struct account *account,
                                        struct bytes name);
/* Those of the account one after the other, in no order; *at is 0 at first. NULL: no more. */
struct catalogue_entry *jetstream_entry_next(const struct jetstream *jetstream,
                                             const struct account *account, size_t *at);
/* All of the account sorted by name, in `arena`. */
struct catalogue_entry **jetstream_entries(struct jetstream *jetstream, struct account *account,
                                           struct arena *arena, size_t *count);
/* The mirrors of that stream in the account, sorted by name, in `arena`; those still being made are
 * none yet. */
struct catalogue_entry **jetstream_mirrors(struct jetstream *jetstream, struct account *account,
                                           struct bytes name, struct arena *arena, size_t *count);
/* Those of an account that may not be there any more, in `arena`: their numbers; NULL: no room. */
uint64_t *jetstream_entry_ids(const struct jetstream *jetstream, struct bytes account,
                              struct arena *arena, size_t *count);
/* NULL: it is removed. */
struct catalogue_entry *jetstream_entry_of(const struct jetstream *jetstream, uint64_t id);
/* The replica on this node, if it is configured; NULL: none here. */
struct stream *jetstream_stream(struct jetstream *jetstream, struct account *account,
                                struct bytes name);

/*
 * Creating, updating and deleting streams goes through the metadata group (intent), then the
 * stream's log (effect). Intents are checked and committed one at a time, in order; the effects are
 * waited for side by side. `check` runs when its turn has come, on the catalogue as it then is: an
 * err_code refuses; *satisfied ends the operation successfully without doing anything (create of an
 * equal stream). Only on the node that leads the metadata group.
 */
/* MOVE: another node takes the place of `without` among the replicas; nothing is waited for. */
/* EXPULSION: a server is removed from the cluster; what is waited for is that the metadata group
 * has given it up. */
/* RESTORE: a CREATE of a stream that is filled from a backup: what is waited for is its leader. */
enum catalogue_op_kind {
    CATALOGUE_CREATE,
    CATALOGUE_UPDATE,
    CATALOGUE_DELETE,
    CATALOGUE_MOVE,
    CATALOGUE_RESTORE,
    CATALOGUE_EXPULSION,
};

struct catalogue_op {
    enum catalogue_op_kind kind;
    struct account *account; /* NULL, of a DELETE: `id` says which stream, of whatever account */
    struct bytes name;
    struct bytes json; /* normalised StreamConfig; owned by the op's owner until done */
    const struct stream_config *config; /* CREATE: what `json` says; NULL: it comes alone */
    int64_t replicas; /* CREATE, UPDATE: how many, and on which nodes; NULL: any */
    const struct stream_placement *placement;
    uint64_t without;          /* MOVE: the node */
    struct raft_member member; /* EXPULSION: who, as `check` has found */
    uint16_t (*check)(struct catalogue_op *op, bool *satisfied);
    /* Exactly once; entry NULL after a delete or failure. */
    void (*done)(struct catalogue_op *op, struct catalogue_entry *entry);
    void *owner;
    struct catalogue_op *next;
    /* results */
    uint16_t error;
    char error_text[160];
    bool created;
    uint64_t id; /* of the stream */
    /* private to jetstream_catalogue.c */
    uint64_t version; /* waited for */
    uint32_t records; /* of its intent */
    uint64_t index;   /* that the other nodes shall have applied */
    int64_t deadline_ns;
};
void jetstream_catalogue(struct jetstream *jetstream, struct catalogue_op *op);

/* May the server with that peer id (or, if that is empty, of that name) be removed from the cluster
 * as it now is? 0 and the member, or the error's number, with a text of its own for 10041. */
uint16_t jetstream_may_expel(struct jetstream *jetstream, struct bytes name, struct bytes id,
                             struct raft_member *member, char *text, size_t text_size);

/*
 * What several streams' leaders say of them, each as one JSON object: asks those that lead and
 * waits, at most two seconds. `done` runs once, perhaps at once; what did not come is empty.
 */
struct jetstream_gather {
    void *owner;
    void (*done)(struct jetstream_gather *gather);
    size_t count;
    uint64_t *ids;
    struct bytes *names; /* the owner's affair */
    struct bytes *infos; /* in the arena */
    struct arena *arena;
    /* private */
    uint64_t number;
    size_t missing;
    int64_t deadline_ns;
    struct jetstream_gather *next;
};
void jetstream_gather(struct jetstream *jetstream, struct jetstream_gather *gather);
/* The stream that the operation was about is led by another node: that one answers the request in
 * `message`. False: it is led here. */
bool jetstream_hand_answer(struct jetstream *jetstream, const struct catalogue_entry *entry,
                           const struct catalogue_op *op, const struct message *message);

/* "$JS.ACK.<domain>.<account hash>.": how the acks of an account's streams begin in the second
 * version of their subjects (reference consumers 4.2). `out` has room. */
#define JETSTREAM_ACK_PREFIX_MAX 300u
void jetstream_ack_prefix(struct jetstream *jetstream, const struct account *account,
                          char out[static JETSTREAM_ACK_PREFIX_MAX]);

#endif
