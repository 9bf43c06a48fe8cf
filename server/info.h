/* info: what the server says about itself, and the names that it makes up for that. */
#ifndef SERVER_INFO_H
#define SERVER_INFO_H

#include "base/buf.h"
#include "server/auth/nkey.h"

#define INFO_ID_SIZE NKEY_TEXT_SIZE
#define INFO_GO      "none" /* the key must be there; clients accept any text */

struct info {
    char id[INFO_ID_SIZE + 1]; /* a public key as text: 'N' and base32 */
    uint8_t seed[NKEY_SIZE];   /* of which that is the public half: what the server signs with */
    char curve_id[INFO_ID_SIZE + 1]; /* 'X': whoever asks to be written to in secret writes to it */
    uint8_t curve_seed[NKEY_SIZE];
    const char *name;
    const char *host;
    uint16_t port;
    int64_t max_payload;
    bool jetstream;
    const char *domain; /* of JetStream; NULL: none */
    bool auth_required; /* nobody gets in without credentials */
    bool no_headers;
    bool tls_required;
    bool tls_available; /* as the client likes */
    bool tls_verify;    /* it must show a certificate */
    bool lame_duck;
    struct bytes cluster; /* empty: none */
    bool cluster_dynamic;
    const struct bytes *connect_urls; /* of all nodes, while there are others */
    size_t connect_urls_count;
    const struct bytes *websocket_urls; /* the same for clients over WebSocket */
    size_t websocket_urls_count;
};

/* The port for WebSocket, of a client that came by it. */
struct info_door {
    const char *host;
    uint16_t port;
    bool tls_required;
    bool tls_verify;
    bool auth_required; /* although the server's other clients need none */
};

/* What differs from one client to the next. */
struct info_client {
    const struct info_door *door; /* NULL: the clients' port */
    uint64_t id;
    const char *address;
    const char *nonce;    /* for it to sign; NULL or empty: none is wanted */
    struct bytes account; /* empty in the first INFO; else this one answers a CONNECT */
    bool account_system;
    int64_t max_payload; /* 0: the server's */
};

/* Makes an id of a public key: prefix, checksum, base32. */
void info_make_id(char id[INFO_ID_SIZE + 1], const uint8_t key[NKEY_SIZE]);

/* Appends the INFO line. */
void info_write(struct buf *out, const struct info *info, const struct info_client *client);

#endif
