/*
 * Connecting, apart from the sock that waits for it: a name is looked up, its addresses are tried
 * one after the other, and the sock is handed a connected descriptor or a reason. A sock that is
 * closed meanwhile abandons its struct connect, which then ends by itself.
 */
#include "base/io_uring_parts.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/io_address.h"
#include "base/owner.h"

#define ADDRESSES_MAX 8u /* of one name */

enum connect_state {
    CONNECT_WAITING,    /* for its turn to look up its name */
    CONNECT_LOOKING_UP, /* a worker has it */
    CONNECT_TRYING,     /* a request is in flight */
};

struct connect {
    struct io_work work;
    struct uring *uring;
    struct sock *sock; /* NULL: abandoned */
    enum connect_state state;
    char *host; /* owned */
    uint16_t port;
    int fd;     /* being connected, or -1 */
    int reason; /* of the last address that failed */
    union address addresses[ADDRESSES_MAX];
    size_t count;
    size_t next_address;
    struct connect *previous;
    struct connect *next;
};

/* ---- beginning and end ---------------------------------------------------------------------- */

static struct connect *connect_create(struct uring *u, const char *host, uint16_t port)
{
    struct connect *c = HEAP_NEW(struct connect);

    c->uring = u;
    c->host = heap_text(bytes_of_text(host));
    c->port = port;
    c->fd = -1;
    c->reason = -EHOSTUNREACH; /* when there is no address */
    c->next = u->connects;
    if (c->next != NULL)
        c->next->previous = c;
    u->connects = c;
    return c;
}

static void connect_free(struct connect *c)
{
    if (c->fd >= 0)
        close(c->fd);
    if (c->next != NULL)
        c->next->previous = c->previous;
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        c->uring->connects = c->next;
    heap_give(c->host);
    heap_give(c);
}

void uring_connects_destroy(struct uring *u)
{
    while (u->connects != NULL)
        connect_free(u->connects);
}

/* Hands over what came of it. */
static void connect_end(struct connect *c)
{
    int fd = c->fd;

    c->fd = -1;
    if (c->sock != NULL)
        uring_sock_connected(c->sock, fd, fd < 0 ? c->reason : 0);
    else if (fd >= 0)
        close(fd);
    connect_free(c);
}

/* ---- trying --------------------------------------------------------------------------------- */

/* False: not even a socket is to be had. */
static bool try_address(struct connect *c, const union address *address)
{
    static const int yes = 1;
    struct io_uring_sqe *sqe;

    c->fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        c->reason = -errno;
        return false;
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    sqe = uring_sqe(c->uring, c, TAG_CONNECT);
    io_uring_prep_connect(sqe, c->fd, &address->any, address_size(address));
    c->state = CONNECT_TRYING;
    return true;
}

/* False: there is no address left. */
static bool try_next(struct connect *c)
{
    while (c->next_address < c->count) {
        union address *address = &c->addresses[c->next_address++];

        address_set_port(address, c->port);
        if (try_address(c, address))
            return true;
    }
    return false;
}

void uring_connect_completed(struct uring *u, struct connect *c, int result)
{
    if (u->destroying)
        return;
    if (result < 0) {
        close(c->fd);
        c->fd = -1;
        c->reason = result;
        if (c->sock != NULL && try_next(c))
            return;
    }
    connect_end(c);
}

/* ---- names ---------------------------------------------------------------------------------- */

static void look_up_next(struct uring *u);

static void look_up(struct io_work *work, struct io *io)
{
    struct connect *c = owner_of(work, struct connect, work);

    (void)io;
    c->count = address_look_up(c->host, c->addresses, ADDRESSES_MAX);
}

static void looked_up(struct io_work *work)
{
    struct connect *c = owner_of(work, struct connect, work);
    struct uring *u = c->uring;

    u->looking_up = false;
    look_up_next(u);
    if (c->sock == NULL || !try_next(c))
        connect_end(c);
}

/* A resolver may hang for long, and workers are few: one look-up at a time. The list is newest
 * first: the last one that waits is next. */
static void look_up_next(struct uring *u)
{
    struct connect *oldest = NULL;

    if (u->looking_up)
        return;
    for (struct connect *c = u->connects; c != NULL; c = c->next)
        if (c->state == CONNECT_WAITING)
            oldest = c;
    if (oldest == NULL)
        return;
    u->looking_up = true;
    oldest->state = CONNECT_LOOKING_UP;
    oldest->work = (struct io_work){.run = look_up, .done = looked_up};
    workers_add(&u->workers, &oldest->work);
}

/* ---- the owner's calls ---------------------------------------------------------------------- */

struct io_sock *uring_connect(struct io *io, const char *host, uint16_t port,
                              const struct io_sock_events *events, void *owner)
{
    struct uring *u = (struct uring *)io;
    struct connect *c = connect_create(u, host, port);
    struct io_sock *sock = uring_sock_create_connecting(u, c, events, owner);

    c->sock = (struct sock *)sock;
    if (!address_read(host, &c->addresses[0])) {
        look_up_next(u);
        return sock;
    }
    c->count = 1;
    if (!try_next(c))
        connect_end(c); /* which makes the sock ready: told at the turn */
    return sock;
}

void uring_connect_abandon(struct connect *c)
{
    struct io_uring_sqe *sqe;

    c->sock = NULL;
    if (c->state == CONNECT_WAITING) {
        connect_free(c);
    } else if (c->state == CONNECT_TRYING) {
        sqe = uring_sqe(c->uring, NULL, TAG_NONE);
        io_uring_prep_cancel64(sqe, (uintptr_t)c | TAG_CONNECT, 0);
    }
}
