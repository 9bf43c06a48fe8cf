/*
 * What the files of the connections' shell share. Private to server/clients/connection*.c:
 * connection.c holds a connection's life and its sending, connection_tls.c what stands between it
 * and the socket when that is encrypted, connection_websocket.c what stands there when it speaks
 * over one, connection_proofs.c the passwords that workers prove, connection_callout.c those whom
 * others let in, connection_leave.c how subscriptions end, connection_check.c how they are looked
 * at anew, connection_move.c how one goes to another shard, connections_all.c what is asked of
 * those of all.
 */
#ifndef SERVER_CLIENTS_CONNECTION_PRIV_H
#define SERVER_CLIENTS_CONNECTION_PRIV_H

#include "server/clients/connection.h"
#include "server/tls/tls.h"

/* What of a connection is encrypted, and what decides it. */
enum secure {
    SECURE_OFF,       /* nothing */
    SECURE_FIRST,     /* nothing has been said: the client begins with a handshake */
    SECURE_PERHAPS,   /* the same, but it is greeted when it does not begin soon */
    SECURE_CHOICE,    /* it was greeted; what it says first decides */
    SECURE_AFTER,     /* it was greeted; a handshake must follow */
    SECURE_HANDSHAKE, /* nothing else is said */
    SECURE_ON,        /* everything from here on */
};

struct connection {
    struct client client;
    struct connections *owner;
    struct io_sock *sock;
    struct buf flight; /* being sent */
    int64_t flight_since_ns;
    struct timer ping;
    struct timer auth; /* the longest that may pass before it has said who it is, or shaken hands */
    struct timer
        deadline; /* of the send in flight; armed at most once per deadline, not per send */
    struct connection *previous;
    struct connection *next;
    struct connection *stalled_next;
    struct connection *leaving_next;
    struct connection *checking_next;
    bool stalled;  /* in the list */
    bool leaving;  /* in that list: some of its subscriptions are still to leave */
    bool checking; /* in that: some are still to be looked at */
    bool paused;   /* as the socket knows it */
    bool closing;  /* io_sock_close was called */
    bool gone;     /* closed: freed as soon as no list holds it */
    bool moving;   /* to another shard, as soon as no send is in flight... */
    bool parting;  /* ...it lets go of its socket... */
    bool parted;   /* ...and has, so that nothing is done with it until it has arrived */
    uint8_t move_to;
    int64_t released; /* once parted: the socket on its way */
    struct connection *parted_next;
    int64_t follow_ns;    /* when it may follow a stream again */
    uint64_t done;        /* messages in the time between the last two looks */
    uint64_t done_before; /* all, at the last one */

    uint8_t secure; /* enum secure */
    bool greeted;
    bool tls_first; /* the handshake began before INFO was said */
    bool told;      /* that it has ended */
    bool farewell;  /* the peer was told that nothing more will come */
    struct tls *tls;
    struct buf before; /* plain bytes that are to leave before the first encrypted ones */
    struct buf plain;  /* being encrypted, piece by piece */
    size_t plain_at;
    struct arena names; /* of the certificate */
    struct tls_peer *peer;
    struct websocket *websocket; /* NULL: it speaks without */
    struct callout *callout;     /* somebody is asked who it is; NULL: nobody */
};

/* ---- connection.c */

/* Says INFO; from here on pings are due. */
void connection_greet(struct connection *c);
/* The time to say who it is begins. */
void connection_await_auth(struct connection *c);

/* In the list of its owner, and counted there, or not any more. */
void connection_list(struct connection *c);
void connection_unlist(struct connection *c);
/* Its socket is a new one of its owner's io. */
void connection_start(struct connection *c);

/* ---- connection_move.c */

/* What the socket tells. */
void connection_parted(void *context, int64_t released);
/* It goes before it has arrived. */
void connection_drop(struct connection *c);
/* Its socket goes now if it may: heard no more, it must not wait for a peer that does not read. */
void connection_let_go(struct connection *c);
/* It uses streams of another shard. */
void connection_follow(struct connection *c);

/* ---- connection_leave.c */

void connections_leave_init(struct connections *connections);
/* A flush begins. */
void connections_leave_turn(struct connections *connections);
/* It has ended: takes its subscriptions out of the router, what is much in further turns. */
void connection_leave(struct connection *c);
/* It goes on, but they are to leave, in further turns. */
void connection_leave_first(struct connection *c);

/* ---- connection_check.c */

void connections_check_init(struct connections *connections);
/* A flush begins. */
void connections_check_turn(struct connections *connections);
/* Its subscriptions are looked at, what is much in further turns. */
void connection_check(struct connection *c);

/* ---- connection_tls.c */

/* What a new connection begins with. */
void connection_tls_begin(struct connection *c);
/* What arrived while not SECURE_OFF. */
void connection_tls_received(struct connection *c, struct bytes b);
/* The timer of `auth` fired. False: that is no matter of a handshake. */
bool connection_tls_overdue(struct connection *c);
/* Is there something to send? */
bool connection_tls_has_out(const struct connection *c);
/* Fills the empty flight; what cannot go yet stays. */
void connection_tls_fill(struct connection *c);
/* Nothing more is to be sent but the last that TLS has to say. False: that was said. */
bool connection_tls_farewell(struct connection *c);
void connection_tls_end(struct connection *c);
/* What whoever lets it in is told of that, as JSON: nothing when it is not encrypted. False: no
 * room. */
bool connection_tls_describe(const struct connection *c, struct buf *out);

static inline bool connection_encrypts(const struct connection *c)
{
    return c->secure >= SECURE_HANDSHAKE;
}

/* ---- connection_websocket.c */

/* It speaks over a WebSocket: before anything is said. */
void connection_websocket_begin(struct connection *c);
/* The time that the upgrade has begins. */
void connection_websocket_await(struct connection *c);
/* The timer of `auth` fired. False: that is no matter of an upgrade. */
bool connection_websocket_overdue(struct connection *c);
/* Nothing more is to be said but that it is closed. False: that was said. */
bool connection_websocket_farewell(struct connection *c);
void connection_websocket_end(struct connection *c);
/* Is it, or was it, a leaf node? Then it is whose it should be, or told that it cannot be. */
enum visit { VISIT_NONE, VISIT_TAKEN, VISIT_REFUSED };
enum visit connection_websocket_visit(struct connection *c);
/* It has another owner. */
void connection_websocket_moved(struct connection *c);
/* What arrived, decrypted if it was not plain: to the client, out of its frames. */
void connection_take(struct connection *c, struct bytes b);
/* Is there something to say that is not being sent? */
bool connection_says(const struct connection *c);
/* All of it, in frames if there are any; the caller's from here on. */
struct buf connection_said(struct connection *c);

/* ---- connection_proofs.c */

/* Its password is to be proven. */
void connection_proof_begin(struct connection *c);
/* Drops those that nobody is at work on. */
void connections_proofs_drop(struct connections *connections);

/* ---- connection_callout.c */

/* Somebody else is to say who it is. */
void connection_callout_begin(struct connection *c);
/* It has ended: nobody waits for the answer. */
void connection_callout_leave(struct connection *c);
/* No connection is left. */
void connections_callouts_drop(struct connections *connections);

#endif
