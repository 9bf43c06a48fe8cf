#include "base/io_epoll_parts.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/io_listening.h"
#include "base/io_socket.h"
#include "base/owner.h"

#define ACCEPTS_PER_TURN 16 /* what is left is announced again: a listener is level-triggered */

struct io_listener {
    struct epoll *epoll;
    int fd; /* -1: closed, to be buried */
    io_accepted_fn *accepted;
    void *context;
    struct timer retry; /* armed while accepting rests */
    struct io_listener *next;
};

/* ---- accepting ------------------------------------------------------------------------------ */

static void accept_again(struct timer *timer)
{
    struct io_listener *l = owner_of(timer, struct io_listener, retry);
    struct io *io = &l->epoll->posix.io;

    if (epoll_register(l->epoll, l->fd, l, TAG_LISTENER) != 0)
        timers_arm(&io->timers, &l->retry, io->now_ns + LISTENING_RETRY_NS);
}

/* Out of descriptors or memory. */
static void accept_rest(struct io_listener *l)
{
    struct io *io = &l->epoll->posix.io;

    (void)epoll_ctl(l->epoll->fd, EPOLL_CTL_DEL, l->fd, NULL); /* it is registered */
    timers_arm(&io->timers, &l->retry, io->now_ns + LISTENING_RETRY_NS);
}

static void accepted(struct io_listener *l, int fd)
{
    struct io_address peer;

    if (socket_peer(fd, &peer))
        l->accepted(l->context, epoll_sock_create(l->epoll, fd), &peer);
    else
        close(fd); /* gone already */
}

static bool try_again(int errnum)
{
    return errnum == EINTR || errnum == ECONNABORTED;
}

void epoll_listener_event(struct io_listener *l)
{
    for (int i = 0; i < ACCEPTS_PER_TURN && l->fd >= 0; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0) {
            accepted(l, fd); /* may close the listener */
        } else if (!try_again(errno)) {
            if (errno != EAGAIN)
                accept_rest(l);
            return;
        }
    }
}

/* ---- listening ------------------------------------------------------------------------------ */

enum err epoll_listen(struct io *io, const char *host, uint16_t port, io_accepted_fn *accepted_fn,
                      void *context, struct io_listener **listener, uint16_t *bound)
{
    struct epoll *e = (struct epoll *)io;
    struct io_listener *l;
    enum err err;
    int fd;

    err = listening_open(io, host, port, SOCK_NONBLOCK, &fd, bound);
    if (err != OK)
        return err;
    l = HEAP_NEW(struct io_listener);
    *l = (struct io_listener){.epoll = e, .fd = fd, .accepted = accepted_fn, .context = context};
    l->retry.fire = accept_again;
    if (epoll_register(e, fd, l, TAG_LISTENER) != 0) {
        close(fd);
        heap_give(l);
        return ERR_NO_MEMORY;
    }
    l->next = e->listeners;
    e->listeners = l;
    *listener = l;
    return OK;
}

/* An event of it may be in the batch that is being handed out: the struct stays until the end of
 * the turn. */
void epoll_listener_close(struct io *io, struct io_listener *l)
{
    assert(l->fd >= 0);
    timers_cancel(&io->timers, &l->retry);
    close(l->fd);
    l->fd = -1;
    l->epoll->listener_died = true;
}

void epoll_listeners_bury(struct epoll *e)
{
    struct io_listener **at = &e->listeners, *l;

    if (!e->listener_died)
        return;
    e->listener_died = false;
    while ((l = *at) != NULL) {
        if (l->fd >= 0) {
            at = &l->next;
        } else {
            *at = l->next;
            heap_give(l);
        }
    }
}

void epoll_listeners_destroy(struct epoll *e)
{
    for (struct io_listener *l = e->listeners; l != NULL; l = l->next)
        if (l->fd >= 0)
            epoll_listener_close(&e->posix.io, l);
    epoll_listeners_bury(e);
}
