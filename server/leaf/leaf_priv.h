/*
 * What the files of leaf nodes share. Private to server/leaf/: leaf.c is what one connection says
 * and hears, leaf_sock.c its bytes, leaf_web.c what stands before
 * them when they come over a WebSocket or through a proxy, leaf_auth.c who dialled, leaf_callout.c
 * those whom others let in, leaf_interest.c what either side wants, remote.c whom we dial and when,
 * leaves.c the rest.
 */
#ifndef SERVER_LEAF_LEAF_PRIV_H
#define SERVER_LEAF_LEAF_PRIV_H

#include "base/arena.h"
#include "base/prng.h"
#include "base/table.h"
#include "server/clients/client.h"
#include "server/leaf/leaf_hello.h"
#include "server/leaf/leaf_wire.h"
#include "server/leaf/leaves.h"
#include "server/options.h"
#include "server/tls/tls.h"
#include "server/urls.h"

#define SECOND_NS INT64_C(1000000000)

#define LEAF_LINE_UNPROVEN_MAX (32u << 10)
#define LEAF_LINE_MAX          (1u << 20)
#define LEAF_DELAY_NS          (30 * SECOND_NS) /* after what only people can mend */
#define LEAF_DELAY_VERSION_NS  (5 * SECOND_NS)
#define LEAF_CIRCLE_SIZE       16u

enum leaf_state {
    LEAF_CONNECTING, /* dialled: its first INFO is awaited, and a handshake before or behind it */
    LEAF_ANSWERING,  /* dialled: what it says to our CONNECT is awaited */
    LEAF_UNPROVEN,   /* accepted: its CONNECT is awaited */
    LEAF_PROVING,    /* its password is with a worker, or its account is looked up */
    LEAF_UP,
    LEAF_ENDING, /* what is queued is to be sent, then it is closed; nothing is taken any more */
    LEAF_CLOSED, /* the io was told */
};

/* Of one account that has leaves, or had. */
struct leaf_account {
    struct leaf_account *next;
    struct account *account;
    char circle[5 + LEAF_CIRCLE_SIZE + 1]; /* "$LDS." and what only this server can know */
    struct bytes *offers;                  /* what is taken beside subscriptions; owned */
    size_t offers_count;
    struct table changes; /* struct leaf_change, since it was last told */
    size_t up;            /* leaves of it */
};

struct leaf_remote_state;
struct callout_desk;
struct leaf_proof;
struct leaf_question;
struct leaf_web;

struct leaf {
    struct leaf_peer peer; /* what the router knows */
    struct leaves *leaves;
    struct leaf *previous, *next;
    struct leaf *dirty_next;
    struct leaf_remote_state *remote; /* that we dialled; NULL: accepted, or that is gone */
    bool dialled;
    bool dirty;
    bool up;       /* its interest is ours, and the other way round */
    bool answered; /* dialled: it will say INFO to our CONNECT */
    bool isolated;
    bool alone; /* no other leaf is of its cluster */
    bool headers;
    bool secure;     /* TLS is between us and the socket */
    bool secure_due; /* accepted: it has to begin with it */
    bool heard_info;
    bool paused;
    bool reset;      /* of users that are no longer: it has to say again who it is */
    bool signed_in;  /* somebody in particular */
    bool by_account; /* what it may is what its account says */
    bool behind;     /* what it sends waits for who gets it */
    uint8_t state;
    uint64_t id;
    struct leaf_account *account; /* NULL: not known yet */
    struct leaf_rules rules;
    char nonce[AUTH_NONCE_TEXT_SIZE];
    char *name;    /* owned: of the server there */
    char *cluster; /* owned: what peer.cluster is of */
    char *remote_account;
    struct bytes claims; /* owned: of whoever it is, as they were signed; empty: nobody had to */
    const struct account_options *admitted_by; /* only to be compared */
    const char *reason;                        /* once ending */
    struct table heard;                        /* struct leaf_heard: what it wants */
    struct table told;                         /* struct leaf_told: what it knows that we want */
    struct leaf_proof *proof;
    struct tls *tls;
    struct leaf_web *web; /* NULL: nothing stands before its bytes */
    struct io_sock *sock;
    struct io_address address;
    char label[160];
    struct buf in;     /* what is not taken yet */
    struct buf out;    /* plain */
    struct buf flight; /* being sent */
    int64_t start_ns;
    int64_t flight_since_ns;
    struct timer deadline; /* of the greeting, of an end */
    struct timer ping;
    struct timer expiry;
    struct timer pause;
    unsigned pings_out;
    int64_t ping_sent_ns, rtt_ns;
    int64_t subs_max, payload_max; /* of the user as whom it came in; 0: no limit, -1: the same */
    uint64_t in_messages, in_bytes, out_messages, out_bytes;
};

struct leaves {
    struct leaves_setup setup;
    const struct leaf_options *options;
    struct router_leaves router;
    struct prng prng;
    struct arena arena;  /* of one line of JSON that came */
    struct arena making; /* of what is said */
    struct leaf *all;
    struct leaf *dirty;
    size_t count;
    struct leaf_account *accounts;
    struct leaf_remote_state *remotes;
    struct callout_desk *callouts; /* leaf_callout.c's; NULL: nobody was asked yet */
    struct deflater *deflater;     /* of those over WebSockets; NULL: none needed it yet */
    struct tls_context *tls_usual; /* of remotes that say no more than that; NULL: not made yet */
    struct core_news *news[SHARDS_MAX];
    unsigned news_count;
    struct buf noted; /* scratch, as the next */
    struct buf key;
    struct buf subject;
    struct buf reply;
    struct match scratch;
    struct bytes *queues;
    size_t queues_capacity;
    size_t changed; /* accounts that have changes */
    struct urls urls;
    char host[HOST_SIZE]; /* as INFO has it */
    uint16_t port;
    uint64_t seed;
    bool ending;
    struct leaves_stats stats;
};

/* ---- leaf_sock.c ---------------------------------------------------------------------------- */

/* NULL: there is no room. */
struct leaf *leaf_accept(struct leaves *leaves, struct io_sock *sock,
                         const struct io_address *peer);
struct leaf *leaf_dial(struct leaves *leaves, struct leaf_remote_state *remote, const char *host,
                       uint16_t port);
/* One who came over a WebSocket. NULL: there is no room, and all is still the caller's. */
struct leaf *leaf_visit(struct leaves *leaves, const struct leaf_visitor *visitor);
/* It was dialled, and the way there is open: TLS now, if it is to be first. */
void leaf_begin_first(struct leaf *leaf);
/* Bytes of the protocol. */
void leaf_received(struct leaf *leaf, struct bytes b);
/* TLS from here on; `name`: whom the other side has to be, NULL: it dialled. */
void leaf_secure(struct leaf *leaf, struct tls_context *context, const char *name);
/* The end: at once, or when what is queued has been sent and the other side has closed. */
enum leaf_end { LEAF_AT_ONCE, LEAF_LAST_WORDS };
void leaf_close(struct leaf *leaf, enum leaf_end end, const char *reason);
void leaf_mark(struct leaf *leaf); /* leaf_flush at the end of the turn */
void leaf_flush(struct leaf *leaf);
void leaf_free(struct leaf *leaf);
size_t leaf_queued(const struct leaf *leaf);

/* ---- leaf_web.c ----------------------------------------------------------------------------- */

/* Before anything is said: what is to come first. */
void leaf_web_dial(struct leaf *leaf);
void leaf_web_accepted(struct leaf *leaf, const struct leaf_visitor *visitor);
void leaf_web_free(struct leaf *leaf);
bool leaf_over_websocket(const struct leaf *leaf);
/* What arrived, decrypted: what is the protocol's goes to leaf_received. */
void leaf_web_received(struct leaf *leaf, struct bytes b);
/* Is there something to say that is not being sent? */
bool leaf_web_says(const struct leaf *leaf);
/* All of it, in frames if there are any; the caller's from here on. */
struct buf leaf_web_said(struct leaf *leaf);
/* It ends: says so when all else was said. */
void leaf_web_farewell(struct leaf *leaf);

/* ---- leaf.c --------------------------------------------------------------------------------- */

void leaf_log_begin(const struct leaf *leaf); /* somebody is there */
/* Takes whole lines, and payloads; returns how much that was. */
size_t leaf_take(struct leaf *leaf, struct bytes b);
void leaf_greet(struct leaf *leaf, bool answer); /* says INFO */
/* -ERR, a line in the log, and the end. */
void leaf_refuse(struct leaf *leaf, const char *text, const char *reason);
/* It is somebody, in that account. `user` is not kept; NULL: nobody in particular. */
void leaf_admit(struct leaf *leaf, const struct leaf_connect *said, struct account *account,
                const struct auth_user *user);
void leaf_up(struct leaf *leaf);
/* What it has of us and we of it, when it has ended. Not from inside a publish. False: nothing. */
bool leaf_down(struct leaf *leaf);
void leaf_ping(struct leaf *leaf);

/* ---- leaves.c ------------------------------------------------------------------------------- */

/* The peer does not keep up. It is told nothing: it would not read that either. */
void leaf_slow(struct leaf *leaf);

/* ---- leaf_auth.c ---------------------------------------------------------------------------- */

/* Who it is by what was answered; NULL: nobody. Ends the user. */
void leaf_callout_done(struct leaf *leaf, const struct auth_user *user);
/* How long one that came may take to say who it is. */
int64_t leaf_auth_ns(const struct leaves *leaves);
/* Admits, refuses, or has a worker prove the password, or somebody else say who it is, first. */
void leaf_authenticate(struct leaf *leaf, const struct leaf_connect *said, struct bytes args);
void leaf_proof_forget(struct leaf *leaf);
/* Has that account looked up, where accounts are. Nobody waits. */
void leaf_wish(const struct leaf *leaf, struct bytes name);
/* Accounts have changed: one whose account is looked up is perhaps somebody now. */
void leaf_ask_again(struct leaf *leaf);
/* The time to say who it is is over while its account is looked up. */
void leaf_proof_overdue(struct leaf *leaf);
/* Its account may be another now: is it still who it was, and may what it may? Else it ends. */
void leaf_look_again(struct leaf *leaf);

/* ---- leaf_callout.c ------------------------------------------------------------------------- */

/* Somebody else is asked who it is; leaf_callout_done follows, if there is an answer. */
struct leaf_question *leaf_callout_ask(struct leaf *leaf, const struct leaf_connect *said,
                                       const struct auth_user *user);
void leaf_question_free(struct leaf_question *question); /* NULL is fine */

/* ---- leaf_interest.c ------------------------------------------------------------------------ */

struct leaf_heard {
    struct leaf_sub sub;
    size_t subject_size;
    size_t key_size;
    uint8_t key[]; /* size of the subject, subject, queue */
};

/* What the other side wants from now on; the weight 0 ends it. */
void leaf_hear(struct leaf *leaf, const struct leaf_interest *interest);
void leaf_unhear_all(struct leaf *leaf);
/* All that it is to know; it knows nothing yet. */
void leaf_tell_all(struct leaf *leaf);
void leaf_untell_all(struct leaf *leaf);
void leaf_interest_init(struct leaf *leaf);

/* Is the other one up, in the same account, and of the same cluster? */
bool leaf_is_mate(const struct leaf *leaf, const struct leaf *other);
struct leaf_account *leaf_account_of(struct leaves *leaves, struct account *account);
void leaf_account_free(struct leaf_account *account);
/* As the account is configured now; what has changed is told. */
void leaf_account_offers(struct leaves *leaves, struct leaf_account *account);
/* router_leaves.changed. */
void leaf_interest_changed(void *owner, struct account *account, struct bytes subject,
                           struct bytes queue);
/* Tells what has changed; before any message. */
void leaf_interest_settle(struct leaves *leaves);

/* ---- remote.c ------------------------------------------------------------------------------- */

/* A remote while the server runs. */
struct leaf_remote_state {
    const struct leaf_remote *options;
    struct leaves *leaves;
    struct leaf_remote_state *next;
    struct leaf *leaf;          /* under way, or up */
    size_t *order;              /* of its urls */
    size_t at;                  /* in it, and then in what was learnt */
    struct urls learnt;         /* "host:port", of the hub's cluster */
    const struct leaf_url *url; /* that was dialled last; NULL: one that was learnt */
    char *host;                 /* the same */
    uint16_t port;
    unsigned attempts; /* that failed, since it last succeeded */
    int64_t delay_ns;  /* at least, before the next attempt */
    struct timer retry;
};

void remotes_create(struct leaves *leaves);
void remotes_destroy(struct leaves *leaves);
void remotes_start(struct leaves *leaves);
void remotes_stop(struct leaves *leaves);
/* It is up. */
void remote_reached(struct leaf_remote_state *remote);
/* The connection is no more; `text` says why it never was up, NULL: it was. */
void remote_lost(struct leaf_remote_state *remote, const char *text);
void remote_learn(struct leaf_remote_state *remote, const struct json *urls);
/* What to say of ourselves there; the texts live in leaves->making. False: it cannot be
 * said, and why was logged. */
bool remote_connect(struct leaf_remote_state *remote, struct leaf *leaf,
                    struct leaf_connect *connect);
/* Is TLS wanted there, whatever it says? Its context; NULL: none can be made, and that was said. */
bool remote_wants_tls(const struct leaf_remote_state *remote);
struct tls_context *remote_tls(struct leaf_remote_state *remote);
const char *remote_tls_name(const struct leaf_remote_state *remote);

#endif
