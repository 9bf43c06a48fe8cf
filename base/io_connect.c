#include "base/io_connect.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/owner.h"

/* ---- beginning and end ---------------------------------------------------------------------- */

struct connect *connect_create(struct connects *connects, const char *host, uint16_t port)
{
    struct connect *c = HEAP_NEW(struct connect);

    c->all = connects;
    c->host = heap_text(bytes_of_text(host));
    c->port = port;
    c->fd = -1;
    c->reason = -EHOSTUNREACH; /* when there is no address */
    c->next = connects->first;
    if (c->next != NULL)
        c->next->previous = c;
    connects->first = c;
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
        c->all->first = c->next;
    heap_give(c->host);
    heap_give(c);
}

void connects_deinit(struct connects *connects)
{
    while (connects->first != NULL)
        connect_free(connects->first);
}

/* Hands over what came of it. */
static void connect_end(struct connect *c)
{
    int fd = c->fd;

    c->fd = -1;
    if (c->sock != NULL)
        c->all->calls->connected(c->sock, fd, fd < 0 ? c->reason : 0);
    else if (fd >= 0)
        close(fd);
    connect_free(c);
}

/* ---- trying --------------------------------------------------------------------------------- */

/* False: not even a socket is to be had. */
static bool try_address(struct connect *c, const union address *address)
{
    static const int yes = 1;
    const struct connect_calls *calls = c->all->calls;

    c->fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | calls->socket_flags, 0);
    if (c->fd < 0) {
        c->reason = -errno;
        return false;
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    c->state = CONNECT_TRYING;
    calls->begin(c, address);
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

void connect_completed(struct connect *c, int result)
{
    assert(c->state == CONNECT_TRYING);
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

static void look_up_next(struct connects *connects);

static void look_up(struct io_work *work, struct io *io)
{
    struct connect *c = owner_of(work, struct connect, work);

    (void)io;
    c->count = address_look_up(c->host, c->addresses, CONNECT_ADDRESSES_MAX);
}

static void looked_up(struct io_work *work)
{
    struct connect *c = owner_of(work, struct connect, work);

    c->all->looking_up = false;
    look_up_next(c->all);
    if (c->sock == NULL || !try_next(c))
        connect_end(c);
}

/* A resolver may hang for long, and workers are few: one look-up at a time. The list is newest
 * first: the last one that waits is next. */
static void look_up_next(struct connects *connects)
{
    struct connect *oldest = NULL;

    if (connects->looking_up)
        return;
    for (struct connect *c = connects->first; c != NULL; c = c->next)
        if (c->state == CONNECT_WAITING)
            oldest = c;
    if (oldest == NULL)
        return;
    connects->looking_up = true;
    oldest->state = CONNECT_LOOKING_UP;
    oldest->work = (struct io_work){.run = look_up, .done = looked_up};
    workers_add(connects->workers, &oldest->work);
}

/* ---- the sock's calls ----------------------------------------------------------------------- */

void connect_begin(struct connect *c, void *sock)
{
    c->sock = sock;
    if (!address_read(c->host, &c->addresses[0])) {
        look_up_next(c->all);
        return;
    }
    c->count = 1;
    if (!try_next(c))
        connect_end(c);
}

void connect_abandon(struct connect *c)
{
    c->sock = NULL;
    if (c->state == CONNECT_WAITING || (c->state == CONNECT_TRYING && c->all->calls->cancel(c)))
        connect_free(c);
}
