#include "base/io_socket.h"

#include <string.h>
#include <unistd.h>

#include "base/heap.h"

/* ---- sending -------------------------------------------------------------------------------- */

static void send_fill(struct send *send, const struct bytes *pieces, size_t count)
{
    size_t used = 0;

    assert(count <= IO_PIECES_MAX);
    send->left = 0;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].size == 0)
            continue;
        send->pieces[used++] = (struct iovec){(void *)pieces[i].at, pieces[i].size};
        send->left += pieces[i].size;
    }
    send->message = (struct msghdr){.msg_iov = send->pieces, .msg_iovlen = used};
}

void send_skip(struct send *send, size_t count)
{
    struct msghdr *message = &send->message;

    assert(count <= send->left);
    send->left -= count;
    while (count > 0 && count >= message->msg_iov->iov_len) {
        count -= message->msg_iov->iov_len;
        message->msg_iov++;
        message->msg_iovlen--;
    }
    if (count > 0) {
        message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + count;
        message->msg_iov->iov_len -= count;
    }
}

static struct send *send_take(struct sockets *sockets)
{
    struct send *send = sockets->spare_sends;

    if (send == NULL)
        return HEAP_NEW(struct send);
    sockets->spare_sends = send->next;
    return send;
}

void socket_send_begin(struct socket *socket, const struct bytes *pieces, size_t count)
{
    assert(socket->send == NULL);
    socket->send = send_take(socket->all);
    send_fill(socket->send, pieces, count);
}

void socket_send_end(struct socket *socket)
{
    struct sockets *sockets = socket->all;

    if (socket->send == NULL)
        return;
    socket->send->next = sockets->spare_sends;
    sockets->spare_sends = socket->send;
    socket->send = NULL;
}

/* ---- making and freeing --------------------------------------------------------------------- */

struct socket *socket_create(struct sockets *sockets, int fd)
{
    struct socket *s = sockets->spare;

    if (s != NULL)
        sockets->spare = s->ready_next;
    else
        s = heap_take(sockets->size);
    memset(s, 0, sockets->size);
    s->all = sockets;
    s->fd = fd;
    s->next = sockets->first;
    if (sockets->first != NULL)
        sockets->first->previous = s;
    sockets->first = s;
    return s;
}

void socket_free(struct socket *s)
{
    struct sockets *sockets = s->all;

    if (s->fd >= 0)
        close(s->fd);
    socket_send_end(s);
    if (s->next != NULL)
        s->next->previous = s->previous;
    if (s->previous != NULL)
        s->previous->next = s->next;
    else
        sockets->first = s->next;
    s->ready_next = sockets->spare;
    sockets->spare = s;
}

void sockets_deinit(struct sockets *sockets)
{
    struct send *send;
    struct socket *s;

    assert(sockets->first == NULL);
    while ((s = sockets->spare) != NULL) {
        sockets->spare = s->ready_next;
        heap_give(s);
    }
    while ((send = sockets->spare_sends) != NULL) {
        sockets->spare_sends = send->next;
        heap_give(send);
    }
}

int socket_release(struct socket *socket)
{
    int fd = socket->fd;

    assert(fd >= 0);
    socket->fd = -1;
    return fd;
}

void socket_drop(struct io *io, int64_t released)
{
    (void)io;
    close((int)released);
}

void socket_hand(struct io_sock *sock, const struct io_sock_events *events, void *owner)
{
    struct socket *s = (struct socket *)sock;

    s->events = events;
    s->owner = owner;
}

/* ---- the other side ------------------------------------------------------------------------- */

bool socket_peer(int fd, struct io_address *peer)
{
    union address address;
    socklen_t size = sizeof(address);

    if (fd < 0 || getpeername(fd, &address.any, &size) != 0)
        return false;
    address_show(&address, peer);
    return true;
}

bool socket_peer_of(struct io *io, struct io_sock *sock, struct io_address *peer)
{
    (void)io;
    return socket_peer(((struct socket *)sock)->fd, peer);
}

void socket_discard_unread(int fd)
{
    for (int i = 0; i < 4; i++)
        if (recv(fd, NULL, 1u << 20, MSG_DONTWAIT | MSG_TRUNC) <= 0)
            return;
}
