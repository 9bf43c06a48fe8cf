/*
 * connection: the shell of a client core: its socket, buffers in flight and timers. It decides
 * nothing; what a client is to be told or when it is to end is client.h's.
 *
 * Per connection one send is in flight; what is written meanwhile gathers in the core's `out`. At
 * the end of the turn the two change places, so a connection makes one send a turn at most.
 */
#ifndef SERVER_CLIENTS_CONNECTION_H
#define SERVER_CLIENTS_CONNECTION_H

#include "base/io.h"
#include "base/map64.h"
#include "server/clients/client.h"
#include "server/clients/closed_clients.h"
#include "server/info.h"
#include "server/router/elsewhere.h"

/* Passwords that are being proven at one time: each keeps a worker busy for long, and files need
 * workers, too. */
#define CONNECTIONS_PROOFS_MAX 1u

struct callout_desk;
struct connection;
struct connection_mover;
struct deflater;
struct leaves;
struct proof_work;
struct tls_context;

/* What the connections of all shards of a server count together. */
struct connections_shared {
    _Atomic uint64_t ids;             /* given to clients */
    _Atomic int64_t count;            /* of all */
    _Atomic int64_t places;           /* how many there may be beside the files of streams */
    _Atomic uint64_t handshakes;      /* since when in ms, and how many: connection_tls.c */
    _Atomic int64_t load[SHARDS_MAX]; /* of each, those on their way to it included */
};

/* The client connections of a shard. Embedded in the server; fields are read by others, not
 * written. */
struct connections {
    struct clients clients;
    struct closed_clients closed;
    struct io *io;
    struct connection *all;
    struct connection *stalled; /* not read from until `stall` fires */
    struct timer stall;
    struct connection *leaving_first; /* ended, with subscriptions that are still to leave */
    struct connection *leaving_last;
    struct timer leave;
    uint32_t leave_most;               /* so many more may leave at once in this flush */
    struct connection *checking_first; /* with subscriptions that are still to be looked at */
    struct connection *checking_last;
    struct timer check;
    uint32_t check_most;             /* so many more may be looked at in this flush */
    struct proof_work *proofs_first; /* waiting, in the order they came */
    struct proof_work *proofs_last;
    size_t proofs_running;
    struct callout_desk *callouts;     /* connection_callout.c's; NULL: nobody was asked yet */
    struct tls_context *tls;           /* of whoever comes; NULL: none is encrypted */
    struct tls_context *websocket_tls; /* the same, over a WebSocket */
    struct deflater *deflater;         /* of those over WebSockets; NULL: none needed it yet */
    struct info_door websocket_door;   /* as INFO has it; its host lives as long as the server */
    int64_t handshakes_since_ns;       /* of the second in which so many began */
    int64_t handshakes;
    size_t count;
    uint64_t total;                    /* ever accepted */
    int64_t places;                    /* how many there may be beside the files of streams */
    struct connections_shared *shared; /* with other shards; NULL: there are none */
    struct leaves *leaves; /* take over who turns out to be a leaf node; NULL: there are none */
    const struct connection_mover *mover; /* NULL: none goes to another shard */
    struct connection *parted_first;      /* have let go of their sockets, to go there */
    struct connection *parted_last;
    struct connection *arriving; /* are to take theirs */
    unsigned shard;
    struct map64 by_id; /* while shared: struct client */
};

/* clients.router, clients.account and clients.auth are set by the caller before the first accept.
 */
void connections_init(struct connections *connections, struct io *io, const struct options *options,
                      const struct info *info, struct logger *logger, uint64_t seed);
/* Drops what is left; the io must be destroyed next, without another turn. What a worker is still
 * at work on is not freed. */
void connections_deinit(struct connections *connections);

/* There are other shards from here on, which count with this one. */
void connections_share(struct connections *connections, struct connections_shared *shared);

/* Takes over the socket; `websocket`: of the port where clients speak over that. */
void connections_accept(struct connections *connections, struct io_sock *sock,
                        const struct io_address *peer, bool websocket);

/* The process has descriptors for so many of all shards, and no more. */
void connections_limit(struct connections *connections, int64_t places);

/* Once per turn: sends, pauses, closes what there is to be. */
void connections_flush(struct connections *connections);

/* INFO again, to all that take it. */
void connections_inform(struct connections *connections);
/* Ends one of them, any. False: there is none that is open. */
bool connections_end_one(struct connections *connections, const char *reason);

/* Stops reading from all. */
void connections_pause(struct connections *connections);
/* Ends all: sends what they have waiting, then closes. */
void connections_end(struct connections *connections, const char *reason);
/* Closes all without that. */
void connections_doom(struct connections *connections, const char *reason);

/* ---- those of `count` shards, while all rest, the newest first (connections_all.c) ---------- */

/* Who may connect has changed: client_auth_changed. */
void connections_auth_changed(struct connections *const *all, unsigned count,
                              const struct auth *before);
/* The same for those alone whose account has other options now than when they came. */
void connections_account_renewed(struct connections *const *all, unsigned count,
                                 const struct auth *auth);
/* Ends so many that are open, for there are too many. */
void connections_end_surplus(struct connections *const *all, unsigned count, int64_t too_many);

#endif
