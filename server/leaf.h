/*
 * leaf: the port of leaf nodes, which are not served: whoever connects is told so and closed. That
 * the port is there lets deployments and test suites that ask for one go on without it.
 */
#ifndef SERVER_LEAF_H
#define SERVER_LEAF_H

#include "server/guests.h"

#define LEAVES_MAX 16u /* being told at one time */

struct leaves {
    struct guests guests;
};

void leaves_init(struct leaves *leaves, struct io *io);
/* Drops what is left; the io must be destroyed next, without another turn. */
void leaves_deinit(struct leaves *leaves);

/* Takes over the socket. */
void leaves_accept(struct leaves *leaves, struct io_sock *sock);
/* Closes all. */
void leaves_end(struct leaves *leaves);

#endif
