/*
 * io_socket: what backends with real sockets do with connected ones: their place in lists and
 * pools, the rest of a send that the system takes piece by piece, and the last words before a
 * close. What happens to a socket next is its backend's. Private to base/io_uring*.c and
 * base/io_epoll*.c.
 */
#ifndef BASE_IO_SOCKET_H
#define BASE_IO_SOCKET_H

#include <sys/socket.h>
#include <sys/uio.h>

#include "base/io_address.h"
#include "base/io_backend.h"

/* A send under way; `message` covers what is left. Does not move while it is: it points into
 * itself. */
struct send {
    struct send *next; /* in a pool */
    struct msghdr message;
    struct iovec pieces[IO_PIECES_MAX];
    size_t left;
};

/* The system took `count` bytes, at most what was left. */
void send_skip(struct send *send, size_t count);

/* Comes first in a backend's struct sock. */
struct socket {
    struct io_sock head;
    bool is_ready;     /* in the ready list */
    int fd;            /* -1: not connected yet, or given away */
    struct send *send; /* NULL: none */
    const struct io_sock_events *events;
    void *owner;
    struct sockets *all;
    struct socket *ready_next; /* and the pool's link */
    struct socket *previous;
    struct socket *next;
};

/* Those of one io. */
struct sockets {
    size_t size;          /* of the backend's struct sock */
    struct socket *first; /* of all, doubly linked */
    struct socket *spare; /* pooled */
    struct socket *ready; /* have something to tell that nothing else will trigger */
    struct send *spare_sends;
};

void sockets_deinit(struct sockets *sockets);

/* All zero but for what is said here. */
struct socket *socket_create(struct sockets *sockets, int fd);
/* Closes it, unless it has been given away. */
void socket_free(struct socket *socket);
/* Gives its descriptor away. */
int socket_release(struct socket *socket);
void socket_drop(struct io *io, int64_t released);
void socket_hand(struct io_sock *sock, const struct io_sock_events *events, void *owner);

/* socket->send is what is to be sent. */
void socket_send_begin(struct socket *socket, const struct bytes *pieces, size_t count);
void socket_send_end(struct socket *socket);

static inline void socket_ready(struct socket *socket)
{
    if (socket->is_ready)
        return;
    socket->is_ready = true;
    socket->ready_next = socket->all->ready;
    socket->all->ready = socket;
}

/* The list of those that are ready; what becomes ready from now on is in the next one. */
static inline struct socket *sockets_take_ready(struct sockets *sockets)
{
    struct socket *ready = sockets->ready;

    sockets->ready = NULL;
    return ready;
}

/* Takes the first off that list: it may be made ready again. */
static inline struct socket *socket_take_ready(struct socket **ready)
{
    struct socket *socket = *ready;

    *ready = socket->ready_next;
    socket->is_ready = false;
    return socket;
}

/* The numeric address of the other side; false while there is none. */
bool socket_peer(int fd, struct io_address *peer);
bool socket_peer_of(struct io *io, struct io_sock *sock, struct io_address *peer);
/* Unread bytes make close() answer the peer with a reset, which can overtake our last words to it:
 * takes off what is there. */
void socket_discard_unread(int fd);

/* These, in a backend's io_calls. */
#define IO_SOCKET_CALLS                                                                            \
    .addresses = address_list, .sock_drop = socket_drop, .sock_hand = socket_hand,                 \
    .sock_peer = socket_peer_of

#endif
