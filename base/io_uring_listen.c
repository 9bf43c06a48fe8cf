#include "base/io_uring_parts.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/io_listening.h"
#include "base/owner.h"

/* One request that goes on takes whoever waits, before we see the first of them. Where the
 * process may have few descriptors that leaves it without any for its files: there each is asked
 * for. Many are more than can wait. */
#define MANY_DESCRIPTORS 16384u

struct io_listener {
    struct uring *uring;
    int fd;
    bool closing;
    io_accepted_fn *accepted;
    void *context;
    struct timer retry; /* armed while accepting rests */
    struct io_listener *previous;
    struct io_listener *next;
};

/* ---- accepting ------------------------------------------------------------------------------ */

static void accept_arm(struct io_listener *l)
{
    struct io_uring_sqe *sqe = uring_sqe(l->uring, l, TAG_ACCEPT);

    if (io_descriptors_max(&l->uring->posix.io) >= MANY_DESCRIPTORS)
        io_uring_prep_multishot_accept(sqe, l->fd, NULL, NULL, SOCK_CLOEXEC);
    else
        io_uring_prep_accept(sqe, l->fd, NULL, NULL, SOCK_CLOEXEC);
}

static void accept_again(struct timer *timer)
{
    accept_arm(owner_of(timer, struct io_listener, retry));
}

static void listener_free(struct io_listener *l)
{
    struct uring *u = l->uring;

    timers_cancel(&u->posix.io.timers, &l->retry);
    close(l->fd);
    if (l->next != NULL)
        l->next->previous = l->previous;
    if (l->previous != NULL)
        l->previous->next = l->next;
    else
        u->listeners = l->next;
    heap_give(l);
}

static void accepted(struct io_listener *l, int fd)
{
    struct io_address peer;

    if (!l->closing && socket_peer(fd, &peer))
        l->accepted(l->context, uring_sock_create(l->uring, fd), &peer);
    else
        close(fd); /* gone already */
}

/* The end of one multishot request. */
static void accept_ended(struct io_listener *l, int result)
{
    struct timers *timers = &l->uring->posix.io.timers;

    if (l->closing)
        listener_free(l);
    else if (result >= 0 || result == -ECONNABORTED || result == -EINTR)
        accept_arm(l);
    else
        timers_arm(timers, &l->retry, l->uring->posix.io.now_ns + LISTENING_RETRY_NS);
}

void uring_accept_completed(struct uring *u, struct io_listener *l, int result, unsigned flags)
{
    bool more = flags & IORING_CQE_F_MORE;

    if (u->stopped) {
        if (result >= 0)
            close(result);
        return;
    }
    if (result >= 0)
        accepted(l, result); /* may close the listener, which stays until its request has ended */
    if (!more)
        accept_ended(l, result);
}

/* ---- listening ------------------------------------------------------------------------------ */

enum err uring_listen(struct io *io, const char *host, uint16_t port, io_accepted_fn *accepted_fn,
                      void *context, struct io_listener **listener, uint16_t *bound)
{
    struct uring *u = (struct uring *)io;
    struct io_listener *l;
    enum err err;
    int fd;

    err = listening_open(io, host, port, 0, &fd, bound);
    if (err != OK)
        return err;
    l = HEAP_NEW(struct io_listener);
    *l = (struct io_listener){.uring = u, .fd = fd, .accepted = accepted_fn, .context = context};
    l->retry.fire = accept_again;
    l->next = u->listeners;
    if (u->listeners != NULL)
        u->listeners->previous = l;
    u->listeners = l;
    accept_arm(l);
    *listener = l;
    return OK;
}

/* Shutting a listening socket down ends its accept request and frees the port at once. */
void uring_listener_close(struct io *io, struct io_listener *l)
{
    assert(!l->closing);
    l->closing = true;
    shutdown(l->fd, SHUT_RDWR);
    if (timer_armed(&l->retry)) {
        (void)io;
        listener_free(l);
    }
}

void uring_listeners_destroy(struct uring *u)
{
    while (u->listeners != NULL)
        listener_free(u->listeners);
}
