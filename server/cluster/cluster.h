/*
 * cluster: this node's links to the others: who is there, and frames to and from them. Interest and
 * messages (server/cluster/core.h), replication and JetStream's own traffic stand on it.
 *
 * Between two nodes is one *link*: three connections, one per class. A class has its own queue and
 * its own connection, so that what is in one never waits behind another, not in our buffers, not in
 * the kernel's, and not when a receiver stops reading one of them. (Chunks interleaved on a single
 * connection would have kept the queues apart, but not the last two.)
 *
 *     CONTROL    heartbeats, votes, small things that decide whether the cluster works
 *     DATA       replication: large, and the sender asks for room first
 *     MESSAGES   interest and core messages; what is on it arrives in the order of what a client
 *                did, so a request's reply never overtakes the interest in it
 *
 * A link is up or it is not. When it comes up both sides start from nothing, and everything that is
 * sent from then on arrives in order, once, until it goes down; then what was under way is lost. So
 * whoever keeps state about a peer builds it in `up` and drops it in `down`. A link that lost one
 * of its connections, or whose peer was not heard of for the deadline, is down.
 *
 * Links make a full mesh: configured routes are dialled for ever, and nodes tell each other whom
 * they know. A frame goes over one link and is never passed on here.
 *
 * Everything happens on the shard's turn. Frames are sent by cluster_flush, at the end of it.
 */
#ifndef SERVER_CLUSTER_CLUSTER_H
#define SERVER_CLUSTER_CLUSTER_H

#include "base/io.h"
#include "base/logger.h"
#include "raft/transport.h"
#include "server/cluster_options.h"

#define CLUSTER_HANDSHAKE_NS INT64_C(2000000000) /* from a connection to its link being up */
#define CLUSTER_NODES_MAX    64u                 /* known at a time, up or not */
#define CLUSTER_URLS_MAX     16u                 /* client URLs of one node */

struct cluster;

enum cluster_class {
    CLUSTER_CONTROL = TRANSPORT_CONTROL,
    CLUSTER_DATA = TRANSPORT_DATA,
    CLUSTER_MESSAGES,
    CLUSTER_CLASSES,
};

/* What a frame is. Those up to 15 are the links' own. */
enum cluster_kind {
    CLUSTER_KIND_FIRST = 16,
    CLUSTER_INTEREST = 16, /* core.h */
    CLUSTER_MESSAGE = 17,
    CLUSTER_SYSTEM = 18,          /* server/system/system.h */
    CLUSTER_SINKS = 19,           /* core.h */
    CLUSTER_RAFT = 32,            /* raft's shell, through cluster_transport */
    CLUSTER_JETSTREAM_FIRST = 64, /* JetStream's: forwarded requests, assignments, ... */
    CLUSTER_JETSTREAM_LAST = 127,
};

/* A node as others see it. Texts are good until the node's next `up` or the cluster's end. */
/* Features: it tells of traced messages, and delivers none that is only traced. */
#define CLUSTER_FEATURE_TRACES 1u

struct cluster_node {
    uint64_t id;          /* XXH3-64 of its name */
    uint64_t incarnation; /* of its store */
    uint64_t features;    /* bits, of the link protocol */
    struct bytes name;
    struct bytes server_id;
    struct bytes host; /* where it takes links */
    uint16_t port;
    bool jetstream;
    bool up;
    struct bytes client_urls[CLUSTER_URLS_MAX]; /* host:port */
    size_t client_urls_count;
    struct bytes websocket_urls[CLUSTER_URLS_MAX]; /* the same, for clients over WebSocket */
    size_t websocket_urls_count;
    int64_t rtt_ns; /* of the last heartbeat; 0: none yet */
};

/* ---- life ------------------------------------------------------------------------------------ */

struct cluster_setup {
    struct io *io;
    struct logger *logger;
    const struct cluster_options *options; /* good for the cluster's life, as the texts below */
    const char *name;                      /* of this server; unique in the cluster */
    const char *server_id;
    const char *host; /* to listen on when the options name none */
    const struct config_place *host_place;
    bool jetstream;
    size_t messages_max; /* bytes of MESSAGES that may wait for one node */
    uint64_t seed;
    uint64_t flaws; /* simulator only: flaws.h */
};

/* Connections between nodes that begin from now on are encrypted so; both NULL: not at all. Holds
 * the context; the options outlive the next call. */
void cluster_set_tls(struct cluster *cluster, const struct tls_options *tls,
                     struct tls_context *context);

/* Nothing is opened yet; handlers and watchers can be added. */
struct cluster *cluster_create(const struct cluster_setup *setup);
/* Where clients reach this server. */
struct cluster_urls {
    const struct bytes *at;
    size_t count;
};
/* Listens and begins to dial. URLs are told to the others, copied; NULL: none. On failure one clear
 * line was logged (FTL) and the cluster can only be destroyed. */
enum err cluster_start(struct cluster *cluster, uint64_t incarnation,
                       const struct cluster_urls *clients, const struct cluster_urls *websocket);
/* No new links; those that are get what is queued for them and end. */
void cluster_stop(struct cluster *cluster);
bool cluster_stopped(const struct cluster *cluster); /* all connections are closed */
/* Drops what is left; the io must be destroyed next, without another turn. */
void cluster_destroy(struct cluster *cluster);

/* Once per turn, last: sends what was queued. */
void cluster_flush(struct cluster *cluster);

/* ---- frames ---------------------------------------------------------------------------------- */

/* Copies the pieces and queues them as one frame of FRAME_BODY_MAX bytes at most. False: no link to
 * that node, or the queue of that class is full; nothing was queued. (A CONTROL queue that fills up
 * takes the link down: that peer does not work.) Nothing is delivered from inside. */
bool cluster_send(struct cluster *cluster, uint64_t node, uint8_t kind, enum cluster_class class,
                  const struct bytes *pieces, size_t count);
/* How many bytes that queue would take now, heads included; 0: no link. */
size_t cluster_room(const struct cluster *cluster, uint64_t node, enum cluster_class class);
size_t cluster_queued(const struct cluster *cluster, uint64_t node, enum cluster_class class);
/* For what a peer must not miss: queued whatever is queued already, without a call of `settle`. A
 * queue that grows to some times its bound by it takes the link down; then the peer starts from
 * nothing. */
void cluster_send_state(struct cluster *cluster, uint64_t node, uint8_t kind,
                        enum cluster_class class, const struct bytes *pieces, size_t count);
/* Called before a frame of class MESSAGES is queued by cluster_send, and at the end of the turn:
 * what has to be told before is told now (cluster_send_state). NULL: nothing. */
void cluster_set_settle(struct cluster *cluster, void (*settle)(void *owner), void *owner);
/* Called before what came from a node is taken. NULL: nothing. */
void cluster_set_catch_up(struct cluster *cluster, void (*catch_up)(void *owner), void *owner);

/* The body is borrowed for the call, which may send, but begins and ends nothing else here. */
typedef void cluster_handler_fn(void *owner, uint64_t node, enum cluster_class class,
                                struct bytes body);
/* One handler per kind, for the cluster's life. Frames of a kind that has none are dropped. */
void cluster_subscribe(struct cluster *cluster, uint8_t kind, cluster_handler_fn *handler,
                       void *owner);

/* A peer that broke the rules of its kind of frame: takes the link down, at the end of the turn.
 * The reason is literal, for the log. */
void cluster_drop(struct cluster *cluster, uint64_t node, const char *reason);

/* Back-pressure: from now on no frame of that class is handed over until it is resumed, and the
 * connection is no longer read. Counts: as many resumes as pauses. Ends with the link. */
void cluster_pause(struct cluster *cluster, uint64_t node, enum cluster_class class);
void cluster_resume(struct cluster *cluster, uint64_t node, enum cluster_class class);

/* For raft's shell: frames of kind CLUSTER_RAFT. */
struct transport cluster_transport(struct cluster *cluster);

/* ---- nodes ----------------------------------------------------------------------------------- */

/* Embedded in who wants to know; stays put for the cluster's life. `up` comes before any frame of
 * that node, `down` after the last. Told in the order they were added. */
struct cluster_watcher {
    void (*up)(struct cluster_watcher *watcher, const struct cluster_node *node);
    void (*down)(struct cluster_watcher *watcher, const struct cluster_node *node);
    struct cluster_watcher *next;
};
void cluster_watch(struct cluster *cluster, struct cluster_watcher *watcher);

const struct cluster_node *cluster_self(const struct cluster *cluster);
/* NULL: unknown. */
const struct cluster_node *cluster_node(const struct cluster *cluster, uint64_t id);
/* Walks the known others, up or not: for (size_t at = 0; (node = cluster_next(c, &at)) != NULL;) */
const struct cluster_node *cluster_next(const struct cluster *cluster, size_t *at);

/* One connection of a link that is up, for monitoring. */
struct cluster_connection {
    const struct cluster_node *node;
    uint64_t rid;
    enum cluster_class class;
    bool dialled;    /* by us */
    bool configured; /* by a configured route */
    struct io_address peer;
    int64_t start_wall_ns, start_ns, last_ns; /* last: of what was received */
    size_t pending;                           /* to be sent */
    uint64_t in_frames, in_bytes, out_frames, out_bytes;
};
/* Walks them: for (const void *at = NULL; cluster_connection_next(c, &at, &connection);) */
bool cluster_connection_next(const struct cluster *cluster, const void **at,
                             struct cluster_connection *connection);
/* The number of that one that messages for the node leave by; 0: there is none. */
uint64_t cluster_rid(const struct cluster *cluster, uint64_t node);

struct bytes cluster_name(const struct cluster *cluster);
/* The name was made up, and gives way to a peer's. */
bool cluster_name_is_dynamic(const struct cluster *cluster);
uint16_t cluster_port(const struct cluster *cluster); /* as bound */

/* Configured routes: how many there are, and how many of them have led to a node (itself included),
 * whether that node is up now or not. */
size_t cluster_routes(const struct cluster *cluster);
size_t cluster_routes_answered(const struct cluster *cluster);

bool cluster_flaw(const struct cluster *cluster, uint64_t flaw);

/* The id of a server of that name. */
uint64_t cluster_node_id(struct bytes server_name);

#endif
