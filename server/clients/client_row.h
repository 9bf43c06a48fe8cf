/*
 * client_row: what is told of a client connection: while it is there, and for a while after
 * (closed_clients). A row of one that is there is views, good until the client does anything.
 */
#ifndef SERVER_CLIENTS_CLIENT_ROW_H
#define SERVER_CLIENTS_CLIENT_ROW_H

#include "server/auth/auth_options.h"
#include "server/router/account.h"

struct client;
struct connection;

/* A subscription that a closed client had. */
struct closed_sub {
    struct bytes subject, queue, sid;
    uint64_t delivered, max;
};

struct client_row {
    uint64_t id;
    const struct client *client; /* NULL: it is closed */
    struct bytes address;
    uint16_t port;
    uint32_t type;    /* CONNECTION_STANDARD, CONNECTION_WEBSOCKET */
    int64_t start_ns; /* on the monotonic clock, as the next two */
    int64_t last_ns;
    int64_t stop_ns;    /* while it is there: now */
    const char *reason; /* why it was closed */
    int64_t rtt_ns;
    size_t pending;
    struct traffic received, sent;
    uint64_t stalls;
    size_t subs_count;
    struct bytes name, lang, version;
    const char *tls_version, *tls_cipher; /* NULL: it is not encrypted */
    bool tls_first;
    struct bytes user;    /* as it authenticated; empty: it did not */
    struct bytes account; /* where it is, or was */
    bool user_nkey;       /* the user is a key */
    const struct closed_sub *closed_subs;
    size_t closed_subs_count;
};

/* As documents name it. */
static inline const char *client_row_type(const struct client_row *row)
{
    return row->type == CONNECTION_WEBSOCKET ? "websocket" : "nats";
}

/* connection_row.c */
void client_row_of(struct client_row *row, const struct connection *connection, int64_t now_ns);
/* The same, of a client that has a connection. */
void client_row_of_client(struct client_row *row, const struct client *client, int64_t now_ns);
/* Who it authenticated as, as far as that is no secret. */
struct bytes client_row_user(const struct client *client);

#endif
