/*
 * leaves: connections between this server and leaf nodes: servers that dial it and get one account,
 * and servers that it dials itself (remotes), usually as their leaf. A nats-server may be at either
 * end.
 *
 * What the other side of a connection wants stands in the account's subject index (kinds SUB_LEAF,
 * SUB_HUB); what this side wants is told it: what clients of all shards subscribe to and what is
 * the server's own (streams, services), what other leaves want and, where this server is the hub,
 * other nodes of its cluster. It is never told of its own interest, nor of that of its cluster. Who
 * is sent a message has been told before of whatever it may answer to.
 *
 * That a circle is closed shows when a subject that only this server can have told ($LDS.) comes
 * back as somebody's interest: that connection is closed, and dialled again only after a while.
 */
#ifndef SERVER_LEAF_LEAVES_H
#define SERVER_LEAF_LEAVES_H

#include "base/buf.h"
#include "base/io.h"
#include "base/logger.h"
#include "server/auth/auth.h"
#include "server/info.h"
#include "server/leaf_options.h"
#include "server/router/router_priv.h"

#define LEAVES_MAX 1024u /* connections, of any state */

struct clients;
struct core_news;
struct leaves;
struct options;
struct tls;

struct leaves_setup {
    struct io *io;
    struct logger *logger;
    struct router *router;
    struct clients *clients;
    const struct info *info;       /* of the server, whatever it comes to be */
    const struct options *options; /* the same */
    const struct auth *auth;       /* the same */
    uint64_t seed;
};

/* NULL: nothing of it is configured. The router is told. */
struct leaves *leaves_create(const struct leaves_setup *setup);
/* Drops what is left; the io must be destroyed next, without another turn. Before the router. */
void leaves_destroy(struct leaves *leaves);

/* After the port was opened; 0: there is none. Remotes are dialled. */
void leaves_start(struct leaves *leaves, uint16_t port);
/* Takes over the socket. */
void leaves_accept(struct leaves *leaves, struct io_sock *sock, const struct io_address *peer);
/* One who asked for it over a WebSocket (connection_websocket.c). */
struct leaf_visitor {
    struct io_sock *sock; /* started */
    struct tls *tls;      /* open; NULL: none */
    struct buf flight;    /* being sent */
    struct bytes said;    /* to be sent before any frame; copied */
    bool compressed;
    bool unmasked;
};
/* Takes over all of it. False: leaf nodes are not let in, or not so many. */
bool leaves_visit(struct leaves *leaves, const struct leaf_visitor *visitor);
/* Closes all, and dials no more. */
void leaves_end(struct leaves *leaves);
bool leaves_ended(const struct leaves *leaves);
/* Once per turn: sends, closes what there is to be. */
void leaves_flush(struct leaves *leaves);

/* Who may connect has changed: those who had to say who they are are to say it again. */
void leaves_auth_changed(struct leaves *leaves);
/* What accounts map and import has. */
void leaves_accounts_changed(struct leaves *leaves);
/* What that further shard's clients subscribe to is told, too, until all are forgotten. */
void leaves_add_shard(struct leaves *leaves, struct core_news *news);
void leaves_forget_shards(struct leaves *leaves);

/* ---- for monitoring ------------------------------------------------------------------------- */

struct leaves_stats {
    uint64_t in_messages, in_bytes, out_messages, out_bytes;
    uint64_t slow_consumers, stale;
    size_t up;
};
void leaves_stats(const struct leaves *leaves, struct leaves_stats *stats);

/* One that is up. */
struct leaf_row {
    uint64_t id;
    struct account *account;
    struct bytes name; /* of the server there */
    const struct io_address *peer;
    bool hub; /* it is this server's hub */
    bool dialled;
    bool isolated;
    int64_t rtt_ns; /* 0: not known */
    uint64_t in_messages, in_bytes, out_messages, out_bytes;
    size_t subscriptions;
    const void *of; /* for leaf_row_walk */
};
/* for (const void *at = NULL; leaves_next(l, &at, &row);) */
bool leaves_next(const struct leaves *leaves, const void **at, struct leaf_row *row);
/* What it wants. */
void leaf_row_walk(const struct leaf_row *row,
                   void (*interest)(void *context, struct bytes subject, struct bytes queue),
                   void *context);

#endif
