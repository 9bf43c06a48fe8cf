/* listener: binds an address and says in the reference's words why it could not. */
#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

#include "base/host.h"
#include "base/io.h"
#include "base/logger.h"

#define LISTENER_ADDRESS_SIZE (HOST_SIZE + sizeof("[]:65535"))
#define LISTENER_REASON_SIZE  1024u

struct config_place;

struct listener_at {
    const char *host;                 /* numbers or a name */
    int port;                         /* -1: any free one */
    const struct config_place *place; /* where a file names the host; NULL: in none */
};

struct listener {
    struct io_listener *io; /* NULL: closed */
    uint16_t port;          /* as bound */
};

typedef void listener_accepted_fn(void *context, struct io_sock *sock,
                                  const struct io_address *peer);

/* A name is looked up now. On failure `reason` is one sentence and nothing is open. */
enum err listener_open(struct listener *listener, struct io *io, const struct listener_at *at,
                       listener_accepted_fn *accepted, void *context,
                       char reason[LISTENER_REASON_SIZE]);
/* From here on the log says when a port is taken and waited for. */
void listener_say_waits(struct io *io, struct logger *logger);
/* Fine when closed. */
void listener_close(struct listener *listener, struct io *io);

/* "host:port", an IPv6 host in brackets. */
void listener_address(char *out, size_t size, const char *host, int port);

#endif
