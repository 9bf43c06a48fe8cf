/*
 * io_socket: what backends with real sockets do with connected ones: the rest of a send that the
 * system takes piece by piece, and the last words before a close. Private to base/io_uring*.c and
 * base/io_epoll*.c.
 */
#ifndef BASE_IO_SOCKET_H
#define BASE_IO_SOCKET_H

#include <sys/socket.h>
#include <sys/uio.h>

#include "base/io.h"

/* A send under way; `message` covers what is left. Does not move while it is: it points into
 * itself. */
struct send {
    struct send *next; /* in a pool */
    struct msghdr message;
    struct iovec pieces[IO_PIECES_MAX];
    size_t left;
};

void send_fill(struct send *send, const struct bytes *pieces, size_t count);
/* The system took `count` bytes, at most what was left. */
void send_skip(struct send *send, size_t count);

/* The numeric address of the other side; false while there is none. */
bool socket_peer(int fd, struct io_address *peer);
/* Unread bytes make close() answer the peer with a reset, which can overtake our last words to it:
 * takes off what is there. */
void socket_discard_unread(int fd);

#endif
