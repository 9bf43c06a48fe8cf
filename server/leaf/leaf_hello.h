/*
 * leaf_hello: what a leaf and its hub say of themselves, as JSON: the hub in INFO, when the
 * connection is there and when it has let the leaf in, the leaf in CONNECT. Pure. Keys in any case,
 * unknown ones are ignored; what is read are views of the text or of the arena.
 */
#ifndef SERVER_LEAF_LEAF_HELLO_H
#define SERVER_LEAF_LEAF_HELLO_H

#include "base/arena.h"
#include "server/leaf/leaf_rules.h"

struct leaf_info {
    struct bytes id, name, version, host, ip, cluster, domain, nonce;
    struct bytes remote_account; /* empty: the first INFO */
    const struct bytes *urls;    /* where leaves find this server and others: written */
    size_t urls_count;
    const struct json *urls_read; /* the same as read; NULL: none, so this is no port for leaves */
    const struct json *websocket_urls_read; /* the same for who comes over one */
    const struct bytes *websocket_urls;     /* written, if there are any */
    size_t websocket_urls_count;
    const struct json *import, *export;                /* as read; NULL: not said */
    const struct leaf_filter *may_import, *may_export; /* written; NULL: not said */
    uint64_t client_id;                                /* 0: none, as of a port for others */
    int64_t max_payload;
    uint16_t port;
    bool headers, jetstream;
    bool tls_required, tls_verify;
    bool answers;      /* CONNECT is answered with another INFO */
    bool connect_info; /* this is that */
    bool system;       /* so is the account */
};

/* The line INFO. */
void leaf_info_write(struct buf *out, const struct leaf_info *info);
/* False: no JSON object, or a member of the wrong type. */
bool leaf_info_read(struct arena *arena, struct bytes json, struct leaf_info *info);

struct leaf_connect {
    struct bytes version, nkey, jwt, sig, user, pass, token;
    struct bytes id, name, domain, cluster, remote_account;
    struct bytes lang;    /* said by clients only */
    struct bytes gateway; /* said by gateways only */
    const struct bytes *deny;
    size_t deny_count;            /* what the leaf does not want: written */
    const struct json *deny_read; /* as read; NULL: not said */
    int64_t protocol;             /* as read */
    bool hub;                     /* who dials is the hub */
    bool headers, jetstream, isolate;
};

/* The line CONNECT. */
void leaf_connect_write(struct buf *out, const struct leaf_connect *connect);
bool leaf_connect_read(struct arena *arena, struct bytes json, struct leaf_connect *connect);

/* "2.10.1" or longer: at least that version? What is none is not. */
bool leaf_version_read(struct bytes text, uint32_t parts[static 3]);
bool leaf_version_at_least(struct bytes version, struct bytes least);

#endif
