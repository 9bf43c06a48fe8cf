/*
 * dial: what one says who begins a WebSocket, or asks a proxy for a way to somebody, and what comes
 * of the answers (RFC 6455 4.1, RFC 9110 9.3.6), as the reference does it. No I/O.
 */
#ifndef SERVER_WEBSOCKET_DIAL_H
#define SERVER_WEBSOCKET_DIAL_H

#include "base/buf.h"
#include "server/websocket/upgrade.h"

#define DIAL_REASON_SIZE 160u

struct dial_wish {
    const char *host; /* without brackets */
    uint16_t port;
    const char *path;                    /* of the request: "/leafnode" */
    uint8_t key[UPGRADE_KEY_SIZE];       /* that nobody can guess */
    bool compressed;                     /* offers that messages are compressed */
    bool unmasked;                       /* asks to be let off masking */
    struct bytes proxy_user, proxy_pass; /* for the proxy; the user empty: nobody */
};

void dial_ask_proxy(const struct dial_wish *wish, struct buf *out);
/* False: it is refused, and why. */
bool dial_proxy_answered(struct bytes head, char reason[static DIAL_REASON_SIZE]);

void dial_ask(const struct dial_wish *wish, struct buf *out);
/* False: it is no WebSocket, and why; else `wish` holds what was agreed on. */
bool dial_answered(struct bytes head, struct dial_wish *wish, char reason[static DIAL_REASON_SIZE]);

#endif
