/*
 * hello: what two nodes tell each other at the beginning of each connection of a link, and whether
 * they may go on. Pure.
 *
 * The one that dials says HELLO; the other answers WELCOME, which has the same form (without
 * credentials), or REFUSED. A body, little endian:
 *
 *      0  u16  version      highest protocol that it speaks
 *      2  u16  version_min  lowest
 *      4  u8   class        of this connection
 *      5  u8   flags        1 JetStream, 2 cluster name is made up
 *      6  u16  port         where it takes links
 *      8  u64  features     bits
 *     16  u64  token        of the link that the connection is to be part of
 *     24  u64  node         id
 *     32  u64  incarnation
 *     40       texts, each behind a u16 size: cluster name, server id, server name, host (empty: as
 *              the peer sees it), user, password; then a u16 count of client URLs, and those; then
 *              the same of URLs for clients over WebSocket, which the first servers did not say
 *
 * REFUSED is a u16 reason (enum hello_reason) and a text. What follows in either body is ignored:
 * that is how a later version adds fields.
 */
#ifndef SERVER_CLUSTER_HELLO_H
#define SERVER_CLUSTER_HELLO_H

#include "base/buf.h"

#define HELLO_VERSION     1u
#define HELLO_VERSION_MIN 1u
#define HELLO_SIZE_MAX    8192u
#define HELLO_TEXT_MAX    512u /* of one text */
#define HELLO_URLS_MAX    16u

struct hello {
    uint16_t version, version_min;
    uint8_t class;
    bool jetstream;
    bool cluster_name_dynamic;
    uint16_t port;
    uint64_t features;
    uint64_t token;
    uint64_t node, incarnation;
    struct bytes cluster_name, server_id, server_name, host, user, password;
    struct bytes urls[HELLO_URLS_MAX];
    size_t urls_count;
    struct bytes websocket_urls[HELLO_URLS_MAX];
    size_t websocket_urls_count;
};

/* In the order they are found. The numbers travel: new ones are added at the end. */
enum hello_reason {
    HELLO_FINE,
    HELLO_MALFORMED,
    HELLO_VERSION_UNKNOWN,
    HELLO_CREDENTIALS,
    HELLO_CLUSTER_NAME,
    HELLO_SELF,           /* it is us */
    HELLO_DUPLICATE_NAME, /* another server of our name, or of a peer's */
    HELLO_FULL,           /* CLUSTER_NODES_MAX */
    HELLO_LINKED,         /* there is a link already: not an error */
    HELLO_NO_LINK,        /* that this connection could be part of */
    HELLO_STOPPING,
};

/* The texts must fit (asserted). */
void hello_encode(struct buf *out, const struct hello *hello);
/* False: malformed, or too large. The views are of `body`. */
bool hello_decode(struct bytes body, struct hello *hello);

void refusal_encode(struct buf *out, enum hello_reason reason, struct bytes text);
bool refusal_decode(struct bytes body, enum hello_reason *reason, struct bytes *text);

/* A sentence's end: "is another server of the same name". */
const char *hello_reason_text(enum hello_reason reason);

/* What the acceptor demands: credentials, NULL for none. */
struct hello_guard {
    const char *user;
    const char *password;
};

/* Whether a node that is `ours` goes on with one that says `theirs`; what needs more knowledge than
 * the two (links, peers) is not asked here. `guard` NULL: we dialled. */
enum hello_reason hello_judge(const struct hello *ours, const struct hello *theirs,
                              const struct hello_guard *guard);

/* Whether `ours` gives up its made-up cluster name for the other's: for a configured one, or for
 * the greater of two that were made up. */
bool hello_adopts(const struct hello *ours, const struct hello *theirs);

#endif
