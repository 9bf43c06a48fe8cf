/* One address is tried by one request (base/io_connect.h). */
#include "base/io_uring_parts.h"

#include "base/owner.h"

static struct uring *uring_of(struct connect *connect)
{
    return owner_of(connect->all, struct uring, connects);
}

static void begin(struct connect *connect, const union address *address)
{
    struct io_uring_sqe *sqe = uring_sqe(uring_of(connect), connect, TAG_CONNECT);

    io_uring_prep_connect(sqe, connect->fd, &address->any, address_size(address));
}

static bool cancel(struct connect *connect)
{
    struct io_uring_sqe *sqe = uring_sqe(uring_of(connect), NULL, TAG_NONE);

    io_uring_prep_cancel64(sqe, (uintptr_t)connect | TAG_CONNECT, 0);
    return false;
}

static void connected(void *sock, int fd, int reason)
{
    uring_sock_connected(sock, fd, reason);
}

static const struct connect_calls connect_calls = {
    .begin = begin,
    .cancel = cancel,
    .connected = connected,
};

void uring_connects_init(struct uring *u)
{
    u->connects = (struct connects){.calls = &connect_calls, .workers = &u->workers};
}

struct io_sock *uring_connect(struct io *io, const char *host, uint16_t port,
                              const struct io_sock_events *events, void *owner)
{
    struct uring *u = (struct uring *)io;
    struct connect *connect = connect_create(&u->connects, host, port);
    struct io_sock *sock = uring_sock_create_connecting(u, connect, events, owner);

    connect_begin(connect, sock);
    return sock;
}

void uring_connect_completed(struct uring *u, struct connect *connect, int result)
{
    if (!u->stopped)
        connect_completed(connect, result);
}
