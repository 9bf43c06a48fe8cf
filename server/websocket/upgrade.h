/*
 * upgrade: the HTTP request that begins a WebSocket (RFC 6455 4.2), checked in the order and
 * answered in the words of the reference (core.md 6.5). No I/O.
 */
#ifndef SERVER_WEBSOCKET_UPGRADE_H
#define SERVER_WEBSOCKET_UPGRADE_H

#include "base/buf.h"
#include "server/websocket/websocket_options.h"

#define UPGRADE_HEAD_MAX    (8u << 10) /* of a request; more is refused */
#define UPGRADE_ADDRESS_MAX 46u        /* an IPv6 address as text, and the zero */

#define UPGRADE_KEY_SIZE      16u
#define UPGRADE_KEY_TEXT_SIZE 24u /* the same in base64 */
#define UPGRADE_ACCEPT_SIZE   29u /* what answers a key, and the zero */

/* As both sides say it. */
#define UPGRADE_COMPRESSION_LINE                                                                   \
    "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "                   \
    "client_no_context_takeover\r\n"
#define UPGRADE_UNMASKED_LINE "Nats-No-Masking: true\r\n"

/* What the request says of who asks. The bytes point into the head. */
struct upgrade {
    char forwarded_for[UPGRADE_ADDRESS_MAX]; /* the first address of X-Forwarded-For; empty: none */
    struct bytes user, password, token, jwt; /* from cookies; empty: none */
    const char *refusal;                     /* why it is none, when it is refused */
    bool browser;                            /* frames to it are to be short */
    bool safari;                             /* compressed messages are not to be split */
    bool compressed;                         /* messages may be: agreed on in the answer */
    bool leaf;                               /* it asks for /leafnode: it is no client */
    bool unmasked;                           /* frames to us are not masked: agreed on, too */
};

/* Appends the answer to a request, of which `text` is the whole head, to `answer`. True: it is 101,
 * and frames follow in both directions; `encrypted` is whether TLS lies below. False: a refusal;
 * the connection is to be closed behind it. `more`: bytes came behind the head already, which a
 * client may not send. */
bool upgrade_answer(struct bytes text, bool more, const struct websocket_options *options,
                    bool encrypted, struct buf *answer, struct upgrade *upgrade);

/* What answers this key, UPGRADE_KEY_TEXT_SIZE bytes of text. */
void upgrade_accept(struct bytes key, char accepted[static UPGRADE_ACCEPT_SIZE]);

/* "http://host:port": false: it is not one. The port may be left out. */
bool upgrade_read_origin(struct bytes text, struct websocket_origin *origin);

#endif
