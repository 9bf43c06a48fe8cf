/*
 * What the files of the cluster share. Private to server/cluster/: lane.c is one connection,
 * lane_tls.c what encrypts it, link.c a pair of nodes, dial.c whom we call and when, gossip.c whom
 * we tell of whom, cluster.c the rest.
 */
#ifndef SERVER_CLUSTER_CLUSTER_PRIV_H
#define SERVER_CLUSTER_CLUSTER_PRIV_H

#include "base/prng.h"
#include "server/cluster/cluster.h"
#include "server/cluster/flaws.h"
#include "server/cluster/frame.h"
#include "server/cluster/hello.h"
#include "server/listener.h"
#include "server/tls/tls.h"

#define SECOND_NS      INT64_C(1000000000)
#define MILLISECOND_NS INT64_C(1000000)

#define CONNECT_NS (3 * SECOND_NS) /* to a connection, its name looked up */
#define GUESTS_MAX 64u             /* accepted connections whose link is not up */

#define SPARES_MAX     16u
#define SPARE_SIZE_MAX (1u << 20)

static_assert(HELLO_URLS_MAX == CLUSTER_URLS_MAX);

/* Kinds of frames up to CLUSTER_KIND_FIRST: the links' own. */
enum link_kind {
    LINK_KIND_HELLO = 1,
    LINK_KIND_WELCOME,
    LINK_KIND_REFUSED,
    LINK_KIND_OPEN,   /* the one that dialled has all connections, and wants it */
    LINK_KIND_OPENED, /* so it is up */
    LINK_KIND_PING,   /* u64: the sender's monotonic time */
    LINK_KIND_PONG,   /* the same back */
    LINK_KIND_PEERS,  /* gossip.c */
    LINK_KIND_LEAVE,  /* the last frame on this connection; after all have said it the link is down
                       */
};

/* ---- lane.c: one connection ----------------------------------------------------------------- */

enum lane_state {
    LANE_OPEN,
    LANE_ENDING, /* what is queued is to be sent, then the peer closes; nothing is taken any more */
    LANE_CLOSED, /* the io was told */
};

struct lane_stats {
    uint64_t in_frames, in_bytes, out_frames, out_bytes; /* but for the links' own */
};

struct lane {
    struct cluster *cluster;
    struct link *link; /* NULL: a guest, or left over */
    struct io_sock *sock;
    struct tls *tls;        /* NULL: it is not encrypted */
    char *name;             /* that a certificate has to have; NULL: accepted */
    struct io_address peer; /* text: what was dialled, or who called */
    uint64_t rid;
    uint8_t class;
    uint8_t state;
    bool dialled;
    bool connected; /* something has gone out or come in */
    bool spoke;     /* with TLS: bytes came */
    bool magic_seen;
    bool guest; /* accepted, and its link is not up: counted */
    bool dirty;
    bool held;      /* no frame is handed over, nothing is read */
    uint32_t holds; /* reasons for it */
    size_t body_max;
    size_t wanted; /* what `in` has to grow to before it is looked at */
    struct buf in; /* what is not handed over yet */
    struct buf out;
    struct buf flight;     /* being sent */
    struct timer deadline; /* of what was accepted until its link is up, and of an end */
    struct lane_stats stats;
    int64_t start_wall_ns, start_ns, last_ns;
    struct lane *previous;
    struct lane *next;
    struct lane *dirty_next;
};

/* `name` is whom a certificate has to name, where there are any. */
struct lane *lane_dial(struct cluster *cluster, const char *host, uint16_t port, const char *name,
                       uint8_t class);
void lane_accept(struct cluster *cluster, struct io_sock *sock, const struct io_address *peer);

/* Queues a frame, whatever is queued already. */
void lane_add(struct lane *lane, uint8_t kind, const struct bytes *pieces, size_t count);
size_t lane_queued(const struct lane *lane); /* bytes, those in flight included */
/*
 * Nothing is taken from it any more. Closed at once, or, if there are last words for the peer, when
 * it has heard them and closes, or a second later: a close of ours could overtake them as a reset.
 */
enum lane_end { LANE_NOW, LANE_LAST_WORDS };
void lane_end(struct lane *lane, enum lane_end end);
void lane_hold(struct lane *lane);
void lane_release(struct lane *lane); /* frames come again from the end of the turn on */
void lane_settled(struct lane *lane); /* its link is up, it is no guest any more */
void lane_flush(struct lane *lane);
void lane_free(struct lane *lane);
void lane_mark(struct lane *lane);                  /* lane_flush at the end of the turn */
void lane_take(struct lane *lane, struct bytes b);  /* plain bytes that came */
void lane_bad(struct lane *lane, const char *what); /* nobody to work with: ended, and said */
/* "10.0.0.1:6222 - rid:7" */
const char *lane_label(const struct lane *lane, char text[128]);

/* ---- lane_tls.c: the same where nodes speak TLS --------------------------------------------- */

void lane_tls_begin(struct lane *lane, const char *name); /* NULL: it was accepted */
void lane_tls_received(struct lane *lane, struct bytes b);
bool lane_tls_says(const struct lane *lane);
/* Into `flight`, of which nothing is left: what TLS says, and what is queued if it is open. */
void lane_tls_fill(struct lane *lane);
bool lane_is_tls(struct bytes b); /* does a peer that begins so speak it? */
/* Whom a node at that host has to show a certificate of. */
const char *lane_tls_name(const struct cluster *cluster, const char *host);

/* ---- link.c: a pair of nodes ---------------------------------------------------------------- */

enum link_state {
    LINK_GREETING, /* ours: the first connection waits for its WELCOME */
    LINK_JOINING,  /* the other connections are being made; theirs: OPEN is awaited */
    LINK_OPENING,  /* ours: OPENED is awaited */
    LINK_UP,
};

/* What a peer said of itself, in memory of its own. */
struct greeting {
    uint8_t *memory;
    struct hello hello; /* views of it; no credentials */
};

struct link {
    struct cluster *cluster;
    struct peer *peer; /* NULL while LINK_GREETING */
    struct dial *dial; /* ours; NULL: they dialled, or the dial is gone */
    bool ours;         /* we dialled */
    bool configured;   /* by a configured route */
    uint8_t state;
    uint64_t token;
    struct lane *lanes[CLUSTER_CLASSES];
    unsigned welcomed; /* ours: a bit per class */
    struct greeting greeting;
    struct timer deadline; /* ours, until it is up */
    int64_t heard_ns;
    unsigned left;    /* a bit per class that the peer has left */
    const char *doom; /* to be closed at the end of the turn, and why; NULL: not */
    struct link *previous;
    struct link *next;
};

/* A node that we know of. */
struct peer {
    struct cluster_node node; /* first: what others see */
    struct cluster *cluster;
    struct link *link; /* up, or NULL */
    struct greeting greeting;
    char *gossip_host; /* where others say it is, while we have not met it; NULL: nobody said */
    int64_t seen_ns;   /* up, or told of */
    bool complained;   /* the log says that it cannot be reached, though others can */
};

struct link *link_dial(struct cluster *cluster, struct dial *dial);
/* A frame of a lane, before the link is up and after. */
void link_frame(struct lane *lane, const struct frame *frame);
/* The first frame of a connection that was accepted. */
void link_guest(struct lane *lane, const struct frame *frame);
/* A lane is gone; `reason` is for the log. */
void link_lane_lost(struct lane *lane, const char *reason);
/* Ends it, in whatever state; with LANE_LAST_WORDS what is queued still leaves. */
void link_close(struct link *link, const char *reason, enum lane_end end);
void link_beat(struct link *link); /* a heartbeat is due */
void greeting_free(struct greeting *greeting);

/* ---- dial.c: whom we call ------------------------------------------------------------------- */

struct dial {
    struct cluster *cluster;
    char *host;
    uint16_t port;
    char *user; /* NULL: ours */
    char *password;
    bool configured;   /* else learnt by gossip */
    bool answered;     /* has ever led to a node */
    bool self;         /* that is us */
    uint64_t node;     /* where it leads, if not to us; 0: not known */
    struct link *link; /* under way */
    unsigned attempts; /* that failed, since it last succeeded */
    char *complaint;   /* last logged; NULL: none */
    struct timer retry;
    struct dial *next;
};

void dial_credentials(const struct dial *dial, struct hello *hello);
void dials_init(struct cluster *cluster); /* of the configured routes */
void dials_free(struct cluster *cluster);
void dials_begin(struct cluster *cluster);
void dials_stop(struct cluster *cluster);
/* A node was told of, that we are not linked to. */
void dial_learnt(struct cluster *cluster, struct peer *peer);
/* The attempt led to `node`, with whom there is a link now, this or another. */
void dial_reached(struct dial *dial, uint64_t node);
void dial_is_self(struct dial *dial);
/* The attempt failed. `text` is logged if it is news. */
void dial_failed(struct dial *dial, const char *text);
/* Links to that node ended, or began: others are worth a new try. */
void dials_node_down(struct cluster *cluster, uint64_t node);
void dials_node_up(struct cluster *cluster, uint64_t node);

/* ---- gossip.c -------------------------------------------------------------------------------- */

void gossip_up(struct cluster *cluster, const struct peer *peer); /* tells it of all, all of it */
void gossip_beat(struct cluster *cluster);                        /* now and then: all to all */
bool gossip_take(struct cluster *cluster, struct bytes body);     /* false: malformed */

/* ---- cluster.c ------------------------------------------------------------------------------ */

struct handler {
    cluster_handler_fn *call;
    void *owner;
};

struct cluster {
    struct io *io;
    struct logger *logger;
    const struct cluster_options *options;
    const struct tls_options *tls;   /* in force, the options' at first */
    struct tls_context *tls_context; /* NULL: there is none */
    struct prng prng;
    size_t queue_max[CLUSTER_CLASSES];
    int64_t heartbeat_ns, deadline_ns;
    const char *listen_host;
    const struct config_place *listen_place; /* NULL: not from a file */
    struct listener listener;
    bool started, stopping;
    uint64_t flaws;
    uint64_t rid_last;

    char *name; /* of the cluster; owned */
    bool name_dynamic;
    struct cluster_node self;
    char *self_host; /* owned */
    uint8_t *self_urls;

    struct lane *lanes;
    struct lane *dirty;
    size_t guests;
    struct link *links;
    struct peer *peers[CLUSTER_NODES_MAX];
    size_t peers_count;
    struct dial *dials;
    struct handler handlers[256];
    void (*settle)(void *owner);
    void *settle_owner;
    void (*catch_up)(void *owner);
    void *catch_up_owner;
    struct cluster_watcher *watchers;
    struct cluster_watcher **watchers_last;

    struct timer beat;
    int64_t beat_due_ns, gossip_due_ns;
    struct buf spares[SPARES_MAX];
    size_t spares_count;
};

struct peer *cluster_peer(const struct cluster *cluster, uint64_t id); /* NULL: unknown */
/* Known from now on; NULL: no room, and nobody that is down can be forgotten. */
struct peer *cluster_peer_take(struct cluster *cluster, uint64_t id);
/* What we say of ourselves; the views are the cluster's. */
void cluster_hello(const struct cluster *cluster, struct hello *hello);
void cluster_adopt_name(struct cluster *cluster, struct bytes name, bool dynamic);
void cluster_dispatch(struct cluster *cluster, uint64_t node, const struct frame *frame);
void cluster_told_up(struct cluster *cluster, struct peer *peer);
void cluster_told_down(struct cluster *cluster, struct peer *peer);
struct buf cluster_spare_take(struct cluster *cluster);
void cluster_spare_give(struct cluster *cluster, struct buf *buf);

#endif
