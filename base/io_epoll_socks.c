/*
 * Connected sockets. An edge is remembered (`readable`) until a read has emptied the socket, so a
 * pause costs nothing and loses nothing. Writing needs no such flag: a send that the socket did not
 * take whole is continued at the next edge.
 *
 * What an owner learns from a call of its own (a send that went out at once, a close) is told from
 * the ready list, at the next turn.
 */
#include "base/io_epoll_parts.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io_socket.h"

#define READS_PER_TURN 4 /* of one socket: the others want their turn */

enum sock_state {
    SOCK_NEW,      /* accepted; the owner has not started it */
    SOCK_OPEN,     /* bytes flow */
    SOCK_ENDED,    /* the owner was told; its close is awaited */
    SOCK_DRAINING, /* closed by the owner, the send in flight may finish */
    SOCK_CLOSING,  /* told from the ready list, then gone */
};

struct sock {
    struct socket socket; /* first */
    struct epoll *epoll;
    struct connect *connect; /* under way; NULL: connected, or failed to */
    int connect_result;      /* once connect_ended */
    int reason;              /* of the end, once end_seen or broken */
    uint8_t state;
    bool connect_ended; /* at once, from inside a call: handed on from the ready list */
    bool paused;
    bool readable;   /* bytes or the end may be there */
    bool hung_up;    /* no edge comes after what is there: it is read until the end */
    bool end_seen;   /* nothing more will be received */
    bool broken;     /* a send failed */
    bool sent_whole; /* to be told */
    bool parting;    /* it is to go to another io */
};

/* ---- making and freeing --------------------------------------------------------------------- */

/* Of the socket that comes first in it. */
static struct sock *sock_of(void *socket)
{
    return socket;
}

void epoll_socks_init(struct epoll *e)
{
    e->sockets.size = sizeof(struct sock);
}

struct io_sock *epoll_sock_create(struct epoll *e, int fd)
{
    struct sock *s = sock_of(socket_create(&e->sockets, fd));

    s->epoll = e;
    return &s->socket.head;
}

void epoll_socks_destroy(struct epoll *e)
{
    while (e->sockets.first != NULL)
        socket_free(e->sockets.first);
    sockets_deinit(&e->sockets);
}

/* ---- what happens next ---------------------------------------------------------------------- */

static bool wants_bytes(const struct sock *s)
{
    return s->state == SOCK_OPEN && !s->paused && s->readable && !s->end_seen &&
           s->connect == NULL && !s->parting;
}

static bool part_is_due(const struct sock *s)
{
    return s->parting && s->state == SOCK_OPEN && !s->socket.head.sending && !s->paused &&
           !s->end_seen && !s->broken && !s->socket.is_ready;
}

/* What it has not read waits in the socket: the next one's registration tells of it. */
static void part(struct sock *s)
{
    const struct io_sock_events *events = s->socket.events;
    void *owner = s->socket.owner;
    int fd = socket_release(&s->socket);

    (void)epoll_ctl(s->epoll->fd, EPOLL_CTL_DEL, fd, NULL); /* it is registered */
    socket_free(&s->socket);
    events->parted(owner, fd);
}

/* A failed send is told after the bytes that arrived before it, unless the owner has paused and
 * would never see the end of them. */
static bool end_is_due(const struct sock *s)
{
    return s->state == SOCK_OPEN && (s->paused ? s->broken : s->end_seen);
}

/* From events and the ready list only: it calls the owner. The socket may be gone then. */
static void settle(struct sock *s)
{
    if (end_is_due(s)) {
        s->state = SOCK_ENDED;
        s->socket.events->ended(s->socket.owner, s->reason);
    }
    if (s->state == SOCK_CLOSING || wants_bytes(s))
        socket_ready(&s->socket);
    else if (part_is_due(s))
        part(s);
}

/* ---- receiving ------------------------------------------------------------------------------ */

static void end_of_bytes(struct sock *s, int reason)
{
    s->readable = false;
    s->end_seen = true;
    if (!s->broken)
        s->reason = reason;
}

/* A read that does not fill the buffer has emptied the socket: what comes later is a new edge. */
static void receive_once(struct sock *s)
{
    struct epoll *e = s->epoll;
    ssize_t count = recv(s->socket.fd, e->buffer, e->buffer_size, 0);

    if (count > 0) {
        s->readable = (size_t)count == e->buffer_size || s->hung_up;
        s->socket.events->received(s->socket.owner, bytes_of(e->buffer, (size_t)count));
    } else if (count == 0) {
        end_of_bytes(s, 0);
    } else if (errno == EAGAIN) {
        s->readable = false;
    } else if (errno != EINTR) {
        end_of_bytes(s, -errno);
    }
}

static void receive(struct sock *s)
{
    for (int i = 0; i < READS_PER_TURN && wants_bytes(s) && !s->epoll->posix.io.enough; i++)
        receive_once(s);
}

/* ---- sending -------------------------------------------------------------------------------- */

/* What the peer sent before can still be read, up to the end. */
static void send_fail(struct sock *s, int result)
{
    if (s->state == SOCK_DRAINING)
        s->state = SOCK_CLOSING;
    else if (s->state == SOCK_ENDED)
        s->broken = true; /* who closes it waits for nothing */
    else if (s->state == SOCK_OPEN) {
        if (!s->broken)
            s->reason = result;
        s->broken = true;
        s->readable = true;
        s->hung_up = true;
        shutdown(s->socket.fd, SHUT_RDWR);
    }
    socket_ready(&s->socket);
}

/* Until the socket takes no more. Calls nobody. */
static void send_more(struct sock *s)
{
    struct send *send = s->socket.send;

    while (send->left > 0) {
        ssize_t count = sendmsg(s->socket.fd, &send->message, MSG_NOSIGNAL);

        if (count >= 0) {
            send_skip(send, (size_t)count);
        } else if (errno != EINTR) {
            if (errno != EAGAIN)
                send_fail(s, -errno);
            return;
        }
    }
    socket_send_end(&s->socket);
    s->sent_whole = true;
    socket_ready(&s->socket);
}

static bool may_send(const struct sock *s)
{
    return s->socket.send != NULL && !s->broken && s->connect == NULL && s->socket.fd >= 0 &&
           (s->state == SOCK_OPEN || s->state == SOCK_ENDED || s->state == SOCK_DRAINING);
}

static void tell_sent(struct sock *s)
{
    s->sent_whole = false;
    s->socket.head.sending = false;
    if (s->state == SOCK_DRAINING)
        s->state = SOCK_CLOSING;
    else
        s->socket.events->sent(s->socket.owner);
}

void epoll_sock_send(struct io *io, struct io_sock *sock, const struct bytes *pieces, size_t count)
{
    struct sock *s = sock_of(sock);

    assert(s->state == SOCK_OPEN || s->state == SOCK_ENDED);
    (void)io;
    socket_send_begin(&s->socket, pieces, count);
    if (may_send(s))
        send_more(s);
}

/* ---- connecting ----------------------------------------------------------------------------- */

/* Registered after the call: before it the socket would be announced as hung up. */
static void connect_address(struct connect *c, const union address *address)
{
    struct sock *s = c->sock;
    int result = connect(c->fd, &address->any, address_size(address)) == 0 ? 0 : -errno;
    int registered = epoll_register(s->epoll, c->fd, s, TAG_SOCK);

    s->hung_up = false; /* of the address before */
    if (result == -EINPROGRESS && registered == 0)
        return;
    s->connect_ended = true;
    s->connect_result = registered < 0 ? registered : result;
    socket_ready(&s->socket);
}

static bool connect_cancel(struct connect *connect)
{
    (void)connect; /* its descriptor is closed, and with it the registration */
    return true;
}

static void connected(void *sock, int fd, int reason)
{
    struct sock *s = sock;

    assert(s->state == SOCK_OPEN); /* else it was abandoned */
    s->connect = NULL;
    s->socket.fd = fd;
    if (fd < 0) {
        s->broken = true;
        s->end_seen = true;
        s->reason = reason;
    } else {
        s->readable = true; /* perhaps: the edge may have been the one that brought us here */
        if (may_send(s))
            send_more(s);
    }
    socket_ready(&s->socket);
}

static const struct connect_calls connect_calls = {
    .socket_flags = SOCK_NONBLOCK,
    .begin = connect_address,
    .cancel = connect_cancel,
    .connected = connected,
};

void epoll_connects_init(struct epoll *e)
{
    e->connects = (struct connects){.calls = &connect_calls, .workers = &e->workers};
}

struct io_sock *epoll_connect(struct io *io, const char *host, uint16_t port,
                              const struct io_sock_events *events, void *owner)
{
    struct epoll *e = (struct epoll *)io;
    struct io_sock *sock = epoll_sock_create(e, -1);
    struct sock *s = sock_of(sock);

    s->state = SOCK_OPEN;
    s->socket.events = events;
    s->socket.owner = owner;
    s->connect = connect_create(&e->connects, host, port);
    connect_begin(s->connect, s);
    return sock;
}

static void connecting_event(struct sock *s)
{
    int error = 0;
    socklen_t size = sizeof(error);

    if (s->connect->fd < 0)
        return; /* a descriptor before this one */
    if (getsockopt(s->connect->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    connect_completed(s->connect, -error);
}

/* ---- the owner's calls ---------------------------------------------------------------------- */

int64_t epoll_sock_release(struct io *io, struct io_sock *sock)
{
    struct sock *s = sock_of(sock);
    int fd = socket_release(&s->socket);

    (void)io;
    assert(s->state == SOCK_NEW);
    socket_free(&s->socket);
    return fd;
}

struct io_sock *epoll_sock_adopt(struct io *io, int64_t released)
{
    return epoll_sock_create((struct epoll *)io, (int)released);
}

void epoll_sock_part(struct io *io, struct io_sock *sock)
{
    struct sock *s = sock_of(sock);

    (void)io;
    assert(s->connect == NULL);
    if (s->state != SOCK_OPEN)
        return;
    s->parting = true;
    socket_ready(&s->socket);
}

void epoll_sock_start(struct io *io, struct io_sock *sock, const struct io_sock_events *events,
                      void *owner)
{
    struct epoll *e = (struct epoll *)io;
    struct sock *s = sock_of(sock);
    int result;

    assert(s->state == SOCK_NEW);
    s->state = SOCK_OPEN;
    s->socket.events = events;
    s->socket.owner = owner;
    result = epoll_register(e, s->socket.fd, s, TAG_SOCK);
    if (result == 0)
        return;
    s->broken = true;
    s->end_seen = true;
    s->reason = result;
    socket_ready(&s->socket);
}

void epoll_sock_pause(struct io *io, struct io_sock *sock)
{
    struct sock *s = sock_of(sock);

    (void)io;
    if (s->state != SOCK_OPEN && s->state != SOCK_NEW)
        return;
    s->paused = true;
    if (s->broken)
        socket_ready(&s->socket);
}

void epoll_sock_resume(struct io *io, struct io_sock *sock)
{
    struct sock *s = sock_of(sock);

    (void)io;
    if ((s->state != SOCK_OPEN && s->state != SOCK_NEW) || !s->paused)
        return;
    s->paused = false;
    if (wants_bytes(s) || s->end_seen || s->parting)
        socket_ready(&s->socket);
}

void epoll_sock_close(struct io *io, struct io_sock *sock, bool drain)
{
    struct sock *s = sock_of(sock);

    (void)io;
    if (s->state == SOCK_CLOSING || (s->state == SOCK_DRAINING && drain))
        return;
    if (s->connect != NULL) {
        connect_abandon(s->connect);
        s->connect = NULL;
    } else if (drain && may_send(s)) {
        s->state = SOCK_DRAINING;
        return;
    }
    s->state = SOCK_CLOSING;
    socket_ready(&s->socket);
}

/* ---- telling -------------------------------------------------------------------------------- */

void epoll_sock_event(struct sock *s, uint32_t events)
{
    const uint32_t over = EPOLLHUP | EPOLLERR;

    if (s->connect != NULL) {
        if (events & EPOLLRDHUP)
            s->hung_up = true; /* which is said once */
        if (!s->connect_ended && (events & (EPOLLOUT | over)))
            connecting_event(s); /* else it is known how it ended, and not from here */
        return;
    }
    if (events & (EPOLLIN | EPOLLRDHUP | over))
        s->readable = true;
    if (events & (EPOLLRDHUP | over))
        s->hung_up = true;
    if ((events & (EPOLLOUT | over)) && may_send(s))
        send_more(s);
    receive(s);
    settle(s);
}

static void finish(struct sock *s)
{
    const struct io_sock_events *events = s->socket.events;
    void *owner = s->socket.owner;

    if (s->socket.fd >= 0)
        socket_discard_unread(s->socket.fd);
    socket_free(&s->socket);
    if (events != NULL)
        events->closed(owner);
}

static void tell(struct sock *s)
{
    if (s->state == SOCK_CLOSING) {
        finish(s);
        return;
    }
    if (s->connect_ended) {
        s->connect_ended = false;
        connect_completed(s->connect, s->connect_result);
        return; /* which has made it ready, or tries the next address */
    }
    if (s->sent_whole)
        tell_sent(s);
    receive(s);
    settle(s);
}

/* What owners make ready while they are told waits for the next turn. */
void epoll_socks_ready(struct epoll *e)
{
    struct socket *ready = sockets_take_ready(&e->sockets);

    while (ready != NULL)
        tell(sock_of(socket_take_ready(&ready)));
}
