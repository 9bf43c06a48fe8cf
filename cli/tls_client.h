/*
 * tls_client: the client's side of TLS over bytes that the caller moves. It opens no socket: what
 * came in is fed, what must go out is taken, so that one loop of conn serves both kinds of
 * connection.
 */
#ifndef CLI_TLS_CLIENT_H
#define CLI_TLS_CLIENT_H

#include "base/buf.h"

struct tls_client;

struct tls_files {
    const char *cert; /* ours, or NULL; with `key` */
    const char *key;
    const char *ca; /* who may have issued the server's; NULL: whom the system trusts */
};

#define TLS_ERROR_SIZE 256u

/* `host`: what the server's certificate must be for. NULL: `error` says which file is wrong. */
struct tls_client *tls_client_create(const struct tls_files *files, const char *host,
                                     char error[static TLS_ERROR_SIZE]);
void tls_client_destroy(struct tls_client *tls);

enum tls_step { TLS_MORE, TLS_READY, TLS_BAD };

/* The handshake as far as it goes; TLS_MORE: send what tls_client_take gives, feed what comes. */
enum tls_step tls_client_shake(struct tls_client *tls, char error[static TLS_ERROR_SIZE]);

void tls_client_feed(struct tls_client *tls, struct bytes in); /* from the wire */
/* Appends what is readable to `plain`. TLS_READY: all of it; TLS_BAD: the session is over. */
enum tls_step tls_client_read(struct tls_client *tls, struct buf *plain);
bool tls_client_write(struct tls_client *tls,
                      struct bytes plain); /* after the handshake; false: over */
void tls_client_take(struct tls_client *tls, struct buf *out); /* for the wire */

#endif
