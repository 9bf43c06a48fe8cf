/*
 * socks: the way through a SOCKS5 proxy (RFC 1928, RFC 1929), as bytes that are sent and bytes that
 * must come back. No I/O.
 *
 * The proxy looks up the server's name itself, so one behind it can be reached that nobody here
 * knows.
 */
#ifndef CLI_SOCKS_H
#define CLI_SOCKS_H

#include "base/buf.h"

struct socks {
    enum socks_state { SOCKS_METHOD, SOCKS_LOGIN, SOCKS_CONNECT, SOCKS_THROUGH } state;
    const char *user, *password; /* NULL: none */
    const char *host;
    unsigned port;
};

enum socks_step {
    SOCKS_MORE,  /* nothing was taken: more bytes are needed */
    SOCKS_SENT,  /* *used bytes of `in` were taken; send `out`, then step again */
    SOCKS_READY, /* *used bytes were taken; what follows is the server's */
    SOCKS_BAD,   /* *why says what the proxy said */
};

/* What opens the talk. False: a name is longer than the protocol can say. */
bool socks_begin(struct socks *socks, struct buf *out);
enum socks_step socks_step(struct socks *socks, struct bytes in, size_t *used, struct buf *out,
                           const char **why);

#endif
